//! `cargo xtask bench-peers WHAT`: spx against spxquery, STScI's drizzle and CFITSIO, on the same
//! files.
//!
//! The runs are paired, A B A B, so that a slow spell of the machine meets both; medians are
//! reported. spxquery is timed without the start of Python and its imports, spx as a whole process.

mod batch;
mod drizzle;
mod fits;
mod kernels;
mod photometry;
mod scene;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// Runs the comparison named first, with the options after it.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let good = match arguments {
        ["drizzle", options @ ..] => drizzle::run(options)?,
        ["kernels", options @ ..] => kernels::run(options)?,
        ["fits", options @ ..] => fits::run(options)?,
        ["photometry", options @ ..] => photometry::run(options)?,
        ["batch", options @ ..] => batch::run(options)?,
        ["scene", options @ ..] => scene::run(options)?,
        _ => bail!("bench-peers drizzle|kernels|fits|photometry|batch|scene [OPTIONS]"),
    };
    if !good {
        bail!("a target is missed");
    }
    Ok(())
}

/// The options of a comparison, `--name value` throughout: those that all know, and the rest for
/// `special`, which says whether it knows the name.
#[derive(Debug, Clone, PartialEq)]
struct Common {
    /// Pairs of runs.
    runs: usize,
    /// Another build of spx than the workspace's own.
    spx: Option<PathBuf>,
}

impl Common {
    fn parse(arguments: &[&str], mut special: impl FnMut(&str, &str) -> Result<bool>) -> Result<Self> {
        let mut common = Self { runs: 3, spx: None };
        let mut rest = arguments.iter();
        while let Some(&name) = rest.next() {
            let value = *rest.next().with_context(|| format!("{name} needs a value"))?;
            match name {
                "--runs" => common.runs = process::count(name, value)?,
                "--spx" => common.spx = Some(PathBuf::from(value)),
                _ if special(name, value)? => {}
                _ => bail!("unknown option {name}"),
            }
        }
        Ok(common)
    }
}

/// Numbers between commas.
fn numbers<T: std::str::FromStr>(text: &str) -> Result<Vec<T>> {
    text.split(',')
        .map(|word| word.trim().parse().ok().with_context(|| format!("not a number: {word}")))
        .collect()
}

/// What every comparison needs: the programs, and a scratch directory.
struct Bench {
    python: PathBuf,
    spx: PathBuf,
    scratch: PathBuf,
}

impl Bench {
    fn prepare(common: &Common) -> Result<Self> {
        let python = process::oracle_python()?;
        let spx = common.spx.clone().map_or_else(|| process::build_spx("release"), Ok)?;
        let scratch = process::cache()?.join("bench-output");
        fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
        Ok(Self { python, spx, scratch })
    }

    /// The first `count` full-frame exposures of D3, 72 MB each; they are made where they are
    /// missing.
    fn full_frames(&self, count: usize) -> Result<Vec<PathBuf>> {
        let folder = process::cache()?.join("bench");
        println!("{count} full-frame exposures in {}", folder.display());
        self.inputs("bench_inputs.py", &folder, count)
    }

    /// The files that the script of `xtask/python` writes into the folder, `count` of them.
    fn inputs(&self, script: &str, folder: &Path, count: usize) -> Result<Vec<PathBuf>> {
        let mut make = self.peer(script);
        make.arg(folder).arg(count.to_string());
        let inputs: Vec<PathBuf> = process::output(&mut make)?.lines().map(PathBuf::from).collect();
        if inputs.len() != count {
            bail!("{} inputs instead of {count}", inputs.len());
        }
        Ok(inputs)
    }

    /// An output directory in which nothing is left of an earlier run, so that none pays for
    /// replacing it.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        self.clear(name)?;
        Ok(self.scratch.join(name))
    }

    /// Removes what stands under a name.
    fn clear(&self, name: &str) -> Result<()> {
        let path = self.scratch.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot clear {}", path.display()))?;
        }
        Ok(())
    }

    /// A script of `xtask/python`; those that time spxquery print their [`Sample`] last.
    fn peer(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(process::script(script));
        command
    }

    /// `spx` under a watch that prints the [`Sample`] of the whole process.
    fn spx(&self) -> Command {
        let mut command = self.peer("measure.py");
        command.arg(&self.spx);
        command
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    seconds: f64,
    peak_mb: f64,
}

