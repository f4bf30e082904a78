//! `cargo xtask compare-photometry`: the numbers of spx against those of spxquery, on the same
//! files.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

#[derive(Debug, PartialEq)]
struct ComparisonOptions {
    exposures: usize,
    /// Another build of spx than the workspace's own.
    spx: Option<PathBuf>,
}

fn parse(arguments: &[&str]) -> Result<ComparisonOptions> {
    let mut options = ComparisonOptions { exposures: 60, spx: None };
    let mut rest = arguments.iter();
    while let Some(&name) = rest.next() {
        let value = *rest.next().with_context(|| format!("{name} needs a value"))?;
        match name {
            "--exposures" => options.exposures = process::count(name, value)?,
            "--spx" => options.spx = Some(PathBuf::from(value)),
            _ => bail!("unknown option {name}"),
        }
    }
    Ok(options)
}

/// Runs the comparison; an error where a difference has no known reason.
pub(crate) fn photometry(arguments: &[&str]) -> Result<()> {
    let options = parse(arguments)?;
    let python = process::oracle_python()?;
    let spx = options.spx.map_or_else(|| process::build_spx("release"), Ok)?;
    let mut command = Command::new(python);
    command.arg(process::script("compare_photometry.py")).arg(spx);
    command.arg(process::cache()?.join("compare")).arg(options.exposures.to_string());
    process::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::{ComparisonOptions, parse};

    #[test]
    fn options_have_defaults_and_are_checked() {
        assert_eq!(parse(&[]).unwrap(), ComparisonOptions { exposures: 60, spx: None });
        let few = ComparisonOptions { exposures: 6, spx: Some("a/spx".into()) };
        assert_eq!(parse(&["--exposures", "6", "--spx", "a/spx"]).unwrap(), few);
        for words in [&["--exposures"][..], &["--exposures", "0"], &["--what", "1"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
