//! One exposure counts once: of several processings the newest, of several files of the same pixels
//! one. A file that is damaged does not stand before another of the same exposure.
//!
//! Two cutouts of one exposure that cover different pixels may both be used.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use spx_core::image::ExposureId;

use crate::identity::{DataRelease, ReleaseChoice};
use crate::inputs::{InputError, InputFile, check_file};

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

/// Keeps, of the files of each exposure that are of the releases that are chosen, the newest, and
/// older ones only where they show other pixels. A file that would put another aside is read first,
/// and its sums compared.
pub fn newest_inputs(files: Vec<InputFile>, choice: ReleaseChoice) -> NewestInputs {
    newest_whole_inputs(files, choice, &|file| check_file(&file.path))
}

fn newest_whole_inputs(
    files: Vec<InputFile>,
    choice: ReleaseChoice,
    check: &dyn Fn(&InputFile) -> Result<(), InputError>,
) -> NewestInputs {
    let mut by_exposure: BTreeMap<(ExposureId, Option<DataRelease>), Vec<InputFile>> = BTreeMap::new();
    let mut newest = NewestInputs::default();
    for file in files {
        let release = file.identity.release;
        if !choice.allows(release) {
            let found = release.map_or("of unknown release", DataRelease::name);
            newest.aside.push((file, format!("it is {found}, and release = {choice}")));
            continue;
        }
        by_exposure.entry((file.id.clone(), choice.group(release))).or_default().push(file);
    }
    for mut files in by_exposure.into_values() {
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
    newest
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
                newest_whole_inputs(files, ReleaseChoice::Newest, &|_| Ok(()));
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
    fn a_damaged_file_hides_none() {
        let good = made("l2b-v20-2025-250", [0, 0], "good");
        let files = vec![made("l2b-v21-2025-354", [0, 0], "damaged"), good.clone()];
        let check = |file: &InputFile| match file.path.starts_with("damaged") {
            true => Err(InputError::new(&file.path, "it is damaged")),
            false => Ok(()),
        };
        let chosen = newest_whole_inputs(files.clone(), ReleaseChoice::Newest, &check);
        assert_eq!((chosen.kept, chosen.aside), (vec![good], vec![]));
        assert_eq!(chosen.damaged.len(), 1);
        // Alone, a file is read once, by who uses it.
        let alone = newest_whole_inputs(files[..1].to_vec(), ReleaseChoice::Newest, &check);
        assert_eq!((alone.kept.len(), alone.damaged.len()), (1, 0));
    }
}
