#!/usr/bin/env python3
"""Do tools see flux, uncertainty, mask and wavelengths in what `spx cube export` made of a cube?

    view_exports.py CUBE.fits CUBEVIZ.fits IRSA.fits          (or: cargo xtask viewers CUBE.fits --only exports)

The former by Cubeviz, specutils (wcs1d-fits), spectral-cube and DS9; the latter by astropy, spectral-cube and DS9.
Needs xtask/python/requirements-viewers.txt, and what view_ds9.py needs.
"""
import sys
import warnings

import numpy as np
from astropy.io import fits
from astropy.nddata import VarianceUncertainty
from astropy.units import Unit
from astropy.wcs import WCS

import view_ds9
from viewlib import Checks, Table


class Cube:
    """What was exported."""

    def __init__(self, path):
        self.flux = fits.getdata(path, "SCI")
        self.variance = fits.getdata(path, "VARIANCE")
        self.flags = fits.getdata(path, "OR_MASK")
        self.count = fits.getdata(path, "COUNT")
        self.missing = ~np.isfinite(self.flux)


def same(found, expected):
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-6, atol=0, equal_nan=True)


def cubeviz(cube, path):
    from jdaviz import Cubeviz

    c = Checks("cubeviz")
    viewer = Cubeviz()
    viewer.load(path)
    data = {d.label.split("[")[-1].rstrip("]") if "[" in d.label else "FLUX": d
            for d in viewer._app.data_collection if d.shape == cube.flux.shape}  # fmt: skip
    c.check({"FLUX", "UNC", "MASK", "DQ"} <= set(data), f"it loads {sorted(data)}")
    spectrum = data["FLUX"].get_object(statistic=None)
    c.check(spectrum.flux.unit.is_equivalent("MJy/sr"), f"unit {spectrum.flux.unit}")
    c.check(same(spectrum.flux.to_value("MJy/sr"), cube.flux), "flux")
    Table(path, "FLUX").check(c, spectrum.spectral_axis.to_value("um"), "flux")
    uncertainty = np.asarray(data["UNC"]["flux"], float)
    c.check(same(uncertainty, np.sqrt(cube.variance)), "uncertainty: the square root of VARIANCE")
    c.check(same(data["MASK"]["flux"], cube.missing), "mask: 1 where there are no data")
    # It shows no flags as NaN.
    c.check(same(data["DQ"]["flux"], np.where(cube.flags == 0, np.nan, cube.flags)), "flags")
    return c.failed


def specutils(cube, path):
    from specutils import Spectrum

    c = Checks("specutils")
    spectrum = Spectrum.read(path, format="wcs1d-fits")
    c.check(same(spectrum.flux.to_value("MJy/sr"), cube.flux), f"flux in {spectrum.flux.unit}")
    Table(path, "FLUX").check(c, spectrum.spectral_axis.to_value("um"), "flux")
    kind = spectrum.uncertainty
    c.check(isinstance(kind, VarianceUncertainty) and same(kind.array, cube.variance), "uncertainty: VARIANCE")
    c.check(same(spectrum.mask, cube.missing), "mask: 1 where there are no data")
    return c.failed


def spectral_cube(cube, path, hdu):
    from spectral_cube import SpectralCube

    c = Checks(f"spectral-cube {hdu}")
    read = SpectralCube.read(path, hdu=hdu)
    c.check(read.unit == "MJy/sr" and same(read.unmasked_data[:].value, cube.flux), "the values")
    Table(path, hdu).check(c, read.spectral_axis.to_value("um"), "axis")
    return c.failed


def astropy(cube, path):
    c = Checks("astropy")
    with fits.open(path, checksum=True) as file:
        for name, expected in (("IMAGE", cube.flux), ("NHITS", cube.count), ("FLAGS", cube.flags), ("VARIANCE", cube.variance)):
            c.check(same(file[name].data, expected), f"{name}: the values")
            z = np.arange(cube.flux.shape[0])
            wcs = WCS(file[name].header, file, key="W")
            world = wcs.wcs_pix2world(0 * z, 0 * z, z, 0)[2] * Unit(str(wcs.wcs.cunit[2])).to("um")
            off = np.abs(world / Table(path, name).center - 1).max()
            c.check(off < 1e-12, f"{name}: exact wavelengths to {off:.1e}")
        rows = file["SPECTRAL_CHANNELS"].data
        table = Table(path, "IMAGE")
        c.check(same(rows["WAVELENGTH"], table.center), "SPECTRAL_CHANNELS: centers")
        c.check(same(rows["WL_MAX"] - rows["WL_MIN"], table.width), "SPECTRAL_CHANNELS: widths")
    return c.failed


def ds9(path, hdu):
    c = Checks(f"ds9 {hdu}")
    with view_ds9.Ds9(path, hdu) as window:
        view_ds9.check(c, window, path, hdu)
    return c.failed


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")  # deprecations within the tools
    cube, (for_cubeviz, for_irsa) = Cube(sys.argv[1]), sys.argv[2:]
    failed = [
        cubeviz(cube, for_cubeviz),
        specutils(cube, for_cubeviz),
        spectral_cube(cube, for_cubeviz, "FLUX"),
        ds9(for_cubeviz, "FLUX"),
        astropy(cube, for_irsa),
        spectral_cube(cube, for_irsa, "IMAGE"),
        ds9(for_irsa, "IMAGE"),
    ]
    sys.exit(1 if any(failed) else 0)


if __name__ == "__main__":
    main()
