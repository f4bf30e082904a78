//! `spx demo`: a whole run on simulated data, checked against the truth.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use spx_core::atomic;
use spx_core::detector::Detector;
use spx_core::elementary::hypot;
use spx_core::sky::Position;
use spx_core::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_pipeline::archive::{ArchiveSettings, ArchiveUrl, CalibrationFamily, CutoutSettings};
use spx_pipeline::calibration::{
    CalibrationChoice, CalibrationRequest, CalibrationSettings, CalibrationStatus, fetch_calibration,
};
use spx_pipeline::drizzle::{DrizzleConfig, OutputSettings, RegionSettings, drizzle};
use spx_pipeline::photometry::{PhotometrySettings, SourceSettings};
use spx_pipeline::run::{RunConfig, run_source};
use spx_plot::{Channel, CompositeFigure, FigureFormat, render_composite};
use spx_serve::{LocalArchive, ServeOptions};
use spx_sim::compare::{measure, median};
use spx_sim::{
    ExposureOptions, ExtendedSource, FieldOptions, FrameExtent, Pointing, RealisticOptions, SimulatedRelease,
    SimulatedSky, SimulatedStar, SurfaceProfile, SurveyOptions, survey, write_calibration_attended,
    write_truth,
};

use super::simulate::{SimulatedFile, failed, write_all};
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;
use spx_pipeline::cube::{CubeArray, CubeFile, OutputGrid, WavelengthRange, mean_plane};

/// NGC 4395, as in the tutorial of the reference.
const CENTER: (f64, f64) = (186.4536, 33.5468);
/// Side of the cube [arcmin].
const SIDE: f64 = 10.0;
/// Side of the cutouts [px]: the cube's diagonal and some more.
const CUTOUT: usize = 150;
/// Exposures of detector 3; each sees the field in one or two of the 17 channels.
const EXPOSURES: usize = 30;
/// Zodiacal light in the images over that of the model beside them.
const ZODI_SCALE: f64 = 1.1;
/// Voxels farther than this from stars are blank sky [arcsec].
const BLANK_DISTANCE: f64 = 40.0;
/// Radius in which stars are measured [px]; practically all of their light lies within.
const APERTURE: f64 = 4.5;
/// Pixels nearer than this to another star are no background [px].
const NEIGHBOR: f64 = 4.0;

/// Run everything on simulated data, without a network, and compare the results with the truth.
///
/// Simulates a field around NGC 4395 with detector D3, images of Quick Releases 2 and 3 in turn,
/// serves it as a local archive, fetches the calibration products that bring both to one scale,
/// queries and downloads, drizzles the exposures into a cube, measures the stars in it, and writes
/// the cube and a picture; then makes the spectrum and light curve of one star from cutouts. Takes
/// some seconds and 600 MB of disk.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  spx demo\n  spx demo -o /tmp/demo --json")]
pub(crate) struct DemoArgs {
    /// Directory for the output; that of an earlier demo is replaced
    #[arg(short, long, value_name = "DIR", default_value = "spx-demo")]
    output_dir: PathBuf,
}

/// What tells that a directory was made by the demonstration, so that it may be cleared.
const MARKER: &str = "README.txt";
const MARKER_TEXT: &str = "Made by `spx demo`, which clears this directory when it is run again.\n";

