#!/usr/bin/env python3
"""Times of CFITSIO, by the package fitsio, for `cargo xtask bench-peers fits`.

    python bench_fits.py make FILE           # by astropy: real numbers and flags, as they are and by RICE_1
    python bench_fits.py read FILE

Reading prints what crates/spx-core/benches/planes.rs prints: for each image its EXTNAME and the nanoseconds of a pixel,
processor time of one thread, the least of several runs.
"""
import sys
import time

import numpy as np

SIDE, RUNS = 2040, 5


def make(path):
    from astropy.io import fits
    rng = np.random.default_rng(5)
    real = rng.normal(0.3, 0.02, (SIDE, SIDE)).astype("f4")
    flags = (1 << rng.integers(0, 22, (SIDE, SIDE)) * (rng.random((SIDE, SIDE)) < 0.05)).astype("i4")
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(real, name="REAL"), fits.ImageHDU(flags, name="FLAGS")]
    for data, name in [(real, "REAL_RICE"), (flags, "FLAGS_RICE")]:
        hdus.append(fits.CompImageHDU(data, name=name, compression_type="RICE_1", quantize_method=1, dither_seed=1))
    fits.HDUList(hdus).writeto(path, overwrite=True)


def read(path):
    import fitsio
    with fitsio.FITS(path) as file:
        for hdu in file[1:]:
            times = []
            for _ in range(RUNS):
                begin = time.process_time()
                data = hdu.read()
                times.append(time.process_time() - begin)
            print(hdu.get_extname(), f"{1e9 * min(times) / data.size:.3f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "read"):
        sys.exit(__doc__)
    {"make": make, "read": read}[sys.argv[1]](sys.argv[2])
