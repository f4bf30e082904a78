//! The catalogue, whatever kind of file holds it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use spx_batch::{Catalogue, CatalogueBuilder, CatalogueColumns, CatalogueRow, FileKind, check_unit};
use spx_votable::{VoTableCell, VoTableLimits, VoTableReader, VoTableType};

/// A catalogue of the user's own has no limit but the memory.
const LIMITS: VoTableLimits =
    VoTableLimits { document: u64::MAX, rows: usize::MAX, piece: 1 << 20, fields: 10_000, depth: 32 };

/// Reads a catalogue; `epoch` \[yr\] counts where its rows have none.
///
/// # Errors
/// The file, and what makes it no catalogue. Single bad rows are no error: the catalogue remembers them.
pub(super) fn read(path: &Path, epoch: Option<f64>) -> anyhow::Result<Catalogue> {
    match FileKind::of(path)? {
        FileKind::VoTable => votable(path, epoch).with_context(|| format!("catalogue {}", path.display())),
        FileKind::Csv | FileKind::Ecsv | FileKind::Parquet => Ok(Catalogue::read(path, epoch)?),
    }
}

/// Lines are rows of the table, counted from 1.
fn votable(path: &Path, epoch: Option<f64>) -> anyhow::Result<Catalogue> {
    let mut reader = VoTableReader::new(BufReader::new(File::open(path)?), LIMITS)?;
    let fields = reader.fields();
    let columns = CatalogueColumns::find(fields.iter().map(|f| f.name.as_str()), epoch.is_some());
    let columns = columns.map_err(|e| anyhow!(e))?;
    for column in columns.position {
        let unit = fields[column].unit.as_deref().unwrap_or_default();
        check_unit(&fields[column].name, unit).map_err(|e| anyhow!(e))?;
    }
    let id = &fields[columns.id];
    if matches!(id.datatype, VoTableType::Float | VoTableType::Double) {
        return Err(anyhow!("column {} holds floating-point numbers: ids are text or integers", id.name));
    }
    let mut builder = CatalogueBuilder::new(epoch);
    let mut line = 0;
    while let Some(cells) = reader.next_row()? {
        line += 1;
        let id = match &cells[columns.id] {
            VoTableCell::Text(text) => text.clone(),
            VoTableCell::Int(number) => number.to_string(),
            VoTableCell::Null => String::new(),
            _ => {
                builder.reject(line, "the targetid is neither text nor an integer".to_owned());
                continue;
            }
        };
        let number = |column: usize| cells[column].real().unwrap_or(f64::NAN);
        builder.push(
            line,
            CatalogueRow {
                id: &id,
                ra: number(columns.position[0]),
                dec: number(columns.position[1]),
                motion: columns.motion.map_or([f64::NAN; 2], |motion| motion.map(number)),
                epoch: columns.epoch.map_or(f64::NAN, number),
            },
        );
    }
    Ok(builder.finish(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(fields: &str, rows: &str) -> anyhow::Result<Catalogue> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.4\"><RESOURCE><TABLE>{fields}<DATA><TABLEDATA>{rows}\
             </TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
        );
        std::fs::write(file.path(), text).unwrap();
        read(file.path(), None)
    }

    fn fields(id: &str, unit: &str) -> String {
        format!(
            "<FIELD name=\"TARGETID\" datatype=\"{id}\"/><FIELD name=\"RA\" datatype=\"double\" unit=\"{unit}\"/>\
             <FIELD name=\"dec\" datatype=\"float\" unit=\"deg\"/>"
        )
    }

    #[test]
    fn votables_are_catalogues() {
        let row = |id: &str, ra: &str| format!("<TR><TD>{id}</TD><TD>{ra}</TD><TD>2.5</TD></TR>");
        let rows = [row("39633458707826492", "1.5"), row("2", "NaN"), row("39633458707826492", "3")].concat();
        let found = catalogue(&fields("long", "deg"), &rows).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found.target(0).id, "39633458707826492");
        assert_eq!((found.target(0).position.ra(), found.target(0).position.dec()), (1.5, 2.5));
        let problems: Vec<String> = found.rejected().iter().map(ToString::to_string).collect();
        assert!(problems[0].starts_with("line 2: 2: no number for ra"), "{problems:?}");
        assert!(problems[1].starts_with("line 3: 39633458707826492: line 1 has"), "{problems:?}");
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        let row = "<TR><TD>1</TD><TD>1.5</TD><TD>2.5</TD></TR>";
        for (fields, word) in [
            (fields("double", "deg"), "floating-point"),
            (fields("long", "rad"), "column RA is in rad"),
            (fields("long", "deg").replace("TARGETID", "ID"), "no column targetid"),
        ] {
            let error = format!("{:#}", catalogue(&fields, row).unwrap_err());
            assert!(error.contains(word), "{error}");
        }
    }
}
