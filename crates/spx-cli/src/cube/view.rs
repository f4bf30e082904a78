//! `spx cube view`: the explorer, a page in the browser, served on this machine or written as one
//! file.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use clap::Args;
use spx_view::{ExplorerServer, write_page};
use tempfile::NamedTempFile;

use crate::exit::{CommandResult, Failure, Outcome};
use crate::global::Global;
use crate::ui;

/// Explore cubes in the browser: planes, colors, line maps, regions and their spectra, catalogs.
///
/// Serves a page only on this machine, prints its address, which contains a secret token, and runs
/// until it is interrupted. On a terminal the browser opens by itself. Planes are read when they
/// are viewed, so that large cubes open as fast as small ones. Spectra are those of `spx cube
/// spectrum`. In the page, `?` shows the keys.
///
/// With --html it writes one self-contained file instead, to mail or to keep with a paper; it works
/// without a server and loads nothing. Brightness and errors in it are rounded; the page and the
/// command say by how much. Counts and flags are exact.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spx cube view output/drizzle_D3.fits
  spx cube view output/drizzle_D*.fits
  spx cube view output/drizzle_D3.fits --catalog stars.csv --port 8080 --no-browser
  spx cube view output/drizzle_D3.fits --html ngc4395.html")]
pub(crate) struct ViewArgs {
    /// Cubes that `spx drizzle` made; spectra are taken of all of them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// CSV file with columns ra and dec (degrees or sexagesimal) to overlay on the image
    #[arg(long, value_name = "CSV")]
    catalog: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 chooses a free one
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "html")]
    port: u16,
    /// Do not open the browser
    #[arg(long, conflicts_with = "html")]
    no_browser: bool,
    /// Write one self-contained page instead of serving
    #[arg(long, value_name = "OUT", help_heading = "One file")]
    html: Option<PathBuf>,
    /// Average N x N pixels, for cubes that are too large for one file
    #[arg(long, value_name = "N", default_value_t = 1, requires = "html", help_heading = "One file")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    bin: u16,
    /// Replace an existing file
    #[arg(long, requires = "html", help_heading = "One file")]
    overwrite: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ViewArgs, global: &Global) -> CommandResult {
    let catalog = args.catalog.as_deref().map(read_catalog).transpose()?;
    match &args.html {
        Some(target) => write(args, target, catalog, global),
        None => serve(args, catalog, global),
    }
}

fn read_catalog(path: &Path) -> Result<(&Path, String), Failure> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string());
    Ok((path, text.map_err(Failure::usage)?))
}

fn write(args: &ViewArgs, target: &Path, catalog: Option<(&Path, String)>, global: &Global) -> CommandResult {
    let [file] = &args.files[..] else {
        return Err(Failure::usage(anyhow::anyhow!("--html takes one cube")));
    };
    ui::catch_interrupts()?;
    let report = write_page(file, target, catalog, args.bin.into(), args.overwrite, &global.terminal())?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        ui::data(&format!("{}\n{}\n", report.outputs[0], report.statement()))?;
    }
    Ok(Outcome::Done)
}

fn serve(args: &ViewArgs, catalog: Option<(&Path, String)>, global: &Global) -> CommandResult {
    ui::catch_interrupts()?;
    let server = ExplorerServer::start(&args.files, catalog, args.port)?;
    if global.json {
        ui::data(&format!("{}\n", serde_json::json!({ "files": args.files, "url": server.url() })))?;
    } else {
        ui::data(&format!("{}\n", server.url()))?;
    }
    let names: Vec<String> = args.files.iter().map(|file| file.display().to_string()).collect();
    ui::note(global.verbosity(), &format!("{}; Ctrl-C ends", names.join(", ")));
    // It goes when the server ends.
    let mut page = None;
    if std::io::stdout().is_terminal() && !args.no_browser {
        open_browser(page.insert(leading_page(server.url())?).path());
    }
    ui::wait_for_interrupt();
    Ok(Outcome::Done)
}

/// A page that leads to an address and that only this user can read: everybody on this machine sees
/// the arguments of programs, and the address holds the token.
fn leading_page(url: &str) -> Result<NamedTempFile, Failure> {
    let mut page = tempfile::Builder::new().prefix("spx-cube-view-").suffix(".html").tempfile()?;
    let text = format!(
        "<!doctype html><meta charset=utf-8><meta name=referrer content=no-referrer>\
         <meta http-equiv=refresh content=\"0;url={url}\"><title>spx cube view</title>\
         <a href=\"{url}\">The cube</a>\n"
    );
    page.write_all(text.as_bytes())?;
    Ok(page)
}

/// Asks the desktop to open a page.
fn open_browser(page: &Path) {
    let (program, arguments): (_, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("cmd", &["/C", "start", ""])
    } else {
        ("xdg-open", &[])
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        ui::warning(&format!("the browser did not open ({program}: {error}); open the address by hand"));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_page_that_leads_to_the_explorer_is_for_this_user_alone() {
        let page = super::leading_page("http://127.0.0.1:1/0123/").unwrap();
        let mode = page.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        let text = std::fs::read_to_string(page.path()).unwrap();
        assert!(text.contains("0;url=http://127.0.0.1:1/0123/"), "{text}");
    }
}
