//! `cargo xtask check`: the gate that stands beside `cargo test`. Every step runs, also after one
//! has failed.

use anyhow::{Context, Result, bail};

use crate::habits::{self, StepOutcome};
use crate::layers::{self, Graph};
use crate::{fuzz, house, package, process, tidy};

/// The crates that compile no C and know no FITS library when their default features are off.
const FITS_FREE: [&str; 3] = ["spx-core", "spx-wcs", "spx-drizzle"];

type Step = (&'static str, fn() -> Result<StepOutcome>);

const STEPS: [Step; 14] = [
    ("format", || always(format())),
    ("lints", || always(lints())),
    ("documentation", || always(documentation())),
    ("no-fits", || always(drizzle_alone())),
    ("layers", || always(layer_rules())),
    ("tidy", || always(tidiness())),
    ("house", || always(figures())),
    ("oldest-rust", habits::oldest_rust),
    ("deny", habits::deny),
    ("unused", habits::unused),
    ("spelling", habits::spelling),
    ("semver", habits::semver),
    ("fuzz", fuzz::step),
    ("package", || always(package::manifests())),
];

/// A step that needs no tool besides Rust.
fn always(done: Result<()>) -> Result<StepOutcome> {
    done.map(|()| StepOutcome::Passed)
}

/// Runs the named steps, or all; an error names those that failed, and the last line those that did
/// not run.
pub(crate) fn run(which: &[&str]) -> Result<()> {
    if let Some(unknown) = which.iter().find(|name| STEPS.iter().all(|(step, _)| step != *name)) {
        bail!("no step {unknown}: there are {}", STEPS.map(|(name, _)| name).join(", "));
    }
    let (mut passed, mut failed, mut not_run) = (Vec::new(), Vec::new(), Vec::new());
    for (name, step) in STEPS.into_iter().filter(|(name, _)| which.is_empty() || which.contains(name)) {
        println!("== {name}");
        match step() {
            Ok(StepOutcome::Passed) => passed.push(name),
            Ok(StepOutcome::NotRun(reason)) => {
                println!("NOT RUN {name}: {reason}");
                not_run.push(format!("{name} ({reason})"));
            }
            Err(error) => {
                println!("FAIL {name}: {error:#}");
                failed.push(name);
            }
        }
    }
    if !not_run.is_empty() {
        println!("NOT RUN {}", not_run.join("; "));
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
    process::run(&mut process::cargo(&[
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn documentation() -> Result<()> {
    let mut command = process::cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn drizzle_alone() -> Result<()> {
    process::run(&mut process::cargo(&["check", "--locked", "-p", "spx-drizzle", "--no-default-features"]))
}

fn layer_rules() -> Result<()> {
    let graph = Graph::from_metadata(&process::metadata(&[])?)?;
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

fn figures() -> Result<()> {
    verdict(&house::violations(&process::root())?)
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
