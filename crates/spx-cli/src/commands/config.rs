//! `spx config`: a commented configuration to begin with, and the resolved one.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use spx_pipeline::archive::{DownloadConfig, QueryConfig};
use spx_pipeline::batch::BatchConfig;
use spx_pipeline::drizzle::{DrizzleConfig, MosaicConfig};
use spx_pipeline::output::write_output;
use spx_pipeline::photometry::PhotometryConfig;
use spx_pipeline::run::RunConfig;
use spx_pipeline::settings::{Configuration, template};

use crate::exit::{CommandResult, Failure, Outcome};
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
        /// The command that it is for
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

/// The settings of a command, of `spx drizzle` where none is named.
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
}

/// Runs the command.
pub(crate) fn run(args: &ConfigArgs) -> CommandResult {
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
            Some(ShowCommand::Run(settings)) => show(&settings.resolve()?)?,
            Some(ShowCommand::Photometry(settings)) => show(&settings.resolve()?)?,
            Some(ShowCommand::Batch(settings)) => show(&settings.resolve()?)?,
        },
    }
    Ok(Outcome::Done)
}

fn show(config: &impl Configuration) -> Result<(), Failure> {
    Ok(ui::data(&toml::to_string(config)?)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use clap::{Command, CommandFactory as _};
    use spx_pipeline::settings::settings_of;

    use super::*;

    const FOREIGN_OPTIONS: [&str; 7] = ["bench", "help", "nocapture", "path", "quick", "test", "workspace"];

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

    /// The documents name no option that there is not.
    #[test]
    fn documents_name_options_that_exist() {
        fn options(command: &Command, known: &mut BTreeSet<String>) {
            for argument in command.get_arguments() {
                known
                    .extend(argument.get_long_and_visible_aliases().into_iter().flatten().map(str::to_owned));
            }
            command.get_subcommands().for_each(|child| options(child, known));
        }
        let mut command = crate::cli::Cli::command();
        command.build();
        // Options of cargo, xtask and other programs in examples.
        let mut known = BTreeSet::from(FOREIGN_OPTIONS.map(str::to_owned));
        options(&command, &mut known);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        for path in docs.chain([root.join("README.md")]).filter(|p| p.extension().is_some_and(|e| e == "md"))
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let starts =
                text.match_indices("--").filter(|(at, _)| text[..*at].ends_with([' ', '`', '(', '\n']));
            for (at, _) in starts {
                let name = text[at + 2..]
                    .split(|c: char| !(c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit()));
                let name = name.into_iter().next().unwrap_or_default();
                let exists = name.is_empty() || name.starts_with('-') || known.contains(name);
                assert!(exists, "{}: --{name} is no option", path.display());
            }
        }
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
        assert_eq!(paths::<RunConfig>(), with(&["output_dir", "data_mirror"]));
        assert_eq!(paths::<PhotometryConfig>(), with(&["data_mirror"]));
        assert_eq!(paths::<BatchConfig>(), with(&["catalog", "input", "output_dir", "data_mirror"]));
    }
}
