//! `cargo xtask irsa-tutorial`: do the steps of IRSA's tutorials on spectra and cubes work on what
//! spx exports?

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Simulates a few exposures, measures them, makes a cube, exports both and runs the script.
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
    let run = |words: &[&str]| spx_in(&spx, &folder, words);
    run(&[&["simulate"], &place[..], &["--exposures", "12", "--size", "100", "-o", "images"]].concat())?;
    let table = ["photometry", "images", "--columns", "irsa", "--output", "table.vot"];
    run(&[&table[..], &place[..]].concat())?;
    let region = ["--width", "4", "--height", "4", "--detector", "3", "--input", "images", "-o", "."];
    run(&[&["drizzle"], &place[..], &region[..]].concat())?;
    run(&["cube", "export", "drizzle_D3.fits", "--for", "irsa", "-o", "irsa.fits"])?;
    let mut script = Command::new(process::python("venv", "requirements.txt")?);
    script.arg(process::script("irsa_tutorial.py")).args(["table.vot", "drizzle_D3.fits", "irsa.fits"]);
    process::run(script.current_dir(&folder))
}

fn spx_in(spx: &Path, folder: &Path, words: &[&str]) -> Result<()> {
    process::run(Command::new(spx).args(words).arg("--quiet").current_dir(folder))
}
