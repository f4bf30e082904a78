//! Bad input: each kind gives a clear error that names what is wrong, the right exit code, and
//! leaves no file.

use std::fs;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use spx_core::fits::FitsReader;

const REGION: [&str; 9] = [
    "drizzle",
    "--ra=186.4536",
    "--dec=33.5468",
    "--width=2.6",
    "--height=2.2",
    "--detector=3",
    "-o",
    "out",
    "-q",
];

fn good() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/cube/inputs/d3_a.fits")
}

/// `spx` in a directory, with nothing of spx in its environment.
fn spx(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spx"));
    command.current_dir(folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SPX_")) {
        command.env_remove(name);
    }
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

fn drizzle(folder: &Path, inputs: &[&Path], more: &[&str]) -> Result<Output> {
    Ok(spx(folder).args(REGION).args(more).arg("--input").args(inputs).output()?)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file below a folder, hidden ones too.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { all.extend(files(&path)?) } else { all.push(path) }
    }
    all.sort();
    Ok(all)
}

/// The good file with the first card that begins with `card` after `hdu` replaced.
fn patched(hdu: &str, card: &str, replacement: &str) -> Result<Vec<u8>> {
    let mut bytes = fs::read(good())?;
    let find = |bytes: &[u8], from: usize, text: &str| {
        (from..bytes.len()).step_by(80).find(|&at| bytes[at..].starts_with(text.as_bytes()))
    };
    let start = if hdu.is_empty() { Some(0) } else { find(&bytes, 0, &format!("EXTNAME = '{hdu}")) };
    // Cards that describe the array stand before EXTNAME.
    let header = start.map_or(0, |at| {
        (0..=at / 80).rev().map(|k| 80 * k).find(|&k| bytes[k..].starts_with(b"XTENSION")).unwrap_or(0)
    });
    let at = find(&bytes, header, card);
    ensure!(start.is_some() && at.is_some(), "no card {card} in {hdu}");
    let at = at.unwrap_or_default();
    bytes[at..at + 80].copy_from_slice(format!("{replacement:<80}").as_bytes());
    Ok(bytes)
}

/// Runs with a bad file beside a good one, and with the bad one alone.
fn refuses(name: &str, bytes: &[u8], words: &[&str]) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let bad = dir.path().join(name);
    fs::write(&bad, bytes)?;
    let both = drizzle(dir.path(), &[&bad, &good().with_file_name("d3_b.fits")], &[])?;
    let message = stderr(&both);
    ensure!(both.status.code() == Some(1), "{name}: {:?} {message}", both.status);
    for word in words.iter().chain(&[name]) {
        ensure!(message.contains(word), "{name}: `{word}` is not in: {message}");
    }
    ensure!(!message.contains("panicked"), "{message}");
    let cube = dir.path().join("out/drizzle_D3.fits");
    let primary = FitsReader::open(&cube)?.header()?;
    ensure!(primary.integer("N_INPUTS")? == 1 && primary.integer("N_FAILED")? == 1, "{name}: counts");
    let history: String = primary.cards().iter().map(|c| c.comment.as_str()).collect();
    ensure!(history.contains(&format!("input {name}: failed")), "{name}: not in the history: {history}");

    fs::remove_dir_all(dir.path().join("out"))?;
    let alone = drizzle(dir.path(), &[&bad], &[])?;
    ensure!(alone.status.code() == Some(1), "{name} alone: {:?}", alone.status);
    ensure!(stderr(&alone).contains(name), "{}", stderr(&alone));
    ensure!(files(dir.path())? == [bad], "{name} alone left {:?}", files(dir.path())?);
    ensure!(!dir.path().join("out").exists(), "the directory that was made for the run is still there");
    Ok(())
}

#[test]
fn files_that_are_no_spectral_images() -> Result<()> {
    let whole = fs::read(good())?;
    refuses("empty.fits", b"", &["empty"])?;
    refuses("page.fits", b"<html><body>503</body></html>", &["not a FITS file"])?;
    refuses("short.fits", &whole[..whole.len() / 2], &["HDU"])?;
    refuses("header.fits", &whole[..6000], &["HDU"])?;
    refuses("zodi.fits", &patched("ZODI", "EXTNAME", "EXTNAME = 'ZODY    '")?, &["ZODI"])?;
    refuses("shape.fits", &patched("VARIANCE", "NAXIS1", "NAXIS1  = 46")?, &["VARIANCE", "shape"])?;
    Ok(())
}

