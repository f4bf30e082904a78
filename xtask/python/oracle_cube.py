#!/usr/bin/env python3
"""The drizzled cube computed a second time, independently of spx, from the definitions of its algorithms.

Everything is double precision and written for clarity: astropy (wcslib) does the celestial coordinates of
the input (TAN-SIP) and of the output (TAN), a few lines of numpy look up the wavelength, the zodiacal fit and
the bilinear kernel are written out. Nothing is shared with spx; the golden values of `testdata/cube` come
from here.

    oracle_cube.py OUT.fits OPTIONS.json INPUT.fits [INPUT.fits ...]

OPTIONS.json holds the keys of the spx configuration (`ra`, `dec`, `width`, `height`, `detector` and any of
`DEFAULTS` below). Needs numpy and astropy (xtask/python/requirements.txt).

Conventions: pixels count from 0 at pixel centers; arrays are [y][x] and cubes [z][y][x]; wavelengths in um.
"""
import csv
import json
import pathlib
import sys
from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

CHANNELS = pathlib.Path(__file__).resolve().parents[2] / "testdata" / "spectral_channels.csv"
BASE_SCALE = 6.15  # arcsec per output pixel at xy_oversample 1
LIGHT = 299792458.0  # m/s
TOLERANCE = 1e-6  # a pixel nearer than this to a decision may be decided either way

BITS = {
    "TRANSIENT": 0, "OVERFLOW": 1, "SUR_ERROR": 2, "PHANTOM": 4, "REFERENCE": 5, "NONFUNC": 6, "DICHROIC": 7,
    "MISSING_DATA": 9, "HOT": 10, "COLD": 11, "FULLSAMPLE": 12, "PHANMISS": 14, "NONLINEAR": 15, "PERSIST": 17,
    "OUTLIER": 19, "CROSSTALK": 20, "SOURCE": 21, "GHOST": 22, "GHOST_FPA": 23, "GHOST_EXT": 24, "STREAK": 25,
    "BLOOM": 26, "SNOWBALL": 27, "HALO": 28, "SATELLITE_HALO": 29,
}  # fmt: skip
BAD = [0, 1, 2, 6, 7, 9, 10, 11, 14, 15, 17, 19]
PRESETS = {"mosaic": [0, 2, 6, 7, 9, 10, 11, 14, 15, 17, 20, *range(22, 30)], "spxquery": BAD, "none": []}
DEFAULTS = {
    "xy_shrink": 0.8, "z_shrink": None, "xy_oversample": 1, "z_oversample": 1, "z_edges": None,
    "exclude_flags": "mosaic", "ivar_max": 1e10, "min_overlap": 0.0, "subtract_zodi": True, "static_zodi": False,
}  # fmt: skip


def bit_mask(bits):
    return np.uint32(sum(1 << b for b in set(bits)))


def excluded_bits(value):
    """The bit mask of a preset's name, or of a list of bit numbers and names."""
    if isinstance(value, str):
        return bit_mask(PRESETS[value])
    return bit_mask(BITS[v] if isinstance(v, str) else v for v in value)


def wavelength_edges(detector, z_oversample, z_edges):
    """Bin edges [um], one more than there are planes."""
    if z_edges is not None:
        return np.array(z_edges, float)
    with open(CHANNELS) as f:
        rows = [r for r in csv.DictReader(x for x in f if not x.startswith("#")) if int(r["detector"]) == detector]
    rows.sort(key=lambda r: int(r["subchannel"]))
    low, last = [float(r["wl_min"]) for r in rows], float(rows[-1]["wl_max"])
    if z_oversample == 1:
        return np.array([*low, last])
    power = np.mean([float(r["r"]) for r in rows]) * z_oversample
    edges = [low[0]]
    while edges[-1] < last:
        edges.append(edges[-1] * (1 + 1 / power))
    return np.array(edges)


