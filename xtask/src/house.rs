//! `cargo xtask house`: figures of the source code, and the limits that `cargo xtask check house`
//! sets to them.
//!
//! Code is what stands in `src` of a crate, without test modules; names in tests and examples do
//! not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{process, tidy};

/// The largest share of declarations of types whose name is declared again elsewhere.
const MAX_REPEATED: f64 = 0.15;
/// Settings whose places are counted: of photometry, drizzle, zodiacal light, archive, batch,
/// figures, and runs.
const SETTINGS: [&str; 8] = [
    "annulus_inner_offset",
    "sigma_threshold",
    "xy_shrink",
    "bg_fraction_min",
    "max_images",
    "num_buckets",
    "wavelength_cmap",
    "cutout_size",
];

/// A source file of a crate.
struct SourceFile {
    krate: String,
    /// Within the workspace.
    name: String,
    text: String,
}

impl SourceFile {
    /// Whether it is part of the product: in `src`, and not a module of tests.
    fn is_code(&self) -> bool {
        let inside = self.name.split('/').skip_while(|part| *part != "src");
        let parts: Vec<&str> = inside.collect();
        !parts.is_empty() && !parts.iter().any(|part| ["tests", "tests.rs", "testing.rs"].contains(part))
    }

    /// The lines before the tests, without comments.
    fn code(&self) -> impl Iterator<Item = &str> {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        self.text[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
    }

    /// The module below `src` that it belongs to; `None` for the crate's root.
    fn module(&self) -> Option<&str> {
        let (_, inside) = self.name.split_once("/src/")?;
        let first = inside.split('/').next()?.trim_end_matches(".rs");
        (!["lib", "main"].contains(&first)).then_some(first)
    }
}

/// What is measured.
struct Figures {
    files: Vec<SourceFile>,
    repeated: BTreeMap<String, Vec<String>>,
    declarations: usize,
    circles: Vec<String>,
}

impl Figures {
    fn measure(root: &Path) -> Result<Self> {
        let files = sources(root)?;
        let code: Vec<&SourceFile> = files.iter().filter(|file| file.is_code()).collect();
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in &code {
            for name in file.code().filter_map(declared) {
                names.entry(name.to_owned()).or_default().push(file.name.clone());
            }
        }
        let declarations = names.values().map(Vec::len).sum();
        names.retain(|_, places| places.len() > 1);
        let circles = circles(&code);
        Ok(Self { files, repeated: names, declarations, circles })
    }

    fn share(&self) -> f64 {
        let repeated: usize = self.repeated.values().map(Vec::len).sum();
        repeated as f64 / self.declarations.max(1) as f64
    }
}

/// Prints the figures of the workspace, or of another copy of it.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let root = match arguments {
        [] => process::root(),
        [root] => root.into(),
        _ => bail!("house [ROOT]: the directory of a workspace"),
    };
    let figures = Figures::measure(&root)?;
    println!("lines                 code   tests, examples, benchmarks");
    let mut sums: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for file in &figures.files {
        let lines = file.text.lines().count();
        for krate in [file.krate.as_str(), "~ all"] {
            sums.entry(krate).or_default()[usize::from(!file.is_code())] += lines;
        }
    }
    for (krate, [code, rest]) in &sums {
        println!("  {:<18} {code:>6} {rest:>6}", krate.trim_start_matches("~ "));
    }
    println!(
        "type names declared more than once: {:.1} % of {}",
        100.0 * figures.share(),
        figures.declarations
    );
    for (name, places) in &figures.repeated {
        println!("  {name} ({}): {}", places.len(), places.join(", "));
    }
    println!("modules that import each other: {}", figures.circles.len());
    print_lines(&figures.circles);
    println!("lines of code that name a setting (files)");
    for setting in SETTINGS {
        let (lines, places) = named(&figures.files, setting);
        println!("  {setting:<22} {lines:>3} ({places})");
    }
    Ok(())
}

/// The step of `cargo xtask check`: one line for each limit that is exceeded.
pub(crate) fn violations(root: &Path) -> Result<Vec<String>> {
    let figures = Figures::measure(root)?;
    let mut found = Vec::new();
    if figures.share() > MAX_REPEATED {
        let (share, most) = (100.0 * figures.share(), 100.0 * MAX_REPEATED);
        found
            .push(format!("{share:.1} % of the type names are declared again elsewhere, more than {most} %"));
    }
    let circles = figures.circles.iter();
    found.extend(circles.map(|circle| format!("{circle} import each other")));
    Ok(found)
}

