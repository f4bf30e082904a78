//! `cargo xtask survey`: a small survey on Snakemake and on Dask, killed, continued and added to,
//! against one process; a large plan.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// Runs the script with the release build of spx, or with that of `--spx`.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut spx, mut words): (Option<PathBuf>, Vec<&str>) = (None, Vec::new());
    let mut rest = arguments.iter().copied();
    while let Some(word) = rest.next() {
        match word {
            "--plan" => words.push(word),
            "--kills" => words.extend([word, rest.next().context("--kills needs a value")?]),
            "--spx" => spx = Some(std::path::absolute(rest.next().context("--spx needs a value")?)?),
            _ => bail!("cargo xtask survey [--plan] [--kills N] [--spx PATH]"),
        }
    }
    let spx = spx.map_or_else(|| process::build_spx("release"), Ok)?;
    let python = process::python("venv-survey", "requirements-survey.txt")?;
    let folder = process::cache()?.join("survey");
    let engines = process::root().join("docs/engines");
    process::run(
        Command::new(python).arg(process::script("survey.py")).args([spx, engines, folder]).args(words),
    )
}
