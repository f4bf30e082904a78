#!/usr/bin/env python3
"""Make the inputs and reference cubes of `testdata/cube`: small cutouts, the oracle's cubes of them, cases.json.

    golden_cube.py TESTDATA_DIR        (or: cargo xtask golden cube)

The inputs are simulated (make_mef.py) and then roughened: every flag bit, NaN and infinities with and without
flags, zero and negative variances, NaN in the zodiacal model, variances over two decades. The point-spread
functions, which no cube needs, are cut to 3 x 3 pixels to keep the files small. References are written by
oracle_cube.py, gzipped; `NEAR` marks the voxels in which rounding may decide differently (bit 0: count and masks,
bit 1: SCI and VARIANCE too). Everything is seeded: the same versions of numpy and astropy write the same bytes.
"""
import gzip
import io
import json
import pathlib
import shutil
import sys

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

import make_mef
import oracle_cube

NGC4395 = (186.4536, 33.5468)
WRAP = (0.004, -12.25)
POLE = (211.7, 89.5)
SPOTS = {0: "TRANSIENT", 4: "PHANTOM", 5: "REFERENCE", 12: "FULLSAMPLE", 19: "OUTLIER", 20: "CROSSTALK", 22: "GHOST",
         23: "GHOST_FPA", 25: "STREAK", 28: "HALO", 29: "SATELLITE_HALO"}  # fmt: skip


def pointing(target, roll, detector_pixel):
    """The CRVAL that puts `target` on the 0-based parent pixel (x, y), by Newton's method."""
    aim = SkyCoord(*target, unit="deg")

    def miss(p):
        at = aim.spherical_offsets_by(*(p * aim.ra.unit))
        header = make_mef.celestial(at.ra.deg, at.dec.deg, roll)
        ra, dec = oracle_cube.celestial_wcs(header).all_pix2world(*detector_pixel, 0)
        off = aim.spherical_offsets_to(SkyCoord(float(ra), float(dec), unit="deg"))
        return np.array([off[0].deg, off[1].deg]), at

    p, step = np.zeros(2), 1e-4
    for _ in range(8):
        here, at = miss(p)
        slope = np.column_stack([(miss(p + step * e)[0] - here) / step for e in np.eye(2)])
        p = p - np.linalg.solve(slope, here)
    here, at = miss(p)
    if np.hypot(*here) > 1e-6:
        raise RuntimeError(f"no pointing puts {target} on {detector_pixel}")
    return at.ra.deg, at.dec.deg


def roughen(hdul, rng):
    """Everything that a pixel can suffer, on a few pixels each."""
    image, variance, zodi = (hdul[n].data for n in ("IMAGE", "VARIANCE", "ZODI"))
    flags = hdul["FLAGS"].data
    variance *= np.exp(rng.normal(0, 0.7, variance.shape)).astype(np.float32)

    def some(n):
        return tuple(rng.integers(0, s, n) for s in image.shape)

    for bit in SPOTS:
        flags[some(6)] |= np.int32(1 << bit)
    y, x = (int(v[0]) for v in some(1))
    flags[y : y + 6, x : x + 5] |= np.int32(1 << 21 | 1 << 1)
    image[some(4)] = np.nan
    image[some(2)] = np.inf
    variance[some(4)] = np.nan
    variance[some(2)] = 0
    variance[some(2)] = -1e-4
    zodi[some(3)] = np.nan
    zodi[some(3)] = 0


def shrink_psf(hdul):
    if "PSF" in hdul:
        hdul["PSF"].data = np.ascontiguousarray(hdul["PSF"].data[:, 49:52, 49:52])
        return
    epsf = fits.Column("EPSF", "9D", dim="(3,3)", array=np.full((441, 3, 3), 1 / 9))
    hdul[hdul.index_of("EPSF")] = fits.BinTableHDU.from_columns([epsf], name="EPSF")


