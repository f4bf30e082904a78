#!/usr/bin/env python3
"""Write synthetic SPHEREx Level-2 spectral-image MEFs laid out like the archive's QR2 (R6) or QR3 (R7) files.

The header cards, SIP terms, WCS-WAVE grids and HDU order follow those files, so astropy/wcslib
reads the result exactly as it reads a real file. Pixel values are simulated: zodiacal light,
point sources of known flux, photon and read noise, flagged and NaN pixels. As in the real products VARIANCE is affine in
the *observed* rate, noise included; `sigma=` gives a flat variance instead.

    pip install "astropy>=7" numpy
    make_mef.py OUT.fits --ra 186.4536 --dec 33.5468 --detector 3 --seed 1 \
        [--roll 17] [--cutout NX NY X0 Y0] [--source RA DEC UJY]... [--release qr2|qr3] [--mjd M] [--obsid ID]

`--source` gives f_nu at 2 um in uJy; the spectrum is f_nu = flux * (lambda / 2 um).
Import `build(...)` for more knobs.
"""
import argparse

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

NPIX = 2040
DEG = 6.155 / 3600.0
BANDS = {1: (0.739, 1.118), 2: (1.092, 1.655), 3: (1.6255, 2.4245), 4: (2.411, 3.835), 5: (3.80, 4.425), 6: (4.403, 5.008)}
RES = {1: 39.1, 2: 41.4, 3: 40.6, 4: 34.9, 5: 111.6, 6: 127.8}
P9 = [1, 256, 511, 766, 1021, 1275, 1530, 1785, 2040]
P11 = [1, 205, 409, 613, 817, 1021, 1224, 1428, 1632, 1836, 2040]
GRID = {
    1: (P9, P9), 2: (P11, P11), 5: (P11, P11), 6: (P9, P9),
    3: (P9, [1, 36, 71, 105, 140, 141, 379, 617, 855, 1091, 1326, 1564, 1802, 2040]),
    4: ([1, 171, 341, 511, 681, 851, 1021, 1190, 1360, 1530, 1700, 1870, 2040],
        [1, 151, 301, 451, 601, 751, 901, 1050, 1200, 1350, 1500, 1650, 1800, 1801, 1841, 1881, 1921, 1960, 2000, 2040]),
}
SIP = dict(
    A_0_0=-0.358887901781, A_0_1=-3.29486823947e-06, A_0_2=1.37340328038e-06, A_0_3=4.19871698895e-12,
    A_1_0=8.91920093579e-05, A_1_1=4.17027226836e-06, A_1_2=6.39216916172e-10, A_2_0=1.59277758371e-06,
    A_2_1=1.41725845906e-10, A_3_0=5.77707761902e-10,
    B_0_0=-1.10752282284, B_0_1=-0.000393514848358, B_0_2=1.98198522029e-06, B_0_3=4.65782924392e-10,
    B_1_0=6.32480697759e-05, B_1_1=7.43914929254e-07, B_1_2=5.25940968174e-11, B_2_0=6.66519774185e-06,
    B_2_1=6.37024793716e-10, B_3_0=2.08337053914e-11,
    AP_0_0=0.356808293319, AP_0_1=-1.4375312995e-06, AP_0_2=-1.36906118092e-06, AP_0_3=7.14938715714e-12,
    AP_1_0=-9.5958004124e-05, AP_1_1=-4.15210101897e-06, AP_1_2=-6.05128595179e-10, AP_2_0=-1.58431183088e-06,
    AP_2_1=-9.97564009789e-11, AP_3_0=-5.42636337852e-10,
    BP_0_0=1.10279682232, BP_0_1=0.000388111801691, BP_0_2=-1.9718647345e-06, BP_0_3=-4.55985888335e-10,
    BP_1_0=-6.90084371784e-05, BP_1_1=-7.38271497423e-07, BP_1_2=-2.64038350461e-11, BP_2_0=-6.64678246196e-06,
    BP_2_1=-5.51547122006e-10, BP_3_0=5.53566543151e-12,
)
MASKS = dict(TRANSIENT=0, OVERFLOW=1, SUR_ERROR=2, PHANTOM=4, REFERENCE=5, NONFUNC=6, DICHROIC=7, MISSING_DATA=9, HOT=10,
             COLD=11, FULLSAMPLE=12, PHANMISS=14, NONLINEAR=15, PERSIST=17, OUTLIER=19, SOURCE=21, GHOST=22, GHOST_FPA=23,
             GHOST_EXT=24, BLOOM=26, SNOWBALL=27, HALO=28)
