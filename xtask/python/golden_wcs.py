#!/usr/bin/env python3
"""Reference values for spx-wcs, from astropy's wrapping of WCSLIB.

    cargo xtask golden wcs              # runs: python golden_wcs.py testdata
    pip install "astropy>=7" numpy      # what it needs

Writes into <testdata dir>/wcs:

celestial.json  headers in all supported forms; sky positions of pixels over the frame and 20 px beyond
                (all_pix2world), pixels of sky positions (all_world2pix, tolerance 1e-10), and pixel areas
                (central differences of all_pix2world).
maps.json       output grids (sizes by numpy's floor, sky positions of pixels), and positions of input
                pixels on them by way of the sky (all_pix2world, then all_world2pix of the grid).
wave.json       wavelength tables on the control points of the six detectors, and look-ups in them:
                `wcslib` wherever WCSLIB answers (over the table and half a cell beyond), `beyond` by the
                bilinear formula below, continued linearly, where WCSLIB refuses. Both are compared here
                wherever both exist.
grids.json      output grids of further projections, systems and rotations: sky positions (ICRS) of pixels
                (all_pix2world, then the transformation of astropy.coordinates).

SIP coefficients and the D3 table come from <testdata dir>/real_headers; the other tables are a smooth law
with noise, rounded to float32. All positions are 0-based pixels and degrees; random numbers are seeded.
"""
import json
import sys
from pathlib import Path

import numpy as np
from astropy import __version__ as astropy_version
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

SIDE = 2040
SCALE = 6.155 / 3600
RNG = np.random.default_rng(20251)

# Control points of the WCS-WAVE tables, 1-based detector pixels.
NINE = [1, 256, 511, 766, 1021, 1275, 1530, 1785, 2040]
ELEVEN = [1, 205, 409, 613, 817, 1021, 1224, 1428, 1632, 1836, 2040]
D4 = ([1, 171, 341, 511, 681, 851, 1021, 1190, 1360, 1530, 1700, 1870, 2040],
      [1, 151, 301, 451, 601, 751, 901, 1050, 1200, 1350, 1500, 1650, 1800, 1801, 1841, 1881, 1921, 1960, 2000, 2040])
CONTROL = {1: (NINE, NINE), 2: (ELEVEN, ELEVEN), 4: D4, 5: (ELEVEN, ELEVEN), 6: (NINE, NINE)}
BANDS = {1: (0.74, 1.12), 2: (1.09, 1.66), 4: (2.41, 3.83), 5: (3.80, 4.42), 6: (4.40, 5.01)}


def text_of(cards):
    """Cards one a line, numbers with all their digits."""
    def value(v):
        return f"'{v}'" if isinstance(v, str) else repr(v).upper()
    return "\n".join(f"{k:<8}= {value(v)}" for k, v in cards.items())


def header_of(*texts):
    return fits.Header.fromstring("\n".join(t for t in texts if t), sep="\n")


def sip_blocks(testdata):
    real = fits.Header.fromtextfile(testdata / "real_headers" / "qr2_cutout_IMAGE_header.txt")
    spherex = {k: real[k] for k in real if k.split("_")[0] in ("A", "B", "AP", "BP")}
    no_inverse = {k: v for k, v in spherex.items() if k[1] != "P"}
    quintic = {"A_ORDER": 5, "B_ORDER": 5}
    quadratic = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 3e-6, "A_1_1": -4e-6, "B_0_2": -2.5e-6, "B_2_0": 1e-6}
    for axis in "AB":
        for p in range(6):
            for q in range(6 - p):
                quintic[f"{axis}_{p}_{q}"] = float(f"{RNG.normal() * 3 / 1500.0 ** (p + q):.6g}")
    blocks = {"spherex": spherex, "no inverse": no_inverse, "quintic": quintic, "quadratic": quadratic, "none": {}}
    return {k: text_of(v) for k, v in blocks.items()}


