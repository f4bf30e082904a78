#!/usr/bin/env python3
"""Read what `spx batch --format both` has written with pandas, DuckDB and astropy.

    read_parquet.py BATCH_DIR

Checks that each finds every row, that units and descriptions arrive, and that a query for one source reads one bucket.
Needs xtask/python/requirements-parquet.txt.
"""
import glob
import sys
import warnings

import duckdb
import numpy as np
import pandas as pd
from astropy.table import Table

UNITS = {"ra": "deg", "mjd": "d", "x": "pix", "flux": "uJy", "mag_ab": "mag", "wavelength": "um", "bg_level": "uJy / arcsec2"}


def bucket(target_id, buckets):
    """FNV-1a, as docs/batch.md has it."""
    value = 0xCBF29CE484222325
    for byte in target_id.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value % buckets


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = sys.argv[1]
    read = {"target_id": str, "fallbacks": str, "filename": str}
    curves = pd.concat(pd.read_csv(path, dtype=read) for path in glob.glob(f"{out}/lightcurves/*.csv"))
    files = glob.glob(f"{out}/lightcurves.parquet/*/*.parquet")
    one = curves.target_id.iloc[0]
    rows = int((curves.target_id == one).sum())

    frame = pd.read_parquet(f"{out}/lightcurves.parquet")
    assert len(frame) == len(curves), (len(frame), len(curves))
    number = bucket(one, len(files))
    found = pd.read_parquet(f"{out}/lightcurves.parquet", filters=[("bucket", "=", number), ("target_id", "=", one)])
    assert len(found) == rows, (one, number, len(found), rows)
    key = ["target_id", "mjd", "filename"]
    a, b = (table.sort_values(key).flux.to_numpy() for table in (frame, curves))
    assert np.array_equal(a, b), "fluxes are not those of the CSV files to the last bit"
    print(f"PASS pandas {pd.__version__}: {len(frame)} rows, {rows} of {one} in bucket {number} alone")

    table = f"'{out}/lightcurves.parquet/*/*.parquet'"
    count, empty = duckdb.sql(f"select count(*), count(*) - count(mag_ab) from {table}").fetchall()[0]
    assert (count, empty) == (len(curves), int(curves.mag_ab.isna().sum())), (count, empty)
    found = duckdb.execute(f"select count(*) from {table} where target_id = ?", [one]).fetchall()[0][0]
    assert found == rows
    print(f"PASS duckdb {duckdb.__version__}: {count} rows, no magnitude in {empty}, {found} of {one}")

    warnings.simplefilter("ignore")
    checked = 0
    for path in files:
        found = Table.read(path, format="parquet.votable")
        for name, unit in UNITS.items():
            assert str(found[name].unit) == unit, (name, found[name].unit)
        assert found["flux"].description.startswith("Flux density")
        pairs = list(zip(found["target_id"], found["mjd"]))
        assert pairs == sorted(pairs), f"{path} is not sorted by (target_id, mjd)"
        checked += len(found)
    assert checked == len(curves)
    print(f"PASS astropy: {checked} rows of {len(files)} files with units and descriptions, each sorted")


if __name__ == "__main__":
    main()
