//! Downloads from a server that does everything wrong that servers do.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests panic and print")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spx_archive::{
    ArchiveClient, ArchiveError, Cutout, DownloadLayout, DownloadOptions, DownloadOutcome, DownloadProgress,
    DownloadSource, DownloadState, DownloadTarget, Downloader, FileReport, MirrorUse,
};
use spx_core::fits::FitsWriter;
use spx_core::header::Header;
use spx_core::progress::{Progress, Silent};
use support::{Reply, Request, Server, file_name, number_in, observation, options, retry, spectral_image};
use tempfile::{TempDir, tempdir};

const SIDE: usize = 120;

fn download_options() -> DownloadOptions {
    DownloadOptions { retry: retry(), ..DownloadOptions::default() }
}

fn targets(count: usize) -> Vec<DownloadTarget> {
    (0..count).map(|k| DownloadTarget::new(&observation(k), None)).collect()
}

fn download_with(
    client: &ArchiveClient,
    directory: &Path,
    targets: Vec<DownloadTarget>,
    options: DownloadOptions,
    progress: &dyn DownloadProgress,
) -> Vec<FileReport> {
    let downloader = Downloader::new(client, directory, options).unwrap();
    let plan = downloader.plan(targets, progress).unwrap();
    downloader.run(plan, progress)
}

