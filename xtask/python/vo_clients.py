"""The clients of others against an archive: pyvo and astroquery, as they are, talk to `spx serve`.

    python vo_clients.py URL

Prints a line `PASS what` or `FAIL what: why` for each check, and ends with 1 if one failed. The archive must
hold at least one spectral image; which ones is found out by asking.
"""

import gzip
import io
import sys
import urllib.parse
import warnings

import numpy as np
import pyvo
import requests
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astroquery.ipac.irsa import Irsa, conf
from astroquery.utils.tap import TapPlus

JOIN = """
    SELECT a.uri, p.obs_publisher_did, p.time_bounds_lower, p.time_bounds_upper, p.energy_bandpassname,
           p.energy_bounds_lower, p.energy_bounds_upper, p.poly
    FROM spherex.artifact a JOIN spherex.plane p ON a.planeid = p.planeid
    WHERE {} ORDER BY p.time_bounds_lower"""

CHECKS = []


def check(function):
    """Adds a check; its docstring says what is shown."""
    CHECKS.append(function)
    return function


class Archive:
    """Where the archive is, and an image in it."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        self.tap = pyvo.dal.TAPService(f"{self.url}/TAP")
        first = self.tap.search("SELECT TOP 1 obs_collection, s_ra, s_dec, access_url FROM spherex.obscore")[0]
        self.ra, self.dec = float(first["s_ra"]), float(first["s_dec"])
        self.collection = first["obs_collection"]
        self.position = SkyCoord(self.ra, self.dec, unit="deg")
        self.point = f"CONTAINS(POINT('ICRS', {self.ra}, {self.dec}), p.poly) = 1"

    def expected(self, collection=None):
        """The URIs of all images over the position, or of a collection's, by a query for a table as CSV."""
        answer = requests.get(
            f"{self.url}/TAP/sync",
            params={"REQUEST": "doQuery", "LANG": "ADQL", "FORMAT": "csv", "QUERY": JOIN.format(self.point)},
            timeout=60,
        )
        answer.raise_for_status()
        uris = [line.split(",")[0] for line in answer.text.splitlines()[1:]]
        release = "" if collection is None else collection.removeprefix("spherex_") + "/"
        return [uri for uri in uris if uri.startswith(f"ibe/data/spherex/{release}")]


@check
def tap_sync(archive):
    """pyvo: TAP, synchronous; times, wavelengths and outlines arrive as numbers"""
    rows = archive.tap.run_sync(JOIN.format(archive.point)).to_table()
    assert list(rows["uri"]) == archive.expected() and len(rows) > 0
    assert np.all(np.diff(rows["time_bounds_lower"]) >= 0)
    assert np.all((rows["energy_bounds_lower"] > 0.7e-6) & (rows["energy_bounds_upper"] < 5.1e-6))
    assert rows["energy_bounds_lower"].unit == u.m and rows["poly"][0].shape == (8,)


@check
def tap_binary2(archive):
    """pyvo: the same in BINARY2, cell by cell as in TABLEDATA"""
    query = JOIN.format(archive.point)
    plain = archive.tap.run_sync(query).to_table()
    binary = archive.tap.run_sync(query, RESPONSEFORMAT="votable/b2").to_table()
    assert binary.colnames == plain.colnames and len(binary) == len(plain)
    for name in plain.colnames:
        assert all(np.array_equal(a, b) for a, b in zip(plain[name], binary[name])), name


@check
def tap_regions(archive):
    """pyvo: circles by intersection and by containment"""
    count = lambda where: len(archive.tap.search(JOIN.format(where)))
    circle = lambda r: f"CIRCLE('ICRS', {archive.ra}, {archive.dec}, {r})"
    some = count(f"INTERSECTS(p.poly, {circle(0.001)}) = 1")
    assert some == len(archive.expected())
    assert count(f"INTERSECTS({circle(60)}, p.poly) = 1") >= some
    assert count(f"CONTAINS({circle(30)}, p.poly) = 1") == 0
    assert count(f"CONTAINS(p.poly, {circle(30)}) = 1") >= some


