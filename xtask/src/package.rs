//! `cargo xtask package`: the crates as they would be published, and their tests.
//!
//! The packages are unpacked as a workspace of their own, in which each finds the others instead of
//! those of a registry, and what the tests look for in the repository where they look for it.
//! Nothing is sent anywhere.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// What a registry wants to know of every crate, and what spx promises besides.
const FIELDS: [&str; 5] = ["description", "license", "readme", "keywords", "categories"];
/// Files that belong to every package.
const FILES: [&str; 4] = ["Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// A crate that is published.
struct Published {
    name: String,
    version: String,
    metadata: Value,
}

/// Packs all crates and runs the tests of the packages.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("package takes no arguments");
    }
    let crates = published()?;
    let mut pack = process::cargo(&["package", "--locked", "--no-verify", "--allow-dirty"]);
    for member in &crates {
        pack.args(["-p", &member.name]);
    }
    process::run(&mut pack)?;
    let target = process::target_directory()?;
    let folder = target.join("packaged");
    unpack(&crates, &target.join("package"), &folder)?;
    fs::write(folder.join("Cargo.toml"), workspace(&crates)?)?;
    fs::copy(process::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut test = process::cargo(&["test", "--workspace"]);
    // The same directory, so that the dependencies need not be compiled again.
    process::run(test.current_dir(&folder).env("CARGO_TARGET_DIR", &target))
}

/// The step `package` of `cargo xtask check`: does every crate have what a registry wants, and its
/// files?
pub(crate) fn manifests() -> Result<()> {
    let mut found = Vec::new();
    for member in published()? {
        let name = &member.name;
        for field in FIELDS {
            let value = &member.metadata[field];
            if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
                found.push(format!("{name}: no {field} in the manifest"));
            }
        }
        let listed =
            process::output(&mut process::cargo(&["package", "--list", "--allow-dirty", "-p", name]))?;
        let missing = FILES.iter().filter(|file| !listed.lines().any(|line| line == **file));
        found.extend(missing.map(|file| format!("{name}: no {file} in the package")));
    }
    if !found.is_empty() {
        bail!("{}", found.join("\n  "));
    }
    Ok(())
}

fn published() -> Result<Vec<Published>> {
    let metadata = process::metadata(&["--no-deps"])?;
    let packages = metadata["packages"].as_array().context("cargo metadata: no packages")?;
    let kept = packages.iter().filter(|package| package["publish"].is_null());
    kept.map(|package| {
        let text = |key: &str| package[key].as_str().map(str::to_owned).context("cargo metadata: no name");
        Ok(Published { name: text("name")?, version: text("version")?, metadata: package.clone() })
    })
    .collect()
}

/// Unpacks every package as `folder/crates/NAME`, and puts the tests' data beside them.
fn unpack(crates: &[Published], packages: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let inside = folder.join("crates");
    fs::create_dir_all(&inside)?;
    for Published { name, version, .. } in crates {
        let package = packages.join(format!("{name}-{version}.crate"));
        // Files of this moment (-m): packed ones all have the same old time, by which cargo would
        // take what it compiled of an earlier package for up to date.
        process::run(Command::new("tar").arg("-xzmf").arg(&package).arg("-C").arg(&inside))?;
        fs::rename(inside.join(format!("{name}-{version}")), inside.join(name))?;
    }
    for beside in ["testdata", "docs", "README.md"] {
        process::run(Command::new("cp").arg("-r").arg(process::root().join(beside)).arg(folder))?;
    }
    Ok(())
}

/// The manifest of the workspace: the profiles of ours, and every package in place of that of the
/// registry.
fn workspace(crates: &[Published]) -> Result<String> {
    let ours = fs::read_to_string(process::root().join("Cargo.toml"))?;
    let profiles = ours.find("[profile.").context("Cargo.toml without profiles")?;
    let mut text =
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n\n[patch.crates-io]\n".to_owned();
    for Published { name, .. } in crates {
        writeln!(text, "{name} = {{ path = \"crates/{name}\" }}")?;
    }
    text.push('\n');
    text.push_str(&ours[profiles..]);
    Ok(text)
}
