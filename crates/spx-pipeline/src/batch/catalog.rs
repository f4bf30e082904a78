//! The catalog, whatever kind of file holds it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use spx_batch::{Catalog, CatalogBuilder, CatalogColumns, CatalogFormat, CatalogRow, check_unit};
use spx_votable::{VoTableCell, VoTableLimits, VoTableReader, VoTableType};

use crate::{PipelineError, ResultContext as _};

/// A catalog of the user's own has no limit but the memory.
const LIMITS: VoTableLimits =
    VoTableLimits { document: u64::MAX, rows: usize::MAX, piece: 1 << 20, fields: 10_000, depth: 32 };

/// Reads a catalog; `epoch` \[yr\] counts where its rows have none.
///
/// # Errors
/// The file, and what makes it unusable as a catalog. Single bad rows are no error: the catalog remembers them.
pub fn read_catalog(path: &Path, epoch: Option<f64>) -> Result<Catalog, PipelineError> {
    match CatalogFormat::of(path).map_err(PipelineError::failed)? {
        CatalogFormat::VoTable => votable(path, epoch).with_context(|| format!("catalog {}", path.display())),
        CatalogFormat::Csv | CatalogFormat::Ecsv | CatalogFormat::Parquet => {
            Catalog::read(path, epoch).map_err(PipelineError::failed)
        }
    }
}

/// Lines are rows of the table, counted from 1.
fn votable(path: &Path, epoch: Option<f64>) -> Result<Catalog, PipelineError> {
    let mut reader = VoTableReader::new(BufReader::new(File::open(path)?), LIMITS)?;
    let fields = reader.fields();
    let columns = CatalogColumns::find(fields.iter().map(|f| f.name.as_str()), epoch.is_some());
    let columns = columns.map_err(PipelineError::failed)?;
    for column in columns.position {
        let unit = fields[column].unit.as_deref().unwrap_or_default();
        check_unit(&fields[column].name, unit).map_err(PipelineError::failed)?;
    }
    let id = &fields[columns.id];
    if matches!(id.datatype, VoTableType::Float | VoTableType::Double) {
        return Err(PipelineError::failed(format!(
            "column {} holds floating-point numbers: ids are text or integers",
            id.name
        )));
    }
    let mut builder = CatalogBuilder::new(epoch);
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
            CatalogRow {
                id: &id,
                ra: number(columns.position[0]),
                dec: number(columns.position[1]),
                motion: columns.motion.map_or([f64::NAN; 2], |motion| motion.map(number)),
                epoch: columns.epoch.map_or(f64::NAN, number),
            },
        );
    }
    builder.finish(path).map_err(PipelineError::failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(fields: &str, rows: &str) -> Result<Catalog, PipelineError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.4\"><RESOURCE><TABLE>{fields}<DATA><TABLEDATA>{rows}\
             </TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
        );
        std::fs::write(file.path(), text).unwrap();
        read_catalog(file.path(), None)
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
        let found = catalog(&fields("long", "deg"), &rows).unwrap();
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
            let error = catalog(&fields, row).unwrap_err().one_line();
            assert!(error.contains(word), "{error}");
        }
    }
}
