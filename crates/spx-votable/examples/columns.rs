//! Lists the columns of a VOTable and counts its rows: `cargo run --example columns -- FILE`.

use std::fs::File;

use spx_votable::{QueryStatus, VoTableLimits, VoTableReader};

#[expect(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: columns FILE")?;
    let mut table = VoTableReader::new(File::open(path)?, VoTableLimits::default())?;
    for field in table.fields() {
        let unit = field.unit.as_deref().unwrap_or("-");
        println!("{:<30} {:<14} {unit}", field.name, field.datatype.name());
    }
    let mut rows = 0;
    while table.next_row()?.is_some() {
        rows += 1;
    }
    let complete = table.status() != Some(&QueryStatus::Overflow);
    println!("{rows} rows{}", if complete { "" } else { ", cut off by the server" });
    Ok(())
}
