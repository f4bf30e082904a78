//! `cargo xtask fuzz`: parsers of foreign bytes on inputs that are changed at random, guided by the
//! code that they reach, under the address sanitizer and with bounded memory (cargo-fuzz, nightly
//! Rust). The targets are in `fuzz/`; the test data and `fuzz/seeds` are the seeds.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::habits::{self, StepOutcome};
use crate::process;

/// The targets, with the folder whose files are their seeds and the longest input.
const TARGETS: [(&str, &str, u32); 8] = [
    ("fits", "testdata/fits", 40_000),
    ("image", "testdata/cube/inputs", 60_000),
    ("cube", "fuzz/seeds/cube", 60_000),
    ("header", "testdata/real_headers", 20_000),
    ("votable", "testdata/votable", 20_000),
    ("catalog", "testdata/catalog", 20_000),
    ("answers", "fuzz/seeds/answers", 10_000),
    ("texts", "fuzz/seeds/texts", 10_000),
];

/// The variable that says how many minutes the step of the check takes, the compilation aside.
const MINUTES: &str = "SPX_FUZZ_MINUTES";

/// Memory that a target may take, and ask for at once \[MB\].
const MEMORY: [u32; 2] = [2000, 512];

/// Seconds after which an input hangs.
const HANGS: u32 = 30;

/// Runs every target for its share of so many minutes; an error is the input that did harm.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let minutes = match options {
        [] => 5,
        ["--minutes", value] => process::count("--minutes", value)?,
        _ => bail!("expected --minutes N, found {options:?}"),
    };
    match fuzz(minutes)? {
        StepOutcome::Passed => Ok(()),
        StepOutcome::NotRun(reason) => bail!("fuzzing needs its tools: {reason}"),
    }
}

/// Five minutes of it, or as many as a variable of the environment says.
pub(crate) fn step() -> Result<StepOutcome> {
    fuzz(match std::env::var(MINUTES) {
        Ok(text) => process::count(MINUTES, &text)?,
        Err(_) => 5,
    })
}

fn fuzz(minutes: usize) -> Result<StepOutcome> {
    let mut version = cargo_fuzz(&["--version"]);
    let there = version.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !there {
        return habits::missing_tool("cargo-fuzz with nightly Rust", "cargo install --locked cargo-fuzz");
    }
    process::run(&mut cargo_fuzz(&["build"]))?;
    let mut found = Vec::new();
    for (target, seeds, longest) in TARGETS {
        let folder = process::cache()?.join("fuzz").join(target);
        fs::create_dir_all(&folder)?;
        let seeds = seeds_of(target, &process::root().join(seeds), &folder)?;
        // Inputs that did harm before come first, so that a check fails until they are harmless.
        let harmful = process::root().join("fuzz/artifacts").join(target);
        fs::create_dir_all(&harmful)?;
        let mut command = cargo_fuzz(&["run", target]);
        command.arg(&folder).arg(&seeds).arg(&harmful).arg("--");
        command.args([
            format!("-max_total_time={}", 60 * minutes / TARGETS.len()),
            format!("-max_len={longest}"),
            format!("-timeout={HANGS}"),
            format!("-rss_limit_mb={}", MEMORY[0]),
            format!("-malloc_limit_mb={}", MEMORY[1]),
            "-print_final_stats=1".to_owned(),
        ]);
        found.extend(harm(&mut command, target, &harmful)?);
    }
    if !found.is_empty() {
        bail!("{}", found.join("; "));
    }
    Ok(StepOutcome::Passed)
}

/// Runs a target, and says which input ended it, if one did: the newest file of a folder.
fn harm(command: &mut Command, target: &str, folder: &Path) -> Result<Option<String>> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if status.success() {
        return Ok(None);
    }
    let files = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let newest = files.into_iter().max_by_key(|file| file.metadata().and_then(|m| m.modified()).ok());
    let input = newest.map_or("no input was kept".to_owned(), |file| file.path().display().to_string());
    Ok(Some(format!("target {target} ended with {status}: {input}")))
}

/// cargo-fuzz with nightly Rust, whichever cargo runs this program.
fn cargo_fuzz(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).args(arguments).current_dir(process::root());
    command
}

/// The folder of a target's seeds, unpacked where they are packed. Of the file of all kinds of
/// HDUs, each is a seed of its own, behind an empty primary.
fn seeds_of(target: &str, folder: &Path, scratch: &Path) -> Result<PathBuf> {
    if target != "fits" && target != "cube" {
        return Ok(folder.to_owned());
    }
    let seeds = scratch.with_file_name(format!("{target}-seeds"));
    fs::create_dir_all(&seeds)?;
    for entry in fs::read_dir(folder)? {
        let (path, mut bytes) = (entry?.path(), Vec::new());
        flate2::read::GzDecoder::new(fs::File::open(&path)?).read_to_end(&mut bytes)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if target == "cube" {
            fs::write(seeds.join(&*name), &bytes)?;
            continue;
        }
        let starts = (0..bytes.len()).step_by(2880).filter(|&at| bytes[at..].starts_with(b"XTENSION"));
        let starts: Vec<usize> = starts.chain([bytes.len()]).collect();
        for hdu in starts.windows(2) {
            let seed = [&bytes[..2880], &bytes[hdu[0]..hdu[1]]].concat();
            fs::write(seeds.join(format!("{}_{name}", hdu[0])), seed)?;
        }
    }
    Ok(seeds)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_ends_otherwise_than_well_is_told_with_its_input() {
        let folder = tempfile::tempdir().unwrap();
        let told = |script: &str| {
            let mut command = Command::new("sh");
            harm(command.args(["-c", script]).current_dir(folder.path()), "header", folder.path()).unwrap()
        };
        assert_eq!(told("exit 0"), None);
        assert!(told("exit 1").unwrap().ends_with("exit status: 1: no input was kept"));
        let crash = told("echo > crash-1; exit 77").unwrap();
        assert!(crash.starts_with("target header ended with exit status: 77"), "{crash}");
        assert!(crash.ends_with("crash-1"), "{crash}");
        assert!(told("kill -ABRT $$").unwrap().contains("signal: 6"));
        let mut nothing = Command::new("/nowhere/cargo-fuzz");
        assert!(harm(&mut nothing, "header", folder.path()).is_err());
    }
}