impl Sample {
    /// Runs a command that prints its sample as the last line, after the `inputs` were brought into
    /// the page cache. What it says besides is shown only if it fails.
    fn take(command: &mut Command, inputs: &[PathBuf]) -> Result<Self> {
        warm(inputs)?;
        let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("{command:?}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        let last = text.lines().last().unwrap_or_default();
        let value: Value =
            serde_json::from_str(last).with_context(|| format!("{command:?} printed {last:?}"))?;
        let number = |key: &str| value[key].as_f64().with_context(|| format!("{command:?}: no {key}"));
        Ok(Self { seconds: number("seconds")?, peak_mb: number("peak_mb")? })
    }
}

/// Reads the files once, so that the run that follows finds them in the page cache: a system may
/// drop them while the peer computes, and the disk is nobody's merit.
fn warm(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let mut file = fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        io::copy(&mut file, &mut io::sink())?;
    }
    Ok(())
}

/// What a comparison has to reach; `None` where nothing was set.
#[derive(Debug, Clone, Copy)]
struct Targets {
    /// How many times faster than spxquery.
    speed: Option<f64>,
    /// The peak memory that spx may take, as a fraction of spxquery's.
    memory: Option<f64>,
}

/// `runs` pairs of spxquery and spx: prints each, then the medians against the targets, and says
/// whether they are met.
fn pairs(
    runs: usize,
    targets: Targets,
    mut peer: impl FnMut() -> Result<Sample>,
    mut spx: impl FnMut() -> Result<Sample>,
) -> Result<bool> {
    let mut pairs = Vec::new();
    for run in 1..=runs {
        let (peer, ours) = (peer()?, spx()?);
        println!(
            "  run {run}: spxquery {:9.3} s {:7.0} MB   spx {:8.4} s {:6.0} MB   {:6.1} x",
            peer.seconds,
            peer.peak_mb,
            ours.seconds,
            ours.peak_mb,
            peer.seconds / ours.seconds
        );
        pairs.push((peer, ours));
    }
    let peer = median(pairs.iter().map(|(peer, _)| peer.seconds));
    let ours = median(pairs.iter().map(|(_, ours)| ours.seconds));
    println!("  median:  spxquery {peer:9.3} s, spx {ours:8.4} s");
    let memory = median(pairs.iter().map(|(peer, ours)| ours.peak_mb / peer.peak_mb));
    let slim = targets.memory.is_none_or(|most| memory <= most);
    println!("{} peak memory {memory:.3} of spxquery's{}", verdict(slim), target("at most ", targets.memory));
    let speed = median(pairs.iter().map(|(peer, ours)| peer.seconds / ours.seconds));
    let fast = targets.speed.is_none_or(|least| speed >= least);
    println!("{} {speed:.1} times as fast{}", verdict(fast), target("", targets.speed));
    Ok(slim && fast)
}

fn target(relation: &str, value: Option<f64>) -> String {
    value.map_or_else(|| " (no target)".to_owned(), |value| format!(" (target: {relation}{value})"))
}

fn verdict(ok: bool) -> &'static str {
    if ok { "PASS" } else { "FAIL" }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Common, median};

    #[test]
    fn options_are_shared_or_special() {
        let mut seen = Vec::new();
        let common = Common::parse(&["--runs", "1", "--sizes", "30", "--spx", "a/spx"], |name, value| {
            seen.push((name.to_owned(), value.to_owned()));
            Ok(name == "--sizes")
        });
        assert_eq!(common.unwrap(), Common { runs: 1, spx: Some("a/spx".into()) });
        assert_eq!(seen, [("--sizes".to_owned(), "30".to_owned())]);
        for words in [&["--runs"][..], &["--runs", "0"], &["--size", "30"]] {
            assert!(Common::parse(words, |_, _| Ok(false)).is_err(), "{words:?}");
        }
    }

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
