//! Which of the files at hand are used: those that the selection allows, and of each exposure one:
//! of several processings the newest, of several files of the same pixels one. A file that is
//! damaged does not stand before another of the same exposure.
//!
//! Two cutouts of one exposure that cover different pixels may both be used.

use std::cmp::Reverse;

use spx_archive::MjdRange;
use spx_core::detector::Detector;

use crate::PipelineError;
use crate::identity::{DataRelease, ReleaseChoice};
use crate::inputs::{InputError, InputFile, check_file};

/// What a search of the archive leaves out, for files at hand.
#[derive(Debug, Clone, Default)]
pub struct InputSelection {
    /// Releases that are used.
    pub release: ReleaseChoice,
    /// Only exposures that began between these dates.
    pub mjd_range: Option<MjdRange>,
    /// Only these detectors; all where there is none.
    pub bands: Vec<Detector>,
    /// More files than this are an error.
    pub max_images: Option<usize>,
}

impl InputSelection {
    /// Why a file is left aside.
    fn refusal(&self, file: &InputFile) -> Option<String> {
        let release = file.identity.release;
        if !self.release.allows(release) {
            let found = release.map_or("of unknown release", DataRelease::name);
            return Some(format!("it is {found}, and release = {}", self.release));
        }
        let begin = file.begin.0;
        if let Some(range) = self.mjd_range
            && !(range.min()..=range.max()).contains(&begin)
        {
            let (min, max) = (range.min(), range.max());
            return Some(format!("it was taken at MJD {begin:.5}, and mjd_range = {min},{max}"));
        }
        let detector = file.id.detector;
        let wanted = self.bands.is_empty() || self.bands.contains(&detector);
        (!wanted).then(|| format!("it is of detector {detector}, which is not among bands"))
    }
}

/// Inputs of which each exposure counts once, and those left aside.
#[derive(Debug, Clone, Default)]
pub struct NewestInputs {
    /// In their order.
    pub kept: Vec<InputFile>,
    /// With the reason.
    pub aside: Vec<(InputFile, String)>,
    /// Those that would have been kept, had they been whole; others of their exposures are.
    pub damaged: Vec<InputError>,
}

/// Keeps, of the files of each exposure that the selection allows, the newest, and older ones only
/// where they show other pixels. A file that would put another aside is read first, and its sums
/// compared.
///
/// # Errors
/// Usage where more are kept than the selection allows.
pub fn newest_inputs(
    files: Vec<InputFile>,
    selection: &InputSelection,
) -> Result<NewestInputs, PipelineError> {
    newest_whole_inputs(files, selection, &|file| check_file(&file.path))
}

fn newest_whole_inputs(
    files: Vec<InputFile>,
    selection: &InputSelection,
    check: &dyn Fn(&InputFile) -> Result<(), InputError>,
) -> Result<NewestInputs, PipelineError> {
    let mut allowed = Vec::with_capacity(files.len());
    let mut newest = NewestInputs::default();
    for file in files {
        if let Some(reason) = selection.refusal(&file) {
            newest.aside.push((file, reason));
            continue;
        }
        allowed.push(file);
    }
    // A survey has a million exposures: sorted in their place, they take no memory besides.
    let group = |file: &InputFile| selection.release.group(file.identity.release);
    let by_exposure = |a: &InputFile, b: &InputFile| a.id.cmp(&b.id).then_with(|| group(a).cmp(&group(b)));
    allowed.sort_by(by_exposure);
    let mut rest = allowed.into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut files = vec![first];
        while let Some(next) = rest.next_if(|next| by_exposure(next, &files[0]).is_eq()) {
            files.push(next);
        }
        files.sort_by_cached_key(|f| {
            let pixels = f.shape[0] * f.shape[1];
            (Reverse((f.identity.clone(), pixels, f.named)), f.name.clone(), f.path.clone())
        });
        let first = newest.kept.len();
        for (k, file) in files.iter().enumerate() {
            if let Some(kept) = newest.kept[first..].iter().find(|kept| overlap(kept, file)) {
                let reason = reason(file, kept);
                newest.aside.push((file.clone(), reason));
                continue;
            }
            let has_rival = files[k + 1..].iter().any(|other| overlap(file, other));
            match if has_rival { check(file) } else { Ok(()) } {
                Ok(()) => newest.kept.push(file.clone()),
                Err(error) => newest.damaged.push(error),
            }
        }
    }
    newest.kept.sort();
    newest.aside.sort();
    match selection.max_images {
        Some(limit) if newest.kept.len() > limit => {
            let count = newest.kept.len();
            let text = format!("there are {count} images, more than max_images = {limit}");
            Err(PipelineError::usage(text).with_hint("--max-images allows more"))
        }
        _ => Ok(newest),
    }
}

/// Whether two files show a pixel of the detector both.
fn overlap(a: &InputFile, b: &InputFile) -> bool {
    (0..2).all(|axis| {
        let end = |f: &InputFile| f.first_pixel[axis] + i64::try_from(f.shape[axis]).unwrap_or(i64::MAX / 2);
        a.first_pixel[axis] < end(b) && b.first_pixel[axis] < end(a)
    })
}

