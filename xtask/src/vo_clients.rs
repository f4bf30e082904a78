//! `cargo xtask vo-clients`: do the clients of others, pyvo and astroquery, understand the local
//! archive?
//!
//! What they understand, our own client is then tested against.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// Runs the checks against an archive: that of `--url`, or one of its own.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    match options {
        ["--url", url] => check(url),
        [] => {
            let files = process::cache()?.join("vo-clients");
            simulate(&files)?;
            let archive = Archive::start(&files)?;
            check(&archive.url)
        }
        _ => bail!("cargo xtask vo-clients [--url URL]"),
    }
}

fn check(url: &str) -> Result<()> {
    let mut command = Command::new(process::python("venv-vo", "requirements-vo.txt")?);
    process::run(command.args(["-W", "ignore"]).arg(process::script("vo_clients.py")).arg(url))
}

/// A few cutouts of both releases; they are kept for the next time.
fn simulate(files: &Path) -> Result<()> {
    for (release, detectors) in [("qr2", "D1,D3"), ("qr3", "D4")] {
        let folder = files.join(release);
        if folder.exists() {
            continue;
        }
        let place = ["--ra", "186.4536", "--dec", "33.5468", "--exposures", "4", "--size", "150"];
        let mut command = process::cargo(&["run", "--quiet", "-p", "spx-cli", "--", "simulate"]);
        command.args(place).args(["--release", release, "--detectors", detectors, "-o"]).arg(&folder);
        process::run(&mut command)?;
    }
    Ok(())
}

/// A running archive; it is stopped in the end.
struct Archive {
    server: Child,
    url: String,
}

impl Archive {
    fn start(files: &Path) -> Result<Self> {
        let mut command = Command::new(process::build_spx("dev")?);
        command.args(["serve", "--quiet"]).arg(files).stdout(Stdio::piped());
        let mut server = command.spawn().context("cannot start the archive")?;
        let output = server.stdout.take().context("the archive has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let url = line.trim_end().to_owned();
        let archive = Self { server, url };
        if !archive.url.starts_with("http://") {
            bail!("the archive says `{}`", archive.url);
        }
        println!("serving {} at {}", files.display(), archive.url);
        Ok(archive)
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if let Err(error) = self.server.kill().and_then(|()| self.server.wait()) {
            eprintln!("the archive does not end: {error}");
        }
    }
}
