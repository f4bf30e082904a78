//! The commands that measure sources, and what they may take of each other's configurations: how
//! sources are measured, the calibration and the archive; the same source, where both have one.

use std::path::Path;

use toml::Table;

use crate::batch::BatchConfig;
use crate::photometry::PhotometryConfig;
use crate::run::RunConfig;
use crate::settings::{
    Configuration, RelatedSettings, SettingsError, TakenSettings, resolve_related, settings_of,
};

/// A command that measures sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasuringCommand {
    /// `spx run`
    Run,
    /// `spx photometry`
    Photometry,
    /// `spx batch`
    Batch,
}

/// Keys that are of a region, a catalog and tables in a batch, of one source in the others; and the
/// directory, which belongs to the work of one.
const OF_A_BATCH: [&str; 8] =
    ["ra", "dec", "ref_epoch", "id_column", "ra_column", "dec_column", "format", "output_dir"];

impl MeasuringCommand {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Run, Self::Photometry, Self::Batch];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Photometry => "photometry",
            Self::Batch => "batch",
        }
    }

    /// What this command may take of the configuration of another.
    fn related(self, other: Self) -> RelatedSettings {
        let known = match other {
            Self::Run => settings_of::<RunConfig>(),
            Self::Photometry => settings_of::<PhotometryConfig>(),
            Self::Batch => settings_of::<BatchConfig>(),
        };
        let differing: &[&str] = if self == Self::Batch || other == Self::Batch { &OF_A_BATCH } else { &[] };
        RelatedSettings { command: other.name(), known, differing }
    }

    /// Lays the settings that are given over those of a file, which may be a configuration of any
    /// of these commands.
    ///
    /// # Errors
    /// As [`resolve_related`].
    pub fn resolve<C: Configuration>(
        self,
        file: Option<&Path>,
        given: Table,
    ) -> Result<(C, Option<TakenSettings>), SettingsError> {
        let others = Self::ALL.into_iter().filter(|other| *other != self);
        let related: Vec<RelatedSettings> = others.map(|other| self.related(other)).collect();
        resolve_related(file, given, &related)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::template;

    /// A configuration of every command with all settings at their defaults, but for one of the
    /// photometry, one of the archive and a source; every command reads every other's.
    #[test]
    fn every_command_takes_the_photometry_of_every_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        for of in MeasuringCommand::ALL {
            let text = match of {
                MeasuringCommand::Run => toml::to_string(&RunConfig::default()),
                MeasuringCommand::Photometry => toml::to_string(&PhotometryConfig::default()),
                MeasuringCommand::Batch => toml::to_string(&BatchConfig::default()),
            };
            let text = text.unwrap().replace("fwhm_multiplier = 2.5", "fwhm_multiplier = 3.25");
            let text = format!("ra = 10.5\ndec = 41.0\ndata_mirror = '/m'\n{text}");
            std::fs::write(&file, text).unwrap();
            for by in MeasuringCommand::ALL {
                let taken = match by {
                    MeasuringCommand::Run => {
                        let (config, taken) = by.resolve::<RunConfig>(Some(&file), Table::new()).unwrap();
                        assert_eq!(config.photometry.fwhm_multiplier, 3.25);
                        assert_eq!(config.archive.data_mirror.as_deref(), Some(Path::new("/m")));
                        assert_eq!(config.source.ra, (of != MeasuringCommand::Batch).then_some(10.5));
                        assert_eq!(config.output_dir, RunConfig::default().output_dir);
                        taken
                    }
                    MeasuringCommand::Photometry => {
                        let resolved = by.resolve::<PhotometryConfig>(Some(&file), Table::new());
                        let (config, taken) = resolved.unwrap();
                        assert_eq!(config.photometry.fwhm_multiplier, 3.25);
                        assert_eq!(config.data_mirror.as_deref(), Some(Path::new("/m")));
                        assert_eq!(config.source.ra, (of != MeasuringCommand::Batch).then_some(10.5));
                        taken
                    }
                    MeasuringCommand::Batch => {
                        let (config, taken) = by.resolve::<BatchConfig>(Some(&file), Table::new()).unwrap();
                        assert_eq!(config.photometry.fwhm_multiplier, 3.25);
                        assert_eq!(config.archive.data_mirror.as_deref(), Some(Path::new("/m")));
                        assert_eq!(config.ra, (of == by).then_some(10.5));
                        assert_eq!(config.output_dir, BatchConfig::default().output_dir);
                        taken
                    }
                };
                // All keys of `spx photometry` are those of `spx run`, too.
                let is_own = of == by || (of, by) == (MeasuringCommand::Photometry, MeasuringCommand::Run);
                assert_eq!(taken.map(|taken| taken.command), (!is_own).then_some(of.name()), "{of:?} {by:?}");
            }
        }
    }

    #[test]
    fn keys_that_no_command_has_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            MeasuringCommand::Batch
                .resolve::<BatchConfig>(Some(&file), Table::new())
                .map_err(|e| e.to_string())
        };
        let run = "name = 'x'\ncutout_size = '60px'\nra = 1.0\n";
        let error = read(&format!("{run}fwhm_multipliers = 3.0\n")).unwrap_err();
        assert!(error.contains("line 4") && error.contains("did you mean `fwhm_multiplier`?"), "{error}");
        let error = read(&format!("{run}fwhm_multiplier = 'x'\n")).unwrap_err();
        assert!(error.contains("line 4"), "{error}");
        // One key of another command makes no configuration of that.
        let error = read("catalog = 'c.csv'\ncutout_size = '60px'\n").unwrap_err();
        assert!(error.contains("unknown key `cutout_size`"), "{error}");
        let (_, taken) = read(run).unwrap();
        let taken = taken.unwrap();
        assert_eq!((taken.command, taken.passed_over.join(" ").as_str()), ("run", "cutout_size name ra"));
        assert!(read(&template::<BatchConfig>("batch")).unwrap().1.is_none());
    }
}
