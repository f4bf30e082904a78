#!/usr/bin/env python3
"""Reference values for the kernels of spx-drizzle: STScI's `drizzle` on a small pair of images.

    cargo xtask golden kernels          # runs: python golden_kernels.py testdata
    pip install drizzle numpy           # what it needs

Writes <testdata dir>/kernels/drizzle.bin: for each case in the order of `cases` the arrays out_img, out_wht, out_img2
(variance by squared weights) in float32, out_ctx and out_dq in uint8, little-endian, all of the output shape. Images,
maps, masks and flags follow from the generator below (SplitMix64, Steele et al. 2014) by operations that every IEEE
machine rounds alike, so that the test makes them again and only the answers are kept. README.md there names the
versions.

Two images are added. The second is cut to a bounding box. A masked pixel has weight 0. Both lie wholly on the output,
for drizzle leaves out some pixels whose outer corners lie beyond its rim.
"""
import sys
import warnings
from pathlib import Path

import drizzle
import numpy as np
from drizzle.resample import Drizzle

NY, NX = 10, 11
KERNELS = ["square", "turbo", "gaussian", "point", "lanczos2", "lanczos3"]
PIXFRACS = [0.4, 0.8, 1.0]
# Output pixel over input pixel. The Lanczos kernels are looked up in steps of 0.003 there: distances on that lattice
# need scales that it divides.
SCALES = [0.5, 1.0, 2.0]
LATTICE_SCALES = [0.501, 0.999, 1.998]
BOX = dict(xmin=2, xmax=8, ymin=1, ymax=7)
MASK64 = (1 << 64) - 1


class Generator:
    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        """A float64 in [0, 1)."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK64
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
        return float((z ^ (z >> 31)) >> 11) * 2.0**-53


def image(generator):
    """Data, weight, variance, flags: four numbers a pixel; one pixel in ten is masked by bit 1."""
    pixels = [[generator.uniform() for _ in range(4)] for _ in range(NY * NX)]
    u = np.array(pixels).reshape(NY, NX, 4)
    data = (u[..., 0] + 0.5).astype(np.float32)
    weight = (u[..., 1] + 0.25).astype(np.float32)
    variance = (u[..., 2] + 0.125).astype(np.float32)
    flags = np.where(u[..., 3] < 0.1, 1, 2 << np.floor(6.0 * u[..., 3]).astype(np.uint32)).astype(np.uint32)
    return data, np.where(flags == 1, np.float32(0.0), weight), variance, flags


def curved(k, scale):
    """A turned, shifted and bent map of image k."""
    y, x = np.indices((NY, NX), dtype=float)
    u, v = x - 5.0 + 0.375 * k, y - 4.5 - 0.625 * k
    bend = 0.00390625 * (u * u - v * v)
    return np.dstack([(0.96 * u - 0.28 * v + bend + 8.25) / scale, (0.28 * u + 0.96 * v - bend + 8.0) / scale])


def shifted(k, scale):
    """A map on the lattice of the Lanczos kernels: whole output pixels and a shift of 37 (k + 1) steps."""
    y, x = np.indices((NY, NX), dtype=float)
    step = 0.003 / scale
    return np.dstack([x + 37.0 * (k + 1.0) * step, y + 58.0 * (k + 1.0) * step])


def cases():
    """Kernel, pixfrac, scale, map of image k, output shape."""
    for kernel in KERNELS:
        for pixfrac in PIXFRACS if kernel in ("square", "turbo", "gaussian") else [0.8]:
            for scale in SCALES:
                yield kernel, pixfrac, scale, curved, (int(17 / scale), int(17 / scale))
    for kernel in ("lanczos2", "lanczos3"):
        for scale in LATTICE_SCALES:
            yield kernel, 0.8, scale, shifted, (NY + 2, NX + 2)


def answer(kernel, pixfrac, scale, pixmap, shape):
    out = Drizzle(kernel=kernel, out_shape=shape, fillval=0.0)
    generator = Generator(20251121)
    for k in range(2):
        data, weight, variance, flags = image(generator)
        box = BOX if k == 1 else {}
        out.add_image(data, exptime=1.0, pixmap=pixmap(k, scale), weight_map=weight, data2=variance, dq=flags,
                      pixfrac=pixfrac, pixel_scale_ratio=scale, **box)
    second = out.out_img2[0] if isinstance(out.out_img2, list) else out.out_img2
    context = out.out_ctx[0] if out.out_ctx.ndim == 3 else out.out_ctx
    floats = [a.astype("<f4") for a in (out.out_img, out.out_wht, second)]
    return floats + [context.astype(np.uint8), out.out_dq.astype(np.uint8)]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1]) / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    answers = b"".join(a.tobytes() for case in cases() for a in answer(*case))
    (folder / "drizzle.bin").write_bytes(answers)
    (folder / "README.md").write_text(
        "# Reference values of the kernels\n\n"
        "`drizzle.bin`: see `xtask/python/golden_kernels.py`, which makes it (`cargo xtask golden kernels`).\n\n"
        f"Made by drizzle {drizzle.__version__}, numpy {np.__version__}.\n"
    )


if __name__ == "__main__":
    main()
