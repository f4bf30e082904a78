//! A directory of small simulated files, and an archive that serves them.

use std::path::{Path, PathBuf};

use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_serve::{LocalArchive, ServeOptions};
use spx_sim::{
    ExposureOptions, FieldOptions, FrameExtent, Pointing, SimulatedRelease, SimulatedSky, SurveyOptions,
    observe, survey, write_mef,
};
use tempfile::TempDir;

pub(crate) fn center() -> Position {
    Position::new(186.4536, 33.5468).unwrap()
}

/// Observes the field with detectors 1 and 3, each `observations` times.
pub(crate) fn plan(observations: usize) -> Vec<Pointing> {
    let detectors = [1, 3].map(|n| Detector::new(n).unwrap()).to_vec();
    survey(center(), &SurveyOptions { observations, detectors, ..SurveyOptions::default() }).unwrap()
}

/// Writes an exposure below `dir` as the archive lays its files out, or by its name alone.
pub(crate) fn write(
    dir: &Path,
    pointing: &Pointing,
    release: SimulatedRelease,
    frame: FrameExtent,
    laid_out: bool,
) -> PathBuf {
    let sky = SimulatedSky::field(center(), 0.1, 5, 5, &FieldOptions::default()).unwrap();
    let exposure =
        observe(&sky, pointing, &ExposureOptions { release, frame, ..Default::default() }).unwrap();
    let name = if laid_out { pointing.archive_path(release) } else { pointing.file_name(release) };
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_mef(&path, &exposure, false).unwrap();
    path
}

pub(crate) fn around(size: usize) -> FrameExtent {
    FrameExtent::Around { position: center(), size }
}

/// Cutouts of 100 px of two observations by two detectors, in the layout of the archive.
pub(crate) fn small() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for pointing in plan(2) {
        write(dir.path(), &pointing, SimulatedRelease::Qr2, around(100), true);
    }
    dir
}

pub(crate) fn serve(dir: &Path, options: ServeOptions) -> LocalArchive {
    LocalArchive::start(dir, options).unwrap()
}
