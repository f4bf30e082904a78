#!/usr/bin/env python3
"""Does astropy take a cube: structure, checksums, units, sky and wavelengths of every plane?

    view_astropy.py CUBE.fits          (or: cargo xtask viewers CUBE.fits)

Also the exact alternate WCS `T` where the file has one. Needs numpy and astropy.
"""
import sys
import warnings

import numpy as np
from astropy.io import fits
from astropy.units import Unit
from astropy.wcs import WCS

from viewlib import Checks, Table

NAMES = ["PRIMARY", "SCI", "VARIANCE", "AND_MASK", "OR_MASK", "COUNT", "WAVELENGTH"]
COLUMNS = ["INDEX", "LAMBDA", "LAMBDA_MIN", "LAMBDA_MAX", "DLAMBDA", "NU", "DNU", "R_EFF", "N_INPUT_SC", "R_DATA"]


def structure(c, path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with fits.open(path, checksum=True) as hdul:
            try:
                hdul.verify("exception")
                c.check(True, "verify('exception')")
            except Exception as error:
                c.check(False, f"verify('exception'): {error}")
            for hdu in hdul:
                _ = hdu.data
            c.check([h.name for h in hdul[:7]] == NAMES, f"HDUs {[h.name for h in hdul]}")
            c.check(hdul["WAVELENGTH"].columns.names[: len(COLUMNS)] == COLUMNS, "columns of WAVELENGTH")
            c.check(all("CHECKSUM" in h.header and "DATASUM" in h.header for h in hdul), "every HDU has its checksums")
            kinds = {n: hdul[n].data.dtype for n in NAMES[1:6]}
            want = dict(zip(NAMES[1:6], map(np.dtype, (">f4", ">f4", "u4", "u4", "u2"))))
            c.check(all(kinds[n].newbyteorder("=") == want[n].newbyteorder("=") for n in want), f"types {kinds}")
            c.check(Unit(hdul["SCI"].header["BUNIT"]) == Unit("MJy/sr"), "BUNIT of SCI")
            c.check(Unit(hdul["VARIANCE"].header["BUNIT"]) == Unit("MJy2/sr2"), "BUNIT of VARIANCE")
    bad = [str(w.message) for w in caught]
    c.check(not bad, "checksums agree and nothing to warn of" if not bad else f"warnings: {bad}")


def planes(wcs, shape):
    """World coordinates of a grid of pixels in every plane, [z][point][axis]; wavelengths in um."""
    z, y, x = np.meshgrid(np.arange(shape[0]), *(np.linspace(0, n - 1, 5) for n in shape[1:]), indexing="ij")
    world = wcs.wcs_pix2world(np.column_stack([x.ravel(), y.ravel(), z.ravel()]), 0)
    world[:, 2] *= Unit(str(wcs.wcs.cunit[2])).to("um")
    return world.reshape(shape[0], 25, 3)


def coordinates(c, path):
    table = Table(path)
    with fits.open(path) as hdul:
        for name in ("SCI", "VARIANCE"):
            header, shape = hdul[name].header, hdul[name].shape
            world = planes(WCS(header, hdul), shape)
            table.check(c, world[:, 0, 2], name)
            c.check(np.ptp(world[:, :, 2], axis=1).max() < 1e-9, f"{name}: one wavelength a plane")
            flat = WCS(hdul["COUNT"].header, hdul).celestial
            y, x = np.meshgrid(*(np.linspace(0, n - 1, 5) for n in shape[1:]), indexing="ij")
            sky = np.column_stack(flat.wcs_pix2world(x.ravel(), y.ravel(), 0))
            c.check(np.abs(world[:, :, :2] - sky).max() < 1e-11, f"{name}: the sky of COUNT in every plane")
        for name in ("AND_MASK", "OR_MASK", "COUNT"):
            c.check(WCS(hdul[name].header, hdul).has_celestial, f"{name}: celestial WCS")
        if "CTYPE3T" in hdul["SCI"].header:
            for name in ("SCI", "VARIANCE"):
                exact = planes(WCS(hdul[name].header, hdul, key="T"), hdul[name].shape)
                off = np.abs(exact[:, :, 2] / table.center[:, None] - 1).max()
                c.check(off < 1e-12, f"{name}: alternate WCS T, exact to {off:.1e}")
                primary = planes(WCS(hdul[name].header, hdul), hdul[name].shape)
                c.check(np.abs(exact - primary)[:, :, :2].max() < 1e-11, f"{name}: alternate WCS T, the same sky")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    c = Checks("astropy")
    structure(c, sys.argv[1])
    coordinates(c, sys.argv[1])
    c.exit()


if __name__ == "__main__":
    main()
