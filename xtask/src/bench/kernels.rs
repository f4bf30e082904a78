//! `cargo xtask bench-peers kernels`: the kernels against STScI's drizzle, the pixel map against
//! astropy, on one thread.
//!
//! Both add an image of 2040 x 2040 pixels, turned by 17 degrees, onto an output as large: first an
//! image and its weights, of which both make the mean, its weight and the context; then with
//! variance and flags, of which spx makes variance, masks and counts, and drizzle variance and
//! mask. drizzle is given its pixel map ready made, spx computes its own. Processor time is
//! compared, in paired runs.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Common, median, verdict};
use crate::process;

/// How many times faster than its peer each is to be.
const TARGETS: [(&str, f64); 7] = [
    ("square", 1.5),
    ("turbo", 1.0),
    ("point", 1.0),
    ("gaussian", 1.0),
    ("lanczos2", 1.0),
    ("lanczos3", 1.0),
    ("map", 50.0),
];

/// Seconds by kernel, of each run: of the mean, and of all products.
pub(super) type Times = BTreeMap<String, Vec<Vec<f64>>>;

pub(super) fn run(arguments: &[&str]) -> Result<bool> {
    let common = Common::parse(arguments, |_, _| Ok(false))?;
    let python = process::oracle_python()?;
    let header = process::root().join("testdata/real_headers/qr2_cutout_IMAGE_header.txt");
    let (mut ours, mut theirs) = (Times::new(), Times::new());
    for _ in 0..common.runs {
        let bench = ["bench", "--quiet", "-p", "spx-drizzle", "--bench", "kernels"];
        read(&process::output(&mut process::cargo(&bench))?, &mut ours)?;
        let mut peer = Command::new(&python);
        read(&process::output(peer.arg(process::script("bench_kernels.py")).arg(&header))?, &mut theirs)?;
    }
    println!("{:<10}{:>10}{:>8}{:>14}{:>8}", "", "mean [s]", "ratio", "all [s]", "ratio");
    let mut good = true;
    for (name, runs) in &ours {
        let Some(peers) = theirs.get(name) else { continue };
        let seconds = [0, 1].map(|column| median(runs.iter().map(|run| run[column])));
        let ratios = [0, 1]
            .map(|column| median(runs.iter().zip(peers).map(|(ours, peer)| peer[column] / ours[column])));
        let target = TARGETS.iter().find(|(kernel, _)| kernel == name);
        let told = target.map_or(String::new(), |(_, wanted)| {
            let reached = ratios.iter().all(|ratio| ratio >= wanted);
            good &= reached;
            format!("  {} (at least {wanted})", verdict(reached))
        });
        let ([mean, all], [of_mean, of_all]) = (seconds, ratios);
        println!("{name:<10}{mean:>10.4}{of_mean:>8.2}{all:>14.4}{of_all:>8.2}{told}");
    }
    Ok(good)
}

/// Reads lines of a name and seconds.
pub(super) fn read(text: &str, times: &mut Times) -> Result<()> {
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().context("an empty line")?;
        let seconds = words.map(|w| w.parse().with_context(|| format!("no number: {line}")));
        times.entry(name.to_owned()).or_default().push(seconds.collect::<Result<_>>()?);
    }
    Ok(())
}
