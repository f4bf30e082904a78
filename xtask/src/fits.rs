//! `cargo xtask compare-fits`: the FITS reader of spx-core against astropy on any number of random
//! files.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

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
