#!/usr/bin/env python3
"""Reference values of line maps and of spectra of regions: testdata/maps/reference.json, by numpy from the cube there.

    golden_maps.py testdata          (or: cargo xtask golden maps)

testdata/maps/cube.fits.gz is a cube of spx of 30 simulated exposures; the region files there were written by DS9
(write_ds9_regions.py), for the shapes below. Nothing here comes from spx but the pixels of the cube. Needs numpy and
astropy.
"""
import json
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

# In pixels of the cube, from 1, as DS9 has them. No center of a pixel lies on an outline.
SHAPES = [
    ("circle", [13.5, 12.25, 4.0]),
    ("ellipse", [9.0, 14.0, 6.0, 3.0, 30.0]),
    ("box", [17.0, 9.5, 9.0, 5.0, 20.0]),
    ("polygon", [4.2, 5.1, 12.7, 6.3, 10.1, 15.8, 3.6, 11.4]),
    ("annulus", [14.0, 13.0, 3.2, 6.6]),
]
RING = [4.9, 6.7]  # about the first shape [px]
LINE, CONTINUUM = [1.9, 1.98], [[1.7, 1.88], [2.0, 2.2]]  # [um]


def inside(shape, numbers, x, y):
    """Which pixels, by their centers."""
    if shape == "polygon":
        corners = np.array(numbers).reshape(-1, 2)
        odd = np.zeros(x.shape, bool)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0)):
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
        return odd
    x, y = x - numbers[0], y - numbers[1]
    if shape == "circle":
        return np.hypot(x, y) < numbers[2]
    if shape == "annulus":
        return (np.hypot(x, y) > numbers[2]) & (np.hypot(x, y) < numbers[3])
    turn = np.radians(numbers[4])
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    if shape == "ellipse":
        return np.hypot(along / numbers[2], across / numbers[3]) < 1
    return (abs(along) < numbers[2] / 2) & (abs(across) < numbers[3] / 2)


def spectrum(sci, var, area, mask, background=0.0):
    """Of each plane: pixels with data, mean [MJy/sr], flux [uJy], and its error as if voxels were independent."""
    sci, var = sci[:, mask] - np.reshape(background, (-1, 1)), var[:, mask]
    sci = np.where(np.isfinite(sci), sci, np.nan)
    n = np.isfinite(sci).sum(axis=1)
    total, error = np.nansum(sci, axis=1), np.sqrt(np.nansum(np.where(np.isfinite(sci), var, np.nan), axis=1))
    micro = 1e12 * area
    return {"n": n.tolist(), "mean": (total / n).tolist(), "flux": (total * micro).tolist(), "error": (error * micro).tolist()}


def line_map(sci, var, table):
    """Intensity and error [nW/m2/sr] by the whole covariance of a weighted straight line, and its level in the middle."""
    center, nu = np.array(table["LAMBDA"], float), np.array(table["DNU"], float) * 1e-11
    within = lambda low, high: (center >= low) & (center <= high)
    on = within(*LINE)
    off = np.any([within(*part) for part in CONTINUUM], axis=0) & ~on
    at, middle = center[off], center[on].mean()
    design = np.column_stack([np.ones(at.size), at - middle])
    wanted = np.column_stack([np.ones(on.sum()), center[on] - middle])
    shape = sci.shape[1:]
    out = np.full((3, *shape), np.nan)
    for y, x in np.ndindex(shape):
        good = np.isfinite(sci[off, y, x])
        if good.sum() < 3 or not np.all(np.isfinite(sci[on, y, x])):
            continue
        a = design[good]
        weight = np.diag(1 / var[off, y, x][good])
        covariance = np.linalg.inv(a.T @ weight @ a)
        level = covariance @ a.T @ weight @ sci[off, y, x][good]
        sums = nu[on] @ wanted
        out[0, y, x] = nu[on] @ sci[on, y, x] - sums @ level
        out[1, y, x] = np.sqrt((nu[on] ** 2) @ var[on, y, x] + sums @ covariance @ sums)
        out[2, y, x] = level[0]
    return {name: [None if np.isnan(v) else float(f"{v:.7g}") for v in part.ravel()] for name, part in zip(("MAP", "ERR", "CONTINUUM"), out)}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1]) / "maps"
    with fits.open(folder / "cube.fits.gz") as hdus:
        sci, var = (np.array(hdus[name].data, float) for name in ("SCI", "VARIANCE"))
        area, table = hdus[0].header["PIXAR_SR"], hdus["WAVELENGTH"].data
        y, x = np.mgrid[: sci.shape[1], : sci.shape[2]] + 1.0
        masks = [inside(shape, numbers, x, y) for shape, numbers in SHAPES]
        first = SHAPES[0][1]
        ring = inside("annulus", [*first[:2], *RING], x, y) & ~masks[0]
        background = np.nanmedian(np.where(np.isfinite(sci), sci, np.nan)[:, ring], axis=1)
        reference = {
            "shapes": [shape for shape, _ in SHAPES],
            "spectra": [spectrum(sci, var, area, mask) for mask in masks],
            "ring_px": RING,
            "above_ring": spectrum(sci, var, area, masks[0], background) | {"background": background.tolist()},
            "line": LINE,
            "continuum": CONTINUUM,
            "line_map": line_map(sci, var, table),
        }
    (folder / "reference.json").write_text(json.dumps(reference) + "\n")


if __name__ == "__main__":
    main()
