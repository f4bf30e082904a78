//! `cargo xtask check`: the gate that stands beside `cargo test`. Every step runs, also after one has failed.

use anyhow::{Context, Result, bail};

use crate::layers::{self, Graph};
use crate::{process, tidy};

/// The crates that compile no C and know no FITS library when their default features are off.
const FITS_FREE: [&str; 3] = ["spx-core", "spx-wcs", "spx-drizzle"];

type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 6] = [
    ("format", format),
    ("lints", lints),
    ("documentation", documentation),
    ("no-fits", drizzle_alone),
    ("layers", layer_rules),
    ("tidy", tidiness),
];

/// Runs the named steps, or all; an error names those that failed.
pub(crate) fn run(which: &[&str]) -> Result<()> {
    if let Some(unknown) = which.iter().find(|name| STEPS.iter().all(|(step, _)| step != *name)) {
        bail!("no step {unknown}: there are {}", STEPS.map(|(name, _)| name).join(", "));
    }
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    for (name, step) in STEPS.into_iter().filter(|(name, _)| which.is_empty() || which.contains(name)) {
        println!("== {name}");
        if let Err(error) = step() {
            println!("FAIL {name}: {error:#}");
            failed.push(name);
        } else {
            passed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    println!("PASS {}", passed.join(", "));
    Ok(())
}

fn format() -> Result<()> {
    process::run(&mut process::cargo(&["fmt", "--all", "--", "--check"]))
}

fn lints() -> Result<()> {
    process::run(&mut process::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn documentation() -> Result<()> {
    let mut command = process::cargo(&["doc", "--workspace", "--no-deps"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn drizzle_alone() -> Result<()> {
    process::run(&mut process::cargo(&["check", "-p", "spx-drizzle", "--no-default-features"]))
}

fn layer_rules() -> Result<()> {
    let metadata = process::output(&mut process::cargo(&["metadata", "--format-version", "1"]))?;
    let graph = Graph::from_metadata(&serde_json::from_str(&metadata).context("cargo metadata")?)?;
    let mut found = graph.violations();
    for member in graph.members() {
        let manifest = std::fs::read_to_string(&member.manifest)
            .with_context(|| format!("cannot read {}", member.manifest))?;
        found.extend(layers::manifest_violations(&member.name, &manifest));
    }
    for name in FITS_FREE {
        let mut tree = process::cargo(&["tree", "-p", name, "--no-default-features"]);
        tree.args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
        found.extend(graph.c_code(name, &layers::tree_names(&process::output(&mut tree)?)));
    }
    verdict(&found)
}

fn tidiness() -> Result<()> {
    verdict(&tidy::violations(&process::root())?)
}

/// Prints a line for each violation, and fails if there are any.
fn verdict(found: &[String]) -> Result<()> {
    for line in found {
        println!("  {line}");
    }
    match found.len() {
        0 => Ok(()),
        n => bail!("{n} rules broken"),
    }
}
