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

/// A survey takes the photometry of all three, with a catalog of its own; alternatives on the
/// command line stand in place of those in a file.
#[test]
fn a_survey_takes_the_photometry_of_every_command() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    fs::copy(tools::input("d3_a.fits"), here.join("a.fits")).unwrap();
    fs::write(here.join("c.csv"), "id,ra,dec\n1,186.4536,33.5468\n").unwrap();
    fs::write(here.join("other.csv"), "id,ra,dec\n1,186.4536,33.5468\n2,186.45,33.55\n").unwrap();
    let run = "ra = 1.0\ndec = 2.0\nname = 'x'\nfwhm_multiplier = 3.25\n";
    fs::write(here.join("run.toml"), format!("{run}cutout_size = '60px'\n")).unwrap();
    fs::write(here.join("photometry.toml"), "pm_ra = 5.0\nfwhm_multiplier = 3.25\nra = 1.0\n").unwrap();
    fs::write(here.join("batch.toml"), "catalog = 'other.csv'\nfwhm_multiplier = 3.25\n").unwrap();
    let plan = |more: &[&str]| {
        let place = ["--grid=hp8", "--radius=0.01", "--input=a.fits", PLACE[0], PLACE[1]];
        spx(here, &[&["survey", "plan", "--no-cubes"], &place[..], more].concat())
    };
    for of in ["run", "photometry", "batch"] {
        let (file, out) = (format!("--photometry={of}.toml"), format!("-o={of}"));
        let planned = plan(&[&file, &out, "--catalog=c.csv"]);
        assert_eq!(planned.code, Some(0), "{}", planned.stderr);
        let told = format!("{of}.toml is a configuration of `spx {of}`: settings that both have are used");
        assert_eq!(planned.stderr.contains(&told), of != "batch", "{}", planned.stderr);
        let kept = fs::read_to_string(here.join(of).join("photometry.toml")).unwrap();
        assert!(kept.contains("fwhm_multiplier = 3.25") && kept.contains("/c.csv"), "{kept}");
        let again = plan(&[&format!("--config={of}/survey.toml"), &out]);
        assert_eq!(again.code, Some(0), "{}", again.stderr);
    }
    plan(&["-q", "--photometry=run.toml", "-o=none"]).fails(2, &["run.toml", "catalog"]);
    plan(&["--catalog=c.csv", "-o=alone"]);
    assert!(here.join("alone/photometry.toml").exists());
    let show = |words: &[&str]| spx(here, &[&["config", "show"], words].concat()).succeeds().stdout;
    fs::write(here.join("m.toml"), "wave = '2.0..2.2'\n").unwrap();
    let shown = show(&["mosaic", "--config=m.toml", "--channel=8", "--detector=3"]);
    assert!(shown.contains("channel = 8") && !shown.contains("wave ="), "{shown}");
    fs::write(here.join("b.toml"), "catalog = 'c.csv'\nra = 1.0\ndec = 2.0\nradius = 1.0\n").unwrap();
    let shown = show(&["batch", "--config=b.toml", "--input=a.fits"]);
    assert!(shown.contains("input = ") && !shown.contains("radius = 1.0\n"), "{shown}");
}
