//! `spx cube view` as a user runs it, without a browser: who gets in, what is answered, what is
//! refused.
//!
//! The page itself is tested by `cargo xtask browser`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;
use tools::{command, folder_with_cube, image, input, names, spx};

const NX: usize = 25;
const NY: usize = 21;

/// A running `spx cube view`; killed in the end.
struct View {
    process: Child,
    /// `127.0.0.1:PORT`.
    host: String,
    /// `/TOKEN/`.
    root: String,
}

impl View {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let arguments = [&["cube", "view", "cube.fits", "--no-browser", "-q"], more].concat();
        let mut process = command(folder, &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let rest = line.trim_end().strip_prefix("http://").unwrap_or_else(|| panic!("no address: {line}"));
        let (host, path) = rest.split_once('/').unwrap();
        Self { process, host: host.to_owned(), root: format!("/{path}") }
    }

    /// Status, head and body of a request for a whole path.
    fn ask(&self, method: &str, path: &str, host: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), answer[end + 4..].to_vec())
    }

    /// Status and body of a path below the token.
    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let (status, _, body) = self.ask("GET", &format!("{}{path}", self.root), &self.host);
        (status, body)
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Asserts a status, and that the body is one line that contains the word.
    fn refuses(&self, path: &str, status: u16, word: &str) {
        let (found, body) = self.get(path);
        let text = String::from_utf8(body).unwrap();
        assert_eq!(found, status, "{path}: {text}");
        assert!(text.contains(word) && text.trim_end().lines().count() == 1, "{path}: {text}");
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Equal bits, or both NaN.
fn same(found: &[f32], expected: &[f32]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(f, e)| f.to_bits() == e.to_bits() || (f.is_nan() && e.is_nan()))
}

#[test]
fn only_who_knows_the_token_gets_in() {
    let folder = folder_with_cube();
    let view = View::start(folder.path(), &[]);
    let (host, root) = (view.host.clone(), view.root.clone());
    let port = host.split(':').nth(1).unwrap();
    assert_eq!(root.len(), 34, "128 bits as hexadecimal digits: {root}");
    let other = format!("/{}/", "0".repeat(32));
    let longer = format!("{}0/", root.trim_end_matches('/'));
    for path in ["/", "/meta", "/style.css", other.as_str(), longer.as_str(), "//meta", &root[..20]] {
        let (status, _, body) = view.ask("GET", path, &host);
        assert_eq!(status, 403, "{path}");
        assert!(!String::from_utf8_lossy(&body).contains("script"), "{path}");
    }
    for name in ["example.org", &format!("example.org:{port}"), "127.0.0.1", "localhost:1", ""] {
        assert_eq!(view.ask("GET", &root, name).0, 403, "Host: {name}");
    }
    assert_eq!(view.ask("GET", &root, &format!("localhost:{port}")).0, 200);
    // A page that was loaded from elsewhere says so.
    for (origin, expected) in
        [("http://example.org", 403), ("null", 403), (&format!("http://{host}"), 200), ("https://x", 403)]
    {
        let header = format!("{host}\r\nOrigin: {origin}");
        assert_eq!(view.ask("GET", &root, &header).0, expected, "{origin}");
    }
    let (status, head, body) = view.ask("GET", &root, &host);
    assert_eq!(status, 200);
    assert!(String::from_utf8_lossy(&body).contains("main.js"));
    for part in ["default-src 'none'", "frame-ancestors 'none'", "no-referrer", "no-store", "nosniff"] {
        assert!(head.contains(part), "{part} is not in {head}");
    }
    assert_eq!(view.ask("POST", &format!("{root}meta"), &host).0, 405);
    assert_eq!(view.get("style.css").0, 200);
    for path in ["nothing.js", "../cube.fits", "cube.fits", "page/main.js", "%2e%2e/cube.fits"] {
        assert_eq!(view.get(path).0, 404, "{path}");
    }
}

