//! The frames of a survey: what each is and where it looks, kept in `frames.tsv`, so that a later
//! plan opens only files that are new.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use spx_core::image::ExposureId;
use spx_core::mef::MefFile;
use spx_wcs::CelestialWcs;

use crate::identity::ReleaseIdentity;
use crate::inputs::{ExposureBegin, InputError, InputFile, file_name, find_inputs};
use crate::output::write_output;
use crate::{Listener, PipelineError, ResultContext as _};

/// The line of the columns' names.
const HEADER: &str = "observation\tdetector\tmjd\trelease\tversion\tprocessing\tny\tnx\ty0\tx0\tbytes\tmodified\tra1\tdec1\tra2\t\
                      dec2\tra3\tdec3\tra4\tdec4\tpath";

/// A frame as a survey knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct SurveyFrame {
    /// Exposure, time, processing, file.
    pub file: InputFile,
    /// Size of the file \[bytes\].
    pub bytes: u64,
    /// When it was modified \[ns since 1970\]; 0 where that is not known.
    pub modified: u64,
    /// Its outer corners `[ra, dec]` \[deg\], in order around it.
    pub corners: [[f64; 2]; 4],
}

impl SurveyFrame {
    /// Reads headers of a file.
    fn open(path: &Path, named: bool, (bytes, modified): (u64, u64)) -> Result<Self, InputError> {
        let opened = MefFile::open(path)?;
        let metadata = opened.metadata();
        let file = InputFile::of(path, named, metadata)?;
        let celestial = CelestialWcs::from_header(&metadata.header).map_err(|e| InputError::wcs(path, &e))?;
        let corners = celestial.footprint(metadata.shape);
        if corners.iter().flatten().all(|angle| angle.is_finite()) {
            return Ok(Self { file, bytes, modified, corners });
        }
        Err(InputError::new(path, "HDU IMAGE: its WCS gives no positions for the corners"))
    }

    fn line(&self, out: &mut String) {
        let Self { file, bytes, modified, corners } = self;
        let identity = &file.identity;
        let release = identity.release.map_or_else(String::new, |r| r.to_string());
        let version = identity.version.as_deref().unwrap_or_default();
        let processing = identity.processing.map_or_else(String::new, |p| p.to_string());
        let InputFile { begin, id, path, shape: [ny, nx], first_pixel: [y0, x0], .. } = file;
        // Writing to a string cannot fail.
        write!(
            out,
            "{}\t{}\t{}\t{release}\t{version}\t{processing}\t{ny}\t{nx}\t{y0}\t{x0}\t{bytes}\t{modified}",
            id.observation, id.detector, begin.0
        )
        .ok();
        corners.iter().flatten().for_each(|angle| {
            write!(out, "\t{angle}").ok();
        });
        writeln!(out, "\t{}", path.display()).ok();
    }

    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.split('\t').collect();
        let [observation, detector, mjd, release, version, processing, rest @ ..] = cells.as_slice() else {
            return None;
        };
        let [ny, nx, y0, x0, bytes, modified, angles @ .., path] = rest else { return None };
        let angles: Vec<f64> = angles.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
        let &[a, b, c, d, e, f, g, h] = angles.as_slice() else { return None };
        let path = PathBuf::from(path);
        Some(Self {
            file: InputFile {
                begin: ExposureBegin(mjd.parse().ok()?),
                id: ExposureId { observation: (*observation).to_owned(), detector: detector.parse().ok()? },
                name: file_name(&path),
                path,
                shape: [ny.parse().ok()?, nx.parse().ok()?],
                named: true,
                identity: ReleaseIdentity {
                    release: release.parse().ok(),
                    version: Some((*version).to_owned()).filter(|version| !version.is_empty()),
                    processing: processing.parse().ok(),
                },
                first_pixel: [y0.parse().ok()?, x0.parse().ok()?],
            },
            bytes: bytes.parse().ok()?,
            modified: modified.parse().ok()?,
            corners: [[a, b], [c, d], [e, f], [g, h]],
        })
    }
}

/// Reads `frames.tsv`.
///
/// # Errors
/// Where it cannot be read, or a line is not a frame.
pub fn read_frames(path: &Path) -> Result<Vec<SurveyFrame>, PipelineError> {
    let context = || path.display().to_string();
    let text = fs::read_to_string(path).with_context(context)?;
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err(PipelineError::failed("it is not a list of frames of this spx").with_context(context()));
    }
    let lines: Vec<&str> = lines.collect();
    let frame = |(number, line): (usize, &&str)| {
        SurveyFrame::parse(line)
            .ok_or_else(|| PipelineError::failed(format!("line {} is not a frame", number + 2)))
    };
    let frames: Result<Vec<_>, _> = lines.par_iter().enumerate().map(frame).collect();
    frames.with_context(context)
}

