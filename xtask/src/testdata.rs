//! `cargo xtask fetch-testdata`: the real files that `testdata/real_files.json` names, into the
//! ignored folder `testdata/real`.
//!
//! spx itself asks and downloads. Each entry of the manifest gets a folder with its files and
//! `selected.toml`, the list of them, so that a query is asked once. SHA-256 sums are written to
//! `checksums.json` on first sight, and every later run compares.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::process;

/// Where an entry's list of files stands.
const SELECTED: &str = "selected.toml";

/// Where to fetch from and to.
struct Fetch {
    archive: Option<String>,
    folder: PathBuf,
    spx: PathBuf,
}

/// Checksums by path below the folder.
struct Sums {
    file: PathBuf,
    known: BTreeMap<String, String>,
}

/// Fetches every entry of the manifest. One that fails does not stop the others.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let (archive, folder) = parse(options)?;
    let fetch = Fetch { archive, folder, spx: process::build_spx("dev")? };
    fs::create_dir_all(&fetch.folder).with_context(|| fetch.folder.display().to_string())?;
    let manifest = read_json(&process::root().join("testdata/real_files.json"))?;
    let mut sums = Sums::read(fetch.folder.join("checksums.json"))?;
    let mut failed = Vec::new();
    for entry in manifest["entries"].as_array().context("real_files.json has no entries")? {
        let name = entry["name"].as_str().context("an entry has no name")?;
        println!("== {name}");
        if let Err(error) = fetch.entry(name, entry, &mut sums) {
            println!("FAIL {name}: {error:#}");
            failed.push(name);
        }
    }
    match failed.len() {
        0 => Ok(()),
        _ => bail!("failed: {}", failed.join(", ")),
    }
}

/// The archive and the folder.
fn parse(options: &[&str]) -> Result<(Option<String>, PathBuf)> {
    let (mut archive, mut into) = (None, None);
    for pair in options.chunks(2) {
        match pair {
            ["--archive-url", url] => archive = Some((*url).to_owned()),
            ["--into", folder] => into = Some(std::path::absolute(folder)?),
            _ => bail!("cargo xtask fetch-testdata [[--archive-url URL] --into DIR]"),
        }
    }
    match (archive, into) {
        (Some(_), None) => bail!("--archive-url needs --into, so that nothing stands in for the real files"),
        (archive, into) => Ok((archive, into.unwrap_or_else(|| process::root().join("testdata/real")))),
    }
}

impl Fetch {
    fn entry(&self, name: &str, entry: &Value, sums: &mut Sums) -> Result<()> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        let list = folder.join(SELECTED);
        if !list.exists() {
            let observations = match (&entry["observation"], &entry["query"]) {
                (named @ Value::Object(_), Value::Null) => vec![named.clone()],
                (Value::Null, query @ Value::Object(_)) => self.ask(query)?,
                _ => bail!("either `observation` or `query` is needed"),
            };
            fs::write(&list, summary(&observations)?)?;
        }
        let mut command = self.spx("download");
        command.arg("--query").arg(&list).arg("-o").arg(&folder);
        for (key, option) in [("size", "--cutout-size"), ("center", "--cutout-center")] {
            if let Some(value) = entry["cutout"][key].as_str() {
                command.args([option, value]);
            }
        }
        for file in process::output(&mut command)?.lines() {
            sums.check(&self.folder, Path::new(file))?;
        }
        Ok(())
    }

    fn spx(&self, name: &str) -> Command {
        let mut command = Command::new(&self.spx);
        command.arg(name).args(self.archive.iter().flat_map(|url| ["--archive-url", url]));
        command
    }

    /// The first images of each band that a query finds, by time.
    fn ask(&self, query: &Value) -> Result<Vec<Value>> {
        let number = |key: &str| query[key].as_f64().with_context(|| format!("`{key}` is no number"));
        let texts = |key: &str| query[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        let bands: Vec<&str> = texts("bands").collect();
        let mut command = self.spx("query");
        command.args([format!("--ra={}", number("ra")?), format!("--dec={}", number("dec")?)]);
        command.args(["--json", "--quiet", "--max-images=5000", "--bands", &bands.join(",")]);
        let found: Value = serde_json::from_str(&process::output(&mut command)?)?;
        let take = query["take"].as_u64().context("`take` is no number")?;
        let release = query["release"].as_str().context("`release` is missing")?;
        first_of_each(&found, &bands, release, usize::try_from(take)?)
    }
}

