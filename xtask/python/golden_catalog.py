#!/usr/bin/env python3
"""Catalogs as pyarrow, astropy and their users write them, for spx-batch.

    cargo xtask golden catalog          # runs: python golden_catalog.py testdata
    pip install astropy numpy pyarrow   # what it needs

Writes into <testdata dir>/catalog:

<codec>_v<1|2>.parquet   300 sources in data pages of version 1 or 2, with every codec of Parquet: a struct
                         whose fields are called ra and dec, unsigned 64-bit ids, right ascensions as decimals,
                         declinations as integers, some of them null
astropy_rad.parquet      three sources in radians and arcsec/yr, with astropy's metadata
sources.fits.gz          the same sources as a gzipped FITS table
arrow_rad.parquet        the same, with units in the metadata of Arrow's fields alone
votable_rad.parquet      the same, with units in the VOTable of parquet.votable
sources.tbl              the same as an IPAC table
two_tables.fits          the same in HDU 2, behind a table whose right ascension is not clear
"""
import decimal
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

CODECS = ["none", "snappy", "gzip", "brotli", "lz4", "zstd"]
N = 300


def sources():
    k = range(N)
    ra = [decimal.Decimal(n * 1_000_001).scaleb(-8) for n in k]
    dec = pa.array([None if n % 50 == 7 else n % 90 for n in k], pa.int32())
    decoy = pa.array([{"ra": 300.0, "dec": -80.0} for _ in k])
    ids = pa.array([2**64 - 1 - n for n in k], pa.uint64())
    return pa.table({"gaia": decoy, "source_id": ids, "ra": pa.array(ra, pa.decimal128(12, 8)), "dec": dec})


def others(table, out):
    field = lambda c: pa.field(c, pa.array(table[c].data).type, metadata=units(table, c))
    units = lambda t, c: {"unit": str(t[c].unit), "description": "unit"} if t[c].unit else None
    schema = pa.schema([field(c) for c in table.colnames])
    pq.write_table(pa.table([pa.array(table[c].data) for c in table.colnames], schema=schema), out / "arrow_rad.parquet")
    about = {c: {"unit": str(table[c].unit or ""), "ucd": "", "utype": "", "description": ""} for c in table.colnames}
    bare = Table({c: table[c].data for c in table.colnames})
    bare.write(out / "votable_rad.parquet", format="parquet.votable", metadata=about, overwrite=True)
    table.write(out / "sources.tbl", format="ascii.ipac", overwrite=True)
    column = lambda name: fits.Column(name, "D", array=[1.0])
    unclear = fits.BinTableHDU.from_columns([fits.Column("ID", "K", array=[1])] + [column(n) for n in ("RA", "R_A", "DEC")])
    fits.HDUList([fits.PrimaryHDU(), unclear, fits.table_to_hdu(table)]).writeto(out / "two_tables.fits", overwrite=True)


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    for codec in CODECS:
        for version in ("1.0", "2.0"):
            path = out / f"{codec}_v{version[0]}.parquet"
            pq.write_table(sources(), path, compression=codec, data_page_version=version, data_page_size=1024)
    table = Table(
        {
            "Name": ["a", "b", "c"],
            "RA_ICRS": np.radians([10.0, 20.0, 30.0]) * u.rad,
            "DE_ICRS": np.radians([-5.0, 0.0, 5.0]) * u.rad,
            "pmRA": [0.1, 0.0, -0.1] * u.arcsec / u.yr,
            "pmDE": [0.2, 0.0, 0.05] * u.arcsec / u.yr,
            "Epoch": [2016.0, 2016.0, 2015.5] * u.yr,
        }
    )
    table.write(out / "astropy_rad.parquet", overwrite=True)
    table.write(out / "sources.fits.gz", overwrite=True)
    others(table, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "catalog")
