//! Tidiness of the source files: module documentation, length, `unsafe`, leftovers, licenses.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The longest a source file may be, in lines.
const MAX_LINES: usize = 700;
/// The longest a comment line may be, in characters; rows of tables are not broken.
const MAX_COMMENT: usize = 100;
/// What no committed file may keep; spelled so that this file does not trip over itself.
const LEFTOVERS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// The one module that may use unsafe code: the mapping of a file.
const UNSAFE_HOME: &str = "crates/spx-core/src/fits/mapped.rs";

/// Every rule on the files below `root`; one line for each violation.
pub(crate) fn violations(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        if !root.join(file).is_file() {
            found.push(format!("{file} is missing"));
        }
    }
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    for path in files {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        found.extend(file_violations(&name, &text));
    }
    Ok(found)
}

/// All Rust and Python files below `folder`.
pub(crate) fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.is_dir() {
            collect(&path, files)?;
        } else if ["rs", "py"].contains(&extension) {
            files.push(path);
        }
    }
    Ok(())
}

fn file_violations(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let rust = name.ends_with(".rs");
    let opening = text.lines().find(|line| !line.starts_with("#!/")).unwrap_or_default();
    let documented = opening.starts_with(if rust { "//!" } else { "\"\"\"" });
    if !documented {
        found.push(format!("{name}:1: does not open with its documentation"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{name}: {lines} lines, more than {MAX_LINES}"));
    }
    let may_be_unsafe = name == UNSAFE_HOME;
    for (number, line) in text.lines().enumerate().map(|(k, line)| (k + 1, line)) {
        if rust && is_long_comment(line) {
            found.push(format!("{name}:{number}: a comment of more than {MAX_COMMENT} characters"));
        }
        if let Some(word) = LEFTOVERS.iter().find(|word| has_word(line, word)) {
            found.push(format!("{name}:{number}: {word}"));
        }
        if rust && !may_be_unsafe && has_word(&code_of(line), "unsafe") {
            found.push(format!("{name}:{number}: unsafe code outside {UNSAFE_HOME}"));
        }
    }
    found
}

fn is_long_comment(line: &str) -> bool {
    let Some(comment) = line.trim_start().strip_prefix("//") else { return false };
    let table = comment.trim_start_matches(['/', '!', ' ']).starts_with('|');
    line.chars().count() > MAX_COMMENT && !table
}

/// `word` in `line`, not as a part of a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(part)
            && !line[at + word.len()..].chars().next().is_some_and(part)
    })
}

/// A line without its string literals and line comment. Good enough for a tidy check: it knows no
/// raw strings and no literals of several lines.
fn code_of(line: &str) -> String {
    let (mut code, mut in_string) = (String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if in_string => drop(characters.next()),
            '"' => in_string = !in_string,
            '/' if !in_string && characters.peek() == Some(&'/') => break,
            _ if !in_string => code.push(c),
            _ => {}
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::{MAX_COMMENT, MAX_LINES, code_of, file_violations, has_word};

    fn count(name: &str, text: &str) -> usize {
        file_violations(name, text).len()
    }

    #[test]
    fn files_open_with_documentation() {
        assert_eq!(count("crates/a/src/lib.rs", "//! What it is.\nfn f() {}\n"), 0);
        assert_eq!(count("crates/a/src/lib.rs", "// What it is.\nfn f() {}\n"), 1);
        assert_eq!(count("crates/a/src/lib.rs", ""), 1);
        assert_eq!(count("xtask/python/a.py", "#!/usr/bin/env python3\n\"\"\"What it is.\"\"\"\n"), 0);
        assert_eq!(count("xtask/python/a.py", "import os\n"), 1);
    }

    #[test]
    fn files_are_short() {
        let long = |lines| "//! x\n".repeat(lines);
        assert_eq!(count("a.rs", &long(MAX_LINES)), 0);
        assert_eq!(count("a.rs", &long(MAX_LINES + 1)), 1);
    }

    #[test]
    fn comments_are_narrow() {
        let comment = |start: &str| format!("//! x\n{start}{}\n", "a".repeat(MAX_COMMENT - 3));
        assert_eq!(count("a.rs", &comment("// ")), 0);
        assert_eq!(count("a.rs", &comment("/// ")), 1);
        assert_eq!(count("a.rs", &comment("//! | ")), 0);
    }

    #[test]
    fn leftovers_are_found_in_comments() {
        let text = format!("//! x\n// {}: later\n", concat!("TO", "DO"));
        assert_eq!(count("a.rs", &text), 1);
        assert_eq!(count("a.rs", "//! x\n#![warn(clippy::todo)]\n"), 0);
    }

    #[test]
    fn unsafe_code_has_one_home() {
        let text = "//! x\nfn f() { unsafe { g() } }\n";
        assert_eq!(count("crates/spx-core/src/fits/mapped.rs", text), 0);
        assert_eq!(count("crates/spx-core/src/fits/raw.rs", text), 1);
        assert_eq!(count("crates/spx-wcs/src/lib.rs", text), 1);
        assert_eq!(
            count("crates/spx-wcs/src/lib.rs", "//! unsafe\n#![forbid(unsafe_code)]\nlet a = \"unsafe\";\n"),
            0
        );
    }

    #[test]
    fn words_and_code_are_told_apart() {
        assert!(has_word("a unsafe{", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert_eq!(code_of(r#"f("a\" // b") // c"#), "f() ");
    }
}