#[test]
fn headers_that_make_no_sense() -> Result<()> {
    let cases = [
        ("crval.fits", "IMAGE", "CRVAL1", "XRVAL1  = 1.0", "CRVAL1"),
        ("type.fits", "IMAGE", "CRPIX1 ", "CRPIX1  = 'left'", "CRPIX1"),
        ("projection.fits", "IMAGE", "CTYPE1 ", "CTYPE1  = 'RA---AIT'", "CTYPE1"),
        ("nan.fits", "IMAGE", "A_0_2", "A_0_2   = NaN", "A_0_2"),
        ("singular.fits", "IMAGE", "PC1_1", "PC1_1   = NaN", "PC1_1"),
        ("unit.fits", "IMAGE", "BUNIT", "BUNIT   = 'Jy/beam'", "BUNIT"),
        ("zodi_unit.fits", "ZODI", "BUNIT", "BUNIT   = 'Jy/beam'", "BUNIT"),
        ("detector.fits", "IMAGE", "DETECTOR", "DETECTOR= 9", "DETECTOR"),
        ("obsid.fits", "IMAGE", "OBSID", "XBSID   = 'x'", "OBSID"),
        ("wave.fits", "IMAGE", "CTYPE1W", "CTYPE1W = 'FREQ-TAB'", "CTYPE1W"),
    ];
    for (name, hdu, card, replacement, word) in cases {
        refuses(name, &patched(hdu, card, replacement)?, &[&format!("HDU {hdu}"), word])?;
    }
    Ok(())
}

#[test]
fn tables_of_wavelengths_that_cannot_be_used() -> Result<()> {
    refuses("rows.fits", &patched("WCS-WAVE", "NAXIS2", "NAXIS2  = 0")?, &["HDU WCS-WAVE", "0 rows"])?;
    refuses("column.fits", &patched("WCS-WAVE", "TTYPE1", "TTYPE1  = 'U'")?, &["HDU WCS-WAVE", "X"])?;
    Ok(())
}

#[test]
fn another_detector() -> Result<()> {
    let bytes = fs::read(good().with_file_name("d4_a.fits"))?;
    refuses("d4.fits", &bytes, &["DETECTOR is 4, not 3"])?;
    // In a directory the images of other detectors are none of the inputs.
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("data"))?;
    fs::copy(good(), dir.path().join("data/d3.fits"))?;
    fs::write(dir.path().join("data/d4.fits"), bytes)?;
    let output = drizzle(dir.path(), &[Path::new("data")], &[])?;
    ensure!(output.status.code() == Some(0), "{}", stderr(&output));
    Ok(())
}

#[test]
fn nothing_to_work_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("empty"))?;
    let output = drizzle(dir.path(), &[Path::new("empty")], &[])?;
    ensure!(output.status.code() == Some(3), "{:?} {}", output.status, stderr(&output));
    let output = drizzle(dir.path(), &[Path::new("nowhere.fits")], &[])?;
    ensure!(
        output.status.code() == Some(1) && stderr(&output).contains("nowhere.fits"),
        "{}",
        stderr(&output)
    );
    let elsewhere = drizzle(dir.path(), &[&good()], &["--ra=6"])?;
    ensure!(elsewhere.status.code() == Some(2), "an option given twice: {}", stderr(&elsewhere));
    let arguments = ["drizzle", "--ra=6", "--dec=3", "--width=2", "--height=2", "-o", "out", "--input"];
    let elsewhere = spx(dir.path()).args(arguments).arg(good()).output()?;
    ensure!(elsewhere.status.code() == Some(3), "{:?} {}", elsewhere.status, stderr(&elsewhere));
    ensure!(stderr(&elsewhere).contains("does not reach the region"), "{}", stderr(&elsewhere));
    ensure!(files(dir.path())?.is_empty(), "{:?}", files(dir.path())?);
    Ok(())
}

