#!/usr/bin/env python3
"""One timed run of spxquery's `process_all_observations`, the peer of `cargo xtask bench-peers photometry`.

    bench_photometry.py RA DEC INPUT.fits [INPUT.fits ...]

As many workers as cores. Prints a line of JSON last: wall seconds of the function alone (not of Python's start), the peak
resident memory of this process and its largest worker in MB. Needs xtask/python/requirements.txt.
"""
import json
import logging
import os
import pathlib
import resource
import sys
import time

from spxquery.core.config import PhotometryConfig, Source
from spxquery.processing.photometry import process_all_observations


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    logging.disable(logging.CRITICAL)
    source = Source(ra=float(sys.argv[1]), dec=float(sys.argv[2]))
    inputs = [pathlib.Path(path) for path in sys.argv[3:]]
    config = PhotometryConfig(max_processing_workers=os.cpu_count())
    start = time.perf_counter()
    results = process_all_observations(inputs, source, config)
    seconds = time.perf_counter() - start
    if len(results) < 0.9 * len(inputs):
        sys.exit(f"spxquery measured {len(results)} of {len(inputs)}")
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": seconds, "peak_mb": sum(peaks) / 1024}))


if __name__ == "__main__":
    main()
