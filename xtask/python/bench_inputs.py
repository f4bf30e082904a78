#!/usr/bin/env python3
"""Make the full-frame D3 exposures of `cargo xtask bench-peers drizzle`: rolled and dithered around NGC 4395.

    bench_inputs.py DIR COUNT

Files that are there already are kept (they are written under another name first, so none is half a file). Exposure k
is the same whatever COUNT. Prints the paths. 72 MB an exposure. Needs numpy and astropy.
"""
import pathlib
import sys

import numpy as np

import make_mef


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    for k in range(count):
        ra, dec = 186.4536 + rng.uniform(-0.4, 0.4), 33.5468 + rng.uniform(-0.4, 0.4)
        roll = rng.uniform(0, 360)
        path = folder / f"level2_2025W51_1A_{k:04d}_1D3_spx_l2b-v21-2025-354.fits"
        if not path.exists():
            partial = path.with_suffix(".partial")
            hdul = make_mef.build(
                ra, dec, roll=roll, detector=3, seed=k, mjd=61027 + k, obsid=f"2025W51_1A_{k:04d}_1",
                sources=[(186.45, 33.55, 5000.0)], sigma=0.01,
            )  # fmt: skip
            hdul.writeto(partial, overwrite=True)
            partial.rename(path)
        print(path)


if __name__ == "__main__":
    main()