def write_input(path, target, corner, size, roll, seed, detector=3, shift=(0.37, -0.21), spoil=None, **build):
    """A cutout of `size` (nx, ny) from `corner` (x0, y0); its middle, moved by `shift` [px], sees the target."""
    rng = np.random.default_rng(1000 + seed)
    middle = (corner[0] + size[0] / 2 + shift[0], corner[1] + size[1] / 2 + shift[1])
    ra, dec = pointing(target, roll, middle)
    stars = [(0.2, 0.3, 900.0), (-0.7, 0.5, 4000.0), (0.6, -0.8, 250.0), (-0.1, -0.4, 12000.0)]  # arcmin, uJy
    aim = SkyCoord(*target, unit="deg")
    sources = []
    for east, north, ujy in stars:
        at = aim.spherical_offsets_by(*(np.array([east, north]) / 60 * aim.ra.unit))
        sources.append((at.ra.deg, at.dec.deg, ujy))
    hdul = make_mef.build(
        ra, dec, roll, detector, seed, (*size, *corner), sources, mjd=61027.2 + seed,
        obsid=f"2025W51_1A_{seed:04d}_1", sigma=0.01, **build,
    )  # fmt: skip
    roughen(hdul, rng)
    if spoil:
        spoil(hdul)
    shrink_psf(hdul)
    if str(path).endswith(".gz"):
        write_gzipped(hdul, path)
    else:
        hdul.writeto(path)


def write_gzipped(hdul, path):
    """Without name and time, so that the same content makes the same bytes."""
    buffer = io.BytesIO()
    hdul.writeto(buffer)
    path.write_bytes(gzip.compress(buffer.getvalue(), 9, mtime=0))


def many_sources(hdul):
    """Too few background pixels for a zodiacal fit: its scale is then 1."""
    hdul["FLAGS"].data[: int(0.6 * hdul["FLAGS"].data.shape[0])] |= np.int32(1 << 21)


def faint_model(hdul):
    """A model so faint that the fitted scale leaves its limits: it is then 1."""
    hdul["ZODI"].data *= np.float32(0.01)


def make_inputs(folder):
    def write(name, *args, **kwargs):
        write_input(folder / name, *args, **kwargs)

    # The rows are chosen to straddle edges of D3's channels (y = 1180 and 1066), and the kink of its table at y = 140.
    # In d3_d a pixel falls exactly on an output pixel.
    write("d3_a.fits", NGC4395, (900, 1160), (48, 44), 17.0, 1, zodi_scale=1.2)
    write("d3_b.fits", NGC4395, (300, 1150), (48, 44), 129.5, 2, zodi_scale=0.9, shift=(3.3, -2.7))
    write("d3_c.fits", NGC4395, (1500, 1080), (44, 48), 251.0, 3, zodi_scale=1.1, shift=(-4.2, 1.4))
    write("d3_d.fits", NGC4395, (1000, 1050), (44, 44), 340.2, 4, shift=(0.0, 0.0), spoil=many_sources)
    write("d3_e.fits.gz", NGC4395, (620, 118), (44, 44), 88.0, 5, zodi_scale=1.3, shift=(10.0, 6.0))
    write("d3_f.fits", NGC4395, (1960, 1996), (44, 44), 200.0, 6, release="qr3", spoil=faint_model)
    write("d3_wrap_a.fits", WRAP, (950, 1170), (40, 40), 40.0, 11, zodi_scale=1.1)
    write("d3_wrap_b.fits", WRAP, (700, 1160), (40, 40), 222.0, 12, shift=(2.0, 3.5))
    write("d3_pole_a.fits", POLE, (1010, 1170), (40, 40), 10.0, 21, zodi_scale=1.1)
    write("d3_pole_b.fits", POLE, (1120, 1150), (40, 40), 287.0, 22, shift=(-3.0, 2.5))
    write("d1_a.fits", NGC4395, (800, 1130), (40, 40), 61.0, 31, detector=1, zodi_scale=1.1)
    write("d1_b.fits", NGC4395, (1300, 1150), (40, 40), 173.0, 32, detector=1, shift=(3.1, 2.9))
    write("d4_a.fits", NGC4395, (1200, 1780), (40, 40), 300.0, 41, detector=4, zodi_scale=1.1)
    write("d4_b.fits", NGC4395, (640, 1790), (40, 40), 35.0, 42, detector=4, shift=(-3.1, 1.2))


