#!/usr/bin/env python3
"""Reference values for spx-drizzle: STScI's `stcal.resample.Resample` on a set of four small models.

    cargo xtask golden resample         # runs: python golden_resample.py testdata
    pip install stcal gwcs numpy        # what it needs

Writes <testdata dir>/resample/resample.json: the models (maps of their pixels, data, flags, variances, times) and, for each
case, what Resample made of them: images, variances, errors, weights, context, and the times. README.md there names the
versions. The maps are those that Resample computed, so that the comparison is one of sums.
"""
import json
import sys
import warnings
from pathlib import Path

import drizzle
import gwcs
import numpy as np
import stcal
from astropy import coordinates, units
from astropy.modeling import models
from gwcs import coordinate_frames
from stcal.resample import Resample

N, OUT = 8, 10
FLAGS = dict(HOT=1, COLD=2, SOURCE=4, GHOST=8)
NAMES = ["var_rnoise", "var_poisson", "var_flat"]
AREA = (np.pi / 180 / 3600) ** 2


class Named(Resample):
    dq_flag_name_map = FLAGS


def wcs(n, dx, dy):
    """Pixels of an arcsecond, whose middle lies (dx, dy) pixels beside that of the output."""
    transform = (
        (models.Shift(-(n - 1) / 2 - dx) & models.Shift(-(n - 1) / 2 - dy))
        | (models.Scale(-1 / 3600) & models.Scale(1 / 3600))
        | models.Pix2Sky_TAN()
        | models.RotateNative2Celestial(10.0, 20.0, 180.0)
    )
    detector = coordinate_frames.Frame2D(name="detector", axes_order=(0, 1), unit=(units.pix, units.pix))
    sky = coordinate_frames.CelestialFrame(name="icrs", reference_frame=coordinates.ICRS(), unit=(units.deg, units.deg))
    w = gwcs.WCS([(detector, transform), (sky, None)])
    w.bounding_box = ((-0.5, n - 0.5), (-0.5, n - 0.5))
    w.array_shape = w.pixel_shape = (n, n)
    return w


def model(k):
    random = np.random.default_rng(k)
    m = dict(
        data=random.uniform(0.5, 1.5, (N, N)),
        var_rnoise=random.uniform(0.5, 1.0, (N, N)),
        var_poisson=random.uniform(0.1, 0.2, (N, N)),
        var_flat=random.uniform(0.01, 0.02, (N, N)),
    )
    m = {name: array.astype(np.float32) for name, array in m.items()}
    m["err"] = np.sqrt(m["var_rnoise"])
    m["dq"] = (1 << random.integers(0, 4, (N, N))).astype(np.uint32) * (random.uniform(size=(N, N)) < 0.5)
    m["dq"] = m["dq"].astype(np.uint32)
    return m | dict(
        wcs=wcs(N, 0.31 * k - 0.43, 0.57 - 0.23 * k), filename=f"model_{k}", group_id=f"group_{k // 2}",
        exposure_time=100.0 + k, measurement_time=90.0 + k, start_time=60000.0 + k, end_time=60000.25 + k,
        duration=110.0 + k, pixelarea_steradians=AREA, pixelarea_arcsecsq=1.0, level=0, subtracted=False,
        bunit_data="MJy/sr",
    )


CASES = [
    dict(weight_type=weight, compute_err=err, good_bits=good)
    for weight, err, good in [("ivm", "from_var", "none"), ("exptime", "from_var", "none"), ("ivm", "driz_err", "none"),
                              *(("exptime", "from_var", good) for good in
                                ["0", "12", "4,8", "4+8", "SOURCE,GHOST", "SOURCE|GHOST", "~1+2", "~HOT,COLD", "~0"])]
]


def rounded(array):
    """Decimals that read back as the same float32."""
    return [None if not np.isfinite(v) else float(str(v)) for v in np.asarray(array, np.float32).ravel()]


def run(case, count=4):
    good = None if case["good_bits"] == "none" else case["good_bits"]
    output = dict(wcs=wcs(OUT, 0.0, 0.0), pixel_scale=1.0)
    r = Named(output, n_input_models=count, pixfrac=0.8, kernel="square", weight_type=case["weight_type"],
              good_bits=int(good) if good == "12" else good, enable_var=True, compute_err=case["compute_err"])
    for k in range(count):
        r.add_model(model(k))
    r.finalize()
    o = r.output_model
    assert abs(o["pixel_scale_ratio"] - 1.0) < 1e-12, o["pixel_scale_ratio"]
    answer = {name: rounded(o[name]) for name in ["data", "wht", "err", *NAMES]}
    answer["con"] = o["con"][0].ravel().tolist()
    times = ["pointings", "exposure_time", "measurement_time", "start_time", "end_time"]
    answer["times"] = {name: float(o[name]) for name in times}
    answer["group_ids"] = list(r.group_ids)
    return case | answer


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1]) / "resample"
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    y, x = np.indices((N, N), dtype=float)
    for k in range(4):
        m = model(k)
        positions = np.stack(wcs(OUT, 0.0, 0.0).invert(*m["wcs"](x, y)), axis=-1)
        entry = {name: rounded(m[name]) for name in ["data", *NAMES]}
        entry |= {name: m[name] for name in ["group_id", "exposure_time", "measurement_time", "start_time", "end_time"]}
        listed.append(entry | dict(positions=np.round(positions, 12).reshape(-1, 2).tolist(), dq=m["dq"].ravel().tolist()))
    answers = dict(shape=[N, N], output=[OUT, OUT], flags=FLAGS, models=listed, cases=[run(case) for case in CASES])
    (folder / "resample.json").write_text(json.dumps(answers, separators=(",", ":")) + "\n")
    (folder / "README.md").write_text(
        "# Reference values of Resample\n\n"
        "`resample.json`: see `xtask/python/golden_resample.py`, which makes it (`cargo xtask golden resample`).\n\n"
        f"Made by stcal {stcal.__version__}, drizzle {drizzle.__version__}, gwcs {gwcs.__version__}, "
        f"numpy {np.__version__}.\n"
    )


if __name__ == "__main__":
    main()
