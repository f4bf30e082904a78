//! `cargo xtask bytes BEFORE [AFTER]`: do two builds of spx write the same bytes?
//!
//! Both run the commands of `xtask/bytes/commands.txt` on the same inputs, one after the other in a
//! directory of the same name, with different numbers of threads. Exit codes, files and the
//! standard output that is data are compared. What differs by its nature is left out of the
//! comparison: [`SKIPPED`] and [`VARYING`] say what, and why.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::process::{self, ServedArchive};

/// Files of which only the name is compared, by the end of the name: the state of a pipeline, whose
/// form may change as long as later versions read it, pages whose words are meant for people, and
/// what an archive says of the times of its files.
const SKIPPED: [&str; 5] =
    ["_state.toml", "_photometry.toml", "README.txt", "explorer.html", "calibration/products.toml"];
/// Lines of text files that hold the time at which the program ran.
const VARYING: [&str; 6] = [
    "\"generated\":",
    "<INFO name=\"generated\"",
    "# Generated:",
    "#   generated:",
    "\"query_time\":",
    "query_time =",
];

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
enum ListedLine {
    /// Makes inputs, with the first program only.
    Input(Vec<String>),
    /// Runs a command; the flag says that its standard output is data.
    Command(Vec<String>, bool),
    /// Starts the local archive over a directory.
    Serve(String),
}

/// What a program has left: exit codes and outputs by command, digests by file.
#[derive(Debug, Default)]
struct Traces {
    commands: Vec<(String, String)>,
    files: BTreeMap<String, String>,
}

/// Compares two programs, or one with the workspace's own dev build.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (before, after) = match arguments {
        [before] => (PathBuf::from(before), process::build_spx("dev")?),
        [before, after] => (PathBuf::from(before), PathBuf::from(after)),
        _ => bail!("bytes BEFORE [AFTER]: one or two programs"),
    };
    compare(&before, &after)
}

/// Compares what two programs write: the first on one thread, the second on three.
pub(crate) fn compare(before: &Path, after: &Path) -> Result<()> {
    let scratch = process::cache()?.join(format!("bytes-{}", std::process::id()));
    let lines = list(&fs::read_to_string(process::root().join("xtask/bytes/commands.txt"))?)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    make_inputs(&lines, &before.canonicalize().with_context(|| before.display().to_string())?, &scratch)?;
    let first = traces(&lines, before, &scratch, "before", 1, port)?;
    let second = traces(&lines, after, &scratch, "after", 3, port)?;
    let found = differences(&first, &second);
    for line in &found {
        println!("  {line}");
    }
    println!("{} commands, {} files", first.commands.len(), first.files.len());
    if !found.is_empty() {
        bail!("{} differences; both outputs are kept in {}", found.len(), scratch.display());
    }
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// The lines of the list, with the cases of testdata/cube in their place.
fn list(text: &str) -> Result<Vec<ListedLine>> {
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words = rest.split_whitespace().map(str::to_owned).collect();
        match kind {
            "inputs" => lines.push(ListedLine::Input(words)),
            "$" => lines.push(ListedLine::Command(words, false)),
            ">" => lines.push(ListedLine::Command(words, true)),
            "@serve" => lines.push(ListedLine::Serve(rest.to_owned())),
            "@cases" => lines.extend(cases()?),
            _ => bail!("xtask/bytes/commands.txt: {line}"),
        }
    }
    Ok(lines)
}

/// `spx drizzle` for each case of testdata/cube.
fn cases() -> Result<Vec<ListedLine>> {
    let text = fs::read_to_string(process::root().join("testdata/cube/cases.json"))?;
    let cases: Vec<Value> = serde_json::from_str(&text).context("testdata/cube/cases.json")?;
    let command = |case: &Value| {
        let mut words = vec!["drizzle".to_owned(), "--input".to_owned()];
        let inputs = case["inputs"].as_array().context("a case without inputs")?;
        words.extend(inputs.iter().map(|name| format!("../inputs/cube/{}", word(name))));
        for (key, value) in case["options"].as_object().context("a case without options")? {
            words.push(format!("--{}={}", key.replace('_', "-"), word(value)));
        }
        words.push(format!("--output-dir=case_{}", word(&case["name"])));
        Ok(ListedLine::Command(words, false))
    };
    cases.iter().map(command).collect()
}

/// A value of JSON as the command line takes it.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(word).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn make_inputs(lines: &[ListedLine], program: &Path, scratch: &Path) -> Result<()> {
    let inputs = scratch.join("inputs");
    let cube = inputs.join("cube");
    fs::create_dir_all(&cube).with_context(|| format!("cannot make {}", cube.display()))?;
    let root = process::root();
    for entry in fs::read_dir(root.join("testdata/cube/inputs"))? {
        let entry = entry?;
        fs::copy(entry.path(), cube.join(entry.file_name()))?;
    }
    fs::copy(root.join("xtask/bytes/sources.csv"), inputs.join("sources.csv"))?;
    for line in lines {
        if let ListedLine::Input(words) = line {
            process::output(clean(program).args(words).arg("--quiet").current_dir(&inputs))?;
        }
    }
    Ok(())
}

/// The program without settings from the environment.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPX_")) {
        command.env_remove(name);
    }
    command
}

