#!/usr/bin/env python3
"""Small cutouts and what spxquery measures on them, for the tests of spx: `cargo xtask golden spxquery`.

    golden_spxquery.py TESTDATA

Writes TESTDATA/photometry/spxquery/d<n>.fits.gz, a cutout of each detector of the same sky, and `reference.csv`: what
spxquery finds at 16 places with four settings, mended where spx's documents say that it is wrong (column `mended`); no
flux where there is nothing to measure. The cutouts hold few significant digits and a PSF of one zone, so as to be small.
Needs xtask/python/requirements.txt.
"""
import csv
import gzip
import io
import pathlib
import sys
import warnings
from importlib.metadata import version

import numpy as np
from astropy.io import fits

from peer_photometry import LOST, NAN, SETTINGS, exposure, measure

SIDE = 64
# Detector with a pixel that is NaN and has no flag.
UNFLAGGED_NAN = 5
# Where both measure nothing.
NOTHING = ("on NaN", "across the edge", "off the image")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    folder = pathlib.Path(sys.argv[1]) / "photometry/spxquery"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(
        "# What spxquery measures\n\nSee `xtask/python/golden_spxquery.py`, which makes these files (`cargo xtask golden spxquery`).\n\n"
        f"Made by spxquery {version('spxquery')}, astropy {version('astropy')}, numpy {version('numpy')}.\n"
    )
    with open(folder / "reference.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow("file place ra dec options flux flux_error wavelength bandwidth flag pix_x pix_y mended".split())
        for detector in range(1, 7):
            hdul, places = exposure(0, detector, SIDE, (1500, 400), unflagged_nan=detector == UNFLAGGED_NAN)
            path = folder / f"d{detector}.fits.gz"
            write(hdul, path)
            for setting in SETTINGS:
                for place, position in places.items():
                    row = reference(path, place, position, setting, detector)
                    if row is not None:
                        table.writerow(row)


def write(hdul, path):
    """Rounds the pixels to a twentieth of the noise and the like, and leaves one small plane of the PSF."""
    for name, step in (("IMAGE", 2**-11), ("VARIANCE", 2**-20), ("ZODI", 2**-14)):
        hdul[name].data = (np.round(hdul[name].data / step) * step).astype(np.float32)
    psf = fits.ImageHDU(hdul["PSF"].data[:1, 40:61, 40:61], name="PSF")
    psf.header.update({key: hdul["PSF"].header[key] for key in ("OVERSAMP", "XCTR_1", "YCTR_1", "XWID_1", "YWID_1")})
    hdul[hdul.index_of("PSF")] = psf
    buffer = io.BytesIO()
    hdul.writeto(buffer)
    path.write_bytes(gzip.compress(buffer.getvalue(), 9, mtime=0))


def reference(path, place, position, setting, detector):
    head = (path.name, place, *map(repr, position), SETTINGS[setting][0])
    nothing = place in NOTHING or (place == "no background" and setting.endswith("annulus"))
    if nothing:
        return (*head, *[""] * 8)
    fit = SETTINGS[setting][1].get("subtract_zodi", True)
    spoiled = [NAN] if fit and detector == UNFLAGGED_NAN else []
    for mended in (spoiled, [*spoiled, LOST]):
        found, _ = measure(path, position, setting, mended)
        if found is not None:
            break
    else:
        return None
    numbers = (found.flux, found.flux_error, found.wavelength, found.bandwidth, found.flag, found.pix_x, found.pix_y)
    return (*head, *(repr(n if isinstance(n, int) else float(n)) for n in numbers), "; ".join(mended))


if __name__ == "__main__":
    main()
