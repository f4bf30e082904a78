#!/usr/bin/env python3
"""spxquery's batch photometry, the peer of `cargo xtask bench-peers batch`, and what the comparison needs beside it.

    bench_batch.py catalogue RA DEC RADIUS COUNT OUT.csv   random sources in a circle [deg]
    bench_batch.py field IMAGE COUNT OUT.csv               random sources on an image
    bench_batch.py extract CATALOGUE OUT IMAGE...          one timed run of `process_single_image`, image by image
    bench_batch.py aggregate TABLES OUT                    one timed run of `aggregate_lightcurves`
    bench_batch.py columns FROM TO COUNT                   the first COUNT tables of spx with spxquery's columns alone
    bench_batch.py compare OURS THEIRS                     tables of images of both: rows and fluxes
    bench_batch.py curves CATALOGUE OURS THEIRS            light curves of both, of the same tables: rows, order, values

`extract` and `aggregate` print a line of JSON last: wall seconds of the functions alone (not of Python's start), and the
peak resident memory of the process in MB. Needs xtask/python/requirements.txt.
"""
import io
import json
import logging
import pathlib
import resource
import sys
import time

import numpy as np
import pandas as pd

WINDOW = 50
"""Side of the background's window [px]."""
FIRST_ID = 39633458707826492
"""As in the documents of spxquery: above 2^53."""


def write_catalogue(path, ra, dec):
    ids = FIRST_ID + 1024 * np.arange(len(ra), dtype=np.int64)  # 1024 apart: spxquery takes neighbors for one
    pd.DataFrame({"targetid": ids, "ra": ra, "dec": dec}).to_csv(path, index=False)


def catalogue(ra, dec, radius, count, out):
    ra, dec, radius, count = float(ra), float(dec), float(radius), int(count)
    rng = np.random.default_rng(11)
    distance, angle = radius * np.sqrt(rng.uniform(size=count)), rng.uniform(0, 2 * np.pi, count)
    y = dec + distance * np.sin(angle)
    write_catalogue(out, ra + distance * np.cos(angle) / np.cos(np.radians(y)), y)


def field(image, count, out):
    from astropy.io import fits
    from astropy.wcs import WCS

    wcs = WCS(fits.getheader(image, "IMAGE"))
    rng = np.random.default_rng(int(count))
    sky = wcs.pixel_to_world(*rng.uniform(12, 2027, (2, int(count))))
    write_catalogue(out, sky.ra.deg, sky.dec.deg)


def timed(work):
    logging.disable(logging.CRITICAL)
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def extract(table, out, *images):
    from spxquery.batch.extract import process_single_image
    from spxquery.core.config import PhotometryConfig, Source

    rows = pd.read_csv(table, dtype={"targetid": str})
    sources = [Source(ra=r.ra, dec=r.dec, name=r.targetid) for r in rows.itertuples()]
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)

    def work():
        for image in images:
            if process_single_image(pathlib.Path(image), sources, PhotometryConfig(), out) is None:
                sys.exit(f"process_single_image gave nothing for {image}")

    timed(work)


def aggregate(tables, out):
    from spxquery.batch.aggregate import aggregate_lightcurves

    out = pathlib.Path(out)
    timed(lambda: aggregate_lightcurves(pathlib.Path(tables), out / "lightcurves", out / "buckets"))


def columns(source, target, count):
    target = pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(pathlib.Path(source).glob("*_photometry.csv"))[: int(count)]:
        with open(path) as rows, open(target / path.name, "w") as out:
            # No cell of these tables is quoted.
            out.writelines(",".join(line.split(",")[:19]) + "\n" for line in rows)