R7_MASKS = {k: b for k, b in MASKS.items() if b not in (4, 5)} | dict(CROSSTALK=20, STREAK=25)
GAIN, READ_NOISE, RAMP = 713.0, 5.0, 1.2  # electrons per MJy/sr in an exposure, electrons, photon-noise factor of a ramp fit
R7_SHIFT = 0.0064  # um, by which the tables of D5 and D6 lie higher in R7


def law(det, x, y):
    """Smooth wavelength and bandwidth law [um] at 1-based detector pixel; the files tabulate it in float32."""
    lo, hi = BANDS[det]
    t = (2040.0 - y) / 2039.0
    lam = lo * (hi / lo) ** t * (1 + 0.0075 * ((x - 1021.0) / 1020.0) ** 2)
    return lam, lam / RES[det] * (1 + 0.05 * np.sin(3 * t))


def wave_table(det, release="qr2"):
    gx, gy = (np.array(g, np.int32) for g in GRID[det])
    lam, dlam = law(det, *np.meshgrid(gx.astype(float), gy.astype(float)))
    if release == "qr3" and det > 4:
        lam = lam + R7_SHIFT
    return gx, gy, np.stack([lam, dlam], -1).astype(np.float32)  # (ny, nx, 2)


def interpolate(table, x, y):
    """Bilinear lookup at 1-based detector pixels, linear extrapolation beyond the grid: what -TAB means."""
    gx, gy, v = table
    i = np.clip(np.searchsorted(gx, x, side="right") - 1, 0, gx.size - 2)
    j = np.clip(np.searchsorted(gy, y, side="right") - 1, 0, gy.size - 2)
    fx = (x - gx[i]) / (gx[i + 1] - gx[i])
    fy = (y - gy[j]) / (gy[j + 1] - gy[j])
    v = v.astype(np.float64)
    out = ((1 - fx) * (1 - fy))[..., None] * v[j, i] + (fx * (1 - fy))[..., None] * v[j, i + 1] \
        + ((1 - fx) * fy)[..., None] * v[j + 1, i] + (fx * fy)[..., None] * v[j + 1, i + 1]
    return out[..., 0], out[..., 1]


