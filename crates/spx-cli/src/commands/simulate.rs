//! `spx simulate`: exposures of a synthetic sky, written as the archive's files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde_json::json;
use spx_core::detector::Detector;
use spx_core::progress::Progress;
use spx_core::sky::{Position, parse_declination, parse_right_ascension};
use spx_pipeline::output::check_directory;
use spx_pipeline::settings::SettingLimits;
use spx_sim::{
    ExposureOptions, FieldOptions, FrameExtent, Pointing, RealisticOptions, SimError, SimulatedRelease,
    SimulatedSky, SurveyOptions, observe_attended, survey, write_calibration, write_mef,
    write_qr2_calibration, write_truth,
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
/// radius_arcsec.
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
    if let Some(path) = files.iter().map(|file| &file.path).chain([&truth]).find(|path| path.exists()) {
        let text = format!("{} exists; choose another directory, or remove it", path.display());
        return Err(Failure::usage(anyhow!(text)));
    }
    write_all(&sky, &files, args.gzip, &global.terminal())?;
    write_truth(&truth, &sky)?;
    if let (ReleaseName::Mixed, Some(realism)) = (args.release, args.realism()) {
        for &detector in &args.detectors {
            write_calibration(&args.output_dir, detector, &realism)?;
            write_qr2_calibration(&args.output_dir, detector)?;
        }
    }
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

/// Writes exposures side by side.
///
/// # Errors
/// Where a file exists or cannot be written, or the user has interrupted; files that are complete
/// stay.
pub(crate) fn write_all(
    sky: &SimulatedSky,
    files: &[SimulatedFile],
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
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let exposure = observe_attended(sky, pointing, options, progress).map_err(|error| match error {
            SimError::Cancelled => Failure::interrupted(),
            other => anyhow!("{}: {other}", path.display()).into(),
        })?;
        write_mef(path, &exposure, gzip)?;
        progress.advance(1);
        Ok(())
    });
    progress.finish();
    written
}