@check
def tap_async(archive):
    """pyvo: TAP, asynchronous: submit, run, wait, fetch, delete"""
    job = archive.tap.submit_job(JOIN.format(archive.point), maxrec=1000)
    assert job.phase == "PENDING"
    job.run().wait(phases=["COMPLETED", "ERROR"], timeout=60)
    job.raise_if_error()
    assert list(job.fetch_result().to_table()["uri"]) == archive.expected()
    assert job.query.split() == JOIN.format(archive.point).split()
    url = job.url
    job.delete()
    assert requests.get(url, timeout=60).status_code == 404
    assert len(archive.tap.run_async("SELECT obs_id FROM spherex.obscore")) > 0


@check
def tap_errors(archive):
    """pyvo: what is wrong with a query is told, at once and by a job; a full table says so"""
    for call in (archive.tap.run_sync, archive.tap.run_async):
        try:
            call("SELECT nonsense FROM spherex.plane")
        except pyvo.DALQueryError as error:
            assert "nonsense" in str(error), error
        else:
            raise AssertionError("no error")
    short = archive.tap.run_sync("SELECT uri FROM spherex.artifact", maxrec=1)
    assert len(short) == 1 and short.query_status == "OVERFLOW", short.query_status


@check
def tap_tables(archive):
    """pyvo: capabilities, availability, tables"""
    assert archive.tap.available and archive.tap.maxrec > 0
    assert "ADQL" in str(archive.tap.get_tap_capability().languages[0].name)
    table = archive.tap.tables["spherex.plane"]
    assert {"poly", "time_bounds_lower"} <= {column.name for column in table.columns}


@check
def sia(archive):
    """pyvo: SIA2 by circle, range, polygon, time and wavelength"""
    service = pyvo.dal.SIA2Service(f"{archive.url}/SIA")
    here = (archive.ra * u.deg, archive.dec * u.deg, 0.001 * u.deg)
    rows = service.search(pos=here, collection=archive.collection)
    urls = {row["access_url"] for row in rows}
    assert urls == {f"{archive.url}/{uri}" for uri in archive.expected(archive.collection)}
    first = rows[0]
    assert first.obs_id and first["cloud_access"].startswith('{"aws"') and first["access_estsize"] > 0
    ra, dec = archive.ra, archive.dec
    box = (ra - 0.01, ra + 0.01, dec - 0.01, dec + 0.01)
    corners = (ra, dec, ra + 0.01, dec, ra + 0.01, dec + 0.01)
    for pos in (tuple(v * u.deg for v in box), tuple(v * u.deg for v in corners)):
        assert {r["access_url"] for r in service.search(pos=pos)} >= urls
    assert len(service.search(pos=here, time=("1990-01-01", "1990-01-02"))) == 0
    wave = rows.to_table()["em_min"][0] * 1.01
    assert 0 < len(service.search(pos=here, band=(wave * u.m, wave * u.m))) <= len(archive.expected())
    assert len(service.search(pos=here, band=(21 * u.cm, 22 * u.cm))) == 0
    assert len(service.search(collection="none_such")) == 0


def cut(data, ra, dec):
    """Opens a cutout, gzipped or not, and tells its shape; the position must lie in its middle."""
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    with fits.open(io.BytesIO(data)) as hdus:
        names = [hdu.name for hdu in hdus]
        assert names[:5] == ["PRIMARY", "IMAGE", "FLAGS", "VARIANCE", "ZODI"] and names[-1] == "WCS-WAVE", names
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            x, y = WCS(hdus["IMAGE"].header).all_world2pix(ra, dec, 0)
        ny, nx = hdus["IMAGE"].data.shape
        assert abs(x - (nx - 1) / 2) < 0.6 and abs(y - (ny - 1) / 2) < 0.6, (x, y)
        assert all(hdus[name].data.shape == (ny, nx) for name in names[2:5])
        return ny, nx


