//! Servers and directories that mean harm: silence, endless and oversized files, links in the way,
//! proxies that cannot be used.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is test code")]

mod support;

use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use spx_archive::{
    ArchiveClient, ArchiveError, ArchiveUrl, ClientOptions, DownloadOptions, DownloadOutcome,
    DownloadProgress, DownloadTarget, Downloader, SearchShape, Selection,
};
use spx_core::progress::{Progress, Silent};
use spx_core::sky::Position;
use support::{Reply, Server, file_name, observation, options, retry, spectral_image};
use tempfile::tempdir;

/// Asks to stop a moment after it was first asked.
#[derive(Default)]
struct SoonStopped(Mutex<Option<Instant>>);

impl Progress for SoonStopped {
    fn cancelled(&self) -> bool {
        let start = *self.0.lock().unwrap().get_or_insert_with(Instant::now);
        start.elapsed() > Duration::from_millis(150)
    }
}

impl DownloadProgress for SoonStopped {}

fn download(
    client: &ArchiveClient,
    directory: &std::path::Path,
    progress: &dyn DownloadProgress,
) -> DownloadOutcome {
    let options = DownloadOptions { retry: retry(), ..DownloadOptions::default() };
    let downloader = Downloader::new(client, directory, options).unwrap();
    let plan = downloader.plan(vec![DownloadTarget::new(&observation(0), None)], progress).unwrap();
    downloader.run(plan, progress).remove(0).outcome
}

fn selection() -> Selection {
    Selection::new(SearchShape::Point(Position::new(10.0, -5.0).unwrap()))
}

#[test]
fn a_silent_server_does_not_delay_the_end() {
    let silence = Duration::from_secs(20);
    let patient = ClientOptions { stall_timeout: silence, answer_timeout: silence, ..options() };
    let mute = Server::start(move |_| Reply::Raw(String::new(), Vec::new(), silence));
    let beginning = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    let slow =
        Server::start(move |_| Reply::Raw(beginning.into(), spectral_image(0, 20)[..2880].to_vec(), silence));
    for server in [&mute, &slow] {
        let client = server.client_with(patient.clone());
        let start = Instant::now();
        let found = client.search(&selection(), &SoonStopped::default());
        assert!(matches!(found, Err(ArchiveError::Cancelled)), "{found:?}");
        let found = client.search_sia(&selection(), &SoonStopped::default());
        assert!(matches!(found, Err(ArchiveError::Cancelled)), "{found:?}");
        let directory = tempdir().unwrap();
        let outcome = download(&client, directory.path(), &SoonStopped::default());
        assert!(matches!(outcome, DownloadOutcome::Failed { cause: ArchiveError::Cancelled }), "{outcome:?}");
        assert!(start.elapsed() < Duration::from_secs(3), "{:?} for three", start.elapsed());
    }
}

#[test]
fn tries_that_bring_the_file_further_do_not_count() {
    let body = spectral_image(0, 100);
    let server = Server::start(move |request| {
        let from = request.range_from().unwrap_or(0);
        let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"a\"\r\nContent-Range: bytes {from}-{}/{}\r\n\r\n",
            body.len() - from,
            body.len() - 1,
            body.len()
        );
        let given = body[from..].iter().copied().take(10_000).collect();
        Reply::Raw(head, given, Duration::ZERO)
    });
    let directory = tempdir().unwrap();
    let outcome = download(&server.client(), directory.path(), &Silent);
    assert!(
        matches!(outcome, DownloadOutcome::Fetched { .. } | DownloadOutcome::Resumed { .. }),
        "{outcome:?}"
    );
    assert!(server.log().len() > 2 * retry().attempts as usize, "{} requests", server.log().len());
}

#[test]
fn files_that_are_announced_too_large_are_refused_at_once() {
    for length in [1_u64 << 33, 1 << 62] {
        let server = Server::start(move |_| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            Reply::Raw(head, spectral_image(0, 20), Duration::from_millis(10))
        });
        let directory = tempdir().unwrap();
        let outcome = download(&server.client(), directory.path(), &Silent);
        let DownloadOutcome::Failed { cause } = outcome else { panic!("{outcome:?}") };
        assert!(matches!(cause, ArchiveError::TooLarge { .. }), "{cause}");
        assert_eq!(server.log().len(), 1, "it is not tried again");
    }
}

/// A server that sends a gzip stream of FITS: these cards, then so many zeros.
fn swelling(cards: &[&str], zeros: usize) -> Server {
    use std::io::Write as _;
    let mut bytes: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    bytes.resize(bytes.len().next_multiple_of(2880), b' ');
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.write_all(&vec![0; zeros]).unwrap();
    let body = encoder.finish().unwrap();
    Server::start(move |request| Reply::file(request, &body, "\"a\""))
}