fn download(client: &ArchiveClient, directory: &Path, targets: Vec<DownloadTarget>) -> Vec<FileReport> {
    download_with(client, directory, targets, download_options(), &Silent)
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// One file from a server that answers the first requests as told, and well from then on.
struct OneFile {
    server: Server,
    directory: TempDir,
    body: Vec<u8>,
}

const ETAG: &str = "\"tag\"";

impl OneFile {
    fn new(spoil: impl Fn(&Request, &[u8]) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let body = spectral_image(0, SIDE);
        let good = body.clone();
        let server = Server::start(move |r| spoil(r, &good).unwrap_or_else(|| Reply::file(r, &good, ETAG)));
        Self { server, directory: tempdir().unwrap(), body }
    }

    fn get(&self) -> FileReport {
        let mut reports = download(&self.server.client(), self.directory.path(), targets(1));
        assert_eq!(reports.len(), 1);
        reports.remove(0)
    }

    /// The file must arrive, whole and alone.
    fn arrives(&self) -> FileReport {
        let report = self.get();
        assert!(report.file().is_some(), "{:?}", report.outcome);
        assert!(fs::read(&report.path).unwrap() == self.body, "the file is not the original");
        assert_eq!(names(self.directory.path()), BTreeSet::from([file_name(0)]));
        report
    }

    /// The file must fail, and nothing have its name.
    fn fails(&self) -> String {
        let report = self.get();
        let DownloadOutcome::Failed { cause } = report.outcome else { panic!("{:?}", report.outcome) };
        assert!(!report.path.exists());
        cause.to_string()
    }
}

fn first(
    times: usize,
    reply: impl Fn(&Request, &[u8]) -> Reply,
) -> impl Fn(&Request, &[u8]) -> Option<Reply> {
    move |request, body| (request.time <= times).then(|| reply(request, body))
}

#[test]
fn files_arrive_once() {
    let server = Server::start(|r| Reply::ok(spectral_image(number_in(&r.target), SIDE)));
    let (client, directory) = (server.client(), tempdir().unwrap());
    let reports = download(&client, directory.path(), targets(12));
    for (k, report) in reports.iter().enumerate() {
        assert!(matches!(report.outcome, DownloadOutcome::Fetched { .. }), "{:?}", report.outcome);
        assert!(fs::read(&report.path).unwrap() == spectral_image(k, SIDE));
        assert_eq!((report.attempts, &report.source), (1, &Some(DownloadSource::Archive)));
    }
    assert_eq!(names(directory.path()), (0..12).map(file_name).collect());
    let again = download(&client, directory.path(), targets(12));
    assert!(again.iter().all(|r| matches!(r.outcome, DownloadOutcome::AlreadyThere)));
    assert_eq!(server.log().len(), 12, "nothing is downloaded twice");
    let options = DownloadOptions { anew: true, ..download_options() };
    let anew = download_with(&client, directory.path(), targets(12), options, &Silent);
    assert!(anew.iter().all(|r| matches!(r.outcome, DownloadOutcome::Fetched { .. })));
    assert_eq!((server.log().len(), names(directory.path()).len()), (24, 12));
}

#[test]
fn statuses_that_may_pass_are_tried_again() {
    for status in [500, 502, 503, 504, 429, 408] {
        let report = OneFile::new(first(2, move |_, _| Reply::status(status))).arrives();
        assert_eq!(report.attempts, 3, "{status}");
    }
}

#[test]
fn statuses_that_will_not_pass_are_tried_once() {
    for status in [400, 401, 403, 404, 410, 501] {
        let file = OneFile::new(move |_, _| Some(Reply::status(status)));
        let message = file.fails();
        assert!(message.contains(&format!("the server says {status}: status {status}")), "{message}");
        assert!(message.contains(&file.server.url()), "{message}");
        assert_eq!(file.server.log().len(), 1);
    }
}

#[test]
fn retry_after_holds_all_workers_back() {
    let start = Instant::now();
    let answered = AtomicUsize::new(0);
    let early = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&early);
    let server = Server::start(move |r| {
        if answered.fetch_add(1, Ordering::SeqCst) == 0 {
            return Reply::Good(503, vec![("Retry-After", "1".into())], Vec::new());
        }
        let elapsed = start.elapsed();
        if elapsed > Duration::from_millis(300) && elapsed < Duration::from_millis(950) {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        std::thread::sleep(Duration::from_millis(100));
        Reply::ok(spectral_image(number_in(&r.target), 8))
    });
    let directory = tempdir().unwrap();
    let reports = download(&server.client(), directory.path(), targets(12));
    assert!(reports.iter().all(|r| r.file().is_some()));
    assert_eq!(early.load(Ordering::SeqCst), 0, "requests came while the server asked for quiet");
    assert!(start.elapsed() > Duration::from_secs(1));
}

#[test]
fn a_wait_that_is_too_long_is_a_failure() {
    let file = OneFile::new(|_, _| Some(Reply::Good(503, vec![("Retry-After", "86400".into())], Vec::new())));
    let message = file.fails();
    assert!(message.contains("it asks to wait 86400 s"), "{message}");
    assert_eq!(file.server.log().len(), 1);
}

#[test]
fn broken_connections_are_taken_up_where_they_broke() {
    let file = OneFile::new(first(1, |_, body| Reply::broken(body, body.len() / 2, ETAG)));
    let report = file.arrives();
    let half = file.body.len() as u64 / 2;
    match report.outcome {
        DownloadOutcome::Resumed { bytes, from } => {
            assert_eq!((bytes, from), (file.body.len() as u64 - half, half))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_validator_a_file_begins_anew() {
    let broken = |body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: W/\"weak\"\r\n\r\n", body.len());
        Reply::Raw(head, body[..9000].to_vec(), Duration::ZERO)
    };
    let file = OneFile::new(move |r, body| {
        assert_eq!(r.range_from(), None);
        (r.time == 1).then(|| broken(body))
    });
    assert!(matches!(file.arrives().outcome, DownloadOutcome::Fetched { .. }));
}

#[test]
fn ranges_that_are_ignored_or_wrong_do_no_harm() {
    // The server has no ranges.
    let ignored = OneFile::new(|r, body| match r.time {
        1 => Some(Reply::broken(body, 9000, ETAG)),
        _ => Some(Reply::ok(body)),
    });
    assert!(matches!(ignored.arrives().outcome, DownloadOutcome::Fetched { .. }));
    // The file has changed meanwhile.
    let changed = OneFile::new(|r, body| {
        (r.time == 1).then(|| {
            let other = spectral_image(7, SIDE);
            Reply::broken(&other[..body.len()], 9000, "\"old\"")
        })
    });
    changed.arrives();
    // The range is another one, or of another length.
    for wrong in ["bytes 0-99/100", "bytes 9001-59999/60000", "bytes */60000", "nonsense"] {
        let file = OneFile::new(move |r, body| match (r.time, r.range_from()) {
            (1, _) => Some(Reply::broken(body, 9000, ETAG)),
            (_, Some(_)) => Some(Reply::Good(206, vec![("Content-Range", wrong.into())], vec![0; 100])),
            _ => None,
        });
        file.arrives();
    }
    // It is said to lie beyond the end.
    let beyond = OneFile::new(|r, body| match (r.time, r.range_from()) {
        (1, _) => Some(Reply::broken(body, 9000, ETAG)),
        (_, Some(_)) => Some(Reply::status(416)),
        _ => None,
    });
    beyond.arrives();
}

#[test]
fn truncation_is_noticed_with_and_without_a_length() {
    let forever = OneFile::new(|_, body| Some(Reply::broken(body, 20_000, "W/\"x\"")));
    let message = forever.fails();
    assert!(message.contains("20000 of the ") && message.contains("announced bytes arrived"), "{message}");
    let no_length = |given: usize| {
        move |_: &Request, body: &[u8]| {
            Some(Reply::Raw(
                "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".into(),
                body[..given].to_vec(),
                Duration::ZERO,
            ))
        }
    };
    let message = OneFile::new(no_length(20_000)).fails();
    assert!(message.contains("truncated in HDU 1: 20000 bytes"), "{message}");
    // Cut off between two HDUs, a file is whole as FITS, but no spectral image.
    let one_hdu = 2880 + 2880 + (SIDE * SIDE * 4).next_multiple_of(2880);
    let message = OneFile::new(no_length(one_hdu)).fails();
    assert!(message.contains("the HDU FLAGS of a spectral image is missing"), "{message}");
    // A length that is that of the piece.
    let message = OneFile::new(|_, body| Some(Reply::ok(&body[..20_000]))).fails();
    assert!(message.contains("truncated in HDU 1"), "{message}");
}

#[test]
fn stalls_end() {
    let file = OneFile::new(first(1, |_, body| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        Reply::Raw(head, body[..9000].to_vec(), Duration::from_secs(20))
    }));
    let start = Instant::now();
    assert_eq!(file.arrives().attempts, 2);
    assert!(start.elapsed() < Duration::from_secs(5));
    let silent = OneFile::new(|_, _| Some(Reply::Raw(String::new(), Vec::new(), Duration::from_secs(20))));
    assert!(silent.fails().contains("no answer in time"));
    OneFile::new(first(2, |_, _| Reply::Close)).arrives();
}

#[test]
fn web_pages_and_other_files_are_refused() {
    const PAGE: &[u8] = b"<!DOCTYPE html>\n<html>We are busy</html>";
    OneFile::new(first(2, |_, _| Reply::ok(PAGE))).arrives();
    let file = OneFile::new(|_, _| Some(Reply::ok(PAGE)));
    let message = file.fails();
    assert!(message.contains("a web page arrived instead of a FITS file: `<!DOCTYPE html>"), "{message}");
    assert_eq!(names(file.directory.path()), BTreeSet::new());
    let message = OneFile::new(|_, _| Some(Reply::ok(spectral_image(5, SIDE)))).fails();
    assert!(message.contains("this is 2025W51_1A_0005_2 D3, not 2025W51_1A_0000_2 D3"), "{message}");
    let message = OneFile::new(|_, _| Some(Reply::ok(b"PK\x03\x04 nothing"))).fails();
    assert!(message.contains("not a FITS file: it begins with \"PK"), "{message}");
    let message = OneFile::new(|_, body| Some(Reply::ok([body, b"rest"].concat()))).fails();
    assert!(message.contains("are not FITS"), "{message}");
    let damaged = |_: &Request, body: &[u8]| {
        let mut body = body.to_vec();
        body[2880 + 85] = 0xff;
        Some(Reply::ok(body))
    };
    assert!(OneFile::new(damaged).fails().contains("byte 85 of the header is not printable ASCII"));
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn sums_of_the_file_are_compared() {
    // The first HDU of the image, with the sum of its data and of all of it.
    let summed = |body: &[u8]| {
        let path = tempdir().unwrap();
        let path = path.path().join("a.fits");
        let mut writer = FitsWriter::create(&path).unwrap();
        writer.image::<f32>(&[40], &Header::new()).unwrap();
        writer.write_pixels(0, &[2.5f32; 40]).unwrap();
        writer.checksum().unwrap();
        writer.finish().unwrap();
        let mut bytes = fs::read(path).unwrap();
        bytes.extend(&body[2880..]);
        bytes
    };
    let image = summed(&spectral_image(0, SIDE));
    let mut changed = image.clone();
    changed[2880] ^= 1;
    let sent = |bytes: Vec<u8>| move |_: &Request, _: &[u8]| Some(Reply::ok(bytes.clone()));
    let mut good = OneFile::new(sent(image.clone()));
    good.body.clone_from(&image);
    good.arrives();
    for bytes in [changed.clone(), gzipped(&changed)] {
        let spoiled = OneFile::new(sent(bytes));
        let message = spoiled.fails();
        assert!(message.contains("HDU 0 (PRIMARY) is damaged") && message.contains("DATASUM"), "{message}");
        assert_eq!(spoiled.server.log().len(), download_options().retry.attempts as usize);
        assert_eq!(names(spoiled.directory.path()), BTreeSet::new());
    }
    // One bad try, and what comes then.
    let mut once = OneFile::new(move |request, _| {
        Some(Reply::ok(if request.time == 1 { changed.clone() } else { image.clone() }))
    });
    once.body = summed(&once.body);
    assert_eq!(once.arrives().attempts, 2);
}

#[test]
fn gzip_is_undone_and_checked() {
    OneFile::new(|_, body| Some(Reply::ok(gzipped(body)))).arrives();
    let encoded = |_: &Request, body: &[u8]| {
        Some(Reply::Good(200, vec![("Content-Encoding", "gzip".into())], gzipped(body)))
    };
    OneFile::new(encoded).arrives();
    let damaged = OneFile::new(first(1, |_, body| {
        let mut stream = gzipped(body);
        let middle = stream.len() / 2;
        stream[middle] ^= 0x55;
        Reply::ok(stream)
    }));
    assert_eq!(damaged.arrives().attempts, 2);
    let short = OneFile::new(|_, body| {
        let stream = gzipped(body);
        Some(Reply::ok(&stream[..stream.len() - 9]))
    });
    assert!(short.fails().contains("damaged gzip stream"));
}

#[test]
fn redirects_keep_to_the_host() {
    let follow = OneFile::new(|r, _| {
        (!r.target.starts_with("/else")).then(|| Reply::redirect(&format!("/else{}", r.target)))
    });
    follow.arrives();
    let other = Server::start(|_| Reply::ok(spectral_image(0, SIDE)));
    let there = other.url();
    let file = OneFile::new(move |r, _| Some(Reply::redirect(&format!("{there}{}", r.target))));
    let message = file.fails();
    assert!(message.contains("leads to another host, which is not allowed"), "{message}");
    assert_eq!((file.server.log().len(), other.log().len()), (1, 0));
    for (to, words) in [
        ("http://example.org/a.fits", "plain http is only allowed for this machine"),
        ("file:///etc/passwd", "neither https nor http"),
        ("http://[broken", "not an address"),
    ] {
        let message = OneFile::new(move |_, _| Some(Reply::redirect(to))).fails();
        assert!(message.contains(words), "{message}");
    }
    let round = OneFile::new(|r, _| Some(Reply::redirect(&r.target)));
    assert!(round.fails().contains("the sixth in a row"));
    assert_eq!(round.server.log().len(), 6);
}

#[test]
fn a_failure_stops_nothing_else() {
    let server = Server::start(|r| match number_in(&r.target) {
        3 => Reply::status(404),
        5 => Reply::ok("<html>"),
        k => Reply::ok(spectral_image(k, 8)),
    });
    let directory = tempdir().unwrap();
    let reports = download(&server.client(), directory.path(), targets(8));
    let failed: Vec<_> = (0..8).filter(|&k| reports[k].file().is_none()).collect();
    assert_eq!(failed, [3, 5]);
    assert_eq!(names(directory.path()).len(), 6);
}

#[test]
fn damaged_files_on_disk_are_replaced() {
    let file = OneFile::new(|_, _| None);
    let path = file.directory.path().join(file_name(0));
    for damaged in [&b""[..], b"<html>", &file.body[..20_000], &spectral_image(4, SIDE)] {
        fs::write(&path, damaged).unwrap();
        assert!(matches!(file.arrives().outcome, DownloadOutcome::Fetched { .. }));
    }
    fs::write(&path, &file.body).unwrap();
    assert!(matches!(file.arrives().outcome, DownloadOutcome::AlreadyThere));
}

#[test]
fn mirrors_come_first() {
    let (mirror, directory) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(|r| Reply::ok(spectral_image(number_in(&r.target), 8)));
    let client = server.client();
    let whole = mirror.path().join(observation(0).uri.mirror_path());
    let damaged = mirror.path().join(observation(1).uri.mirror_path());
    fs::create_dir_all(whole.parent().unwrap()).unwrap();
    fs::write(&whole, spectral_image(0, SIDE)).unwrap();
    fs::write(&damaged, &spectral_image(1, SIDE)[..20_000]).unwrap();
    let sources = vec![DownloadSource::Mirror(mirror.path().into()), DownloadSource::Archive];
    let mut options = DownloadOptions { sources, ..download_options() };
    let reports = download_with(&client, directory.path(), targets(3), options.clone(), &Silent);
    assert!(matches!(reports[0].outcome, DownloadOutcome::FromMirror));
    assert_eq!((&reports[0].path, &reports[0].source), (&whole, &Some(options.sources[0].clone())));
    assert!(reports[1..].iter().all(|r| matches!(r.outcome, DownloadOutcome::Fetched { .. })));

    options.mirror_use = MirrorUse::Copy;
    let reports = download_with(&client, directory.path(), targets(1), options.clone(), &Silent);
    assert!(matches!(reports[0].outcome, DownloadOutcome::FromMirror));
    assert!(fs::read(directory.path().join(file_name(0))).unwrap() == spectral_image(0, SIDE));
    assert_eq!(server.log().len(), 2);

    // A cutout comes from the archive, unless the whole image will do.
    let cutout = Cutout { size: "4px".parse().unwrap(), center: "304.7,42.5".parse().unwrap() };
    let target = vec![DownloadTarget::new(&observation(0), Some(cutout))];
    let reports = download_with(&client, directory.path(), target.clone(), options.clone(), &Silent);
    assert!(matches!(reports[0].outcome, DownloadOutcome::Fetched { .. }));
    assert!(server.log().last().unwrap().ends_with(".fits?center=304.7,42.5deg&size=4px"));
    options.whole_for_cutout = true;
    fs::remove_file(&reports[0].path).unwrap();
    let reports = download_with(&client, directory.path(), target, options, &Silent);
    assert_eq!((reports[0].file(), server.log().len()), (Some(whole.as_path()), 3));
}

#[test]
fn the_cloud_comes_before_the_archive_where_told() {
    let cloud = Server::start(|r| match number_in(&r.target) {
        1 => Reply::status(404),
        k => Reply::ok(spectral_image(k, 8)),
    });
    let archive = Server::start(|r| Reply::ok(spectral_image(number_in(&r.target), 8)));
    let client =
        archive.client_with(spx_archive::ClientOptions { cloud: cloud.url().parse().unwrap(), ..options() });
    let directory = tempdir().unwrap();
    let options = DownloadOptions {
        sources: vec![DownloadSource::Cloud, DownloadSource::Archive],
        ..download_options()
    };
    let reports = download_with(&client, directory.path(), targets(2), options, &Silent);
    assert_eq!(reports[0].source, Some(DownloadSource::Cloud));
    assert_eq!(reports[1].source, Some(DownloadSource::Archive));
    assert!(cloud.log()[0].starts_with("GET /qr2/level2/2025W51_1A/"), "{:?}", cloud.log());
}

#[test]
fn nothing_is_fetched_where_no_source_may_have_it() {
    let server = Server::start(|_| Reply::status(500));
    let directory = tempdir().unwrap();
    let options =
        DownloadOptions { sources: vec![DownloadSource::Mirror("/nowhere".into())], ..download_options() };
    let reports = download_with(&server.client(), directory.path(), targets(1), options, &Silent);
    let DownloadOutcome::Failed { cause } = &reports[0].outcome else { panic!() };
    assert!(cause.to_string().contains("in none of the allowed sources: mirror /nowhere"), "{cause}");
}

#[test]
fn repetitions_and_conflicts_are_noticed() {
    let server = Server::start(|r| Reply::ok(spectral_image(number_in(&r.target), 8)));
    let directory = tempdir().unwrap();
    let mut list = targets(1);
    list.extend(targets(1));
    let elsewhere = format!("ibe/data/spherex/qr3/level2/{}", file_name(0));
    list.push(DownloadTarget::file(elsewhere.parse().unwrap()));
    let reports = download(&server.client(), directory.path(), list);
    assert_eq!(reports.len(), 2);
    assert!(reports[0].file().is_some());
    assert!(matches!(reports[1].outcome, DownloadOutcome::Failed { cause: ArchiveError::Conflict { .. } }));
}

#[test]
fn one_download_at_a_time_into_a_directory() {
    let server = Server::start(|_| Reply::Close);
    let (client, directory) = (server.client(), tempdir().unwrap());
    let first = Downloader::new(&client, directory.path(), download_options()).unwrap();
    let second = Downloader::new(&client, directory.path(), download_options());
    assert!(matches!(second, Err(ArchiveError::Busy { .. })));
    drop(first);
    assert!(Downloader::new(&client, directory.path(), download_options()).is_ok());
}

#[test]
fn there_must_be_room() {
    let huge = Server::start(|_| {
        Reply::Raw(
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 60),
            Vec::new(),
            Duration::ZERO,
        )
    });
    let small = Server::start(|_| Reply::ok(vec![0; 1000]));
    let directory = tempdir().unwrap();
    let mut target = targets(1);
    target[0].size = Some(1 << 60);
    let plan = |server: &Server| {
        let client = server.client();
        let downloader = Downloader::new(&client, directory.path(), download_options()).unwrap();
        downloader.plan(target.clone(), &Silent).map(|plan| plan.bytes())
    };
    let error = plan(&huge).unwrap_err().to_string();
    assert!(error.contains("1152921504606846976 bytes are needed"), "{error}");
    assert_eq!(plan(&small).unwrap(), 1000);
}

/// Counts bytes, and asks to stop after so many.
#[derive(Default)]
struct Counter {
    received: AtomicU64,
    lost: AtomicU64,
    total: AtomicU64,
    stop_after: Option<u64>,
}

impl Progress for Counter {
    fn cancelled(&self) -> bool {
        self.stop_after.is_some_and(|n| self.received.load(Ordering::SeqCst) >= n)
    }
}

impl DownloadProgress for Counter {
    fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::SeqCst);
    }
    fn lost(&self, bytes: u64) {
        self.lost.fetch_add(bytes, Ordering::SeqCst);
    }
    fn total_bytes(&self, bytes: u64) {
        self.total.store(bytes, Ordering::SeqCst);
    }
}

