//! `cargo xtask fuzz`: parsers of foreign bytes on inputs that are changed at random, guided by the
//! code that they reach, under the address sanitizer and with bounded memory (cargo-fuzz, nightly
//! Rust). The targets are in `fuzz/`; the test data are the seeds.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::habits::{self, StepOutcome};
use crate::process;

/// The targets, with the folder of `testdata` whose files are their seeds and the longest input.
const TARGETS: [(&str, &str, u32); 5] = [
    ("fits", "fits", 40_000),
    ("image", "cube/inputs", 60_000),
    ("header", "real_headers", 20_000),
    ("votable", "votable", 20_000),
    ("catalog", "catalog", 20_000),
];

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

/// Five minutes of it.
pub(crate) fn step() -> Result<StepOutcome> {
    fuzz(5)
}

fn fuzz(minutes: usize) -> Result<StepOutcome> {
    let mut version = cargo_fuzz(&["--version"]);
    let there = version.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !there {
        return habits::missing_tool("cargo-fuzz with nightly Rust", "cargo install --locked cargo-fuzz");
    }
    process::run(&mut cargo_fuzz(&["build"]))?;
    for (target, seeds, longest) in TARGETS {
        let folder = process::cache()?.join("fuzz").join(target);
        fs::create_dir_all(&folder)?;
        let seeds = seeds_of(target, &process::root().join("testdata").join(seeds), &folder)?;
        let mut command = cargo_fuzz(&["run", target]);
        command.arg(&folder).arg(&seeds).arg("--");
        command.args([
            format!("-max_total_time={}", 60 * minutes / TARGETS.len()),
            format!("-max_len={longest}"),
            format!("-timeout={HANGS}"),
            format!("-rss_limit_mb={}", MEMORY[0]),
            format!("-malloc_limit_mb={}", MEMORY[1]),
            "-print_final_stats=1".to_owned(),
        ]);
        process::run(&mut command).with_context(|| format!("target {target}"))?;
    }
    Ok(StepOutcome::Passed)
}

/// cargo-fuzz with nightly Rust, whichever cargo runs this program.
fn cargo_fuzz(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).args(arguments).current_dir(process::root());
    command
}

/// The folder of a target's seeds. Of the file of all kinds of HDUs, each is a seed of its own,
/// behind an empty primary.
fn seeds_of(target: &str, folder: &Path, scratch: &Path) -> Result<PathBuf> {
    if target != "fits" {
        return Ok(folder.to_owned());
    }
    let seeds = scratch.with_file_name("fits-seeds");
    fs::create_dir_all(&seeds)?;
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(folder.join("oracle.fits.gz"))?).read_to_end(&mut bytes)?;
    let starts = (0..bytes.len()).step_by(2880).filter(|&at| bytes[at..].starts_with(b"XTENSION"));
    let starts: Vec<usize> = starts.chain([bytes.len()]).collect();
    for hdu in starts.windows(2) {
        let seed = [&bytes[..2880], &bytes[hdu[0]..hdu[1]]].concat();
        fs::write(seeds.join(format!("{}.fits", hdu[0])), seed)?;
    }
    Ok(seeds)
}
