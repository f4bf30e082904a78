#!/usr/bin/env python3
"""Do the steps of IRSA's tutorials on spectra and on mosaic cubes work on what spx exports?

    irsa_tutorial.py TABLE.vot CUBE.fits IRSA.fits          (or: cargo xtask irsa-tutorial)

TABLE.vot is a table of `spx run --columns irsa --format votable`, IRSA.fits what `spx cube export --for irsa` made of CUBE.fits.
The steps are written anew, with astropy alone: read the table, drop flagged rows, make a spectrum in order of
wavelength; open a cube, take wavelengths and bandwidths of its planes from WCS-WAVE, channels from SPECTRAL_CHANNELS, a
position through the celestial WCS, its spectrum without flagged voxels.
"""
import sys

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

COLUMNS = """ra dec x_image y_image mjd flux_bkg local_bkg_flg flags fit_ql deep_flg det_id lvf_id obs_publisher_did
lambda lambda_width flux flux_err flux_err_tractor data_collection shape_r phi sersic ab_ratio source_id""".split()
# Bits of L2 flags that spoil a flux, and the tool's own CONTAINS_BAD_PIXEL and FIT_ERROR.
BAD = sum(1 << bit for bit in (0, 2, 6, 7, 9, 10, 11, 14, 15, 17, 20, *range(22, 30), 33))


class Checks:
    failed = 0

    def check(self, holds, what):
        print(f"{'ok  ' if holds else 'FAIL'} {what}")
        self.failed += not holds


def spectrum(checks, path):
    table = Table.read(path, format="votable")
    names = [name for name in table.colnames if name not in ("file", "status", "reason")]
    checks.check(names == COLUMNS, f"{path}: the columns of IRSA's tool, in its order")
    units = {"flux": u.uJy, "flux_err": u.uJy, "flux_bkg": u.MJy / u.sr, "lambda": u.um, "lambda_width": u.um,
             "mjd": u.d, "ra": u.deg, "dec": u.deg}  # fmt: skip
    checks.check(all(table[name].unit == unit for name, unit in units.items()), "units")
    checks.check(table["flags"].dtype == np.int64, f"flags are {table['flags'].dtype}")
    good = table[(np.asarray(table["flags"]) & BAD) == 0]
    checks.check(0 < len(good) <= len(table), f"{len(good)} of {len(table)} rows without bad flags")
    good.sort("lambda")
    wave = good["lambda"].quantity
    checks.check(bool(np.all(np.diff(wave) >= 0)) and 0.7 * u.um < wave[0] < wave[-1] < 5.1 * u.um,
                 f"{wave[0]:.3f} to {wave[-1]:.3f}")  # fmt: skip
    jansky = good["flux"].quantity.to(u.Jy)
    checks.check(bool(np.all(np.isfinite(jansky.value))), "fluxes in Jy")
    deep = np.ma.asarray(table["deep_flg"])
    checks.check(not np.ma.is_masked(deep) and set(deep) <= {0, 1}, f"deep_flg is {sorted(set(deep))}")
    points = np.all(table["shape_r"] == 0) and np.all(table["ab_ratio"] == 1) and np.all(table["sersic"] == 0)
    checks.check(bool(points) and set(map(str, table["source_id"])) != {""}, "points with a name")
    dids = [str(did) for did in good["obs_publisher_did"]]
    checks.check(all(did.startswith("ivo://irsa.ipac/spherex_") for did in dids), dids[0])


def cube(checks, original, path):
    with fits.open(path) as hdus, fits.open(original) as ours:
        names = [hdu.name for hdu in hdus]
        wanted = ["IMAGE", "NHITS", "FLAGS", "SPECTRAL_CHANNELS", "WCS-WAVE"]
        checks.check(all(name in names for name in wanted), f"{path}: {names}")
        image, hits, flags = hdus["IMAGE"].data, hdus["NHITS"].data, hdus["FLAGS"].data
        table = hdus["WCS-WAVE"].data
        checks.check(len(table) == 1, "WCS-WAVE has one row")
        waves, widths = np.squeeze(table["WAVELENGTHS"][0]), np.squeeze(table["BANDWIDTHS"][0])
        checks.check(table["WAVELENGTHS"][0].shape == (len(image), 1), f"WAVELENGTHS {table['WAVELENGTHS'][0].shape}")
        checks.check(np.array_equal(np.squeeze(table["PLANE"][0]), np.arange(1, len(image) + 1)), "PLANE counts from 1")
        bins = ours["WAVELENGTH"].data
        checks.check(np.allclose(waves, bins["LAMBDA"]) and np.allclose(widths, bins["DLAMBDA"]), "wavelengths, bandwidths")
        channels = Table(hdus["SPECTRAL_CHANNELS"].data)
        checks.check(np.allclose(channels["WAVELENGTH"], waves), f"SPECTRAL_CHANNELS: {channels.colnames}")
        celestial = WCS(hdus["IMAGE"].header, hdus).celestial
        ny, nx = image.shape[1:]
        sky = celestial.pixel_to_world(nx / 2, ny / 2)
        found = [float(c) for c in celestial.world_to_pixel(sky)]
        checks.check(np.allclose(found, [nx / 2, ny / 2], atol=1e-6), f"the center is at {sky.to_string('decimal')}")
        x, y = nx // 2, ny // 2
        good = np.isfinite(image[:, y, x]) & (hits[:, y, x] > 0) & ((flags[:, y, x].astype(np.int64) & BAD) == 0)
        checks.check(np.array_equal(image, ours["SCI"].data, equal_nan=True), "values")
        checks.check(u.Unit(hdus["IMAGE"].header["BUNIT"]) == u.MJy / u.sr and good.any(),
                     f"a spectrum of {good.sum()} planes at the center")  # fmt: skip


def main():
    checks = Checks()
    spectrum(checks, sys.argv[1])
    cube(checks, sys.argv[2], sys.argv[3])
    sys.exit(bool(checks.failed))


if __name__ == "__main__":
    main()
