//! How fast whole frames arrive from this machine, against curl with as many connections.
//!
//!     cargo test --release -p spx-archive --test throughput -- --ignored --nocapture

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests panic and print")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use spx_archive::{DownloadOptions, DownloadTarget, Downloader};
use spx_core::progress::Silent;
use support::{Reply, Server, file_name, number_in, observation, spectral_image};

const FILES: usize = 24;
const WORKERS: usize = 4;

/// The server sends one image under all names, so that only the network and the disk are measured.
fn server() -> Server {
    let image = Arc::new(spectral_image(0, 2040));
    Server::start(move |r| {
        let _ = number_in(&r.target);
        Reply::ok(image.as_slice())
    })
}

fn ours(server: &Server, directory: &Path) -> f64 {
    let client = server.client();
    let options = DownloadOptions { workers: WORKERS, ..DownloadOptions::default() };
    let targets: Vec<_> = (0..FILES)
        .map(|k| DownloadTarget { exposure: None, ..DownloadTarget::new(&observation(k), None) })
        .collect();
    let start = Instant::now();
    let downloader = Downloader::new(&client, directory, options).unwrap();
    let reports = downloader.run(downloader.plan(targets, &Silent).unwrap(), &Silent);
    assert!(reports.iter().all(|r| r.file().is_some()), "{:?}", reports[0].outcome);
    start.elapsed().as_secs_f64()
}

fn curl(server: &Server, directory: &Path) -> f64 {
    let mut command = Command::new("curl");
    command.args(["--silent", "--fail", "--parallel", "--parallel-max", &WORKERS.to_string()]);
    for k in 0..FILES {
        let uri = observation(k).uri;
        command.arg(format!("{}/{uri}", server.url())).arg("-o").arg(directory.join(file_name(k)));
    }
    let start = Instant::now();
    assert!(command.stderr(Stdio::null()).status().unwrap().success());
    start.elapsed().as_secs_f64()
}

#[test]
#[ignore = "takes 3 GB of disk and a minute"]
fn as_fast_as_curl() {
    let server = server();
    let run = |fetch: fn(&Server, &Path) -> f64| {
        let directory = tempfile::tempdir().unwrap();
        let seconds = fetch(&server, directory.path());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), FILES);
        seconds
    };
    let mut ratios: Vec<f64> = (0..5)
        .map(|_| {
            let (curl, ours) = (run(curl), run(ours));
            println!("curl {curl:.2} s, spx {ours:.2} s, ratio of the rates {:.2}", curl / ours);
            curl / ours
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    assert!(ratios[2] >= 0.9, "{ratios:?}");
}