#[test]
fn planes_are_those_of_the_file() {
    let folder = folder_with_cube();
    let view = View::start(folder.path(), &[]);
    let path = folder.path().join("cube.fits");
    let (science, variance): (Vec<f32>, Vec<f32>) = (image(&path, "SCI"), image(&path, "VARIANCE"));
    let flags: Vec<u32> = image(&path, "OR_MASK");
    let meta = view.json("meta");
    assert_eq!(meta["cubes"][0]["shape"], serde_json::json!([17, NY, NX]));
    let z = usize::try_from(meta["cubes"][0]["first_plane"].as_u64().unwrap()).unwrap();
    let plane = z * NX * NY..(z + 1) * NX * NY;
    assert!(science[plane.clone()].iter().any(|v| v.is_finite()), "the first plane has data");

    let whole = format!("z={z}&x=0&y=0&width={NX}&height={NY}");
    let get = |query: &str| view.get(&format!("plane?{query}")).1;
    assert!(same(&floats(&get(&format!("array=sci&{whole}&bin=1"))), &science[plane.clone()]));
    let errors: Vec<f32> = variance[plane.clone()].iter().map(|v| v.sqrt()).collect();
    assert!(same(&floats(&get(&format!("array=error&{whole}&bin=1"))), &errors));
    assert_eq!(words(&get(&format!("array=or_mask&{whole}&bin=1"))), flags[plane.clone()]);

    // 4 x 3 pixels from (2, 5) in bins of 2 x 2: the upper row of bins has one row of pixels.
    let binned = floats(&get(&format!("array=sci&z={z}&x=2&y=5&width=4&height=3&bin=2")));
    let at = |x: usize, y: usize| f64::from(science[plane.start + y * NX + x]);
    let block = |x: usize, y: usize| {
        f64::midpoint(f64::midpoint(at(x, y), at(x + 1, y)), f64::midpoint(at(x, y + 1), at(x + 1, y + 1)))
    };
    let row = |x: usize, y: usize| f64::midpoint(at(x, y), at(x + 1, y));
    let expected = [block(2, 5), block(4, 5), row(2, 7), row(4, 7)];
    assert_eq!(binned.len(), 4);
    for (found, expected) in binned.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() <= 1e-6 * expected.abs(), "{found} is not {expected}");
    }

    let pixel = view.json(&format!("pixel?z={z}&x=3&y=4"));
    assert_eq!(pixel["sci"].to_string(), science[plane.start + 4 * NX + 3].to_string());
    assert_eq!(pixel["or_mask"].as_u64(), Some(flags[plane.start + 4 * NX + 3].into()));
    let empty = view.json("pixel?z=16&x=3&y=4");
    assert!(empty["sci"].is_null() && empty["error"].is_null(), "{empty}");
}

#[test]
fn means_are_weighted_by_inverse_variances() {
    let folder = folder_with_cube();
    let view = View::start(folder.path(), &[]);
    let path = folder.path().join("cube.fits");
    let (science, variance): (Vec<f32>, Vec<f32>) = (image(&path, "SCI"), image(&path, "VARIANCE"));
    let meta = view.json("meta");
    let planes: Vec<usize> = meta["cubes"][0]["colors"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|planes| usize::try_from(planes[0].as_u64().unwrap()).unwrap())
        .collect();
    let query = format!("planes={},{}&x=0&y=0&width={NX}&height={NY}&bin=1", planes[0], planes[1]);
    let mean = floats(&view.get(&format!("mean?{query}")).1);
    assert_eq!(mean.len(), NX * NY);
    for (k, found) in mean.iter().enumerate() {
        let voxels = planes[..2].iter().map(|z| z * NX * NY + k).filter(|&i| variance[i] > 0.0);
        let (mut sum, mut weight) = (0.0, 0.0);
        for i in voxels {
            sum += f64::from(science[i]) / f64::from(variance[i]);
            weight += 1.0 / f64::from(variance[i]);
        }
        let expected = sum / weight;
        assert!((f64::from(*found) - expected).abs() <= 1e-6 * expected.abs(), "{found} is not {expected}");
    }
}

