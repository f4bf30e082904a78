//! Configuration files: one to begin with, and that which a run was made with.

use std::path::Path;

use serde::Serialize;
use spx_core::atomic;

use super::{Configuration, SettingDeclaration, settings_of};
use crate::{PipelineError, ResultContext as _};

/// A commented configuration with every setting of a command: its documentation, limits and
/// default.
///
/// Settings that must be given are set to an example; all others stand behind `#`, with their
/// default or, where there is none, an example.
pub fn template<C: Configuration>(command: &str) -> String {
    let mut text = format!(
        "# Configuration of `spx {command}`. Keys are the options of the command line with underscores.\n\
         # The environment (SPX_KEY=...) overrides this file, the command line overrides both.\n\
         # Remove the `#` before a key to set it. Where the setting has a default, it is shown.\n"
    );
    let settings = settings_of::<C>();
    let mut headings: Vec<&str> = Vec::new();
    settings.iter().for_each(|setting| {
        if !headings.contains(&setting.heading.as_str()) {
            headings.push(&setting.heading);
        }
    });
    for heading in headings {
        text.push_str(&format!("\n## {heading}\n"));
        settings.iter().filter(|s| s.heading == heading).for_each(|setting| text.push_str(&entry(setting)));
    }
    text
}

fn entry(setting: &SettingDeclaration) -> String {
    let SettingDeclaration { key, documentation, limits, kind, default, example, needed, .. } = setting;
    let mut about = documentation.clone();
    let limits = limits.to_string();
    if !limits.is_empty() {
        about.push_str(&format!(" ({limits})"));
    }
    if let Some(choices) = kind.choices() {
        about.push_str(&format!(" ({})", choices.join(", ")));
    }
    if let (None, Some(_), false) = (default, example, needed) {
        about.push_str("; for example:");
    }
    let hash = if *needed { "" } else { "#" };
    let value = default.as_ref().or(example.as_ref()).map(ToString::to_string).unwrap_or_default();
    format!("\n# {about}\n{hash}{}\n", format!("{key} = {value}").trim_end())
}

/// Settings of one run alone, which say what to do with files that are there.
const ONCE: [&str; 2] = ["overwrite", "force_download"];

/// Writes the configuration of a run beside its results, with a comment that says what it belongs
/// to. Whether files that were there were replaced is none of it.
///
/// # Errors
/// What the disk reports.
pub fn write_configuration(
    path: &Path,
    comment: &str,
    configuration: &impl Serialize,
) -> Result<(), PipelineError> {
    let name = || path.display().to_string();
    let text = configuration_text(comment, configuration).with_context(name)?;
    atomic::write(path, text.as_bytes(), true).with_context(name)
}

/// A configuration as it is written down, after a comment.
pub(crate) fn configuration_text(
    comment: &str,
    configuration: &impl Serialize,
) -> Result<String, PipelineError> {
    let text = toml::to_string(configuration).map_err(PipelineError::failed)?;
    let kept = text
        .split_inclusive('\n')
        .filter(|line| !ONCE.iter().any(|key| line.starts_with(&format!("{key} = "))));
    Ok(format!("# {comment}\n{}", kept.collect::<String>()))
}
