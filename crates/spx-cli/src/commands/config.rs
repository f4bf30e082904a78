//! `spx config`: a commented configuration to begin with, and the resolved one.

use std::path::PathBuf;

use clap::{Args, Command, Subcommand, ValueEnum};
use spx_pipeline::drizzle::{DrizzleConfig, MosaicConfig};
use spx_pipeline::output::write_output;
use spx_pipeline::settings::template;

use crate::exit::{CommandResult, Outcome};
use crate::run::RunSettings;
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
        pipeline: Pipeline,
        /// File to write; standard output by default
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace an existing file
        #[arg(long)]
        overwrite: bool,
    },
    /// Show what `spx drizzle` would use: file, environment and command line merged, defaults filled in
    #[command(after_help = "\
Examples:
  spx config show --config ngc4395.toml
  SPX_XY_SHRINK=0.6 spx config show --config ngc4395.toml --z-oversample 2")]
    Show(Box<SettingArgs<DrizzleConfig>>),
}

/// A command with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pipeline {
    Drizzle,
    Mosaic,
    Run,
}

/// Runs the command.
pub(crate) fn run(args: &ConfigArgs) -> CommandResult {
    match &args.command {
        ConfigCommand::Init { pipeline, output: file, overwrite } => {
            let text = match pipeline {
                Pipeline::Drizzle => template::<DrizzleConfig>("drizzle"),
                Pipeline::Mosaic => template::<MosaicConfig>("mosaic"),
                Pipeline::Run => of_run()?,
            };
            match file {
                None => ui::data(&text)?,
                Some(path) => write_output(path, text.as_bytes(), *overwrite)?,
            }
        }
        ConfigCommand::Show(drizzle) => ui::data(&toml::to_string(&drizzle.resolve()?.resolved())?)?,
    }
    Ok(Outcome::Done)
}

fn of_run() -> anyhow::Result<String> {
    let command = RunSettings::augment_args(Command::new("run"));
    let defaults = toml::Table::try_from(RunSettings::default().completed())?;
    Ok(commented(&command, &defaults))
}

/// Every option of a command as a key: its help, and the default where it has one, behind `#`.
fn commented(command: &Command, defaults: &toml::Table) -> String {
    let mut text = format!(
        "# Configuration of `spx {}`. Keys are the options of the command line with underscores.\n\
         # The environment wins over this file, the command line over both.\n\
         # Take the `#` before a key away to set it; where a value stands there, that is the default.\n",
        command.get_name()
    );
    let mut heading = None;
    // A switch that takes a setting back is no key.
    let keys = command.get_arguments().filter(|arg| !arg.get_id().as_str().starts_with("no_"));
    for arg in keys {
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            text.push_str(&format!("\n## {}\n", heading.unwrap_or("Other")));
        }
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.split(" [default:").next().unwrap_or_default().replace('\n', " ");
        let key = arg.get_id().as_str();
        let value = defaults.get(key).map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("\n# {help}\n#{}\n", format!("{key} = {value}").trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_a_run_tells_every_key_and_default() {
        let text = of_run().unwrap();
        let keys: Vec<&str> = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix('#').filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()))
            })
            .collect();
        let given: String =
            keys.iter().filter(|line| !line.ends_with('=')).map(|line| format!("{line}\n")).collect();
        let told: RunSettings = toml::from_str(&given).unwrap();
        let defaults = RunSettings::default().completed();
        assert_eq!(toml::Table::try_from(told).unwrap(), toml::Table::try_from(defaults).unwrap());
        for key in ["ra =", "cutout_size =", "figsize =", "data_mirror ="] {
            assert!(keys.contains(&key), "{key} {keys:?}");
        }
        assert!(!text.contains("no_subtract_zodi"));
    }
}
