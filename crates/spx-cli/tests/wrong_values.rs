//! Values that an option does not take are answered by that option, in plain words, with exit code
//! 2 and before anything is written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::fs;

use tempfile::tempdir;
use tools::{command, names, spx};

const AT: &str = "--ra=186.4536 --dec=33.5468";

/// Runs a line, which is refused, and leaves nothing.
fn refused(line: &str, words: &[&str]) {
    let folder = tempdir().unwrap();
    let args: Vec<&str> = line.split_whitespace().collect();
    let run = spx(folder.path(), &args);
    assert_eq!(run.code, Some(2), "{line}: {}{}", run.stdout, run.stderr);
    assert!(run.stderr.starts_with("error: "), "{line}: {}", run.stderr);
    assert!(words.iter().all(|word| run.stderr.contains(word)), "{line}: {}", run.stderr);
    for theirs in ["invalid digit", "literal", "relative URL", "os error 17", "panicked"] {
        assert!(!run.stderr.contains(theirs), "{line}: {}", run.stderr);
    }
    assert_eq!(names(folder.path()), Vec::<String>::new(), "{line}");
}

#[test]
fn numbers_that_are_none_are_told_so() {
    for (line, words) in [
        ("cube plot c.fits -o o.png --plane x", ["--plane <N>", "expected a whole number"]),
        ("cube plot c.fits -o o.png --wave 2,1", ["--wave <UM>", "expected a number"]),
        ("serve . --port 70000", ["--port <N>", "70000 is not in 0..=65535"]),
        ("serve . --seed 99999999999999999999999", ["--seed <N>", "the number is too large"]),
        ("inspect a.fits --threads x", ["--threads <N>", "expected a whole number"]),
    ] {
        refused(line, &words);
    }
}

#[test]
fn negative_values_are_answered_by_their_option() {
    for (line, option) in [
        ("cube plot c.fits -o o.png --plane -5", "--plane <N>"),
        ("run --method -5", "--method <NAME>"),
        ("query --release -1", "--release <NAME>"),
        ("inspect a.fits --threads -1", "--threads <N>"),
        ("spectrum a.csv --flux-density -1", "--flux-density <NAME>"),
    ] {
        refused(line, &["invalid value '-", option]);
    }
}

#[test]
fn simulations_that_cannot_be_are_refused_at_once() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/truth.csv"), "mine").unwrap();
    let line = format!("simulate {AT} -o out --exposures=1 --size=16");
    let again = spx(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
    again.fails(2, &["out/truth.csv exists; choose another directory"]);
    assert_eq!(names(&folder.path().join("out")), ["truth.csv"]);
    for (option, word) in [
        ("--unflagged-hits=2", "unflagged_hits = 2"),
        ("--airglow=nan", "airglow = NaN"),
        ("--zodi-scale=-1", "zodi_scale = -1"),
        ("--plain --noise=inf", "noise = inf"),
    ] {
        refused(&format!("simulate {AT} -o out {option}"), &[word]);
    }
}

#[test]
fn names_of_what_is_not_there_say_what_could_be() {
    for (line, words) in [
        ("photometry a.fits --ra=1 --dec=2 --neighbors=gia", ["neighbors = gia", "gaia, 2mass"]),
        ("query --ra=1 --dec=2 --archive-url=irsa", ["`irsa`", "such as https://irsa.ipac"]),
    ] {
        let folder = tempdir().unwrap();
        let image = tools::input("d3_a.fits");
        fs::copy(image, folder.path().join("a.fits")).unwrap();
        spx(folder.path(), &line.split_whitespace().collect::<Vec<_>>()).fails(2, &words);
    }
    // Before anything is made, and also where nothing would be.
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("c.csv"), "id,ra,dec\na,1,2\n").unwrap();
    for (line, words) in [
        ("batch --catalog=c.csv --input=. --neighbors=gia -o out", "neighbors = gia"),
        ("run --ra=1 --dec=2 --name=n --neighbors=gia -o out", "neighbors = gia"),
        ("run --ra=1 --dec=2 --name=n --calibration=none/here -o out", "calibration = none/here"),
        ("run --ra=1 --dec=2 --name=n --calibration=none/here --dry-run", "calibration = none/here"),
        ("run --ra=1 --dec=2 --name=n --neighbors=gia --dry-run", "neighbors = gia"),
        ("batch --catalog=c.csv --input=. --calibration=none/here --dry-run", "calibration = none/here"),
    ] {
        let line = format!("{line} --archive-url=http://127.0.0.1:9");
        spx(folder.path(), &line.split_whitespace().collect::<Vec<_>>()).fails(2, &[words]);
        assert_eq!(names(folder.path()), ["c.csv"], "{line}");
    }
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("stars.csv"), "Star,ra,dec\na,1,2\n").unwrap();
    let list = spx(folder.path(), &["run", "--targets=stars.csv", "--status"]);
    list.fails(2, &["no column targetid", "it has: Star, ra, dec", "--id-column"]);
}

#[test]
fn a_query_replaces_nothing_but_summaries() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("image.fits"), "SIMPLE  =").unwrap();
    let line = format!("query {AT} --archive-url=http://127.0.0.1:9 -o image.fits");
    let run = spx(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
    run.fails(2, &["image.fits exists and is not a summary of a query"]);
    assert_eq!(fs::read(folder.path().join("image.fits")).unwrap(), b"SIMPLE  =");
}

#[test]
fn home_is_known_behind_the_equals_sign_of_every_option() {
    let folder = tempdir().unwrap();
    let home = std::env::home_dir().unwrap().join("no/such/directory");
    let run =
        spx(folder.path(), &["calibration", "status", "--directory=~/no/such/directory", "--detectors=D3"]);
    run.fails(3, &[&home.display().to_string()]);
}

#[test]
fn wrong_values_of_the_environment_name_the_variable() {
    let folder = tempdir().unwrap();
    let said = |variable: &str, value: &str, more: &[&str]| {
        let line = [&["query", "--ra=1", "--dec=2"], more].concat();
        let output = command(folder.path(), &line).env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    for (variable, value) in [("SPX_RADIUS", "x"), ("SPX_THREADS", ""), ("SPX_COVERAGE_MODE", "fully")] {
        let told = said(variable, value, &[]);
        assert!(told.contains(&format!("the environment variable {variable}")), "{told}");
    }
    let typed = said("SPX_RADIUS", "1", &["--radius=y"]);
    assert!(typed.contains("'y' for '--radius <DEG>'") && !typed.contains("SPX_RADIUS"), "{typed}");
}
