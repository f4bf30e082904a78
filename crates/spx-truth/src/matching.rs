//! Matched backgrounds: exposures whose zodiacal light is off the model by scales and slopes of
//! their own, and what `--match-background` leaves of that.
//!
//! The same exposures, with the same noise, are simulated with and without these errors; the
//! difference of the cubes is what the errors do, seams and all.

use anyhow::Result;
use fastrand::Rng;
use spx_core::image::PixelPlanes;
use spx_sim::{ExtendedSource, SimulatedSky, SurfaceProfile};

use crate::report::{Demand, TruthReport};
use crate::runner::{MeasuredCube, SimulationSize, SpxRunner, center};
use crate::statistics::mean;
use crate::zodiacal::{drizzle, exposures, flux_within};

/// Side of the cube \[arcmin\], and of the cutouts \[px\].
const SIDE: f64 = 8.0;
const CUTOUT: usize = 150;
/// Standard deviations of the scale of an exposure's zodiacal light, and of what its slopes add at
/// the edge of a cutout, in units of that light.
const SCALE_ERROR: f64 = 0.05;
const SLOPE: f64 = 0.02;

/// Measures seams on blank sky, a galaxy of a third of the field, and a nebula that fills it.
///
/// # Errors
/// Where a file cannot be written or read, or `spx` fails.
pub fn matching(spx: &SpxRunner, size: SimulationSize) -> Result<TruthReport> {
    let mut report = TruthReport::default();
    seams(spx, size, &mut report)?;
    let position = center()?;
    let source = |id: &str, profile, radius, flux_2um| {
        let id = id.to_owned();
        ExtendedSource { id, position, flux_2um, slope: 0.0, profile, radius }
    };
    let galaxy = source("galaxy", SurfaceProfile::Exponential, 20.0, 4e5);
    simulate(spx, "galaxy", Some(&galaxy), size, true)?;
    let cube = drizzle(spx, "galaxy", 3, SIDE, &["--background=static", "--match-background=plane"])?;
    let kept = flux_within(&cube, &galaxy, SIDE * 60.0 / 6.0);
    report.add(
        "flux kept of a galaxy of a third of the field, matched by planes",
        mean(&kept),
        Demand::Near(1.0, 0.01),
    );
    spx.forget("galaxy")?;
    let nebula = source("nebula", SurfaceProfile::Uniform, 700.0, 4e6);
    simulate(spx, "nebula", Some(&nebula), size, false)?;
    let flux = |form: &str| -> Result<Vec<f64>> {
        let cube =
            drizzle(spx, "nebula", 3, SIDE, &["--background=static", &format!("--match-background={form}")])?;
        Ok(flux_within(&cube, &nebula, SIDE * 30.0))
    };
    let (with, without) = (flux("plane")?, flux("none")?);
    let changes: Vec<f64> = with.iter().zip(&without).map(|(with, without)| with / without).collect();
    report.add(
        "flux of a nebula that fills the field over that without matching",
        mean(&changes),
        Demand::Near(1.0, 0.001),
    );
    spx.forget("nebula")?;
    Ok(report)
}

/// What the errors leave on blank sky, by the ways to take them out.
fn seams(spx: &SpxRunner, size: SimulationSize, report: &mut TruthReport) -> Result<()> {
    simulate(spx, "even", None, size, false)?;
    simulate(spx, "uneven", None, size, true)?;
    for (background, form, demand) in [
        ("static", "none", Demand::None),
        ("static", "offset", Demand::None),
        ("static", "plane", Demand::AtMost(0.1)),
        ("fit", "none", Demand::None),
        ("fit", "plane", Demand::AtMost(0.1)),
    ] {
        let options = [format!("--background={background}"), format!("--match-background={form}")];
        let options = options.each_ref().map(String::as_str);
        let [even, uneven] = ["even", "uneven"].map(|input| drizzle(spx, input, 3, SIDE, &options));
        let what = format!("seams [voxel sigma], background {background}, matching {form}");
        report.add(what, (difference(&uneven?, &even?), 0.0), demand);
    }
    spx.forget("even")?;
    spx.forget("uneven")
}

/// The root of the mean square of the difference of two cubes, less its mean in each plane, which
/// no comparison of exposures can tell, over a voxel's error.
fn difference(uneven: &MeasuredCube, even: &MeasuredCube) -> f64 {
    let count = even.shape[1] * even.shape[2];
    let planes = (0..even.shape[0]).flat_map(|z| {
        let variance = &even.variance[z * count..(z + 1) * count];
        let pairs = uneven.plane(z).iter().zip(even.plane(z)).zip(variance);
        let pulls: Vec<f64> = pairs
            .map(|((a, b), v)| (f64::from(*a) - f64::from(*b)) / f64::from(*v).sqrt())
            .filter(|pull| pull.is_finite())
            .collect();
        let (middle, _) = mean(&pulls);
        pulls.into_iter().map(move |pull| (pull - middle).powi(2))
    });
    let squares: Vec<f64> = planes.filter(|square| square.is_finite()).collect();
    mean(&squares).0.sqrt()
}

/// Exposures of the sky with a source, of the same noise whether the zodiacal light is off or not.
fn simulate(
    spx: &SpxRunner,
    name: &str,
    source: Option<&ExtendedSource>,
    size: SimulationSize,
    uneven: bool,
) -> Result<()> {
    let sky = SimulatedSky { extended: source.cloned().into_iter().collect(), ..SimulatedSky::default() };
    let list = exposures(3, size.choose(80, 40), CUTOUT, |_, _| {})?;
    spx.simulate_changed(name, &sky, &list, |k, exposure| {
        if uneven {
            add_light(&mut exposure.planes, k);
        }
        Ok(())
    })?;
    Ok(())
}

/// Adds to the image of the k-th exposure what the model of the zodiacal light does not tell.
#[expect(clippy::cast_possible_truncation, reason = "images are in single precision")]
fn add_light(planes: &mut PixelPlanes, k: usize) {
    let mut rng = Rng::with_seed(7 + k as u64);
    // Nearly normal, of width 1.
    let mut normal = || (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
    let [scale, along_x, along_y] = [SCALE_ERROR * normal(), SLOPE * normal(), SLOPE * normal()];
    let nx = CUTOUT.min(planes.image.len());
    let ny = planes.image.len() / nx;
    let place = |k: usize, n: usize| 2.0 * k as f64 / n as f64 - 1.0;
    for (pixel, (image, zodi)) in planes.image.iter_mut().zip(&planes.zodi).enumerate() {
        let slopes = along_x * place(pixel % nx, nx) + along_y * place(pixel / nx, ny);
        *image += ((scale + slopes) * f64::from(*zodi)) as f32;
    }
}
