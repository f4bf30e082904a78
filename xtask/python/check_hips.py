"""A HiPS of simulated exposures, looked at by programs of others: astropy-healpix, mocpy, astropy's WCS, Aladin Lite.

python check_hips.py SPX FOLDER [ALADIN CHROMIUM]

FOLDER is for what is made; ALADIN is aladin.js of the npm package aladin-lite. Exit code 1 where a demand is not met.
"""

import base64
import csv
import http.server
import io
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS
from astropy_healpix import HEALPix
from mocpy import MOC

ORDER, SIDE, LEVELS = 6, 512, 9
MAKE = ["--wave=1.9..2.1", f"--order={ORDER}", "--cut=0..3", "--stretch=linear"]
REQUIRED = ["creator_did", "obs_title", "dataproduct_type", "hips_version", "hips_release_date", "hips_status", "hips_frame",
            "hips_order", "hips_tile_format"]
PAGE = """<!doctype html><meta charset="utf-8"><body style="margin:0"><div id="sky" style="width:800px;height:600px"></div>
<script type="module">
import A from "./aladin.js";
const tell = (what) => fetch("/told", { method: "POST", body: JSON.stringify(what) });
try {
  const { stars, center, fov, format } = await (await fetch("/question")).json();
  await A.init;
  const aladin = A.aladin("#sky", { survey: A.imageHiPS(location.origin + "/hips", format === "fits" ? { imgFormat: "fits", minCut: 0, maxCut: 3, stretch: "linear" } : { imgFormat: "png" }),
    target: center.join(" "), fov, projection: "TAN", showReticle: false, showCooGrid: false, backgroundColor: "rgb(0,0,90)" });
  await new Promise((resolve) => setTimeout(resolve, 10000));
  const picture = await aladin.getViewDataURL({ format: "image/png", logo: false });
  tell({ picture, pixels: stars.map(([ra, dec]) => Array.from(aladin.world2pix(ra, dec) ?? [])) });
} catch (error) { tell({ error: String(error) }); }
</script>"""

failures = []


def demand(met, text):
    print(("ok   " if met else "FAIL ") + text)
    if not met:
        failures.append(text)


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def pixel(order, ra, dec):
    """Tile of a position, and its pixel there with fractions, by astropy-healpix."""
    healpix = HEALPix(2**order, order="nested")
    index, dx, dy = healpix.lonlat_to_healpix(ra * u.deg, dec * u.deg, return_offsets=True)
    return int(index), dy * SIDE - 0.5, SIDE - dx * SIDE - 0.5


def centroid(image, x, y, half=3):
    """The center of light around a pixel, above the median of the surroundings."""
    x0, y0 = int(round(x)), int(round(y))
    wide = image[max(y0 - 12, 0) : y0 + 13, max(x0 - 12, 0) : x0 + 13]
    for _ in range(20):
        box = image[y0 - half : y0 + half + 1, x0 - half : x0 + half + 1] - np.nanmedian(wide)
        if box.shape != (2 * half + 1, 2 * half + 1) or not np.isfinite(box).all() or box.sum() <= 0:
            return None
        across, along = np.arange(-half, half + 1), np.arange(-half, half + 1)
        cx, cy = (box.sum(0) * across).sum() / box.sum() + x0, (box.sum(1) * along).sum() / box.sum() + y0
        if (round(cx), round(cy)) == (x0, y0):
            return np.array([cx, cy])
        x0, y0 = int(round(cx)), int(round(cy))
    return None


def tile(hips, order, index, ending="fits"):
    return hips / f"Norder{order}/Dir{index // 10000 * 10000}/Npix{index}.{ending}"


def stars(folder):
    """Bright stars without a neighbor within an arcmin."""
    with open(folder / "frames/truth.csv") as table:
        rows = [row for row in csv.DictReader(table) if row["kind"] == "star"]
    every = np.array([[float(row["ra"]), float(row["dec"]), float(row["flux_2um_ujy"])] for row in rows])
    scale = np.cos(np.radians(every[0, 1]))
    found = []
    for k, (ra, dec, flux) in enumerate(every):
        apart = np.hypot((every[:, 0] - ra) * scale, every[:, 1] - dec) * 60
        apart[k] = np.inf
        if flux > 2000 and (every[apart < 1.5, 2] < 0.003 * flux).all():
            found.append((ra, dec))
    return found


