"""A small survey on Snakemake and on Dask, killed and continued, against one process; a large plan.

python survey.py SPX ENGINES FOLDER [--plan] [--kills N]

ENGINES holds Snakefile and dask_survey.py, FOLDER is for what is made. Exit code 1 where a demand is not met.
"""

import argparse
import csv
import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# Sources of the catalog, spread evenly over the frames.
SOURCES = 10_000
REGION = ["--grid=hp7", "--ra=186.4536", "--dec=33.5468", "--radius=0.05", "--detectors=2,3"]


def run(*command, code=0, **options):
    """Runs a command to its end, and gives its output; its exit code must be this one."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode != code:
        sys.exit(f"{command}: exit code {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done.stdout


def rows(path):
    with open(path) as table:
        return list(csv.DictReader(table, delimiter="\t"))


def digests(survey):
    """SHA-256 of all cubes, mosaics, sums, parts of the light curves and files of the HiPS."""
    wanted = ("out/*", "sums/*", "catalog/dataset/*/*/*/*.parquet", "hips/Moc.fits", "hips/Norder*/**/*.*")
    files = sorted(file for pattern in wanted for file in survey.glob(pattern))
    return {str(file.relative_to(survey)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


class ToySurvey:
    """Three weeks of two detectors, and what one process makes of them."""

    def __init__(self, spx, folder):
        self.spx, self.folder = spx, folder
        run(spx, "simulate", "-q", "--ra=186.4536", "--dec=33.5468", "--detectors=D2,D3", "--exposures=24", "--size=600",
            "--stars=200", "-o", folder / "frames")
        catalog = folder / "catalog.csv"
        rng = random.Random(20)
        places = (f"{k},{186.4536 + rng.uniform(-0.6, 0.6)},{33.5468 + rng.uniform(-0.5, 0.5)}\n" for k in range(SOURCES))
        catalog.write_text("id,ra,dec\n" + "".join(places))
        (folder / "batch.toml").write_text(f'catalog = "{catalog}"\n')
        (folder / "mosaic.toml").write_text("channel = 8\n")
        # Two weeks must not choose how bright the pictures of three are.
        (folder / "hips.toml").write_text('wave = "1.9..2.1"\norder = 4\ncut = "0..1"\n')
        reference = folder / "reference"
        self.plan(reference, folder / "frames")
        by_time = sorted(rows(reference / "frames.tsv"), key=lambda row: float(row["mjd"]))
        times = sorted({row["mjd"] for row in by_time}, key=float)
        for week in (1, 2, 3):
            until = set(times[: week * len(times) // 3])
            paths = [row["path"] for row in by_time if row["mjd"] in until]
            (folder / f"until{week}.list").write_text("".join(f"{path}\n" for path in paths))
        start = time.monotonic()
        run(spx, "-q", "survey", "do", reference)
        self.seconds = time.monotonic() - start
        self.expected = digests(reference)
        self.jobs = len(rows(reference / "jobs.tsv"))
        measured = sum(int(line.rsplit(",", 1)[1]) for line in (reference / "catalog/partition_info.csv").read_text().split()[1:])
        print(f"{self.jobs} jobs of {len(by_time)} frames and {SOURCES} sources: {self.seconds:.1f} s in one process, {len(self.expected)} "
              f"files, {measured} rows of light curves")

    def plan(self, survey, frames):
        # A week has eight frames of a detector: two jobs of photometry.
        run(self.spx, "-q", "survey", "plan", *REGION, "--photometry", self.folder / "batch.toml", "--group=4",
            "--mosaic", self.folder / "mosaic.toml", "--hips", self.folder / "hips.toml", "-o", survey, "--input", frames)


def descendants(pid):
    """The processes below one that we started."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, below = [], [pid]
    while below:
        children = parents.get(below.pop(), [])
        found += children
        below += children
    return found


