#!/usr/bin/env python3
"""Reference values for spx-photometry: circular apertures by photutils, `method="exact"`.

    cargo xtask golden photometry       # runs: python golden_photometry.py testdata
    pip install photutils numpy         # what it needs

Writes <testdata dir>/photometry/apertures.f64: for each of 10,000 apertures the area on the image, the sum over
it, and the sum over it without the masked pixels: three float64, little-endian. Apertures, image (64 x 48) and mask
follow from the generator below (SplitMix64, Steele et al. 2014) by operations that every IEEE machine rounds
alike, so that the test makes them again and only the answers are kept. README.md there names the versions.
"""
import sys
from pathlib import Path

import numpy as np
import photutils
from photutils.aperture import CircularAperture

NX, NY, COUNT = 64, 48, 10_000
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


def aperture(k, u, v, w):
    """Center and radius of case k from three numbers in [0, 1)."""
    x, y = u * NX - 0.5, v * NY - 0.5
    corner = (np.floor(u * NX) - 0.5, np.floor(v * NY) - 0.5)
    return {
        0: (x, y, 0.5 + 7.5 * w),  # usual ones
        1: (x, y, 1e-6 + 1e-2 * w * w),  # tiny
        2: (x, y, 20.0 + 200.0 * w),  # larger than the image
        3: (*corner, 10.0 * w + 1e-3),  # on a corner of pixels
        4: (corner[0], y, 10.0 * w + 1e-3),  # on an edge
        5: (u * 8.0 - 4.5, y, 4.5 * w + 0.1),  # across the image's border, or beyond it
        6: (corner[0] + 0.5 * np.floor(2.0 * v), corner[1], 0.5 * np.floor(1.0 + 20.0 * w)),  # tangent to edges
        7: (x, v * 6.0 + NY - 3.5, 6.0 * w + 0.1),  # across the upper border, or beyond it
    }[k % 8]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1]) / "photometry"
    folder.mkdir(parents=True, exist_ok=True)
    generator = Generator(20251121)
    image = np.array([[generator.uniform() + 0.25 for _ in range(NX)] for _ in range(NY)])
    mask = np.array([[generator.uniform() < 0.05 for _ in range(NX)] for _ in range(NY)])
    ones = np.ones_like(image)
    answers = np.zeros((COUNT, 3), dtype="<f8")
    for k in range(COUNT):
        x, y, r = aperture(k, *(generator.uniform() for _ in range(3)))
        circle = CircularAperture((x, y), r)
        answers[k] = [
            circle.do_photometry(ones, method="exact")[0][0],
            circle.do_photometry(image, method="exact")[0][0],
            circle.do_photometry(image, mask=mask, method="exact")[0][0],
        ]
    answers = np.where(np.isfinite(answers), answers, 0.0)  # photutils says NaN where nothing overlaps
    answers.tofile(folder / "apertures.f64")
    (folder / "README.md").write_text(
        "# Reference values of aperture photometry\n\n"
        "`apertures.f64`: see `xtask/python/golden_photometry.py`, which makes it (`cargo xtask golden photometry`).\n\n"
        f"Made by photutils {photutils.__version__}, numpy {np.__version__}.\n"
    )


if __name__ == "__main__":
    main()
