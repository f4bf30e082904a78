//! `spx completions` and `spx man`: what shells and `man` want, made from the command line's own
//! definition.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;
use spx_core::atomic;
use spx_pipeline::output::check_directory;

use crate::exit::{CommandResult, Outcome};
use crate::ui;

/// Print the completion script of a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx completions bash > ~/.local/share/bash-completion/completions/spx
  spx completions zsh > ~/.zfunc/_spx
  spx completions fish > ~/.config/fish/completions/spx.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Print the manual page of spx, or write the pages of all commands to a directory.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx man | man -l -
  spx man -o ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Directory for spx.1, spx-drizzle.1 and so on
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Runs `spx completions` for the whole command line.
pub(crate) fn completions(args: &CompletionsArgs, mut command: Command) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "spx", &mut script);
    ui::data_bytes(&script)?;
    Ok(Outcome::Done)
}

/// Runs `spx man` for the whole command line.
pub(crate) fn man(args: &ManArgs, mut command: Command) -> CommandResult {
    command.build();
    match &args.output {
        None => ui::data_bytes(&page(&command)?)?,
        Some(directory) => {
            check_directory(directory)?;
            std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
            write_pages(directory, &command)?;
        }
    }
    Ok(Outcome::Done)
}

fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn write_pages(directory: &Path, command: &Command) -> anyhow::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    let path = directory.join(man.get_filename());
    atomic::write(&path, &page(command)?, true).with_context(|| path.display().to_string())?;
    for child in command.get_subcommands().filter(|c| c.get_name() != "help") {
        write_pages(directory, child)?;
    }
    Ok(())
}
