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
fn limits_are_those_of_the_option() {
    for (line, words) in [
        ("serve . --fault-rate=2", ["--fault-rate <X>", "from 0 to 1"]),
        ("serve . --latency=-1", ["--latency <S>", "from 0 to 3600"]),
        ("calibration fetch --workers=0", ["--workers <N>", "not in 1..=64"]),
        ("calibration list --timeout=0", ["--timeout <S>", "from 1 to 3600"]),
        ("cube spectrum c.fits --ra=1 --dec=2 --radius=inf", ["--radius <ARCSEC>", "finite"]),
        ("cube cut c.fits -o o.fits --ra=1 --dec=2 --width=0 --height=1", ["--width <ARCMIN>", "above 0"]),
        ("spectrum a.csv --size=0x10", ["--size <WxH>", "from 200 to 6000"]),
        ("survey do s --scratch-max=0", ["--scratch-max <GIB>", "above 0"]),
        ("run --ra=1 --dec=2 --ref-epoch=-1", ["--ref-epoch <YEAR>", "from 1000 to 3000"]),
        ("spectrum b --source --json", ["--source <ID>", "--json is an option"]),
    ] {
        refused(line, &words);
    }
}

/// Clap does not ask for what an option requires where that could not be given beside another.
#[test]
fn options_that_would_do_nothing_are_refused() {
    for line in [
        "cube spectrum c.fits --region=point(1,2) --dec=5",
        "cube spectrum c.fits --region=point(1,2) --radius=5",
        "cube cut c.fits -o o.fits --region=point(1,2) --width=5",
        "cube plot c.fits -o o.png --spectrum=1,2 --continuum=1..2",
        "cube plot c.fits -o o.png --line=1..2 --continuum=2..3 --radius=5",
        "mosaic --ra=1 --dec=2 --width=1 --height=1 --wave=2..3 --z-edges=1,2",
    ] {
        let folder = tempdir().unwrap();
        let run = spx(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(run.code, Some(2), "{line}: {}", run.stderr);
        let told = ["cannot be used with", "exclude each other"];
        assert!(told.iter().any(|words| run.stderr.contains(words)), "{line}: {}", run.stderr);
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{line}");
    }
}

/// Before anything is asked of the archive, which nobody is there to answer.
#[test]
fn places_where_nothing_can_be_written_are_refused_at_once() {
    let folder = tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("images")).unwrap();
    fs::copy(tools::input("d3_a.fits"), here.join("images/a.fits")).unwrap();
    fs::write(here.join("file"), "").unwrap();
    fs::write(here.join("c.csv"), "id,ra,dec\n1,186.4536,33.5468\n").unwrap();
    let before = names(here);
    let nobody = "--archive-url=http://127.0.0.1:1";
    let square = "--width=1 --height=1";
    for line in [
        &format!("simulate {AT} --exposures=1 --size=16 -o"),
        &format!("download {AT} {nobody} -o"),
        &format!("run {AT} {nobody} -o"),
        &format!("run --targets=c.csv {nobody} -o"),
        &format!("batch --catalog=c.csv {AT} --radius=0.1 {nobody} -o"),
        &format!("drizzle {AT} {square} --detector=3 {nobody} -o"),
        &format!("mosaic {AT} {square} --wave=1.6..2.4 --input images -o"),
        "hips --wave=1.6..2.4 --order=3 --input images -o",
        &format!("survey plan --radius=0.01 {AT} {nobody} -o"),
        &format!("calibration fetch {nobody} --directory"),
        "calibration status --directory",
        "man -o",
        "demo -o",
    ] {
        for place in ["file", "file/below"] {
            let run = spx(here, &format!("{line} {place}").split_whitespace().collect::<Vec<_>>());
            let told = run.stderr.contains("file is not a directory") || run.stderr.contains("holds");
            assert!(run.code == Some(2) && told, "{line} {place}: {}", run.stderr);
            assert_eq!(names(here), before, "{line} {place}");
        }
    }
    for line in [
        &format!("query {AT} {nobody} -o none/q.toml"),
        &format!("photometry images {AT} -o none/t.csv"),
        "cube plot c.fits -o none/p.png",
        "cube collapse c.fits --wave=1..2 -o none/m.fits",
        "cube export c.fits --for=irsa -o none/m.fits",
        "spectrum c.csv -o none/s.fits",
        "config init -o none/c.toml",
    ] {
        let run = spx(here, &line.split_whitespace().collect::<Vec<_>>());
        run.fails(2, &["there is no directory none"]);
        assert_eq!(names(here), before, "{line}");
    }
}

#[test]
fn settings_of_a_hips_are_checked_before_it_begins() {
    for (option, word) in
        [("--z-shrink=0", "z_shrink = 0"), ("--fillval=1", "fillval"), ("--input none", "none")]
    {
        let folder = tempdir().unwrap();
        fs::copy(tools::input("d3_a.fits"), folder.path().join("a.fits")).unwrap();
        let inputs = if option.contains("--input") { "" } else { "--input a.fits" };
        let line = format!("hips --wave=1.6..2.4 --order=3 -o out {inputs} {option}");
        let run = spx(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(run.code, Some(if inputs.is_empty() { 1 } else { 2 }), "{}", run.stderr);
        assert!(run.stderr.contains(word), "{}", run.stderr);
        assert_eq!(names(folder.path()), ["a.fits"], "{option}");
    }
}

#[test]
fn misspelt_flags_are_refused_for_files_at_hand() {
    let folder = tempdir().unwrap();
    fs::copy(tools::input("d3_a.fits"), folder.path().join("a.fits")).unwrap();
    fs::write(folder.path().join("c.csv"), "id,ra,dec\n1,186.4536,33.5468\n").unwrap();
    let square = "--width=1 --height=1";
    for line in [
        &format!("photometry a.fits {AT} --bad-flags=photometry,GHOST_FAP"),
        "batch --catalog=c.csv --input=a.fits -o out --bad-flags=photometry,GHOST_FAP",
        &format!("drizzle {AT} {square} --detector=3 --input=a.fits -o out --exclude-flags=GHOST_FAP"),
        &format!("mosaic {AT} {square} --wave=1.6..2.4 --input=a.fits -o out --exclude-flags=GHOST_FAP"),
        "hips --wave=1.6..2.4 --order=3 --input=a.fits -o out --exclude-flags=GHOST_FAP",
    ] {
        let run = spx(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
        run.fails(2, &["did you mean `GHOST_FPA`?"]);
        assert_eq!(names(folder.path()), ["a.fits", "c.csv"], "{line}");
    }
}

#[test]
fn errors_in_json_name_what_is_missing() {
    let folder = tempdir().unwrap();
    let run = spx(folder.path(), &["cube", "line", "c.fits", "--json"]);
    let told = run.json()["error"].as_str().unwrap().to_owned();
    assert!(told.contains("--line <A..B>") && told.contains("--output <OUT>"), "{told}");
    let run = spx(folder.path(), &["mosai", "--json"]);
    assert!(run.json()["error"].as_str().unwrap().contains("mosaic"), "{}", run.stdout);
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
        ("--unflagged-hits=2", "--unflagged-hits <SHARE>"),
        ("--airglow=nan", "--airglow <X>"),
        ("--zodi-scale=-1", "--zodi-scale <X>"),
        ("--plain --noise=inf", "--noise <X>"),
        ("--radius=0", "--radius <DEG>"),
        ("--mjd=-1", "--mjd <DAYS>"),
        ("--exposures=0", "--exposures <N>"),
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
