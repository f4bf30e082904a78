//! How far a pipeline is, and what a run that resumes would repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::{StageState, journal, read};
use crate::PipelineError;

/// Names of parameters that are told.
const MOST_NAMED: usize = 3;

/// How far a pipeline is, for those who ask while it runs or after.
#[derive(Debug, Serialize)]
pub struct StageStatus {
    /// What the pipeline is about.
    pub subject: String,
    /// Stages that are done, those that would be repeated included.
    pub done: Vec<String>,
    /// Items of stages that are under way.
    pub items: BTreeMap<String, usize>,
    /// Why stages that are done would be repeated.
    pub stale: BTreeMap<String, String>,
    /// Which version of spx did stages, where it was another; they would not be repeated for that.
    pub versions: BTreeMap<String, String>,
}

impl StageStatus {
    /// Reads a state file and the journals of these stages.
    ///
    /// # Errors
    /// Where there is no such file, or it is damaged or of a newer spx.
    pub fn read(file: &Path, stages: &[&str]) -> Result<Self, PipelineError> {
        let StageState { subject, stages: done, .. } = read(file)?;
        let items = stages.iter().filter_map(|name| {
            let items = journal::count(&journal::path(file, name))?;
            Some(((*name).to_owned(), items))
        });
        let is_other = |version: &str| !version.is_empty() && version != env!("CARGO_PKG_VERSION");
        let others = done.iter().filter(|(_, record)| is_other(&record.spx));
        let versions = others.map(|(name, record)| (name.clone(), record.spx.clone())).collect();
        let items = items.collect();
        Ok(Self { subject, done: done.into_keys().collect(), items, stale: BTreeMap::new(), versions })
    }

    /// Notes that a stage would be repeated, and with it those of `stages` behind it.
    pub fn note_stale(&mut self, stages: &[&str], first: &str, why: &str) {
        let from = stages.iter().position(|stage| *stage == first).unwrap_or_default();
        for stage in &stages[from..] {
            if self.done.iter().any(|done| done == stage) {
                let why = if *stage == first { why.to_owned() } else { format!("it depends on {first}") };
                self.stale.insert((*stage).to_owned(), why);
            }
        }
    }
}

/// What changed from some parameters to others: ` (fwhm_multiplier, a.fits)`, where they are lines
/// `name = value` or `name: content`; else nothing.
pub(super) fn changed_names(old: &str, new: &str) -> String {
    let lines = |text| -> BTreeSet<&str> { str::lines(text).collect() };
    let (old, new) = (lines(old), lines(new));
    let name = |line: &&str| {
        let equals = line.split_once(" = ").map(|(name, _)| name);
        let name = equals.or_else(|| line.split_once(": ").map(|(name, _)| name))?;
        let name = name.strip_prefix("calibration ").unwrap_or(name);
        // Not what comes before such a sign in a query or a list.
        (!name.is_empty() && !name.contains([' ', '"', '{'])).then(|| name.to_owned())
    };
    let names: BTreeSet<String> = old.symmetric_difference(&new).filter_map(name).collect();
    let named: Vec<String> = names.iter().take(MOST_NAMED).cloned().collect();
    match names.len() {
        0 => String::new(),
        all if all > MOST_NAMED => format!(" ({} and {} more)", named.join(", "), all - MOST_NAMED),
        _ => format!(" ({})", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named() {
        let old = "[photometry]\nradius = 2.5\nmethod = 'a'\na.fits: 5 bytes, sums 1\nb.fits: 5 bytes";
        let new = "[photometry]\nradius = 3.5\nmethod = 'a'\na.fits: 5 bytes, sums 2\nb.fits: 5 bytes";
        assert_eq!(changed_names(old, new), " (a.fits, radius)");
        assert_eq!(changed_names(old, &format!("{old}\nc.fits: 1 byte")), " (c.fits)");
        let query = |a: u8| format!("SELECT * FROM a WHERE b = {a} AND C {{ c: 1 }}");
        assert_eq!(changed_names(&query(1), &query(2)), "");
        let many = "a = 1\nb = 1\nc = 1\nd = 1\ne = 1";
        assert_eq!(changed_names("", many), " (a, b, c and 2 more)");
    }
}
