//! `--neighbors` and shapes of galaxies, as a user gives them to `spx run`, `photometry` and
//! `batch`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;
use std::path::Path;

use spx_serve::{LocalArchive, RequestKind, ServeOptions};
use tempfile::tempdir;
use tools::local::{PLACE, images};
use tools::{Run, spx, table};

/// The source, and stars around it of which the first is the source itself.
const STARS: &str = "\
id,ra,dec,pmra,pmdec,ref_epoch
4611686018427387904,186.4536,33.5468,,,2016
2,186.4546,33.5472,100,-50,2016
3,186.4520,33.5455,,,2016
4,186.5,33.6,,,2016
";

/// An archive with a table of these stars, by the name of Gaia's.
fn archive(folder: &Path) -> LocalArchive {
    let file = folder.join("stars.csv");
    fs::write(&file, STARS.replace("id,", "source_id,")).unwrap();
    let tables = vec![("gaia_dr3_source".to_owned(), file)];
    LocalArchive::start(images(), ServeOptions { tables, ..ServeOptions::default() }).unwrap()
}

/// Asserts that it was done, whatever it told.
fn done(run: Run) -> Run {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run
}

/// Fluxes of the images on which there is one.
fn fluxes(text: &str) -> Vec<String> {
    let all = table(text).into_iter().filter_map(|mut row| row.remove("flux"));
    all.filter(|flux| !flux.is_empty()).collect()
}

#[test]
fn a_table_of_the_archive_is_asked_once_and_kept() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("field.csv"), STARS).unwrap();
    let run = |url: &str, more: &[&str]| -> Run {
        let given = ["run", "--name=s", "--cutout-size=48px", "--bands=D3", "--archive-url", url];
        spx(folder.path(), &[&given[..], &PLACE, more].concat())
    };
    let archive = archive(folder.path());
    let url = archive.url();
    let first = done(run(&url, &["--neighbors=gaia", "-o=out"]));
    assert!(first.stderr.contains("neighbors: 2 of 3 sources of gaia"), "{}", first.stderr);
    let kept = fs::read_to_string(folder.path().join("out/results/neighbors.csv")).unwrap();
    assert!(kept.starts_with(&format!("# asked: gaia_dr3_source of {url}")), "{kept}");
    assert!(kept.contains("# query: SELECT source_id, ra, dec, pmra, pmdec, ref_epoch FROM gaia_dr3_source"));
    assert!(kept.contains("\n2,186.4546,33.5472,100,-50,2016\n") && !kept.contains("\n4,"), "{kept}");
    let curve = |out: &str| {
        let text = fs::read_to_string(folder.path().join(out).join("results/lightcurve.csv")).unwrap();
        assert!(table(&text).iter().all(|row| row["method"] == "scene" && row["fit_neighbors"] == "2"));
        fluxes(&text)
    };
    let found = curve("out");
    done(run(&url, &["--neighbors=field.csv", "-o=same"]));
    assert_eq!(curve("same"), found);

    // A run that goes on asks nothing, and has nothing to do.
    drop(archive);
    let again = done(run(&url, &["--resume", "-o=out"]));
    for stage in ["query", "download", "processing", "visualization"] {
        assert!(again.stderr.contains(&format!("{stage}: done before")), "{}", again.stderr);
    }
    assert_eq!(curve("out"), found);
}

#[test]
fn what_the_archive_has_not_is_told() {
    let folder = tempdir().unwrap();
    let archive = archive(folder.path());
    let images = images().display().to_string();
    let photometry = |more: &[&str]| {
        let url = archive.url();
        let given = ["photometry", &images, "--archive-url", &url];
        spx(folder.path(), &[&given[..], &PLACE, more].concat())
    };
    photometry(&["--neighbors=2mass"]).fails(1, &["it has no table fp_psc"]);
    photometry(&["--neighbors=wise"]).fails(2, &["wise"]);
    photometry(&["--neighbors=gaia", "--method=psf"]).fails(2, &["method = scene"]);
    let asked = archive.log().of_kind(RequestKind::TapSync);
    let found = done(photometry(&["--neighbors=gaia", "--neighbors-radius=5"]));
    assert!(found.stderr.contains("neighbors: 1 of 3 sources"), "{}", found.stderr);
    assert_eq!(archive.log().of_kind(RequestKind::TapSync), asked + 2, "the schema, then the sources");
}

