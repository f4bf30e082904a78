//! `spx simulate`: exposures of a synthetic sky, written as the archive's files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde_json::json;
use spx_core::atomic;
use spx_core::detector::Detector;
use spx_core::progress::Progress;
use spx_core::sky::{Position, parse_declination, parse_right_ascension};
use spx_pipeline::output::check_directory;
use spx_pipeline::settings::SettingLimits;
use spx_pipeline::stages::lock;
use spx_sim::{
    ExposureOptions, FieldOptions, FrameExtent, Pointing, RealisticOptions, SimError, SimulatedRelease,
    SimulatedSky, SurveyOptions, observe_attended, survey, write_calibration_attended, write_mef_attended,
    write_qr2_calibration_attended, write_truth,
};

use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::number;
use crate::ui;

/// Write simulated exposures of a field of stars, and the truth as a table.
///
/// The files have the layout of the archive's, so every command accepts them. Stars have power-law
/// spectra, an extended source lies half way to the edge of the field, and zodiacal light lies over
/// everything. The detectors are like the real ones: VARIANCE follows the observed rate, the PSF
/// varies over the detector, and pixels are flagged at the real rates and carry wild values.
/// --plain gives a Gaussian PSF and noise that does not depend on the light instead. The truth goes
/// to truth.csv: id, kind, ra, dec [deg], flux_2um_ujy, slope (of f_nu in wavelength),
/// radius_arcsec. The same command continues an interrupted simulation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx simulate --ra 186.4536 --dec 33.5468 -o data
  spx simulate --ra 270 --dec 66.56 --detectors D3,D4 --exposures 40 --size full -o frames
  spx simulate --ra 10 --dec 41 --release qr3 --gzip -o data && spx inspect data/*.fits
  spx simulate --ra 10 --dec 41 --release mixed --detectors D1,D5 --layout archive -o mirror")]
pub(crate) struct SimulateArgs {
    /// Right ascension of the field's center [deg]; also as 12h25m48.9s or 12:25:48.9
    #[arg(long, value_name = "DEG", allow_hyphen_values = true, value_parser = parse_right_ascension)]
    ra: f64,
    /// Declination of the field's center [deg]; also as +33d32m48s or +33:32:48
    #[arg(long, value_name = "DEG", allow_hyphen_values = true, value_parser = parse_declination)]
    dec: f64,
    /// Directory for the files
    #[arg(short, long, value_name = "DIR", default_value = "simulated")]
    output_dir: PathBuf,
    /// Exposures of each detector; with 20 and more every channel sees the field
    #[arg(long, value_name = "N", default_value_t = 24)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=40_000))]
    exposures: usize,
    /// Detectors, such as D1,D3
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "D3")]
    detectors: Vec<Detector>,
    /// Cutouts of this many pixels around the center, or full
    #[arg(long, value_name = "PX|full", default_value = "200", value_parser = parse_size)]
    size: FrameSize,
    /// Radius of the field of stars [deg]
    #[arg(long, value_name = "DEG", default_value_t = 0.15)]
    #[arg(value_parser = number(SettingLimits::above(0.0, 30.0)))]
    radius: f64,
    /// Number of stars
    #[arg(long, value_name = "N", default_value_t = 40)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(0..=1_000_000))]
    stars: usize,
    /// A Gaussian PSF, noise that does not depend on the light, few bad pixels
    #[arg(long)]
    plain: bool,
    /// Noise of a pixel of plain images [MJy/sr]
    #[arg(long, value_name = "X", default_value_t = 0.01, requires = "plain")]
    #[arg(value_parser = number(SettingLimits::between(0.0, 1000.0)))]
    noise: f64,
    /// Share of pixels with a cosmic-ray hit that is not flagged
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, conflicts_with = "plain")]
    #[arg(value_parser = number(SettingLimits::between(0.0, 1.0)))]
    unflagged_hits: f64,
    /// Airglow in the line He I 1.083 um (D1 and D2), in units of the zodiacal light; up to 30 in
    /// real images
    #[arg(long, value_name = "X", default_value_t = 0.0, conflicts_with = "plain")]
    #[arg(value_parser = number(SettingLimits::between(0.0, 100.0)))]
    airglow: f64,
    /// Zodiacal light in IMAGE divided by the model in ZODI
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    #[arg(value_parser = number(SettingLimits::between(0.0, 1000.0)))]
    zodi_scale: f64,
    /// Release; mixed: every other observation is of Quick Release 3, the others have the gain
    /// error of Quick Release 2, and the calibration products of both are written to DIR/qr2 and
    /// DIR/qr3, as in the archive
    #[arg(long, value_name = "NAME", default_value = "qr2")]
    release: ReleaseName,
    /// Compress the files; they keep their names
    #[arg(long)]
    gzip: bool,
    /// Names below the directory: only the file, or the path in the archive
    #[arg(long, value_name = "NAME", default_value = "flat")]
    layout: Layout,
    /// Start of the first exposure [MJD]
    #[arg(long, value_name = "DAYS", default_value_t = SurveyOptions::default().first_mjd)]
    #[arg(value_parser = number(SettingLimits::between(45.0, 100_000.0)))]
    mjd: f64,
    /// Seed of the random numbers; the same seed gives the same files
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
enum FrameSize {
    Full,
    Cutout(usize),
}

fn parse_size(text: &str) -> Result<FrameSize, String> {
    match text {
        "full" => Ok(FrameSize::Full),
        _ => match text.trim_end_matches("px").parse() {
            Ok(size @ 1..=Detector::NPIX) => Ok(FrameSize::Cutout(size)),
            _ => Err(format!("expected `full` or a number of pixels from 1 to {}", Detector::NPIX)),
        },
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReleaseName {
    /// Quick Release 2
    Qr2,
    /// Quick Release 3
    Qr3,
    /// Both in turn
    Mixed,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Layout {
    /// DIR/level2_....fits
    Flat,
    /// DIR/qr2/level2/.../level2_....fits, as in the archive
    Archive,
}

impl SimulateArgs {
    /// Releases of the observations, in turn.
    fn releases(&self) -> &'static [SimulatedRelease] {
        match self.release {
            ReleaseName::Qr2 => &[SimulatedRelease::Qr2],
            ReleaseName::Qr3 => &[SimulatedRelease::Qr3],
            ReleaseName::Mixed => &[SimulatedRelease::Qr2, SimulatedRelease::Qr3],
        }
    }

    fn realism(&self) -> Option<RealisticOptions> {
        let realism = RealisticOptions {
            unflagged_hits: self.unflagged_hits,
            airglow: self.airglow,
            gain_error: matches!(self.release, ReleaseName::Mixed),
            ..RealisticOptions::default()
        };
        (!self.plain).then_some(realism)
    }

    fn options(&self, center: Position) -> ExposureOptions {
        ExposureOptions {
            frame: match self.size {
                FrameSize::Full => FrameExtent::Full,
                FrameSize::Cutout(size) => FrameExtent::Around { position: center, size },
            },
            sigma: self.noise,
            zodi_scale: self.zodi_scale,
            realism: self.realism(),
            ..ExposureOptions::default()
        }
    }

    /// Everything that the files depend on, to recognize a run that continues this one.
    fn settings(&self) -> String {
        let Self {
            ra,
            dec,
            output_dir: _,
            exposures,
            detectors,
            size,
            radius,
            stars,
            plain,
            noise,
            unflagged_hits,
            airglow,
            zodi_scale,
            release,
            gzip,
            layout,
            mjd,
            seed,
        } = self;
        let detectors: Vec<String> = detectors.iter().map(Detector::to_string).collect();
        let size = match size {
            FrameSize::Full => Detector::NPIX,
            FrameSize::Cutout(size) => *size,
        };
        format!(
            "# Settings of the unfinished simulation in this directory: repeat the same command to continue it.\n\
             version = \"{}\"\nra = {ra}\ndec = {dec}\nexposures = {exposures}\ndetectors = \"{}\"\n\
             size = {size}\nradius = {radius}\nstars = {stars}\nplain = {plain}\nnoise = {noise}\n\
             unflagged_hits = {unflagged_hits}\nairglow = {airglow}\nzodi_scale = {zodi_scale}\n\
             release = \"{release:?}\"\ngzip = {gzip}\nlayout = \"{layout:?}\"\nmjd = {mjd}\nseed = {seed}\n",
            env!("CARGO_PKG_VERSION"),
            detectors.join(",")
        )
    }

    /// The files to be written, one for each pointing.
    fn files(&self, center: Position) -> Result<Vec<SimulatedFile>, Failure> {
        let plan = SurveyOptions {
            observations: self.exposures,
            detectors: self.detectors.clone(),
            first_mjd: self.mjd,
            seed: self.seed,
            ..SurveyOptions::default()
        };
        let (releases, options) = (self.releases(), self.options(center));
        options.check().map_err(Failure::usage)?;
        let pointings = survey(center, &plan).map_err(Failure::usage)?;
        let file = |(k, pointing): (usize, Pointing)| {
            // All detectors of an observation are of one release.
            let release = releases[k / self.detectors.len().max(1) % releases.len()];
            let path = self.output_dir.join(match self.layout {
                Layout::Flat => pointing.file_name(release),
                Layout::Archive => pointing.archive_path(release),
            });
            SimulatedFile { path, pointing, options: ExposureOptions { release, ..options.clone() } }
        };
        Ok(pointings.into_iter().enumerate().map(file).collect())
    }
}

/// A file to be written.
pub(crate) struct SimulatedFile {
    pub(crate) path: PathBuf,
    pub(crate) pointing: Pointing,
    pub(crate) options: ExposureOptions,
}

/// Runs the command.
pub(crate) fn run(args: &SimulateArgs, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    check_directory(&args.output_dir)?;
    let center = Position::new(args.ra, args.dec).map_err(Failure::usage)?;
    let sky = SimulatedSky::field(center, args.radius, args.stars, args.seed, &FieldOptions::default());
    let sky = sky.map_err(Failure::usage)?;
    let files = args.files(center)?;
    let truth = args.output_dir.join("truth.csv");
    let unfinished = Unfinished::begin(args, &files, &truth, global)?;
    let terminal = global.terminal();
    let missing: Vec<&SimulatedFile> = files.iter().filter(|file| !file.path.exists()).collect();
    write_all(&sky, &missing, args.gzip, &terminal)?;
    if !truth.exists() {
        write_truth(&truth, &sky)?;
    }
    if let (ReleaseName::Mixed, Some(realism)) = (args.release, args.realism()) {
        for &detector in &args.detectors {
            write_calibration_attended(&args.output_dir, detector, &realism, &terminal)
                .and_then(|_| write_qr2_calibration_attended(&args.output_dir, detector, &terminal))
                .map_err(failed)?;
        }
    }
    unfinished.end()?;
    if global.json {
        let files: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let report = json!({ "output_dir": args.output_dir, "files": files, "truth": truth });
        ui::data(&format!("{report:#}\n"))?;
    } else {
        files.iter().try_for_each(|file| ui::data(&format!("{}\n", file.path.display())))?;
    }
    ui::note(
        global.verbosity(),
        &format!("{} exposures and truth.csv in {}", files.len(), args.output_dir.display()),
    );
    Ok(Outcome::Done)
}

/// An unfinished simulation: a file records its settings, so that the same command continues it and
/// other settings are refused.
struct Unfinished {
    path: PathBuf,
    /// Held until the end.
    _lock: Option<File>,
}

impl Unfinished {
    /// Refuses a directory that already contains such files, unless an interrupted run with the
    /// same settings wrote them; removes its incomplete files.
    fn begin(
        args: &SimulateArgs,
        files: &[SimulatedFile],
        truth: &Path,
        global: &Global,
    ) -> Result<Self, Failure> {
        let directory = &args.output_dir;
        let (path, settings) = (directory.join("simulate_state.toml"), args.settings());
        let left = fs::read_to_string(&path).ok();
        let goes_on = left.as_ref() == Some(&settings);
        if left.is_some() && !goes_on {
            let text = format!(
                "{} holds a part of a simulation with other settings (see {})",
                directory.display(),
                path.display()
            );
            return Err(Failure::usage(anyhow!("{text}; choose another directory, or remove it")));
        }
        let mut all = files.iter().map(|file| file.path.as_path()).chain([truth]);
        if let Some(path) = all.find(|path| !goes_on && path.exists()) {
            let text = format!("{} exists; choose another directory, or remove it", path.display());
            return Err(Failure::usage(anyhow!(text)));
        }
        let context = || directory.display().to_string();
        fs::create_dir_all(directory).with_context(context)?;
        let lock = lock(directory)?;
        if goes_on {
            let there = files.iter().filter(|file| file.path.exists()).count();
            let text = format!("continuing a simulation of which {there} exposures are written");
            ui::note(global.verbosity(), &text);
            let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.path.parent()).collect();
            for folder in folders.into_iter().chain([directory.as_path()]) {
                atomic::remove_all_leftovers(folder).with_context(|| folder.display().to_string())?;
            }
        } else {
            atomic::write(&path, settings.as_bytes(), false).with_context(context)?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// All files are written.
    fn end(self) -> Result<(), Failure> {
        fs::remove_file(&self.path).with_context(|| self.path.display().to_string())?;
        Ok(())
    }
}

/// The failure of a command whose simulation failed; the error already has the path.
pub(crate) fn failed(error: SimError) -> Failure {
    match error {
        SimError::Cancelled => Failure::interrupted(),
        other => other.into(),
    }
}

/// Writes exposures side by side.
///
/// # Errors
/// Where a file exists or cannot be written, or the user has interrupted; files that are complete
/// stay.
pub(crate) fn write_all(
    sky: &SimulatedSky,
    files: &[&SimulatedFile],
    gzip: bool,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    progress.start("simulate", files.len() as u64);
    let written = files.par_iter().try_for_each(|file| -> Result<(), Failure> {
        let SimulatedFile { path, pointing, options } = file;
        if progress.cancelled() {
            return Err(Failure::interrupted());
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let exposure = observe_attended(sky, pointing, options, progress).map_err(|error| match error {
            SimError::Cancelled => Failure::interrupted(),
            other => anyhow!("{}: {other}", path.display()).into(),
        })?;
        write_mef_attended(path, &exposure, gzip, progress).map_err(failed)?;
        progress.advance(1);
        Ok(())
    });
    progress.finish();
    written
}
