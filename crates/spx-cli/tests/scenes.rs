//! `spx batch --method scene` on catalogs that cannot be measured as they stand: rows say so, and
//! others are what they were.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::{TempDir, tempdir};
use tools::{spx, table};

type Rows = BTreeMap<String, BTreeMap<String, String>>;

/// One image of twelve stars in `images`, and the catalog of the stars.
fn field() -> (TempDir, String) {
    let folder = tempdir().unwrap();
    let given = ["simulate", "-q", "--ra=186.4536", "--dec=33.5468", "--exposures=1", "--detectors=D3"];
    let field = ["--size=80", "--radius=0.05", "--stars=12", "--release=qr3", "-o=images"];
    spx(folder.path(), &[&given[..], &field].concat()).succeeds();
    let truth = fs::read_to_string(folder.path().join("images/truth.csv")).unwrap();
    let stars = table(&truth).into_iter().filter(|row| row["kind"] == "star");
    let lines = stars.map(|row| format!("{},{},{}\n", row["id"], row["ra"], row["dec"]));
    (folder, lines.collect())
}

/// What is measured of a catalog.
fn measure(folder: &Path, stars: &str, more: &[&str]) -> Rows {
    fs::write(folder.join("catalog.csv"), format!("targetid,ra,dec\n{stars}")).unwrap();
    fs::remove_dir_all(folder.join("out")).ok();
    let given = ["batch", "-q", "--method=scene", "--catalog=catalog.csv", "--input=images", "-o=out"];
    spx(folder, &[&given[..], &["--stages=extract"], more].concat()).succeeds();
    let tables = fs::read_dir(folder.join("out/per_image")).unwrap().map(|entry| entry.unwrap().path());
    let path = tables.into_iter().find(|path| path.extension().is_some_and(|e| e == "csv")).unwrap();
    let rows = table(&fs::read_to_string(path).unwrap()).into_iter();
    rows.map(|row| (row["target_id"].clone(), row)).collect()
}

/// Asserts that rows but those of `others` have the fluxes that they had, to a share of them.
fn assert_unchanged(before: &Rows, after: &Rows, others: &[&str], share: f64) {
    let kept = before.iter().filter(|(id, _)| !others.contains(&id.as_str()));
    for (id, row) in kept {
        let [old, new] = [row, &after[id]].map(|row| row["flux"].parse::<f64>().unwrap());
        assert!((new / old - 1.0).abs() <= share, "{id}: {old} {new}");
    }
}

#[test]
fn sources_at_one_place_share_their_flux() {
    let (folder, stars) = field();
    let alone = measure(folder.path(), &stars, &[]);
    assert!(alone.len() >= 8 && alone.values().all(|row| row["fallbacks"].is_empty()), "{alone:?}");
    let place = stars.lines().next().unwrap().split_once(',').unwrap().1;
    let (ra, dec) = place.split_once(',').unwrap();
    let [ra, dec]: [f64; 2] = [ra, dec].map(|degrees| degrees.parse().unwrap());
    let flux = |row: &BTreeMap<String, String>| row["flux"].parse::<f64>().unwrap();

    let twins = measure(folder.path(), &format!("{stars}twin,{place}\n"), &[]);
    assert_unchanged(&alone, &twins, &["S0001"], 0.0);
    for id in ["S0001", "twin"] {
        let row = &twins[id];
        assert_eq!((row["fallbacks"].as_str(), row["is_good"].as_str()), ("shared_flux=2", "False"));
        assert!((2.0 * flux(row) / flux(&alone["S0001"]) - 1.0).abs() < 1e-9);
    }

    // A hundred thousand on a pixel, a hundredth of it apart.
    let pile = (0..100_000).map(|k| {
        let off = |k: i32| 1e-7 * f64::from(k - 150);
        format!("p{k},{},{}\n", ra + off(k % 300), dec + off(k / 300 % 300))
    });
    let piled = measure(folder.path(), &format!("{stars}{}", pile.collect::<String>()), &[]);
    assert_eq!(piled.len(), alone.len() + 100_000);
    assert_unchanged(&alone, &piled, &["S0001"], 1e-5);
    let row = &piled["p7"];
    assert_eq!((row["fallbacks"].as_str(), row["is_good"].as_str()), ("shared_flux=100001", "False"));
    assert!((flux(row) * 100_001.0 / flux(&alone["S0001"]) - 1.0).abs() < 1e-3);
}

/// Where the pixels of all stars are bad, the stars have no light curve, their lines in
/// `sources.csv` say why, and a source elsewhere is measured.
#[test]
fn sources_without_pixels_have_no_row() {
    let (folder, stars) = field();
    let (ra, dec) = (186.4536, 33.5468 - 0.025);
    let with_blank = format!("{stars}blank,{ra},{dec}\n");
    let all = measure(folder.path(), &with_blank, &[]);
    let found = measure(folder.path(), &with_blank, &["--bad-flags=SOURCE"]);
    assert!(!found.contains_key("S0001") && found.contains_key("blank"), "{:?}", found.keys());
    let error = |rows: &Rows| rows["blank"]["flux_error"].parse::<f64>().unwrap();
    let [flux, before] = [&found, &all].map(|rows| rows["blank"]["flux"].parse::<f64>().unwrap());
    assert!((flux - before).abs() < 2.0 * error(&all), "{flux} {before}");
    let finish = ["batch", "-q", "--config=out/batch.toml", "--resume"];
    spx(folder.path(), &finish).succeeds();
    let lines = table(&fs::read_to_string(folder.path().join("out/sources.csv")).unwrap());
    for line in lines.iter().filter(|line| !found.contains_key(&line["target_id"])) {
        assert_eq!((line["n_images"].as_str(), line["n_measured"].as_str()), ("1", "0"), "{line:?}");
        assert!(line["reason"].contains("of the light of the source falls on usable pixels"), "{line:?}");
    }
    let of = |id: &str| lines.iter().find(|line| line["target_id"] == id).unwrap();
    assert_eq!((of("S0001")["n_measured"].as_str(), of("blank")["n_measured"].as_str()), ("0", "1"));
}
