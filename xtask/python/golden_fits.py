#!/usr/bin/env python3
"""Files for the FITS reader of spx-core, written and read by astropy.

    cargo xtask golden fits                  # runs: python golden_fits.py testdata
    cargo xtask compare-fits --cases N       # runs: python golden_fits.py --cases N --seed S FOLDER
    pip install "astropy>=7" numpy           # what it needs

Writes <testdata dir>/fits/oracle.fits.gz (or FOLDER/oracle_*.fits, 500 cases each): pairs of HDUs, what
is to be read, and, as a plain image, what astropy reads in it. The first of a pair has the card CASE, the second
the card OF with the same number:

- tile-compressed images of one to three axes, of every type, RICE_1, GZIP_1, GZIP_2, NOCOMPRESS, with tiles of any shape,
  real numbers as they are and quantized, NO_DITHER, SUBTRACTIVE_DITHER_1 and _2, with NaN and exact zeros;
- plain images with BSCALE, BZERO and BLANK, signed and unsigned (what they mean by numpy, in double precision);
- columns of tables, of fixed and of variable length, with TSCAL, TZERO and TNULL (card COLUMN names the column; the
  elements of all rows one after the other, undefined ones NaN).

Random numbers are seeded.
"""
import gzip
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

warnings.simplefilter("ignore")


def integers(rng, dtype, shape):
    """Smooth, noisy, constant or wild integers."""
    info = np.iinfo(dtype)
    kind = rng.integers(5)
    if kind == 0:
        values = np.full(shape, rng.integers(max(info.min, -1000), min(info.max, 1000)))
    elif kind == 1:
        values = rng.integers(info.min, info.max, shape, endpoint=True, dtype=dtype)
    elif kind == 2:
        values = np.where(rng.random(shape) < 0.05, 1 << rng.integers(0, info.bits - 1), 0)
    else:
        width = 10.0 ** rng.uniform(0, 2 + info.bits / 8)
        values = np.cumsum(rng.normal(0, width / 10, shape), axis=-1) + rng.normal(0, width, shape)
    return np.clip(values, float(info.min), float(info.max) * (1 - 1e-9)).astype(dtype) if kind > 1 else values.astype(dtype)


def reals(rng, dtype, shape):
    """Noise on a slope, with NaN and zeros now and then."""
    values = rng.normal(rng.uniform(-5, 5), 10.0 ** rng.uniform(-3, 3), shape)
    values = values + np.arange(shape[-1]) * rng.normal(0, 0.1)
    if rng.random() < 0.4:
        values[rng.random(shape) < 0.1] = np.nan
    if rng.random() < 0.4:
        values[rng.random(shape) < 0.2] = 0
    return values.astype(dtype)


def shape_of(rng):
    axes = int(rng.integers(1, 4))
    longest = {1: 300, 2: 40, 3: 12}[axes]
    return tuple(int(n) for n in rng.integers(1, longest, axes, endpoint=True))


def compressed(rng):
    """A tile-compressed image, and what it was made of."""
    dtype = rng.choice(["u1", "i2", "i4", "i8", "f4", "f8", "u2", "u4"])
    shape = shape_of(rng)
    method = rng.choice(["RICE_1", "GZIP_1", "GZIP_2", "NOCOMPRESS"], p=[0.5, 0.2, 0.25, 0.05])
    if dtype == "i8" and method == "RICE_1":
        method = "GZIP_2"
    options = {"compression_type": str(method)}
    if rng.random() < 0.6:
        options["tile_shape"] = tuple(int(rng.integers(1, n, endpoint=True)) for n in shape)
    if dtype[0] == "f":
        data = reals(rng, dtype, shape)
        options["quantize_level"] = float(rng.choice([0.0, 16.0, 4.0, -0.01]))
        if method in ("RICE_1",) and options["quantize_level"] == 0:
            options["quantize_level"] = 16.0
        options["quantize_method"] = int(rng.choice([-1, 1, 2]))
        options["dither_seed"] = int(rng.integers(1, 10000, endpoint=True))
    else:
        data = integers(rng, dtype, shape)
    return fits.CompImageHDU(data, **options)


def plain(rng):
    """An image of integers with scaling, and its values."""
    dtype = rng.choice(["u1", "i2", "i4", "i8"])
    data = integers(rng, dtype, shape_of(rng))
    scale, zero = rng.choice([1.0, 2.0, 0.25, -0.1]), rng.choice([0.0, 32768.0, 2147483648.0, -3.5])
    hdu = fits.ImageHDU(data.astype(data.dtype.newbyteorder(">")))
    blank = int(data.flat[0])
    values = data.astype("f8") * scale + zero
    values[data == blank] = np.nan
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = scale, zero, blank
    return hdu, values


