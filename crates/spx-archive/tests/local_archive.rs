//! Searches and downloads from the local archive of spx-sim, which was written apart from this
//! client.
//!
//!     cargo test --release -p spx-archive --test local_archive -- --ignored --nocapture

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests panic and print")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use spx_archive::{
    ArchiveClient, ClientOptions, Coverage, Cutout, DownloadOptions, DownloadOutcome, DownloadTarget,
    Downloader, Observation, RetryOptions, SearchCircle, SearchResult, SearchService, SearchShape, Selection,
};
use spx_core::progress::Silent;
use spx_core::sky::{Position, Rectangle};
use spx_serve::{Fault, Faults, LocalArchive, RequestKind, ServeOptions};
use spx_sim::{
    ExposureOptions, FieldOptions, FrameExtent, SimulatedRelease, SimulatedSky, SurveyOptions, observe,
    survey, write_mef,
};
use tempfile::{TempDir, tempdir};

fn center() -> Position {
    Position::new(186.4536, 33.5468).unwrap()
}

/// Images of 60 px of `observations` observations by two detectors.
fn images(observations: usize) -> TempDir {
    let dir = tempdir().unwrap();
    let detectors = [1, 3].map(|n| spx_core::detector::Detector::new(n).unwrap()).to_vec();
    let sky = SimulatedSky::field(center(), 0.1, 5, 5, &FieldOptions::default()).unwrap();
    let frame = FrameExtent::Around { position: center(), size: 60 };
    for pointing in
        survey(center(), &SurveyOptions { observations, detectors, ..Default::default() }).unwrap()
    {
        let exposure = observe(&sky, &pointing, &ExposureOptions { frame, ..Default::default() }).unwrap();
        let path = dir.path().join(pointing.archive_path(SimulatedRelease::Qr2));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_mef(&path, &exposure, false).unwrap();
    }
    dir
}

fn client(archive: &LocalArchive) -> ArchiveClient {
    let retry = RetryOptions {
        attempts: 6,
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(100),
        longest_retry_after: Duration::from_secs(5),
    };
    let options = ClientOptions {
        retry,
        stall_timeout: Duration::from_millis(700),
        answer_timeout: Duration::from_secs(5),
        ..ClientOptions::default()
    };
    ArchiveClient::new(archive.url().parse().unwrap(), options)
}

fn point() -> Selection {
    Selection::new(SearchShape::Point(center()))
}

fn serve(dir: &Path, faults: Faults, seed: u64) -> LocalArchive {
    LocalArchive::start(dir, ServeOptions { faults, seed, ..ServeOptions::default() }).unwrap()
}

fn ids(search: &SearchResult) -> Vec<String> {
    search.observations.iter().map(|o| format!("{} {}", o.obs_id, o.detector)).collect()
}

fn cutout() -> Cutout {
    Cutout { size: "20px".parse().unwrap(), center: center().into() }
}

#[test]
fn all_ways_to_search_find_the_same() {
    let dir = images(2);
    let archive = serve(dir.path(), Faults::default(), 1);
    let client = client(&archive);
    let found = client.search(&point(), &Silent).unwrap();
    assert_eq!((found.observations.len(), found.rejected.len()), (4, 0), "{:?}", found.rejected);
    let circle = SearchCircle::new(center(), 0.02).unwrap();
    let rectangle = Rectangle::new(center(), 2.0, 2.0).unwrap();
    for shape in [
        SearchShape::Circle(circle, Coverage::Any),
        SearchShape::Circle(circle, Coverage::Full),
        SearchShape::Rectangle(rectangle),
    ] {
        assert_eq!(ids(&client.search(&Selection::new(shape), &Silent).unwrap()), ids(&found), "{shape:?}");
    }
    let wide = SearchCircle::new(center(), 2.0).unwrap();
    let full = Selection::new(SearchShape::Circle(wide, Coverage::Full));
    assert!(client.search(&full, &Silent).unwrap().observations.is_empty());
    let sia = client.search_sia(&point(), &Silent).unwrap();
    assert_eq!(ids(&sia), ids(&found));
    assert!(sia.observations.iter().all(|o| o.size.is_some()));
    let elsewhere = Selection::new(SearchShape::Point(Position::new(10.0, -33.0).unwrap()));
    assert!(client.search(&elsewhere, &Silent).unwrap().observations.is_empty());
    let mut one = point();
    one.bands = vec!["D3".parse().unwrap()];
    let mjd = found.observations[0].mjd();
    one.mjd_range = Some(spx_archive::MjdRange::new(mjd - 1e-6, mjd + 1e-6).unwrap());
    assert_eq!(client.search(&one, &Silent).unwrap().observations.len(), 1);
    let links = client.links(found.observations[0].publisher_did.as_deref().unwrap(), None, &Silent).unwrap();
    assert!(links.iter().any(|l| l.semantics == "#this"), "{links:?}");
}

#[test]
fn an_answer_that_is_cut_off_is_had_by_a_job_or_not_at_all() {
    let dir = images(2);
    let options = ServeOptions { max_rows: 3, ..ServeOptions::default() };
    let archive = LocalArchive::start(dir.path(), options).unwrap();
    let error = client(&archive).search(&point(), &Silent).unwrap_err().to_string();
    assert!(error.contains("truncated its answer after 3 rows"), "{error}");
}