#[test]
fn what_unpacks_to_more_than_it_may_is_refused() {
    let cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 3221225472", "END"];
    let server = swelling(&cards, 10_000_000);
    let directory = tempdir().unwrap();
    let outcome = download(&server.client(), directory.path(), &Silent);
    let DownloadOutcome::Failed { cause } = outcome else { panic!("{outcome:?}") };
    assert!(matches!(cause, ArchiveError::TooLarge { .. }), "{cause}");
    assert_eq!(server.log().len(), 1, "it is not tried again");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left of it");
    // Zeros that no header speaks of are no FITS.
    let server = swelling(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "END"], 10_000_000);
    let outcome = download(&server.client(), directory.path(), &Silent);
    let DownloadOutcome::Failed { cause } = outcome else { panic!("{outcome:?}") };
    assert!(cause.to_string().contains("bytes after HDU 0"), "{cause}");
}

#[test]
fn a_disk_without_room_is_told_before_it_is_full() {
    const SIZE: u64 = 1 << 60;
    let server = Server::start(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        Reply::Raw(head, spectral_image(0, 20), Duration::from_millis(10))
    });
    let (client, directory) = (server.client(), tempdir().unwrap());
    let downloader = Downloader::new(&client, directory.path(), DownloadOptions::default()).unwrap();
    // It is planned by what the archive says, and more comes.
    let mut plan = downloader.plan(vec![DownloadTarget::new(&observation(0), None)], &Silent).unwrap();
    plan.files[0].target.size = Some(SIZE);
    let DownloadOutcome::Failed { cause } = downloader.run(plan, &Silent).remove(0).outcome else { panic!() };
    assert!(matches!(cause, ArchiveError::DiskSpace { .. }), "{cause}");
    assert!(cause.to_string().contains("bytes are needed"), "{cause}");
}

#[cfg(unix)]
#[test]
fn links_in_the_way_are_not_written_through() {
    let directory = tempdir().unwrap();
    let name = file_name(0);
    let victim = directory.path().join("victim");
    let body = spectral_image(0, 100);
    let compressed = {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&body).unwrap();
        encoder.finish().unwrap()
    };
    for sent in [body.clone(), compressed] {
        let server = Server::start(move |request| Reply::file(request, &sent, "\"a\""));
        let output = tempdir().unwrap();
        let out = output.path();
        fs::write(&victim, "precious").unwrap();
        for end in ["", ".toml", ".copy"] {
            std::os::unix::fs::symlink(&victim, out.join(format!(".{name}.part{end}"))).unwrap();
        }
        std::os::unix::fs::symlink(&victim, out.join(&name)).unwrap();
        let outcome = download(&server.client(), out, &Silent);
        assert!(matches!(outcome, DownloadOutcome::Fetched { .. }), "{outcome:?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(fs::read(out.join(&name)).unwrap() == body);
        assert!(out.join(&name).symlink_metadata().unwrap().is_file());
    }
}

/// Run by the test below, in a process whose environment names a proxy.
#[test]
#[ignore = "needs the environment that another test makes"]
fn asks_through_the_proxy_of_the_environment() {
    let base: ArchiveUrl = "https://archive.invalid".parse().unwrap();
    let found = ArchiveClient::new(base, options()).search(&selection(), &Silent);
    std::fs::write(std::env::var("SPX_TEST_REPORT").unwrap(), found.unwrap_err().to_string()).unwrap();
}

#[test]
fn proxies_are_used_or_refused_by_name() {
    let report = tempdir().unwrap();
    let error = |proxy: &str| {
        let path = report.path().join("error");
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "asks_through_the_proxy_of_the_environment"])
            .env("ALL_PROXY", proxy)
            .env("SPX_TEST_REPORT", &path)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        fs::read_to_string(path).unwrap()
    };
    let refused = error("gopher://me:secret@proxy.example:70");
    assert!(refused.contains("gopher://") && refused.contains("ALL_PROXY"), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
    for scheme in ["socks5h", "socks4a", "socks5"] {
        // Counts who comes, and lets nobody through.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let came = std::thread::spawn(move || listener.accept().is_ok());
        // An address that the proxy need not resolve would fail before; the name is one that nobody
        // has.
        let failed = error(&format!("{scheme}://{address}"));
        if scheme == "socks5" {
            // Names are looked up here, so that nobody comes.
            assert!(failed.contains("archive.invalid"), "{failed}");
            drop(std::net::TcpStream::connect(address));
        }
        assert!(came.join().unwrap(), "{scheme}: {failed}");
    }
}
