//! `cargo xtask irsa-tutorial`: do the steps of IRSA's tutorials on spectra and cubes work on what
//! spx exports?

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{self, ServedArchive};

/// Simulates a few exposures of both releases, serves them, measures a star, makes a cube, exports
/// both and runs the script.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    if !options.is_empty() {
        bail!("cargo xtask irsa-tutorial takes no options");
    }
    let spx = process::build_spx("dev")?;
    let folder = process::cache()?.join("irsa-tutorial");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let place = ["--ra", "186.4536", "--dec", "33.5468"];
    let run = |words: &[&str]| process::run(&mut spx_in(&spx, &folder, words));
    let simulate = ["simulate", "--exposures", "12", "--size", "100", "--release", "mixed", "-o", "images"];
    run(&[&simulate[..], &place[..]].concat())?;
    let archive = ServedArchive::start(&mut spx_in(&spx, &folder, &["serve", "images"]))?;
    let calibration = ["--calibration", "images"];
    let table =
        ["run", "--archive-url", archive.url(), "--columns", "irsa", "--format", "votable", "-o", "run"];
    run(&[&table[..], &place[..], &calibration[..]].concat())?;
    let region = ["--width", "4", "--height", "4", "--detector", "3", "--input", "images", "-o", "."];
    run(&[&["drizzle"], &place[..], &region[..], &calibration[..]].concat())?;
    run(&["cube", "export", "drizzle_D3.fits", "--for", "irsa", "-o", "irsa.fits"])?;
    let mut script = Command::new(process::python("venv", "requirements.txt")?);
    script.arg(process::script("irsa_tutorial.py"));
    script.args(["run/results/lightcurve.vot", "drizzle_D3.fits", "irsa.fits"]);
    process::run(script.current_dir(&folder))
}

fn spx_in(spx: &Path, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(spx);
    command.args(words).arg("--quiet").current_dir(folder);
    command
}
