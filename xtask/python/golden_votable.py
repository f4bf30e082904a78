#!/usr/bin/env python3
"""VOTables for spx-archive, as astropy writes them.

    cargo xtask golden votable          # runs: python golden_votable.py testdata
    pip install "astropy>=7" numpy      # what it needs

Writes into <testdata dir>/votable:

tabledata.xml, binary.xml, binary2.xml   one table of all datatypes with nulls, unicode, fixed and variable
                                         arrays, in the three serializations
expected.json                            its columns and values as astropy reads the file tabledata.xml back
answer_*.xml                             an answer of the archive's TAP service, in the three serializations,
                                         with an overflow behind the rows of answer_binary.xml
error.xml                                an answer that tells of an error
sia2_m31_real_rows.xml                   the rows of sia2_m31_real_rows.csv, which IRSA's SIA2 gave in November 2026

Nulls are JSON nulls; so are NaN, and empty texts, which astropy and spx read alike as nothing.
"""
import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
from astropy.io.votable import from_table, parse, tree
from astropy.table import Table

FORMATS = ["tabledata", "binary", "binary2"]


def field(votable, name, datatype, arraysize=None, **more):
    return tree.Field(votable, name=name, datatype=datatype, arraysize=arraysize, **more)


def everything():
    """Three rows of every datatype; the second is null wherever it may be."""
    votable = tree.VOTableFile(version="1.4")
    resource = tree.Resource(type="results")
    votable.resources.append(resource)
    resource.infos.append(tree.Info(name="QUERY_STATUS", value="OK"))
    table = tree.TableElement(votable, name="everything")
    resource.tables.append(table)
    columns = [
        ("flag", "boolean", None), ("bit", "bit", None), ("byte", "unsignedByte", None), ("short", "short", None),
        ("int", "int", None), ("long", "long", None), ("float", "float", None), ("double", "double", None),
        ("letter", "char", "1"), ("ascii", "char", "*"), ("fixed", "char", "6"), ("unicode", "unicodeChar", "*"),
        ("complex", "doubleComplex", None), ("pair", "double", "2"), ("many", "int", "*"), ("flags", "boolean", "3"),
        ("bits", "bit", "10"), ("matrix", "float", "2x2"), ("reals", "double", "*"),
    ]
    for name, datatype, arraysize in columns:
        ucd = "time.epoch;obs" if name == "double" else None
        table.fields.append(field(votable, name, datatype, arraysize, ucd=ucd))
    for name, null in [("byte", 255), ("short", -32768), ("int", -999), ("long", -(2**63))]:
        table.get_field_by_id_or_name(name).values.null = null
    table.create_arrays(3)
    rows = [
        (True, True, 7, -300, 123456, 2**53 + 1, 1.5, 60000.123456789, "x", "a <b> & 'c' \"d\"", "abc", "Ångström 星",
         1 + 2j, [1.0, -2.5], [1, 2, 3], [True, False, True], [1, 0, 1, 1, 0, 0, 0, 0, 0, 1], [[1, 2], [3, 4]], [0.1]),
        (False, False, 255, -32768, -999, -(2**63), math.nan, math.nan, "", "", "", "", 0j, [math.nan, 0.0], [],
         [False, False, False], [0] * 10, [[0, 0], [0, 0]], []),
        (False, True, 0, 32767, -(2**31), 2**63 - 1, -math.inf, 5e-324, "z", "line\ttab", "sixsix", "é",
         -1.5e300 - 0.25j, [math.inf, 0.0], [-7], [True, True, False], [0] * 9 + [1], [[0.5, 0], [0, -0.5]],
         [1e-300, 2.0, 3.0]),
    ]
    for k, row in enumerate(rows):
        for (name, datatype, arraysize), value in zip(columns, row):
            variable = arraysize == "*" and "har" not in datatype
            dtype = {"int": np.int32, "double": np.float64}.get(datatype)
            if variable:
                # By way of the data, for the masked array itself would strip the mask that the writer wants.
                table.array.data[name][k] = np.ma.array(value, dtype=dtype, mask=np.zeros(len(value), bool))
            else:
                table.array[name][k] = value
    for name in ["flag", "byte", "short", "int", "long", "float", "double"]:
        table.array.mask[name][1] = True
    return votable, table