/// Runs the command.
pub(crate) fn run(args: &DemoArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let output = &args.output_dir;
    let say = |text: &str| ui::note(global.verbosity(), text);
    prepare(output)?;
    let sky = sky()?;
    let data = output.join("archive");
    say(&format!(
        "1. {EXPOSURES} exposures of a field around NGC 4395 with D3, half of QR2, half of QR3, simulated: {}",
        data.display()
    ));
    simulate(&sky, &data, global)?;
    let archive = LocalArchive::start(&data, ServeOptions::default())?;
    say(&format!("   served as a local archive at {}", archive.url()));
    say("2. spx calibration fetch: products that bring QR2 to the scale of QR3");
    let products = Products::fetch(&archive.url(), output, global)?;
    say(&format!("   {} products in {}", products.count, products.directory.display()));
    say("3. spx drizzle: query, download, all of them into a cube");
    let cubes = drizzle(&settings(&archive.url(), output, &products), &global.terminal())?;
    let report = cubes.cubes.first().ok_or_else(|| anyhow!("no cube was made"))?;
    let [nz, ny, nx] = report.shape;
    say(&format!("   {nx} x {ny} x {nz} voxels from {} exposures: {}", report.used, report.file));
    let mut cube = CubeFile::open(Path::new(&report.file))?;
    let picture = output.join("ngc4395.png");
    draw(&mut cube, &picture)?;
    say(&format!("   a picture of it: {}", picture.display()));
    say("4. The stars in the cube compared with the truth:");
    let comparison = Comparison::new(&mut cube, &sky)?;
    if !global.json {
        ui::data(&comparison.table())?;
    }
    let star = comparison.example().ok_or_else(|| anyhow!("no star is clear of the galaxy"))?;
    say(&format!("5. spx run: the spectrum and light curve of {} from cutouts", star.id));
    let measured = SingleSource::new(star, &archive.url(), output, &products, global)?;
    say(&format!("   {}", measured.figure.display()));
    if global.json {
        let mut report = comparison.json();
        report["source"] = measured.json();
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        ui::data(&measured.line())?;
    }
    say(&next_steps(&report.file, &data));
    Ok(Outcome::Done)
}

/// Clears what an earlier demonstration left; refuses a directory that holds anything else.
fn prepare(output: &Path) -> Result<(), Failure> {
    let context = || output.display().to_string();
    let empty = match std::fs::read_dir(output) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !output.exists(),
    };
    if !empty {
        let ours = std::fs::read_to_string(output.join(MARKER)).is_ok_and(|text| text == MARKER_TEXT);
        if !ours {
            let problem = format!("{} contains something other than a demonstration", output.display());
            return Err(Failure::usage(anyhow!("{problem}; -o names another directory")));
        }
        std::fs::remove_dir_all(output).with_context(context)?;
    }
    std::fs::create_dir_all(output).with_context(context)?;
    atomic::write(&output.join(MARKER), MARKER_TEXT.as_bytes(), false).with_context(context)?;
    Ok(())
}

fn next_steps(cube: &str, archive: &Path) -> String {
    let (ra, dec) = CENTER;
    let archive = archive.display();
    format!(
        "Try next:\n  \
         spx cube info {cube}\n  \
         spx cube spectrum {cube} --ra {ra} --dec {dec} --radius 60 -o galaxy.png\n  \
         spx cube plot {cube} --wave 2.0 -o plane.png\n  \
         spx run --help\n  \
         spx serve {archive} --port 8080, and in another terminal\n  \
         spx query --archive-url http://127.0.0.1:8080 --ra {ra} --dec {dec}\n  \
         spx drizzle --help"
    )
}

/// Stars, and a galaxy with two bright knots in the place of NGC 4395.
fn sky() -> anyhow::Result<SimulatedSky> {
    let center = Position::new(CENTER.0, CENTER.1)?;
    let field = FieldOptions {
        flux_range: [1_000.0, 60_000.0],
        separation: 60.0,
        central_flux: None,
        extended_flux: None,
        ..FieldOptions::default()
    };
    let mut sky = SimulatedSky::field(center, 0.11, 45, 4395, &field)?;
    let (disk, knot) = (SurfaceProfile::Exponential, SurfaceProfile::Gaussian);
    let mut add = |id: &str, profile, [dra, ddec]: [f64; 2], flux_2um: f64, slope: f64, radius: f64| {
        let position = Position::new(CENTER.0 + dra, CENTER.1 + ddec)?;
        sky.extended.push(ExtendedSource { id: id.to_owned(), position, flux_2um, slope, profile, radius });
        anyhow::Ok(())
    };
    add("disk", disk, [0.0, 0.0], 400_000.0, -0.8, 30.0)?;
    add("knot 1", knot, [0.012, 0.008], 40_000.0, 1.5, 9.0)?;
    add("knot 2", knot, [-0.010, -0.009], 30_000.0, 1.0, 7.0)?;
    Ok(sky)
}

