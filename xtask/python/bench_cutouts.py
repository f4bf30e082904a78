#!/usr/bin/env python3
"""Make the cutouts of `cargo xtask bench-peers photometry`: 200 x 200 px around a star near NGC 4395, all six detectors.

    bench_cutouts.py DIR COUNT

Files that are there already are kept (they are written under another name first, so none is half a file). Cutout k is the
same whatever COUNT. Prints the paths. 5 MB a cutout, for it holds the PSFs of the full frame. Needs numpy and astropy.
"""
import pathlib
import sys

import numpy as np
from astropy.wcs import WCS

import make_mef

SIDE = 200
STAR = (186.45, 33.55)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(6)
    for k in range(count):
        ra, dec = STAR[0] + rng.uniform(-1, 1), STAR[1] + rng.uniform(-1, 1)
        roll, detector = rng.uniform(0, 360), k % 6 + 1
        path = folder / f"level2_2025W51_1A_{k:04d}_1D{detector}_spx_l2b-v21-2025-354.fits"
        if not path.exists():
            x, y = WCS(make_mef.celestial(ra, dec, roll)).all_world2pix([STAR], 0)[0]
            corner = [int(np.clip(c - SIDE / 2, 0, make_mef.NPIX - SIDE)) for c in (x, y)]
            partial = path.with_suffix(".partial")
            hdul = make_mef.build(
                ra, dec, roll=roll, detector=detector, seed=k, mjd=61027 + k, obsid=f"2025W51_1A_{k:04d}_1",
                cutout=(SIDE, SIDE, *corner), sources=[(*STAR, 5000.0)], sigma=0.01,
            )  # fmt: skip
            hdul.writeto(partial, overwrite=True)
            partial.rename(path)
        print(path)


if __name__ == "__main__":
    main()