fn reason(file: &InputFile, kept: &InputFile) -> String {
    let (id, name) = (&kept.id, &kept.name);
    if file.identity == kept.identity {
        return format!("{name} has the same pixels of {id}");
    }
    format!("{name} is a newer processing of {id}, {} after {}", kept.identity, file.identity)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spx_core::detector::Detector;
    use spx_core::image::ExposureId;

    use super::*;
    use crate::identity::ReleaseIdentity;
    use crate::inputs::ExposureBegin;

    fn made(processing: &str, first_pixel: [i64; 2], folder: &str) -> InputFile {
        let name = format!("level2_2025W51_1A_0684_2D3_spx_{processing}.fits");
        let path = Path::new(folder).join(&name);
        InputFile {
            begin: ExposureBegin(61_000.0),
            id: ExposureId { observation: "2025W51_1A_0684_2".into(), detector: Detector::new(3).unwrap() },
            identity: ReleaseIdentity::new(&path, Some("6.5")),
            name,
            path,
            shape: [100, 100],
            named: false,
            first_pixel,
        }
    }

    #[test]
    fn the_newest_processing_of_the_same_pixels_is_kept() {
        let files = vec![
            made("l2b-v20-2025-250", [0, 0], "a"),
            made("l2b-v21-2025-354", [0, 50], "a"),
            made("l2b_retry-v21-2025-354", [0, 50], "a"),
            made("l2b_retry-v21-2025-354", [0, 50], "b"),
            made("l2b-v20-2025-250", [0, 150], "a"),
            made("l2b-v20-2025-250", [100, 50], "a"),
        ];
        for files in [files.clone(), files.into_iter().rev().collect()] {
            let NewestInputs { kept, aside, .. } =
                newest_whole_inputs(files, &InputSelection::default(), &|_| Ok(())).unwrap();
            let kept: Vec<_> = kept.iter().map(|f| (f.identity.to_string(), f.first_pixel)).collect();
            let old = || "qr2 l2b-v20-2025-250".to_owned();
            let expected =
                [(old(), [0, 150]), (old(), [100, 50]), ("qr2 l2b_retry-v21-2025-354".to_owned(), [0, 50])];
            assert_eq!(kept.len(), 3, "{kept:?}");
            assert!(expected.iter().all(|file| kept.contains(file)), "{kept:?}");
            let reasons: Vec<&str> = aside.iter().map(|(_, reason)| reason.as_str()).collect();
            assert_eq!(reasons.len(), 3);
            assert_eq!(reasons.iter().filter(|r| r.contains("newer processing")).count(), 2, "{reasons:?}");
            assert_eq!(reasons.iter().filter(|r| r.contains("same pixels")).count(), 1, "{reasons:?}");
        }
    }

    #[test]
    fn dates_detectors_and_number_are_those_of_the_selection() {
        let file =
            |begin: f64| InputFile { begin: ExposureBegin(begin), ..made("l2b-v21-2025-354", [0, 0], "a") };
        let all = InputSelection::default();
        let kept = |file: InputFile, selection: &InputSelection| {
            newest_whole_inputs(vec![file], selection, &|_| Ok(()))
                .map(|newest| newest.kept.len())
                .map_err(|e| e.to_string())
        };
        let dates =
            InputSelection { mjd_range: Some(MjdRange::new(60_999.0, 61_000.0).unwrap()), ..all.clone() };
        for (begin, count) in [(61_000.0, 1), (61_000.1, 0), (60_998.9, 0), (f64::NAN, 0)] {
            assert_eq!(kept(file(begin), &dates), Ok(count), "{begin}");
        }
        for (band, count) in [(3, 1), (4, 0)] {
            let bands = InputSelection { bands: vec![Detector::new(band).unwrap()], ..all.clone() };
            assert_eq!(kept(file(61_000.0), &bands), Ok(count));
        }
        let limit = |max| kept(file(61_000.0), &InputSelection { max_images: Some(max), ..all.clone() });
        assert_eq!(limit(1), Ok(1));
        assert!(limit(0).unwrap_err().contains("max_images = 0"));
    }

    #[test]
    fn a_damaged_file_hides_none() {
        let good = made("l2b-v20-2025-250", [0, 0], "good");
        let files = vec![made("l2b-v21-2025-354", [0, 0], "damaged"), good.clone()];
        let check = |file: &InputFile| match file.path.starts_with("damaged") {
            true => Err(InputError::new(&file.path, "it is damaged")),
            false => Ok(()),
        };
        let chosen = newest_whole_inputs(files.clone(), &InputSelection::default(), &check).unwrap();
        assert_eq!((chosen.kept, chosen.aside), (vec![good], vec![]));
        assert_eq!(chosen.damaged.len(), 1);
        // Alone, a file is read once, by who uses it.
        let alone = newest_whole_inputs(files[..1].to_vec(), &InputSelection::default(), &check).unwrap();
        assert_eq!((alone.kept.len(), alone.damaged.len()), (1, 0));
    }
}