fn simulate(sky: &SimulatedSky, data: &Path, global: &Global) -> Result<(), Failure> {
    let center = Position::new(CENTER.0, CENTER.1)?;
    let detectors = vec![Detector::new(3)?];
    // The field passes both ends of the detector, so that the first and the last channel see it
    // whole.
    let plan =
        SurveyOptions { observations: EXPOSURES, detectors, margin: -20.0, ..SurveyOptions::default() };
    let realism = RealisticOptions { gain_error: true, ..RealisticOptions::default() };
    let options = ExposureOptions {
        frame: FrameExtent::Around { position: center, size: CUTOUT },
        zodi_scale: ZODI_SCALE,
        realism: Some(realism.clone()),
        ..ExposureOptions::default()
    };
    let file = |(k, pointing): (usize, Pointing)| {
        let release = [SimulatedRelease::Qr2, SimulatedRelease::Qr3][k % 2];
        let options = ExposureOptions { release, ..options.clone() };
        SimulatedFile { path: data.join(pointing.file_name(release)), pointing, options }
    };
    let files: Vec<_> = survey(center, &plan)?.into_iter().enumerate().map(file).collect();
    write_all(sky, &files.iter().collect::<Vec<_>>(), false, &global.terminal())?;
    for &detector in &plan.detectors {
        write_calibration_attended(data, detector, &realism, &global.terminal()).map_err(failed)?;
    }
    Ok(write_truth(&data.join("truth.csv"), sky)?)
}

/// Calibration products that were fetched.
struct Products {
    directory: PathBuf,
    count: usize,
}

impl Products {
    /// Gets those of the local archive.
    fn fetch(archive: &str, output: &Path, global: &Global) -> Result<Self, Failure> {
        let request = CalibrationRequest {
            archive: archive.parse::<ArchiveUrl>()?,
            families: CalibrationFamily::ALL.to_vec(),
            detectors: vec![Detector::new(3)?],
            directory: output.join("calibration"),
            workers: 2,
        };
        let entries = fetch_calibration(&request, &global.terminal())?;
        if let Some(entry) = entries.iter().find(|entry| entry.status != CalibrationStatus::Fetched) {
            let reason = entry.reason.as_deref().unwrap_or_default();
            return Err(anyhow!("{}: {} {reason}", entry.file, entry.status.name()).into());
        }
        Ok(Self { directory: request.directory, count: entries.len() })
    }

    fn settings(&self) -> CalibrationSettings {
        CalibrationSettings {
            calibration: CalibrationChoice::Directory(self.directory.clone()),
            ..CalibrationSettings::default()
        }
    }
}

fn settings(archive: &str, output: &Path, products: &Products) -> DrizzleConfig {
    DrizzleConfig {
        region: RegionSettings {
            ra: Some(CENTER.0),
            dec: Some(CENTER.1),
            width: Some(SIDE),
            height: Some(SIDE),
            detector: 3,
        },
        archive: ArchiveSettings::at(archive),
        output: OutputSettings { output_dir: output.to_owned(), ..OutputSettings::default() },
        calibration: products.settings(),
        ..DrizzleConfig::default()
    }
}

/// A color composite of the three thirds of the wavelength range, the longest in red.
fn draw(cube: &mut CubeFile, path: &Path) -> Result<(), Failure> {
    let grid = grid(cube)?;
    let mut planes = Vec::new();
    for range in WavelengthRange::thirds(cube.wavelengths()).into_iter().rev() {
        let numbers = range.planes(cube.wavelengths());
        let label = format!("{:.2}–{:.2} µm", range.min, range.max);
        planes.push((mean_plane(cube, &numbers)?, label));
    }
    let [r, g, b] = [0, 1, 2].map(|k| Channel { plane: planes[k].0.view(), label: planes[k].1.clone() });
    let mut figure = CompositeFigure::new([r, g, b]);
    let sky = |x: f64, y: f64| grid.wcs().pixel_to_sky(x, y);
    figure.sky = Some(&sky);
    figure.title = "Simulated field around NGC 4395, D3".to_owned();
    let bytes = render_composite(&figure, FigureFormat::Png)?;
    atomic::write(path, &bytes, true).with_context(|| path.display().to_string())?;
    Ok(())
}

fn grid(cube: &CubeFile) -> anyhow::Result<OutputGrid> {
    let [_, ny, nx] = cube.shape();
    Ok(OutputGrid::from_header(cube.science_header(), [ny, nx])?)
}