def output_wcs(ra, dec, width, height, xy_oversample):
    """The output's TAN WCS and its shape (ny, nx)."""
    scale = BASE_SCALE / xy_oversample
    nx, ny = int(np.floor(width * 60 / scale)), int(np.floor(height * 60 / scale))
    w = WCS(naxis=2)
    w.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    w.wcs.cunit = ["deg", "deg"]
    w.wcs.crval = [ra, dec]
    w.wcs.crpix = [nx / 2 + 0.5, ny / 2 + 0.5]
    w.wcs.cdelt = [-scale / 3600, scale / 3600]
    w.wcs.radesys = "ICRS"
    w.wcs.set()
    return w, (ny, nx)


def celestial_wcs(header):
    """The primary celestial WCS with its SIP terms, without the alternate descriptions."""
    names = ["CRPIX", "CRVAL", "CDELT", "CTYPE", "CUNIT", "PC1_", "PC2_"]
    keep = {f"{n}{i}" for n in names for i in (1, 2)} | {"LONPOLE", "LATPOLE", "RADESYS", "WCSAXES"}
    out = fits.Header()
    for card in header.cards:
        key = card.keyword
        if key in keep or key.split("_")[0] in ("A", "B", "AP", "BP"):
            out[key] = card.value
    return WCS(out)


def project(header, shape, out):
    """Output position (x, y) of every input pixel center; NaN where it lies behind the tangent plane."""
    yy, xx = np.mgrid[: shape[0], : shape[1]].astype(float)
    ra, dec = celestial_wcs(header).all_pix2world(xx, yy, 0)
    ra0, dec0 = np.deg2rad(out.wcs.crval)
    r, d = np.deg2rad(ra), np.deg2rad(dec)
    front = np.sin(d) * np.sin(dec0) + np.cos(d) * np.cos(dec0) * np.cos(r - ra0) > 0
    x, y = np.full(shape, np.nan), np.full(shape, np.nan)
    x[front], y[front] = out.wcs_world2pix(ra[front], dec[front], 0)
    return x, y


def passbands(header, table, shape):
    """Center and full width [um] of every pixel: bilinear in the table, extrapolated linearly; SIP has no part."""
    row = table[0]
    gx, gy = np.asarray(row["X"], float).ravel(), np.asarray(row["Y"], float).ravel()
    values = np.asarray(row["VALUES"], float).reshape(gy.size, gx.size, 2)

    def axis(n, i, nodes):
        step, ref, value = (header.get(f"{k}{i}W", 1) for k in ("CDELT", "CRPIX", "CRVAL"))
        p = value + step * (np.arange(n) + 1 - ref)
        cell = np.clip(np.searchsorted(nodes, p, side="right") - 1, 0, nodes.size - 2)
        return cell, (p - nodes[cell]) / (nodes[cell + 1] - nodes[cell])

    (iy, ty), (ix, tx) = axis(shape[0], 2, gy), axis(shape[1], 1, gx)
    iy, ix, ty, tx = iy[:, None], ix[None, :], ty[:, None, None], tx[None, :, None]
    below = values[iy, ix] * (1 - tx) + values[iy, ix + 1] * tx
    above = values[iy + 1, ix] * (1 - tx) + values[iy + 1, ix + 1] * tx
    both = below * (1 - ty) + above * ty
    return both[..., 0], both[..., 1]


def zodi_scale(image, variance, flags, zodi, static):
    """The factor of the zodiacal model, and how it came about: fit, static, few-pixels or out-of-limits."""
    if static:
        return 1.0, "static"
    bad = bit_mask([*BAD, BITS["SOURCE"]])
    finite = np.isfinite(image) & np.isfinite(variance) & np.isfinite(zodi)
    with np.errstate(invalid="ignore"):
        use = ((flags & bad) == 0) & finite & (zodi != 0) & (variance > 0)
    if use.sum() < 0.5 * image.size:
        return 1.0, "few-pixels"
    w, i, z = 1 / variance[use], image[use], zodi[use]
    scale = np.sum(w * i * z) / np.sum(w * z * z)
    return (scale, "fit") if 0 < scale <= 10 else (1.0, "out-of-limits")


@dataclass
class Cube:
    """The result, and what the comparison needs to know about it."""

    wcs: WCS
    edges: np.ndarray
    sci: np.ndarray
    variance: np.ndarray
    and_mask: np.ndarray
    or_mask: np.ndarray
    count: np.ndarray
    near: np.ndarray  # bit 0: count and masks may differ by rounding; bit 1: sci and variance may, too
    n_input: np.ndarray  # input images that contributed to each plane
    used: list = field(default_factory=list)  # for each input whether any pixel contributed
    zodi: list = field(default_factory=list)  # for each input (scale, how)


