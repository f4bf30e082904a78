//! The spectral images of a position as cutouts: `cargo run --example download RA DEC [DIR]`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;

use spx_archive::progress::Silent;
use spx_archive::sky::Position;
use spx_archive::{
    ArchiveClient, ArchiveUrl, ClientOptions, Cutout, DownloadOptions, DownloadTarget, Downloader,
    SearchShape, Selection,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [ra, dec, directory @ ..] = arguments.as_slice() else {
        return Err("usage: download RA DEC [DIR], with RA and DEC in degrees".into());
    };
    let position = Position::new(ra.parse()?, dec.parse()?)?;
    let directory = directory.first().map_or("data", String::as_str);

    // Of each exposure of detector 3 the newest processing.
    let client = ArchiveClient::new(ArchiveUrl::default(), ClientOptions::default());
    let selection = Selection { bands: vec!["D3".parse()?], ..Selection::new(SearchShape::Point(position)) };
    let found = client.search(&selection, &Silent)?;
    println!("{} images", found.observations.len());

    // 60 x 60 pixels around the position. What is there already is not fetched again.
    let cutout = Cutout { size: "60px".parse()?, center: position.into() };
    let targets = found.observations.iter().map(|o| DownloadTarget::new(o, Some(cutout))).collect();
    let downloader = Downloader::new(&client, Path::new(directory), DownloadOptions::default())?;
    let plan = downloader.plan(targets, &Silent)?;
    for report in downloader.run(plan, &Silent) {
        println!("{}: {:?}", report.path.display(), report.outcome);
    }
    Ok(())
}
