//! The results of a stage's items as they come: a file of lines, to which each result is added by
//! one write.
//!
//! The first line has what the stage depends on, each other an item and its result, as JSON. Where
//! a run was killed the last line may be incomplete; it is cut off.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{PipelineError, ResultContext as _};

/// What is done of a stage.
#[derive(Debug)]
pub struct Journal<T> {
    /// Results of an earlier run, by item.
    pub done: BTreeMap<String, T>,
    file: Option<Mutex<File>>,
}

#[derive(Serialize, Deserialize)]
struct JournalHead {
    parameters: String,
}

#[derive(Serialize, Deserialize)]
struct JournalLine<T> {
    item: String,
    result: T,
}

/// `<state>.<stage>.jsonl` beside the state `<state>.toml`.
pub(crate) fn path(state: &Path, stage: &str) -> PathBuf {
    let stem = state.file_stem().unwrap_or_default().to_string_lossy();
    state.with_file_name(format!("{stem}.{stage}.jsonl"))
}

/// Items of a journal; `None` where there is none.
pub(crate) fn count(path: &Path) -> Option<usize> {
    let lines = BufReader::new(File::open(path).ok()?).split(b'\n').count();
    Some(lines.saturating_sub(1))
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// A journal that is not kept.
    pub(crate) fn transient() -> Self {
        Self { done: BTreeMap::new(), file: None }
    }

    /// Opens a journal; what stands in it counts where `resume` is true and its parameters are
    /// these.
    pub(crate) fn open(path: &Path, parameters: &str, resume: bool) -> Result<Self, PipelineError> {
        let context = || path.display().to_string();
        // What a link in its place leads to is none of ours.
        let is_ours = path.symlink_metadata().is_ok_and(|found| found.is_file());
        let mut bytes = std::fs::read(path).ok().filter(|_| resume && is_ours).unwrap_or_default();
        // What follows the last whole line may end within a character.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        let whole = bytes.len();
        let text = String::from_utf8(bytes).map_err(|e| damaged(path, &e))?;
        let mut lines = text.lines().enumerate();
        let head = lines.next().map(|(_, line)| serde_json::from_str::<JournalHead>(line)).transpose();
        if head.map_err(|e| damaged(path, &e))?.is_some_and(|head| head.parameters == parameters) {
            let mut done = BTreeMap::new();
            for (number, line) in lines {
                let JournalLine { item, result } = serde_json::from_str(line)
                    .map_err(|e| damaged(path, &format!("line {}: {e}", number + 1)))?;
                done.insert(item, result);
            }
            let file = OpenOptions::new().append(true).open(path).with_context(context)?;
            file.set_len(whole as u64).with_context(context)?;
            return Ok(Self { done, file: Some(Mutex::new(file)) });
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(context),
            _ => {}
        }
        let mut file = File::create_new(path).with_context(context)?;
        file.write_all(&line(&JournalHead { parameters: parameters.to_owned() })?).with_context(context)?;
        Ok(Self { done: BTreeMap::new(), file: Some(Mutex::new(file)) })
    }

    /// Adds a result.
    ///
    /// # Errors
    /// What writing reports.
    pub fn add(&self, item: &str, result: &T) -> Result<(), PipelineError> {
        let Some(file) = &self.file else { return Ok(()) };
        let line = line(&JournalLine { item: item.to_owned(), result })?;
        file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line).context("journal")
    }
}

fn line(value: &impl Serialize) -> Result<Vec<u8>, PipelineError> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

fn damaged(path: &Path, problem: &dyn std::fmt::Display) -> PipelineError {
    PipelineError::usage(format!("journal {} is damaged: {problem}", path.display()))
        .with_hint("run without --resume to start over")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_and_a_torn_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(&dir.path().join("a.toml"), "sum");
        assert_eq!(path.file_name().unwrap(), "a.sum.jsonl");
        let open = |parameters: &str, resume| Journal::<f64>::open(&path, parameters, resume).unwrap();
        let first = open("p", true);
        // Not every parser gives this number back.
        let value = 18.214_986_511_404_046;
        first.add("x", &value).unwrap();
        first.add("µ", &2.0).unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(count(&path), Some(2));
        assert_eq!(open("p", true).done, BTreeMap::from([("x".to_owned(), value), ("µ".to_owned(), 2.0)]));
        // Also in the middle of the character.
        for torn in whole.len() - 22..whole.len() {
            std::fs::write(&path, &whole[..torn]).unwrap();
            let again = open("p", true);
            assert_eq!(again.done.len(), 1);
            again.add("µ", &2.0).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
        assert!(open("q", true).done.is_empty(), "other parameters");
        open("p", true).add("x", &value).unwrap();
        assert!(open("p", false).done.is_empty(), "not resumed");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sum.jsonl");
        let elsewhere = dir.path().join("elsewhere");
        for resume in [false, true] {
            Journal::<f64>::open(&elsewhere, "p", false).unwrap().add("x", &1.0).unwrap();
            let before = std::fs::read(&elsewhere).unwrap();
            std::fs::remove_file(&path).ok();
            std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
            let journal = Journal::<f64>::open(&path, "p", resume).unwrap();
            assert!(journal.done.is_empty());
            journal.add("y", &2.0).unwrap();
            assert_eq!(std::fs::read(&elsewhere).unwrap(), before);
            assert!(path.symlink_metadata().unwrap().is_file());
        }
    }

    #[test]
    fn damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sum.jsonl");
        Journal::<f64>::open(&path, "p", true).unwrap().add("x", &1.0).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        for bad in [whole.replace("1.0", "one"), whole.replace("parameters", "?"), "\n".to_owned()] {
            std::fs::write(&path, bad).unwrap();
            let error = Journal::<f64>::open(&path, "p", true).err().unwrap().one_line();
            assert!(error.contains("is damaged") && error.contains("without --resume"), "{error}");
        }
    }
}