fn print_lines(lines: &[String]) {
    for line in lines {
        println!("  {line}");
    }
}

/// The Rust files of all crates and of xtask.
fn sources(root: &Path) -> Result<Vec<SourceFile>> {
    let mut paths = Vec::new();
    for folder in ["crates", "xtask"] {
        tidy::collect(&root.join(folder), &mut paths)?;
    }
    paths.sort();
    let rust = paths.iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    rust.map(|path| {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let krate = name.trim_start_matches("crates/").split('/').next().unwrap_or_default().to_owned();
        Ok(SourceFile { krate, name, text })
    })
    .collect()
}

/// The name of the type or trait that a line declares; types of implementations, which are
/// indented, are not new names.
fn declared(line: &str) -> Option<&str> {
    let indented = line.starts_with(char::is_whitespace);
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let visible = ["pub", "crate", "super", "in", "unsafe"];
    let kind = words.find(|word| !visible.contains(word))?;
    let declares = match kind {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => !indented,
        _ => false,
    };
    declares.then(|| words.next()).flatten().filter(|name| name.starts_with(char::is_uppercase))
}

/// Pairs of modules of one crate, each of which names the other.
fn circles(code: &[&SourceFile]) -> Vec<String> {
    let mut modules: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in code {
        modules.entry(&file.krate).or_default().extend(file.module());
    }
    let mut edges: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    for file in code {
        let Some(from) = file.module() else { continue };
        let text: String = file.code().flat_map(|line| [line, "\n"]).collect();
        for to in &modules[file.krate.as_str()] {
            if *to != from && names_module(&text, to) {
                edges.insert((&file.krate, from, to));
            }
        }
    }
    let mutual = edges.iter().filter(|(krate, a, b)| a < b && edges.contains(&(*krate, *b, *a)));
    mutual.map(|(krate, a, b)| format!("{krate}: {a} and {b}")).collect()
}

/// Whether code names `crate::module`, alone or in a list of imports.
fn names_module(code: &str, module: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let direct = code.split("crate::").skip(1);
    let mut listed = code.split("use crate::{").skip(1).filter_map(|rest| rest.split_once("};"));
    direct.into_iter().any(|rest| rest.strip_prefix(module).is_some_and(ends))
        || listed.any(|(list, _)| {
            let mut words = list.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.any(|word| word == module)
        })
}

/// How many lines of code name a setting, as a key or as an option, and in how many files.
fn named(files: &[SourceFile], setting: &str) -> (usize, usize) {
    let option = setting.replace('_', "-");
    let has = |line: &&str| tidy::has_word(line, setting) || line.contains(&option);
    let counts = files.iter().filter(|file| file.is_code()).map(|file| file.code().filter(has).count());
    counts.filter(|count| *count > 0).fold((0, 0), |(lines, places), count| (lines + count, places + 1))
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, circles, declared, named, names_module};

    fn file(name: &str, text: &str) -> SourceFile {
        SourceFile { krate: "a".to_owned(), name: name.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn declarations_are_found() {
        assert_eq!(declared("pub(crate) struct Row<'a> {"), Some("Row"));
        assert_eq!(declared("    enum Kind {"), Some("Kind"));
        assert_eq!(declared("type Step = u8;"), Some("Step"));
        assert_eq!(declared("    type Err = X;"), None);
        assert_eq!(declared("let structure = 1;"), None);
    }

    #[test]
    fn circles_are_found() {
        let one = file("crates/a/src/one.rs", "use crate::{Other, two::Two};\n");
        let two = file("crates/a/src/two/mod.rs", "//! crate::one\nuse crate::one::One;\n");
        let three = file("crates/a/src/three.rs", "use crate::one::One;\n");
        assert_eq!(circles(&[&one, &two, &three]), ["a: one and two"]);
        assert!(names_module("crate::one::f()", "one") && !names_module("crate::one_more::f()", "one"));
    }

    #[test]
    fn code_is_told_from_tests_and_comments() {
        let text =
            "// max_images\nlet max_images = 1;\n\"--max-images\"\n#[cfg(test)]\nmod tests {\nmax_images\n";
        assert_eq!(named(&[file("crates/a/src/one.rs", text)], "max_images"), (2, 1));
        assert_eq!(named(&[file("crates/a/tests/one.rs", text)], "max_images"), (0, 0));
    }
}