def table(rng):
    """A table, and the values of its columns by name."""
    rows = int(rng.integers(1, 8))
    columns, values = [], {}
    for k, letter in enumerate("BIJKED"):
        repeat = int(rng.integers(1, 5))
        dtype = {"B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8"}[letter]
        if letter in "ED":
            data, null = reals(rng, dtype, (rows, repeat)), None
        else:
            data = integers(rng, dtype, (rows, repeat))
            null = int(data.flat[0]) if rng.random() < 0.5 else None
        scale, zero = (2.5, -1.0) if rng.random() < 0.3 else (1.0, 0.0)
        name = f"F{k}"
        columns.append((name, f"{repeat}{letter}", data, null, scale, zero))
        out = data.astype("f8") * scale + zero
        if null is not None:
            out[data == null] = np.nan
        values[name] = out.ravel()
    for k, (letter, dtype) in enumerate([("PJ()", "i4"), ("QD()", "f8"), ("PE()", "f4")]):
        arrays = [np.arange(rng.integers(0, 9)).astype(dtype) * rng.integers(1, 9) for _ in range(rows)]
        data = np.empty(rows, dtype=object)
        data[:] = arrays
        columns.append((f"V{k}", letter, data, None, 1.0, 0.0))
        values[f"V{k}"] = np.concatenate(arrays).astype("f8")
    hdu = fits.BinTableHDU.from_columns([fits.Column(n, f, array=d) for n, f, d, *_ in columns])
    # The cards alone: the numbers stay as they are.
    for k, (_, _, _, null, scale, zero) in enumerate(columns, 1):
        if null is not None:
            hdu.header[f"TNULL{k}"] = null
        if (scale, zero) != (1.0, 0.0):
            hdu.header[f"TSCAL{k}"], hdu.header[f"TZERO{k}"] = scale, zero
    return hdu, values


def card(keyword, value):
    text = f"'{value:<8}'" if isinstance(value, str) else str(value)
    return f"{keyword:<8}= {text:>20}".ljust(80)


def twin(values, case, column):
    """What is to be read in a case, as an HDU; by hand, for astropy takes its time over headers."""
    unsigned = values.dtype.kind == "u" and values.dtype.itemsize > 1
    zero = 1 << 8 * values.dtype.itemsize - 1
    stored = (values.astype("i8") - zero).astype(f"i{values.dtype.itemsize}") if unsigned else values
    bits = 8 * stored.dtype.itemsize * (-1 if stored.dtype.kind == "f" else 1)
    cards = [card("XTENSION", "IMAGE"), card("BITPIX", bits), card("NAXIS", stored.ndim)]
    cards += [card(f"NAXIS{k}", n) for k, n in enumerate(stored.shape[::-1], 1)]
    cards += [card("PCOUNT", 0), card("GCOUNT", 1)]
    cards += [card("BSCALE", 1), card("BZERO", zero)] if unsigned else []
    cards += [card("OF", case)] + ([card("COLUMN", column)] if column else []) + ["END".ljust(80)]
    header, data = "".join(cards).encode(), stored.astype(stored.dtype.newbyteorder(">")).tobytes()
    return header + b" " * (-len(header) % 2880) + data + bytes(-len(data) % 2880)


def write(path, rng, count):
    """Cases, then the file read again by astropy for what is in the compressed ones."""
    first = [fits.PrimaryHDU()]
    truth = []
    for case in range(count):
        kind = rng.choice(["compressed", "plain", "table"], p=[0.8, 0.1, 0.1])
        if kind == "compressed":
            hdu, values = compressed(rng), None
        elif kind == "plain":
            hdu, values = plain(rng)
        else:
            hdu, values = table(rng)
        hdu.header["CASE"] = case
        first.append(hdu)
        truth.append(values)
    fits.HDUList(first).writeto(path, overwrite=True, output_verify="ignore")
    twins = []
    with fits.open(path) as read:
        for case, values in enumerate(truth):
            values = read[case + 1].data if values is None else values
            columns = values.items() if isinstance(values, dict) else [("", values)]
            twins += [twin(column, case, name) for name, column in columns]
    with open(path, "ab") as out:
        out.writelines(twins)


def main():
    arguments = sys.argv[1:]
    if arguments[0] == "--cases":
        count, seed, folder = int(arguments[1]), int(arguments[3]), Path(arguments[4])
        for k, start in enumerate(range(0, count, 500)):
            rng = np.random.default_rng([seed, k])
            write(folder / f"oracle_{k:04}.fits", rng, min(500, count - start))
        return
    folder = Path(arguments[0]) / "fits"
    folder.mkdir(exist_ok=True)
    write(folder / "oracle.fits", np.random.default_rng(20261128), 60)
    with gzip.GzipFile(folder / "oracle.fits.gz", "wb", mtime=0) as packed:
        packed.write((folder / "oracle.fits").read_bytes())
    (folder / "oracle.fits").unlink()


if __name__ == "__main__":
    main()