/// A star over all planes in which it is seen whole.
struct Match<'a> {
    star: &'a SimulatedStar,
    planes: usize,
    /// Mean of centroid less true position [arcsec], along right ascension and declination.
    offset: [f64; 2],
    /// Flux found over true flux, both summed over the planes.
    ratio: f64,
}

struct Comparison<'a> {
    matches: Vec<Match<'a>>,
    pixel_scale: f64,
    /// Mean and standard deviation of (SCI - truth) / sqrt(VARIANCE) away from the stars.
    blank: [f64; 2],
}

impl<'a> Comparison<'a> {
    /// Measures every star that stands clear of the galaxy and of the edge.
    fn new(cube: &mut CubeFile, sky: &'a SimulatedSky) -> anyhow::Result<Self> {
        let grid = grid(cube)?;
        let [nz, ny, _] = cube.shape();
        let mut planes =
            (0..nz).map(|z| cube.read(CubeArray::Science, z, 0..ny)).collect::<Result<Vec<Vec<f32>>, _>>()?;
        // The galaxy's light is curved: the background around a star is not that under it.
        let wavelengths = cube.wavelengths().iter().map(|bin| bin.center());
        planes.iter_mut().zip(wavelengths).for_each(|(plane, um)| subtract_extended(plane, sky, &grid, um));
        let clear = |star: &&SimulatedStar| {
            sky.extended.iter().all(|e| e.position.separation(star.position) * 3600.0 > 0.4 * e.reach())
        };
        let mut matches = Vec::new();
        for star in sky.stars.iter().filter(clear) {
            let Some([x, y]) = grid.wcs().sky_to_pixel(star.position) else { continue };
            let area = UJY_PER_ARCSEC2_PER_MJY_PER_SR * grid.wcs().pixel_area(x, y);
            let neighbors = neighbors(star, sky, &grid);
            let (mut spots, mut found, mut expected) = (Vec::new(), 0.0, 0.0);
            for (plane, bin) in planes.iter().zip(cube.wavelengths().iter()) {
                let mut alone = plane.clone();
                neighbors.iter().for_each(|&k| alone[k] = f32::NAN);
                let Some(spot) = measure(&alone, grid.shape(), [x, y], APERTURE) else { continue };
                found += spot.sum * area;
                expected += star.flux(bin.center());
                spots.push(spot.offset);
            }
            let mean = |k: usize| spots.iter().map(|o| o[k]).sum::<f64>() / spots.len() as f64;
            let scale = grid.pixel_scale();
            if !spots.is_empty() {
                let offset = [-mean(0) * scale, mean(1) * scale];
                matches.push(Match { star, planes: spots.len(), offset, ratio: found / expected });
            }
        }
        matches.sort_by(|a, b| b.star.flux_2um.total_cmp(&a.star.flux_2um));
        let blank = blank_sky(cube, &planes, sky, &grid)?;
        Ok(Self { matches, pixel_scale: grid.pixel_scale(), blank })
    }

