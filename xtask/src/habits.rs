//! Steps of `cargo xtask check` that need a tool besides Rust. Where the tool is missing the step
//! does not run, and says so; with `CI_REQUIRE_TOOLS` set that is an error.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// What became of a step that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StepOutcome {
    /// It ran, and found nothing wrong.
    Passed,
    /// It could not run, for this reason.
    NotRun(String),
}

/// Licenses, bans, duplicates and sources of all dependencies; advisories where their database can
/// be reached.
pub(crate) fn deny() -> Result<StepOutcome> {
    if let Some(missing) = missing("cargo-deny", "cargo install --locked cargo-deny")? {
        return Ok(missing);
    }
    process::run(&mut process::cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"]))?;
    let fetched = process::cargo(&["deny", "fetch", "db"]).stderr(Stdio::null()).status()?.success();
    if !fetched {
        return Ok(StepOutcome::NotRun("its part `advisories`: the database cannot be reached".to_owned()));
    }
    process::run(&mut process::cargo(&["deny", "--locked", "check", "--disable-fetch", "advisories"]))?;
    Ok(StepOutcome::Passed)
}

/// Dependencies that a manifest names and no source file uses.
pub(crate) fn unused() -> Result<StepOutcome> {
    if let Some(missing) = missing("cargo-machete", "cargo install --locked cargo-machete")? {
        return Ok(missing);
    }
    process::run(Command::new("cargo-machete").current_dir(process::root()))?;
    Ok(StepOutcome::Passed)
}

/// American spelling of code, comments and documents.
pub(crate) fn spelling() -> Result<StepOutcome> {
    if let Some(missing) = missing("typos", "cargo install --locked typos-cli")? {
        return Ok(missing);
    }
    process::run(Command::new("typos").args(["--format", "brief"]).current_dir(process::root()))?;
    Ok(StepOutcome::Passed)
}

/// Whether the version number says what has changed in the libraries since the last tag.
pub(crate) fn semver() -> Result<StepOutcome> {
    if let Some(missing) = missing("cargo-semver-checks", "cargo install --locked cargo-semver-checks")? {
        return Ok(missing);
    }
    let mut describe = Command::new("git");
    describe.args(["describe", "--tags", "--abbrev=0"]).current_dir(process::root()).stderr(Stdio::null());
    let described = describe.output().context("cannot run git")?;
    if !described.status.success() {
        return Ok(StepOutcome::NotRun("there is no tag to compare with".to_owned()));
    }
    let tag = String::from_utf8_lossy(&described.stdout).trim().to_owned();
    process::run(&mut process::cargo(&["semver-checks", "--workspace", "--baseline-rev", &tag]))?;
    Ok(StepOutcome::Passed)
}

/// Whether the workspace compiles with the oldest Rust that its manifest promises. Clippy's
/// `incompatible_msrv`, a part of the step `lints`, checks the use of the standard library also
/// without that toolchain.
pub(crate) fn oldest_rust() -> Result<StepOutcome> {
    let metadata = process::metadata(&["--no-deps"])?;
    let version = metadata["packages"][0]["rust_version"].as_str().context("no rust-version")?;
    let found = Command::new("rustup").args(["run", version, "rustc", "--version"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        return missing_tool(
            &format!("the toolchain {version}"),
            &format!("rustup toolchain install {version}"),
        );
    }
    let mut check = Command::new("rustup");
    check.args(["run", version, "cargo", "check", "--workspace", "--locked"]).current_dir(process::root());
    // Its own directory, so that the two toolchains do not undo each other's work.
    process::run(check.env("CARGO_TARGET_DIR", process::cache()?.join("oldest-rust")))?;
    Ok(StepOutcome::Passed)
}

/// `None` where the tool can be run.
fn missing(tool: &str, install: &str) -> Result<Option<StepOutcome>> {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok() { Ok(None) } else { missing_tool(tool, install).map(Some) }
}

pub(crate) fn missing_tool(tool: &str, install: &str) -> Result<StepOutcome> {
    if std::env::var_os("CI_REQUIRE_TOOLS").is_some() {
        bail!("{tool} is not installed: {install}");
    }
    Ok(StepOutcome::NotRun(format!("{tool} is not installed: {install}")))
}
