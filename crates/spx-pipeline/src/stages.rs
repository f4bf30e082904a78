//! The stages of a pipeline: each runs once, is written down with what it was run with, and is not
//! repeated by a run that resumes.
//!
//! The state is a TOML file that is replaced as a whole after each stage, so that a run that is
//! killed at any moment leaves the state of the stage before. A stage of many items keeps a
//! [`Journal`] beside it, to which each item's result is added as it comes; it goes when the stage
//! is done. The directory is locked as long as a pipeline works in it.

mod journal;
mod status;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs4::TryLockError;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spx_core::atomic;

use crate::identity::InputIdentity;
use crate::inputs::file_name;
use crate::output::OutputDirectory;
use crate::{Listener, PipelineError, ResultContext as _};

pub use journal::Journal;
pub use status::StageStatus;
use status::changed_names;

/// The form of the state file; a newer one is refused.
const VERSION: u32 = 1;

/// Which stages a run is to do.
#[derive(Debug, Clone, Default)]
pub struct StageSelection {
    /// Stages that are done are not repeated.
    pub resume: bool,
    /// These stages alone; those before them must be done. All of them where empty.
    pub only: Vec<String>,
    /// What the pipeline is about, such as a source; a directory holds the pipeline of one subject.
    /// Empty where that does not matter.
    pub subject: String,
}

/// How far a pipeline has come.
pub struct Stages<'a> {
    file: Option<PathBuf>,
    wanted: StageSelection,
    listener: &'a dyn Listener,
    state: StageState,
    /// Held as long as this lives.
    lock: Option<File>,
    /// Nothing is done: the first stage that is not done ends the pipeline, and is told here.
    looked: Option<NotDone>,
}

/// The first stage that is not done, and why; empty as long as there was none.
type NotDone = Option<(String, String)>;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageState {
    version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    subject: String,
    /// By the stage's name.
    #[serde(default)]
    stages: BTreeMap<String, StageRecord>,
    /// Files that stages depended on, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inputs: BTreeMap<String, InputIdentity>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageRecord {
    /// What the stage depended on.
    parameters: String,
    /// What it gave, as JSON.
    result: String,
    /// The version of spx that did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    spx: String,
}

impl<'a> Stages<'a> {
    /// Stages without a file: nothing is written down, nothing can be resumed.
    pub fn transient(listener: &'a dyn Listener) -> Self {
        let state = StageState { version: VERSION, ..StageState::default() };
        Self { file: None, wanted: StageSelection::default(), listener, state, lock: None, looked: None }
    }

    /// Stages that are written down in a file. What stands there counts where the run resumes or
    /// does some stages alone; otherwise every stage is run, and replaces its record.
    ///
    /// # Errors
    /// Usage, where a state that counts is damaged or of a newer spx, or the directory holds the
    /// pipeline of another subject; also where another run is at work in the directory.
    pub fn open(
        file: &Path,
        wanted: StageSelection,
        listener: &'a dyn Listener,
    ) -> Result<Self, PipelineError> {
        let directory = file.parent().unwrap_or(file);
        let lock = lock(directory)?;
        let mut stages = Self { file: Some(file.to_owned()), wanted, lock, ..Self::transient(listener) };
        let counts = stages.continues();
        stages.clear(file)?;
        stages.clear(&OutputDirectory::probe(directory))?;
        stages.refuse_others(directory, file)?;
        if file.exists() {
            match read(file) {
                Ok(state) => stages.take(state, file)?,
                Err(error) if counts => return Err(error.into_usage()),
                Err(error) => {
                    listener.warning(&format!("{}; starting over", error.one_line()));
                }
            }
        }
        stages.state.subject.clone_from(&stages.wanted.subject);
        Ok(stages)
    }

    /// Stages that are only looked at: those that a run that resumes would find done give what they
    /// gave, the first other one ends the pipeline as interrupted. Nothing is written.
    ///
    /// # Errors
    /// Usage, where there is no state, it is damaged or of a newer spx, or that of another subject.
    pub fn look(file: &Path, subject: String, listener: &'a dyn Listener) -> Result<Self, PipelineError> {
        let wanted = StageSelection { resume: true, only: Vec::new(), subject };
        let looked = Some(None);
        let mut stages = Self { file: Some(file.to_owned()), wanted, looked, ..Self::transient(listener) };
        stages.take(read(file).map_err(PipelineError::into_usage)?, file)?;
        Ok(stages)
    }