def celestial(ra, dec, roll):
    """TAN-SIP header in the archive's form: PC matrix in degrees, CDELT 1, normal sky parity (det < 0)."""
    h = fits.Header()
    c, s = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
    h["WCSAXES"] = 2
    h["CRPIX1"], h["CRPIX2"] = 1020.5, 1020.5
    h["PC1_1"], h["PC1_2"], h["PC2_1"], h["PC2_2"] = DEG * c, DEG * s, DEG * s, -DEG * c
    h["CDELT1"], h["CDELT2"] = 1.0, 1.0
    h["CUNIT1"], h["CUNIT2"] = "deg", "deg"
    h["CTYPE1"], h["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    h["CRVAL1"], h["CRVAL2"] = ra, dec
    h["LONPOLE"], h["LATPOLE"] = 180.0, dec
    h["RADESYS"] = "ICRS"
    for p in ("A", "B", "AP", "BP"):
        h[f"{p}_ORDER"] = 3
    for k, v in SIP.items():
        h[k] = v
    return h


def psf_cube(fwhm_px, n=101, over=10):
    s, c = fwhm_px * over / 2.3548, (n - 1) / 2
    y, x = np.mgrid[:n, :n]
    cube = np.empty((121, n, n), np.float32)
    for k in range(121):
        g = np.exp(-((x - c) ** 2 + (y - c) ** 2) / (2 * (s * (1 + 0.02 * (k % 11 - 5))) ** 2))
        cube[k] = g / g.sum()
    return cube


def epsf_table(det, fwhm_px, n=33, over=5):
    """The effective PSFs of R7: 5x oversampled, convolved with the pixel, sum 1, source at sample (16, 16); zones x fast."""
    mx, my = (11, 41) if det == 3 else (21, 21)
    k = np.arange(mx * my)
    bx, by = k % mx, k // mx
    s, off = fwhm_px / 2.3548, (np.arange(15) + 0.5) / 15 - 0.5
    u = (np.arange(n) - (n - 1) / 2) / over
    line = lambda sig: np.exp(-((u[:, None] + off) ** 2) / (2 * sig * sig)).mean(1)
    cells = []
    for i in range(k.size):
        p = line(s * (1 + 0.04 * (bx[i] / (mx - 1) - 0.5)))
        cells.append(np.outer(p, p) / p.sum() ** 2)
    cells = np.array(cells)
    x, y = (bx + 0.5) * NPIX / mx - 0.5, (by + 0.5) * NPIX / my - 0.5
    cw, cb = law(det, x + 1, y + 1)
    neff = 1 / (25 * (cells**2).sum((1, 2)))
    f = lambda name, fmt, a, unit=None: fits.Column(name, fmt, unit=unit, array=a)
    t = fits.BinTableHDU.from_columns([
        f("BINX", "J", bx), f("BINY", "J", by), f("XCENTER", "E", x, "pixel"), f("YCENTER", "E", y, "pixel"),
        f("XWIDTH", "E", np.full(k.size, NPIX / mx), "pixel"), f("YWIDTH", "E", np.full(k.size, NPIX / my), "pixel"),
        f("NSTAR", "J", np.full(k.size, 200)), f("NEFF_MEAN", "E", neff), f("CWAVE", "E", cw, "um"), f("CBAND", "E", cb, "um"),
        fits.Column("EPSF", "1089D", dim="(33,33)", array=cells)], name="EPSF")
    t.header["OVSMPX"], t.header["OVSMPY"], t.header["DETCOORD"], t.header["DETECTOR"] = over, over, "sky", str(det)
    t.header["ORDERING"] = "x-fast then y"
    t.header["HISTORY"] = f"Calibration source file: epsf_{det}_20260507.fits"
    return t


def psf_header(wrong_order=False):
    """Zone cards. wrong_order writes the erratum of VERSION <= 6.5.5 without +psffix1: centers listed y-fastest."""
    h = fits.Header()
    h["OVERSAMP"] = 10
    for k in range(121):
        ix, iy = (k // 11, k % 11) if wrong_order else (k % 11, k // 11)
        h[f"XCTR_{k+1}"] = (92.727273 + 185.454545 * ix, f"X pixel at center of zone ({ix}, {iy})")
        h[f"YCTR_{k+1}"] = (92.727273 + 185.454545 * iy, f"Y pixel at center of zone ({ix}, {iy})")
        h[f"XWID_{k+1}"] = (185.454545, f"[pixel] Zone ({ix}, {iy}) width along X axis")
        h[f"YWID_{k+1}"] = (185.454545, f"[pixel] Zone ({ix}, {iy}) width along Y axis")
    return h


def build(ra, dec, roll=17.0, detector=3, seed=1, cutout=None, sources=(), zodi_level=0.3, sigma=None, bad_fraction=0.005,
          nan_fraction=0.002, mjd=61027.215, obsid="2025W51_1A_0684_2", fwhm_arcsec=5.22, zodi_scale=1.0, release="qr2",
          version="6.5.7", wrong_psf_order=False):
    """Return the HDUList. cutout = (nx, ny, x0, y0) in 0-based parent pixels; zodi_scale = true ZODI amplitude in IMAGE;
    sigma = None: photon and read noise, VARIANCE from the observed rate; a number: flat [MJy/sr]."""
    rng = np.random.default_rng(seed)
    nx, ny, x0, y0 = cutout if cutout else (NPIX, NPIX, 0, 0)
    h = celestial(ra, dec, roll)
    parent = WCS(h)
    yy, xx = np.mgrid[y0:y0 + ny, x0:x0 + nx].astype(np.float64)
    table = wave_table(detector, release)
    lam, _ = interpolate(table, xx + 1, yy + 1)
    zodi = (zodi_level * (1 + 0.05 * (xx - 1020) / 1020 - 0.03 * (yy - 1020) / 1020) * (lam / 2.0) ** -0.5).astype(np.float32)
    img = zodi_scale * zodi.astype(np.float64)
    scale = np.sqrt(np.abs(np.linalg.det([[h["PC1_1"], h["PC1_2"]], [h["PC2_1"], h["PC2_2"]]]))) * 3600
    sr = np.deg2rad(scale / 3600) ** 2
    flags = np.zeros((ny, nx), np.int32)
    s = fwhm_arcsec / scale / 2.3548
    off = (np.arange(7) + 0.5) / 7 - 0.5
    for sra, sdec, ujy in sources:
        sx, sy = parent.all_world2pix([[sra, sdec]], 0)[0]
        ix, iy, r = int(round(sx)) - x0, int(round(sy)) - y0, 12
        ys, xs = slice(max(iy - r, 0), max(iy + r + 1, 0)), slice(max(ix - r, 0), max(ix + r + 1, 0))
        px, py = xx[ys, xs], yy[ys, xs]
        if px.size == 0:
            continue
        acc = sum(np.exp(-((px + ox - sx) ** 2 + (py + oy - sy) ** 2) / (2 * s * s)) for oy in off for ox in off)
        acc /= off.size**2 * 2 * np.pi * s * s  # fraction of the flux in each pixel
        img[ys, xs] += acc * ujy * (lam[ys, xs] / 2.0) * 1e-12 / sr
        flags[ys, xs] |= np.where(acc > 0.003, 1 << MASKS["SOURCE"], 0).astype(np.int32)
    if sigma is None:
        variance = lambda rate: (READ_NOISE**2 + RAMP * GAIN * np.clip(rate, 0, None)) / GAIN**2
        img += rng.normal(size=(ny, nx)) * np.sqrt(variance(img))
        var = variance(img).astype(np.float32)
    else:
        var = (sigma**2 * (1 + 0.2 * rng.random((ny, nx)))).astype(np.float32)
        img += rng.normal(size=(ny, nx)) * np.sqrt(var)
    bad = rng.random((ny, nx)) < bad_fraction
    bits = rng.choice([0, 1, 2, 6, 9, 10, 11, 15, 17, 19], size=(ny, nx))
    flags |= np.where(bad, 1 << bits, 0).astype(np.int32)
    img[(flags & (1 << MASKS["HOT"])) != 0] += 5.0
    nan = rng.random((ny, nx)) < nan_fraction
    flags |= np.where(nan, 1 << MASKS["NONFUNC"], 0).astype(np.int32)
    var[nan] = np.nan
    img[nan & (rng.random((ny, nx)) < 0.5)] = np.nan

    ih = fits.Header()
    ih["EXTTYPE"], ih["BUNIT"] = "IMAGE", "MJy / sr"
    ih["DETECTOR"], ih["OBSID"], ih["DETCOORD"] = detector, obsid, "sky"
    ih["PSF_FWHM"] = np.hypot(fwhm_arcsec, 6.16) if release == "qr3" else fwhm_arcsec  # R7's looks convolved with the pixel
    ih["HIERARCH OMEGA_MEDIAN"] = scale**2
    ih.extend(h)
    ih["CRPIX1"] -= x0
    ih["CRPIX2"] -= y0
    ih["WCSAXESA"] = 2
    for i, o in ((1, x0), (2, y0)):
        ih[f"CRPIX{i}A"], ih[f"CDELT{i}A"], ih[f"CUNIT{i}A"] = 1.0 - o, 1.0, "pixel"
        ih[f"CTYPE{i}A"], ih[f"CRVAL{i}A"] = "LINEAR", 0.0
    ih["WCSNAMEA"] = "0-based active pixel coordinates"
    ih["TIMESYS"], ih["MJDREF"] = "UTC", 0.0
    half = 57.55876 / 86400
    ih["MJD-OBS"], ih["MJD-BEG"], ih["MJD-AVG"], ih["MJD-END"] = mjd, mjd, mjd + half, mjd + 2 * half
    ih["XPOSURE"], ih["TELAPSE"] = 113.5826, 118.1873
    ih["WCSAXESW"], ih["WCSNAMEW"] = 2, "Approximated per-pixel wavelength and bandwidth"
    for i, (name, col, o) in enumerate((("Wavelength", "X", x0), ("Bandwidth", "Y", y0)), 1):
        ih[f"CNAME{i}W"], ih[f"CRPIX{i}W"], ih[f"CDELT{i}W"], ih[f"CUNIT{i}W"] = name, 1.0 - o if cutout else 1, 1, "um"
        ih[f"CTYPE{i}W"], ih[f"CRVAL{i}W"], ih[f"PV{i}_3W"] = "WAVE-TAB", 1, i
        ih[f"PS{i}_0W"], ih[f"PS{i}_1W"], ih[f"PS{i}_2W"] = "WCS-WAVE", "VALUES", col
    fh = fits.Header()
    fh["EXTTYPE"], fh["BUNIT"] = "MASK", ""
    gx, gy, values = table
    wave = fits.BinTableHDU.from_columns(fits.ColDefs([
        fits.Column("X", f"{gx.size}J", dim=f"({gx.size})", array=gx[None]),
        fits.Column("Y", f"{gy.size}J", dim=f"({gy.size})", array=gy[None]),
        fits.Column("VALUES", f"{values.size}E", dim=f"(2,{gx.size},{gy.size})", array=values[None]),
    ]), name="WCS-WAVE")
    prim = fits.PrimaryHDU()
    img = img.astype(np.float32)
    if release == "qr3":
        prim.header["VERSION"] = "7.0.5"
        for k, bit in R7_MASKS.items():
            fh[f"MSKN{bit:04d}"], fh[f"MSKM{bit:04d}"] = k, 1 << bit
        fl = fits.CompImageHDU(flags, fh, name="FLAGS", compression_type="RICE_1", tile_shape=(1, nx))
        psf = epsf_table(detector, fwhm_arcsec / scale)
    else:
        prim.header["VERSION"] = version
        for k, bit in MASKS.items():
            fh[("HIERARCH " if len(k) > 5 else "") + f"MP_{k}"] = bit
        fl = fits.ImageHDU(flags, fh, name="FLAGS")
        psf = fits.ImageHDU(psf_cube(fwhm_arcsec / scale), psf_header(wrong_psf_order), name="PSF")
    vh, zh = fits.Header(), fits.Header()
    vh["BUNIT"], zh["BUNIT"] = "MJy2 / sr2", "MJy / sr"
    return fits.HDUList([prim, fits.ImageHDU(img, ih, name="IMAGE"), fl, fits.ImageHDU(var, vh, name="VARIANCE"),
                         fits.ImageHDU(zodi, zh, name="ZODI"), psf, wave])


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--ra", type=float, required=True)
    p.add_argument("--dec", type=float, required=True)
    p.add_argument("--roll", type=float, default=17.0)
    p.add_argument("--detector", type=int, default=3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--cutout", type=int, nargs=4, metavar=("NX", "NY", "X0", "Y0"))
    p.add_argument("--obsid", default="2025W51_1A_0684_2")
    p.add_argument("--mjd", type=float, default=61027.215)
    p.add_argument("--release", choices=("qr2", "qr3"), default="qr2")
    p.add_argument("--source", type=float, nargs=3, action="append", default=[], metavar=("RA", "DEC", "UJY"))
    a = p.parse_args()
    build(a.ra, a.dec, a.roll, a.detector, a.seed, a.cutout, a.source, mjd=a.mjd, obsid=a.obsid,
          release=a.release).writeto(a.out, overwrite=True)