#[test]
fn spectra_are_those_of_the_command() {
    let folder = folder_with_cube();
    let view = View::start(folder.path(), &[]);
    for radius in ["", "11.5", "900"] {
        let mut arguments =
            vec!["cube", "spectrum", "cube.fits", "--ra=186.4533", "--dec=33.5464", "--json", "-q"];
        let option = format!("--radius={radius}");
        let mut query = "spectrum?region=point(186.4533,33.5464)".to_owned();
        if !radius.is_empty() {
            arguments.push(&option);
            query = format!("spectrum?region=circle(186.4533,33.5464,{radius}%22)");
        }
        assert_eq!(view.json(&query), spx(folder.path(), &arguments).json(), "{radius}");
    }
    for (region, quoted) in [
        (
            "ellipse(186.4533,33.5464,25\",12\",30) # text={core}",
            "ellipse(186.4533,33.5464,25%22,12%22,30)%20%23%20text={core}",
        ),
        (
            "polygon(186.45,33.54,186.456,33.54,186.453,33.55)",
            "polygon(186.45,33.54,186.456,33.54,186.453,33.55)",
        ),
    ] {
        let arguments =
            ["cube", "spectrum", "cube.fits", "--region", region, "--annulus", "30,60", "--json", "-q"];
        let report = spx(folder.path(), &arguments).json();
        assert!(report["points"][8]["background_pixels"].as_u64() > Some(10), "{report}");
        assert_eq!(view.json(&format!("spectrum?region={quoted}&annulus=30,60")), report, "{region}");
    }
    for (query, why) in [
        ("point(190,33)", "outside the cube"),
        ("point(186.4533,33.5464)&annulus=500,600", "in the background annulus"),
    ] {
        let answer = view.json(&format!("spectrum?region={query}"));
        assert!(answer["nothing"].as_str().is_some_and(|text| text.contains(why)), "{answer}");
    }
    view.refuses("spectrum?region=circle(186.4533,33.5464,0)", 400, "sizes must be above 0");
    view.refuses("spectrum?region=point(186.4533,95)", 400, "declination 95");
    view.refuses("spectrum?region=point(a,3)", 400, "right ascension");
    view.refuses("spectrum?region=point(186.4533,33.5464)&annulus=5,4", 400, "INNER,OUTER");
}

#[test]
fn lines_lie_over_their_continua() {
    let folder = folder_with_cube();
    let view = View::start(folder.path(), &[]);
    let science: Vec<f32> = image(&folder.path().join("cube.fits"), "SCI");
    let meta = &view.json("meta")["cubes"][0];
    let planes: Vec<usize> = serde_json::from_value(meta["colors"].clone())
        .map(|colors: [Vec<usize>; 3]| colors.into_iter().flatten().collect())
        .unwrap();
    let (line, continuum) = (planes[1], planes[0]);
    let query = format!("planes={line}&continuum={continuum}&x=0&y=0&width={NX}&height={NY}&bin=1");
    let map = floats(&view.get(&format!("line?{query}")).1);
    let edges: [f64; 2] = serde_json::from_value(meta["wavelengths"][line].clone()).unwrap();
    let width = 2.997_924_58e14 * (1.0 / edges[0] - 1.0 / edges[1]) * 1e-11;
    let at = |z: usize, k: usize| f64::from(science[z * NX * NY + k]);
    let mut compared = 0;
    for (k, found) in map.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        let expected = (at(line, k) - at(continuum, k)) * width;
        assert!(
            (f64::from(*found) - expected).abs() <= 1e-5 * (at(line, k).abs() * width),
            "{found} {expected}"
        );
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
    view.refuses(&format!("line?planes={line}&x=0&y=0&width=1&height=1&bin=1"), 400, "numbers");
}

