//! `cargo xtask compare-fits` and `cargo xtask fuzz`: the FITS reader of spx-core against astropy
//! on any number of random files, and on files that are changed at random, for as long as one
//! likes.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// Memory that a fuzzing process may take \[kB\]; the files have up to 40 kB.
const FUZZ_MEMORY: u32 = 1_000_000;

/// Compares N random images and tables with what astropy reads in them.
pub(crate) fn compare(options: &[&str]) -> Result<()> {
    let (mut cases, mut seed) = (100_000, 1);
    for pair in options.chunks(2) {
        match *pair {
            ["--cases", value] => cases = process::count("--cases", value)?,
            ["--seed", value] => seed = process::count("--seed", value)?,
            _ => bail!("expected --cases N or --seed N, found {pair:?}"),
        }
    }
    let folder = process::cache()?.join("compare-fits");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut python = Command::new(process::oracle_python()?);
    python.arg(process::script("golden_fits.py"));
    python.args(["--cases", &cases.to_string(), "--seed", &seed.to_string()]).arg(&folder);
    process::run(&mut python)?;
    let test = ["test", "--release", "-p", "spx-core", "--test", "fits_oracle"];
    process::run(process::cargo(&test).env("SPX_FITS_CASES", &folder))?;
    println!("{cases} cases agree with astropy (seed {seed})");
    Ok(fs::remove_dir_all(&folder)?)
}

/// Reads changed files for so many minutes, with a seed that is told.
pub(crate) fn fuzz(options: &[&str]) -> Result<()> {
    let minutes = match options {
        [] => 5,
        ["--minutes", value] => process::count("--minutes", value)?,
        _ => bail!("expected --minutes N, found {options:?}"),
    };
    process::run(&mut process::cargo(&[
        "test",
        "--release",
        "-p",
        "spx-core",
        "--test",
        "fits_fuzz",
        "--no-run",
    ]))?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = now.context("the clock stands before 1970")?.as_secs();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // Memory is bounded from the outside, so that a reader that believes a header is found out.
    let run = format!(
        "ulimit -v {FUZZ_MEMORY}; exec '{cargo}' test --release -p spx-core --test fits_fuzz -- --nocapture"
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &run]).current_dir(process::root());
    shell.env("SPX_FUZZ_SECONDS", (60 * minutes).to_string()).env("SPX_FUZZ_SEED", seed.to_string());
    process::run(&mut shell)
}
