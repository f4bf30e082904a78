#!/usr/bin/env python3
"""spx against spxquery on the same files: `cargo xtask compare-photometry`.

    compare_photometry.py SPX FOLDER EXPOSURES

Writes exposures of all six detectors into FOLDER and measures 16 places on each with four settings. Flux, error,
wavelength, bandwidth, flags and position must agree, or a known reason why spxquery is wrong must hold; where spxquery can
be mended (peer_photometry.REMEDIES), it must agree then. Prints the rows where it is wrong, each with the reason, and a
summary; fails if a difference has none. Needs xtask/python/requirements.txt.
"""
import collections
import concurrent.futures
import csv
import io
import os
import pathlib
import subprocess
import sys
import warnings

import numpy as np
from astropy.io import fits

from peer_photometry import EDGE, LIMIT, LOST, NAN, SETTINGS, exposure, measure

# Of an error over itself, and of a flux over itself or its error, whichever is larger: spxquery subtracts the zodiacal
# light in single precision, which moves a flux of nearly zero by more than this fraction of itself.
FLUX_TOLERANCE = 1e-5
# Of wavelength and bandwidth over themselves.
TOLERANCE = 1e-7
# Of positions: astropy, which spxquery uses, inverts the distortion to this [px].
PIXELS = 1e-4
UNKNOWN = "UNKNOWN"
# What spx does otherwise by choice, one option each.
CHOICES = [
    "--no-aperture-correction", "--no-fill-bad-pixels", "--flag-rule=center", "--bad-flags=spxquery",
    "--aperture-fwhm=card", "--error-model=overlap", "--pixel-area=constant", "--zodi-fit=ivm",
    "--calibration=none", "--no-shift-wavelengths",
]  # fmt: skip


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    spx, folder, count = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(compare_exposure, [spx] * count, [folder] * count, range(count)):
            rows += found
    differ = [row for row in rows if row["reason"]]
    print("file,setting,place,spx_flux,spx_flux_error,spxquery_flux,reason")
    for row in differ:
        print(",".join(str(row[key]) for key in ("file", "setting", "place", "flux", "flux_error", "peer", "reason")))
    sys.exit(summary(rows))


def compare_exposure(spx, folder, k):
    warnings.simplefilter("ignore")
    detector = k % 6 + 1
    rng = np.random.default_rng([7, k])
    side = int(rng.integers(90, 161))
    corners = [(0, 0), (2040 - side, 2040 - side), tuple(int(c) for c in rng.integers(0, 2040 - side, 2))]
    hdul, places = exposure(k, detector, side, corners[min(k % 5, 2)], unflagged_nan=k % 6 == 5, crowded=k % 10 == 3)
    path = folder / f"exposure_{k:03d}_D{detector}.fits"
    hdul.writeto(path, overwrite=True)
    return [
        compare(spx, path, setting, place, position)
        for setting in SETTINGS
        for place, position in places.items()
    ]  # fmt: skip


def compare(spx, path, setting, place, position):
    """One measurement: what both found, and the reason where spxquery is wrong."""
    ours = run(spx, path, position, SETTINGS[setting][0])
    theirs, said = measure(path, position, setting)
    row = {
        "file": path.name, "setting": setting, "place": place, "flux": ours["flux"], "flux_error": ours["flux_error"],
        "peer": theirs.flux if theirs else "", "status": ours["status"], "reason": "",
    }  # fmt: skip
    row["close"] = differences(ours, theirs)
    if not agrees(row["close"]):
        row["reason"], row["close"] = explain(ours, path, position, setting, said)
    return row


def run(spx, path, position, options):
    command = [spx, "photometry", "-q", "--threads=1", *CHOICES, *options.split(), str(path)]
    command += [f"--ra={position[0]!r}", f"--dec={position[1]!r}"]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    (row,) = csv.DictReader(line for line in io.StringIO(output.stdout) if not line.startswith("#"))
    if row["status"] == "failed":
        raise RuntimeError(f"{command}: {output.stderr}")
    return row


def differences(ours, theirs):
    """Flux, error, other numbers, position, and whether the flags differ; None where only one has a measurement."""
    used = ours["status"] == "used"
    if theirs is None or not used:
        return None if used or theirs is not None else (0.0, 0.0, 0.0, 0.0, False)
    value = {key: float(ours[key]) for key in ("flux", "flux_error", "wavelength", "bandwidth", "pix_x", "pix_y")}
    relative = [abs(getattr(theirs, key) / value[key] - 1) for key in ("flux_error", "wavelength", "bandwidth")]
    flux = abs(theirs.flux - value["flux"]) / max(abs(value["flux"]), value["flux_error"])
    place = max(abs(theirs.pix_x - value["pix_x"]), abs(theirs.pix_y - value["pix_y"]))
    return flux, relative[0], max(relative[1:]), place, theirs.flag != int(ours["flag"])


def agrees(found):
    if found is None:
        return False
    flux, error, others, place, flags = found
    return max(flux, error) <= FLUX_TOLERANCE and others <= TOLERANCE and place <= PIXELS and not flags


def explain(ours, path, position, setting, said):
    """The reasons why spxquery is wrong, and how close it comes where they can be taken away; UNKNOWN without one."""
    used = ours["status"] == "used"
    reasons = []
    if SETTINGS[setting][1].get("subtract_zodi", True) and has_unflagged_nan(path):
        reasons.append(NAN)
    if used and float(ours["flux"]) <= 0:
        reasons.append(LOST)
    if reasons:
        theirs, said = measure(path, position, setting, reasons)
        found = differences(ours, theirs)
        if agrees(found):
            return "; ".join(reasons), found
    if used and "too close to edge" in said:
        return EDGE, None
    if "source_pixels" in ours["fallbacks"] and "No usable pixels" in said and "relaxed" not in said:
        return LIMIT, None
    return UNKNOWN, None


def has_unflagged_nan(path):
    with fits.open(path) as hdul:
        return bool(np.any(np.isnan(hdul["IMAGE"].data) & (hdul["FLAGS"].data == 0)))


def summary(rows):
    """Prints what was found; 1 where a difference has no reason."""
    both = [row for row in rows if not row["reason"] and row["peer"] != ""]
    neither = [row for row in rows if not row["reason"] and row["peer"] == ""]
    mended = [row for row in rows if row["reason"] and row["close"]]
    print(f"\n{len(rows)} measurements of {len({row['file'] for row in rows})} exposures", file=sys.stderr)
    for name, some in (("spxquery is right", both), ("mended, it would be", mended)):
        flux, error, others, place, _ = (max(row["close"][i] for row in some) for i in range(5))
        print(
            f"{len(some):6} {name}: largest differences {flux:.1e} (flux), {error:.1e} (error), "
            f"{others:.1e} (wavelength, bandwidth), {place:.1e} px",
            file=sys.stderr,
        )
    print(f"{len(neither):6} neither measures", file=sys.stderr)
    for reason, count in collections.Counter(row["reason"] for row in rows if row["reason"]).most_common():
        print(f"{count:6} spxquery is wrong: {reason}", file=sys.stderr)
    unknown = sum(row["reason"] == UNKNOWN for row in rows)
    print("FAIL" if unknown else "PASS", f"{unknown} differences without a known reason", file=sys.stderr)
    return int(unknown > 0)


if __name__ == "__main__":
    main()