#[test]
fn what_is_cancelled_is_taken_up_again() {
    let file = OneFile::new(|_, _| None);
    let client = file.server.client();
    let counter = Counter { stop_after: Some(1), ..Counter::default() };
    let reports = download_with(&client, file.directory.path(), targets(1), download_options(), &counter);
    assert!(matches!(reports[0].outcome, DownloadOutcome::Failed { cause: ArchiveError::Cancelled }));
    assert!(!file.directory.path().join(file_name(0)).exists());
    let got = counter.received.load(Ordering::SeqCst);
    let downloader = Downloader::new(&client, file.directory.path(), download_options()).unwrap();
    let plan = downloader.plan(targets(1), &Silent).unwrap();
    assert!(matches!(plan.files[0].state, DownloadState::Missing { .. }));
    drop(downloader);
    let report = file.arrives();
    if got < file.body.len() as u64 {
        assert!(
            matches!(report.outcome, DownloadOutcome::Resumed { from, .. } if from == got),
            "{:?}",
            report.outcome
        );
    } else {
        // All of it had arrived when the run was stopped: it only takes its name.
        assert!(matches!(report.outcome, DownloadOutcome::Resumed { bytes: 0, .. }), "{:?}", report.outcome);
        assert_eq!(file.server.log().len(), 1);
    }
}