    /// A bright star not far from the middle, which most exposures see.
    fn example(&self) -> Option<&'a SimulatedStar> {
        let center = Position::new(CENTER.0, CENTER.1).ok()?;
        self.matches.iter().map(|m| m.star).find(|star| star.position.separation(center) < 0.07)
    }

    /// Over all stars: medians of the offset [px] along right ascension and declination; mean of
    /// the flux ratio, weighted by the flux, which is nearly the inverse variance, and its error.
    fn summary(&self) -> ([f64; 2], [f64; 2]) {
        let middle = |of: &dyn Fn(&Match<'_>) -> f64| {
            let mut values: Vec<f64> = self.matches.iter().map(of).collect();
            median(&mut values).unwrap_or(f64::NAN)
        };
        let offset = [0, 1].map(|k| middle(&|m| m.offset[k] / self.pixel_scale));
        let ratios = self.matches.iter().map(|m| (m.ratio, m.star.flux_2um));
        (offset, weighted_mean(&ratios.collect::<Vec<_>>()))
    }

    fn table(&self) -> String {
        const SHOWN: usize = 10;
        let mut text =
            String::from("star         ra       dec  flux [uJy]  planes  offset [arcsec]  found/true\n");
        for m in self.matches.iter().take(SHOWN) {
            let Match { star, planes, offset: [dra, ddec], ratio } = m;
            let (ra, dec) = (star.position.ra(), star.position.dec());
            text.push_str(&format!(
                "{}  {ra:9.5}  {dec:8.5}  {:10.0}  {planes:6}  {dra:+6.2}  {ddec:+6.2}  {ratio:12.4}\n",
                star.id, star.flux_2um
            ));
        }
        let ([dx, dy], [ratio, error]) = self.summary();
        let [mean, width] = self.blank;
        text.push_str(&format!(
            "{} stars: median offset ({dx:+.4}, {dy:+.4}) px, mean found/true flux {ratio:.4} +- {error:.4}\n\
             between the stars: (SCI - truth) / sqrt(VARIANCE) has mean {mean:+.3} (0 is right) and standard \
             deviation {width:.3} (1 is right)\n",
            self.matches.len()
        ));
        text
    }

    fn json(&self) -> serde_json::Value {
        let (offset, [ratio, error]) = self.summary();
        let stars: Vec<_> = self
            .matches
            .iter()
            .map(|m| {
                serde_json::json!({
                    "id": m.star.id, "ra": m.star.position.ra(), "dec": m.star.position.dec(),
                    "flux_2um": m.star.flux_2um, "planes": m.planes, "offset_arcsec": m.offset,
                    "flux_ratio": m.ratio,
                })
            })
            .collect();
        serde_json::json!({ "stars": stars, "median_offset_px": offset, "mean_flux_ratio": ratio, "mean_flux_ratio_error": error, "blank_sky": self.blank })
    }
}

/// Takes the light of the galaxy out of a plane at a wavelength [um].
fn subtract_extended(plane: &mut [f32], sky: &SimulatedSky, grid: &OutputGrid, wavelength: f64) {
    let nx = grid.shape()[1];
    for (k, value) in plane.iter_mut().enumerate() {
        let [ra, dec] = grid.wcs().pixel_to_sky((k % nx) as f64, (k / nx) as f64);
        let Ok(place) = Position::new(ra, dec) else { continue };
        let light =
            |e: &ExtendedSource| e.surface_brightness(e.position.separation(place) * 3600.0, wavelength);
        #[expect(clippy::cast_possible_truncation, reason = "planes are f32")]
        let light = sky.extended.iter().map(light).sum::<f64>() as f32;
        *value -= light;
    }
}

/// Pixels that belong to other stars than this.
fn neighbors(star: &SimulatedStar, sky: &SimulatedSky, grid: &OutputGrid) -> Vec<usize> {
    let nx = grid.shape()[1];
    let others = sky.stars.iter().filter(|other| other.id != star.id);
    let others: Vec<[f64; 2]> = others.filter_map(|other| grid.wcs().sky_to_pixel(other.position)).collect();
    let is_lit = |k: usize| {
        let (x, y) = ((k % nx) as f64, (k / nx) as f64);
        others.iter().any(|other| hypot(x - other[0], y - other[1]) < NEIGHBOR)
    };
    (0..nx * grid.shape()[0]).filter(|&k| is_lit(k)).collect()
}

/// Mean of values with weights, and its error from the scatter.
fn weighted_mean(values: &[(f64, f64)]) -> [f64; 2] {
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    let mean = values.iter().map(|(value, weight)| value * weight).sum::<f64>() / total;
    let scatter: f64 = values.iter().map(|(value, weight)| (weight * (value - mean)).powi(2)).sum();
    [mean, scatter.sqrt() / total]
}

/// Mean and standard deviation of (SCI - truth) / sqrt(VARIANCE) over the voxels that no star and
/// no knot of the galaxy lights up; the galaxy is not in the planes any more.
fn blank_sky(
    cube: &mut CubeFile,
    planes: &[Vec<f32>],
    sky: &SimulatedSky,
    grid: &OutputGrid,
) -> anyhow::Result<[f64; 2]> {
    let [_, ny, nx] = cube.shape();
    let positions = sky.stars.iter().map(|star| star.position);
    let lit: Vec<Position> = positions.chain(sky.extended.iter().map(|e| e.position)).collect();
    let is_blank = |k: usize| {
        let [ra, dec] = grid.wcs().pixel_to_sky((k % nx) as f64, (k / nx) as f64);
        let far = |position: Position| lit.iter().all(|l| l.separation(position) * 3600.0 > BLANK_DISTANCE);
        Position::new(ra, dec).is_ok_and(far)
    };
    let blank: Vec<usize> = (0..ny * nx).filter(|&k| is_blank(k)).collect();
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for (z, plane) in planes.iter().enumerate() {
        let variance: Vec<f32> = cube.read(CubeArray::Variance, z, 0..ny)?;
        for &k in &blank {
            let pull = f64::from(plane[k]) / f64::from(variance[k]).sqrt();
            if pull.is_finite() {
                (sum, squares, count) = (sum + pull, squares + pull * pull, count + 1.0);
            }
        }
    }
    let mean: f64 = sum / count;
    Ok([mean, (squares / count - mean * mean).sqrt()])
}

