#!/usr/bin/env python3
"""Reference values of images on other grids: testdata/reproject/reference.json, by reproject_exact.

    golden_reproject.py testdata          (or: cargo xtask golden reproject)

An image of 44 x 44 pixels with a TAN projection, turned by 25 degrees, onto grids of all projections of spx, in ICRS and
galactic coordinates, with pixels of 6.15" and 9". reproject_exact computes the overlaps of pixels on the sphere; a
drizzle with the square kernel and whole pixels does so in the plane of the grid. Needs numpy, astropy and reproject.
"""
import json
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from reproject import reproject_exact

SIDE, CENTER, GALACTIC = 44, (186.4536, 33.5468), (162.0950, 81.5329)  # [px], [deg]


def grid(shape, projection, center, scale, turn, galactic=False):
    """WCS with its reference in the middle; `turn` is the position angle of the y axis [deg]."""
    wcs = WCS(naxis=2)
    names = ("GLON", "GLAT") if galactic else ("RA--", "DEC-")
    wcs.wcs.ctype = [f"{names[0]}-{projection}", f"{names[1]}-{projection}"]
    wcs.wcs.crval, wcs.wcs.crpix = center, [n / 2 + 0.5 for n in reversed(shape)]
    step, turn = scale / 3600, np.radians(turn)
    wcs.wcs.cd = np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * step
    if not galactic:
        wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def cards(wcs, shape):
    """Those of an image with this WCS."""
    header = fits.Header([("NAXIS", 2), ("NAXIS1", shape[1]), ("NAXIS2", shape[0])])
    header.update(wcs.to_header())
    return header.tostring(sep="\n", endcard=False, padding=False)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    y, x = np.indices((SIDE, SIDE))
    values = ((7919 * x + 10473 * y) * (x + 3 * y + 1) % 1000 / 1000.0).astype(np.float32)
    # A little off the middle of the grids.
    image = grid((SIDE, SIDE), "TAN", (CENTER[0] + 0.0004, CENTER[1] - 0.0003), 6.2, 25.0)
    cases = []
    for name, shape, projection, scale, turn, galactic in [
        ("TAN", (20, 22), "TAN", 6.15, 0.0, False),
        ("SIN turned", (20, 20), "SIN", 6.15, 40.0, False),
        ("ZEA", (20, 20), "ZEA", 6.15, 0.0, False),
        ("CAR", (20, 20), "CAR", 6.15, 0.0, False),
        ("TAN coarse", (16, 14), "TAN", 9.0, 10.0, False),
        ("galactic ZEA turned", (18, 18), "ZEA", 6.15, 30.0, True),
    ]:
        wcs = grid(shape, projection, GALACTIC if galactic else CENTER, scale, turn, galactic)
        result, footprint = reproject_exact((values, image), wcs, shape_out=shape, parallel=False)
        assert footprint.min() > 0.999999, name
        wanted = [round(float(value), 7) for value in result.ravel()]
        cases.append({"name": name, "cards": cards(wcs, shape), "shape": shape, "values": wanted})
    out = Path(sys.argv[1]) / "reproject"
    out.mkdir(exist_ok=True)
    text = json.dumps({"image": cards(image, (SIDE, SIDE)), "cases": cases})
    (out / "reference.json").write_text(text.replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
