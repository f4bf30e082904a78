//! `cargo xtask viewers`: does a cube open, with right sky and wavelength, in the tools that people
//! use? `cargo xtask light-curve`: do they take a light curve, with all types and units? And do the
//! files that `spx cube export` makes of it?

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// The tools, in the order in which they run; `exports` stands for all of them on what
/// `spx cube export` makes.
const TOOLS: [&str; 6] = ["fitsverify", "astropy", "spectral_cube", "cubeviz", "ds9", "exports"];

struct ViewerOptions {
    cube: PathBuf,
    screenshot: PathBuf,
    only: Option<String>,
}

fn parse(arguments: &[&str]) -> Result<ViewerOptions> {
    let (mut cube, mut screenshot, mut only) = (None, None, None);
    let mut rest = arguments.iter();
    while let Some(&word) = rest.next() {
        match word {
            "--screenshot" => screenshot = Some(PathBuf::from(rest.next().context("--screenshot FILE.png")?)),
            "--only" => only = Some((*rest.next().context("--only TOOL")?).to_owned()),
            _ if word.starts_with('-') => bail!("unknown option {word}"),
            _ if cube.is_none() => cube = Some(PathBuf::from(word)),
            _ => bail!("one cube at a time"),
        }
    }
    if let Some(tool) = only.as_deref().filter(|tool| !TOOLS.contains(tool)) {
        bail!("no tool {tool}: there are {}", TOOLS.join(", "));
    }
    let cube = cube.context("which cube? cargo xtask viewers CUBE.fits")?;
    let screenshot = screenshot.unwrap_or_else(|| cube.with_extension("ds9.png"));
    Ok(ViewerOptions { cube, screenshot, only })
}

/// Runs every tool, also after one has failed.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let options = parse(arguments)?;
    let mut failed = Vec::new();
    for tool in TOOLS.into_iter().filter(|tool| options.only.as_deref().is_none_or(|only| only == *tool)) {
        println!("== {tool}");
        let done = match tool {
            "fitsverify" => fitsverify(&options.cube),
            "exports" => exports(&options.cube),
            _ => view(tool, &options),
        };
        if let Err(error) = done {
            println!("FAIL {tool}: {error:#}");
            failed.push(tool);
        }
    }
    if !failed.is_empty() {
        bail!("{} is not taken by {}", options.cube.display(), failed.join(", "));
    }
    println!("PASS {} in every tool", options.cube.display());
    Ok(())
}

fn fitsverify(file: &Path) -> Result<()> {
    let text = process::output(Command::new("fitsverify").arg(file))?;
    if !text.contains("0 warning(s) and 0 error(s)") {
        bail!("it finds fault:\n{text}");
    }
    println!("PASS fitsverify: no warning and no error");
    Ok(())
}

/// The cube in the layouts for other tools: does each see flux, uncertainty, mask and wavelengths,
/// and does `spx cube import` give the same bytes again?
fn exports(cube: &Path) -> Result<()> {
    let spx = process::build_spx("dev")?;
    let folder = process::cache()?.join("exports");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let python = process::python("venv-viewers", "requirements-viewers.txt")?;
    let mut check = Command::new(python);
    check.arg(process::script("view_exports.py")).arg(cube);
    for tool in ["cubeviz", "irsa"] {
        let [exported, back] = ["", "_back"].map(|end| folder.join(format!("{tool}{end}.fits")));
        let convert = |verb: &str, from: &Path, to: &Path| {
            let mut command = Command::new(&spx);
            command.args(["cube", verb]).arg(from).arg("-o").arg(to).arg("--overwrite");
            command
        };
        process::run(convert("export", cube, &exported).args(["--for", tool]))?;
        process::run(&mut convert("import", &exported, &back))?;
        if std::fs::read(&back)? != std::fs::read(cube)? {
            bail!("{} is not what it was before", back.display());
        }
        println!("PASS {tool}: exported and imported again it is the same file");
        fitsverify(&exported)?;
        check.arg(exported);
    }
    process::run(&mut check)
}

fn view(tool: &str, options: &ViewerOptions) -> Result<()> {
    let python = process::python("venv-viewers", "requirements-viewers.txt")?;
    let mut command = Command::new(python);
    command.arg(process::script(&format!("view_{tool}.py"))).arg(&options.cube);
    if tool == "ds9" {
        command.arg(&options.screenshot);
    }
    process::run(&mut command)
}

/// A light curve in astropy, pandas and specutils: that in a folder, or the one that `spx demo`
/// makes.
pub(crate) fn light_curve(arguments: &[&str]) -> Result<()> {
    let folder = match arguments {
        [folder] if !folder.starts_with('-') => PathBuf::from(folder),
        [] => {
            let output = process::cache()?.join("light-curve");
            let spx = process::build_spx("release")?;
            process::run(Command::new(spx).args(["demo", "--quiet", "-o"]).arg(&output))?;
            output.join("star/results")
        }
        _ => bail!("cargo xtask light-curve [FOLDER]"),
    };
    let python = process::python("venv-viewers", "requirements-viewers.txt")?;
    process::run(Command::new(python).arg(process::script("view_light_curve.py")).arg(folder))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn options_are_read_in_any_order() {
        let options = parse(&["--only", "ds9", "a/cube.fits"]).unwrap();
        assert_eq!(options.only.as_deref(), Some("ds9"));
        assert_eq!(options.screenshot.to_str(), Some("a/cube.ds9.png"));
        let options = parse(&["cube.fits", "--screenshot", "x.png"]).unwrap();
        assert_eq!(options.screenshot.to_str(), Some("x.png"));
    }

    #[test]
    fn nonsense_is_refused() {
        for words in [&[][..], &["a", "b"], &["a", "--only", "excel"], &["a", "--what"], &["a", "--only"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
