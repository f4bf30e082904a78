//! Serves a directory of spectral images on a port, until it is stopped or its standard input ends:
//! `cargo run -p spx-sim --features serve --example serve DIR [PORT]`.
#![allow(clippy::print_stdout, reason = "an example for the command line")]

use std::path::Path;

use spx_sim::serve::{LocalArchive, ServeOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dir = arguments.first().ok_or("which directory?")?;
    let port = arguments.get(1).map_or(Ok(0), |port| port.parse())?;
    let archive = LocalArchive::start(Path::new(dir), ServeOptions { port, ..ServeOptions::default() })?;
    println!("{} images at {}", archive.images(), archive.url());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
