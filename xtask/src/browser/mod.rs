//! `cargo xtask browser` and `bench-view`: the explorer (`spx cube view`) in a real browser,
//! headless Chromium.
//!
//! Nothing is installed: where there is no Chromium, the test says so and is skipped, or fails if
//! CI_REQUIRE_BROWSER is set. `CHROMIUM` names another program.

mod bench;
mod chromium;
mod display;
mod explorer;
mod figures;
mod hands;
mod odd;
mod one_file;
mod region_files;
mod tasks;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

pub(crate) use bench::run as bench;
pub(crate) use chromium::find as chromium;

/// Runs all checks; `--screenshots DIR` writes pictures of the page besides, `--spx PATH` takes
/// another binary. `--documents` makes the pictures of the documents instead.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let (mut pictures, mut spx, mut documents) = (None, None, false);
    let mut rest = options;
    while !rest.is_empty() {
        rest = match rest {
            ["--screenshots", folder, rest @ ..] => {
                pictures = Some(PathBuf::from(folder));
                rest
            }
            ["--spx", path, rest @ ..] => {
                spx = Some(PathBuf::from(path));
                rest
            }
            ["--documents", rest @ ..] => {
                documents = true;
                rest
            }
            _ => bail!("cargo xtask browser [--screenshots DIR] [--spx PATH] [--documents]"),
        };
    }
    let Some(program) = chromium::find() else {
        if std::env::var_os("CI_REQUIRE_BROWSER").is_some() {
            bail!("no Chromium on this machine, and CI_REQUIRE_BROWSER is set");
        }
        println!(
            "\n*** NO CHROMIUM ON THIS MACHINE: THE EXPLORER WAS NOT TESTED (apt install chromium) ***\n"
        );
        return Ok(());
    };
    let setup = BrowserSetup::new(program, spx)?;
    if documents {
        return figures::documents(&setup);
    }
    let mut failed = explorer::run(&setup)?;
    failed.extend(tasks::run(&setup)?);
    failed.extend(region_files::run(&setup)?);
    failed.extend(one_file::run(&setup)?);
    failed.extend(odd::run(&setup)?);
    failed.extend(display::run(&setup)?);
    if let Some(folder) = pictures {
        figures::run(&setup, &folder)?;
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Runs one check and says how it ended; gives its name where it failed.
fn check(name: impl Into<String>, done: Result<()>) -> Option<String> {
    let name = name.into();
    match done {
        Ok(()) => {
            println!("ok   {name}");
            None
        }
        Err(error) => {
            println!("FAIL {name}: {error:#}");
            Some(name)
        }
    }
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("spx-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} stays: {error}", self.0.display());
        }
    }
}

/// What the checks work with: the demonstration's cube, and the stars in it.
struct BrowserSetup {
    program: PathBuf,
    spx: PathBuf,
    cube: PathBuf,
    stars: PathBuf,
    folder: Folder,
}

impl BrowserSetup {
    fn new(program: PathBuf, spx: Option<PathBuf>) -> Result<Self> {
        let spx = std::path::absolute(spx.map_or_else(|| process::build_spx("dev"), Ok)?)?;
        let folder = Folder::new("browser")?;
        let demo = folder.0.join("demo");
        println!("making a cube: spx demo");
        process::output(Command::new(&spx).args(["demo", "--quiet", "-o"]).arg(&demo))?;
        let (cube, stars) = (demo.join("drizzle_D3.fits"), demo.join("archive/truth.csv"));
        Ok(Self { program, spx, cube, stars, folder })
    }

    /// What the command prints of a spectrum: rows of fields, the names first.
    fn spectrum(&self, cube: &Path, place: &[String]) -> Result<Vec<Vec<String>>> {
        let mut command = Command::new(&self.spx);
        command.args(["cube", "spectrum"]).arg(cube).args(place);
        let text = process::output(&mut command)?;
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        Ok(rows.map(|line| line.split(',').map(str::to_owned).collect()).collect())
    }
}

/// A running `spx cube view`; it is stopped in the end.
struct View {
    server: Child,
    url: String,
}

impl View {
    fn start(spx: &Path, cube: &Path, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(spx);
        command.args(["cube", "view", "--no-browser", "--quiet"]).arg(cube).args(more).stdout(Stdio::piped());
        let mut server = command.spawn().context("cannot start spx cube view")?;
        let output = server.stdout.take().context("spx cube view has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(Self { server, url: line.trim_end().to_owned() })
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Err(error) = self.server.kill().and_then(|()| self.server.wait()) {
            eprintln!("spx cube view does not end: {error}");
        }
    }
}
