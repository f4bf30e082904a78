//! The stages of a pipeline: each runs once, is written down with what it was run with, and is not repeated by a
//! run that resumes.
//!
//! The state is a TOML file that is replaced as a whole after each stage, so that a run that is killed at any moment
//! leaves the state of the stage before. Its directory is locked as long as a pipeline works in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use fs4::TryLockError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spx_core::atomic;

use crate::exit::Failure;
use crate::ui::{self, Verbosity};

/// The form of the state file; a newer one is refused.
const VERSION: u32 = 1;

/// How far a pipeline has come.
pub(crate) struct Stages {
    file: Option<PathBuf>,
    resume: bool,
    verbosity: Verbosity,
    state: State,
    /// Held as long as this lives.
    lock: Option<File>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    /// By the stage's name.
    #[serde(default)]
    stages: BTreeMap<String, Record>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// What the stage depended on.
    parameters: String,
    /// What it gave, as JSON.
    result: String,
}

impl Stages {
    /// Stages without a file: nothing is written down, nothing can be resumed.
    pub(crate) fn transient(verbosity: Verbosity) -> Self {
        let state = State { version: VERSION, ..State::default() };
        Self { file: None, resume: false, verbosity, state, lock: None }
    }

    /// Stages that are written down in a file. What stands there counts when `resume` is true; otherwise every
    /// stage is run, and replaces its record.
    ///
    /// # Errors
    /// Usage, where a run resumes from a file that is damaged or of a newer spx; also where another run is at work in
    /// the directory.
    pub(crate) fn open(file: &Path, resume: bool, verbosity: Verbosity) -> Result<Self, Failure> {
        let lock = lock(file.parent().unwrap_or(file))?;
        let mut stages = Self { file: Some(file.to_owned()), resume, lock, ..Self::transient(verbosity) };
        stages.clear(file)?;
        if file.exists() {
            match read(file) {
                Ok(state) => stages.state = state,
                Err(error) if resume => return Err(Failure::usage(error)),
                Err(_) => {}
            }
        }
        Ok(stages)
    }

    /// Whether this run goes on with an earlier one, whose outputs it may replace.
    pub(crate) fn resuming(&self) -> bool {
        self.resume
    }

    /// Removes what runs that were killed left of a file that this one writes. Without a lock nothing is removed, for
    /// another run may be writing it.
    ///
    /// # Errors
    /// What removing reports.
    pub(crate) fn clear(&self, output: &Path) -> Result<(), Failure> {
        if self.lock.is_some() {
            atomic::remove_leftovers(output).with_context(|| output.display().to_string())?;
        }
        Ok(())
    }

    /// Gives the result of a stage: that of an earlier run where this one resumes, the parameters are the same and
    /// `still_good` says so; otherwise that of `work`, which is then written down.
    ///
    /// # Errors
    /// Those of `work`, and where the state cannot be written.
    pub(crate) fn run<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        parameters: String,
        still_good: impl FnOnce(&T) -> bool,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.resume
            && let Some(record) = self.state.stages.get(name)
        {
            let earlier = serde_json::from_str(&record.result).ok();
            match earlier.filter(still_good) {
                Some(result) if record.parameters == parameters => {
                    ui::note(self.verbosity, &format!("{name}: done before"));
                    return Ok(result);
                }
                Some(_) => {
                    ui::note(self.verbosity, &format!("{name}: again, for its parameters have changed"))
                }
                None => ui::note(
                    self.verbosity,
                    &format!("{name}: again, for its results are gone or incomplete"),
                ),
            }
        }
        let result = work()?;
        let record = Record { parameters, result: serde_json::to_string(&result)? };
        self.state.stages.insert(name.to_owned(), record);
        if let Some(file) = &self.file {
            let text = toml::to_string(&self.state)?;
            atomic::write(file, text.as_bytes(), true).with_context(|| file.display().to_string())?;
        }
        Ok(result)
    }
}

/// Locks a directory, where the system can.
fn lock(directory: &Path) -> anyhow::Result<Option<File>> {
    let Ok(handle) = File::open(directory) else { return Ok(None) };
    // By its full name, for newer toolchains have a method of the same name.
    match fs4::FileExt::try_lock(&handle) {
        Ok(()) => Ok(Some(handle)),
        Err(TryLockError::WouldBlock) => Err(anyhow!("another run is at work in {}", directory.display())),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

fn read(file: &Path) -> anyhow::Result<State> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let context = || format!("state {}", file.display());
    let hint = "run without --resume to begin anew";
    let text = std::fs::read_to_string(file).with_context(context)?;
    let Version { version } =
        toml::from_str(&text).with_context(|| format!("{} is damaged; {hint}", context()))?;
    if version != VERSION {
        return Err(anyhow!("{} is of version {version}, this spx knows {VERSION}; {hint}", context()));
    }
    toml::from_str(&text).with_context(|| format!("{} is damaged; {hint}", context()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stages: &mut Stages, parameters: &str, result: i32) -> i32 {
        stages.run("sum", parameters.to_owned(), |_: &i32| true, || Ok(result)).unwrap()
    }

    #[test]
    fn a_stage_is_repeated_only_when_it_must() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state.toml");
        let open = |resume| Stages::open(&file, resume, Verbosity::Quiet).unwrap();
        assert_eq!(run(&mut open(true), "a", 1), 1);
        assert_eq!(run(&mut open(true), "a", 2), 1, "done before");
        assert_eq!(run(&mut open(true), "b", 3), 3, "other parameters");
        assert_eq!(run(&mut open(false), "b", 4), 4, "not resumed");
        let gone = open(true).run("sum", "b".into(), |_: &i32| false, || Ok(5)).unwrap();
        assert_eq!(gone, 5, "its results are gone");
        let failed: Result<i32, Failure> =
            open(true).run("sum", "c".into(), |_| true, || Err(Failure::interrupted()));
        assert!(failed.is_err());
        assert_eq!(run(&mut open(true), "b", 6), 5, "a stage that failed leaves the state as it was");
    }

    #[test]
    fn states_that_cannot_be_read_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state.toml");
        for (text, word) in
            [("version = 99", "version 99"), ("version = 1\nstages = 3", "damaged"), ("[", "damaged")]
        {
            std::fs::write(&file, text).unwrap();
            let error = Stages::open(&file, true, Verbosity::Quiet).err().unwrap();
            assert!(error.to_string().contains(word), "{error}");
            assert!(Stages::open(&file, false, Verbosity::Quiet).is_ok());
        }
    }
}
