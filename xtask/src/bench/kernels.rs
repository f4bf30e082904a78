//! `cargo xtask bench-peers kernels`: the kernels against STScI's drizzle, the pixel map against astropy, on one thread.
//!
//! Both add an image of 2040 x 2040 pixels, turned by 17 degrees, onto an output as large. drizzle is given its pixel map
//! ready made, spx computes its own. spx always makes variance, masks and counts; drizzle is timed without and with its
//! counterparts of these. Processor time is compared, in paired runs.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Common, median, verdict};
use crate::process;

/// How many times faster than its peer each is to be: the kernels than drizzle without further products.
const TARGETS: [(&str, f64); 5] =
    [("square", 2.0), ("turbo", 1.3), ("point", 1.3), ("gaussian", 1.3), ("map", 50.0)];

/// Seconds by kernel, of each run one or two columns.
type Times = BTreeMap<String, Vec<Vec<f64>>>;

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
    println!("{:<10}{:>10}{:>12}{:>16}", "", "spx [s]", "ratio", "same products");
    let mut good = true;
    for (name, runs) in &ours {
        let Some(peers) = theirs.get(name) else { continue };
        let seconds = median(runs.iter().map(|run| run[0]));
        let ratios = [0, 1].map(|column| median(peers.iter().map(|run| run[column])) / seconds);
        let target = TARGETS.iter().find(|(kernel, _)| kernel == name);
        let told = target.map_or(String::new(), |(_, wanted)| {
            good &= ratios[0] >= *wanted;
            format!("  {} (at least {wanted})", verdict(ratios[0] >= *wanted))
        });
        println!("{name:<10}{seconds:>10.4}{:>12.2}{:>16.2}{told}", ratios[0], ratios[1]);
    }
    Ok(good)
}

fn read(text: &str, times: &mut Times) -> Result<()> {
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().context("an empty line")?;
        let seconds = words.map(|w| w.parse().with_context(|| format!("no number: {line}")));
        times.entry(name.to_owned()).or_default().push(seconds.collect::<Result<_>>()?);
    }
    Ok(())
}