#[test]
fn searches_come_through_faults() {
    let dir = images(1);
    let kinds = faults();
    for seed in 0..10 {
        let faults = Faults { rate: 0.4, kinds: kinds.clone(), in_a_row: 3, ..Faults::default() };
        let archive = serve(dir.path(), faults, seed);
        let found = client(&archive).search(&point(), &Silent).unwrap();
        assert_eq!(found.observations.len(), 2, "seed {seed}");
        assert_eq!(client(&archive).search_sia(&point(), &Silent).unwrap().observations.len(), 2);
    }
    // By a job: the first synchronous answers are unusable, and jobs are forgotten too.
    for seed in 0..5 {
        let jobs = vec![RequestKind::TapAsync];
        let faults = Faults {
            rate: 0.4,
            kinds: kinds.iter().copied().chain([Fault::ExpiredJob]).collect(),
            requests: jobs,
            in_a_row: 2,
            permanent: vec![("/TAP/sync".into(), Fault::Stall(Duration::from_secs(30)))],
            ..Faults::default()
        };
        let archive = serve(dir.path(), faults, seed);
        let mut options = client(&archive).options().clone();
        options.answer_timeout = Duration::from_millis(700);
        let found =
            ArchiveClient::new(archive.url().parse().unwrap(), options).search(&point(), &Silent).unwrap();
        assert_eq!((found.service, found.observations.len()), (SearchService::TapAsync, 2), "seed {seed}");
    }
}

fn faults() -> Vec<Fault> {
    vec![
        Fault::Status500,
        Fault::Status503RetryAfter(1),
        Fault::Reset,
        Fault::Truncate,
        Fault::Stall(Duration::from_secs(2)),
        Fault::HtmlWith200,
        Fault::WrongLength,
        Fault::CorruptBytes,
    ]
}

/// What every target should be, from an archive that behaves.
fn originals(dir: &Path, targets: &[DownloadTarget]) -> HashMap<PathBuf, Vec<u8>> {
    let archive = serve(dir, Faults::default(), 1);
    let (client, out) = (client(&archive), tempdir().unwrap());
    let downloader = Downloader::new(&client, out.path(), DownloadOptions::default()).unwrap();
    let reports = downloader.run(downloader.plan(targets.to_vec(), &Silent).unwrap(), &Silent);
    let whole = |r: &spx_archive::FileReport| {
        let bytes = fs::read(r.file().unwrap_or_else(|| panic!("{:?}", r.outcome))).unwrap();
        let original = dir.join(r.target.uri.mirror_path());
        assert!(r.target.cutout.is_some() || bytes == fs::read(original).unwrap());
        (PathBuf::from(r.path.file_name().unwrap()), bytes)
    };
    reports.iter().map(whole).collect()
}

/// Downloads whole files and cutouts through faults, `rounds` times; returns the number of
/// downloads.
fn through_faults(observations: usize, rounds: u64) -> usize {
    let dir = images(observations);
    let found = {
        let archive = serve(dir.path(), Faults::default(), 1);
        client(&archive).search(&point(), &Silent).unwrap().observations
    };
    let cut = |o: &Observation| DownloadTarget::new(o, Some(cutout()));
    let targets: Vec<_> = found
        .iter()
        .map(|o| DownloadTarget::new(o, None))
        .chain(found.iter().take(found.len() / 4).map(cut))
        .collect();
    let originals = originals(dir.path(), &targets);
    // Three files that never come right, each in another way.
    let lost: Vec<_> = found.iter().rev().take(3).map(|o| o.file_name().to_owned()).collect();
    let permanent = [Fault::HtmlWith200, Fault::Status500, Fault::WrongLength];
    let words = ["a web page arrived", "the server says 500", "truncated"];
    let mut downloads = 0;
    for seed in 0..rounds {
        let faults = Faults {
            rate: 0.2,
            kinds: faults(),
            in_a_row: 3,
            permanent: lost.iter().cloned().zip(permanent).collect(),
            ..Faults::default()
        };
        let archive = serve(dir.path(), faults, seed);
        let (client, out) = (client(&archive), tempdir().unwrap());
        let options =
            DownloadOptions { workers: 8, retry: client.options().retry.clone(), ..Default::default() };
        let start = Instant::now();
        let downloader = Downloader::new(&client, out.path(), options).unwrap();
        let reports = downloader.run(downloader.plan(targets.clone(), &Silent).unwrap(), &Silent);
        let mut seen = 0;
        for report in &reports {
            let name = PathBuf::from(report.path.file_name().unwrap());
            if let Some(k) =
                lost.iter().position(|l| report.target.uri.file_name() == l && report.target.cutout.is_none())
            {
                let DownloadOutcome::Failed { cause } = &report.outcome else {
                    panic!("{:?}", report.outcome)
                };
                assert!(cause.to_string().contains(words[k]), "{cause}");
                assert!(!report.path.exists());
                continue;
            }
            let file = report.file().unwrap_or_else(|| panic!("seed {seed}: {:?}", report.outcome));
            assert!(fs::read(file).unwrap() == originals[&name], "{} is not the original", file.display());
            seen += 1;
        }
        let names = fs::read_dir(out.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.filter(|n| !n.starts_with('.')).count(), seen, "a final name that nobody reports");
        let met = archive.log().entries.iter().filter(|e| e.fault.is_some()).count();
        println!("{} downloads, {met} faults met, {:.1} s", reports.len(), start.elapsed().as_secs_f64());
        downloads += reports.len();
    }
    downloads
}

#[test]
fn good_files_come_through_faults() {
    through_faults(8, 2);
}

#[test]
#[ignore = "takes 3 GB of disk and minutes"]
fn a_thousand_downloads_come_through_faults() {
    let downloads = through_faults(80, 5);
    assert!(downloads >= 1000, "{downloads}");
}
