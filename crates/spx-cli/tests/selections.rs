//! What selects images of the archive selects among files at hand, too, or is refused; and options
//! are checked before anything is asked of the archive.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::path::Path;

use tools::spx;

mod tools;

/// Two exposures of detectors 1 and 3, and a catalog.
fn images(folder: &Path) {
    let words =
        "simulate -q --ra 12h25m48.9s --dec +33:32:48 --exposures 2 --detectors D1,D3 --size 40 -o data";
    spx(folder, &words.split(' ').collect::<Vec<_>>()).succeeds();
    std::fs::write(folder.join("c.csv"), "id,ra,dec\n1,186.45375,33.54667\n").unwrap();
}

#[test]
fn selections_act_on_local_images() {
    let folder = tempfile::tempdir().unwrap();
    images(folder.path());
    let batch = |more: &[&str]| {
        let words = ["batch", "-q", "--catalog=c.csv", "--input=data", "-o", "out", "--json"];
        spx(folder.path(), &[&words[..], more].concat())
    };
    let used = |more: &[&str]| {
        let report: serde_json::Value = serde_json::from_str(&batch(more).succeeds().stdout).unwrap();
        report["used"].as_u64().unwrap()
    };
    assert_eq!(used(&[]), 4);
    assert_eq!(used(&["--bands=D3"]), 2);
    batch(&["--mjd-range=1,2"]).fails(3, &["mjd_range = 1,2"]);
    batch(&["--max-images=3"]).fails(2, &["4 images", "--max-images"]);
    batch(&["--ra=186", "--dec=33", "--radius=1"]).fails(2, &["ra, dec and radius"]);
    let drizzle = |more: &[&str]| {
        let words =
            "drizzle --ra 12:25:48.9 --dec +33d32m48s --width 2 --height 2 --input data -o cubes --overwrite";
        spx(folder.path(), &[&words.split(' ').collect::<Vec<_>>(), more].concat())
    };
    let made = drizzle(&[]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    drizzle(&["--mjd-range", "1,2"]).fails(3, &[]);
    drizzle(&["--max-images", "3"]).fails(2, &["4 images"]);
}

#[test]
fn a_silent_archive_is_left_after_the_timeout() {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("--archive-url=http://{}/", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let words = ["query", "--ra=1", "--dec=2", &url, "--timeout=1", "--retries=0"];
    let begin = Instant::now();
    spx(folder.path(), &words).fails(1, &["127.0.0.1"]);
    assert!(begin.elapsed() < Duration::from_secs(40), "the default waits for two minutes");
    for words in [["--retries=-1", "--timeout=1"], ["--retries=1", "--timeout=0"]] {
        let run = spx(folder.path(), &[&["query", "--ra=1", "--dec=2"], &words[..]].concat());
        assert_eq!(run.code, Some(2));
        assert!(run.stderr.contains("is not allowed: it must be"), "{}", run.stderr);
    }
    spx(folder.path(), &["lightcurve", ".", "12"]).fails(2, &["spx lightcurve 12 ."]);
}

#[test]
fn misspelt_flags_are_refused_before_the_archive_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there: a question would fail with exit code 1.
    let place = ["--archive-url=http://127.0.0.1:9/", "--ra=1", "--dec=2"];
    let asked = |words: &[&str]| spx(folder.path(), &[words, &place[..]].concat());
    let hint = ["GHOST_FAP", "did you mean `GHOST_FPA`"];
    asked(&["run", "--bad-flags=photometry,GHOST_FAP"]).fails(2, &hint);
    asked(&["drizzle", "--width=3", "--height=3", "--exclude-flags=GHOST_FAP"]).fails(2, &hint);
    std::fs::write(folder.path().join("c.csv"), "id,ra,dec\n1,1,2\n").unwrap();
    asked(&["batch", "--catalog=c.csv", "--radius=0.1", "--bad-flags=GHOST_FAP"]).fails(2, &hint);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is written");
}
