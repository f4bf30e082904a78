//! `spx config`: a commented configuration to begin with, and the resolved one.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use spx_pipeline::archive::{DownloadConfig, QueryConfig};
use spx_pipeline::batch::BatchConfig;
use spx_pipeline::drizzle::{DrizzleConfig, MosaicConfig};
use spx_pipeline::hips::HipsConfig;
use spx_pipeline::measuring::MeasuringCommand;
use spx_pipeline::output::write_output;
use spx_pipeline::photometry::PhotometryConfig;
use spx_pipeline::run::RunConfig;
use spx_pipeline::settings::{Configuration, template};
use spx_pipeline::survey::SurveyConfig;

use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::setting_args::SettingArgs;
use crate::ui;

/// Write a commented configuration, or show the resolved one.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Write a commented configuration with all keys and their defaults
    #[command(after_help = "\
Examples:
  spx config init
  spx config init -o ngc4395.toml
  spx config init run -o cloverleaf.toml")]
    Init {
        /// The command to configure
        #[arg(value_name = "COMMAND", default_value = "drizzle")]
        command: ConfiguredCommand,
        /// File to write; standard output by default
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace an existing file
        #[arg(long)]
        overwrite: bool,
    },
    /// Show what a command would use: file, environment and command line merged, defaults filled in
    #[command(after_help = "\
Examples:
  spx config show --config ngc4395.toml
  SPX_XY_SHRINK=0.6 spx config show drizzle --config ngc4395.toml --z-oversample 2
  spx config show run --config cloverleaf.toml")]
    Show(Box<ShowArgs>),
}

/// The settings of a command, by default of `spx drizzle`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
struct ShowArgs {
    #[command(subcommand)]
    command: Option<ShowCommand>,
    #[command(flatten)]
    drizzle: SettingArgs<DrizzleConfig>,
}

#[derive(Debug, Subcommand)]
enum ShowCommand {
    /// The settings of `spx query`
    Query(SettingArgs<QueryConfig>),
    /// The settings of `spx download`
    Download(SettingArgs<DownloadConfig>),
    /// The settings of `spx drizzle`
    Drizzle(SettingArgs<DrizzleConfig>),
    /// The settings of `spx mosaic`
    Mosaic(SettingArgs<MosaicConfig>),
    /// The settings of `spx run`
    Run(SettingArgs<RunConfig>),
    /// The settings of `spx photometry`
    Photometry(SettingArgs<PhotometryConfig>),
    /// The settings of `spx batch`
    Batch(SettingArgs<BatchConfig>),
    /// The settings of `spx survey plan`
    Survey(SettingArgs<SurveyConfig>),
    /// The settings of `spx hips`
    Hips(SettingArgs<HipsConfig>),
}

/// A command with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ConfiguredCommand {
    Query,
    Download,
    Drizzle,
    Mosaic,
    Run,
    Photometry,
    Batch,
    Survey,
    Hips,
}

/// Runs the command.
pub(crate) fn run(args: &ConfigArgs, global: &Global) -> CommandResult {
    match &args.command {
        ConfigCommand::Init { command, output: file, overwrite } => {
            let text = match command {
                ConfiguredCommand::Query => template::<QueryConfig>("query"),
                ConfiguredCommand::Download => template::<DownloadConfig>("download"),
                ConfiguredCommand::Drizzle => template::<DrizzleConfig>("drizzle"),
                ConfiguredCommand::Mosaic => template::<MosaicConfig>("mosaic"),
                ConfiguredCommand::Run => template::<RunConfig>("run"),
                ConfiguredCommand::Photometry => template::<PhotometryConfig>("photometry"),
                ConfiguredCommand::Batch => template::<BatchConfig>("batch"),
                ConfiguredCommand::Survey => template::<SurveyConfig>("survey plan"),
                ConfiguredCommand::Hips => template::<HipsConfig>("hips"),
            };
            match file {
                None => ui::data(&text)?,
                Some(path) => write_output(path, text.as_bytes(), *overwrite)?,
            }
        }
        ConfigCommand::Show(args) => match &args.command {
            None => show(&args.drizzle.resolve()?.resolved())?,
            Some(ShowCommand::Query(settings)) => show(&settings.resolve()?)?,
            Some(ShowCommand::Download(settings)) => show(&settings.resolve()?)?,
            Some(ShowCommand::Drizzle(settings)) => show(&settings.resolve()?.resolved())?,
            Some(ShowCommand::Mosaic(settings)) => show(&settings.resolve()?)?,
            Some(ShowCommand::Run(settings)) => {
                show(&settings.resolve_measuring(MeasuringCommand::Run, global)?)?;
            }
            Some(ShowCommand::Photometry(settings)) => {
                show(&settings.resolve_measuring(MeasuringCommand::Photometry, global)?)?;
            }
            Some(ShowCommand::Batch(settings)) => {
                show(&settings.resolve_measuring(MeasuringCommand::Batch, global)?)?;
            }
            Some(ShowCommand::Survey(settings)) => show(&settings.resolve()?)?,
            Some(ShowCommand::Hips(settings)) => show(&settings.resolve()?)?,
        },
    }
    Ok(Outcome::Done)
}

