//! Photometry of one source on local files.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_archive::Cutout;
use spx_plot::FigureFormat;

use super::cutouts::draw_cutouts;
use super::entry::{MeasurementOutcome, PhotometryEntry, measure_all, measure_unfitted_again, sort_entries};
use super::exposure::PhotometrySetup;
use super::neighbors::NeighborArchive;
use super::settings::PhotometrySettings;
use super::source::{SkyTarget, SourceSettings};
use super::table::{ColumnNames, MeasurementTable, TableHead};
use crate::archive::{ArchiveIdentifiers, ArchiveSettings, SearchSettings, check_mirror};
use crate::calibration::mixed_scales_warning;
use crate::flag_selection::check_names_of;
use crate::held::tell_smaller_cutouts;
use crate::identity::{DataRelease, ReleaseChoice};
use crate::inputs::{check_file, find_inputs};
use crate::{Listener, PipelineError};

/// Settings of the photometry of one source on local files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[s]` is a unit")]
pub struct PhotometryConfig {
    /// The source.
    #[serde(flatten)]
    pub source: SourceSettings,
    /// Base address of the archive that is queried for neighbors; plain http on this machine only
    #[schemars(extend("x-heading" = "Neighbors", "x-value" = "URL"))]
    pub archive_url: String,
    /// How often a failed query for neighbors is repeated, at most three times
    #[schemars(range(min = 0, max = 100), extend("x-heading" = "Neighbors"))]
    pub retries: u32,
    /// The longest time without data from the archive [s]
    #[schemars(range(min = 1, max = 3600), extend("x-heading" = "Neighbors", "x-value" = "S"))]
    pub timeout: f64,
    /// Names of the columns: spxquery, or irsa for those of IRSA's Spectrophotometry Tool
    #[schemars(extend("x-heading" = "Output", "x-value" = "NAMES"))]
    pub columns: ColumnNames,
    /// Which releases are used: newest (of each exposure the newest processing), qr2, qr3, dr1, or
    /// any (of each exposure the newest in each release)
    #[schemars(with = "String", extend("enum" = ["newest", "qr2", "qr3", "dr1", "any"], "x-heading" = "Input"))]
    pub release: ReleaseChoice,
    /// A directory with the paths of the archive, searched for calibration products
    #[schemars(extend("x-heading" = "Calibration", "x-value" = "DIR"))]
    pub data_mirror: Option<PathBuf>,
    /// How it is measured.
    #[serde(flatten)]
    pub photometry: PhotometrySettings,
}

impl PhotometryConfig {
    /// The archive that is asked for neighbors.
    fn archive(&self) -> ArchiveSettings {
        let mut archive = ArchiveSettings::at(&self.archive_url);
        (archive.search.retries, archive.search.timeout) = (self.retries, self.timeout);
        archive
    }
}

impl Default for PhotometryConfig {
    fn default() -> Self {
        let search = SearchSettings::default();
        Self {
            source: SourceSettings::default(),
            archive_url: search.archive_url,
            retries: search.retries,
            timeout: search.timeout,
            columns: ColumnNames::default(),
            release: ReleaseChoice::default(),
            data_mirror: None,
            photometry: PhotometrySettings::default(),
        }
    }
}

/// What became of a source on each file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhotometryReport {
    /// The source.
    #[serde(skip)]
    pub target: SkyTarget,
    /// Names of the columns of tables.
    pub columns: ColumnNames,
    /// Names of the calibration products at hand.
    pub calibration: Vec<String>,
    /// How the source was measured, line by line.
    pub settings: Vec<String>,
    /// What the archive calls the images, by query summaries beside them.
    #[serde(skip)]
    pub identifiers: ArchiveIdentifiers,
    /// One for each file, by time.
    pub entries: Vec<PhotometryEntry>,
    /// The figure of [`draw_cutouts`], where it was asked for.
    #[serde(skip)]
    pub cutouts: Option<Vec<u8>>,
}

