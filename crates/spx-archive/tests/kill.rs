//! Downloads that are killed at any moment: the next run ends where an undisturbed one does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests panic and print")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use spx_archive::{ArchiveClient, DownloadOptions, DownloadTarget, Downloader, FileReport};
use spx_core::progress::Silent;
use support::{Reply, Server, file_name, number_in, observation, options, spectral_image};

const FILES: usize = 250;
const SIDE: usize = 100;
const KILLS: usize = 50;

fn run(url: &str, directory: &Path) -> Vec<FileReport> {
    let client = ArchiveClient::new(url.parse().unwrap(), options());
    let targets = (0..FILES).map(|k| DownloadTarget::new(&observation(k), None)).collect();
    let downloader = Downloader::new(&client, directory, DownloadOptions::default()).unwrap();
    downloader.run(downloader.plan(targets, &Silent).unwrap(), &Silent)
}

/// The process that is killed: this test, started once more by the one below.
#[test]
fn victim() {
    let (Ok(url), Ok(directory)) = (std::env::var("SPX_TEST_URL"), std::env::var("SPX_TEST_DIRECTORY"))
    else {
        return;
    };
    run(&url, Path::new(&directory));
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn whole_files(directory: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| !n.starts_with('.')).collect()
}

#[test]
fn killed_runs_are_taken_up_and_nothing_whole_comes_twice() {
    let server = Server::start(|r| {
        thread::sleep(Duration::from_millis(25));
        let body = spectral_image(number_in(&r.target), SIDE);
        match (r.range_from(), r.time % 3) {
            // Some answers take a while in their middle, where they are likely to be killed.
            _ if number_in(&r.target).is_multiple_of(5) => Reply::ok(gzipped(&body)),
            (None, 0 | 1) => {
                let head =
                    format!("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n", body.len());
                Reply::Raw(head, body[..body.len() / 2].to_vec(), Duration::from_millis(30))
            }
            _ => Reply::file(r, &body, "\"e\""),
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let mut kills_in_flight = 0;
    for _ in 0..KILLS {
        let before = whole_files(directory.path());
        let asked = server.log().len();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim"])
            .env("SPX_TEST_URL", server.url())
            .env("SPX_TEST_DIRECTORY", directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(fastrand::u64(5..140)));
        kills_in_flight += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let now = &server.log()[asked..];
        assert!(before.is_subset(&whole_files(directory.path())), "no file is lost");
        let again = now.iter().find(|line| before.iter().any(|name| line.contains(name.as_str())));
        assert_eq!(again, None, "a file that was whole is fetched again");
        for name in whole_files(directory.path()) {
            let k = number_in(&name);
            assert!(fs::read(directory.path().join(&name)).unwrap() == spectral_image(k, SIDE), "{name}");
        }
    }
    println!(
        "{kills_in_flight} of {KILLS} runs were killed under way, {} files whole",
        whole_files(directory.path()).len()
    );
    assert!(kills_in_flight > KILLS / 2, "most runs must be killed while they are under way");
    assert!(run(&server.url(), directory.path()).iter().all(|r| r.file().is_some()));
    assert_eq!(whole_files(directory.path()), (0..FILES).map(file_name).collect());
    let all = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(all, FILES, "partial files are left behind");
}