def read(path):
    """IMAGE header, wavelength table and the four planes: float64 and, for the flags, uint32."""
    with fits.open(path) as hdul:
        planes = [np.asarray(hdul[n].data, float) for n in ("IMAGE", "VARIANCE", "ZODI")]
        flags = np.asarray(hdul["FLAGS"].data).astype(np.int64).astype(np.uint32)
        return hdul["IMAGE"].header.copy(), np.array(hdul["WCS-WAVE"].data), *planes, flags


def spectral_shares(center, width, edges):
    """Pairs (pixel, bin): their indices, the share of each, and whether it lies at a boundary.

    The droplet is a top-hat of `width`; its shares are its overlaps over their sum.
    """
    low, high = center - width / 2, center + width / 2
    overlap = np.minimum(high[:, None], edges[None, 1:]) - np.maximum(low[:, None], edges[None, :-1])
    slack = TOLERANCE * np.diff(edges)[None, :]
    total = np.maximum(overlap, 0).sum(axis=1)
    pixel, plane = np.nonzero(overlap > -slack)
    raw = overlap[pixel, plane]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(raw > 0, raw / total[pixel], 0.0)
    return pixel, plane, share, np.abs(raw) < slack[0, plane]


def drizzle(paths, **options):
    """The cube of algorithms.md, "Drizzle into a cube", with the bilinear kernel."""
    unknown = set(options) - set(DEFAULTS) - {"ra", "dec", "width", "height", "detector"}
    if unknown:
        raise ValueError(f"unknown options {sorted(unknown)}")
    o = DEFAULTS | options
    z_shrink = o["xy_shrink"] if o["z_shrink"] is None else o["z_shrink"]
    edges = wavelength_edges(o["detector"], o["z_oversample"], o["z_edges"])
    wcs, (ny, nx) = output_wcs(o["ra"], o["dec"], o["width"], o["height"], o["xy_oversample"])
    excluded = excluded_bits(o["exclude_flags"])
    shape = (edges.size - 1, ny, nx)
    n = int(np.prod(shape))
    flux, weight, var, near_weight = (np.zeros(n) for _ in range(4))
    count, near = np.zeros(n, np.int64), np.zeros(n, np.uint8)
    and_mask, or_mask = np.full(n, 0xFFFFFFFF, np.uint32), np.zeros(n, np.uint32)
    n_input, used, zodis = np.zeros(shape[0], np.int32), [], []

    for path in paths:
        header, table, image, variance, zodi, flags = read(path)
        if header["DETECTOR"] != o["detector"]:
            raise ValueError(f"{path}: detector {header['DETECTOR']}")
        if o["subtract_zodi"]:
            zodis.append(zodi_scale(image, variance, flags, zodi, o["static_zodi"]))
            image = image - zodis[-1][0] * zodi
        else:
            zodis.append((0.0, "off"))
        center, width = passbands(header, table, image.shape)
        x, y = project(header, image.shape, wcs)
        with np.errstate(invalid="ignore"):
            part = np.isfinite(image) & np.isfinite(variance) & np.isfinite(center) & np.isfinite(width)
            part &= (variance > 0) & (center > 0) & (width > 0) & ((flags & excluded) == 0)
            part &= (x > -2) & (x < nx + 1) & (y > -2) & (y < ny + 1)
        x, y, f, s2, q = x[part], y[part], image[part], variance[part], flags[part]
        w = np.minimum(1 / s2, o["ivar_max"])
        pixel, plane, share, at_edge = spectral_shares(center[part], width[part] * z_shrink, edges)
        planes = np.zeros(shape[0], bool)
        # One output pixel more on either side than the 2 x 2 of the kernel, for the sake of `near`.
        for oy in range(-1, 3):
            for ox in range(-1, 3):
                px, py = np.floor(x[pixel]).astype(int) + ox, np.floor(y[pixel]).astype(int) + oy
                fx, fy = 1 - np.abs(x[pixel] - px), 1 - np.abs(y[pixel] - py)
                inside = (px >= 0) & (px < nx) & (py >= 0) & (py < ny) & (fx > -TOLERANCE) & (fy > -TOLERANCE)
                k = pixel[inside]
                voxel = np.ravel_multi_index((plane[inside], py[inside], px[inside]), shape)
                fx, fy, fz = fx[inside], fy[inside], share[inside]
                f_all = np.maximum(fx, 0) * np.maximum(fy, 0) * o["xy_shrink"] ** 2 * fz
                close = (np.abs(fx) < TOLERANCE) | (np.abs(fy) < TOLERANCE) | at_edge[inside]
                if o["min_overlap"] > 0:
                    cut = np.abs(f_all - o["min_overlap"]) < TOLERANCE
                    near_weight[voxel[cut]] = np.inf
                    close |= cut
                near[voxel[close]] |= 1
                np.add.at(near_weight, voxel[close], (w[k] * f_all)[close])

                take = (f_all > 0) & (f_all >= o["min_overlap"])
                k, voxel, a = k[take], voxel[take], (w[k] * f_all)[take]
                np.add.at(flux, voxel, a * f[k])
                np.add.at(weight, voxel, a)
                np.add.at(var, voxel, a * a * s2[k])
                np.add.at(count, voxel, 1)
                np.bitwise_and.at(and_mask, voxel, q[k])
                np.bitwise_or.at(or_mask, voxel, q[k])
                planes[plane[inside][take]] = True
        n_input += planes
        used.append(bool(planes.any()))

    # A doubtful contribution matters to the values only where it is more than a millionth of the weight.
    near[(near & 1 > 0) & ~(near_weight < TOLERANCE * weight)] |= 2
    and_mask[count == 0] = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        sci, variance = flux / weight, var / weight**2
    sci[weight == 0], variance[weight == 0] = np.nan, np.nan
    arrays = [a.reshape(shape) for a in (sci, variance, and_mask, or_mask, count, near)]
    return Cube(wcs, edges, *arrays, n_input, used, zodis)