def cases():
    """Name, inputs and options. Widths avoid multiples of the scale, where rounding would decide the size."""
    mine = ["d3_a.fits", "d3_b.fits", "d3_c.fits", "d3_d.fits", "d3_e.fits.gz", "d3_f.fits"]
    field = {"ra": NGC4395[0], "dec": NGC4395[1], "width": 2.6, "height": 2.2, "detector": 3}
    wrap = field | {"ra": WRAP[0], "dec": WRAP[1]}
    pole = field | {"ra": POLE[0], "dec": POLE[1]}
    edges = [1.63, 1.7, 1.89, 1.9, 1.905, 1.935, 1.98, 2.31, 2.335]
    yield "default", [*mine, "d3_wrap_a.fits"], field
    yield "flags_list", mine[:4], field | {"exclude_flags": [0, "COLD", 10, 21, "NONFUNC"]}
    yield "flags_photometry", mine[:4], field | {"exclude_flags": "spxquery"}
    yield "flags_none", mine[:4], field | {"exclude_flags": "none"}
    yield "z_oversample", mine, field | {"z_oversample": 2}
    yield "z_edges", mine, field | {"z_edges": edges}
    yield "xy_oversample", mine[:3], field | {"xy_oversample": 2, "width": 1.6, "height": 1.9}
    yield "min_overlap", mine[:4], field | {"min_overlap": 0.05}
    yield "z_shrink", mine[:4], field | {"xy_shrink": 1.0, "z_shrink": 0.35}
    yield "zodi_static", mine[:3], field | {"static_zodi": True}
    yield "zodi_kept", mine[:3], field | {"subtract_zodi": False}
    yield "ivar_max", mine[:4], field | {"ivar_max": 6000.0}
    yield "ra_zero", ["d3_wrap_a.fits", "d3_wrap_b.fits"], wrap
    yield "pole", ["d3_pole_a.fits", "d3_pole_b.fits"], pole
    yield "detector_1", ["d1_a.fits", "d1_b.fits"], field | {"detector": 1}
    yield "detector_4", ["d4_a.fits", "d4_b.fits"], field | {"detector": 4}


def report(name, inputs, cube):
    n = np.count_nonzero(cube.count)
    planes = np.flatnonzero(cube.count.any(axis=(1, 2)))
    print(f"{name}: {cube.sci.shape}, {n} voxels, count up to {cube.count.max()}, planes {planes.tolist()}, "
          f"near {np.count_nonzero(cube.near & 1)}/{np.count_nonzero(cube.near & 2)}")  # fmt: skip
    for path, used, (scale, how) in zip(inputs, cube.used, cube.zodi):
        print(f"    {path}: {'used' if used else 'rejected'}, zodi {scale:.6f} ({how})")
    if n < 300 or planes.size < 2:
        raise RuntimeError(f"{name} tests too little")


def main():
    if len(sys.argv) != 2 or not pathlib.Path(sys.argv[1]).is_dir():
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1]) / "cube"
    inputs = folder / "inputs"
    shutil.rmtree(inputs, ignore_errors=True)
    inputs.mkdir(parents=True)
    for old in folder.glob("*.fits.gz"):
        old.unlink()
    make_inputs(inputs)
    listing = []
    for name, files, options in cases():
        cube = oracle_cube.drizzle([inputs / f for f in files], **options)
        report(name, files, cube)
        write_gzipped(oracle_cube.to_hdus(cube), folder / f"{name}.fits.gz")
        listing.append({"name": name, "inputs": files, "options": options})
    (folder / "cases.json").write_text(json.dumps(listing, indent=1) + "\n")
    print(f"{sum(p.stat().st_size for p in folder.rglob('*') if p.is_file()) / 1e6:.2f} MB in {folder}")


if __name__ == "__main__":
    main()
