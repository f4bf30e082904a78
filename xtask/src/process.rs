//! Where things are, and running other programs: cargo, and Python in its virtual environments.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The directory of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// `$XDG_CACHE_HOME/spx`, or `~/.cache/spx`.
pub(crate) fn cache() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("spx"))
}

/// The value of the option `name`, a number above 0.
pub(crate) fn count(name: &str, value: &str) -> Result<usize> {
    value.parse().ok().filter(|&n| n > 0).with_context(|| format!("{name} {value}: a count"))
}

/// A script of `xtask/python`.
pub(crate) fn script(name: &str) -> PathBuf {
    root().join("xtask/python").join(name)
}

/// The cargo that runs us, in the workspace.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs to the end with our output streams; an error where it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

/// Runs to the end and gives its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} wrote no UTF-8"))
}

/// What `cargo metadata` says of the workspace; with these options besides.
pub(crate) fn metadata(options: &[&str]) -> Result<Value> {
    let text = output(cargo(&["metadata", "--locked", "--format-version", "1"]).args(options))?;
    serde_json::from_str(&text).context("cargo metadata")
}

/// `spx serve` at work, which ends with this value.
pub(crate) struct ServedArchive {
    process: Child,
    url: String,
}

impl ServedArchive {
    /// Starts the command and waits until it says its address.
    pub(crate) fn start(serve: &mut Command) -> Result<Self> {
        let process = serve.stdout(Stdio::piped()).spawn().context("cannot start spx serve")?;
        let mut archive = Self { process, url: String::new() };
        let output = archive.process.stdout.take().context("spx serve has no output")?;
        BufReader::new(output).read_line(&mut archive.url)?;
        archive.url.truncate(archive.url.trim_end().len());
        if !archive.url.starts_with("http") {
            bail!("spx serve gave no address: {}", archive.url);
        }
        Ok(archive)
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for ServedArchive {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata(&["--no-deps"])?;
    let target = metadata["target_directory"].as_str().context("cargo metadata: no target_directory")?;
    Ok(PathBuf::from(target))
}

/// Builds the workspace's `spx` in a profile, `dev` or `release`, and says where it is.
pub(crate) fn build_spx(profile: &str) -> Result<PathBuf> {
    println!("building spx ({profile})");
    run(&mut cargo(&["build", "--quiet", "--profile", profile, "-p", "spx-cli"]))?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target_directory()?.join(folder).join(format!("spx{}", std::env::consts::EXE_SUFFIX)))
}

/// The Python of the environment `name` of the cache, with the packages of `requirements` (in
/// `xtask/python`).
///
/// It is made where it is missing, and brought up to date where the requirements have changed
/// since.
pub(crate) fn python(name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = cache()?.join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("spx-requirements.txt");
    let list = script(requirements);
    let wanted = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if !python.exists() {
        println!("making the Python environment {}", folder.display());
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&list))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}

/// The environment of the oracles and of spxquery.
pub(crate) fn oracle_python() -> Result<PathBuf> {
    python("venv", "requirements.txt")
}
