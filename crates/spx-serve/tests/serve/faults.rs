//! An archive that misbehaves does so as it was told, and never in a way that cannot be noticed.

use std::io::{ErrorKind, Read as _};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use spx_core::fits::FitsReader;
use spx_serve::{Fault, Faults, LocalArchive, RequestKind, ServeOptions};
use spx_sim::SimulatedRelease;
use tempfile::TempDir;

use crate::client::{Answer, encode, get, request};
use crate::fixture::{plan, serve, small};

/// An archive where the first request of each address meets the fault, and the second does not.
fn once(fault: Fault) -> (TempDir, LocalArchive, String) {
    let dir = small();
    let faults = Faults { rate: 1.0, kinds: vec![fault], in_a_row: 1, ..Faults::default() };
    let archive = serve(dir.path(), ServeOptions { faults, ..ServeOptions::default() });
    (dir, archive, format!("/ibe/data/spherex/{}", plan(2)[1].archive_path(SimulatedRelease::Qr2)))
}

fn twice(archive: &LocalArchive, target: &str) -> (Answer, Answer) {
    let answers = (get(&archive.url(), target), get(&archive.url(), target));
    assert_eq!((answers.1.status, answers.1.is_whole()), (200, true), "the second is good");
    answers
}

#[test]
fn statuses_and_pages() {
    let (_dir, archive, path) = once(Fault::Status500);
    assert_eq!(twice(&archive, &path).0.status, 500);
    let (_dir, archive, path) = once(Fault::Status503RetryAfter(7));
    let busy = twice(&archive, &path).0;
    assert_eq!((busy.status, busy.header("retry-after")), (503, "7"));
    let (_dir, archive, path) = once(Fault::HtmlWith200);
    let page = twice(&archive, &path).0;
    assert!(page.status == 200 && page.body.starts_with(b"<!DOCTYPE html>"));
}

#[test]
fn connections_end_too_soon() {
    let (_dir, archive, path) = once(Fault::Truncate);
    let (cut, whole) = twice(&archive, &path);
    assert_eq!(cut.header("content-length"), whole.header("content-length"));
    assert!(cut.body.len() < whole.body.len() && whole.body.starts_with(&cut.body));
    assert_eq!(cut.error, None, "an orderly close");
    let (_dir, archive, path) = once(Fault::Reset);
    let cut = twice(&archive, &path).0;
    assert_eq!(cut.error, Some(ErrorKind::ConnectionReset));
}

#[test]
fn lengths_lie() {
    let (_dir, archive, path) = once(Fault::WrongLength);
    let (short, whole) = twice(&archive, &path);
    assert!(short.is_whole() && short.body.len() < whole.body.len());
    let target =
        format!("/TAP/sync?LANG=ADQL&FORMAT=csv&QUERY={}", encode("SELECT uri FROM spherex.artifact"));
    let csv = twice(&archive, &target).0;
    assert!(!csv.is_whole(), "missing lines would not be noticed: it is truncated instead");
}

#[test]
fn corruption_shows() {
    let (dir, archive, path) = once(Fault::CorruptBytes);
    let (bad, good) = twice(&archive, &path);
    assert_eq!(bad.body.len(), good.body.len());
    let changed: Vec<usize> = (0..bad.body.len()).filter(|&k| bad.body[k] != good.body[k]).collect();
    assert!((1..=8).contains(&changed.len()));
    assert!(changed.iter().all(|&k| bad.body[k] == 0xff && (b' '..=b'~').contains(&good.body[k])), "cards");
    let (bad, good) = twice(&archive, &format!("{path}?center=50,50px&size=20px"));
    let unpack = |body: &[u8]| GzDecoder::new(body).read_to_end(&mut Vec::new());
    assert!(unpack(&bad.body).is_err() && unpack(&good.body).is_ok());
    let part = request(&archive.url(), "GET", &path, &[("Range", "bytes=20000-20999")], "");
    assert_eq!((part.status, part.is_whole()), (206, false), "of pixels nobody could tell");
    let (bad, _) = twice(&archive, "/TAP/tables");
    assert!(String::from_utf8(bad.body).is_err());
    drop(dir);
}