/// Measures a source on files, and on the spectral images in directories. A file that cannot be
/// read does not stop the others. With a format, [`draw_cutouts`] draws measurements where there
/// are any.
///
/// # Errors
/// Usage where the settings are wrong; nothing found where there is no image; interrupted.
pub fn photometry(
    files: &[PathBuf],
    config: &PhotometryConfig,
    cutouts: Option<FigureFormat>,
    listener: &dyn Listener,
) -> Result<PhotometryReport, PipelineError> {
    let target = config.source.target()?;
    let parameters = config.photometry.parameters_of(&config.source)?;
    check_mirror(config.data_mirror.as_deref())?;
    let setup =
        PhotometrySetup::new(parameters, config.data_mirror.as_deref()).map_err(PipelineError::into_usage)?;
    setup.tell(listener);
    let asked = config.archive();
    let archive = NeighborArchive { settings: &asked, kept: None, resume: false };
    let setup = setup.with_neighbors(config.source.neighbors_of(&target, &archive, listener)?);
    let found = find_inputs(files, listener)?;
    if found.is_empty() {
        return Err(PipelineError::nothing_found("no spectral image (*.fits, *.fits.gz) in the inputs"));
    }
    found.tell_skipped(listener);
    let files: Vec<PathBuf> = found.files().iter().map(|(path, _)| path.clone()).collect();
    let bad_flags = &config.photometry.bad_flags;
    check_names_of(|names| bad_flags.mask(names), files.iter().map(PathBuf::as_path))?;
    let mut entries = measure_all(&files, &target, &setup, listener, |_| Ok(()))?;
    measure_unfitted_again(&mut entries, &target, &setup);
    entries.extend(found.failed().iter().map(PhotometryEntry::failed));
    sort_entries(&mut entries);
    count_once(&mut entries, config.release);
    warn_of_mixed_scales(&entries, listener);
    warn_of_unmodeled_light(&entries, listener);
    warn_of_small_cutouts(&entries, None, listener);
    let calibration = setup.calibration.files().collect();
    let identifiers = ArchiveIdentifiers::beside(&files, listener);
    let is_measured = entries.iter().any(|entry| entry.row().is_some());
    let draw = |format| draw_cutouts(&entries, &target, &setup, format, listener);
    let cutouts = cutouts.filter(|_| is_measured).map(draw).transpose()?;
    let settings = config.photometry.lines()?;
    Ok(PhotometryReport {
        target,
        columns: config.columns,
        calibration,
        settings,
        identifiers,
        entries,
        cutouts,
    })
}

impl PhotometryReport {
    /// The table of all files; `generated` is when it is made, where it is to say so.
    pub fn table(&self, generated: Option<String>) -> MeasurementTable<'_> {
        MeasurementTable {
            head: TableHead {
                name: "source".to_owned(),
                ra: self.target.position.ra(),
                dec: self.target.position.dec(),
                generated,
                calibration: self.calibration.clone(),
                settings: self.settings.clone(),
                identifiers: self.identifiers.clone(),
            },
            entries: &self.entries,
            names: self.columns,
            all: true,
        }
    }
}

/// Says so where the rows are on two flux scales.
pub(crate) fn warn_of_mixed_scales(entries: &[PhotometryEntry], listener: &dyn Listener) {
    let rows = entries.iter().filter_map(PhotometryEntry::row);
    if let Some(warning) = mixed_scales_warning(rows.map(|(info, _)| (&info.identity, info.flux_correction)))
    {
        listener.warning(&warning);
    }
}

/// Says so where the fits of half of the rows or more leave much light unexplained.
pub(crate) fn warn_of_unmodeled_light(entries: &[PhotometryEntry], listener: &dyn Listener) {
    let rows = || entries.iter().filter_map(PhotometryEntry::row);
    let [all, bad] = [rows().count(), rows().filter(|(_, row)| row.holds_unmodeled_light()).count()];
    if bad > 0 && 2 * bad >= all {
        listener.warning(&format!(
            "on {bad} of {all} images the pixels of the source contain much light that the fit does not \
             explain: a \
             neighbor is missing (neighbors), the position is off, or the source is extended (sersic, r_eff)"
        ));
    }
}

