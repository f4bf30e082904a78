#!/usr/bin/env python3
"""Has DS9 itself write the region files of testdata/maps: five shapes, in pixels and in four forms of the sky.

    write_ds9_regions.py testdata/maps

Needs what view_ds9.py needs.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

from astropy.io import fits

from golden_maps import SHAPES
from view_ds9 import Ds9

FORMS = [("image", "icrs", "degrees"), ("icrs", "icrs", "degrees"), ("fk5", "fk5", "degrees"),
         ("galactic", "galactic", "degrees"), ("sexagesimal", "icrs", "sexagesimal")]  # fmt: skip


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        cube = Path(scratch) / "cube.fits"
        with fits.open(folder / "cube.fits.gz") as hdus:
            hdus.writeto(cube)
        with Ds9(str(cube)) as ds9:
            for name, numbers in SHAPES:
                # XPA takes a region as one word in braces.
                shape = f"{{image; {name} {' '.join(map(str, numbers))}}}"
                subprocess.run(["xpaset", "-p", ds9.title, "regions", "command", shape], env=ds9.env, check=True)
            ds9.set("regions format ds9")
            for name, sky, form in FORMS:
                ds9.set(f"regions system {'image' if name == 'image' else 'wcs'}")
                ds9.set(f"regions sky {sky}")
                ds9.set(f"regions skyformat {form}")
                ds9.set(f"regions save {folder / f'ds9_{name}.reg'}")


if __name__ == "__main__":
    main()