#[test]
fn neighbors_in_a_batch_have_light_and_on_demand_rows() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("field.csv"), STARS).unwrap();
    fs::write(folder.path().join("one.csv"), "id,ra,dec\nmine,186.4536,33.5468\n").unwrap();
    let images = images().display().to_string();
    let batch = |out: &str, more: &[&str]| {
        let given = ["batch", "--catalog=one.csv", "--input", &images, "-o", out];
        done(spx(folder.path(), &[&given[..], more].concat()));
        tools::names(&folder.path().join(out).join("lightcurves"))
    };
    let read = |path: &str| fluxes(&fs::read_to_string(folder.path().join(path)).unwrap());
    assert_eq!(batch("silent", &["--neighbors=field.csv"]), ["mine.csv"]);
    assert_eq!(
        batch("all", &["--neighbors=field.csv", "--measure-neighbors"]),
        ["2.csv", "3.csv", "mine.csv"]
    );
    let found = read("silent/lightcurves/mine.csv");
    assert_eq!(found, read("all/lightcurves/mine.csv"));
    let given = ["photometry", &images, "--neighbors=field.csv"];
    let single = done(spx(folder.path(), &[&given[..], &PLACE].concat()));
    assert_eq!(fluxes(&single.stdout), found);
    // Alone it takes the light of the others for its own.
    batch("alone", &["--method=scene"]);
    assert_ne!(read("alone/lightcurves/mine.csv"), found);
    // A table of the archive is kept beside the batch.
    let archive = archive(folder.path());
    let url = format!("--archive-url={}", archive.url());
    batch("asked", &["--neighbors=gaia", &url]);
    drop(archive);
    batch("asked", &["--neighbors=gaia", &url, "--resume"]);
    assert_eq!(read("asked/lightcurves/mine.csv"), found);
}

#[test]
fn galaxies_are_fitted_with_their_shapes() {
    let folder = tempdir().unwrap();
    let rows =
        "id,ra,dec,sersic,r_eff,axis_ratio,pa\nmine,186.4536,33.5468,1,6,0.5,30\nstar,186.4546,33.55,,,,\n";
    fs::write(folder.path().join("c.csv"), rows).unwrap();
    let images = images().display().to_string();
    let batch = |out: &str, method: &str| {
        let given = ["batch", "--catalog=c.csv", "--input", &images, "-o", out, method];
        done(spx(folder.path(), &given));
        let text = fs::read_to_string(folder.path().join(out).join("lightcurves/mine.csv")).unwrap();
        fluxes(&text)
    };
    let shape = ["--sersic=1", "--r-eff=6", "--axis-ratio=0.5", "--position-angle=30"];
    let single = |more: &[&str]| {
        let given = ["photometry", &images, "--neighbors=c.csv"];
        spx(folder.path(), &[&given[..], &PLACE, more].concat())
    };
    let found = batch("scene", "--method=scene");
    assert!(!found.is_empty());
    assert_eq!(fluxes(&done(single(&shape)).stdout), found);
    assert_ne!(fluxes(&done(single(&[])).stdout), found, "a point has another flux");
    // By an aperture every source is a point.
    let aperture = batch("aperture", "--method=aperture");
    fs::write(folder.path().join("c.csv"), "id,ra,dec\nmine,186.4536,33.5468\n").unwrap();
    assert_eq!(batch("point", "--method=aperture"), aperture);
    single(&shape[..1]).fails(2, &["both sersic and r_eff"]);
    assert_eq!(single(&["--sersic=1", "--r-eff=21"]).code, Some(2));
}
