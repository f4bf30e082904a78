//! `cargo xtask truth`: the numbers of spx against simulated skies whose truth is known.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Builds the measuring program and, where `--spx` names none, spx; an error where a demand is not
/// met.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (spx, words) = parse(arguments)?;
    let spx = spx.map_or_else(|| process::build_spx("dev"), Ok)?;
    process::run(&mut process::cargo(&["build", "--quiet", "-p", "spx-truth"]))?;
    let program =
        process::target_directory()?.join("debug").join(format!("spx-truth{}", std::env::consts::EXE_SUFFIX));
    process::run(Command::new(program).arg(spx).args(words))
}

/// The build of spx and the words that are passed on.
fn parse<'a>(arguments: &[&'a str]) -> Result<(Option<PathBuf>, Vec<&'a str>)> {
    let mut words = arguments.to_vec();
    let Some(at) = words.iter().position(|&word| word == "--spx") else { return Ok((None, words)) };
    let path = words.get(at + 1).copied().context("--spx needs a value")?;
    words.drain(at..at + 2);
    Ok((Some(std::path::absolute(path)?), words))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn words_are_passed_on() {
        let (spx, words) = parse(&["cube", "--spx", "/a/spx", "--quick"]).unwrap();
        assert_eq!((spx, words), (Some("/a/spx".into()), vec!["cube", "--quick"]));
        assert_eq!(parse(&["cube"]).unwrap(), (None, vec!["cube"]));
        assert!(parse(&["--spx"]).is_err());
    }
}
