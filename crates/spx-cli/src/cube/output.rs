//! Files that the commands write: what kind they are, and how they appear.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use spx_plot::{FigureFormat, PlotError, Size};

use crate::exit::Failure;
use spx_pipeline::output::{check_output, write_output};

/// What a file is to hold, by the ending of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A table.
    Csv,
    /// A picture.
    Figure(FigureFormat),
}

/// A file to write.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
}

impl Output {
    /// Reads the kind off the name; one of `allowed` endings it must have.
    fn new(path: &Path, allowed: &[&str]) -> anyhow::Result<Self> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let kind = match ending.as_str() {
            _ if !allowed.contains(&ending.as_str()) => None,
            "csv" => Some(Kind::Csv),
            "png" => Some(Kind::Figure(FigureFormat::Png)),
            "svg" => Some(Kind::Figure(FigureFormat::Svg)),
            "pdf" => Some(Kind::Figure(FigureFormat::Pdf)),
            _ => None,
        };
        let kind = kind.ok_or_else(|| {
            let endings: Vec<String> = allowed.iter().map(|e| format!(".{e}")).collect();
            anyhow!("--output {}: the name must end in {}", path.display(), endings.join(", "))
        })?;
        Ok(Self { path: path.to_owned(), kind })
    }

    /// Writes the file, which appears only when it is complete.
    pub(crate) fn write(&self, contents: &[u8], overwrite: bool) -> Result<(), Failure> {
        Ok(write_output(&self.path, contents, overwrite)?)
    }
}

/// Checks the outputs that the user named before any work is done.
///
/// # Errors
/// Usage, where an ending is not allowed, a name is given twice, or a file is there and not to be
/// replaced.
pub(crate) fn outputs(paths: &[PathBuf], allowed: &[&str], overwrite: bool) -> Result<Vec<Output>, Failure> {
    for (k, path) in paths.iter().enumerate() {
        if paths[..k].contains(path) {
            return Err(Failure::usage(anyhow!("--output {} is given twice", path.display())));
        }
        check_output(path, overwrite)?;
    }
    paths.iter().map(|path| Output::new(path, allowed).map_err(Failure::usage)).collect()
}

/// A figure that cannot be drawn as the user asked is an error of usage.
pub(crate) fn plot_failure(error: PlotError) -> Failure {
    match error {
        PlotError::Size { .. } | PlotError::Limits { .. } | PlotError::Parameter { .. } => {
            Failure::usage(error)
        }
        _ => error.into(),
    }
}

/// A picture size as the user writes it, `1000x900`.
pub(crate) fn parse_size(text: &str) -> Result<Size, String> {
    let sides = text.split_once(['x', 'X']).and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let (width, height) = sides.ok_or("expected WIDTHxHEIGHT in pixels, such as 1000x900")?;
    let (least, most) = (Size::MIN_SIDE, Size::MAX_SIDE);
    if ![width, height].iter().all(|side| (least..=most).contains(side)) {
        return Err(format!("sides are from {least} to {most} pixels"));
    }
    Ok(Size { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_go_by_the_ending() {
        let all = ["csv", "png", "svg"];
        let kind = |name: &str, allowed: &[&str]| Output::new(Path::new(name), allowed).map(|o| o.kind).ok();
        assert_eq!(kind("a.csv", &all), Some(Kind::Csv));
        assert_eq!(kind("a.PNG", &all), Some(Kind::Figure(FigureFormat::Png)));
        assert_eq!(kind("a.b.svg", &all), Some(Kind::Figure(FigureFormat::Svg)));
        assert_eq!(kind("a.csv", &["png", "svg"]), None);
        for bad in ["a.fits", "csv", "a", "a.png.gz"] {
            assert_eq!(kind(bad, &all), None, "{bad}");
        }
    }

    #[test]
    fn sizes_parse() {
        let size = parse_size("640x480").unwrap();
        assert_eq!((size.width, size.height), (640, 480));
        for bad in ["640", "x", "640x", "axb", "-1x3", "1x2x3", "0x10", "640x9999"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
