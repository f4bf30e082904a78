//! How measurements were made, as tables that are made of them say it; and the file in which a
//! batch says it for its tables of CSV, which have no comments.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use spx_core::atomic;

use crate::cell_table::{CREATOR, HeadValue};
use crate::{PipelineError, ResultContext as _};

/// In the directory of a batch.
pub const MADE_FILE: &str = "made_with.toml";
/// How CSV tables of measurements begin to say it, in a comment.
const MADE_BY: &str = "# Made by ";
/// As ECSV tables do.
const SETTINGS: &str = "#   settings: ";
/// Comments before a table are looked at so far \[bytes\].
const MOST_COMMENTS: u64 = 1 << 20;

/// How measurements were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MadeHow {
    /// The program that measured; empty where that is not known.
    pub creator: String,
    /// The catalog that named the sources, where there was one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub catalog: String,
    /// Images, where they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Names of calibration products that were at hand.
    pub calibration: Vec<String>,
    /// The settings, line by line.
    pub settings: Vec<String>,
}

impl MadeHow {
    /// By this program.
    pub fn here(calibration: Vec<String>, settings: Vec<String>) -> Self {
        Self { creator: CREATOR.to_owned(), calibration, settings, ..Self::default() }
    }

    /// What a table says whose values come from a file or a directory: `photometry.json` of a run,
    /// tables of spx, light curves of a batch. Nothing where it is not said.
    pub fn of(path: &Path) -> Self {
        let beside = path.parent().map(|directory| directory.join("..").join(MADE_FILE));
        let mut kept = [Some(path.join(MADE_FILE)), beside].into_iter().flatten();
        let kept = kept.find_map(|path| toml::from_str(&std::fs::read_to_string(path).ok()?).ok());
        kept.or_else(|| Self::of_comments(path)).unwrap_or_default()
    }

    /// What the comments at the head of a table say.
    fn of_comments(path: &Path) -> Option<Self> {
        let file = BufReader::new(std::fs::File::open(path).ok()?.take(MOST_COMMENTS));
        let comments = file.lines().map_while(Result::ok).take_while(|line| line.starts_with('#'));
        for line in comments {
            if let Some((creator, settings)) =
                line.strip_prefix(MADE_BY).and_then(|by| by.split_once(" with "))
            {
                let settings = vec![settings.to_owned()];
                return Some(Self { creator: creator.to_owned(), settings, ..Self::default() });
            }
            if let Some(list) = line.strip_prefix(SETTINGS) {
                let list = list.trim_start_matches("['").trim_end_matches("']");
                let list = list.replace("', '", ", ").replace("''", "'");
                return Some(Self { settings: vec![list], ..Self::default() });
            }
        }
        None
    }

    /// By whom and with which settings, line by line, for those who ask for more.
    pub fn told(&self) -> Vec<String> {
        let by = match self.creator.as_str() {
            "" => "measured by: not said".to_owned(),
            creator => format!("measured by: {creator}"),
        };
        let lists = [("calibration", &self.calibration), ("measured with", &self.settings)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        std::iter::once(by).chain(lists.map(|(name, list)| format!("{name}: {}", list.join(", ")))).collect()
    }

    /// Adds what others were made with.
    pub(crate) fn add(&mut self, other: Self) {
        let join = |mine: &mut Vec<String>, others: Vec<String>| {
            let new: Vec<String> = others.into_iter().filter(|line| !mine.contains(line)).collect();
            mine.extend(new);
        };
        join(&mut self.calibration, other.calibration);
        join(&mut self.settings, other.settings);
        if self.creator.is_empty() {
            self.creator = other.creator;
        }
    }

    /// The head of a table of a source that is made of the measurements now.
    pub(crate) fn head(&self, source: &str) -> Vec<(&'static str, HeadValue)> {
        let mut head = vec![
            ("source", HeadValue::Text(source.to_owned())),
            ("creator", HeadValue::Text(CREATOR.to_owned())),
        ];
        if !self.creator.is_empty() && self.creator != CREATOR {
            head.push(("measured_by", HeadValue::Text(self.creator.clone())));
        }
        for (name, list) in [("calibration", &self.calibration), ("settings", &self.settings)] {
            if !list.is_empty() {
                head.push((name, HeadValue::List(list.clone())));
            }
        }
        head
    }

    /// As comments of CSV, for a table of a source.
    pub fn comments(&self, source: &str) -> String {
        crate::cell_table::comments(&self.head(source))
    }

    /// Writes it into the directory of a batch.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), PipelineError> {
        let path = directory.join(MADE_FILE);
        let text = format!("# How the tables in this directory were made.\n{}", toml::to_string(self)?);
        atomic::write(&path, text.as_bytes(), true).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_say_how_they_were_made() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let csv = write(
            "a.csv",
            "# SPHEREx Light Curve Data\n# Made by spx 0.0.1 with a = 1, b = [1, 2]\n#\nflux\n1\n",
        );
        let of_csv = MadeHow::of(&csv);
        assert_eq!((of_csv.creator.as_str(), of_csv.settings.len()), ("spx 0.0.1", 1));
        assert_eq!(of_csv.settings[0], "a = 1, b = [1, 2]");
        let ecsv =
            "# %ECSV 1.0\n# meta:\n#   settings: ['a = 1', 'b = ''x''']\n# schema: astropy-2.0\nflux\n";
        assert_eq!(MadeHow::of(&write("a.ecsv", ecsv)).settings, ["a = 1, b = 'x'"]);
        assert_eq!(MadeHow::of(&write("plain.csv", "flux\n1\n")), MadeHow::default());
        assert_eq!(MadeHow::of(&folder.path().join("none")), MadeHow::default());
        let batch = MadeHow { images: Some(3), ..MadeHow::here(vec!["m.fits".into()], vec!["c = 1".into()]) };
        batch.write(folder.path()).unwrap();
        let curve = write("lightcurves/1.csv", "flux\n1\n");
        assert_eq!([MadeHow::of(folder.path()), MadeHow::of(&curve)], [batch.clone(), batch.clone()]);
        let mut both = of_csv;
        both.add(batch);
        let comments = both.comments("star");
        assert_eq!(
            comments,
            format!(
                "# source: star\n# creator: {CREATOR}\n# measured_by: spx 0.0.1\n# calibration: m.fits\n\
                     # settings: a = 1, b = [1, 2], c = 1\n"
            )
        );
    }
}