def celestial(ra, dec, roll=0.0, form="pc", sip="spherex", lonpole=180.0, cutout=None, swapped=False):
    """Cards in one of the forms of the linear part; lonpole None leaves the card out."""
    suffix = "" if sip == "none" else "-SIP"
    _, _, x0, y0 = cutout or (SIDE, SIDE, 0, 0)
    unit = 3600.0 if form == "arcsec" else 1.0
    lon, lat = (2, 1) if swapped else (1, 2)
    h = {"WCSAXES": 2, f"CTYPE{lon}": "RA---TAN" + suffix, f"CTYPE{lat}": "DEC--TAN" + suffix,
         "CRPIX1": 1020.5 - x0, "CRPIX2": 1020.5 - y0, f"CRVAL{lon}": ra * unit, f"CRVAL{lat}": dec * unit}
    c, s = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
    turn = {f"{lon}_1": float(c), f"{lon}_2": float(s), f"{lat}_1": float(s), f"{lat}_2": float(-c)}
    if form in ("pc", "arcsec"):
        h |= {"CDELT1": 1.0, "CDELT2": 1.0} | {"PC" + k: v * SCALE * unit for k, v in turn.items()}
    elif form == "pc cdelt":
        h |= {"CDELT1": -SCALE, "CDELT2": SCALE * 1.01} | {"PC" + k: v for k, v in turn.items()}
    elif form == "cd":
        h |= {"CD" + k: v * SCALE for k, v in turn.items()}
    elif form == "cd diagonal":
        h |= {"CD1_1": -SCALE, "CD2_2": SCALE}
    elif form in ("cdelt", "crota"):
        h |= {"CDELT1": -SCALE, "CDELT2": SCALE}
    if form == "crota":
        h["CROTA2"] = roll
    h |= {"CUNIT1": "arcsec" if form == "arcsec" else "deg", "CUNIT2": "arcsec" if form == "arcsec" else "deg",
          "RADESYS": "ICRS"}
    if lonpole is not None:
        h |= {"LONPOLE": lonpole, "LATPOLE": dec}
    return h


def celestial_cases():
    cases = []

    def add(name, **kw):
        cases.append((name, kw))
    for dec in (-89.9, -60.0, -12.25, 0.0, 40.8987511044, 75.0, 89.9):
        for ra, roll in ((0.0, 17.0), (186.4536, 205.0)):
            add(f"dec {dec} ra {ra} roll {roll}", ra=ra, dec=dec, roll=roll)
    add("just below ra 360", ra=359.9999, dec=10.0, roll=95.0)
    add("north pole", ra=33.0, dec=90.0, roll=140.0)
    add("south pole", ra=300.0, dec=-90.0, roll=-60.0)
    add("negative ra", ra=-0.5, dec=-30.0, roll=10.0)
    add("no lonpole", ra=12.0, dec=33.0, roll=10.0, lonpole=None)
    add("no lonpole at the pole", ra=12.0, dec=90.0, roll=10.0, lonpole=None)
    for lonpole in (0.0, 150.0, -77.5):
        add(f"lonpole {lonpole}", ra=186.0, dec=66.5, roll=30.0, lonpole=lonpole)
    add("cutout", ra=10.088, dec=40.9, roll=25.0, cutout=(117, 117, 1292, 863))
    add("cutout at the pole", ra=0.0, dec=89.9, roll=25.0, cutout=(60, 90, 30, 1950))
    add("SIP without AP, BP", ra=10.0, dec=-40.0, roll=300.0, sip="no inverse")
    add("SIP of order 5", ra=10.0, dec=-40.0, roll=300.0, sip="quintic")
    add("SIP of order 2", ra=359.0, dec=80.0, roll=300.0, sip="quadratic")
    add("no SIP", ra=100.0, dec=20.0, roll=45.0, sip="none")
    add("PC with CDELT", ra=100.0, dec=20.0, roll=45.0, form="pc cdelt")
    add("CD", ra=100.0, dec=-20.0, roll=222.0, form="cd")
    add("diagonal CD", ra=1.0, dec=-85.0, form="cd diagonal", sip="none")
    add("CDELT alone", ra=0.0, dec=5.0, form="cdelt", sip="none")
    add("CDELT alone with SIP", ra=0.0, dec=5.0, form="cdelt")
    add("CDELT and CROTA2", ra=0.0, dec=5.0, roll=33.0, form="crota")
    add("arcsec", ra=200.0, dec=-5.0, roll=33.0, form="arcsec")
    add("declination first", ra=200.0, dec=50.0, roll=33.0, swapped=True)
    return cases


