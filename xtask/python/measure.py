#!/usr/bin/env python3
"""Run a command; print its wall and processor seconds and its peak memory [MB] as one line of JSON on standard output.

    measure.py COMMAND [ARGUMENT ...]

The command's own standard output goes to standard error; its failure is this script's. Python's standard library only.
"""
import json
import os
import subprocess
import sys
import time


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    start = time.perf_counter()
    # Nothing else is a child of this process, so that the usage of its children is the command's.
    process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{sys.argv[1]} failed with status {os.waitstatus_to_exitcode(status)}")
    processor = usage.ru_utime + usage.ru_stime
    print(json.dumps({"seconds": seconds, "processor_seconds": processor, "peak_mb": usage.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
