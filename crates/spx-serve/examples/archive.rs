//! Serves a directory of spectral images until it is killed:
//! `cargo run --example archive -- DIRECTORY`.

use spx_serve::{LocalArchive, ServeOptions};

#[expect(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: archive DIRECTORY")?;
    let archive = LocalArchive::start(directory.as_ref(), ServeOptions::default())?;
    println!("{} images at {}", archive.images(), archive.url());
    loop {
        std::thread::park();
    }
}
