#!/usr/bin/env python3
"""Does spectral-cube take a cube: `SpectralCube.read(file, hdu="SCI")`, with right wavelengths and values? Of a cube of
several detectors `SpectralCube(data, WCS(header, hdus))`.

    view_spectral_cube.py CUBE.fits          (or: cargo xtask viewers CUBE.fits)

Needs xtask/python/requirements-viewers.txt.
"""
import sys

import numpy as np
from astropy.io import fits
from astropy.units import Unit
from astropy.wcs import WCS
from spectral_cube import SpectralCube

from viewlib import Checks, Table


def read(path, name):
    """A cube; its own reader hands no tables on, so that an axis by a table needs the WCS from outside."""
    with fits.open(path) as hdus:
        header = hdus[name].header
        if header["CTYPE3"] != "WAVE-TAB":
            return SpectralCube.read(path, hdu=name)
        return SpectralCube(hdus[name].data * Unit(header["BUNIT"]), WCS(header, hdus))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path, c = sys.argv[1], Checks("spectral-cube")
    for name, unit in (("SCI", "MJy/sr"), ("VARIANCE", "MJy2/sr2")):
        try:
            cube = read(path, name)
        except Exception as error:
            c.check(False, f"read(hdu='{name}'): {error!r}")
            continue
        data = fits.getdata(path, name)
        c.check(cube.shape == data.shape, f"{name}: shape {cube.shape}")
        c.check(cube.unit.is_equivalent(unit) and cube.unit.to(unit) == 1, f"{name}: unit {cube.unit}")
        Table(path).check(c, cube.spectral_axis.to_value("um"), name)
        c.check(np.array_equal(cube.unmasked_data[:].value, data, equal_nan=True), f"{name}: the values")
        _, dec, ra = cube.world[0, :, :]
        with fits.open(path) as hdus:
            flat = WCS(hdus["COUNT"].header, hdus).celestial
        y, x = np.mgrid[: data.shape[1], : data.shape[2]]
        sky = flat.wcs_pix2world(x, y, 0)
        off = max(np.abs(ra.to_value("deg") - sky[0]).max(), np.abs(dec.to_value("deg") - sky[1]).max())
        c.check(off < 1e-9, f"{name}: sky to {off:.1e} deg")
    c.exit()


if __name__ == "__main__":
    main()