def check_tiles(hips, found):
    off = []
    for ra, dec in found:
        index, x, y = pixel(ORDER, ra, dec)
        path = tile(hips, ORDER, index)
        if not path.exists() or not (8 < x < SIDE - 9 and 8 < y < SIDE - 9):
            continue
        image = fits.getdata(path).astype(float)
        at = centroid(image, x, y)
        if at is not None:
            off.append(at - [x, y])
    off = np.array(off)
    mean, worst = off.mean(0), np.abs(off - 0).max()
    demand(len(off) >= 5, f"{len(off)} stars on tiles of order {ORDER}")
    demand(worst < 0.1, f"stars lie where astropy-healpix puts them: mean {mean[0]:+.4f} {mean[1]:+.4f}, at most {worst:.4f} px off")


def check_headers(hips):
    worst = 0.0
    for order in range(ORDER + 1):
        healpix = HEALPix(2**order, order="nested")
        for path in hips.glob(f"Norder{order}/Dir*/Npix*.fits"):
            header = fits.getheader(path)
            x, y = np.array([0, 511, 200]), np.array([0, 30, 511])
            ra, dec = healpix.healpix_to_lonlat(header["NPIX"], dx=1 - (y + 0.5) / SIDE, dy=(x + 0.5) / SIDE)
            sky = WCS(header).pixel_to_world(x, y)
            away = np.hypot((sky.ra.deg - ra.deg + 180) % 360 - 180, sky.dec.deg - dec.deg)
            worst = max(worst, away.max() * 3600)
            assert header["ORDER"] == order and path.name == f"Npix{header['NPIX']}.fits"
    demand(worst < 1e-6, f"astropy reads the WCS of all tiles: at most {worst:.1e} arcsec off")


def check_hierarchy(hips):
    worst = 0.0
    for order in range(ORDER):
        for path in hips.glob(f"Norder{order}/Dir*/Npix*.fits"):
            index, image = fits.getheader(path)["NPIX"], fits.getdata(path)
            for k in range(4):
                part = tile(hips, order + 1, 4 * index + k)
                column, row = k >> 1, 1 - (k & 1)
                block = image[row * 256 : row * 256 + 256, column * 256 : column * 256 + 256]
                if not part.exists():
                    worst = max(worst, float(np.isfinite(block).sum()))
                    continue
                with np.errstate(invalid="ignore"):
                    quads = fits.getdata(part).astype(float).reshape(256, 2, 256, 2)
                    n = np.isfinite(quads).sum((1, 3))
                    mean = np.where(n > 0, np.nansum(quads, (1, 3)) / np.maximum(n, 1), np.nan).astype(np.float32)
                worst = max(worst, 0.0 if np.array_equal(mean, block, equal_nan=True) else 1.0)
    demand(worst == 0, "pixels of the orders above are the means of their parts")


def check_moc(hips):
    moc = MOC.from_fits(str(hips / "Moc.fits"))
    cells = HEALPix(2 ** (ORDER + 3), order="nested")
    inside, expected = moc.flatten(), set()
    for path in hips.glob(f"Norder{ORDER}/Dir*/Npix*.fits"):
        index, image = fits.getheader(path)["NPIX"], np.isfinite(fits.getdata(path))
        for y, x in zip(*np.nonzero(image.reshape(8, 64, 8, 64).any((1, 3)))):
            ra, dec = HEALPix(2**ORDER, order="nested").healpix_to_lonlat(index, dx=1 - (y + 0.5) / 8, dy=(x + 0.5) / 8)
            expected.add(int(cells.lonlat_to_healpix(ra, dec)))
    demand(moc.max_order == ORDER + 3 and set(map(int, inside)) == expected,
           f"mocpy reads Moc.fits: order {moc.max_order}, {len(expected)} cells, those with data; {moc.sky_fraction:.3e} of the sky")
    return moc.sky_fraction


