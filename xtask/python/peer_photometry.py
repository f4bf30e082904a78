"""What the comparison with spxquery's photometry and its committed extract have in common: exposures with easy and
awkward positions, the settings, and spxquery's own measurement. Needs xtask/python/requirements.txt.
"""
import contextlib
import functools
import logging
import math
import pathlib

import numpy as np
from astropy.wcs import WCS
from spxquery.core.config import PhotometryConfig, Source
from spxquery.processing import photometry as peer

import make_mef

BIT = {name: 1 << bit for name, bit in make_mef.MASKS.items()}

# Options of spx, and the same for spxquery.
SETTINGS = {
    "fwhm-annulus": ("", {}),
    "fixed-annulus": (
        "--aperture-method=fixed --aperture-diameter=4",
        {"aperture_method": "fixed", "aperture_diameter": 4.0},
    ),
    "fwhm-window": (
        "--background-method=window --window-size=21",
        {"background_method": "window", "window_size": 21},
    ),
    "fixed-window": (
        "--aperture-method=fixed --background-method=window --window-size=15,24 --no-subtract-zodi",
        {"aperture_method": "fixed", "background_method": "window", "window_size": (15, 24), "subtract_zodi": False},
    ),
}  # fmt: skip

# Places on a grid of cells, so that none disturbs another much.
CELLS = ("bright", "faint", "crowded", "empty", "empty too", "on NaN", "repaired", "bad annulus", "many SOURCE",
         "no background", "on hot", "on bad")  # fmt: skip
COLUMNS = 4

LOST = "a flux that is not above zero is lost"
NAN = "a NaN without a flag spoils the fit of the zodiacal light"
EDGE = "a source nearer to the edge than the annulus is refused"
LIMIT = "an annulus at its largest radius may not use SOURCE pixels"


