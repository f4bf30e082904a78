//! docs/tutorial.md, run as it stands: each command of its console blocks, in order, and what it
//! prints.
//!
//! `SPX_TUTORIAL_PICTURES=DIR` keeps the pictures that the commands make, for docs/images/tutorial.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

mod tools;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PICTURES: &str = "images/tutorial/";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// A command of the tutorial.
#[derive(Debug)]
struct Step {
    command: String,
    /// What it is said to print; `...` stands for any lines or text. Nothing is compared where
    /// nothing is said.
    prints: Vec<String>,
}

/// The commands of one part, the text below a heading of the second level.
fn steps(part: &str) -> Vec<Step> {
    let text = std::fs::read_to_string(docs().join("tutorial.md")).unwrap();
    let part = text.split("\n## ").find(|p| p.starts_with(part)).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for block in part.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), prints: Vec::new() }),
                None => steps.last_mut().unwrap().prints.push(line.to_owned()),
            }
        }
    }
    steps
}

/// Whether lines are those that were said, `...` standing for any, and within a line for any text.
fn agrees(said: &[String], printed: &[&str]) -> bool {
    match said {
        [] => printed.is_empty(),
        [first, rest @ ..] if first == "..." => (0..=printed.len()).any(|k| agrees(rest, &printed[k..])),
        [first, rest @ ..] => {
            printed.first().is_some_and(|line| line_agrees(first, line)) && agrees(rest, &printed[1..])
        }
    }
}

fn line_agrees(said: &str, printed: &str) -> bool {
    match said.split_once("...") {
        None => said == printed,
        Some((begin, rest)) => printed
            .strip_prefix(begin)
            .is_some_and(|p| p.char_indices().any(|(k, _)| line_agrees(rest, &p[k..])) || rest.is_empty()),
    }
}

/// A directory in which the commands run, what they have exported, and what runs in the background.
struct Shell {
    folder: tempfile::TempDir,
    exported: BTreeMap<String, String>,
    /// Addresses as the tutorial has them, and as they are: ports that are free.
    addresses: BTreeMap<String, String>,
    background: Vec<Child>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Shell {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { folder, exported: BTreeMap::new(), addresses: BTreeMap::new(), background: Vec::new() }
    }

    fn run(&mut self, step: &Step) {
        let words: Vec<&str> = step.command.split_whitespace().collect();
        match words.as_slice() {
            ["export", setting] => {
                let (name, value) = setting.split_once('=').unwrap();
                let value = self.addresses.get(value).map_or(value, String::as_str).to_owned();
                self.exported.insert(name.to_owned(), value);
            }
            ["head", lines, from, ">", to] => {
                let text = std::fs::read_to_string(self.folder.path().join(from)).unwrap();
                let count = lines.strip_prefix('-').unwrap().parse().unwrap();
                let first: Vec<&str> = text.split_inclusive('\n').take(count).collect();
                std::fs::write(self.folder.path().join(to), first.concat()).unwrap();
            }
            ["spx", arguments @ .., "&"] => self.start(arguments),
            ["spx", arguments @ ..] => {
                let output = self.spx(arguments).output().unwrap();
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
                assert!(output.status.success(), "{}\n{stdout}{stderr}", step.command);
                // On a terminal messages stand before or behind the data.
                let seen = [format!("{stdout}{stderr}"), format!("{stderr}{stdout}")];
                let said = |seen: &String| agrees(&step.prints, &seen.lines().collect::<Vec<&str>>());
                assert!(step.prints.is_empty() || seen.iter().any(said), "{step:#?}\n{}", seen[0]);
            }
            _ => panic!("the test does not know what to do with `{}`", step.command),
        }
    }

    fn spx(&self, arguments: &[&str]) -> Command {
        let mut command = tools::command(self.folder.path(), arguments);
        command.envs(&self.exported);
        command
    }

    /// Starts a server on a free port, and waits until it says its address.
    fn start(&mut self, arguments: &[&str]) {
        let port = arguments.iter().position(|word| *word == "--port");
        let mut free = arguments.to_vec();
        if let Some(at) = port {
            free[at + 1] = "0";
        }
        let mut child = self.spx(&free).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        self.background.push(child);
        assert!(address.starts_with("http://127.0.0.1:"), "{arguments:?} says {address:?}");
        if let Some(at) = port {
            let said = format!("http://127.0.0.1:{}", arguments[at + 1]);
            self.addresses.insert(said, address.trim_end().to_owned());
        }
    }
}

/// The pictures that the tutorial shows.
fn pictures_shown() -> Vec<String> {
    let text = std::fs::read_to_string(docs().join("tutorial.md")).unwrap();
    let link = format!("]({PICTURES}");
    text.split(&link).skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()).collect()
}

/// The first file of a name below a directory.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    let here = entries.iter().find(|path| path.ends_with(name)).cloned();
    here.or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name)))
}

#[test]
fn the_tutorial_runs_as_it_stands() {
    let mut shell = Shell::new();
    let part = steps("On this machine");
    assert!(part.len() >= 14, "{part:#?}");
    part.iter().for_each(|step| shell.run(step));

    let shown = pictures_shown();
    assert!(shown.len() >= 5, "{shown:?}");
    for name in shown {
        // The explorer's picture is that of a browser.
        let source = if name == "explorer.png" { "explorer.html" } else { &name };
        let made = find(shell.folder.path(), source);
        let made = made.unwrap_or_else(|| panic!("no command of the tutorial makes {source}"));
        if let Some(keep) = std::env::var_os("SPX_TUTORIAL_PICTURES") {
            std::fs::copy(made, Path::new(&keep).join(source)).unwrap();
        }
        assert!(docs().join(PICTURES).join(&name).exists(), "{name} is not in docs");
    }

    // The part on IRSA names no archive: here its commands ask the local one.
    let mut irsa = Shell::new();
    irsa.exported = shell.exported.clone();
    let part = steps("From IRSA");
    assert!(part.len() >= 7, "{part:#?}");
    part.iter().for_each(|step| irsa.run(step));
}

#[test]
#[ignore = "asks IRSA for some hundred MB"]
fn the_part_on_irsa_runs_on_irsa() {
    let mut shell = Shell::new();
    steps("From IRSA").iter().for_each(|step| shell.run(step));
}

#[test]
fn dots_stand_for_anything() {
    let said = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
    for (lines, expected) in [
        (&["a", "...", "c"][..], true),
        (&["a", "b", "c"], true),
        (&["..."], true),
        (&["...", "a", "b", "c", "..."], true),
        (&["a", "b"], false),
        (&["a", "...", "b"], false),
        (&["b", "..."], false),
    ] {
        assert_eq!(agrees(&said(lines), &["a", "b", "c"]), expected, "{lines:?}");
    }
    for (line, expected) in
        [("30 files (...), none", true), ("30...", true), ("...none", true), ("30 files (...)", false)]
    {
        assert_eq!(line_agrees(line, "30 files (4 MB), none"), expected, "{line}");
    }
}