def on_sky(wcs, x, y, swapped=False):
    sky = wcs.all_pix2world(np.column_stack([np.ravel(x), np.ravel(y)]), 0)
    sky = sky[:, ::-1] if swapped else sky
    return np.column_stack([sky[:, 0] % 360.0, sky[:, 1]])


def vectors(sky):
    ra, dec = np.deg2rad(sky).T
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def areas(wcs, points, swapped):
    """Pixel solid angles [arcsec^2] by central differences over two pixels."""
    x, y = np.array(points).T
    at = [vectors(on_sky(wcs, x + dx, y + dy, swapped)) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    cross = np.cross((at[0] - at[1]) / 2, (at[2] - at[3]) / 2)
    return np.linalg.norm(cross, axis=1) * np.rad2deg(1) ** 2 * 3600**2


def celestial_json(blocks):
    out, points = [], {}
    for name, kw in celestial_cases():
        sip, swapped = kw.get("sip", "spherex"), kw.get("swapped", False)
        nx, ny = (kw.get("cutout") or (SIDE, SIDE, 0, 0))[:2]
        cards = text_of(celestial(**kw))
        wcs = WCS(header_of(cards, blocks[sip]))
        key = f"{nx}x{ny}"
        x, y = np.meshgrid(np.linspace(-20.25, nx + 19, 6), np.linspace(-20, ny + 18.75, 6))
        points[key] = np.column_stack([x.ravel(), y.ravel()]).round(3).tolist()
        inside = np.column_stack([RNG.uniform(-20, nx + 19, 6), RNG.uniform(-20, ny + 19, 6)])
        sky = on_sky(wcs, *inside.T, swapped).round(8)
        world = sky[:, ::-1] if swapped else sky
        pixels = wcs.all_world2pix(world, 0, tolerance=1e-10, maxiter=60)
        assert np.abs(pixels - inside).max() < 1e-2
        where = points[key][::7]
        out.append({"name": name, "cards": cards, "sip": sip, "points": key, "shape": [ny, nx],
                    "sky": on_sky(wcs, *np.array(points[key]).T, swapped).tolist(),
                    "pixels": np.column_stack([sky, pixels]).tolist(),
                    "areas": np.column_stack([where, areas(wcs, where, swapped)]).tolist()})
    return {"made_by": f"cargo xtask golden wcs: golden_wcs.py, astropy {astropy_version}", "sip": blocks, "points": points, "cases": out}


def grid_cards(ra, dec, nx, ny, scale):
    return {"WCSAXES": 2, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec,
            "CRPIX1": nx / 2 + 0.5, "CRPIX2": ny / 2 + 0.5, "CDELT1": -scale / 3600, "CDELT2": scale / 3600,
            "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS", "LONPOLE": 180.0, "LATPOLE": dec}


def maps_json(blocks):
    out = []
    for ra, dec, width, height, over, sip, kw in (
            (10.088, 40.899, 30.0, 30.0, 1, "spherex", {"roll": 25.0}),
            (0.01, 0.0, 12.3, 4.1, 2, "spherex", {"roll": 200.0}),
            (359.99, -33.3, 1.025, 7.0, 1, "quintic", {"roll": 77.0, "sip": "quintic"}),
            (120.0, 89.95, 240.0, 240.0, 1, "spherex", {"roll": 120.0}),
            (300.0, -89.5, 29.93, 60.0, 3, "none", {"roll": 5.0, "sip": "none", "form": "cd"}),
            (45.0, 60.0, 600.0, 300.0, 1, "spherex", {"roll": 60.0, "cutout": (117, 217, 1000, 300)})):
        scale = 6.15 / over
        nx, ny = int(np.floor(width * 60 / scale)), int(np.floor(height * 60 / scale))
        grid = WCS(header_of(text_of(grid_cards(ra, dec, nx, ny, scale))))
        corners = np.array([[-0.5, -0.5], [nx - 0.5, -0.5], [0, ny - 1], [nx / 3, ny / 7]])
        cards = text_of(celestial((ra + 0.3) % 360, min(dec + 0.2, 90.0), **kw))
        wcs = WCS(header_of(cards, blocks[sip]))
        mx, my = (kw.get("cutout") or (SIDE, SIDE))[:2]
        at = np.column_stack([RNG.uniform(-20, mx + 19, 12), RNG.uniform(-20, my + 19, 12)]).round(3)
        # The way by (ra, dec) loses digits of ra at the pole in neither direction, since both use the same.
        to = grid.all_world2pix(on_sky(wcs, *at.T), 0)
        out.append({"ra": ra, "dec": dec, "width": width, "height": height, "scale": scale, "nx": nx, "ny": ny,
                    "sky": np.column_stack([corners, on_sky(grid, *corners.T)]).tolist(),
                    "cards": cards, "sip": sip, "map": np.column_stack([at, to]).tolist()})
    return {"made_by": f"cargo xtask golden wcs: golden_wcs.py, astropy {astropy_version}", "sip": blocks, "cases": out}


def grids_json():
    """Grids of further projections, systems and rotations: sky positions (ICRS) of pixels by astropy."""
    out, random = [], np.random.default_rng(20252)

    def add(name, cards, shape, form=None):
        ny, nx = shape
        wcs = WCS(header_of(text_of(cards)))
        frame = wcs_to_celestial_frame(wcs)
        pixels = np.column_stack([random.uniform(-0.5, nx - 0.5, 8), random.uniform(-0.5, ny - 0.5, 8)]).round(3)
        lon, lat = wcs.all_pix2world(pixels, 0).T
        if cards["CTYPE1"].startswith("DEC"):
            lon, lat = lat, lon
        sky = SkyCoord(lon, lat, unit="deg", frame=frame).icrs
        out.append({"name": name, "cards": text_of(cards), "shape": shape, "form": form,
                    "pixels": np.column_stack([pixels, sky.ra.deg, sky.dec.deg]).tolist()})

    for projection in ("TAN", "SIN", "ZEA", "CAR"):
        for frame, ra, dec, rotation, width, height, scale in (
                ("icrs", 186.4536, 33.5468, 0.0, 30.0, 20.0, 6.15), ("icrs", 0.01, -71.2, 33.0, 300.0, 240.0, 6.15),
                ("galactic", 266.4, -29.0, 0.0, 60.0, 30.0, 3.075), ("galactic", 83.6, 22.0, -117.5, 600.0, 900.0, 24.6)):
            nx, ny = int(np.floor(width * 60 / scale)), int(np.floor(height * 60 / scale))
            center = SkyCoord(ra, dec, unit="deg")
            lon, lat = (ra, dec) if frame == "icrs" else (center.galactic.l.deg, center.galactic.b.deg)
            axes = ("RA--", "DEC-") if frame == "icrs" else ("GLON", "GLAT")
            cards = {"WCSAXES": 2, "CTYPE1": f"{axes[0]}-{projection}", "CTYPE2": f"{axes[1]}-{projection}",
                     "CRVAL1": float(lon), "CRVAL2": float(lat), "CRPIX1": nx / 2 + 0.5, "CRPIX2": ny / 2 + 0.5,
                     "CDELT1": -scale / 3600, "CDELT2": scale / 3600, "CUNIT1": "deg", "CUNIT2": "deg"}
            if rotation:
                c, s = float(np.cos(np.deg2rad(rotation))), float(np.sin(np.deg2rad(rotation)))
                cards |= {"PC1_1": c, "PC1_2": -s, "PC2_1": s, "PC2_2": c}
            if frame == "icrs":
                cards["RADESYS"] = "ICRS"
            add(f"{projection} {frame} rotated {rotation}", cards, [ny, nx],
                {"projection": projection, "frame": frame, "rotation": rotation, "ra": ra, "dec": dec,
                 "width": width, "height": height, "scale": scale})

    def image(ctypes, crval, more, shape=(400, 500)):
        return {"WCSAXES": 2, "CTYPE1": ctypes[0], "CTYPE2": ctypes[1], "CRVAL1": crval[0], "CRVAL2": crval[1],
                "CRPIX1": 100.25, "CRPIX2": 310.5} | more, list(shape)

    cdelt = {"CDELT1": -0.002, "CDELT2": 0.002}
    for name, ctypes, crval, more in (
            ("FK5", ("RA---TAN", "DEC--TAN"), (210.8, 54.35), cdelt | {"RADESYS": "FK5", "EQUINOX": 2000.0}),
            ("EQUINOX alone", ("RA---SIN", "DEC--SIN"), (210.8, 54.35), cdelt | {"EQUINOX": 2000.0}),
            ("CD", ("RA---ZEA", "DEC--ZEA"), (10.0, -80.0), {"CD1_1": -0.001, "CD1_2": 0.0004, "CD2_1": 0.0005, "CD2_2": 0.0011}),
            ("CROTA2", ("GLON-TAN", "GLAT-TAN"), (120.0, -21.0), cdelt | {"CROTA2": 27.0}),
            ("whole-sky CAR", ("GLON-CAR", "GLAT-CAR"), (0.0, 0.0), {"CDELT1": -0.7, "CDELT2": 0.4, "CRPIX1": 250.5, "CRPIX2": 200.5}),
            ("CAR, LONPOLE 180", ("RA---CAR", "DEC--CAR"), (30.0, 0.0), cdelt | {"LONPOLE": 180.0, "LATPOLE": 90.0}),
            ("CAR, south", ("RA---CAR", "DEC--CAR"), (30.0, -41.0), cdelt),
            ("CAR, southern pole", ("RA---CAR", "DEC--CAR"), (30.0, 41.0), cdelt | {"LATPOLE": -90.0}),
            ("CAR, slanted", ("RA---CAR", "DEC--CAR"), (30.0, 41.0), cdelt | {"LONPOLE": 20.0}),
            ("CAR at the pole", ("RA---CAR", "DEC--CAR"), (30.0, 90.0), cdelt),
            ("TAN, LONPOLE", ("RA---TAN", "DEC--TAN"), (30.0, 41.0), cdelt | {"LONPOLE": 133.0}),
            ("latitude first", ("DEC--SIN", "RA---SIN"), (41.0, 30.0), {"CDELT1": 0.002, "CDELT2": -0.002})):
        cards, shape = image(ctypes, crval, more)
        add(name, cards, shape)
    return {"made_by": f"cargo xtask golden wcs: golden_wcs.py, astropy {astropy_version}", "cases": out}


def wave_table(detector, testdata):
    if detector == 3:
        real = json.loads((testdata / "real_headers" / "wave_table_qr2_D3.json").read_text())
        return real["x"], real["y"], np.stack([real["wavelength"], real["bandwidth"]], -1)
    x, y = CONTROL[detector]
    low, high = BANDS[detector]
    gx, gy = np.meshgrid((np.array(x) - 1021) / 1020, (2040 - np.array(y)) / 2039)
    wave = low * (high / low) ** gy * (1 + 0.0075 * gx**2) + 1e-3 * RNG.normal(size=gx.shape)
    band = wave / 40 * (1 + 0.05 * np.sin(3 * gy)) + 1e-4 * RNG.normal(size=gx.shape)
    # Six decimals hold in JSON what float32 would; the table is read as float64 on both sides.
    return x, y, np.stack([wave, band], -1).round(6)


def bilinear(x, y, values, at):
    """Look-up at 1-based detector pixels; the outermost cells continue beyond the table."""
    x, y = np.array(x, float), np.array(y, float)
    i = np.clip(np.searchsorted(x, at[:, 0], side="right") - 1, 0, x.size - 2)
    j = np.clip(np.searchsorted(y, at[:, 1], side="right") - 1, 0, y.size - 2)
    fx = ((at[:, 0] - x[i]) / (x[i + 1] - x[i]))[:, None]
    fy = ((at[:, 1] - y[j]) / (y[j + 1] - y[j]))[:, None]
    low = (1 - fx) * values[j, i] + fx * values[j, i + 1]
    high = (1 - fx) * values[j + 1, i] + fx * values[j + 1, i + 1]
    return (1 - fy) * low + fy * high


def wave_cards(x0, y0, unit="um", swapped=False, step=1):
    h = {"NAXIS": 2, "NAXIS1": SIDE, "NAXIS2": SIDE, "WCSAXESW": 2}
    for i, offset in ((1, x0), (2, y0)):
        h |= {f"CTYPE{i}W": "WAVE-TAB", f"CUNIT{i}W": unit, f"CRPIX{i}W": 1.0 - offset, f"CRVAL{i}W": 1.0,
              f"CDELT{i}W": step, f"PS{i}_0W": "WCS-WAVE", f"PS{i}_1W": "VALUES", f"PS{i}_2W": "XY"[i - 1],
              f"PV{i}_3W": 3 - i if swapped else i}
    return h


def wcslib_lookup(header, x, y, values, at):
    """What WCSLIB answers at 0-based image pixels, in the unit of the table; NaN where it refuses."""
    ny, nx, _ = values.shape
    columns = [fits.Column("X", f"{len(x)}J", dim=f"({len(x)})", array=np.array(x, np.int32)[None]),
               fits.Column("Y", f"{len(y)}J", dim=f"({len(y)})", array=np.array(y, np.int32)[None]),
               fits.Column("VALUES", f"{values.size}D", dim=f"(2,{nx},{ny})", array=values[None])]
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="WCS-WAVE")])
    wcs = WCS(header, hdus, key="W")
    out = np.full((len(at), 2), np.nan)
    for k, pixel in enumerate(at):
        try:
            out[k] = wcs.wcs.p2s([pixel], 0)["world"][0]
        except Exception:  # WCSLIB refuses positions more than half a cell outside the table
            continue
    return out


