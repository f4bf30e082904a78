"""A survey on Dask: python dask_survey.py SURVEY [SCHEDULER]; without a scheduler, two workers on this machine."""

import csv
import os
import subprocess
import sys

from dask.distributed import Client, as_completed


def do(survey, job):
    """Does one job; the exit code of spx."""
    command = [os.environ.get("SPX", "spx"), "-q", "survey", "do", survey, "--job", job, "--threads", "1"]
    return job, subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    survey, *scheduler = sys.argv[1:]
    with open(f"{survey}/jobs.tsv") as table:
        jobs = [row["job"] for row in csv.DictReader(table, delimiter="\t")]
    options = {} if scheduler else {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with Client(*scheduler, **options) as client:
        tasks = client.map(do, [survey] * len(jobs), jobs, retries=2, pure=False)
        codes = dict(result for _, result in as_completed(tasks, with_results=True))
    sys.exit("\n".join(f"{job}: exit code {code}" for job, code in sorted(codes.items()) if code) or 0)
