//! Tables of sources of the archive, such as Gaia's: what there is around a place, by TAP.
//!
//! Which columns a table has is asked of `TAP_SCHEMA` first, for archives rename them from release
//! to release.

use std::fmt;
use std::str::FromStr;

use spx_core::sky::Position;
use spx_votable::VoTableCell;

use crate::error::ArchiveError;
use crate::http::{Reply, printable, shown};
use crate::rows::{RejectedRow, SearchService, read_rows};
use crate::selection::SearchCircle;
use crate::session::Session;
use crate::tap::{self, TapAnswer};

/// A table of sources of IRSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceTable {
    /// Gaia DR3, with proper motions.
    Gaia,
    /// The point sources of 2MASS.
    TwoMass,
    /// AllWISE.
    AllWise,
    /// CatWISE2020.
    CatWise,
}

/// Of a table that has proper motions: along right ascension, cos(dec) included, and along
/// declination [mas/yr], and the epoch of the position \[yr\].
const MOTION: [&str; 3] = ["pmra", "pmdec", "ref_epoch"];

impl SourceTable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gaia, Self::TwoMass, Self::AllWise, Self::CatWise];

    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gaia => "gaia",
            Self::TwoMass => "2mass",
            Self::AllWise => "allwise",
            Self::CatWise => "catwise",
        }
    }

    /// The name in the archive.
    pub fn table(self) -> &'static str {
        match self {
            Self::Gaia => "gaia_dr3_source",
            Self::TwoMass => "fp_psc",
            Self::AllWise => "allwise_p3as_psd",
            Self::CatWise => "catwise_2020",
        }
    }

    /// Names of the column of ids; the first that the table has counts.
    fn ids(self) -> &'static [&'static str] {
        match self {
            Self::Gaia => &["source_id", "designation"],
            Self::TwoMass | Self::AllWise => &["designation", "cntr"],
            Self::CatWise => &["source_name", "source_id", "cntr"],
        }
    }

    /// Motions of the WISE catalogs are those of the fit to each source and contain the parallax;
    /// they do not count.
    fn motion(self) -> &'static [&'static str] {
        match self {
            Self::Gaia => &MOTION,
            Self::TwoMass | Self::AllWise | Self::CatWise => &[],
        }
    }

    /// The query for the sources in a circle, of a table with these columns.
    ///
    /// # Errors
    /// The column that is missing.
    fn adql(self, circle: SearchCircle, columns: &[String]) -> Result<String, String> {
        let has = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        let table = self.table();
        let missing = |name: &str| format!("its table {table} has no column {name}");
        let id = self.ids().iter().find(|name| has(name)).ok_or_else(|| missing(self.ids()[0]))?;
        let rest = ["ra", "dec"].iter().chain(self.motion());
        if let Some(name) = rest.clone().find(|name| !has(name)) {
            return Err(missing(name));
        }
        let wanted: Vec<&str> = [*id].into_iter().chain(rest.copied()).collect();
        let (at, radius) = (circle.center(), circle.radius());
        Ok(format!(
            "SELECT {} FROM {table} WHERE CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {}, {}, {radius})) = 1",
            wanted.join(", "),
            at.ra(),
            at.dec()
        ))
    }
}

impl fmt::Display for SourceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SourceTable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|table| table.name() == text);
        found.ok_or_else(|| format!("unknown table `{text}`: expected gaia, 2mass, allwise or catwise"))
    }
}

/// How a source moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArchivedMotion {
    /// Along right ascension, cos(dec) included [mas/yr].
    pub ra_cos_dec: f64,
    /// Along declination [mas/yr].
    pub dec: f64,
    /// Julian epoch of the position \[yr\].
    pub epoch: f64,
}

/// A source of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchivedSource {
    /// Its name in the table.
    pub id: String,
    /// At the epoch of the table.
    pub position: Position,
    /// `None` where the table has none, or none of this source.
    pub motion: Option<ArchivedMotion>,
}

/// What a table has in a circle.
#[derive(Debug)]
pub struct FoundSources {
    /// In the order of the answer.
    pub sources: Vec<ArchivedSource>,
    /// Rows that were refused.
    pub rejected: Vec<RejectedRow>,
    /// What was asked, as ADQL.
    pub query: String,
}

/// Asks for the columns of a table, then for its sources in a circle.
pub(crate) fn find(
    client: &Session,
    table: SourceTable,
    circle: SearchCircle,
    cancelled: &dyn Fn() -> bool,
) -> Result<FoundSources, ArchiveError> {
    let name = table.table();
    let columns = format!("SELECT column_name FROM TAP_SCHEMA.columns WHERE table_name = '{name}'");
    let (SchemaColumns { names, .. }, _) = tap::query(client, &columns, cancelled)?;
    let url = shown(&client.base().tap_sync());
    if names.is_empty() {
        return Err(ArchiveError::Protocol { url, problem: format!("it has no table {name}") });
    }
    let query = table.adql(circle, &names).map_err(|problem| ArchiveError::Protocol { url, problem })?;
    let (SourceRows { sources, rejected, .. }, _) = tap::query(client, &query, cancelled)?;
    for RejectedRow { row, cause } in &rejected {
        tracing::warn!("row {row} of the answer is refused: {cause}");
    }
    Ok(FoundSources { sources, rejected, query })
}

