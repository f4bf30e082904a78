#!/usr/bin/env python3
"""CPU time of photutils' PSF photometry with groups, for `cargo xtask bench-peers scene`.

    python bench_scene.py image.fits table.csv

The image is a full frame of release R7, the table what `spx batch` measured on it. Fluxes are fitted at the places of the
table, sources nearer than 6 px to each other together, with the ePSF of the middle zone, over 7 x 7 pixels. Prints the
sources and the CPU seconds for them, as JSON; sources within a square of 512 px are enough.
"""
import csv
import json
import sys
import time
import warnings

import numpy as np
from astropy.io import fits
from astropy.table import QTable
from photutils.psf import ImagePSF, PSFPhotometry, SourceGrouper

SIDE, SEPARATION = 512, 6.0


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    with fits.open(sys.argv[1]) as file:
        image, variance = (file[name].data[:SIDE, :SIDE].astype(float) for name in ("IMAGE", "VARIANCE"))
        table = file["EPSF"].data
        psf = table["EPSF"][len(table) // 2].reshape(33, 33).astype(float)
    with open(sys.argv[2]) as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        places = np.array([(float(row["x"]), float(row["y"])) for row in rows])
    places = places[(places < SIDE - 4).all(axis=1) & (places > 3).all(axis=1)]
    model = ImagePSF(psf * 25.0, x_0=0, y_0=0, oversampling=5)
    model.x_0.fixed = model.y_0.fixed = True
    start = QTable({"x": places[:, 0], "y": places[:, 1], "flux": np.full(len(places), 1.0)})
    begin = time.process_time()
    fit = PSFPhotometry(model, (7, 7), grouper=SourceGrouper(SEPARATION))
    bad = ~(np.isfinite(image) & (variance > 0))
    image, variance = np.where(bad, 0.0, image - np.nanmedian(image)), np.where(bad, 1.0, variance)
    found = fit(image, error=np.sqrt(variance), mask=bad, init_params=start)
    seconds = time.process_time() - begin
    good = int(np.isfinite(found["flux_fit"]).sum())
    print(json.dumps({"sources": good, "seconds": seconds, "photutils": __import__("photutils").__version__}))


if __name__ == "__main__":
    main()
