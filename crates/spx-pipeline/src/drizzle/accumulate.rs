//! `--accumulate`: running sums that stay in a file, to which each run adds its exposures.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use spx_core::atomic;
use spx_core::header::Header;
use spx_core::image::ExposureId;
use spx_core::mef::MefFile;
use spx_core::progress::Progress;
use spx_drizzle::file::{self, CubeCompression, CubeFileError, CubeFileProblem, SumsFile};
use spx_drizzle::{
    AccumulatedExposure, Accumulator, ComparedExposure, DrizzlePlan, Drizzler, Droplets, GroupTime,
};

use super::job::{Answer, Loaded};
use super::report::InputReport;
use super::settings::{DrizzleConfig, DrizzleProduct, KnownExposures};
use crate::identity::InputIdentity;
use crate::inputs::{ExposureBegin, InputError, InputFile};
use crate::outcome::InputOutcome;
use crate::output::OutputDirectory;
use crate::{Listener, PipelineError, ResultContext as _, stages};

/// The file of an accumulator while a run adds to it.
pub(super) struct SumsInUse {
    pub(super) path: PathBuf,
    /// Until it is read as a whole; `None` where this run makes it.
    file: Option<SumsFile>,
    exists: bool,
    /// Keeps other runs away.
    lock: Option<File>,
    /// Goes again if it was made for this run and nothing comes into it.
    _directory: OutputDirectory,
}

impl SumsInUse {
    /// Opens a file if it is there, and checks that it was made with these settings, lines
    /// `key = value`.
    ///
    /// # Errors
    /// Usage where the settings are others; where the file is damaged, no accumulator, or in use.
    pub(super) fn open(path: &Path, settings: &[String]) -> Result<Self, PipelineError> {
        let path = path.to_owned();
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = OutputDirectory::create(directory)?;
        if path.symlink_metadata().is_err() {
            return Ok(Self { path, file: None, exists: false, lock: None, _directory: directory });
        }
        let lock = lock(&path)?;
        let file = SumsFile::open(&path)?;
        file.check_settings(settings)?;
        Ok(Self { path, file: Some(file), exists: true, lock, _directory: directory })
    }

    /// The exposures in it, until it is read.
    pub(super) fn entries(&self) -> &[AccumulatedExposure] {
        self.file.as_ref().map_or(&[], |file| file.entries())
    }

    /// Reads the sums; empty ones where there is no file yet.
    pub(super) fn load(
        &mut self,
        plan: DrizzlePlan,
        progress: &dyn Progress,
    ) -> Result<Accumulator, PipelineError> {
        match self.file.take() {
            Some(file) => load(file, plan, progress),
            None => Ok(Accumulator::new(Drizzler::new(plan))),
        }
    }

    /// For each plane, the number of exposures that contributed; `None` where there is no file yet.
    pub(super) fn inputs_per_plane(&self) -> Option<&[u32]> {
        self.file.as_ref().map(SumsFile::inputs_per_plane)
    }

    /// The sums of which only what exposures reach is read; `None` where all have to be read.
    pub(super) fn partial(
        &mut self,
        plan: &DrizzlePlan,
        compression: CubeCompression,
    ) -> Result<Option<Accumulator>, PipelineError> {
        let partial = self.file.as_mut().map(|file| file.partial(plan, compression)).transpose();
        Ok(partial?.flatten())
    }

    /// Adds sources to [`partial`](Self::partial) sums.
    pub(super) fn add_reached<F>(
        &mut self,
        drizzler: &mut Drizzler,
        sources: &[InputFile],
        load: F,
        progress: &dyn Progress,
    ) -> Result<Vec<Answer>, PipelineError>
    where
        F: Fn(&DrizzlePlan, &InputFile, &mut Droplets) -> Result<Loaded, InputError> + Sync,
    {
        let file = self.file.as_mut().ok_or_else(|| PipelineError::failed("the sums were read before"))?;
        let plan = drizzler.plan().clone();
        let answers = drizzler.add_all_reached(sources, load, &mut file.tiles(&plan, progress), progress);
        answers.map_err(|problem| match problem {
            CubeFileProblem::Sums(error) => error.into(),
            problem => CubeFileError { path: self.path.clone(), problem }.into(),
        })
    }