@check
def datalink(archive):
    """pyvo: DataLink of the rows of SIA2 and TAP; the file itself; a cutout by the service named there"""
    service = pyvo.dal.SIA2Service(f"{archive.url}/SIA")
    rows = service.search(pos=(archive.ra * u.deg, archive.dec * u.deg, 0.001 * u.deg))
    query = f"SELECT * FROM spherex.plane p WHERE {archive.point}"
    links = list(rows.iter_datalinks(preserve_order=True))
    assert len(links) == len(rows) == len(list(archive.tap.search(query).iter_datalinks()))
    for row, linked in zip(rows, links):
        # The narrower terms would be looked up at ivoa.net.
        this = next(linked.bysemantics("#this", include_narrower=False))
        assert this.access_url == row["access_url"] and this.content_type == "application/fits"
    proc = links[0].get_first_proc()
    assert proc.semantics == "#cutout" and proc.service_def == "ibe-cutout"
    data = proc.process(center=f"{archive.ra},{archive.dec}", size="20px", gzip="false").read()
    assert cut(data, archive.ra, archive.dec) == (20, 20)
    whole = requests.head(this.access_url, timeout=60)
    assert int(whole.headers["Content-Length"]) == this.content_length
    unknown = pyvo.dal.adhoc.DatalinkResults.from_result_url(
        f"{archive.url}/datalink/links/spherex?ID=" + urllib.parse.quote("ivo://irsa.ipac/none?x/D1", safe="")
    )
    assert "NotFoundFault" in unknown[0].error_message


@check
def tap_plus(archive):
    """astroquery: TapPlus, a query at once and by a job"""
    # Not load_tables: that of astroquery 0.4.11 needs attributes which are ESA's own.
    tap = TapPlus(url=f"{archive.url}/TAP")
    query = JOIN.format(archive.point)
    for launch in (tap.launch_job, tap.launch_job_async):
        rows = launch(query).get_results()
        assert [str(uri) for uri in rows["uri"]] == archive.expected(), launch


@check
def irsa(archive):
    """astroquery: the module for this archive, with its addresses changed"""
    with conf.set_temp("tap_url", f"{archive.url}/TAP"), conf.set_temp("sia_url", f"{archive.url}/SIA"):
        client = type(Irsa)()
        for async_job in (False, True):
            rows = client.query_tap(JOIN.format(archive.point), async_job=async_job).to_table()
            assert list(rows["uri"]) == archive.expected()
        rows = client.query_sia(pos=(archive.position, 0.001 * u.deg), collection=archive.collection)
        assert len(rows) == len(archive.expected(archive.collection))
        assert archive.collection in client.list_collections()["collection"]
        assert archive.collection in client.list_collections(servicetype="SIA")["collection"]
        assert "poly" in client.list_columns("spherex.plane")


@check
def cutout(archive):
    """astropy: opens a cutout by its address, gzipped and plain, with the position in its middle"""
    url = f"{archive.url}/{archive.expected()[0]}"
    for form in ({}, {"gzip": "false"}):
        params = {"center": f"{archive.ra},{archive.dec}", "size": "3arcmin", **form}
        answer = requests.get(url, params=params, timeout=60)
        answer.raise_for_status()
        ny, nx = cut(answer.content, archive.ra, archive.dec)
        assert abs(nx - 29) <= 1 and abs(ny - 29) <= 1, (ny, nx)
    assert requests.get(url, params={**params, "center": "0,-89"}, timeout=60).status_code == 400


def main():
    """Runs all checks, also after one has failed."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    archive = Archive(sys.argv[1])
    failed = 0
    for run in CHECKS:
        try:
            run(archive)
        except Exception as error:  # a check may fail in any way; the others are still run
            failed += 1
            print(f"FAIL {run.__doc__}: {type(error).__name__}: {error}")
        else:
            print(f"PASS {run.__doc__}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