/// Two cubes: each by its number, and a number too many.
#[test]
fn several_cubes_are_served() {
    let folder = folder_with_cube();
    std::fs::copy(folder.path().join("cube.fits"), folder.path().join("other.fits")).unwrap();
    let view = View::start(folder.path(), &["other.fits"]);
    assert_eq!(view.json("meta")["cubes"][1]["file"], "other.fits");
    let spectrum = view.json("spectrum?cube=1&region=point(186.4533,33.5464)");
    assert_eq!(spectrum["file"], "other.fits");
    view.refuses("pixel?cube=2&z=0&x=0&y=0", 400, "2 cubes");
    spx(folder.path(), &["cube", "view", "cube.fits", "other.fits", "--html", "x.html"])
        .fails(2, &["one cube"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = folder_with_cube();
    let view = View::start(folder.path(), &[]);
    view.refuses("plane?array=sci&z=17&x=0&y=0&width=1&height=1&bin=1", 400, "17 planes");
    view.refuses("plane?array=sci&z=0&x=20&y=0&width=6&height=1&bin=1", 400, "25 x 21 pixels");
    view.refuses("plane?array=sci&z=0&x=0&y=0&width=1&height=1&bin=0", 400, "bin");
    view.refuses("plane?array=sky&z=0&x=0&y=0&width=1&height=1&bin=1", 400, "sky");
    view.refuses("plane?array=sci", 400, "missing field");
    view.refuses("mean?planes=1,two&x=0&y=0&width=1&height=1&bin=1", 400, "numbers");
    view.refuses("mean?planes=1,99&x=0&y=0&width=1&height=1&bin=1", 400, "17 planes");
    view.refuses("pixel?z=0&x=25&y=0", 400, "25 x 21 pixels");
    view.refuses("catalog", 404, "no catalog");
}

#[test]
fn a_catalog_comes_along() {
    let folder = folder_with_cube();
    std::fs::write(folder.path().join("stars.csv"), "name,ra,dec\na,186.45,33.55\n").unwrap();
    let view = View::start(folder.path(), &["--catalog", "stars.csv"]);
    assert_eq!(view.json("meta")["catalog"], "stars.csv");
    assert_eq!(view.get("catalog"), (200, b"name,ra,dec\na,186.45,33.55\n".to_vec()));
    let missing = spx(folder.path(), &["cube", "view", "cube.fits", "--catalog", "none.csv"]);
    missing.fails(2, &["none.csv"]);
}

/// A file that changes for the worse while it is looked at.
#[test]
fn a_file_that_is_cut_meanwhile_gives_an_error_not_numbers() {
    let folder = folder_with_cube();
    let view = View::start(folder.path(), &[]);
    let file = std::fs::OpenOptions::new().write(true).open(folder.path().join("cube.fits")).unwrap();
    file.set_len(file.metadata().unwrap().len() / 8).unwrap();
    view.refuses("plane?array=or_mask&z=8&x=0&y=0&width=25&height=21&bin=1", 500, "cube.fits");
    view.refuses("spectrum?region=point(186.4533,33.5464)", 500, "cube.fits");
}

#[test]
fn files_that_are_no_whole_cubes_give_one_line() {
    let folder = folder_with_cube();
    let cube = std::fs::read(folder.path().join("cube.fits")).unwrap();
    for (name, bytes, word) in [
        ("half.fits", &cube[..cube.len() / 2], "incomplete"),
        ("header.fits", &cube[..2000], "header.fits"),
        ("empty.fits", &[][..], "empty"),
        ("page.fits", &b"<html></html>"[..], "not a FITS file"),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        for more in [&[][..], &["--html", "out.html"]] {
            spx(folder.path(), &[&["cube", "view", name], more].concat()).fails(1, &[name, word]);
        }
    }
    let image = input("d3_a.fits").display().to_string();
    spx(folder.path(), &["cube", "view", &image]).fails(1, &["spectral image"]);
    spx(folder.path(), &["cube", "view", "none.fits"]).fails(1, &["none.fits"]);
    assert!(!names(folder.path()).iter().any(|name| name.contains("html")), "{:?}", names(folder.path()));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = folder_with_cube();
    let view = View::start(folder.path(), &[]);
    let port = view.host.split(':').nth(1).unwrap();
    spx(folder.path(), &["cube", "view", "cube.fits", "--port", port]).fails(1, &[&view.host]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_cleanly() {
    let folder = folder_with_cube();
    let mut view = View::start(folder.path(), &[]);
    let id = view.process.id().to_string();
    // TERM, for a shell without job control starts what is in the background with INT ignored, and
    // ignored signals stay so.
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(view.process.wait().unwrap().code(), Some(0));
}

#[test]
fn one_file_holds_everything_and_says_what_is_lost() {
    let folder = folder_with_cube();
    std::fs::write(folder.path().join("stars.csv"), "name,ra,dec\n</script>,186.45,33.55\n").unwrap();
    let arguments = ["cube", "view", "cube.fits", "--html", "out.html", "--catalog", "stars.csv"];
    let run = spx(folder.path(), &arguments).succeeds();
    assert!(run.stdout.starts_with("out.html\n  ") && run.stdout.contains("of its error"), "{}", run.stdout);
    let page = std::fs::read_to_string(folder.path().join("out.html")).unwrap();
    for array in ["sci", "error", "count", "and_mask", "or_mask"] {
        for z in 0..17 {
            assert!(page.contains(&format!("id=\"data-{array}-{z}\"")), "{array} {z}");
        }
    }
    assert!(!page.contains("</script>,186.45"), "text of the catalog ends no element");
    spx(folder.path(), &arguments).fails(2, &["out.html", "--overwrite"]);
    let again = [&arguments[..], &["--overwrite", "--json", "--bin", "2"]].concat();
    let report = spx(folder.path(), &again).succeeds().json();
    assert_eq!(report["outputs"], serde_json::json!(["out.html"]));
    assert_eq!(report["loss"]["bin"].as_u64(), Some(2));
    let changed = report["loss"]["science"].as_f64().unwrap();
    assert!(changed > 0.0 && changed < 0.021, "{changed}");
    let left = names(folder.path());
    assert_eq!(left, ["cube.fits", "out.html", "stars.csv"], "nothing else is left");
}
