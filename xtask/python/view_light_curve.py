#!/usr/bin/env python3
"""Do astropy, pandas and specutils take a light curve, every column with its type and unit?

    view_light_curve.py FOLDER          (or: cargo xtask light-curve [FOLDER])

FOLDER holds `lightcurve.csv` and `lightcurve.ecsv`, as `spx run` leaves them in `results`. Needs
xtask/python/requirements-viewers.txt.
"""
import pathlib
import sys

import numpy as np
import pandas
from astropy import units as u
from astropy.table import Table
from specutils import Spectrum

from viewlib import Checks

# Kind of the values (as in numpy) and unit of each column, in the order of the CSV.
COLUMNS = {
    "obs_id": ("U", None), "mjd": ("f", u.d), "flux": ("f", u.uJy), "flux_error": ("f", u.uJy), "mag_ab": ("f", u.mag),
    "mag_ab_error": ("f", u.mag), "wavelength": ("f", u.um), "bandwidth": ("f", u.um), "band": ("U", None),
    "flag": ("i", None), "flag_binary": ("U", None), "pix_x": ("f", u.pix), "pix_y": ("f", u.pix),
    "is_upper_limit": ("b", None), "snr": ("f", None), "ra": ("f", u.deg), "dec": ("f", u.deg), "detector": ("i", None),
    "is_good": ("b", None), "bad_flag": ("i", None), "is_detected": ("b", None), "masked_fraction": ("f", None), "bg_level": ("f", u.uJy / u.arcsec**2),
    "bg_error": ("f", u.uJy / u.arcsec**2), "bg_pixels": ("i", None), "aperture_radius": ("f", u.pix),
    "aperture_correction": ("f", None), "psf_flux": ("f", u.uJy), "psf_flux_error": ("f", u.uJy), "psf_chi2": ("f", None),
    "psf_pixels": ("i", None), "pixel_area": ("f", u.arcsec**2), "zodi_scale": ("f", None), "zodi_scale_error": ("f", None),
    "wavelength_source": ("U", None), "pixel_area_source": ("U", None), "fallbacks": ("U", None),
}  # fmt: skip
# Side by side, for specutils takes the next column of the unit of the flux as its uncertainty.
FIRST = ["obs_id", "mjd", "wavelength", "bandwidth", "flux", "flux_error"]


def by_astropy(path):
    c = Checks("astropy")
    table = Table.read(path)
    c.check(table.colnames[: len(FIRST)] == FIRST, f"the first columns are {table.colnames[: len(FIRST)]}")
    c.check(set(table.colnames) == set(COLUMNS), f"{len(table.colnames)} columns, {len(table)} rows")
    wrong = [
        f"{name}: {table[name].dtype} {table[name].unit}"
        for name, (kind, unit) in COLUMNS.items()
        if table[name].dtype.kind != kind or table[name].unit != unit
    ]
    c.check(not wrong, f"types and units {wrong or 'of all columns'}")
    told = all(table[name].description and table[name].meta.get("ucd") for name in table.colnames)
    c.check(told, "every column has a description and a UCD")
    c.check({"source", "ra", "dec", "creator"} <= set(table.meta), f"metadata {dict(table.meta)}")
    return c, table


def by_pandas(path, table):
    c = Checks("pandas")
    text = {name: str for name in ("obs_id", "flag_binary")}
    frame = pandas.read_csv(path, comment="#", dtype=text)
    c.check(list(frame.columns) == list(COLUMNS), f"{len(frame.columns)} columns, {len(frame)} rows")
    for name, (kind, _) in COLUMNS.items():
        values = frame[name]
        if values.isna().all():
            continue
        # An integer column with empty cells is one of floats for pandas.
        right = {
            "U": pandas.api.types.is_string_dtype(values.dropna()),
            "f": pandas.api.types.is_float_dtype(values),
            "i": pandas.api.types.is_integer_dtype(values) or (values.isna().any() and values.dtype.kind == "f"),
            "b": pandas.api.types.is_bool_dtype(values),
        }[kind]
        if not right:
            c.check(False, f"{name}: {values.dtype}")
    frame = frame.sort_values("wavelength", kind="stable")
    for name in ("wavelength", "flux", "flux_error", "mag_ab", "flag", "is_good"):
        ours = np.ma.filled(np.ma.asarray(table[name], dtype=float), np.nan)
        c.check(np.array_equal(frame[name].to_numpy(dtype=float), ours, equal_nan=True), f"{name} as in the ECSV")
    return c


def by_specutils(path, table):
    c = Checks("specutils")
    spectrum = Spectrum.read(path, format="ECSV")
    expected = [(spectrum.spectral_axis, "wavelength"), (spectrum.flux, "flux")]
    expected.append((spectrum.uncertainty.quantity, "flux_error"))
    for found, name in expected:
        same = found.unit == table[name].unit and np.array_equal(found.value, np.asarray(table[name]))
        c.check(same, f"{name} [{found.unit}]")
    guessed = Spectrum.read(path)
    c.check(np.array_equal(guessed.flux.value, spectrum.flux.value), "the format need not be named")
    return c


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    ecsv = folder / "lightcurve.ecsv"
    astropy, table = by_astropy(ecsv)
    checks = [astropy, by_pandas(folder / "lightcurve.csv", table), by_specutils(str(ecsv), table)]
    sys.exit(any(c.failed for c in checks))


if __name__ == "__main__":
    main()
