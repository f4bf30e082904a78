//! `cargo xtask golden`: the reference values of testdata, made again by the oracles in
//! `xtask/python`.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

const SETS: [&str; 12] = [
    "catalog",
    "wcs",
    "cube",
    "photometry",
    "scene",
    "spxquery",
    "votable",
    "kernels",
    "resample",
    "fits",
    "maps",
    "reproject",
];

/// Makes the named sets, or all.
pub(crate) fn run(which: &[&str]) -> Result<()> {
    if let Some(unknown) = which.iter().find(|w| !SETS.contains(w)) {
        bail!("no reference values named {unknown}: there are {}", SETS.join(", "));
    }
    for set in SETS.iter().filter(|s| which.is_empty() || which.contains(s)) {
        println!("golden {set}");
        let python = match *set {
            "catalog" => process::python("venv-parquet", "requirements-parquet.txt")?,
            "reproject" => process::python("venv-reproject", "requirements-reproject.txt")?,
            "resample" => process::python("venv-stcal", "requirements-stcal.txt")?,
            _ => process::oracle_python()?,
        };
        let script = process::script(&format!("golden_{set}.py"));
        process::run(Command::new(&python).arg(script).arg(process::root().join("testdata")))?;
    }
    Ok(())
}
