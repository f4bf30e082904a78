//! The columns that documents list are those that the commands write.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use std::path::Path;

use tools::{done, input};

mod tools;

/// The names in the first cells of a table in a document, whose head begins so.
fn listed(document: &str, head: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let cells = rows.take_while(|line| line.starts_with('|')).filter_map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| cell.split(',')).map(|name| name.trim().trim_matches('`').to_owned()).collect()
}

/// The names that head a CSV table.
fn header(text: &str) -> Vec<String> {
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap();
    line.split(',').map(str::to_owned).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn tables_have_the_columns_of_the_documents() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let image = input("d3_a.fits").display().to_string();
    let place = ["--ra=186.4536", "--dec=33.5468"];
    let stdout = |words: &[&str]| done(folder, &[words, &place].concat()).stdout;
    let measured = header(&stdout(&["photometry", &image]));
    let of_files = ["file", "status", "reason"].map(str::to_owned);
    let documented = [listed("photometry.md", "| column | `irsa` |"), of_files.into()].concat();
    assert_eq!(sorted(measured), sorted(documented));

    std::fs::write(folder.join("c.csv"), "id,ra,dec\n1,186.4536,33.5468\n").unwrap();
    done(folder, &["batch", "--catalog=c.csv", "--input", &image, "-o", "batch"]);
    let curve = std::fs::read_to_string(folder.join("batch/lightcurves/1.csv")).unwrap();
    assert_eq!(header(&curve), listed("batch.md", "| column | unit | |"));

    let spectrum = done(folder, &["spectrum", "batch/lightcurves/1.csv"]).stdout;
    assert_eq!(sorted(header(&spectrum)), sorted(listed("photometry.md", "| column | | |")));

    stdout(&["drizzle", "--width=2", "--height=2", "--detector=3", "-o", "cubes", "--input", &image]);
    let cube = stdout(&["cube", "spectrum", "cubes/drizzle_D3.fits", "--radius=12"]);
    assert_eq!(header(&cube), listed("cubes.md", "| column | |"));
}