    /// Whether stages are only looked at.
    pub fn looks(&self) -> bool {
        self.looked.is_some()
    }

    /// The first stage that a look found to be not done, and why.
    pub fn not_done(&self) -> Option<&(String, String)> {
        self.looked.as_ref()?.as_ref()
    }

    fn take(&mut self, state: StageState, file: &Path) -> Result<(), PipelineError> {
        if state.subject != self.wanted.subject {
            let (old, new) = (&state.subject, &self.wanted.subject);
            let text = format!("state {} is of another run: {old}, not {new}", file.display());
            return Err(
                PipelineError::usage(text).with_hint("choose another name or directory, or remove the file")
            );
        }
        self.state = state;
        Ok(())
    }

    /// Results of two subjects in one directory would replace each other.
    fn refuse_others(&self, directory: &Path, file: &Path) -> Result<(), PipelineError> {
        let subject = &self.wanted.subject;
        let is_other = |(name, other): &(OsString, String)| {
            Some(name.as_os_str()) != file.file_name() && other != subject && !subject.is_empty()
        };
        match subjects(directory).into_iter().find(is_other) {
            Some((_, other)) => {
                let text = format!("{} holds another run: {other}", directory.display());
                let own = directory.join(file.file_stem().unwrap_or_default());
                let hint = format!("choose another directory, such as -o {}", own.display());
                Err(PipelineError::usage(text).with_hint(hint))
            }
            None => Ok(()),
        }
    }

