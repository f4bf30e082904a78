#!/usr/bin/env python3
"""Many sources on many frames into a store of light curves: bytes of a row, memory, time; read by lsdb, pandas and DuckDB.

    store_size.py SPX FRAMES FOLDER [--sources N] [--radius DEG] [--group N] [--threads N]

FRAMES are full frames of one place (bench_inputs.py makes them), a directory or @LIST; FOLDER is for what is made, and is emptied first: 35 bytes a
row, and as many again while it runs. Sources are spread evenly over a circle (10 million over 1.5 deg). Of some hundred of them
all rows are compared with those of `spx batch`. Exit code 1 where rows are missing, or differ by more than single precision.
Needs numpy, pyarrow, pandas, duckdb and lsdb.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CENTER = (186.4536, 33.5468)
COMPARED = 300
NUMBERS = ["x", "y", "flux", "flux_error", "wavelength", "bandwidth", "bg_level", "bg_error", "pixel_area", "zodi_scale"]
SCRIPTS = {
    "duckdb": """
import duckdb
files = f"read_parquet('{root}/dataset/*/*/*/*.parquet')"
near = "ra > 186.45 and ra < 186.47 and dec > 33.54 and dec < 33.55"
print(duckdb.sql(f"select count(*), sum(flux) from {files} where {near}").fetchall()[0],
      duckdb.sql(f"select count(*) from {files} where target_id = {source}").fetchall()[0])
""",
    "pandas": """
import pandas
near = [("ra", ">", 186.45), ("ra", "<", 186.47), ("dec", ">", 33.54), ("dec", "<", 33.55)]
read = lambda rows: pandas.read_parquet(f"{root}/dataset", columns=["target_id", "mjd", "flux"], filters=rows)
rows = read(near)
print((len(rows), float(rows.flux.sum())), (len(read([("target_id", "==", source)])),))
""",
    "lsdb": """