#[test]
fn pauses_and_latency() {
    let (_dir, archive, path) = once(Fault::Stall(Duration::from_millis(700)));
    let start = Instant::now();
    let slow = get(&archive.url(), &path);
    assert!(start.elapsed() >= Duration::from_millis(700));
    assert_eq!(slow.body, get(&archive.url(), &path).body);
    let faults = Faults { latency: Duration::from_millis(300), ..Faults::default() };
    let dir = small();
    let archive = serve(dir.path(), ServeOptions { faults, ..ServeOptions::default() });
    let start = Instant::now();
    assert_eq!(get(&archive.url(), "/TAP/availability").status, 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn jobs_are_forgotten() {
    let (_dir, archive, _) = once(Fault::ExpiredJob);
    let form = format!("LANG=ADQL&QUERY={}", encode("SELECT uri FROM spherex.artifact"));
    let made = request(&archive.url(), "POST", "/TAP/async", &[], &form);
    assert_eq!(made.status, 303);
    let job = made.header("location").strip_prefix(&archive.url()).unwrap().to_owned();
    assert_eq!(get(&archive.url(), &job).status, 404);
    assert_eq!(get(&archive.url(), &job).status, 404);
}

#[test]
fn permanent_faults_and_chosen_requests() {
    let dir = small();
    let [bad, good] =
        [plan(2)[0].archive_path(SimulatedRelease::Qr2), plan(2)[1].archive_path(SimulatedRelease::Qr2)];
    let faults = Faults {
        rate: 1.0,
        kinds: vec![Fault::Status500],
        requests: vec![RequestKind::Sia],
        in_a_row: 0,
        permanent: vec![(bad.rsplit('/').next().unwrap().to_owned(), Fault::Truncate)],
        ..Faults::default()
    };
    let archive = serve(dir.path(), ServeOptions { faults, ..ServeOptions::default() });
    for _ in 0..5 {
        assert!(!get(&archive.url(), &format!("/cloud/{bad}")).is_whole());
        assert!(get(&archive.url(), &format!("/cloud/{good}")).is_whole());
        assert_eq!(get(&archive.url(), "/SIA").status, 500);
    }
    let log = archive.log();
    assert_eq!((log.of_kind(RequestKind::File), log.of_kind(RequestKind::Sia), log.faults()), (10, 5, 10));
    assert_eq!(log.of_path(&format!("/cloud/{good}")), 5);
    assert_eq!(log.downloads().into_iter().collect::<Vec<_>>(), [(format!("/cloud/{good}"), 5)]);
}

#[test]
fn too_many_at_once_are_sent_away() {
    let dir = small();
    let faults = Faults { latency: Duration::from_millis(400), ..Faults::default() };
    let options = ServeOptions { faults, max_parallel: Some(2), ..ServeOptions::default() };
    let archive = serve(dir.path(), options);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || get(&archive.url(), "/TAP/availability").status;
        let threads: Vec<_> = (0..5).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 503).count(), 3, "{statuses:?}");
    assert_eq!(get(&archive.url(), "/TAP/availability").status, 200, "and later ones are not");
}

/// What a client can check without knowing the original, short of corrupted bytes.
fn looks_good(answer: &Answer, dir: &TempDir) -> bool {
    if answer.status != 200 || !answer.is_whole() || answer.error.is_some() || answer.body.starts_with(b"<") {
        return false;
    }
    let path = dir.path().join("download.part");
    std::fs::write(&path, &answer.body).unwrap();
    let Ok(mut file) = FitsReader::open(&path) else { return false };
    file.hdu_count().is_ok_and(|count| count == 7) && answer.body.len().is_multiple_of(2880)
}

#[test]
fn all_downloads_arrive_in_the_end() {
    let dir = small();
    let kinds = vec![
        Fault::Status500,
        Fault::Status503RetryAfter(0),
        Fault::Reset,
        Fault::Truncate,
        Fault::Stall(Duration::from_millis(20)),
        Fault::HtmlWith200,
        Fault::WrongLength,
        Fault::ExpiredJob,
    ];
    let faults = Faults { rate: 0.2, kinds, ..Faults::default() };
    let archive = serve(dir.path(), ServeOptions { faults, seed: 7, ..ServeOptions::default() });
    let paths: Vec<String> = plan(2).iter().map(|p| p.archive_path(SimulatedRelease::Qr2)).collect();
    let originals: Vec<Vec<u8>> = paths.iter().map(|p| std::fs::read(dir.path().join(p)).unwrap()).collect();
    let scratch = tempfile::tempdir().unwrap();
    for k in 0..120 {
        let target = format!("/ibe/data/spherex/{}", paths[k % paths.len()]);
        let good = (0..4).find_map(|_| {
            let answer = get(&archive.url(), &target);
            looks_good(&answer, &scratch).then_some(answer.body)
        });
        assert!(good.unwrap() == originals[k % paths.len()], "download {k}");
    }
    let log = archive.log();
    let share = log.faults() as f64 / log.entries.len() as f64;
    assert!((0.1..0.3).contains(&share), "{share}");
}