    /// Replaces the file, or makes it; copies from it what exposures have not reached that were
    /// added to [`partial`](Self::partial) sums. A file that has appeared meanwhile is another
    /// run's.
    pub(super) fn write(
        &mut self,
        accumulator: &Accumulator,
        settings: &[String],
        form: (&Header, CubeCompression),
        progress: &dyn Progress,
    ) -> Result<(), PipelineError> {
        let written = match &mut self.file {
            Some(file) => {
                progress.start("write sums", file::sums_steps(&accumulator.drizzler));
                let written = file::rewrite_sums(file, accumulator, settings, form, progress);
                progress.finish();
                written.map_err(PipelineError::from)
            }
            None => write(&self.path, accumulator, settings, form, self.exists, progress),
        };
        // Of two runs that would both make it, one is late.
        let is_late = !self.exists && self.path.symlink_metadata().is_ok();
        written.map_err(|error| if is_late { stages::at_work(&self.path) } else { error })?;
        // The lock is on the file that was replaced. A run that has locked the new one meanwhile
        // has whole sums before it.
        self.lock = stages::lock(&self.path).ok().flatten();
        Ok(())
    }
}

/// Locks an accumulator, and removes what killed runs have left beside it.
fn lock(path: &Path) -> Result<Option<File>, PipelineError> {
    let lock = stages::lock(path)?;
    if let Some(locked) = &lock {
        // Between opening and locking it, another run may have replaced it.
        if identity(&locked.metadata()?) != identity(&path.metadata()?) {
            return Err(stages::at_work(path));
        }
        atomic::remove_leftovers(path).with_context(|| path.display().to_string())?;
        // Runs on other sums may be testing the same directory: they have made their file by then,
        // and do not miss it.
        let directory = path.parent().unwrap_or(path);
        atomic::remove_leftovers(&OutputDirectory::probe(directory)).ok();
    }
    Ok(lock)
}

/// What tells a file from the one that replaces it.
#[cfg(unix)]
fn identity(file: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev(), file.ino())
}

#[cfg(not(unix))]
fn identity(file: &Metadata) -> (u64, Option<std::time::SystemTime>) {
    (file.len(), file.modified().ok())
}

/// Reads the sums of a file.
pub(super) fn load(
    file: SumsFile,
    plan: DrizzlePlan,
    progress: &dyn Progress,
) -> Result<Accumulator, PipelineError> {
    progress.start("read sums", file.steps(&plan));
    let loaded = file.load(plan, progress);
    progress.finish();
    loaded.map_err(PipelineError::from)
}

/// Writes sums to a file.
pub(super) fn write(
    path: &Path,
    accumulator: &Accumulator,
    settings: &[String],
    form: (&Header, CubeCompression),
    overwrite: bool,
    progress: &dyn Progress,
) -> Result<(), PipelineError> {
    progress.start("write sums", file::sums_steps(&accumulator.drizzler));
    let written = file::write_sums(path, accumulator, settings, form, overwrite, progress);
    progress.finish();
    written.map_err(PipelineError::from)
}

/// Names of the files whose exposures are in sums; `None` where the sums were made with other
/// settings.
///
/// # Errors
/// Where the file is damaged or no accumulator.
pub(crate) fn added_files(
    path: &Path,
    config: &DrizzleConfig,
    product: DrizzleProduct,
) -> Result<Option<HashSet<String>>, PipelineError> {
    let file = SumsFile::open(path)?;
    let is_same = file.check_settings(&config.history(product)).is_ok();
    Ok(is_same.then(|| file.entries().iter().map(|entry| entry.file.clone()).collect()))
}

/// What became of a source.
pub(super) struct AddedFile {
    pub(super) report: InputReport,
    /// Its number in the context.
    pub(super) number: Option<u32>,
    /// Its time, where it is used.
    pub(super) time: Option<GroupTime>,
}