def wave_json(testdata):
    tables, cases = {}, []
    variants = [(d, 0, 0, "um", False, 1) for d in range(1, 7)]
    variants += [(3, 1292, 863, "um", False, 1), (4, 30, 1790, "nm", False, 1), (4, 5, -7, "um", False, -2),
                 (2, 0, 0, "um", True, 1)]
    for d, x0, y0, unit, swapped, step in variants:
        if str(d) not in tables:
            x, y, values = wave_table(d, testdata)
            tables[str(d)] = {"x": x, "y": y, "values": values.ravel().tolist()}
        t = tables[str(d)]
        values = np.array(t["values"]).reshape(len(t["y"]), len(t["x"]), 2)
        cards = text_of(wave_cards(x0, y0, unit, swapped, step))
        parent = np.concatenate([
            np.column_stack([RNG.uniform(-40, 2080, 24), RNG.uniform(-10, 2050, 24)]).round(3),
            np.column_stack([RNG.choice(t["x"], 6), RNG.choice(t["y"], 6)]),
            [[0.5, 0.5], [2040.5, 2040.5], [1.0, 2040.0], [-15.0, 1000.0]],
            [[-900.0, 5.0], [3000.0, 2500.0], [7.0, -1200.5], [1020.0, 2600.0]]])
        at = (parent - 1.0) / step - np.array([x0, y0])
        parent = (at + np.array([x0, y0])) * step + 1.0
        to_um = {"um": 1.0, "nm": 1e-3}[unit]
        if swapped:  # image axis 1 runs over the second array axis and gives the second component
            ours = bilinear(t["x"], t["y"], values, parent)[:, ::-1]
            stored = np.ascontiguousarray(values.transpose(1, 0, 2))
        else:
            ours, stored = bilinear(t["x"], t["y"], values, parent), values
        ours = ours * to_um
        theirs = wcslib_lookup(header_of(cards), t["x"], t["y"], stored, at) * to_um
        known = np.isfinite(theirs[:, 0])
        assert 24 <= known.sum() < len(at) and np.abs(ours - theirs)[known].max() < 1e-12, (d, swapped)
        cases.append({"table": str(d), "cards": cards, "values": stored.ravel().tolist() if swapped else None,
                      "wcslib": np.column_stack([at, theirs])[known].tolist(),
                      "beyond": np.column_stack([at, ours])[~known].tolist()})
    return {"made_by": f"cargo xtask golden wcs: golden_wcs.py, astropy {astropy_version}, numpy {np.__version__}", "tables": tables,
            "cases": cases}


def write(path, content):
    """One line a case, so that a change shows in a diff."""
    cases = ",\n".join(json.dumps(case) for case in content.pop("cases"))
    path.write_text(json.dumps(content)[:-1] + ', "cases": [\n' + cases + "\n]}\n")


def main(testdata):
    target = testdata / "wcs"
    target.mkdir(exist_ok=True)
    blocks = sip_blocks(testdata)
    write(target / "celestial.json", celestial_json(blocks))
    write(target / "maps.json", maps_json(blocks))
    write(target / "wave.json", wave_json(testdata))
    write(target / "grids.json", grids_json())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
