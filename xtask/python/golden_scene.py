#!/usr/bin/env python3
"""Reference values for scenes: photutils' grouped PSF photometry, and the dense least squares, on the same image.

    cargo xtask golden scene            # runs: python golden_scene.py testdata
    pip install photutils numpy         # what it needs

Writes <testdata dir>/photometry/scene.f64, float64, little-endian: for each of 40 sources x and y, the flux by photutils
(all sources in one group, places fixed), the flux and its error by dense normal equations; then the image of 48 x 48
pixels, row by row. Sources are Gaussians (sigma 0.85 px) sampled at the centers of pixels, some less than a pixel apart;
the noise is 0.3 in each pixel.
"""
import sys
from pathlib import Path

import numpy as np
from astropy.table import QTable
from photutils.psf import CircularGaussianPSF, PSFPhotometry, SourceGrouper

SIDE, COUNT, SIGMA, NOISE = 48, 40, 0.85, 0.3


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rng = np.random.default_rng(17)
    places = rng.uniform(4, SIDE - 5, (COUNT, 2))
    places[1::2] = places[::2] + rng.uniform(-1.5, 1.5, (COUNT // 2, 2))
    fluxes = 10 ** rng.uniform(1, 3, COUNT)
    y, x = np.indices((SIDE, SIDE))
    squared = [(x - px) ** 2 + (y - py) ** 2 for px, py in places]
    shares = np.array([np.exp(-0.5 * r / SIGMA**2) / (2 * np.pi * SIGMA**2) for r in squared])
    image = np.tensordot(fluxes, shares, 1) + rng.normal(0, NOISE, (SIDE, SIDE))
    image = image.astype(np.float32).astype(float)

    matrix = shares.reshape(COUNT, -1)
    normal = matrix @ matrix.T / NOISE**2
    dense = np.linalg.solve(normal, matrix @ image.ravel() / NOISE**2)
    errors = np.sqrt(np.diag(np.linalg.inv(normal)))

    model = CircularGaussianPSF(fwhm=SIGMA * 2 * np.sqrt(2 * np.log(2)))
    model.x_0.fixed = model.y_0.fixed = model.fwhm.fixed = True
    start = QTable({"x": places[:, 0], "y": places[:, 1], "flux": fluxes})
    # photutils counts a pixel once for each box that it lies in: boxes that hold all pixels count all alike.
    fit = PSFPhotometry(model, (2 * SIDE + 1, 2 * SIDE + 1), grouper=SourceGrouper(1000.0))
    found = fit(image, error=np.full_like(image, NOISE), init_params=start)
    found.sort("id")
    print("largest difference of photutils and the dense solution:", np.abs(found["flux_fit"] / dense - 1).max())
    table = np.column_stack([places, found["flux_fit"], dense, errors])
    folder = Path(sys.argv[1]) / "photometry"
    folder.mkdir(parents=True, exist_ok=True)
    np.concatenate([table.ravel(), image.ravel()]).astype("<f8").tofile(folder / "scene.f64")


if __name__ == "__main__":
    main()