/// Writes `frames.tsv`, replacing it where it is there and other.
///
/// # Errors
/// What the disk reports.
pub fn write_frames(path: &Path, frames: &[SurveyFrame]) -> Result<(), PipelineError> {
    let mut text = format!("{HEADER}\n");
    frames.iter().for_each(|frame| frame.line(&mut text));
    write_output(path, text.as_bytes(), true)
}

/// The frames in files, directories and lists, of which `known` need not be opened again where size
/// and time are the same; sorted, with the inputs that cannot be used.
pub(crate) fn find_frames(
    inputs: &[PathBuf],
    known: Vec<SurveyFrame>,
    listener: &dyn Listener,
) -> Result<(Vec<SurveyFrame>, Vec<InputError>), PipelineError> {
    let found = find_inputs(inputs, listener)?;
    found.tell_skipped(listener);
    let known: HashMap<PathBuf, SurveyFrame> =
        known.into_iter().map(|frame| (frame.file.path.clone(), frame)).collect();
    listener.start("frames", found.files().len() as u64);
    let frame = |(path, named): &(PathBuf, bool)| {
        if listener.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        listener.advance(1);
        let path = std::path::absolute(path).with_context(|| path.display().to_string())?;
        Ok(look(&path, *named, &known))
    };
    let frames: Result<Vec<_>, PipelineError> = found.files().par_iter().map(frame).collect();
    listener.finish();
    let (mut used, mut failed) = (Vec::new(), found.failed().to_vec());
    for frame in frames? {
        match frame {
            Ok(frame) => used.push(frame),
            Err(error) => failed.push(error),
        }
    }
    used.sort_by(|a, b| a.file.cmp(&b.file));
    failed.sort();
    Ok((used, failed))
}

/// A frame by its file, opened where it is not known.
fn look(path: &Path, named: bool, known: &HashMap<PathBuf, SurveyFrame>) -> Result<SurveyFrame, InputError> {
    if path.to_str().is_none_or(|text| text.contains(['\t', '\n'])) {
        return Err(InputError::new(
            path,
            "lists cannot contain a path with a tab, or one that is not UTF-8",
        ));
    }
    let metadata = fs::metadata(path).map_err(|error| InputError::new(path, error))?;
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = since.and_then(|time| u64::try_from(time.as_nanos()).ok()).unwrap_or_default();
    let state = (metadata.len(), modified);
    match known.get(path).filter(|frame| (frame.bytes, frame.modified) == state) {
        Some(frame) => Ok(frame.clone()),
        None => SurveyFrame::open(path, named, state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SurveyFrame {
        let path = PathBuf::from("/data/level2_2025W51_1A_0684_2D3_spx_l2b-v21-2025-354.fits");
        SurveyFrame {
            file: InputFile {
                begin: ExposureBegin(61_025.123_456_789),
                id: ExposureId { observation: "2025W51_1A_0684_2".into(), detector: "D3".parse().unwrap() },
                name: file_name(&path),
                identity: ReleaseIdentity::new(&path, Some("6.5.6")),
                path,
                shape: [2040, 2040],
                named: true,
                first_pixel: [0, 0],
            },
            bytes: 70_000_000,
            modified: 1_700_000_000_123_456_789,
            corners: [[359.5, -1.5], [0.1 + 0.2, -1.5], [0.3, 1e-7], [359.5, 1.0 / 3.0]],
        }
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frames.tsv");
        let unknown = SurveyFrame {
            file: InputFile { identity: ReleaseIdentity::default(), first_pixel: [-3, 7], ..example().file },
            ..example()
        };
        let frames = [example(), unknown];
        write_frames(&path, &frames).unwrap();
        assert_eq!(read_frames(&path).unwrap(), frames);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("70000000", "many")).unwrap();
        assert!(read_frames(&path).unwrap_err().one_line().contains("frames.tsv: line 2 is not a frame"));
        fs::write(&path, "a\tb\n").unwrap();
        assert!(read_frames(&path).unwrap_err().one_line().contains("not a list of frames"));
    }
}