/// Of the images that a query has found, superseded ones too, the first of each band that are of a
/// release.
fn first_of_each(found: &Value, bands: &[&str], release: &str, take: usize) -> Result<Vec<Value>> {
    let begin = format!("ibe/data/spherex/{release}/");
    let lists = ["observations", "superseded"].map(|key| found[key].as_array());
    let mut of_release: Vec<&Value> = lists
        .into_iter()
        .flatten()
        .flatten()
        .filter(|o| o["uri"].as_str().is_some_and(|uri| uri.starts_with(&begin)))
        .collect();
    let time = |o: &Value| o["mjd_begin"].as_f64().unwrap_or(f64::INFINITY);
    of_release.sort_by(|a, b| time(a).total_cmp(&time(b)));
    let mut taken = Vec::new();
    for band in bands {
        let before = taken.len();
        taken.extend(of_release.iter().filter(|o| o["band"] == *band).take(take).map(|o| (*o).clone()));
        if taken.len() < before + take {
            bail!("the archive has {} images of {band} in {release} there, not {take}", taken.len() - before);
        }
    }
    Ok(taken)
}

/// A query summary with these observations, as `spx download --query` reads it.
fn summary(observations: &[Value]) -> Result<String> {
    let mut text = format!(
        "query_time = \"\"\narchive = \"https://irsa.ipac.caltech.edu\"\nquery = \"testdata/real_files.json\"\n\
         n_observations = {}\ntime_span_days = 0.0\ntotal_size_gb = 0.0\n\n[region]\ncenter_ra = 0.0\n\
         center_dec = 0.0\n\n[band_counts]\n",
        observations.len()
    );
    for observation in observations {
        let mut record: Map<String, Value> =
            observation.as_object().context("an observation is no object")?.clone();
        record.entry("mjd").or_insert_with(|| observation["mjd_begin"].clone());
        record.entry("download_url").or_insert_with(|| "".into());
        text.push_str("\n[[observations]]\n");
        for (key, value) in record.iter().filter(|(_, value)| !value.is_null()) {
            // Strings and numbers of these kinds are written alike in JSON and TOML.
            writeln!(text, "{key} = {value}")?;
        }
    }
    Ok(text)
}

impl Sums {
    fn read(file: PathBuf) -> Result<Self> {
        let known = match file.exists() {
            true => serde_json::from_value(read_json(&file)?).with_context(|| file.display().to_string())?,
            false => BTreeMap::new(),
        };
        Ok(Self { file, known })
    }

    /// Compares a file with what it was on first sight, or writes down what it is.
    fn check(&mut self, folder: &Path, file: &Path) -> Result<()> {
        let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let bytes = fs::read(file).with_context(|| file.display().to_string())?;
        let mut sum = String::new();
        Sha256::digest(&bytes).iter().try_for_each(|byte| write!(sum, "{byte:02x}"))?;
        match self.known.get(&name) {
            Some(known) if *known == sum => println!("{name}: as before"),
            Some(known) => bail!("{name}: SHA-256 is {sum}, was {known} on first sight"),
            None => {
                println!("{name}: seen first, SHA-256 {sum}");
                self.known.insert(name, sum);
                fs::write(&self.file, format!("{}\n", serde_json::to_string_pretty(&self.known)?))?;
            }
        }
        Ok(())
    }
}

fn read_json(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(band: &str, release: &str, mjd: f64) -> Value {
        json!({ "band": band, "mjd_begin": mjd, "uri": format!("ibe/data/spherex/{release}/level2/a.fits") })
    }

    #[test]
    fn the_first_of_each_band_are_taken() {
        let (a, b, c) = (image("D1", "qr2", 2.0), image("D1", "qr2", 1.0), image("D2", "qr2", 3.0));
        let found = json!({ "observations": [a, c, image("D1", "qr3", 0.5)], "superseded": [b] });
        assert_eq!(first_of_each(&found, &["D1", "D2"], "qr2", 1).unwrap(), [b, c]);
        let error = first_of_each(&found, &["D1", "D3"], "qr2", 1).unwrap_err().to_string();
        assert!(error.contains("0 images of D3 in qr2"), "{error}");
    }

    #[test]
    fn the_manifest_is_whole() {
        let manifest = read_json(&process::root().join("testdata/real_files.json")).unwrap();
        for entry in manifest["entries"].as_array().unwrap() {
            assert!(entry["name"].is_string());
            assert_ne!(entry["query"].is_object(), entry["observation"].is_object(), "{entry}");
        }
    }
}