#[test]
fn progress_adds_up_whatever_happens() {
    let file = OneFile::new(|r, body| match r.time {
        1 => Some(Reply::broken(body, 30_000, ETAG)),
        2 => Some(Reply::broken(body, 10_000, "W/\"none\"")),
        3 => Some(Reply::ok("<html>")),
        4 => Some(Reply::broken(body, 40_000, ETAG)),
        _ => None,
    });
    let counter = Counter::default();
    let reports =
        download_with(&file.server.client(), file.directory.path(), targets(1), download_options(), &counter);
    assert!(reports[0].file().is_some());
    let [received, lost, total] =
        [&counter.received, &counter.lost, &counter.total].map(|n| n.load(Ordering::SeqCst));
    assert_eq!(received - lost, file.body.len() as u64);
    assert_eq!(total, file.body.len() as u64);
}

#[test]
fn layouts_and_names() {
    let server = Server::start(|r| Reply::ok(spectral_image(number_in(&r.target), 8)));
    let directory = tempdir().unwrap();
    let options = DownloadOptions { layout: DownloadLayout::ByDetector, ..download_options() };
    let cutout = |size: &str| {
        let cutout = Cutout { size: size.parse().unwrap(), center: "304.7,42.5".parse().unwrap() };
        DownloadTarget::new(&observation(0), Some(cutout))
    };
    let list = vec![DownloadTarget::new(&observation(0), None), cutout("4px"), cutout("5px")];
    let reports = download_with(&server.client(), directory.path(), list, options, &Silent);
    assert!(reports.iter().all(|r| r.file().is_some()));
    let found = names(&directory.path().join("D3"));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().filter(|n| n.contains("_cutout_") && n.ends_with(".fits")).count() == 2);
}
