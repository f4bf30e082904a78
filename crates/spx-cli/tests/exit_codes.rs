//! Exit codes, cause by cause: those of the table in docs/archive.md, for every command that can
//! end so, as text and as JSON.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::{TempDir, tempdir};
use tools::local::{PLACE, archive};
use tools::{command, done, input, spx};

/// What a command line may name: `IMAGE` and `CUBE` are good files, `bad.fits` is none, `file` is
/// no directory, `batch` is a batch, `URL` is an archive, `NOBODY` one that does not answer.
struct Places {
    folder: TempDir,
    url: String,
}

impl Places {
    fn new(url: &str) -> Self {
        let folder = tempdir().unwrap();
        let here = folder.path();
        fs::copy(input("d3_a.fits"), here.join("image.fits")).unwrap();
        for (name, text) in [
            ("bad.fits", "x"),
            ("file", ""),
            ("old.png", ""),
            ("c.csv", "id,ra,dec\n1,186.4536,33.5468\n"),
            ("far.csv", "id,ra,dec\n1,10,-60\n"),
            ("empty.csv", "flux,flux_error,wavelength,bandwidth,band,is_good\n"),
            ("wrong.toml", "fwhm_multipliers = 3\n"),
        ] {
            fs::write(here.join(name), text).unwrap();
        }
        fs::create_dir(here.join("empty")).unwrap();
        done(here, &["batch", "--catalog=c.csv", "--input=image.fits", "-o=batch"]);
        let cube = ["drizzle", "--width=1", "--height=1", "--detector=3", "--input=image.fits", "-o=cube"];
        done(here, &[&cube[..], &PLACE].concat());
        Self { folder, url: url.to_owned() }
    }

    /// The words of a line; `HERE` is the place of the images, `FAR` one without.
    fn words(&self, line: &str) -> Vec<String> {
        let word = |word: &str| match word {
            "HERE" => PLACE.map(str::to_owned).to_vec(),
            "FAR" => vec!["--ra=10".to_owned(), "--dec=-60".to_owned()],
            "URL" => vec![format!("--archive-url={}", self.url)],
            "NOBODY" => vec!["--archive-url=http://127.0.0.1:1".to_owned(), "--retries=0".to_owned()],
            "IMAGE" => vec!["image.fits".to_owned()],
            "CUBE" => vec!["cube/drizzle_D3.fits".to_owned()],
            other => vec![other.to_owned()],
        };
        line.split_whitespace().flat_map(word).collect()
    }
}

/// The exit codes of the causes in the document.
fn documented() -> BTreeMap<String, i32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/archive.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| cause | exit code |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = rows.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[1].to_owned(), cells[2].parse().unwrap())).collect()
}