    /// Who hears of the pipeline.
    pub fn listener(&self) -> &'a dyn Listener {
        self.listener
    }

    /// Whether this run goes on with an earlier one, whose outputs it may replace.
    pub fn resuming(&self) -> bool {
        self.wanted.resume
    }

    /// Whether what an earlier run has done counts: this one resumes it, or does some stages alone.
    pub fn continues(&self) -> bool {
        self.wanted.resume || !self.wanted.only.is_empty()
    }

    /// Removes what runs that were killed left of a file that this one writes. Without a lock
    /// nothing is removed, for another run may be writing it.
    ///
    /// # Errors
    /// What removing reports.
    pub fn clear(&self, output: &Path) -> Result<(), PipelineError> {
        if self.lock.is_some() {
            atomic::remove_leftovers(output).with_context(|| output.display().to_string())?;
        }
        Ok(())
    }

    /// The content of files that a stage depends on: a text for each, which changes where the file
    /// has other content than an earlier run found, and not where it was only copied or touched.
    /// Written down, so that a later run reads only files whose times have changed. Stages without
    /// a file, which nothing can resume, give empty texts.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn identify<P: AsRef<Path> + Sync>(&mut self, files: &[P]) -> Result<Vec<String>, PipelineError> {
        if self.file.is_none() {
            return Ok(vec![String::new(); files.len()]);
        }
        let known = &self.state.inputs;
        let found: Vec<(String, InputIdentity)> = files
            .par_iter()
            .map(|file| {
                let (name, path) = (self.name_of(file.as_ref()), file.as_ref());
                let identity = known.get(&name).map_or_else(|| InputIdentity::of(path), |k| k.now(path));
                (name, identity)
            })
            .collect();
        let contents = found.iter().map(|(_, identity)| identity.to_string()).collect();
        let before = self.state.inputs.clone();
        self.state.inputs.extend(found);
        if self.state.inputs != before {
            self.write()?;
        }
        Ok(contents)
    }

    /// A line for each file, with its name and content: the same wherever the file lies.
    ///
    /// # Errors
    /// As [`identify`](Self::identify).
    pub fn lines<P: AsRef<Path> + Sync>(&mut self, files: &[P]) -> Result<Vec<String>, PipelineError> {
        let contents = self.identify(files)?.into_iter();
        let line = |(file, content): (&P, String)| format!("{}: {content}", file_name(file.as_ref()));
        Ok(files.iter().zip(contents).map(line).collect())
    }

    /// How the state names a file: from its own directory where the file is below it, else by its
    /// absolute path, so that a run can be moved with its files, and resumed from anywhere.
    fn name_of(&self, path: &Path) -> String {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let directory = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let directory = if directory == Path::new("") { Path::new(".") } else { directory };
        let path = real(path);
        path.strip_prefix(real(directory)).unwrap_or(&path).display().to_string()
    }

    /// Whether an earlier run that this one goes on with has done a stage with these parameters.
    pub fn is_done(&self, name: &str, parameters: &str) -> bool {
        let record = self.state.stages.get(name);
        self.wanted.resume && record.is_some_and(|record| record.parameters == parameters)
    }

    /// Gives the result of a stage: that of an earlier run where this one resumes, the parameters
    /// are the same and `still_good` says so; otherwise that of `work`, which is then written down.
    ///
    /// A stage that is not wanted must be done, with these parameters.
    ///
    /// # Errors
    /// Those of `work`, and where the state cannot be written; usage, where a stage that is not
    /// wanted is not done.
    pub fn run<T: Serialize + DeserializeOwned, E: From<PipelineError>>(
        &mut self,
        name: &str,
        parameters: String,
        still_good: impl FnOnce(&T) -> bool,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let only = &self.wanted.only;
        let wanted = only.is_empty() || only.iter().any(|stage| stage == name);
        if self.wanted.resume || !wanted {
            let why = match self.recorded(name, &parameters, still_good) {
                Ok(result) => {
                    self.listener.note(&format!("{name}: done before"));
                    self.remove_journal(name)?;
                    return Ok(result);
                }
                Err(why) => why,
            };
            if let Some(looked) = &mut self.looked {
                *looked = Some((name.to_owned(), why));
                return Err(PipelineError::Interrupted.into());
            }
            if !wanted {
                return Err(
                    PipelineError::usage(format!("--stages leaves out {name}, but {why}: add it")).into()
                );
            }
            if self.state.stages.contains_key(name) {
                self.listener.note(&format!("{name}: repeated because {why}"));
            }
        }
        let result = work()?;
        self.record(name, parameters, &result)?;
        Ok(result)
    }

    /// The result of a stage that is done with these parameters, or why there is none.
    fn recorded<T: DeserializeOwned>(
        &self,
        name: &str,
        parameters: &str,
        still_good: impl FnOnce(&T) -> bool,
    ) -> Result<T, String> {
        let record = self.state.stages.get(name).ok_or("it is not done yet")?;
        if record.parameters != parameters {
            let names = changed_names(&record.parameters, parameters);
            return Err(format!("its parameters have changed{names}"));
        }
        let result = serde_json::from_str(&record.result).ok().filter(still_good);
        result.ok_or_else(|| "its results are gone or incomplete".to_owned())
    }

    /// Writes down that a stage is done.
    fn record(
        &mut self,
        name: &str,
        parameters: String,
        result: &impl Serialize,
    ) -> Result<(), PipelineError> {
        let spx = env!("CARGO_PKG_VERSION").to_owned();
        let record = StageRecord { parameters, result: serde_json::to_string(result)?, spx };
        self.state.stages.insert(name.to_owned(), record);
        self.write()?;
        self.remove_journal(name)
    }

    /// Replaces the file of the state.
    fn write(&self) -> Result<(), PipelineError> {
        let Some(file) = self.file.as_ref().filter(|_| !self.looks()) else { return Ok(()) };
        let text = toml::to_string(&self.state)?;
        atomic::write(file, text.as_bytes(), true).with_context(|| file.display().to_string())
    }

    /// As [`run`](Self::run), for a stage of many items: `work` is given those that are done, of an
    /// earlier run that was killed with the same `item_parameters`, and adds each as it comes.
    ///
    /// # Errors
    /// As [`run`](Self::run); usage, where the journal is damaged.
    pub fn run_items<T, I, E>(
        &mut self,
        name: &str,
        parameters: String,
        item_parameters: &str,
        still_good: impl FnOnce(&T) -> bool,
        work: impl FnOnce(Journal<I>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<PipelineError>,
        T: Serialize + DeserializeOwned,
        I: Serialize + DeserializeOwned,
    {
        let file = self.file.as_ref().map(|file| journal::path(file, name));
        let resume = self.wanted.resume;
        self.run(name, parameters, still_good, || {
            work(match &file {
                Some(file) => Journal::open(file, item_parameters, resume)?,
                None => Journal::transient(),
            })
        })
    }

    fn remove_journal(&self, name: &str) -> Result<(), PipelineError> {
        let file = self.file.as_ref().filter(|_| !self.looks());
        let Some(path) = file.map(|file| journal::path(file, name)) else { return Ok(()) };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| path.display().to_string())
            }
            _ => Ok(()),
        }
    }
}

