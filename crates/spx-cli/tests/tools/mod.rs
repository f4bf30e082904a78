//! What the tests of several commands share: running the binary, making a cube, reading files
//! directly.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod hostile;
pub(crate) mod local;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use spx_core::fits::{FitsNumber, FitsReader, FitsWriter};
use spx_core::header::Header;

/// How a run of `spx` ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The report on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.stdout, self.stderr))
    }

    /// Asserts the exit code, and that standard error is one line that contains each word.
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {}", self.stderr);
        }
    }

    /// Asserts that it was done, without any message.
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self
    }
}

/// `spx` in a directory, with nothing of spx in its environment.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spx"));
    command.current_dir(folder).args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SPX_")) {
        command.env_remove(name);
    }
    // Calibration products of the user are none of theirs; a relative path would not count.
    command.env("XDG_CACHE_HOME", std::path::absolute(folder.join("cache")).unwrap());
    command
}

/// Gives it the user's cache again, which code that runs within the test has.
pub(crate) fn sharing_cache(mut command: Command) -> Command {
    match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => command.env("XDG_CACHE_HOME", cache),
        None => command.env_remove("XDG_CACHE_HOME"),
    };
    command
}

/// Runs `spx` in a directory to its end.
pub(crate) fn spx(folder: &Path, arguments: &[&str]) -> Run {
    ended(command(folder, arguments))
}

/// Runs a command to its end.
pub(crate) fn ended(mut command: Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A committed input.
pub(crate) fn input(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/cube/inputs").join(name)
}

/// A committed input as another exposure: of copies of one exposure only one is used.
pub(crate) fn exposure(number: usize) -> Vec<u8> {
    let mut bytes = std::fs::read(input("d3_a.fits")).unwrap();
    let text = b"'2025W51_1A_0001_1'";
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    bytes[at..at + text.len()].copy_from_slice(format!("'2025W51_1A_{number:04}_4'").as_bytes());
    bytes
}

/// Flux corrections that change nothing: one of the inputs is of the other release, and sums take
/// one flux scale alone. Made once and kept in the target directory.
pub(crate) fn unity_file() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("l3_flux_corrections_D3_unity.fits");
    if !place.exists() {
        let new = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = new.path().join("unity.fits");
        let mut fits = FitsWriter::create(&file).unwrap();
        let mut cards = Header::new();
        cards.set("EXTNAME", "IMAGE", "");
        fits.image::<u8>(&[], &Header::new()).unwrap();
        fits.image::<f32>(&[2040, 2040], &cards).unwrap();
        fits.write_pixels(0, &vec![1_f32; 2040 * 2040]).unwrap();
        fits.finish().unwrap();
        // Another test may have been faster; its file is the same.
        std::fs::rename(file, &place).ok();
    }
    place
}

/// The option for [`unity_file`].
pub(crate) fn unity() -> String {
    format!("--flux-corrections={}", unity_file().display())
}

/// A directory with `cube.fits` in it: 25 x 21 pixels, 17 planes, of which 4 have data.
pub(crate) fn folder_with_cube() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let inputs: Vec<String> =
        ["d3_a.fits", "d3_b.fits", "d3_c.fits", "d3_f.fits"].map(|n| input(n).display().to_string()).into();
    let mut arguments = vec!["drizzle", "--ra=186.4536", "--dec=33.5468", "--width=2.6", "--height=2.2"];
    arguments.extend(["--detector=3", "-o", "out", "-q", "--input"]);
    arguments.extend(inputs.iter().map(String::as_str));
    let run = spx(folder.path(), &arguments);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    std::fs::rename(folder.path().join("out/drizzle_D3.fits"), folder.path().join("cube.fits")).unwrap();
    std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    folder
}

/// All values of an image.
pub(crate) fn image<T: FitsNumber>(path: &Path, hdu: &str) -> Vec<T> {
    let mut file = FitsReader::open(path).unwrap();
    file.move_to(hdu).unwrap();
    let mut values = vec![T::default(); file.image_shape().unwrap().iter().product()];
    file.read_pixels(0, &mut values).unwrap();
    values
}

/// The names in a directory, sorted; hidden ones too.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A state file without the lines that hold the times of inputs, which no two runs share; other
/// bytes as they are.
pub(crate) fn without_modification_times(bytes: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
    let is_time = |line: &&str| ["modified = ", "changed = "].iter().any(|start| line.starts_with(start));
    text.split_inclusive('\n').filter(|line| !is_time(line)).collect::<String>().into_bytes()
}

/// The records of a CSV file, by column.
pub(crate) fn table(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let named = |record: csv::StringRecord| {
        names.iter().zip(record.iter()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    };
    reader.records().map(|record| named(record.unwrap())).collect()
}

/// Runs spx, which must succeed, whatever it tells.
pub(crate) fn done(folder: &Path, arguments: &[&str]) -> Run {
    let run = spx(folder, arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.stderr);
    run
}