#[test]
fn settings_out_of_range() -> Result<()> {
    let cases = [
        ("--xy-shrink=0", "--xy-shrink"),
        ("--xy-shrink=nan", "--xy-shrink"),
        ("--z-shrink=1.2", "z_shrink"),
        ("--xy-oversample=-1", "--xy-oversample"),
        ("--z-oversample=0", "--z-oversample"),
        ("--z-oversample=1e9", "z_oversample"),
        ("--z-edges=2,1", "z_edges"),
        ("--z-edges=2", "z_edges"),
        ("--ivar-max=0", "--ivar-max"),
        ("--min-overlap=-1", "--min-overlap"),
        ("--exclude-flags=32", "32"),
        ("--exclude-flags=HOT;COLD", "HOT;COLD"),
        ("--bg-fraction-min=2", "--bg-fraction-min"),
        ("--kernel=cubic", "cubic"),
        ("--xy-oversample=100000", "too large"),
        ("--xy-oversample=2000", "GiB"),
        ("--max-memory=0.0001", "GiB"),
        ("--config=nowhere.toml", "nowhere.toml"),
        ("--threads=0", "threads"),
    ];
    let dir = tempfile::tempdir()?;
    for (setting, word) in cases {
        let output = drizzle(dir.path(), &[&good()], &[setting])?;
        ensure!(output.status.code() == Some(2), "{setting}: {:?} {}", output.status, stderr(&output));
        ensure!(stderr(&output).contains(word), "{setting}: {}", stderr(&output));
    }
    for (setting, word) in
        [("--ra=400", "400"), ("--dec=-91", "-91"), ("--width=0", "width"), ("--detector=7", "7")]
    {
        let kept = REGION.iter().filter(|r| r.split('=').next() != setting.split('=').next());
        let output = spx(dir.path()).args(kept).arg(setting).arg("--input").arg(good()).output()?;
        ensure!(output.status.code() == Some(2), "{setting}: {:?} {}", output.status, stderr(&output));
        ensure!(stderr(&output).contains(word), "{setting}: {}", stderr(&output));
    }
    ensure!(files(dir.path())?.is_empty(), "{:?}", files(dir.path())?);
    Ok(())
}

#[test]
fn configuration_files_are_strict() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for (text, word) in
        [("xy_shrunk = 0.5", "xy_shrunk"), ("xy_shrink = 'half'", "xy_shrink"), ("[[", "line 1")]
    {
        fs::write(dir.path().join("c.toml"), text)?;
        let output = drizzle(dir.path(), &[&good()], &["--config=c.toml"])?;
        ensure!(output.status.code() == Some(2), "{text}: {:?}", output.status);
        let message = stderr(&output);
        ensure!(message.contains("c.toml") && message.contains(word), "{text}: {message}");
    }
    Ok(())
}

#[test]
fn an_existing_cube_is_kept() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("out"))?;
    let cube = dir.path().join("out/drizzle_D3.fits");
    fs::write(&cube, "mine")?;
    let output = drizzle(dir.path(), &[&good()], &[])?;
    ensure!(output.status.code() == Some(2), "{:?}", output.status);
    ensure!(stderr(&output).contains("--overwrite"), "{}", stderr(&output));
    ensure!(fs::read(&cube)? == b"mine" && files(dir.path())? == [cube.clone()]);
    let output = drizzle(dir.path(), &[&good()], &["--overwrite"])?;
    ensure!(output.status.success() && fs::metadata(&cube)?.len() > 1000, "{}", stderr(&output));
    Ok(())
}

#[test]
fn an_output_directory_that_cannot_be_used() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("out"), "a file")?;
    let output = drizzle(dir.path(), &[&good()], &[])?;
    ensure!(output.status.code() == Some(2), "{:?}", output.status);
    ensure!(stderr(&output).contains("output directory out"), "{}", stderr(&output));
    Ok(())
}

