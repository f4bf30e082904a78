//! A local archive with a handful of images, and commands that ask it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_serve::{Faults, LocalArchive, ServeOptions};
use spx_sim::{
    ExposureOptions, FieldOptions, FrameExtent, SimulatedRelease, SimulatedSky, SurveyOptions, observe,
    survey, write_mef,
};

use super::{Run, ended, without_modification_times};

/// The field's center, as arguments.
pub(crate) const PLACE: [&str; 2] = ["--ra=186.4536", "--dec=33.5468"];
/// Observations; each has an image of D1 and one of D3.
pub(crate) const OBSERVATIONS: usize = 3;

/// The files of the archive: cutouts of 48 px, 5 MB each for their PSFs. They are made once and
/// kept in the target directory.
pub(crate) fn images() -> &'static Path {
    static IMAGES: OnceLock<PathBuf> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("archive-images");
        if !place.exists() {
            let new = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            simulate(&new.path().join("images"));
            // Another test may have been faster; its files are the same.
            fs::rename(new.path().join("images"), &place).ok();
        }
        place
    })
}

fn simulate(directory: &Path) {
    let center = Position::new(186.4536, 33.5468).unwrap();
    let detectors = [1, 3].map(|n| Detector::new(n).unwrap()).to_vec();
    let sky = SimulatedSky::field(center, 0.03, 5, 5, &FieldOptions::default()).unwrap();
    let frame = FrameExtent::Around { position: center, size: 48 };
    let options = SurveyOptions { observations: OBSERVATIONS, detectors, ..Default::default() };
    for pointing in survey(center, &options).unwrap() {
        let exposure = observe(&sky, &pointing, &ExposureOptions { frame, ..Default::default() }).unwrap();
        let path = directory.join(pointing.archive_path(SimulatedRelease::Qr2));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_mef(&path, &exposure, false).unwrap();
    }
}

/// Every file below a directory: path relative to it, with contents.
pub(crate) fn tree(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(directory, directory, &mut found);
    found
}

/// Everything in a directory but the lines that say when it was made.
pub(crate) fn timeless(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let timed = |line: &&[u8]| {
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        line.contains("generated") || line.contains("query_time")
    };
    let files = tree(directory).into_iter();
    files
        .map(|(name, bytes)| {
            let bytes = without_modification_times(&bytes);
            (name, bytes.split(|b| *b == b'\n').filter(|l| !timed(l)).collect::<Vec<_>>().concat())
        })
        .collect()
}

/// The files of the archive by their names, of D1 and D3 or of one of them.
pub(crate) fn originals(band: &str) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let files = tree(images()).into_iter().map(|(path, bytes)| (name(&path), bytes));
    files.filter(|(name, _)| name.contains(&format!("{band}_spx"))).collect()
}

/// Serves a directory with faults.
pub(crate) fn serve(directory: &Path, faults: Faults) -> LocalArchive {
    LocalArchive::start(directory, ServeOptions { faults, ..ServeOptions::default() }).unwrap()
}

/// An archive that behaves.
pub(crate) fn archive() -> LocalArchive {
    serve(images(), Faults::default())
}

/// Runs a command for the place, against an archive.
pub(crate) fn ask(archive: &LocalArchive, folder: &Path, command: &str, more: &[&str]) -> Run {
    ended(asking(archive, folder, command, more))
}

/// The same, to be run.
pub(crate) fn asking(archive: &LocalArchive, folder: &Path, command: &str, more: &[&str]) -> Command {
    let url = format!("--archive-url={}", archive.url());
    super::command(folder, &[&[command, url.as_str()], &PLACE[..], more].concat())
}

/// The images of the archive, linked, so that a test may add and remove some.
pub(crate) fn linked() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for path in tree(images()).keys() {
        let link = folder.path().join(path);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        fs::hard_link(images().join(path), link).unwrap();
    }
    folder
}

/// The path below the archive of the first image of a band.
pub(crate) fn first_of(band: &str) -> String {
    tree(images()).into_keys().find(|path| path.contains(&format!("{band}_spx"))).unwrap()
}