/// Runs all commands in `scratch/work`, which is called `scratch/NAME` afterwards.
fn traces(
    lines: &[ListedLine],
    program: &Path,
    scratch: &Path,
    name: &str,
    threads: u32,
    port: u16,
) -> Result<Traces> {
    println!("{name}: {}", program.display());
    let program = program.canonicalize().with_context(|| program.display().to_string())?;
    let work = scratch.join("work");
    fs::create_dir_all(&work)?;
    let mut found = Traces::default();
    let mut archive = None;
    for line in lines {
        match line {
            ListedLine::Input(_) => {}
            ListedLine::Serve(folder) => {
                let mut serve = clean(&program);
                serve.args(["serve", folder, "--quiet", "--port", &port.to_string()]).current_dir(&work);
                archive = Some(ServedArchive::start(&mut serve)?);
            }
            ListedLine::Command(words, data) => {
                let mut command = clean(&program);
                command.args(words).current_dir(&work).env("SPX_THREADS", threads.to_string());
                if archive.is_some() {
                    command.env("SPX_ARCHIVE_URL", format!("http://127.0.0.1:{port}"));
                }
                let output = command.stdin(Stdio::null()).output()?;
                let code = output.status.code().map_or("killed".to_owned(), |code| code.to_string());
                if threads == 1 && code != "0" {
                    println!("  exit {code}: spx {}", words.join(" "));
                }
                let digest = if *data { digest(&stable(&output.stdout)) } else { "not compared".to_owned() };
                found.commands.push((words.join(" "), format!("exit {code}, output {digest}")));
            }
        }
    }
    drop(archive);
    let kept = scratch.join(name);
    fs::rename(&work, &kept)?;
    hash_files(&kept, &kept, &mut found.files)?;
    Ok(found)
}

fn hash_files(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            hash_files(root, &path, files)?;
            continue;
        }
        let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        let found = if SKIPPED.iter().any(|end| name.ends_with(end)) || is_state(&path) {
            "not compared".to_owned()
        } else {
            let bytes = fs::read(&path)?;
            digest(&if name.ends_with(".toml") { without_comments(&stable(&bytes)) } else { stable(&bytes) })
        };
        files.insert(name, found);
    }
    Ok(())
}

/// The state of `spx run`, NAME.toml beside NAME_config.toml.
fn is_state(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.extension().is_some_and(|end| end == "toml")
        && path.with_file_name(format!("{stem}_config.toml")).exists()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text without the lines of [`VARYING`] and without the ports of this machine's archives; other
/// bytes as they are.
fn stable(bytes: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if !VARYING.iter().any(|start| line.trim_start().starts_with(start)) {
            kept.push_str(&without_ports(line));
        }
    }
    kept.into_bytes()
}

/// `127.0.0.1:1234` as `127.0.0.1`: the archive of `spx demo` takes any port that is free.
fn without_ports(line: &str) -> String {
    let mut parts = line.split("127.0.0.1:");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str("127.0.0.1");
        kept.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    kept
}

/// TOML without its comments, whose wording may change.
fn without_comments(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
}

/// A line for each command and file that is not the same in both.
fn differences(before: &Traces, after: &Traces) -> Vec<String> {
    let mut found = Vec::new();
    for ((command, first), (_, second)) in before.commands.iter().zip(&after.commands) {
        if first != second {
            found.push(format!("spx {command}: {first}; now {second}"));
        }
    }
    for (name, first) in &before.files {
        match after.files.get(name) {
            None => found.push(format!("{name}: no longer written")),
            Some(second) if second != first => found.push(format!("{name}: other bytes")),
            Some(_) => {}
        }
    }
    let new = after.files.keys().filter(|name| !before.files.contains_key(*name));
    found.extend(new.map(|name| format!("{name}: not written before")));
    found
}

#[cfg(test)]
mod tests {
    use super::{ListedLine, Traces, differences, list, stable, without_comments};

    #[test]
    fn the_committed_list_is_read() {
        let lines = list(include_str!("../bytes/commands.txt")).unwrap();
        let cases = lines.iter().filter(|line| match line {
            ListedLine::Command(words, _) => words.iter().any(|word| word.starts_with("--output-dir=case_")),
            _ => false,
        });
        assert!(cases.count() > 10);
        assert!(list("? demo").is_err());
    }

    #[test]
    fn times_and_ports_do_not_count() {
        assert_eq!(stable(b"a\n  \"generated\": \"2026\"\nb"), b"a\nb");
        assert_eq!(stable(b"http://127.0.0.1:4711/x 127.0.0.1:80"), b"http://127.0.0.1/x 127.0.0.1");
        assert_eq!(stable(&[255, 10, 1]), [255, 10, 1]);
        assert_eq!(without_comments(b"# one\n\na = 1\n"), b"a = 1\n");
    }

    #[test]
    fn every_difference_is_listed() {
        let traces = |code: &str, files: &[(&str, &str)]| Traces {
            commands: vec![("demo".to_owned(), code.to_owned())],
            files: files.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        };
        let before = traces("0", &[("a", "1"), ("b", "2"), ("c", "3")]);
        assert!(differences(&before, &before).is_empty());
        let after = traces("1", &[("a", "1"), ("b", "5"), ("d", "3")]);
        assert_eq!(differences(&before, &after).len(), 4);
    }
}
