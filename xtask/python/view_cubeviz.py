#!/usr/bin/env python3
"""Does jdaviz take a cube into Cubeviz, by its present and its older loader, with right wavelengths and values?

    view_cubeviz.py CUBE.fits          (or: cargo xtask viewers CUBE.fits)

Runs without a browser. Needs xtask/python/requirements-viewers.txt.
"""
import sys
import warnings

import numpy as np
from astropy.io import fits

from viewlib import Checks, Table


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")  # its own deprecations
    from jdaviz import Cubeviz

    path, c = sys.argv[1], Checks("cubeviz")
    data = fits.getdata(path, "SCI")
    for loader in ("load", "load_data"):
        viewer = Cubeviz()
        if not hasattr(viewer, loader):
            continue
        try:
            getattr(viewer, loader)(path)
        except Exception as error:
            c.check(False, f"{loader}: {error!r}")
            continue
        loaded = [d for d in viewer._app.data_collection if d.shape == data.shape]
        if not c.check(len(loaded) == 1, f"{loader}: {[d.label for d in viewer._app.data_collection]}"):
            continue
        spectrum = loaded[0].get_object(statistic=None)
        c.check(spectrum.flux.unit.is_equivalent("MJy/sr"), f"{loader}: unit {spectrum.flux.unit}")
        Table(path).check(c, spectrum.spectral_axis.to_value("um"), loader)
        flux = spectrum.flux.to_value("MJy/sr")
        c.check(np.allclose(flux, data, rtol=1e-6, atol=0, equal_nan=True), f"{loader}: the values, plane by plane")
    c.exit()


if __name__ == "__main__":
    main()