def is_job(pid, survey):
    """It is `spx ... survey do SURVEY ...` itself, not a shell around it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"do" in words and str(survey).encode() in words


def killed(command, survey, kills, rng, before=None, **options):
    """Runs an engine to its end, which so many times is killed itself, or has a job killed."""
    done = {"engine": 0, "job": 0}
    while True:
        if before:
            before()
        with open(survey.parent / f"{survey.name}.log", "a") as log:
            engine = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **options)
            while engine.poll() is None:
                time.sleep(rng.uniform(0.2, 0.8))
                left = kills - sum(done.values())
                jobs = [pid for pid in descendants(engine.pid) if is_job(pid, survey)]
                if left <= 0 or engine.poll() is not None or not jobs:
                    continue
                if rng.random() < 0.3:
                    done["engine"] += 1
                    for pid in [engine.pid, *descendants(engine.pid)]:
                        kill(pid)
                    engine.wait()
                else:
                    done["job"] += 1
                    kill(rng.choice(jobs))
        if engine.returncode == 0:
            return done


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def engine(name, toy, command, kills, before=None, **options):
    """Two weeks with kills, the third week, and a run that has nothing to do."""
    survey = toy.folder / name
    rng = random.Random(20)
    total = {"engine": 0, "job": 0}
    for week, share in ((2, kills * 2 // 3), (3, kills - kills * 2 // 3)):
        toy.plan(survey, f"@{toy.folder}/until{week}.list")
        for kind, count in killed(command(survey), survey, share, rng, before, **options).items():
            total[kind] += count
        run(toy.spx, "survey", "status", survey)
    found = digests(survey)
    start = time.monotonic()
    if before:
        before()
    run(*command(survey), **options)
    again = time.monotonic() - start
    same = found == toy.expected and digests(survey) == found
    print(f"{name}: {total['job']} jobs and {total['engine']} engines killed, the same bytes: {same}; nothing to do: {again:.1f} s")
    leftovers = [str(path) for path in survey.glob("*/*") if path.parent.name in ("work", "failed")]
    leftovers += [str(path) for path in survey.glob("*/.*")]
    leftovers += [str(path) for path in survey.glob("catalog/dataset/*/*/*/.*") if path.name != ".lock"]
    if leftovers:
        print(f"{name}: left over: {leftovers}")
    all_killed = sum(total.values()) == kills
    if not all_killed:
        print(f"{name}: it ended before {kills} kills")
    return same and all_killed and not leftovers


def terminated(toy):
    """TERM ends a job with 130 and leaves sums and cube as they were."""
    survey = toy.folder / "terminated"
    toy.plan(survey, f"@{toy.folder}/until2.list")
    run(toy.spx, "-q", "survey", "do", survey)
    before = digests(survey)
    toy.plan(survey, f"@{toy.folder}/until3.list")
    codes = []
    for wait in (0.02, 0.05, 0.1, 0.2):
        process = subprocess.Popen([toy.spx, "-q", "survey", "do", survey], stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.terminate()
        codes.append(process.wait())
        now = digests(survey)
        mixed = [file for file in now if now[file] not in (before.get(file), toy.expected[file])]
        if mixed:
            print(f"TERM: {mixed} are neither the old nor the new ones")
            return False
    run(toy.spx, "-q", "survey", "do", survey)
    same = digests(survey) == toy.expected
    print(f"TERM: exit codes {codes}, the same bytes in the end: {same}")
    return same and 130 in codes


def large_plan(spx, folder):
    """15,000 jobs and 1.1 million frames with simulated outlines: time and memory of plan and DAG."""
    import numpy as np

    rng = np.random.default_rng(20)
    index, count = folder / "frames.tsv", 1_100_000 // 6
    # A cap of 10,000 square degrees at the south pole of the ecliptic's survey; six detectors look side by side.
    cap = np.degrees(np.arccos(1 - 10_000 / (2 * np.pi * (180 / np.pi) ** 2)))
    dec = np.degrees(np.arcsin(rng.uniform(np.sin(np.radians(90 - cap - 2)), 1, count)))
    ra, roll = rng.uniform(0, 360, count), rng.uniform(0, 2 * np.pi, count)
    names = "observation detector mjd release version processing ny nx y0 x0 bytes modified ra1 dec1 ra2 dec2 ra3 dec3 ra4 dec4 path"
    half = np.radians(1.75)
    r, d = np.radians(ra), np.radians(dec)
    corners = []
    for x, y in ((-half, -half), (half, -half), (half, half), (-half, half)):
        xi, eta = x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)
        below = np.cos(d) - eta * np.sin(d)
        a = r + np.arctan2(xi, below)
        b = np.arctan2(np.sin(d) + eta * np.cos(d), np.hypot(below, xi))
        corners += [np.degrees(a) % 360, np.degrees(b)]
    corners = np.round(np.array(corners).T, 6)
    with open(index, "w") as out:
        out.write(names.replace(" ", "\t") + "\n")
        for k in range(count):
            place = "\t".join(map(str, corners[k]))
            observation = f"2026W{k // 4000 % 52 + 1:02}_{k // 208000}A_{k % 4000:04}_1"
            for detector in range(1, 7):
                name = f"level2_{observation}D{detector}_spx_l2b-v22-2026-191.fits"
                path = f"/archive/ibe/data/spherex/qr2/level2/2026W{k // 4000 % 52 + 1:02}/l2b-v22-2026-191/{detector}/{name}"
                out.write(f"{observation}\tD{detector}\t{61000 + k * 0.002:.6f}\tqr2\t6.5.6\tl2b-v22-2026-191\t2040\t2040\t0\t0\t"
                          f"71000000\t0\t{place}\t{path}\n")
    survey = folder / "large"
    start, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    pid = subprocess.Popen([spx, "survey", "plan", "--grid=hp5", "--ra=0", "--dec=90", f"--radius={cap - 1.2}", "--frames", index,
                            "-o", survey])
    _, status, usage = os.wait4(pid.pid, 0)
    seconds, memory = time.monotonic() - start, usage.ru_maxrss * 1024 / 1e9
    jobs = len(rows(survey / "jobs.tsv"))
    print(f"plan: {jobs} jobs of {count * 6} frames in {seconds:.1f} s ({usage.ru_utime - used * 0:.1f} s of processor time), {memory:.2f} GB")
    start = time.monotonic()
    state = subprocess.run([spx, "survey", "status", survey], capture_output=True, text=True, check=False)
    print(f"status: {state.stdout.strip()} in {time.monotonic() - start:.1f} s")
    return status == 0 and seconds < 60 and memory < 2 and jobs >= 15_000, survey


def large_dag(snakefile, survey, spx):
    start = time.monotonic()
    command = [sys.executable, "-m", "snakemake", "-s", snakefile, "-n", "-q", "all", "-c", "2", "--config", f"survey={survey}"]
    run(*command, cwd=survey.parent)
    seconds = time.monotonic() - start
    print(f"Snakemake's plan of it: {seconds:.1f} s")
    return seconds < 60


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("spx", type=Path)
    parser.add_argument("engines", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    spx, engines, folder = (path.resolve() for path in (arguments.spx, arguments.engines, arguments.folder))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if arguments.plan:
        good, survey = large_plan(spx, folder)
        good &= large_dag(engines / "Snakefile", survey, spx)
    else:
        toy = ToySurvey(spx, folder)
        environment = os.environ | {"SPX": str(spx)}
        snakemake = [sys.executable, "-m", "snakemake", "-s", str(engines / "Snakefile"), "-c", "2", "-q", "all"]

        def on_snakemake(survey):
            return [*snakemake, "--rerun-incomplete", "--config", f"survey={survey}", f"spx={spx}"]

        def unlock():
            run(*snakemake, "--unlock", "--config", f"survey={folder / 'snakemake'}", f"spx={spx}", cwd=folder)

        def on_dask(survey):
            return [sys.executable, str(engines / "dask_survey.py"), str(survey)]

        good = engine("snakemake", toy, on_snakemake, arguments.kills, unlock, cwd=folder)
        good &= engine("dask", toy, on_dask, arguments.kills, env=environment)
        good &= terminated(toy)
    shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
