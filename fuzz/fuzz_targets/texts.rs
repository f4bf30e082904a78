//! Small texts that users and other programs hand over; the first byte says what it is.
#![no_main]

use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use spx_archive::{
    ArchivePath, ArchiveUrl, CutoutCenter, CutoutSize, DataLinkRow, MjdRange, Observation, ObservationId,
    ProductName, ReleaseChoice, SurveyFields, calibration_age,
};
use spx_core::flags::{FlagSelection, GoodBits};
use spx_core::sky::{Position, parse_declination, parse_right_ascension};
use spx_pipeline::archive::QuerySummary;
use spx_pipeline::cube::{BackgroundRing, SkyRegion};
use spx_pipeline::drizzle::{DrizzleConfig, WaveRange};
use spx_pipeline::run::RunConfig;
use spx_pipeline::{settings, stages};

mod memory;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(body) else { return };
    match kind % 8 {
        0 => regions(text),
        1 => positions(text),
        2 => drop(stages::is_state(text)),
        3 => drop(stages::is_journal(&file(body))),
        4 => {
            QuerySummary::read(&file(body)).ok();
            toml::from_str::<Observation>(text).ok();
            toml::from_str::<DataLinkRow>(text).ok();
        }
        5 => {
            let path = file(body);
            settings::resolve::<RunConfig>(Some(&path), toml::Table::new()).ok();
            settings::resolve::<DrizzleConfig>(Some(&path), toml::Table::new()).ok();
        }
        6 => words(text),
        _ => drop(spx_batch::BatchRow::parse_line(text)),
    }
});

/// A region that is read is written and read again.
fn regions(text: &str) {
    let Ok(regions) = SkyRegion::parse(text) else { return };
    for region in regions {
        let again = region.to_string();
        assert!(again.parse::<SkyRegion>().is_ok(), "{again}");
    }
}

fn positions(text: &str) {
    parse_right_ascension(text).ok();
    parse_declination(text).ok();
    if let Ok(position) = text.parse::<Position>() {
        assert!((0.0..360.0).contains(&position.ra()) && position.dec().abs() <= 90.0, "{text}");
    }
}

/// Words of the command line, of names and addresses.
fn words(text: &str) {
    fn one<T: FromStr>(text: &str) {
        text.parse::<T>().ok();
    }
    one::<ArchivePath>(text);
    one::<ArchiveUrl>(text);
    one::<CutoutCenter>(text);
    one::<CutoutSize>(text);
    one::<MjdRange>(text);
    one::<ObservationId>(text);
    one::<ReleaseChoice>(text);
    one::<SurveyFields>(text);
    one::<FlagSelection>(text);
    one::<GoodBits>(text);
    one::<WaveRange>(text);
    ProductName::parse(text);
    calibration_age(text);
    text.parse::<BackgroundRing>().ok();
}

fn file(body: &[u8]) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("spx-fuzz-text-{}", std::process::id()));
    std::fs::write(&path, body).expect("the file is written");
    path
}
