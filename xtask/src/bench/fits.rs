//! `cargo xtask bench-peers fits`: reading images against CFITSIO, on one thread.
//!
//! astropy writes a file of 2040 x 2040 pixels of real numbers and of flags, as they are and
//! compressed by RICE_1; both programs read each image into new memory. Processor time is compared,
//! in paired runs.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::kernels::{Times, read};
use super::{Common, median, verdict};
use crate::process;

/// How long spx may take, in units of CFITSIO.
const MOST: f64 = 1.0;

pub(super) fn run(arguments: &[&str]) -> Result<bool> {
    let common = Common::parse(arguments, |_, _| Ok(false))?;
    let python = process::python("cfitsio", "requirements-cfitsio.txt")?;
    let script = || {
        let mut command = Command::new(&python);
        command.arg(process::script("bench_fits.py"));
        command
    };
    fs::create_dir_all(process::cache()?)?;
    let file = process::cache()?.join("bench_fits.fits");
    process::run(script().arg("make").arg(&file))?;
    let (mut ours, mut theirs) = (Times::new(), Times::new());
    for _ in 0..common.runs {
        let bench = ["bench", "--quiet", "-p", "spx-core", "--bench", "planes", "--"];
        read(&process::output(process::cargo(&bench).arg(&file))?, &mut ours)?;
        read(&process::output(script().arg("read").arg(&file))?, &mut theirs)?;
    }
    println!("{:<16}{:>10}{:>14}{:>10}", "", "spx [ns]", "CFITSIO [ns]", "quotient");
    let mut good = true;
    for (name, runs) in &ours {
        let Some(peers) = theirs.get(name) else { continue };
        let [own, peer] = [runs, peers].map(|all| median(all.iter().map(|run| run[0])));
        let quotient = median(runs.iter().zip(peers).map(|(run, peer)| run[0] / peer[0]));
        good &= quotient <= MOST;
        let told = verdict(quotient <= MOST);
        println!("{name:<16}{own:>10.2}{peer:>14.2}{quotient:>10.2}  {told} (at most {MOST})");
    }
    fs::remove_file(&file)?;
    Ok(good)
}
