"""What the viewer checks (view_*.py) share: PASS and FAIL lines, and the wavelengths that a cube states about itself.

Not run by itself. Needs numpy and astropy.
"""
import sys

import numpy as np
from astropy.io import fits


class Checks:
    """Prints one line a check; `exit()` ends the process with 1 if any failed."""

    def __init__(self, tool):
        self.tool, self.failed = tool, False

    def check(self, ok, text):
        self.failed |= not ok
        print(f"{'PASS' if ok else 'FAIL'} {self.tool}: {text}", flush=True)
        return ok

    def exit(self):
        sys.exit(1 if self.failed else 0)


class Table:
    """Bin centers and widths [um] of the WAVELENGTH table, and the wavelengths of an HDU's axis, logarithmic or a table."""

    # The logarithmic axis of the header may leave the exact center by this fraction of a channel.
    TOLERANCE = 0.08

    def __init__(self, path, hdu="SCI"):
        rows = fits.getdata(path, "WAVELENGTH")
        self.center = np.array(rows["LAMBDA"], float)
        self.width = np.array(rows["LAMBDA_MAX"], float) - np.array(rows["LAMBDA_MIN"], float)
        header = fits.getheader(path, hdu)
        self.exact = header["CTYPE3"] == "WAVE-TAB"
        if self.exact:  # planes of several detectors follow no law: the table WCS-WAVE has their centers
            self.axis = np.array(fits.getdata(path, header["PS3_0"])[header["PS3_1"]][0], float).ravel()
            return
        ref, step, pixel = header["CRVAL3"], header["CDELT3"], header["CRPIX3"]
        # FITS paper III: WAVE-LOG is ref * exp(offset / ref).
        self.axis = ref * np.exp(step * (np.arange(self.center.size) + 1 - pixel) / ref)

    def off(self, wavelength):
        """The largest distance from the exact centers, in channels."""
        return float(np.max(np.abs(np.asarray(wavelength) - self.center) / self.width))

    def check(self, checks, wavelength, what):
        """`wavelength` [um], one a plane: as the header says it, and near enough to the exact centers."""
        wavelength = np.asarray(wavelength, float)
        if not checks.check(wavelength.shape == self.center.shape, f"{what}: {wavelength.size} planes"):
            return
        same = float(np.max(np.abs(wavelength / self.axis - 1)))
        checks.check(same < 1e-9, f"{what}: the header's {'table' if self.exact else 'logarithmic axis'} to {same:.1e}")
        off, allowed = self.off(wavelength), 1e-6 if self.exact else self.TOLERANCE
        checks.check(off <= allowed, f"{what}: within {off:.1e} channel of WAVELENGTH in every plane")