def answer():
    """What TAP answers about three spectral images."""
    votable = tree.VOTableFile(version="1.4")
    resource = tree.Resource(type="results")
    votable.resources.append(resource)
    resource.infos.append(tree.Info(name="QUERY_STATUS", value="OK"))
    table = tree.TableElement(votable)
    resource.tables.append(table)
    for name, datatype, arraysize in [
        ("uri", "char", "*"), ("obs_publisher_did", "char", "*"), ("time_bounds_lower", "double", None),
        ("time_bounds_upper", "double", None), ("energy_bandpassname", "char", "*"),
        ("energy_bounds_lower", "double", None), ("energy_bounds_upper", "double", None),
        ("provenance_version", "char", "*"), ("quality_flag", "char", "*"),
    ]:
        table.fields.append(field(votable, name, datatype, arraysize))
    root = "ibe/data/spherex/qr2/level2/2025W51_1A"
    rows = []
    for detector, version, mjd in [(3, "21-2025-354", 61025.5), (3, "22-2026-010", 61025.5), (4, "21-2025-354", 61025.5)]:
        name = f"level2_2025W51_1A_0684_2D{detector}_spx_l2b-v{version}.fits"
        band = {3: (1.6301e-6, 2.4346e-6), 4: (2.4027e-6, 3.8473e-6)}[detector]
        rows.append((f"{root}/l2b-v{version}/{detector}/{name}",
                     f"ivo://irsa.ipac/spherex_qr2?2025W51_1A_0684_2/D{detector}", mjd, mjd + 113.58 / 86400,
                     f"SPHEREx-D{detector}", *band, "6.5.7", ""))
    table.create_arrays(len(rows))
    for k, row in enumerate(rows):
        table.array[k] = row
    return votable, table


def plain(value):
    """A value as JSON."""
    if value is np.ma.masked or isinstance(value, np.ma.core.MaskedConstant):
        return None
    if isinstance(value, np.ndarray):
        return [plain(v) for v in np.ma.getdata(value).ravel().tolist()]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return None if value == "" else value


def expected(path):
    table = parse(path).get_first_table()
    columns = [{"name": f.name, "datatype": f.datatype, "arraysize": f.arraysize, "ucd": f.ucd} for f in table.fields]
    rows = [[plain(table.array[f.ID][k]) for f in table.fields] for k in range(len(table.array))]
    return {"columns": columns, "rows": rows}


def write(votable, table, form, path):
    table.format = form
    votable.to_xml(str(path), tabledata_format=form)


def real_rows(out):
    """Rows that IRSA's SIA2 gave in November 2026, as a VOTable."""
    rows = list(csv.reader((out / "sia2_m31_real_rows.csv").open()))
    names = rows[0]
    numbers = {"s_ra", "s_dec", "em_min", "em_max", "t_min", "t_max", "access_estsize", "t_exptime"}
    columns = [[row[k] for row in rows[1:]] for k in range(len(names))]
    data = {n: [float(v) for v in c] if n in numbers else c for n, c in zip(names, columns)}
    votable = from_table(Table(data))
    votable.resources[0].type = "results"
    votable.resources[0].infos.append(tree.Info(name="QUERY_STATUS", value="OK"))
    votable.to_xml(str(out / "sia2_m31_real_rows.xml"))


def main(testdata):
    out = Path(testdata) / "votable"
    out.mkdir(parents=True, exist_ok=True)
    for prefix, make in [("", everything), ("answer_", answer)]:
        for form in FORMATS:
            votable, table = make()
            write(votable, table, form, out / f"{prefix}{form}.xml")
    (out / "expected.json").write_text(json.dumps(expected(out / "tabledata.xml"), indent=1) + "\n")
    overflow = out / "answer_binary.xml"
    text = overflow.read_text()
    end = text.rindex("</RESOURCE>")
    overflow.write_text(text[:end] + '<INFO name="QUERY_STATUS" value="OVERFLOW"/>\n ' + text[end:])
    votable = tree.VOTableFile(version="1.4")
    votable.resources.append(tree.Resource(type="results"))
    info = tree.Info(name="QUERY_STATUS", value="ERROR")
    info.content = "ADQL: no table `spherex.plain` (line 1) & <nothing> else"
    votable.resources[0].infos.append(info)
    votable.to_xml(str(out / "error.xml"))
    real_rows(out)


if __name__ == "__main__":
    main(sys.argv[1])
