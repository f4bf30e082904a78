//! Commands that measure sources read each other's configurations.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;

use tempfile::tempdir;
use tools::local::{PLACE, archive};
use tools::{spx, table};

/// What a run, a batch and their templates write is read by all three, and fluxes are the same to
/// the bit: 3.25 FWHM instead of 2.5.
#[test]
fn written_configurations_serve_every_command() {
    let (archive, folder) = (archive(), tempdir().unwrap());
    let url = format!("--archive-url={}", archive.url());
    let spx = |words: &[&str]| spx(folder.path(), words);
    let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
    let width = "--fwhm-multiplier=3.25";
    spx(&[&["run", "-q", "--name=a", "--bands=D3", "--cutout-size=40px", "-o=run", width, &url], &PLACE[..]]
        .concat())
    .succeeds();
    fs::write(folder.path().join("c.csv"), "id,ra,dec\n1,186.4536,33.5468\n").unwrap();
    spx(&["batch", "-q", "--catalog=c.csv", "--input=run/data", "-o=batch", width]).succeeds();
    let fluxes = |text: &str| -> Vec<String> {
        table(text).into_iter().map(|row| format!("{} {}", row["mjd"], row["flux"])).collect()
    };
    let expected = fluxes(&read("run/results/lightcurve.csv"));
    assert_eq!(expected.len(), 3);
    for (config, of) in [("run/a_config.toml", "run"), ("batch/batch.toml", "batch")] {
        let config = format!("--config={config}");
        let measured = spx(&["photometry", "-v", "run/data", &config, PLACE[0], PLACE[1]]);
        assert_eq!(fluxes(&measured.stdout), expected, "{}", measured.stderr);
        let told = format!("is a configuration of `spx {of}`: settings that both commands have are used");
        let passed = measured.stderr.lines().find(|line| line.starts_with("passed over: ")).unwrap();
        assert!(measured.stderr.contains(&told) && passed.contains("workers"), "{}", measured.stderr);
        assert_eq!(passed.contains("catalog"), of == "batch", "{passed}");
        let out = format!("-o=batch_{of}");
        let batch = spx(&["batch", "--catalog=c.csv", "--input=run/data", &out, &config]);
        assert_eq!(batch.stderr.contains(&told), of == "run", "{}", batch.stderr);
        assert!(!batch.stderr.contains("passed over:"), "{}", batch.stderr);
        assert_eq!(fluxes(&read(&format!("batch_{of}/lightcurves/1.csv"))), expected);
        let out = format!("-o=run_{of}");
        let run = spx(&[
            "run",
            "--name=a",
            "--bands=D3",
            "--cutout-size=40px",
            &out,
            &url,
            &config,
            PLACE[0],
            PLACE[1],
        ]);
        assert_eq!(run.stderr.contains(&told), of == "batch", "{}", run.stderr);
        assert_eq!(fluxes(&read(&format!("run_{of}/results/lightcurve.csv"))), expected);
    }
    for of in ["run", "photometry", "batch"] {
        let written = spx(&["config", "init", of]);
        fs::write(folder.path().join("init.toml"), &written.stdout).unwrap();
        let photometry =
            spx(&["photometry", "-q", "run/data", "--config=init.toml", width, PLACE[0], PLACE[1]]);
        assert_eq!(fluxes(&photometry.stdout), expected, "{of}: {}", photometry.stderr);
    }
}