def exposure(k, detector, side, corner, unflagged_nan=False, crowded=False):
    """A cutout of `side` x `side` px of a full frame, from pixel `corner` (x0, y0) on, and places on it by name: (ra, dec).

    Exposures of the same `k` look at the same sky. With `unflagged_nan` a pixel far from all places is NaN and has no
    flag; with `crowded` more than half of the pixels are flagged SOURCE.
    """
    rng = np.random.default_rng(k)
    ra, dec, roll = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-0.95, 0.95))), rng.uniform(0, 360)
    sky = WCS(make_mef.celestial(ra, dec, roll))

    def place(x, y):
        return tuple(float(c) for c in sky.all_pix2world([[x + corner[0], y + corner[1]]], 0)[0])

    def cell(n):
        size = side / COLUMNS
        return tuple((c + 0.5) * size + rng.uniform(-0.7, 0.7) for c in (n % COLUMNS, n // COLUMNS))

    at = {name: cell(n) for n, name in enumerate(CELLS)}
    low, high = 3 + rng.uniform(0, 1), side - 4 - rng.uniform(0, 1)
    at["near the left edge"] = (low, 0.8 * side + rng.uniform(-0.5, 0.5))
    at["near the corner"] = (high, high)
    at["across the edge"] = (0.4 * side, side - 0.5 - rng.uniform(0.2, 0.9))
    at["off the image"] = (0.5 * side, side + rng.uniform(1, 20))

    x, y = at["crowded"]
    crowd = ((0, 0, 900.0), (2.6, 0.7, 2500.0), (-1.1, -2.4, 700.0), (0.8, 3.9, 4000.0))
    sources = [(*place(x + dx, y + dy), flux) for dx, dy, flux in crowd]
    sources += [(*place(*at["bright"]), 5000.0), (*place(*at["faint"]), 60.0)]
    hdul = make_mef.build(
        ra, dec, roll=roll, detector=detector, seed=[k, detector], cutout=(side, side, *corner), sources=sources,
        mjd=61027.0 + k, obsid=f"2025W51_1A_{k:04d}_1", zodi_scale=rng.uniform(0.8, 1.2), sigma=0.01,
    )  # fmt: skip
    spoil(hdul, at)
    image, flags, variance = (hdul[name].data for name in ("IMAGE", "FLAGS", "VARIANCE"))
    if unflagged_nan:
        image[side - 8, 8], flags[side - 8, 8], variance[side - 8, 8] = np.nan, 0, 1.1e-4
    if crowded:
        flags[: int(0.6 * side)] |= BIT["SOURCE"]
    return hdul, {name: place(*xy) for name, xy in at.items()}


def spoil(hdul, at):
    """Makes the places awkward that have such a name."""
    image, flags, variance = (hdul[name].data for name in ("IMAGE", "FLAGS", "VARIANCE"))
    yy, xx = np.mgrid[: image.shape[0], : image.shape[1]]

    def pixel(name, dx=0, dy=0):
        x, y = at[name]
        return int(round(y)) + dy, int(round(x)) + dx

    def ring(name, inner, outer):
        distance = np.hypot(xx - at[name][0], yy - at[name][1])
        return (distance >= inner) & (distance < outer)

    image[pixel("on NaN")] = variance[pixel("on NaN")] = np.nan
    flags[pixel("on NaN")] |= BIT["NONFUNC"]
    variance[pixel("repaired", dx=1)] = np.nan
    flags[pixel("repaired", dx=1)] |= BIT["COLD"]
    bad = ring("bad annulus", 2.4, 4.2) & (yy % 2 == 0)
    flags[bad] |= BIT["PERSIST"]
    image[bad] += 0.2
    flags[ring("many SOURCE", 0, 8)] |= BIT["SOURCE"]
    flags[ring("no background", 1.5, 9)] |= BIT["DICHROIC"]
    image[pixel("on hot")] += 5.0
    flags[pixel("on hot")] |= BIT["HOT"]
    flags[pixel("on bad", dy=1)] |= BIT["TRANSIENT"]


class Log(logging.Handler):
    """What spxquery says."""

    def __init__(self):
        super().__init__()
        self.text = ""

    def emit(self, record):
        self.text += record.getMessage() + "\n"


def measure(path, position, setting, remedies=()):
    """spxquery's result, or None where it has none or one that is not finite, and what it said.

    `remedies` are reasons why it may be wrong that are mended before.
    """
    log, logger = Log(), logging.getLogger("spxquery")
    logger.handlers, logger.propagate = [log], False
    config = PhotometryConfig(**SETTINGS[setting][1])
    source = Source(ra=position[0], dec=position[1])
    with mended(remedies):
        result = peer.extract_source_photometry(pathlib.Path(path), source, config)
    finite = result is not None and math.isfinite(result.flux) and math.isfinite(result.flux_error)
    return (result if finite else None), log.text


@contextlib.contextmanager
def mended(remedies):
    """spxquery with functions of its photometry wrapped by REMEDIES."""
    wraps = dict(REMEDIES[remedy] for remedy in remedies)
    saved = {name: getattr(peer, name) for name in wraps}
    try:
        for name, wrap in wraps.items():
            setattr(peer, name, wrap(saved[name]))
        yield
    finally:
        for name, function in saved.items():
            setattr(peer, name, function)


def nan_for_no_magnitude(function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        return tuple(math.nan if value is None else value for value in function(*args, **kwargs))

    return wrapped


def flag_nan(function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        mef = function(*args, **kwargs)
        mef.flags[np.isnan(mef.image) & (mef.flags == 0)] |= BIT["MISSING_DATA"]
        return mef

    return wrapped


# Where a reason can be taken away, the function of spxquery to wrap and the wrapper: if it is the reason, what comes
# out then is right.
REMEDIES = {
    LOST: ("calculate_ab_magnitude_from_jy", nan_for_no_magnitude),
    NAN: ("read_spherex_mef", flag_nan),
}