/// Locks a directory or a file, where the system can.
pub fn lock(path: &Path) -> Result<Option<File>, PipelineError> {
    let Ok(handle) = File::open(path) else { return Ok(None) };
    // By its full name, for newer toolchains have a method of the same name.
    match fs4::FileExt::try_lock(&handle) {
        Ok(()) => Ok(Some(handle)),
        Err(TryLockError::WouldBlock) => Err(at_work(path)),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Locks a directory or a file, for which other processes are waited for.
///
/// # Errors
/// Interrupted.
pub(crate) fn wait_for_lock(path: &Path, listener: &dyn Listener) -> Result<Option<File>, PipelineError> {
    loop {
        match lock(path) {
            Err(_) if listener.cancelled() => return Err(PipelineError::Interrupted),
            Err(error) if error.problem().is_some_and(|problem| problem.is::<AtWork>()) => {
                std::thread::sleep(Duration::from_millis(50));
            }
            locked => return locked,
        }
    }
}

/// Locks a directory or a file together with others who do so, where the system can; who locks it
/// alone is waited for.
///
/// # Errors
/// Interrupted.
pub(crate) fn share_lock(path: &Path, listener: &dyn Listener) -> Result<Option<File>, PipelineError> {
    let Ok(handle) = File::open(path) else { return Ok(None) };
    loop {
        match fs4::FileExt::try_lock_shared(&handle) {
            Ok(()) => return Ok(Some(handle)),
            Err(TryLockError::WouldBlock) if listener.cancelled() => return Err(PipelineError::Interrupted),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

/// Another run has locked a directory or a file.
#[derive(Debug, thiserror::Error)]
#[error("another run is at work in {}", .0.display())]
pub struct AtWork(PathBuf);

/// Another run has locked a directory or a file.
pub fn at_work(path: &Path) -> PipelineError {
    PipelineError::failed(AtWork(path.to_owned()))
}

fn read(file: &Path) -> Result<StageState, PipelineError> {
    let text = std::fs::read_to_string(file).with_context(|| format!("state {}", file.display()))?;
    parse(&text, file)
}

/// The states in a directory that are of a subject: their names and subjects, sorted.
pub(crate) fn subjects(directory: &Path) -> Vec<(OsString, String)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let states = entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "toml"));
    let subject = |entry: std::fs::DirEntry| Some((entry.file_name(), read(&entry.path()).ok()?.subject));
    let mut found: Vec<_> = states.filter_map(subject).filter(|(_, subject)| !subject.is_empty()).collect();
    found.sort();
    found
}

fn parse(text: &str, file: &Path) -> Result<StageState, PipelineError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let context = || format!("state {}", file.display());
    // The message alone, for the line that is quoted otherwise may be as long as all results.
    let damaged = |e: toml::de::Error| anew(format!("{} is damaged: {}", context(), e.message()));
    let Version { version } = toml::from_str(text).map_err(damaged)?;
    if version != VERSION {
        return Err(anew(format!("{} is of version {version}, this spx knows {VERSION}", context())));
    }
    toml::from_str(text).map_err(damaged)
}

/// A state from which no run can resume.
fn anew(problem: String) -> PipelineError {
    PipelineError::usage(problem).with_hint("run without --resume to start over")
}

/// Whether a text is a state, for the targets of `cargo xtask fuzz` alone.
#[cfg(fuzzing)]
pub fn is_state(text: &str) -> bool {
    parse(text, Path::new("")).is_ok()
}

/// Whether bytes are a journal, for the targets of `cargo xtask fuzz` alone.
#[cfg(fuzzing)]
pub fn is_journal(file: &Path) -> bool {
    Journal::<serde_json::Value>::open(file, "p", true).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SilentListener;

    fn run(stages: &mut Stages, parameters: &str, result: i32) -> i32 {
        stages.run("sum", parameters.to_owned(), |_: &i32| true, || Ok::<_, PipelineError>(result)).unwrap()
    }

    fn wanted(resume: bool, only: &[&str], subject: &str) -> StageSelection {
        let only = only.iter().map(|&stage| stage.to_owned()).collect();
        StageSelection { resume, only, subject: subject.to_owned() }
    }

    #[test]
    fn a_stage_is_repeated_only_when_it_must() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state.toml");
        let open = |resume| Stages::open(&file, wanted(resume, &[], ""), &SilentListener).unwrap();
        assert_eq!(run(&mut open(true), "a", 1), 1);
        assert_eq!(run(&mut open(true), "a", 2), 1, "done before");
        assert_eq!(run(&mut open(true), "b", 3), 3, "other parameters");
        assert_eq!(run(&mut open(false), "b", 4), 4, "not resumed");
        let gone = open(true).run("sum", "b".into(), |_: &i32| false, || Ok::<_, PipelineError>(5)).unwrap();
        assert_eq!(gone, 5, "its results are gone");
        let failed: Result<i32, PipelineError> =
            open(true).run("sum", "c".into(), |_| true, || Err(PipelineError::Interrupted));
        assert!(failed.is_err());
        assert_eq!(run(&mut open(true), "b", 6), 5, "a stage that failed leaves the state as it was");
    }

    #[test]
    fn some_stages_alone_need_those_before() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state.toml");
        let both = |only: &[&str], parameters: &str| -> Result<(i32, i32), PipelineError> {
            let mut stages = Stages::open(&file, wanted(false, only, ""), &SilentListener)?;
            let first = stages.run("first", parameters.to_owned(), |_| true, || Ok::<_, PipelineError>(1))?;
            Ok((
                first,
                stages.run(
                    "second",
                    parameters.to_owned(),
                    |_| true,
                    || Ok::<_, PipelineError>(first + 1),
                )?,
            ))
        };
        let error = both(&["second"], "a").unwrap_err().one_line();
        assert_eq!(error, "--stages leaves out first, but it is not done yet: add it");
        assert_eq!(both(&["first", "second"], "a").unwrap(), (1, 2));
        assert_eq!(both(&["second"], "a").unwrap(), (1, 2));
        let error = both(&["second"], "b").unwrap_err().one_line();
        assert!(error.contains("its parameters have changed"), "{error}");
    }

    #[test]
    fn a_directory_holds_one_subject() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str, subject: &str| {
            let file = dir.path().join(name);
            Stages::open(&file, wanted(true, &[], subject), &SilentListener)
        };
        run(&mut open("a.toml", "star a").unwrap(), "p", 1);
        assert_eq!(run(&mut open("a.toml", "star a").unwrap(), "p", 2), 1);
        let error = open("a.toml", "star b").err().unwrap().one_line();
        assert!(error.contains("star a, not star b"), "{error}");
        let error = open("b.toml", "star b").err().unwrap().one_line();
        assert!(error.contains("holds another run: star a"), "{error}");
        assert!(open("c.toml", "star a").is_ok());
    }

    #[test]
    fn states_that_cannot_be_read_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state.toml");
        for (text, word) in
            [("version = 99", "version 99"), ("version = 1\nstages = 3", "damaged"), ("[", "damaged")]
        {
            std::fs::write(&file, text).unwrap();
            let error = Stages::open(&file, wanted(true, &[], ""), &SilentListener).err().unwrap();
            assert!(error.one_line().contains(word), "{error}");
            assert!(Stages::open(&file, wanted(false, &["sum"], ""), &SilentListener).is_err());
            assert!(Stages::open(&file, wanted(false, &[], ""), &SilentListener).is_ok());
        }
    }
}
