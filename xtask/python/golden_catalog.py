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
"""
import decimal
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units as u
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


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "catalog")
