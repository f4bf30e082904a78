#!/usr/bin/env python3
"""Does DS9 show a cube with right sky and wavelength coordinates?

    view_ds9.py CUBE.fits SCREENSHOT.png          (or: cargo xtask viewers CUBE.fits --screenshot FILE)

Starts its own X server and DS9, asks DS9 through XPA for the sky position of some pixels and for the wavelength of
every plane, compares them with astropy's, and takes a picture to look at. Needs ds9, xpaget and xpaset, Xvfb, and
import (ImageMagick); of Python numpy and astropy.
"""
import io
import os
import shutil
import subprocess
import sys
import time

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from viewlib import Checks, Table


PROGRAMS = ["ds9", "xpaget", "xpaset", "Xvfb", "import"]


class Ds9:
    """DS9 on a virtual screen; leaves no process behind."""

    def __init__(self, path, hdu="SCI"):
        self.title = f"spx{os.getpid()}"
        # DS9 does not know a primary HDU by its name.
        file = path if fits.getheader(path, hdu).get("SIMPLE") else f"{path}[{hdu}]"
        ours, theirs = os.pipe()
        self.screen = subprocess.Popen(
            ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1100x900x24", "-nolisten", "tcp"],
            pass_fds=[theirs], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            display = pipe.readline().strip()
        self.env = os.environ | {"DISPLAY": f":{display}", "XPA_METHOD": "local"}
        self.ds9 = subprocess.Popen(
            ["ds9", "-title", self.title, "-geometry", "1100x900", file, "-zscale", "-zoom", "to", "fit"],
            env=self.env, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.ds9.poll() is not None:
                break
            if self.get("fits depth", missing_ok=True):
                return self
            time.sleep(0.3)
        self.__exit__()
        raise RuntimeError("ds9 did not open the file within a minute")

    def __exit__(self, *_):
        for process in (self.ds9, self.screen):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def get(self, what, missing_ok=False):
        run = subprocess.run(["xpaget", self.title, *what.split()], env=self.env, capture_output=True, text=True)
        if run.returncode or "XPA$ERROR" in run.stdout + run.stderr:
            if missing_ok:
                return ""
            raise RuntimeError(f"xpaget {what}: {run.stdout}{run.stderr}")
        return run.stdout.strip()

    def set(self, what):
        subprocess.run(["xpaset", "-p", self.title, *what.split()], env=self.env, check=True)

    def plane(self):
        """The pixels of the plane that is shown."""
        command = ["xpaget", self.title, "fits", "slice"]
        run = subprocess.run(command, env=self.env, capture_output=True, check=True)
        return np.squeeze(fits.getdata(io.BytesIO(run.stdout)))

    def picture(self, path):
        self.set("raise")
        time.sleep(1)
        subprocess.run(["import", "-window", "root", path], env=self.env, check=True)


def check(c, ds9, path, hdu="SCI"):
    data = fits.getdata(path, hdu)
    with fits.open(path) as hdus:
        sky = WCS(hdus["AND_MASK"].header, hdus).celestial
    nz, ny, nx = data.shape
    size = ds9.get("fits size").split() + [ds9.get("fits depth")]
    c.check(list(map(int, size)) == [nx, ny, nz], f"size {size}")
    ds9.set("wcs icrs")
    wavelengths = []
    for k in range(nz):
        ds9.set(f"cube {k + 1}")
        wavelengths.append(float(ds9.get("cube wcs")))
    Table(path, hdu).check(c, wavelengths, "slices")

    # The plane with most data, and one in the middle. (XPA's `data` gives the first plane whatever is shown.)
    best = int(np.argmax(np.isfinite(data).sum(axis=(1, 2))))
    for k in (nz // 2, best):
        ds9.set(f"cube {k + 1}")
        shown = ds9.plane()
        c.check(np.array_equal(shown, data[k], equal_nan=True), f"values of plane {k + 1}")
    worst = 0.0
    for x, y in ((0, 0), (nx - 1, 0), (nx // 2, ny // 2), (nx // 3, ny - 1), (nx - 2, ny // 4)):
        ds9.set(f"crosshair {x + 1} {y + 1} image")
        shown = SkyCoord(*map(float, ds9.get("crosshair wcs icrs degrees").split()), unit="deg")
        want = SkyCoord(*map(float, sky.wcs_pix2world(x, y, 0)), unit="deg")
        worst = max(worst, shown.separation(want).arcsec)
    c.check(worst < 1e-3, f"sky positions to {worst:.1e} arcsec")  # seven decimals of a degree are 4e-4 arcsec


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    path, picture = sys.argv[1:]
    c = Checks("ds9")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        c.check(False, f"NOT TRIED, for {', '.join(missing)} is missing: apt-get install saods9 xpa-tools xvfb imagemagick")
        c.exit()
    try:
        with Ds9(path) as ds9:
            check(c, ds9, path)
            ds9.picture(picture)
            c.check(True, f"screenshot {picture}")
    except Exception as error:
        c.check(False, f"{error!r}")
    c.exit()


if __name__ == "__main__":
    main()
