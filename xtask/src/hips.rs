//! `cargo xtask hips`: a HiPS of simulated exposures, looked at by programs of others.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{browser, process};

/// Runs the script with the release build of spx, or with that of `--spx`; with `--aladin FILE`,
/// the `aladin.js` of the npm package aladin-lite, also in Chromium.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut spx, mut aladin): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    for pair in arguments.chunks(2) {
        match pair {
            ["--spx", path] => spx = Some(std::path::absolute(path)?),
            ["--aladin", path] => aladin = Some(std::path::absolute(path)?),
            _ => bail!("cargo xtask hips [--aladin FILE] [--spx PATH]"),
        }
    }
    let spx = spx.map_or_else(|| process::build_spx("release"), Ok)?;
    let python = process::python("venv-hips", "requirements-hips.txt")?;
    let folder = process::cache()?.join("hips");
    // What an earlier run made would be up to date.
    if folder.join("hips").exists() {
        std::fs::remove_dir_all(folder.join("hips"))?;
    }
    let mut command = Command::new(python);
    command.arg(process::script("check_hips.py")).args([&spx, &folder]);
    if let Some(aladin) = aladin {
        command.args([aladin, browser::chromium().context("no Chromium on this machine")?]);
    }
    process::run(&mut command)
}