/// Sources as an accumulator sees them.
#[derive(Default)]
pub(super) struct AddedFiles {
    pub(super) new: Vec<InputFile>,
    /// Those that come twice, which fail, and those that the user has named although they are in
    /// the sums: a run that is repeated after it was killed meets them.
    pub(super) refused: Vec<InputReport>,
    /// Those in the sums that were met in a directory or in the archive.
    pub(super) aside: usize,
    /// Those of them that are newer processings than what is in the sums.
    pub(super) newer: usize,
    /// Those whose file has other content than the one that is in the sums.
    pub(super) replaced: usize,
    /// New ones that are earlier than the last one in the sums.
    pub(super) early: usize,
    /// Sources whose exposures are in the sums.
    known: Vec<InputFile>,
    /// What changes with the content of each source.
    contents: HashMap<PathBuf, InputIdentity>,
}

impl AddedFiles {
    /// Tells which sources are new. Each exposure is added once, be it in the sums or twice among
    /// the sources.
    pub(super) fn among(
        sources: &[InputFile],
        entries: &[AccumulatedExposure],
        choice: KnownExposures,
    ) -> Self {
        let last = entries.iter().map(order).max();
        let identified = sources.par_iter().map(|s| (s.path.clone(), InputIdentity::of(&s.path)));
        let mut additions = Self { contents: identified.collect(), ..Self::default() };
        let mut seen = HashSet::new();
        let known: HashMap<_, _> = entries.iter().map(|e| (&e.id, e)).collect();
        for source in sources {
            let there = known.get(&source.id);
            let content = additions.contents[&source.path].digest();
            let replaced = there.is_some_and(|t| {
                t.identity == source.identity
                    && t.content.as_deref().zip(content).is_some_and(|(a, b)| a != b)
            });
            additions.replaced += usize::from(replaced);
            additions.known.extend(there.map(|_| source.clone()));
            let (status, reason) = match () {
                () if there.is_some() && (!source.named || choice == KnownExposures::Skip) => {
                    additions.aside += 1;
                    additions.newer += usize::from(there.is_some_and(|t| source.identity > t.identity));
                    continue;
                }
                () if there.is_some() => (InputOutcome::Rejected, "is already in the sums"),
                () if !seen.insert(&source.id) => {
                    (InputOutcome::Failed, "is given twice, but sums take each exposure once")
                }
                () => {
                    let early = last.as_ref().is_some_and(|l| (source.begin, &source.id, &source.name) < *l);
                    additions.early += usize::from(early);
                    additions.new.push(source.clone());
                    continue;
                }
            };
            let reason = format!("{} {reason}", source.id);
            additions.refused.push(InputReport::of(source, status, Some(reason)));
        }
        additions
    }

    /// The sources with the files of all exposures in the sums, in the order in which one run adds
    /// them: where exposures are compared with each other, they are compared anew.
    ///
    /// # Errors
    /// Where one of those files is gone, or has other content than when it was added.
    pub(super) fn with_those_in(
        &mut self,
        path: &Path,
        entries: &[AccumulatedExposure],
    ) -> Result<Vec<InputFile>, PipelineError> {
        let found: Vec<Result<_, InputError>> = entries.par_iter().map(|entry| self.file_of(entry)).collect();
        let total = found.len();
        let (mut all, mut missing) = (self.new.clone(), Vec::new());
        for found in found {
            match found {
                Ok((file, content)) => {
                    self.contents.insert(file.path.clone(), content);
                    all.push(file);
                }
                Err(error) => missing.push(error.to_string()),
            }
        }
        if let Some(first) = missing.first() {
            return Err(PipelineError::failed(format!(
                "reject and match_background compare all exposures again, but of the {total} in {} {} cannot \
                 be read or have changed, the first: {first}",
                path.display(),
                missing.len()
            )));
        }
        all.sort();
        Ok(all)
    }