/// Says so where images hold less than the cutout that was asked for, and where what was cut off
/// harms measurements.
pub(crate) fn warn_of_small_cutouts(
    entries: &[PhotometryEntry],
    cutout: Option<&Cutout>,
    listener: &dyn Listener,
) {
    let cut = |entry: &&PhotometryEntry| entry.row().is_some_and(|(_, row)| row.fallbacks.cut_background);
    let lost =
        |entry: &&PhotometryEntry| matches!(entry.outcome, MeasurementOutcome::Rejected { is_cut: true, .. });
    let [cut, lost] = [entries.iter().filter(cut).count(), entries.iter().filter(lost).count()];
    let harm = cut_warning([cut, lost], &format!("on {} of {} images", cut + lost, entries.len()));
    let held = entries.iter().filter_map(|entry| entry.exposure.as_ref()?.cutout);
    let unharmed = if harm.is_none() { "; apertures and backgrounds are whole" } else { "" };
    if let Some(cutout) = cutout {
        tell_smaller_cutouts(cutout, held, unharmed, listener);
    }
    if let Some(harm) = harm {
        listener.warning(&harm);
    }
}

/// What is told where cutouts end within the background, of so many measurements, or within the
/// aperture, of so many others; `None` where they do so of none. `place` says of which.
pub(crate) fn cut_warning([cut, lost]: [usize; 2], place: &str) -> Option<String> {
    let effect = match [cut, lost] {
        [0, 0] => return None,
        [_, 0] => "there is less background than requested (cut_background in fallbacks)".to_owned(),
        [0, _] => "there is no measurement".to_owned(),
        _ => format!("{lost} have no measurement, {cut} less background (cut_background in fallbacks)"),
    };
    Some(format!(
        "{place} the cutout ends within aperture or background, so that {effect}; larger cutouts would \
         contain both"
    ))
}

/// Of several files of one exposure on which the source is measured, the newest processing counts,
/// and of copies the first by name; the others are rejected. One that is damaged fails, and the
/// next counts.
fn count_once(entries: &mut [PhotometryEntry], choice: ReleaseChoice) {
    for entry in entries.iter_mut() {
        let release = entry.exposure.as_ref().map(|exposure| exposure.identity.release);
        if let Some(release) = release.filter(|release| !choice.allows(*release)) {
            let found = release.map_or("of unknown release", DataRelease::name);
            let reason = format!("it is {found}, and release = {choice}");
            entry.outcome = MeasurementOutcome::Rejected { reason, is_cut: false };
        }
    }
    let key = |entry: &PhotometryEntry| {
        let (exposure, _) = entry.row()?;
        let rank = (exposure.identity.clone(), Reverse((exposure.file.clone(), entry.file.clone())));
        let group = choice.group(exposure.identity.release);
        Some(((exposure.obs_id.clone(), exposure.detector, group), rank))
    };
    let mut by_exposure: HashMap<_, Vec<_>> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some((exposure, rank)) = key(entry) {
            by_exposure.entry(exposure).or_default().push((rank, index));
        }
    }
    for mut files in by_exposure.into_values() {
        files.sort();
        while let [.., (_, best)] = files[..]
            && files.len() > 1
            && let Err(error) = check_file(Path::new(&entries[best].file))
        {
            entries[best].outcome = MeasurementOutcome::Failed { reason: error.problem };
            files.pop();
        }
        let Some(((identity, Reverse((name, _))), _)) = files.pop() else { continue };
        for (_, index) in files {
            let reason = format!("{name} is used for this exposure ({identity})");
            entries[index].outcome = MeasurementOutcome::Rejected { reason, is_cut: false };
        }
    }
}
