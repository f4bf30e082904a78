#!/usr/bin/env python3
"""What the bytes of running sums hold, and what an addition to them reaches.

    sums_bytes.py entropy SUMS.fits          of each sum: share of voxels that are not 0, bits of information in them
    sums_bytes.py reach BEFORE.fits AFTER.fits   shares of voxels, of bands of rows and of square tiles that were added to

Sums are read unpacked. The entropy is that of each byte of the voxels that are not 0, by itself, summed over the bytes;
`ratio` is what a perfect coder of these bytes makes of all sums. Needs xtask/python/requirements.txt.
"""
import sys

import numpy as np
from astropy.io import fits

BAND = 4096  # pixels of a band of rows, about, into which spx packed until November 2026


def planes(hdu):
    """Planes of a sum; numbers without a sign as such."""
    for plane in hdu.data:
        plane = np.ascontiguousarray(plane)
        yield plane if plane.dtype.kind == "f" else (plane.astype("i8") + 2**31).astype(">u4")


def sums(path):
    hdus = fits.open(path, memmap=True, do_not_scale_image_data=True)
    return [hdu for hdu in hdus if hdu.header.get("NAXIS") == 3]


def entropy(path):
    plain = packed = 0
    for hdu in sums(path):
        size = abs(hdu.header["BITPIX"]) // 8
        counts, voxels = np.zeros((size, 256), int), 0
        for plane in planes(hdu):
            values = plane[plane != 0]
            voxels += plane.size
            for k, byte in enumerate(values.view("u1").reshape(-1, size).T):
                counts[k] += np.bincount(byte, minlength=256)
        filled = counts[0].sum()
        shares = counts / max(filled, 1)
        bits = [-(p[p > 0] * np.log2(p[p > 0])).sum() for p in shares]
        plain += 8 * size * voxels
        packed += sum(bits) * filled
        print(f"{hdu.name:9} filled {filled / voxels:.3f}, bits {sum(bits):5.1f} of {8 * size}: "
              + " ".join(f"{abs(b):.1f}" for b in bits))
    print(f"ratio {plain / packed:.2f}")


def reach(before, after):
    counts = [next(hdu for hdu in sums(path) if hdu.name == "COUNT").data for path in (before, after)]
    _, ny, nx = counts[0].shape
    shapes = {"voxels": (1, 1), "bands": (max(BAND // nx, 1), nx)} | {f"tiles of {s}": (s, s) for s in (16, 32, 64)}
    shares = {name: [] for name in shapes}
    for a, b in zip(*counts):
        for name, (rows, columns) in shapes.items():
            added = np.pad(a != b, ((0, -ny % rows), (0, -nx % columns)))
            tiles = added.reshape(added.shape[0] // rows, rows, -1, columns)
            shares[name].append(tiles.any((1, 3)).mean())
    for name, share in shares.items():
        print(f"{name:12} {np.mean(share):.3f}")


if __name__ == "__main__":
    {"entropy": entropy, "reach": reach}[sys.argv[1]](*sys.argv[2:])