/// Names of columns.
#[derive(Default)]
struct SchemaColumns {
    names: Vec<String>,
    overflow: bool,
}

impl TapAnswer for SchemaColumns {
    fn read(reply: Reply<'_>, _: SearchService) -> Result<Self, ArchiveError> {
        let url = shown(&reply.url);
        let mut found = Self::default();
        found.overflow = read_rows(
            reply.into_decoded(),
            &url,
            |table| table.column("column_name"),
            |at, _, cells| found.names.extend(cells[*at].text().map(str::to_owned)),
        )?;
        Ok(found)
    }

    fn overflow(&self) -> bool {
        self.overflow
    }

    fn rows(&self) -> usize {
        self.names.len()
    }
}

/// Sources of an answer.
#[derive(Default)]
struct SourceRows {
    sources: Vec<ArchivedSource>,
    rejected: Vec<RejectedRow>,
    overflow: bool,
}

impl TapAnswer for SourceRows {
    fn read(reply: Reply<'_>, _: SearchService) -> Result<Self, ArchiveError> {
        let url = shown(&reply.url);
        let mut found = Self::default();
        found.overflow = read_rows(
            reply.into_decoded(),
            &url,
            |table| {
                let position = [table.column("ra")?, table.column("dec")?];
                // The id is the first column of the query, whatever its name.
                Ok((position, MOTION.map(|name| table.column(name).ok())))
            },
            |(position, motion), row, cells| match source(cells, *position, *motion) {
                Ok(source) => found.sources.push(source),
                Err(cause) => found.rejected.push(RejectedRow { row, cause: printable(&cause) }),
            },
        )?;
        Ok(found)
    }

    fn overflow(&self) -> bool {
        self.overflow
    }

    fn rows(&self) -> usize {
        self.sources.len() + self.rejected.len()
    }
}

fn source(
    cells: &[VoTableCell],
    [ra, dec]: [usize; 2],
    motion: [Option<usize>; 3],
) -> Result<ArchivedSource, String> {
    let id = match &cells[0] {
        VoTableCell::Text(text) => text.trim().to_owned(),
        VoTableCell::Int(number) => number.to_string(),
        _ => String::new(),
    };
    if id.is_empty() || id.chars().any(char::is_control) {
        return Err(format!("{id:?} is not a name of a source"));
    }
    let number =
        |at: usize, name: &str| cells[at].real().ok_or_else(|| format!("{id}: no number for {name}"));
    let position = Position::new(number(ra, "ra")?, number(dec, "dec")?).map_err(|e| format!("{id}: {e}"))?;
    let [east, north, epoch] = motion.map(|at| at.and_then(|at| cells[at].real()).filter(|v| v.is_finite()));
    let motion = match (east, north, epoch) {
        (Some(ra_cos_dec), Some(dec), Some(epoch)) if (ra_cos_dec, dec) != (0.0, 0.0) => {
            if !(1000.0..3000.0).contains(&epoch) {
                return Err(format!("{id}: {epoch} is not an epoch"));
            }
            Some(ArchivedMotion { ra_cos_dec, dec, epoch })
        }
        _ => None,
    };
    Ok(ArchivedSource { id, position, motion })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_name_columns_that_the_table_has() {
        let circle = SearchCircle::new(Position::new(10.5, -3.25).unwrap(), 0.0125).unwrap();
        let adql = |table: SourceTable, columns: &[&str]| {
            table.adql(circle, &columns.iter().map(|&c| c.to_owned()).collect::<Vec<_>>())
        };
        let gaia = ["SOURCE_ID", "ra", "dec", "pmra", "pmdec", "ref_epoch", "parallax"];
        assert_eq!(
            adql(SourceTable::Gaia, &gaia).unwrap(),
            "SELECT source_id, ra, dec, pmra, pmdec, ref_epoch FROM gaia_dr3_source WHERE \
             CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10.5, -3.25, 0.0125)) = 1"
        );
        let error = adql(SourceTable::Gaia, &gaia[..5]).unwrap_err();
        assert_eq!(error, "its table gaia_dr3_source has no column ref_epoch");
        let wise = adql(SourceTable::CatWise, &["source_id", "ra", "dec", "pmra", "pmdec"]).unwrap();
        assert!(wise.starts_with("SELECT source_id, ra, dec FROM catwise_2020 "), "{wise}");
        assert!(adql(SourceTable::TwoMass, &["ra", "dec"]).unwrap_err().contains("designation"));
        for table in SourceTable::ALL {
            assert_eq!(table.name().parse(), Ok(table));
        }
        assert!("wise".parse::<SourceTable>().is_err());
    }
}