/// Every cause but the interruption, with command lines that meet it.
const CAUSES: [(&str, &[&str]); 10] = [
    (
        "an option, a key or a value is invalid or missing",
        &[
            "query --bogus",
            "query HERE URL --radius=-1",
            "download HERE URL --cutout-size=0px",
            "run HERE URL --config=wrong.toml",
            "photometry IMAGE HERE --fwhm-multiplier=inf",
            "photometry IMAGE HERE --config=wrong.toml",
            "spectrum",
            "spectrum batch/lightcurves/1.csv -o x.txt",
            "batch --input=IMAGE",
            "batch --catalog=c.csv --input=image.fits --config=wrong.toml",
            "lightcurve 1 batch -o x.txt",
            "drizzle HERE --width=0 --height=1 --detector=3 --input=image.fits",
            "mosaic HERE --width=1 --height=1 --wave=2.2..2.0 --input=image.fits",
            "survey plan --bogus",
            "hips --bogus",
            "cube info",
            "cube plot CUBE -o x.txt",
            "cube spectrum CUBE --radius=1",
            "calibration list --bogus",
            "inspect",
            "doctor --bogus",
            "serve sky --port=x",
            "simulate --ra=1",
            "demo --bogus",
            "config init nothing",
            "completions nothing",
            "nothing",
        ],
    ),
    (
        "a catalog, table, list, configuration or directory to work on does not exist or is something else",
        &[
            "run --targets=none.csv URL",
            "run HERE URL --config=none.toml",
            "download --query=none.toml",
            "batch --catalog=none.csv --input=image.fits",
            "spectrum none.csv",
            "spectrum c.csv",
            "lightcurve 1 none",
            "lightcurve 1 empty",
            "serve none",
            "serve file",
            "survey status none",
            "survey do none",
            "photometry IMAGE HERE --data-mirror=none",
        ],
    ),
    (
        "an output exists, without `--overwrite`",
        &[
            "photometry IMAGE HERE -o c.csv",
            "spectrum batch/lightcurves/1.csv -o c.csv",
            "lightcurve 1 batch -o c.csv",
            "drizzle HERE --width=1 --height=1 --detector=3 --input=image.fits -o cube",
            "cube spectrum CUBE HERE -o c.csv",
            "cube plot CUBE -o old.png",
            "config init -o c.csv",
        ],
    ),
    (
        "more memory would be needed than is available, or than `--max-memory` allows",
        &[
            "drizzle HERE --width=1 --height=1 --detector=3 --input=image.fits -o z --max-memory=0.000001",
            "mosaic HERE --width=1 --height=1 --wave=1.6..2.4 --input=image.fits -o z --max-memory=0.000001",
        ],
    ),
    (
        "there are more images than `--max-images`",
        &[
            "query HERE URL --max-images=1",
            "download HERE URL --max-images=1 -o d",
            "run HERE URL --max-images=1 -o r",
            "drizzle HERE --width=1 --height=1 --detector=3 URL --max-images=1 -o z",
            "batch --catalog=c.csv HERE --radius=0.1 URL --max-images=1 -o b",
        ],
    ),
    (
        "an image or a cube does not exist or cannot be read",
        &[
            "photometry IMAGE bad.fits HERE",
            "photometry none.fits HERE",
            "batch --catalog=c.csv --input image.fits bad.fits -o b",
            "drizzle HERE --width=1 --height=1 --detector=3 -o z --overwrite --input image.fits bad.fits",
            "mosaic HERE --width=1 --height=1 --wave=1.6..2.4 -o z --overwrite --input image.fits bad.fits",
            "inspect IMAGE bad.fits",
            "inspect none.fits",
            "cube info bad.fits",
            "cube plot none.fits -o x.png",
            "cube spectrum CUBE bad.fits HERE --radius=12",
        ],
    ),
    (
        "the archive cannot be reached, or a file cannot be downloaded",
        &[
            "query HERE NOBODY",
            "download HERE NOBODY -o d",
            "run HERE NOBODY -o r",
            "drizzle HERE --width=1 --height=1 --detector=3 NOBODY -o z",
            "mosaic HERE --width=1 --height=1 --wave=2.0..2.2 NOBODY -o z",
            "batch --catalog=c.csv HERE --radius=0.1 NOBODY -o b",
            "photometry IMAGE HERE --neighbors=gaia --archive-url=http://127.0.0.1:1",
            "calibration list --archive-url=http://127.0.0.1:1",
            "doctor --archive-url=http://127.0.0.1:1",
        ],
    ),
    (
        "an output would be in a file, or in a directory that does not exist",
        &[
            "query HERE URL -o file/x.toml",
            "download HERE URL -o file/x",
            "run HERE URL -o file/x",
            "photometry IMAGE HERE -o file/x.csv",
            "batch --catalog=c.csv --input=image.fits -o file/x",
            "drizzle HERE --width=1 --height=1 --detector=3 --input=image.fits -o file/x",
            "mosaic HERE --width=1 --height=1 --wave=1.6..2.4 --input=image.fits -o file/x",
            "spectrum batch/lightcurves/1.csv -o file/x.csv",
            "lightcurve 1 batch -o file/x.csv",
            "cube spectrum CUBE HERE -o file/x.csv",
            "cube plot CUBE -o file/x.png",
            "simulate HERE --exposures=1 --size=20 -o file/x",
            "config init -o none/x.toml",
            "demo -o file/x",
        ],
    ),
    (
        "an output cannot be written, the disk is full",
        &[
            "query HERE URL -o /proc/x.toml",
            "download HERE URL -o /proc/x",
            "run HERE URL -o /proc/x",
            "photometry IMAGE HERE -o /proc/x.csv",
            "batch --catalog=c.csv --input=image.fits -o /proc/x",
            "drizzle HERE --width=1 --height=1 --detector=3 --input=image.fits -o /proc/x",
            "mosaic HERE --width=1 --height=1 --wave=1.6..2.4 --input=image.fits -o /proc/x",
            "spectrum batch/lightcurves/1.csv -o /proc/x.csv",
            "lightcurve 1 batch -o /proc/x.csv",
            "cube spectrum CUBE HERE -o /proc/x.csv",
            "cube plot CUBE -o /proc/x.png",
            "simulate HERE --exposures=1 --size=20 -o /proc/x",
            "config init -o /proc/x.toml",
            "demo -o /proc/x",
        ],
    ),
    (
        "no image of the position, no measurement of the source",
        &[
            "query FAR URL",
            "download FAR URL -o d",
            "run FAR URL -o r",
            "run --name=none --status",
            "drizzle FAR --width=1 --height=1 --detector=3 URL -o far",
            "drizzle FAR --width=1 --height=1 --detector=3 --input=image.fits -o far",
            "mosaic FAR --width=1 --height=1 --wave=2.0..2.2 URL -o far",
            "batch --catalog=c.csv FAR --radius=0.1 URL -o b",
            "batch --catalog=far.csv --input=image.fits -o b",
            "photometry IMAGE FAR",
            "photometry empty HERE",
            "spectrum empty.csv",
            "lightcurve 7 batch",
        ],
    ),
];