    /// The file of an exposure in the sums: among the sources, else where it was when it was added.
    fn file_of(&self, entry: &AccumulatedExposure) -> Result<(InputFile, InputIdentity), InputError> {
        let content_of = |path: &Path| {
            let content = InputIdentity::of(path);
            let same = entry.content.is_none() || entry.content.as_deref() == content.digest();
            same.then_some(content)
        };
        let same = |file: &&InputFile| file.id == entry.id && file.identity == entry.identity;
        if let Some(file) = self.known.iter().find(same)
            && let Some(content) = content_of(&file.path)
        {
            return Ok((file.clone(), content));
        }
        let path = Path::new(entry.compared.as_ref().map_or(entry.file.as_str(), |c| c.path.as_str()));
        let file = InputFile::of(path, false, MefFile::open(path)?.metadata())?;
        match content_of(path) {
            Some(content) if file.id == entry.id => Ok((file, content)),
            _ => Err(InputError::new(path, "it has changed since it was added")),
        }
    }

    /// Says what the user should know of the sources.
    pub(super) fn tell(&self, path: &Path, listener: &dyn Listener) {
        let file = path.display();
        if self.aside > 0 {
            listener.note(&format!("{} images are already in {file} and are skipped", self.aside));
        }
        if self.newer > 0 {
            listener.warning(&format!(
                "{} of them are newer processings, and {file} keeps the older ones: make it again to use \
                 them",
                self.newer
            ));
        }
        if self.replaced > 0 {
            listener.warning(&format!(
                "{} of them have changed since they were added, but {file} keeps what was added: make it \
                 again to use them",
                self.replaced
            ));
        }
        if self.early > 0 {
            listener.warning(&format!(
                "{} exposures are earlier than the last one in {file}: in the last place the cube may differ from \
                 that of one run over all",
                self.early
            ));
        }
    }

    /// What the sums keep of a source, which was compared with the others or not.
    pub(super) fn entry(&self, source: &InputFile, added: &AddedFile, compared: bool) -> AccumulatedExposure {
        let AddedFile { report, number, time } = added;
        let where_it_is = || std::path::absolute(&source.path).unwrap_or_else(|_| source.path.clone());
        let no_time =
            || GroupTime { id: String::new(), begin: None, end: None, exposure: None, measurement: None };
        AccumulatedExposure {
            id: source.id.clone(),
            file: source.name.clone(),
            identity: source.identity.clone(),
            content: self.contents.get(&source.path).and_then(|i| i.digest()).map(str::to_owned),
            calibration: report.calibration,
            mjd: Some(source.begin.0).filter(|mjd| !mjd.is_nan()),
            used: report.status == InputOutcome::Used,
            remark: report.reason.clone(),
            foreground_scale: report.zodi_scale,
            number: *number,
            time: time.clone().unwrap_or_else(no_time),
            compared: compared.then(|| ComparedExposure {
                path: where_it_is().display().to_string(),
                outliers: report.outliers,
                background: report.background,
            }),
        }
    }
}

/// What sources are sorted by, of an exposure that is in the sums.
fn order(entry: &AccumulatedExposure) -> (ExposureBegin, &ExposureId, &String) {
    (ExposureBegin(entry.mjd.unwrap_or(f64::NAN)), &entry.id, &entry.file)
}

/// The earliest exposure of sums, as sources are sorted.
pub(super) fn first(entries: &[AccumulatedExposure]) -> Option<(ExposureBegin, &ExposureId, &String)> {
    entries.iter().map(order).min()
}

/// The report of an exposure that is in the sums.
pub(super) fn report(entry: &AccumulatedExposure, context: bool) -> InputReport {
    InputReport {
        file: entry.file.clone(),
        exposure: Some(entry.id.to_string()),
        identity: entry.identity.clone(),
        calibration: entry.calibration,
        status: if entry.used { InputOutcome::Used } else { InputOutcome::Rejected },
        reason: entry.remark.clone(),
        zodi_scale: entry.foreground_scale,
        zodi_scale_error: None,
        zodi_pixels: None,
        zodi_residual: None,
        context: entry.number.filter(|_| context),
        outliers: entry.compared.as_ref().and_then(|compared| compared.outliers),
        background: entry.compared.as_ref().and_then(|compared| compared.background),
    }
}