/// Fluxes found on several images against the truth.
#[derive(Default)]
struct FluxAccuracy {
    /// Found over true, and the weight that it has.
    ratios: Vec<(f64, f64)>,
    /// (found - true) / error.
    pulls: Vec<f64>,
}

impl FluxAccuracy {
    fn add(&mut self, flux: f64, error: f64, truth: f64) {
        // Where photons make the noise, the flux is the inverse of the relative variance.
        self.ratios.push((flux / truth, truth));
        self.pulls.push((flux - truth) / error);
    }

    /// Weighted mean of found over true with its error, and the standard deviation of the pulls.
    fn figures(&self) -> [f64; 3] {
        let n = self.pulls.len() as f64;
        let mean = self.pulls.iter().sum::<f64>() / n;
        let variance = self.pulls.iter().map(|pull| (pull - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let [ratio, error] = weighted_mean(&self.ratios);
        [ratio, error, variance.sqrt()]
    }

    fn text(&self) -> String {
        let [ratio, error, width] = self.figures();
        format!("{ratio:.4} +- {error:.4}, {width:.2}")
    }

    fn json(&self) -> serde_json::Value {
        let [ratio, error, width] = self.figures();
        serde_json::json!({ "mean_flux_ratio": ratio, "mean_flux_ratio_error": error, "pull_width": width })
    }
}

/// What `spx run` makes of one star.
struct SingleSource<'a> {
    star: &'a SimulatedStar,
    /// Images on which it was measured.
    images: usize,
    aperture: FluxAccuracy,
    psf: FluxAccuracy,
    figure: PathBuf,
}

impl<'a> SingleSource<'a> {
    fn new(
        star: &'a SimulatedStar,
        archive: &str,
        output: &Path,
        products: &Products,
        global: &Global,
    ) -> Result<Self, Failure> {
        let output = output.join("star");
        let config = RunConfig {
            name: star.id.clone(),
            source: SourceSettings {
                ra: Some(star.position.ra()),
                dec: Some(star.position.dec()),
                ..SourceSettings::default()
            },
            output_dir: output.clone(),
            cutout: CutoutSettings { cutout_size: Some("60px".to_owned()), cutout_center: None },
            archive: ArchiveSettings::at(archive),
            photometry: PhotometrySettings {
                psf_flux: true,
                calibration: products.settings(),
                ..PhotometrySettings::default()
            },
            ..RunConfig::default()
        };
        let report = run_source(&config, &global.terminal())?;
        let entries = report.entries.unwrap_or_default();
        let rows: Vec<_> = entries.iter().filter_map(|entry| Some(*entry.row()?.1)).collect();
        let (mut aperture, mut psf) = (FluxAccuracy::default(), FluxAccuracy::default());
        for row in rows.iter().filter(|row| row.is_good) {
            let truth = star.flux(row.wavelength);
            aperture.add(row.flux, row.flux_error, truth);
            if let Some(fit) = row.psf {
                psf.add(fit.flux, fit.error, truth);
            }
        }
        let figure = output.join("results").join("combined_plot.png");
        Ok(Self { star, images: rows.len(), aperture, psf, figure })
    }

    fn line(&self) -> String {
        format!(
            "{} on {} images, mean found/true flux, standard deviation of (found - true) / error (1 is right):\n  \
             aperture {}\n  PSF      {}\n",
            self.star.id,
            self.images,
            self.aperture.text(),
            self.psf.text()
        )
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "id": self.star.id, "images": self.images,
            "aperture": self.aperture.json(), "psf": self.psf.json(),
        })
    }
}