/// Each is told on standard error, but for reports that tell of it themselves.
#[test]
fn every_cause_has_the_documented_exit_code() {
    let (archive, documented) = (archive(), documented());
    let places = Places::new(&archive.url());
    let here = places.folder.path();
    for (cause, lines) in CAUSES {
        let code = documented.get(cause).unwrap_or_else(|| panic!("`{cause}` is not documented"));
        for line in lines {
            let words = places.words(line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let text = spx(here, &words);
            assert_eq!(text.code, Some(*code), "{cause}: {line}\n{}", text.stderr);
            assert!(!text.stderr.is_empty() || line.starts_with("doctor"), "{cause}: {line}");
            let json = spx(here, &[&words[..], &["--json"]].concat());
            assert_eq!(json.code, Some(*code), "{cause}: {line} --json\n{}", json.stderr);
            let report = json.json();
            if let Some(told) = report.get("exit_code") {
                let error = report["error"].as_str().unwrap();
                assert_eq!(told.as_i64(), Some((*code).into()), "{cause}: {line}");
                // On one line, as the text is not always.
                let told = json.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
                let is_told = |part: &str| told.contains(part.trim());
                assert!(error.split("; tip: ").all(is_told), "{cause}: {line}\n{error}\n{}", json.stderr);
            }
        }
    }
    assert_eq!(documented.len(), CAUSES.len() + 1, "every documented cause is met: {documented:?}");
}

/// While a server says nothing, which would last for minutes.
#[test]
fn an_interruption_has_the_documented_exit_code() {
    let code = documented()["Ctrl-C, TERM or HUP"];
    let mut places = Places::new("");
    for line in [
        "query HERE URL",
        "download HERE URL -o d",
        "run HERE URL -o r",
        "drizzle HERE --width=1 --height=1 --detector=3 URL -o z",
        "mosaic HERE --width=1 --height=1 --wave=2.0..2.2 URL -o z",
        "batch --catalog=c.csv HERE --radius=0.1 URL -o b",
        "photometry IMAGE HERE --neighbors=gaia URL",
    ] {
        // Not INT: where tests run in the background it is ignored, and stays so.
        for json in [false, true] {
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            places.url = format!("http://{}", silent.local_addr().unwrap());
            let words = places.words(line);
            let words: Vec<&str> = words.iter().map(String::as_str).chain(json.then_some("--json")).collect();
            let mut child = command(places.folder.path(), &words);
            let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            // It asks, and waits for the answer.
            let held = silent.accept().unwrap();
            let sent = Command::new("kill").arg(child.id().to_string()).status();
            assert!(sent.unwrap().success());
            let ended = child.wait_with_output().unwrap();
            drop(held);
            let told = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(ended.status.code(), Some(code), "{line}: {told}");
            assert!(told.contains("interrupted"), "{line}: {told}");
            if json {
                let report: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
                assert_eq!((&report["exit_code"], &report["error"]), (&code.into(), &"interrupted".into()));
            }
        }
    }
}