def compare(ours, theirs):
    """Prints what differs; fails where fluxes or errors differ by more than 1e-5, or a row is in one table alone for
    another reason than these: spxquery writes a row with NaN where a pixel in the aperture is NaN (spx records why it
    has no measurement), and leaves out sources nearer to the edge than half its window, which spx measures."""
    import tomllib

    good = True
    for path in sorted(pathlib.Path(theirs).glob("*_photometry.csv")):
        read = {"target_id": str}
        a, b = pd.read_csv(pathlib.Path(ours) / path.name, dtype=read), pd.read_csv(path, dtype=read)
        record = tomllib.loads((pathlib.Path(ours) / path.name).with_suffix(".toml").read_text())
        reasons = {u["target_id"]: u["reason"] for u in record.get("unmeasured", [])}
        both = a.merge(b, on="target_id", suffixes=("", "_peer"))
        # Relative to the larger of flux and error: where the flux is next to nothing, its digits are those of rounding.
        size = np.maximum(both.flux_peer.abs(), both.flux_error_peer)
        flux = ((both.flux - both.flux_peer).abs() / size).max()
        error = (both.flux_error / both.flux_error_peer - 1).abs().max()
        wavelength = (both.wavelength - both.wavelength_peer).abs().max()
        place = np.hypot(both.x - both.x_peer, both.y - both.y_peer).max()
        flags = int((both.flag != both.flag_peer).sum())
        missing = b[~b.target_id.isin(a.target_id)]
        more = a[~a.target_id.isin(b.target_id)]
        inside = more[np.minimum(np.minimum(more.x, more.y), 2039 - np.maximum(more.x, more.y)) > WINDOW / 2 + 2]
        unexplained = len(inside) + int(missing.flux.notna().sum()) + int((~missing.target_id.isin(reasons)).sum())
        print(
            f"{path.name}: {len(both)} rows in both; relative differences: flux {flux:.2e}, error {error:.2e}; "
            f"wavelength {wavelength:.2e} um, position {place:.2e} px, {flags} flags differ"
        )
        print(f"  {len(missing)} rows of spxquery's alone, whose fluxes are NaN; {len(more)} of spx's alone, near the edge")
        print(f"  {unexplained} rows without such a reason")
        good &= len(both) > 0 and flux < 1e-5 and error < 1e-5 and flags == 0 and unexplained == 0
    sys.exit(0 if good else "spx and spxquery differ")


def curves(table, ours, theirs):
    """Compares light curves of the same tables; fails where one of the two lacks a curve, or where rows, their order or a
    value differ. spxquery names a file by int(float(id)), leaves id and file name out, and reads numbers, twice, by the
    fast parser of pandas, which loses some of their last digits: what that makes of our numbers has to be the same to
    the last bit, and the numbers themselves to 1e-11."""
    ours, theirs = pathlib.Path(ours), pathlib.Path(theirs)
    text = {"obs_id": str, "band": str}
    left = {path.name for path in theirs.glob("*.csv")}
    rows, worst, wrong = 0, 0.0, []
    for source in pd.read_csv(table, dtype={"targetid": str}).targetid:
        path, peer = ours / f"{source}.csv", theirs / f"{int(float(source))}.csv"
        left.discard(peer.name)
        if path.exists() != peer.exists():
            wrong.append(f"{source}: only {'spx' if path.exists() else 'spxquery'} has a light curve")
        if not (path.exists() and peer.exists()):
            continue
        b = pd.read_csv(peer, dtype=text, float_precision="round_trip")
        a = pd.read_csv(path, dtype={"target_id": str, **text}, float_precision="round_trip")
        if len(a) != len(b) or set(a.target_id) != {source}:
            wrong.append(f"{source}: {len(a)} rows of {set(a.target_id)}, {len(b)} of spxquery's")
            continue
        rows += len(a)
        lossy = pd.read_csv(path, usecols=b.columns, dtype=text)
        lossy = pd.read_csv(io.StringIO(lossy.to_csv(index=False)), dtype=text)
        for name in b.columns:
            if name not in text:
                worst = np.nanmax([worst, (a[name] / b[name] - 1).abs().max()])
            if not lossy[name].equals(b[name]):
                wrong.append(f"{source}: column {name} differs")
    wrong += [f"only spxquery has {name}" for name in sorted(left)]
    print(f"{len(list(ours.glob('*.csv')))} light curves, {rows} rows; numbers differ by {worst:.1e} at most")
    for line in wrong[:10]:
        print(f"  {line}")
    sys.exit(0 if rows > 0 and not wrong and worst < 1e-11 else f"{len(wrong)} differences")


if __name__ == "__main__":
    commands = [catalogue, field, extract, aggregate, columns, compare, curves]
    named = {f.__name__: f for f in commands}
    if len(sys.argv) < 2 or sys.argv[1] not in named:
        sys.exit(__doc__)
    named[sys.argv[1]](*sys.argv[2:])