fn show(config: &impl Configuration) -> Result<(), Failure> {
    Ok(ui::data(&toml::to_string(config)?)?)
}

#[cfg(test)]
mod tests {
    use clap::Command;
    use spx_pipeline::settings::settings_of;

    use super::*;

    /// Help, template and library defaults of a command agree.
    fn agree<C: Configuration + 'static>() {
        let text = template::<C>("test");
        let key = |line: &str| line.split_once(" =").map(|(key, _)| key.to_owned());
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.strip_prefix('#').unwrap_or(line))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect();
        let mut settings = settings_of::<C>();
        let mut keys: Vec<String> = lines.iter().filter_map(|line| key(line)).collect();
        keys.sort();
        settings.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(keys, settings.iter().map(|setting| setting.key.clone()).collect::<Vec<_>>());
        // Every line is one that the configuration takes, and those of defaults change nothing.
        let defaults = toml::Table::try_from(C::default()).unwrap();
        for (line, key) in lines.iter().filter_map(|line| Some((line, key(line)?))) {
            let given = line.trim_end();
            if given.ends_with('=') {
                assert!(!defaults.contains_key(&key), "{line}");
                continue;
            }
            let read: C = toml::from_str(given).unwrap_or_else(|error| panic!("{line}: {error}"));
            if defaults.contains_key(&key) {
                assert_eq!(toml::Table::try_from(&read).unwrap(), defaults, "{line}");
            }
        }
        let command = SettingArgs::<C>::augment_args(Command::new("test"));
        command.clone().debug_assert();
        for setting in &settings {
            let option = command.get_arguments().find(|arg| arg.get_id().as_str() == setting.key).unwrap();
            let help = option.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with(&setting.documentation) && !setting.documentation.is_empty(), "{help}");
            assert_eq!(help.contains("[default: "), setting.default.is_some(), "{help}");
            assert_eq!(option.get_env().and_then(|e| e.to_str()), Some(setting.environment().as_str()));
        }
    }

    #[test]
    fn help_template_and_defaults_agree() {
        agree::<DrizzleConfig>();
        agree::<MosaicConfig>();
        agree::<RunConfig>();
        agree::<PhotometryConfig>();
        agree::<BatchConfig>();
        agree::<QueryConfig>();
        agree::<DownloadConfig>();
    }

    /// Paths of configuration files may begin with `~`, so that every setting that is one must be
    /// known as such.
    #[test]
    fn paths_are_known() {
        fn paths<C: Configuration>() -> Vec<String> {
            settings_of::<C>().into_iter().filter(|s| s.kind.is_path()).map(|s| s.key).collect()
        }
        let calibration = ["spectral_wcs", "flux_corrections", "solid_angle_map", "epsf"];
        let with = |others: &[&'static str]| [others, &calibration[..]].concat();
        assert_eq!(paths::<RunConfig>(), with(&["neighbors", "targets", "output_dir", "data_mirror"]));
        assert_eq!(paths::<PhotometryConfig>(), with(&["neighbors", "data_mirror"]));
        let batch = ["catalog", "neighbors", "input", "output_dir", "data_mirror"];
        assert_eq!(paths::<BatchConfig>(), with(&batch));
    }
}