def to_hdus(cube):
    """The reference file: SCI, VARIANCE (float64), masks (uint32), COUNT (int32), NEAR (uint8), WAVELENGTH."""
    primary = fits.PrimaryHDU()
    primary.header["N_INPUTS"] = (sum(cube.used), "input images that contributed")
    primary.header["N_REJECT"] = (len(cube.used) - sum(cube.used), "input images of which no pixel took part")
    header = cube.wcs.to_header()
    low, high = cube.edges[:-1], cube.edges[1:]
    center = (low + high) / 2
    images = [
        ("SCI", cube.sci), ("VARIANCE", cube.variance), ("AND_MASK", cube.and_mask), ("OR_MASK", cube.or_mask),
        ("COUNT", cube.count.astype(np.int32)), ("NEAR", cube.near),
    ]  # fmt: skip
    columns = [
        ("INDEX", "J", None, np.arange(center.size)), ("LAMBDA", "D", "um", center), ("LAMBDA_MIN", "D", "um", low),
        ("LAMBDA_MAX", "D", "um", high), ("DLAMBDA", "D", "um", high - low), ("NU", "D", "Hz", LIGHT / (center * 1e-6)),
        ("DNU", "D", "Hz", LIGHT / (low * 1e-6) - LIGHT / (high * 1e-6)), ("R_EFF", "D", None, center / (high - low)),
        ("N_INPUT_SC", "J", None, cube.n_input),
    ]  # fmt: skip
    table = fits.BinTableHDU.from_columns(
        [fits.Column(n, f, unit=u, array=a) for n, f, u, a in columns], name="WAVELENGTH"
    )
    return fits.HDUList([primary, *(fits.ImageHDU(d, header, name=n) for n, d in images), table])


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    out, options, *inputs = sys.argv[1:]
    cube = drizzle(inputs, **json.loads(pathlib.Path(options).read_text()))
    for path, used, (scale, how) in zip(inputs, cube.used, cube.zodi):
        print(f"{path}: {'used' if used else 'rejected'}, zodiacal scale {scale:.6f} ({how})")
    to_hdus(cube).writeto(out, overwrite=True)


if __name__ == "__main__":
    main()
