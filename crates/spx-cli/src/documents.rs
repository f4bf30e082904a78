//! Tests of README.md and docs: what they say of options must be so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::{Command, CommandFactory as _};

use crate::cli::Cli;
use crate::exit::Outcome;

/// Options of cargo, xtask and other programs in examples.
const FOREIGN_OPTIONS: [&str; 9] =
    ["bench", "help", "nocapture", "path", "quick", "rerun-incomplete", "test", "unlock", "workspace"];

/// All options, each with the defaults that commands give it.
fn options() -> BTreeMap<String, BTreeSet<String>> {
    fn collect(command: &Command, found: &mut BTreeMap<String, BTreeSet<String>>) {
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let of_setting = help.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
            let values =
                argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
            let defaults = values.chain(of_setting.map(|(value, _)| value.to_owned()));
            let defaults: BTreeSet<String> = defaults.map(|value| plain(&value)).collect();
            for name in argument.get_long_and_visible_aliases().into_iter().flatten() {
                found.entry(name.to_owned()).or_default().extend(defaults.iter().cloned());
            }
        }
        command.get_subcommands().for_each(|child| collect(child, found));
    }
    let mut command = Cli::command();
    command.build();
    let mut found = BTreeMap::new();
    collect(&command, &mut found);
    found
}

/// A value without its unit, numbers in one form.
fn plain(value: &str) -> String {
    let first = value.trim().trim_matches('`').split(' ').next().unwrap_or_default();
    first.parse::<f64>().map_or_else(|_| first.to_owned(), |number| number.to_string())
}

/// Names and texts of the documents.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let markdown = docs.chain([root.join("README.md")]).filter(|p| p.extension().is_some_and(|e| e == "md"));
    markdown.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn documents_name_options_that_exist() {
    let known = options();
    for (path, text) in documents() {
        let starts = text.match_indices("--").filter(|(at, _)| text[..*at].ends_with([' ', '`', '(', '\n']));
        for (at, _) in starts {
            let name =
                text[at + 2..].split(|c: char| !(c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit()));
            let name = name.into_iter().next().unwrap_or_default();
            let exists = name.is_empty() || name.starts_with('-') || known.contains_key(name);
            assert!(exists || FOREIGN_OPTIONS.contains(&name), "{path}: --{name} is no option");
        }
    }
}

/// Options and defaults that a document states: `` `--name VALUE` (default `` or `, the default`;
/// `` `--name` (default VALUE``, `, by default VALUE` or `(VALUE)` with a number; and tables with a
/// column `option` and a column `default`.
fn stated(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (at, _) in words.match_indices("`--") {
        let Some((option, rest)) = words[at + 3..].split_once('`') else { continue };
        let (name, value) = option.split_once(' ').unwrap_or((option, ""));
        let is_default = rest.starts_with(" (default") || rest.starts_with(", the default");
        if !value.is_empty() {
            found.extend(is_default.then(|| (name.to_owned(), plain(value))));
            continue;
        }
        let marked = [" (default ", ", by default "].iter().find_map(|start| rest.strip_prefix(start));
        let number = rest.strip_prefix(" (").and_then(|rest| rest.split_once(')')).map(|(number, _)| number);
        let number = number.filter(|number| number.parse::<f64>().is_ok());
        let end = |c: char| c == ')' || c == ';' || c == ',' || c == ' ';
        let value = marked.and_then(|value| value.split(end).next()).or(number);
        found.extend(value.map(|value| (name.to_owned(), plain(value))));
    }
    let mut is_table = false;
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        is_table = line.starts_with('|') && (is_table || cells.get(1..3) == Some(&["option", "default"]));
        if let (true, [_, options, defaults, ..]) = (is_table, cells.as_slice()) {
            let names = options.split(", ").filter_map(|name| name.strip_prefix("`--"));
            let values = defaults.split(", ").filter(|value| !value.is_empty());
            let pairs = names.zip(values);
            found.extend(pairs.map(|(name, value)| (name.trim_end_matches('`').to_owned(), plain(value))));
        }
    }
    found
}

#[test]
fn documents_state_the_defaults() {
    let known = options();
    let mut count = 0;
    for (path, text) in documents() {
        for (name, value) in stated(&text) {
            let defaults = known.get(&name).unwrap_or_else(|| panic!("{path}: --{name} is no option"));
            assert!(
                defaults.contains(&value),
                "{path}: the default of --{name} is {defaults:?}, not {value}"
            );
            count += 1;
        }
    }
    assert!(count >= 30, "only {count} defaults are stated in a form that this test knows");
}

/// Numbers in the first cells of a table whose head has this text.
fn first_cells(text: &str, head: &str) -> BTreeSet<u8> {
    let rows = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.filter_map(|line| line.split('|').nth(1)?.trim().parse().ok()).collect()
}

#[test]
fn documents_and_help_state_the_exit_codes() {
    let codes =
        |outcomes: &[Outcome]| outcomes.iter().map(|outcome| outcome.code()).collect::<BTreeSet<u8>>();
    let common = codes(Outcome::ALL[0]);
    let all: BTreeSet<u8> = Outcome::ALL.concat().into_iter().map(Outcome::code).collect();
    let help = Cli::command().render_help().to_string();
    let stated = help.split_once("Exit codes: ").unwrap().1.split_once('.').unwrap().0;
    let stated = stated.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok());
    assert_eq!(stated.collect::<BTreeSet<u8>>(), common);
    let documents: BTreeMap<String, String> = documents().into_iter().collect();
    let document = |name: &str| {
        documents.iter().find(|(path, _)| path.ends_with(name)).map(|(_, text)| text.as_str()).unwrap()
    };
    let archive = document("archive.md").split_once("## Exit codes").unwrap().1;
    assert_eq!(first_cells(archive, "| | |"), common);
    assert_eq!(first_cells(document("survey.md"), "| exit code |"), all);
    for (path, text) in &documents {
        let numbers = text.split("exit code ").skip(1).filter_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u8>().ok()
        });
        for number in numbers {
            assert!(all.contains(&number), "{path}: there is no exit code {number}");
        }
    }
}

#[test]
fn statements_of_defaults_are_found() {
    let text = "`--a 5` (default), `--b` (default 2.50 px; more), `--c`, by default\nx, `--d` (0.7), `--e y`, the \
                default, `--f` (no), `--g z`\n| option | default | |\n|---|---|---|\n| `--h`, `--i` | 1, 2 deg | |\n";
    let found: Vec<String> =
        stated(text).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(found, ["a=5", "b=2.5", "c=x", "d=0.7", "e=y", "h=1", "i=2"]);
}

/// README.md promises it.
#[test]
fn every_command_has_examples() {
    fn check(name: &str, command: &mut Command) {
        // Those of `help` are made by clap.
        let children: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
        for child in children.iter().filter(|child| *child != "help") {
            check(&format!("{name} {child}"), command.find_subcommand_mut(child).unwrap());
        }
        // `spx config show` shows what its commands take.
        let is_shown = name.starts_with("spx config show ");
        let help = command.render_long_help().to_string();
        assert!(!children.is_empty() || is_shown || help.contains("Example"), "{name} has no examples");
    }
    let mut command = Cli::command();
    command.build();
    check("spx", &mut command);
}
