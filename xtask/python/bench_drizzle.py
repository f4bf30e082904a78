#!/usr/bin/env python3
"""One timed run of spxquery's `drizzle_detector`, the peer of `cargo xtask bench-peers drizzle`.

    bench_drizzle.py WIDTH_ARCMIN OUTPUT_DIR INPUT.fits [INPUT.fits ...]

Prints a line of JSON last: wall seconds of `drizzle_detector` alone (not of Python's start), and the peak resident
memory of the process in MB. Needs xtask/python/requirements.txt.
"""
import json
import pathlib
import resource
import sys
import time

from spxquery.drizzle3d import Drizzle3DConfig
from spxquery.drizzle3d.grid import build_output_wcs
from spxquery.drizzle3d.pipeline import drizzle_detector


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    width, out, inputs = float(sys.argv[1]), pathlib.Path(sys.argv[2]), [pathlib.Path(p) for p in sys.argv[3:]]
    out.mkdir(parents=True, exist_ok=True)
    config = Drizzle3DConfig(
        center_ra=186.4536, center_dec=33.5468, width=width, height=width, detector=3, output_dir=out, overwrite=True
    )
    wcs = build_output_wcs(config)
    start = time.perf_counter()
    written = drizzle_detector(inputs, config, 3, wcs)
    seconds = time.perf_counter() - start
    if written is None or not pathlib.Path(written).exists():
        sys.exit("drizzle_detector wrote nothing")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


if __name__ == "__main__":
    main()