import lsdb
columns = ["target_id", "ra", "dec", "mjd", "flux"]
catalog = lsdb.open_catalog(root, columns=columns)
cone = catalog.cone_search(186.46, 33.545, 30).compute()
curve = lsdb.open_catalog(root, columns=columns, filters=[("target_id", "==", source)]).cone_search({ra}, {dec}, 2).compute()
print((len(cone), float(cone.flux.sum())), (len(curve),))
""",
}


# The peak memory of a process is at least that of the one that starts it: a small one does.
RUNNER = """
import json, resource, subprocess, sys, time
start = time.monotonic()
code = subprocess.run(sys.argv[1:], check=False).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps([code, time.monotonic() - start, cpu, usage.ru_maxrss * 1024 / 1e9]))
"""


def measured(command, **options):
    """Runs a command: output, seconds, seconds of processor time, peak memory in GB."""
    command = [sys.executable, "-S", "-c", RUNNER, *map(str, command)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **options)
    output, _, last = done.stdout.rstrip("\n").rpartition("\n")
    code, *figures = json.loads(last)
    if code != 0:
        sys.exit(f"{command[4:]}: exit code {code}")
    return output, *figures


def sources(count, radius):
    """Ids, right ascensions and declinations."""
    rng = np.random.default_rng(20)
    distance, angle = radius * np.sqrt(rng.uniform(0, 1, count)), rng.uniform(0, 2 * np.pi, count)
    dec = CENTER[1] + distance * np.sin(angle)
    ra = CENTER[0] + distance * np.cos(angle) / np.cos(np.radians(dec))
    return rng.permutation(count) + 1, ra, dec


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spx", type=Path)
    parser.add_argument("frames")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sources", type=int, default=10_000_000)
    parser.add_argument("--radius", type=float, default=1.5)
    parser.add_argument("--group", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    spx, frames, folder = arguments.spx.resolve(), arguments.frames, arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ids, ra, dec = sources(arguments.sources, arguments.radius)
    pq.write_table(pa.table({"id": ids, "ra": ra, "dec": dec}), folder / "catalog.parquet")
    (folder / "batch.toml").write_text(f'catalog = "{folder}/catalog.parquet"\n')
    survey = folder / "survey"
    plan = [spx, "-q", "survey", "plan", "--grid=hp5", f"--ra={CENTER[0]}", f"--dec={CENTER[1]}", "--radius=2", "--no-cubes",
            "--detectors=3", "--photometry", folder / "batch.toml", f"--group={arguments.group}", "--input", frames, "-o", survey]
    _, seconds, cpu, memory = measured(plan)
    print(f"plan: {seconds:.1f} s, {cpu:.1f} s of processor time, {memory:.2f} GB")
    with open(survey / "jobs.tsv") as table:
        jobs = list(csv.DictReader(table, delimiter="\t"))
    _, seconds, cpu, memory = measured([spx, "-q", "survey", "do", survey, "--threads", arguments.threads])
    files = list(survey.glob("catalog/dataset/*/*/*/*.parquet"))
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    size = sum(file.stat().st_size for file in files)
    print(f"{len(jobs)} jobs (mem_mb {', '.join(job['mem_mb'] for job in jobs)}), {arguments.sources} sources: {rows} rows in "
          f"{len(files)} files, {size / rows:.2f} bytes a row")
    print(f"do: {seconds:.0f} s, {cpu:.0f} s of processor time ({cpu / rows * 1e6:.2f} s a million rows), {memory:.2f} GB")
    k = np.argmin(np.hypot(ra - CENTER[0], dec - CENTER[1]))
    answers = []
    for name, script in SCRIPTS.items():
        # lsdb starts processes.
        text = script.replace("{ra}", repr(float(ra[k]))).replace("{dec}", repr(float(dec[k])))
        head = f"root, source = {str(survey / 'catalog')!r}, {int(ids[k])}"
        output, seconds, cpu, memory = measured([sys.executable, "-c", head + text], env=os.environ | {"TQDM_DISABLE": "1"})
        print(f"{name}: box or cone, and one light curve: {output.strip()}; {seconds:.1f} s, {memory:.2f} GB")
        answers.append(output)
    output, seconds, _, memory = measured([spx, "lightcurve", int(ids[k]), survey, "--json"])
    print(f"spx lightcurve: {len(json.loads(output))} rows; {seconds:.1f} s, {memory:.2f} GB")
    sys.exit(0 if compare(spx, frames, folder, survey, (ids, ra, dec)) else 1)


def compare(spx, frames, folder, survey, catalog):
    """All rows of some sources, as `spx batch` has them."""
    import duckdb

    chosen = np.random.default_rng(21).choice(len(catalog[0]), COMPARED, replace=False)
    ids, ra, dec = (column[chosen] for column in catalog)
    lines = [f"{i},{a!r},{d!r}\n" for i, a, d in zip(ids.tolist(), ra.tolist(), dec.tolist())]
    (folder / "few.csv").write_text("id,ra,dec\n" + "".join(lines))
    measured([spx, "-q", "batch", "--catalog", folder / "few.csv", "--input", frames, "--format=parquet", "-o", folder / "batch"])
    columns = ", ".join(["target_id::bigint as target_id", "obs_id", "mjd", *NUMBERS, "flag", "is_good"])

    def rows(files):
        wanted = ", ".join(map(str, ids.tolist()))
        query = f"select {columns} from read_parquet({files!r}, hive_partitioning=false) where target_id::bigint in ({wanted})"
        return duckdb.sql(query + " order by target_id, mjd").df()

    ours = rows([str(file) for file in survey.glob("catalog/dataset/*/*/*/*.parquet")])
    theirs = rows([str(file) for file in folder.glob("batch/lightcurves.parquet/*/*.parquet")])
    same = len(ours) == len(theirs) > COMPARED
    if same:
        for name in ("target_id", "obs_id", "mjd", "flag", "is_good"):
            same &= bool((ours[name] == theirs[name]).all())
        for name in NUMBERS:
            a, b = ours[name].to_numpy("f4"), theirs[name].to_numpy("f8").astype("f4")
            same &= bool(((a == b) | (np.isnan(a) & np.isnan(b))).all())
    print(f"{COMPARED} sources: {len(ours)} rows, {len(theirs)} of `spx batch`; the same in single precision: {same}")
    return same


if __name__ == "__main__":
    main()
