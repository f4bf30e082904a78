//! `spx drizzle`: spectral images to cubes, one for each detector.

pub(crate) mod accumulate;
mod extra;
pub(crate) mod mosaic;
pub(crate) mod pipeline;
pub(crate) mod report;
pub(crate) mod resampling;
mod settings;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use spx_archive::{Layout, Selection, Shape};
use spx_core::atomic;
use spx_core::detector::Detector;

use crate::archive::settings::ArchiveSettings;
use crate::config;
use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::{ConfigFile, Global};
use crate::ui;
use accumulate::Sums;
use pipeline::Job;
use report::{CubeReport, InputReport, Status};
pub(crate) use settings::{DrizzleParameters, DrizzleSettings, Product};
use spx_pipeline::archive::ArchiveOrder;
use spx_pipeline::archive::QUERY_SUMMARY;
use spx_pipeline::inputs::{self, InputError, InputFile};
use spx_pipeline::output::OutputDirectory;
use spx_pipeline::stages::{StageSelection, Stages};

/// A configuration with all keys, commented, for `spx config init`.
pub(crate) const TEMPLATE: &str = include_str!("template.toml");

/// Combine spectral images into data cubes (x, y, wavelength), one for each detector.
///
/// Every input pixel is projected onto the output grid and shared among the voxels that it overlaps in
/// position and wavelength, weighted by its inverse variance. The cube has seven HDUs: PRIMARY, SCI, VARIANCE,
/// AND_MASK, OR_MASK, COUNT, WAVELENGTH.
///
/// Without --input the archive is asked for images of the region, and they are fetched to data/ in the output
/// directory, or read from a mirror. A run that was interrupted goes on with --resume.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx drizzle --ra 186.4536 --dec 33.5468 --width 30 --height 30 --detector 3 -o output
  spx drizzle --ra 186.4536 --dec 33.5468 --width 30 --height 30 --detector 3 --input data/ -o output
  spx drizzle --config ngc4395.toml --input data/*.fits --z-oversample 2
  spx drizzle --ra 10.1 --dec 40.9 --width 20 --height 20 --input d3.fits --exclude-flags photometry,GHOST
  spx drizzle --config ngc4395.toml --input week7/ --accumulate sums_D3.fits --overwrite

`spx config init` writes a commented configuration; its keys are these options with underscores.")]
pub(crate) struct DrizzleArgs {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    #[command(flatten)]
    pub(crate) settings: DrizzleSettings,
    /// Continue an earlier run in the same output directory: stages that are done, with the same parameters, are not
    /// repeated
    #[arg(long)]
    pub(crate) resume: bool,
}

impl DrizzleArgs {
    /// File, environment and command line merged, defaults filled in.
    pub(crate) fn resolve(&self) -> Result<DrizzleSettings, Failure> {
        let given = self.settings.clone().normalised();
        Ok(config::resolve(self.file.config.as_deref(), &given)?.completed())
    }
}

/// Runs the command.
pub(crate) fn run(args: &DrizzleArgs, global: &Global) -> CommandResult {
    make(&args.resolve()?, args.resume, global)
}

/// Makes what completed settings ask for and reports it.
fn make(settings: &DrizzleSettings, resume: bool, global: &Global) -> CommandResult {
    let cubes = drizzle(settings, resume, global)?;
    let mut outcome = Outcome::Done;
    for cube in &cubes.reports {
        summarise(cube, global);
        if cube.failed > 0 {
            outcome = Outcome::Failed;
        }
    }
    for failure in &cubes.failures {
        ui::error(&failure.to_string());
        outcome = Outcome::Failed;
    }
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&cubes.reports)?))?;
    } else {
        for cube in &cubes.reports {
            ui::data(&format!("{}\n", cube.file))?;
        }
    }
    Ok(outcome)
}

/// The cubes that were made, and the detectors for which none could be.
pub(crate) struct Cubes {
    pub(crate) reports: Vec<CubeReport>,
    failures: Vec<Failure>,
}

/// The name of the file that tells how far a run from the archive has come.
const STATE: &str = "drizzle_state.toml";

/// Makes the cubes that completed settings ask for, from the inputs that they name or from the archive.
///
/// # Errors
/// Where no cube could be made.
pub(crate) fn drizzle(settings: &DrizzleSettings, resume: bool, global: &Global) -> Result<Cubes, Failure> {
    let parameters = settings.parameters().map_err(Failure::usage)?;
    if !parameters.options.kernel.conserves_flux() {
        ui::warning(&format!("kernel {}: it does not conserve flux", parameters.options.kernel));
    }
    ui::catch_interrupts()?;
    let listener = global.terminal();
    if !parameters.input.is_empty() {
        let mut stages = Stages::transient(&listener);
        return combine(&parameters, settings, &parameters.input, Vec::new(), &mut stages, global);
    }
    let output = OutputDirectory::create(&parameters.output_dir)?;
    let state = parameters.output_dir.join(STATE);
    let mut stages = Stages::open(&state, StageSelection { resume, ..StageSelection::default() }, &listener)?;
    let order = order(&parameters);
    let summary = order.query(&mut stages)?;
    let delivered = order.download(&summary, &mut stages)?;
    output.keep();
    combine(&parameters, settings, &delivered.files, delivered.failed().collect(), &mut stages, global)
}

/// The images of the region; files go to `data/D1` to `data/D6` in the output directory.
fn order(parameters: &DrizzleParameters) -> ArchiveOrder<'_> {
    let archive = &parameters.archive;
    ArchiveOrder {
        archive,
        selection: Selection {
            bands: parameters.detector.into_iter().collect(),
            mjd_range: archive.mjd_range,
            max_images: Some(archive.max_images),
            ..Selection::new(Shape::Rectangle(parameters.region))
        },
        cutout: None,
        summary: parameters.output_dir.join(QUERY_SUMMARY),
        data: parameters.output_dir.join("data"),
        layout: Layout::ByDetector,
    }
}

/// Makes the cubes of inputs that are at hand; `undelivered` are those that are not, which the user has been told.
fn combine(
    parameters: &DrizzleParameters,
    settings: &DrizzleSettings,
    inputs: &[PathBuf],
    undelivered: Vec<InputError>,
    stages: &mut Stages<'_>,
    global: &Global,
) -> Result<Cubes, Failure> {
    let found = inputs::find_inputs(inputs);
    if found.is_empty() && undelivered.is_empty() {
        return Err(Failure::nothing_found(anyhow!("no spectral image (*.fits, *.fits.gz) in the inputs")));
    }
    let (mut sources, mut failed) = found.scan();
    if parameters.input.is_empty() {
        // The archive's choice, not the user's.
        sources.iter_mut().for_each(|source| source.named = false);
    }
    failed.extend(undelivered.iter().cloned());
    if parameters.accumulate.is_none() {
        warn_of_duplicates(&sources);
    }
    let (by_detector, failed) = select(sources, failed, parameters.detector, global);
    let untold = failed.iter().filter(|error| !undelivered.contains(error));
    untold.for_each(|error| ui::warning(&error.to_string()));
    let products: Vec<(Product, Vec<InputFile>)> = if parameters.mosaic {
        let mut all: Vec<InputFile> = by_detector.into_iter().flat_map(|(_, sources)| sources).collect();
        all.sort();
        if all.is_empty() { Vec::new() } else { vec![(Product::Mosaic, all)] }
    } else {
        by_detector.into_iter().map(|(detector, sources)| (Product::Cube(detector), sources)).collect()
    };
    let jobs: Vec<Job<'_>> = products
        .into_iter()
        .map(|(product, sources)| Job {
            parameters,
            product,
            sources,
            failed: &failed,
            overwrite: parameters.overwrite || stages.resuming(),
            configuration: configuration_lines(settings, product),
            verbosity: global.verbosity(),
        })
        .collect();
    if jobs.is_empty() {
        return Err(match failed.len() {
            0 => Failure::nothing_found(anyhow!("no input is of the detector that was asked for")),
            n => anyhow!("none of the {n} inputs could be used").into(),
        });
    }
    run_jobs(&jobs, settings, stages, global)
}

/// Sources of each detector, in order; those named by the user that are of another detector than the one
/// asked for have failed, those met in a directory are left aside.
fn select(
    sources: Vec<InputFile>,
    mut failed: Vec<InputError>,
    wanted: Option<Detector>,
    global: &Global,
) -> (Vec<(Detector, Vec<InputFile>)>, Vec<InputError>) {
    let mut aside = 0;
    let mut by_detector: Vec<(Detector, Vec<InputFile>)> = Detector::ALL.map(|d| (d, Vec::new())).into();
    for source in sources {
        let detector = source.id.detector;
        if wanted.is_none_or(|wanted| wanted == detector) {
            by_detector[usize::from(detector.number()) - 1].1.push(source);
        } else if source.named {
            let expected = wanted.map_or(0, Detector::number);
            let problem = format!("HDU IMAGE: card DETECTOR is {}, not {expected}", detector.number());
            failed.push(InputError::new(&source.path, problem));
        } else {
            aside += 1;
        }
    }
    if aside > 0 {
        ui::note(global.verbosity(), &format!("{aside} images of other detectors are left aside"));
    }
    by_detector.retain(|(_, sources)| !sources.is_empty());
    failed.sort();
    (by_detector, failed)
}

/// The same exposure in two files may be two cutouts of it, so both are used; but the user should know.
fn warn_of_duplicates(sources: &[InputFile]) {
    let pairs: Vec<_> = sources.windows(2).filter(|w| w[0].id == w[1].id).collect();
    if let Some(first) = pairs.first() {
        ui::warning(&format!(
            "{} files repeat an exposure, and all are used: {} and {} are both {}",
            pairs.len(),
            first[0].name,
            first[1].name,
            first[0].id
        ));
    }
}

/// Checks all that can be checked before the work begins, then makes cube after cube.
fn run_jobs(
    jobs: &[Job<'_>],
    settings: &DrizzleSettings,
    stages: &mut Stages<'_>,
    global: &Global,
) -> Result<Cubes, Failure> {
    if jobs.len() > 1 && jobs[0].parameters.accumulate.is_some() {
        let detectors: Vec<String> = jobs.iter().map(|job| job.product.to_string()).collect();
        let found = detectors.join(", ");
        return Err(Failure::usage(anyhow!("accumulate takes one detector, and the inputs are of {found}")));
    }
    let mut plans = Vec::new();
    for job in jobs {
        let plan = job.plan().map_err(Failure::usage)?;
        let accumulate = job.parameters.accumulate.as_deref();
        let sums = accumulate.map(|path| Sums::open(path, &job.configuration)).transpose()?;
        check_memory(job.memory(&plan, sums.as_ref().map_or(0, Sums::exposures)), job.parameters.max_memory)?;
        if job.parameters.sums_only {
            plans.push((plan, sums));
            continue;
        }
        if !job.overwrite && job.output().symlink_metadata().is_ok() {
            return Err(Failure::exists(&job.output()));
        }
        stages.clear(&job.output())?;
        stages.clear(&job.configuration_file())?;
        plans.push((plan, sums));
    }
    let first = jobs[0].parameters;
    let output = if first.sums_only { None } else { Some(OutputDirectory::create(&first.output_dir)?) };
    let mut cubes = Cubes { reports: Vec::new(), failures: Vec::new() };
    for (job, (plan, sums)) in jobs.iter().zip(plans) {
        let is_there = |report: &CubeReport| {
            report.accumulator.iter().chain([&report.file]).all(|file| Path::new(file).exists())
        };
        let made = stages.run(&job.product.stem(), job.fingerprint(), is_there, || {
            let report = job.run(plan, sums, &global.terminal())?;
            if !job.parameters.sums_only {
                write_configuration(job, settings)?;
            }
            Ok::<_, Failure>(report)
        });
        match made {
            Ok(report) => cubes.reports.push(report),
            Err(failure) if failure.outcome() == Outcome::Interrupted => return Err(failure),
            Err(failure) => cubes.failures.push(failure),
        }
    }
    if cubes.reports.is_empty()
        && let Some(failure) = cubes.failures.pop()
    {
        cubes.failures.iter().for_each(|other| ui::error(&other.to_string()));
        return Err(failure);
    }
    output.into_iter().for_each(OutputDirectory::keep);
    Ok(cubes)
}

/// Refuses what would not fit before anything is allocated.
pub(crate) fn check_memory(needed: u64, max_memory: Option<f64>) -> Result<(), Failure> {
    const GIB: f64 = 1_073_741_824.0;
    let (allowed, name) = match max_memory {
        Some(gib) => (gib * GIB, "max_memory allows"),
        None => (0.9 * available_memory() as f64, "is available"),
    };
    if needed as f64 <= allowed {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "a cube of this size needs about {:.1} GiB of memory, and {:.1} GiB {name}: make the region smaller or \
         the sampling coarser",
        needed as f64 / GIB,
        allowed / GIB
    )))
}

/// Memory that the system, or the control group that we run in, can still give [bytes].
fn available_memory() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    system.available_memory().min(group)
}

/// The configuration as it stands in the cube's history: what shapes the result, not where it was run.
fn configuration_lines(settings: &DrizzleSettings, product: Product) -> Vec<String> {
    let scientific = DrizzleSettings {
        detector: product.detector().map_or(settings.detector, |d| Some(d.number())),
        input: None,
        output_dir: None,
        overwrite: None,
        accumulate: None,
        sums_only: None,
        max_memory: None,
        archive: ArchiveSettings::default(),
        ..settings.clone()
    };
    let table = toml::Table::try_from(scientific).unwrap_or_default();
    table.iter().map(|(key, value)| format!("{key} = {value}")).collect()
}

/// Writes the resolved configuration beside the cube: `drizzle_D<n>.toml`.
fn write_configuration(job: &Job<'_>, settings: &DrizzleSettings) -> Result<(), Failure> {
    let detector = job.product.detector().map_or(settings.detector, |d| Some(d.number()));
    let settings = DrizzleSettings { detector, ..settings.clone() };
    let path = job.configuration_file();
    let text = format!("# What {}.fits was made with.\n{}", job.product.stem(), toml::to_string(&settings)?);
    atomic::write(&path, text.as_bytes(), true).with_context(|| path.display().to_string())?;
    Ok(())
}

/// One paragraph a cube on standard error.
fn summarise(cube: &CubeReport, global: &Global) {
    let [nz, ny, nx] = cube.shape;
    let CubeReport { detector, used, rejected, failed, .. } = cube;
    let mut text = format!(
        "{detector}: {nx} x {ny} x {nz} voxels; inputs: {used} used, {rejected} rejected, {failed} failed"
    );
    if !cube.accumulated.is_empty() {
        text.push_str(&format!("; {} of them in earlier runs", cube.accumulated.len()));
    }
    ui::note(global.verbosity(), &text);
    for input in &cube.inputs {
        let Some(reason) = &input.reason else { continue };
        match input.status {
            Status::Used => ui::warning(&format!("{}: {reason}", input.file)),
            Status::Rejected => ui::note(global.verbosity(), &format!("  rejected {}: {reason}", input.file)),
            // Said when it happened, unless it happened in the drizzle.
            Status::Failed if input.exposure.is_some() => ui::warning(&failed_line(input, reason)),
            Status::Failed => {}
        }
    }
}

fn failed_line(input: &InputReport, reason: &str) -> String {
    format!("{}: {reason}", input.file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key stands in the template, with the default that is in force.
    #[test]
    fn the_template_tells_the_defaults() {
        let uncommented: String = TEMPLATE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if !key.starts_with([' ', '\n']) => format!("{key}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let told: DrizzleSettings = toml::from_str(&uncommented).unwrap();
        let mut told = toml::Table::try_from(told).unwrap();
        let plain: DrizzleSettings = toml::from_str(TEMPLATE).unwrap();
        let defaults = toml::Table::try_from(plain.completed()).unwrap();
        for example in [
            "input",
            "accumulate",
            "max_memory",
            "z_edges",
            "mjd_range",
            "data_mirror",
            "sources",
            "good_bits",
            "weight",
            "weight_map",
            "input_box",
            "flux_scale",
            "pixel_scale_ratio",
            "fillval",
            "planes",
            "err",
            "variances",
            "variance_method",
            "only_mean",
        ] {
            assert!(told.remove(example).is_some(), "{example} has no default, but an example");
        }
        assert_eq!(told, defaults);
    }
}
