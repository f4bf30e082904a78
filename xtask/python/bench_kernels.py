#!/usr/bin/env python3
"""Times of STScI's `drizzle` and of astropy's pixel map, for `cargo xtask bench-peers kernels`.

    python bench_kernels.py real_header.txt

Prints a line for each kernel of crates/spx-drizzle/benches/kernels.rs: its name, the CPU seconds that adding one image
and its weights takes, and those of adding also its variance and flags, both with the context (its default). `map` is the map of an image onto
a TAN grid, by all_pix2world and wcs_world2pix. Least of several runs, one thread.
"""
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from drizzle.resample import Drizzle

SIDE, RUNS = 2040, 4


def least(work):
    times = []
    for _ in range(RUNS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    y, x = np.indices((SIDE, SIDE), dtype=float)
    cos, sin = np.cos(np.deg2rad(17.0)), np.sin(np.deg2rad(17.0))
    u, v = x - 1020.0, y - 1020.0
    pixmap = np.dstack([1020.2 + cos * u - sin * v, 1020.7 + sin * u + cos * v])
    data, weight, variance = (np.full((SIDE, SIDE), value, np.float32) for value in (0.1, 1e4, 1e-4))
    flags = np.zeros((SIDE, SIDE), np.uint32)
    for kernel in ["square", "turbo", "point", "gaussian", "lanczos2", "lanczos3"]:
        seconds = []
        for products in [{}, dict(data2=variance, dq=flags)]:
            out = Drizzle(kernel=kernel, out_shape=(SIDE, SIDE), fillval=0.0)
            seconds.append(least(lambda: out.add_image(data, 1.0, pixmap, weight_map=weight, pixfrac=0.8, **products)))
        print(kernel, *(f"{s:.4f}" for s in seconds), flush=True)
    header = fits.Header.fromstring(Path(sys.argv[1]).read_text(), sep="\n")
    image = WCS(header)
    grid = WCS(naxis=2)
    grid.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    grid.wcs.crval, grid.wcs.crpix = image.wcs.crval, [SIDE / 2 + 0.5] * 2
    grid.wcs.cdelt = [-6.15 / 3600, 6.15 / 3600]
    seconds = least(lambda: grid.wcs_world2pix(*image.all_pix2world(x, y, 0), 0))
    print("map", *(f"{seconds:.4f}",) * 2)


if __name__ == "__main__":
    main()