def check_properties(hips, fraction):
    lines = (hips / "properties").read_text().splitlines()
    known = {key.strip(): value.strip() for key, value in (line.split("=", 1) for line in lines)}
    demand(all(known.get(key) for key in REQUIRED), "properties has the keys that the standard requires")
    demand(abs(float(known["moc_sky_fraction"]) - fraction) < 1e-12, "and the share of the sky of the MOC")
    demand(known["hips_order"] == str(ORDER) and known["hips_frame"] == "equatorial", "and order and frame")


class Server(http.server.SimpleHTTPRequestHandler):
    question, answer, told = {}, {}, threading.Event()

    def do_GET(self):
        if self.path == "/question":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(Server.question).encode())
        else:
            super().do_GET()

    def do_POST(self):
        Server.answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        Server.told.set()

    def log_message(self, *_):
        pass


def check_aladin(folder, aladin, chromium, found, form):
    """Aladin Lite draws the stars where it says they are."""
    from PIL import Image

    (folder / "aladin.js").write_bytes(Path(aladin).read_bytes())
    (folder / "index.html").write_text(PAGE)
    center, fov = found[0], 0.25
    Server.question = {"stars": found, "center": center, "fov": fov, "format": form}
    Server.answer = {}
    Server.told.clear()
    handler = lambda *words: Server(*words, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = subprocess.Popen([chromium, "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
                                "--hide-scrollbars", "--window-size=800,600", f"--user-data-dir={folder}/browser",
                                f"http://127.0.0.1:{server.server_port}/index.html"], stderr=subprocess.PIPE, text=True)
    Server.told.wait(120)
    browser.terminate()
    _, complaints = browser.communicate()
    server.shutdown()
    if not Server.answer.get("picture"):
        demand(False, f"Aladin Lite shows the {form} tiles: {Server.answer} {complaints[-2000:]}")
        return
    picture = base64.b64decode(Server.answer["picture"].split(",", 1)[1])
    (folder / f"aladin_{form}.png").write_bytes(picture)
    image = np.array(Image.open(io.BytesIO(picture)).convert("RGB")).astype(float).sum(2)
    scale = 800 / fov * 6.44 / 3600
    off = []
    for at in Server.answer["pixels"]:
        if len(at) == 2 and 40 < at[0] < 760 and 60 < at[1] < 540:
            light = centroid(image, at[0] - 0.5, at[1] - 0.5, half=int(3 * scale))
            if light is not None:
                off.append((light + 0.5 - at) / scale)
    off = np.array(off)
    demand(len(off) >= 3, f"Aladin Lite shows {len(off)} stars of the {form} tiles")
    if len(off):
        median, worst = np.median(off, 0), np.abs(off).max()
        demand(np.abs(median).max() < 0.1, f"they lie where it says: median {median[0]:+.3f} {median[1]:+.3f} px of the HiPS, at most {worst:.3f}")


def main():
    spx, folder = Path(sys.argv[1]), Path(sys.argv[2])
    frames, hips = folder / "frames", folder / "hips"
    folder.mkdir(parents=True, exist_ok=True)
    if not frames.exists():
        run(spx, "simulate", "-q", "--ra=186.4536", "--dec=33.5468", "--exposures=24", "--size=400", "--stars=60", "--radius=0.2", "--plain",
            "--noise=0.001", "-o", frames)
    run(spx, "-q", "hips", *MAKE, "--input", frames, "-o", hips)
    found = stars(folder)
    check_tiles(hips, found)
    check_headers(hips)
    check_hierarchy(hips)
    check_properties(hips, check_moc(hips))
    again = json.loads(run(spx, "-q", "--json", "hips", *MAKE, "--input", frames, "-o", hips))
    demand(again["made"] == 0, f"a second run makes nothing, in {again['seconds']:.2f} s")
    for form in ["png", "fits"] if len(sys.argv) > 3 else []:
        check_aladin(folder, sys.argv[3], sys.argv[4], found, form)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
