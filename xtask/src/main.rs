//! The project's own tasks, run as `cargo xtask TASK`: the gate before a commit, reference values,
//! comparisons.
//!
//! `check` needs nothing but Rust and a C compiler, `fetch-testdata` the network besides. The
//! others run the scripts of `xtask/python` in virtual environments, which they make under
//! `$XDG_CACHE_HOME/spx` (`~/.cache/spx`) from pinned requirements.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the developers, not of the product"
)]

mod bench;
mod browser;
mod bytes;
mod check;
mod compare;
mod fits;
mod fuzz;
mod golden;
mod habits;
mod hips;
mod house;
mod irsa;
mod layers;
mod package;
mod parquet;
mod process;
mod processors;
mod survey;
mod testdata;
mod tidy;
mod truth;
mod viewers;
mod vo_clients;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask TASK

  check [STEP...]        the gate beside `cargo test`: format, lints, documentation, no-fits, layers, tidy, house, oldest-rust,
                         deny, unused, spelling, semver, fuzz, package. Steps whose tool is not installed do not run, and
                         say so; CI_REQUIRE_TOOLS=1 makes that an error
  bytes BEFORE [AFTER]   do two programs (AFTER: the workspace's dev build) write the same bytes? Runs the commands of
                         xtask/bytes/commands.txt with both, on 1 and on 3 threads
  processors [SPX]       does a program (default: the workspace's release build) write the same bytes on an emulated
                         processor of 2008? Runs the commands of `bytes`; needs qemu-x86_64 (apt install qemu-user)
  house [ROOT]           figures of the source code: lines, repeated type names, circles, places of settings
  package                the crates as they would be published, and the tests of these packages
  golden [SET...]        make the reference values of testdata again (Python, network on first use)
  fetch-testdata [[--archive-url URL] --into DIR]
                         the real files of testdata/real_files.json into testdata/real (150 MB), and are they still
                         what they were when seen first?
  bench-peers drizzle [--runs N] [--exposures N] [--sizes A,B] [--scaling A,B,C|none] [--spx PATH]
                         spx against spxquery on the same files: time and peak memory
                         (default: 3 runs, 20 exposures, 30 and 120 arcmin, scaling 5,10,20,40; 2.9 GB of cache)
  bench-peers photometry [--runs N] [--cutouts N] [--frames N] [--spx PATH]
                         the same for the photometry of one source (default: 3 runs, 100 cutouts, 20 full frames)
  bench-peers batch [--runs N] [--sources A,B,C|none] [--frames N] [--rows N|none] [--light-curves N] [--spx PATH]
                         tables, extraction and aggregation against spxquery's batch (default: 34, 1000 and 10,000
                         sources in a frame, 5,000,000 rows of 50,000 sources; 2.9 GB of cache, 20 GB of scratch)
  bench-peers scene [--runs N] [--sources N] [--spx PATH]
                         all sources of a full frame fitted together, against photutils' grouped PSF photometry:
                         processor time for a source (default: 12,500 sources)
  bench-peers kernels [--runs N]
                         kernels against STScI's drizzle, pixel map against astropy: processor time of one thread
  bench-peers fits [--runs N]
                         images, as they are and compressed by RICE_1, against CFITSIO: processor time of one thread
  compare-photometry [--exposures N] [--spx PATH]
                         fluxes of spx against those of spxquery on the same files (default: 60 exposures); prints where
                         spxquery is wrong and why, and fails if it differs without a known reason
  compare-fits [--cases N] [--seed N]
                         the FITS reader against astropy on random compressed images, scaled images and tables
                         (default: 100,000)
  fuzz [--minutes N]     FITS files, spectral images, cubes, headers, VOTables, catalogs, answers of servers, regions,
                         states and settings changed at random, under the address sanitizer and with bounded memory
                         (default: 5 minutes, and as long in `check` unless SPX_FUZZ_MINUTES says otherwise; needs
                         cargo-fuzz and nightly Rust)
  truth [cube|rejection|zodiacal|matching|photometry|releases|scene|spectrum|deep]... [--quick] [--spx PATH]
                         fluxes, centroids, blank sky, zodiacal scale and both releases against realistic simulated
                         skies whose truth is known; each figure beside what is demanded of it, exit code 1 where one
                         misses it
  survey [--plan] [--kills N] [--spx PATH]
                         a small survey on Snakemake and on Dask, with 20 jobs and engines killed on each and a week
                         added later, against one process, byte for byte; with --plan instead the plan of 15,000 jobs
                         and 1.1 million frames (2 GB of cache)
  hips [--aladin FILE] [--spx PATH]
                         a HiPS of simulated exposures: stars within 0.1 pixel of where astropy-healpix puts them, WCS
                         by astropy, MOC by mocpy, means of the orders above, keys of the standard; with --aladin FILE
                         (aladin.js of the npm package aladin-lite) also where Aladin Lite shows them in headless
                         Chromium
  viewers CUBE.fits [--screenshot FILE.png] [--only TOOL]
                         does a cube open, with right coordinates, in fitsverify, astropy, spectral-cube,
                         Cubeviz and DS9 (the latter under Xvfb), and so what `spx cube export` makes of it,
                         in specutils too
  light-curve [FOLDER]   do astropy, pandas and specutils take the light curve in a folder (or that of `spx demo`), every
                         column with its type and unit?
  browser [--screenshots DIR] [--spx PATH] [--documents]
                         the explorer in headless Chromium, as a user works with it (skipped where there is none)
  bench-view [--spx PATH] [--keep CUBE.fits]
                         a cube of 3 GB in the explorer: first plane, steps of the slider, memory
  parquet BATCH_DIR      do pandas, DuckDB and astropy read the data set of `spx batch --format both`, with units?
  vo-clients [--url URL] do pyvo and astroquery understand the local archive, or that at URL?
                         (default: simulates a few exposures and serves them)
  irsa-tutorial          do the steps of IRSA's tutorials on spectra and cubes work on what spx exports?";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["check", which @ ..] => check::run(which),
        ["bytes", programs @ ..] => bytes::run(programs),
        ["processors", program @ ..] => processors::run(program),
        ["house", root @ ..] => house::run(root),
        ["golden", which @ ..] => golden::run(which),
        ["compare-fits", options @ ..] => fits::compare(options),
        ["fuzz", options @ ..] => fuzz::run(options),
        ["fetch-testdata", options @ ..] => testdata::run(options),
        ["bench-peers", options @ ..] => bench::run(options),
        ["compare-photometry", options @ ..] => compare::photometry(options),
        ["package", arguments @ ..] => package::run(arguments),
        ["parquet", arguments @ ..] => parquet::run(arguments),
        ["survey", options @ ..] => survey::run(options),
        ["hips", options @ ..] => hips::run(options),
        ["truth", arguments @ ..] => truth::run(arguments),
        ["viewers", options @ ..] => viewers::run(options),
        ["light-curve", options @ ..] => viewers::light_curve(options),
        ["browser", options @ ..] => browser::run(options),
        ["bench-view", options @ ..] => browser::bench(options),
        ["irsa-tutorial", options @ ..] => irsa::run(options),
        ["vo-clients", options @ ..] => vo_clients::run(options),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