/// The limit on file sizes stands for a full disk: writing fails in the middle of the cube.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let limited = Command::new("sh")
        .current_dir(dir.path())
        .args(["-c", "ulimit -f 200; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_spx")])
        .args(REGION)
        .arg("--input")
        .arg(good())
        .output()?;
    let message = stderr(&limited);
    ensure!(limited.status.code() == Some(1), "{:?} {message}", limited.status);
    ensure!(message.contains("drizzle_D3.fits"), "{message}");
    ensure!(files(dir.path())?.is_empty(), "{:?}", files(dir.path())?);
    Ok(())
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("data"))?;
    // Each of another observation, for an exposure counts once.
    let mut bytes = fs::read(good())?;
    let card = b"OBSID   = '";
    let id = bytes.windows(card.len()).position(|w| w == card).context("no OBSID")?;
    for k in 0..300 {
        bytes[id + card.len()..][..4].copy_from_slice(format!("{:04}", 1000 + k).as_bytes());
        fs::write(dir.path().join(format!("data/{k}.fits")), &bytes)?;
    }
    let long = ["--xy-oversample=5", "--z-oversample=15", "--input", "data"];
    let child = spx(dir.path()).args(REGION).args(long).stderr(std::process::Stdio::piped()).spawn()?;
    std::thread::sleep(Duration::from_millis(400));
    // TERM, for a shell without job control starts what is in the background with INT ignored, and
    // ignored signals stay so.
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
    let output = child.wait_with_output()?;
    ensure!(output.status.code() == Some(130), "{:?} {}", output.status, stderr(&output));
    ensure!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    ensure!(!dir.path().join("out").exists(), "{:?}", files(&dir.path().join("out"))?);
    Ok(())
}

#[cfg(unix)]
#[test]
fn names_and_texts_of_files_do_not_reach_the_terminal_as_commands() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let name = "a\u{1b}[31m\u{9b}b.fits";
    fs::write(dir.path().join(name), fs::read(good())?)?;
    fs::write(dir.path().join("c.csv"), "id,ra,dec\n\u{1b}]0;title\u{7},x,33\n")?;
    for words in [
        &["photometry", "--ra=10", "--dec=20", name][..],
        &["inspect", name, "none\u{1b}[2J.fits"],
        &["batch", "--catalog=c.csv", "-o", "out", "--input", name],
    ] {
        let output = spx(dir.path()).args(words).output()?;
        let message = stderr(&output);
        ensure!(!message.is_empty(), "{words:?}");
        let is_harmful = |c: char| c.is_control() && c != '\n';
        ensure!(!message.contains(is_harmful), "{words:?}: {message:?}");
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_signal_that_is_ignored_at_the_start_stays_ignored() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" serve . --port 0 -q", env!("CARGO_BIN_EXE_spx")])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut address = String::new();
    std::io::BufReader::new(child.stdout.take().context("no output")?).read_line(&mut address)?;
    ensure!(address.starts_with("http://127.0.0.1:"), "{address}");
    let id = child.id().to_string();
    let kill = |signal: &str| Command::new("kill").args([signal, &id]).status();
    kill("-HUP")?;
    std::thread::sleep(Duration::from_millis(500));
    ensure!(child.try_wait()?.is_none(), "HUP has ended it");
    kill("-TERM")?;
    let status = child.wait()?;
    ensure!(status.code().is_some(), "TERM is heeded: {status:?}");
    Ok(())
}

#[test]
fn a_file_may_be_shortened_at_any_moment() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let words = "simulate --ra 186.4536 --dec 33.5468 --detectors D3 --exposures 1 --size 250 -o in -q";
    ensure!(spx(dir.path()).args(words.split(' ')).status()?.success());
    let original = files(&dir.path().join("in"))?.swap_remove(0);
    let whole = fs::read(&original)?;
    let cut = dir.path().join("cut.fits");
    let run = || {
        let mut command = spx(dir.path());
        command.args(["photometry", "--ra=186.4536", "--dec=33.5468", "-q", "cut.fits"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
    };
    fs::write(&cut, &whole)?;
    let begin = Instant::now();
    ensure!(run()?.wait()?.success());
    let whole_run = begin.elapsed();
    let mut random = fastrand::Rng::with_seed(3);
    let mut failed = 0;
    for moment in 0..100 {
        fs::write(&cut, &whole)?;
        let child = run()?;
        std::thread::sleep(whole_run.mul_f64(random.f64()));
        fs::OpenOptions::new().write(true).open(&cut)?.set_len(random.u64(..whole.len() as u64))?;
        let output = child.wait_with_output()?;
        // 3: what is left of the planes has no usable pixel there.
        ensure!(matches!(output.status.code(), Some(0 | 1 | 3)), "moment {moment}: {:?}", output.status);
        if output.status.code() == Some(1) {
            failed += 1;
            ensure!(stderr(&output).contains("cut.fits"), "moment {moment}: {}", stderr(&output));
        }
    }
    ensure!(failed > 0, "no run has met a file that was cut");
    Ok(())
}
