//! Neighbors: sources around others, which a scene fits together with them.
//!
//! They come from a catalog of the user's own, or from a table of the archive, which is asked for
//! the surroundings alone. What it answers is kept in a file beside the run, with the question, so
//! that a run that goes on asks nothing and gives the same.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spx_archive::{FoundSources, SearchCircle, SourceTable};
use spx_batch::{BatchError, Catalog, CatalogMotion, CatalogOptions, CatalogTarget, SkyIndex};
use spx_core::elementary::cos;
use spx_core::sky::Position;

use super::source::SkyTarget;
use crate::archive::ArchiveSettings;
use crate::clock::now;
use crate::output::write_output;
use crate::{Listener, PipelineError, ResultContext as _};

/// A neighbor within this of a source is the source itself \[arcsec\].
const ITSELF: f64 = 1.0;
/// Where sources are compared, and the archive is asked: 2026.0 \[MJD\], early in the survey.
const COMPARED_AT: f64 = 61_041.0;
/// So much farther out the archive is asked, for what has moved since its epoch \[arcsec\].
const MOVED: f64 = 15.0;
/// Sources in a cell of this side are asked about together \[deg\].
const CELL: f64 = 0.25;
/// More questions than this are not asked.
const MOST_QUERIES: usize = 200;

/// Settings of neighbors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(transform = crate::settings::SettingHeading("Neighbors"))]
#[expect(rustdoc::broken_intra_doc_links, reason = "help texts, in which `[arcsec]` is a unit")]
pub struct NeighborSettings {
    /// Other sources, which are fitted together with those that are measured; the method is then
    /// scene: a catalog (as spx batch reads them), or a table of the archive: gaia, 2mass, allwise,
    /// catwise
    #[schemars(extend("x-value" = "FILE"))]
    pub neighbors: Option<PathBuf>,
    /// Radius around a source within which neighbors are fitted [arcsec]
    #[schemars(extend("x-value" = "ARCSEC", "exclusiveMinimum" = 0))]
    pub neighbors_radius: f64,
    /// Maximum number of neighbors around a source; the nearest are used
    #[schemars(range(min = 1))]
    pub neighbors_limit: usize,
}

impl Default for NeighborSettings {
    fn default() -> Self {
        Self { neighbors: None, neighbors_radius: 60.0, neighbors_limit: 500 }
    }
}

/// Where a table of the archive is asked for, and kept.
#[derive(Debug, Clone, Copy)]
pub struct NeighborArchive<'a> {
    /// The archive, and how it is asked.
    pub settings: &'a ArchiveSettings,
    /// The file in which the answer is kept; `None` keeps none.
    pub kept: Option<&'a Path>,
    /// An answer to the same question counts.
    pub resume: bool,
}

impl NeighborSettings {
    /// Whether they come from a table of the archive.
    pub(crate) fn asks_archive(&self) -> bool {
        let name = self.neighbors.as_ref().and_then(|path| path.to_str());
        name.is_some_and(|name| name.parse::<SourceTable>().is_ok())
    }

    /// Looks whether what is named is there, before anything is made.
    ///
    /// # Errors
    /// Usage where it is neither a file nor a table of the archive.
    pub(crate) fn check(&self) -> Result<(), PipelineError> {
        let Some(path) = self.neighbors.as_deref().filter(|path| !self.asks_archive() && !path.exists())
        else {
            return Ok(());
        };
        let tables = SourceTable::ALL.map(SourceTable::name).join(", ");
        let text = format!("neighbors = {}: there is no such file", path.display());
        Err(PipelineError::usage(text).with_hint(format!("tables of the archive are {tables}")))
    }

    /// The neighbors of sources, each once: those of the first source first, the nearest first.
    /// What lies within 1 arcsec of any of the sources is that source and left out. `around` gives
    /// where the sources are in 2026.0 ([`place_in_survey`]).
    ///
    /// # Errors
    /// Usage where a catalog cannot be read, or its proper motions have no epoch, or the sources
    /// are too many for questions to the archive; what the archive reports; interrupted.
    pub fn find(
        &self,
        around: &[Position],
        archive: &NeighborArchive<'_>,
        listener: &dyn Listener,
    ) -> Result<Catalog, PipelineError> {
        self.check()?;
        let Some(path) = &self.neighbors else { return Ok(Catalog::default()) };
        let table = path.to_str().and_then(|name| name.parse::<SourceTable>().ok());
        let all = match table {
            None => read_catalog(path, listener)?,
            Some(table) => self.ask(table, around, archive, listener)?,
        };
        for problem in all.rejected().iter().take(20) {
            listener.warning(&format!("neighbors, {problem}"));
        }
        all.notes().iter().for_each(|note| listener.warning(&format!("neighbors: {note}")));
        let mut chosen = Catalog::default();
        chosen.append(&all, &self.choose(&all, around, listener));
        listener.note(&format!("neighbors: {} of {} sources of {}", chosen.len(), all.len(), path.display()));
        Ok(chosen)
    }

    /// Numbers of the sources of a catalog that are neighbors.
    fn choose(&self, all: &Catalog, around: &[Position], listener: &dyn Listener) -> Vec<usize> {
        let places: Vec<Position> =
            (0..all.len()).map(|number| place_in_survey(&SkyTarget::from(all.target(number)))).collect();
        let index = SkyIndex::new(places.iter().copied());
        let within = |place: &Position, radius: f64| {
            index.within(*place, radius / 3600.0, |number| places[number as usize])
        };
        let themselves: HashSet<u32> = around.iter().flat_map(|place| within(place, ITSELF)).collect();
        let (mut chosen, mut seen, mut cut) = (Vec::new(), HashSet::new(), 0);
        for place in around {
            let near = within(place, self.neighbors_radius).into_iter();
            let mut near: Vec<(f64, u32)> = near
                .filter(|number| !themselves.contains(number))
                .map(|number| (places[number as usize].separation(*place), number))
                .collect();
            near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            cut += usize::from(near.len() > self.neighbors_limit);
            near.truncate(self.neighbors_limit);
            chosen.extend(near.iter().filter(|(_, n)| seen.insert(*n)).map(|(_, n)| *n as usize));
        }
        if cut > 0 {
            let limit = self.neighbors_limit;
            let sources = if cut == 1 { "1 source" } else { &format!("{cut} sources") };
            listener.warning(&format!("neighbors: of {sources} only the nearest {limit} are used"));
        }
        chosen
    }

    /// What a table of the archive has around sources, asked or kept.
    fn ask(
        &self,
        table: SourceTable,
        around: &[Position],
        archive: &NeighborArchive<'_>,
        listener: &dyn Listener,
    ) -> Result<Catalog, PipelineError> {
        let access = archive.settings.access()?;
        let circles = circles(around, self.neighbors_radius + MOVED);
        if circles.len() > MOST_QUERIES {
            let text = format!(
                "neighbors = {table}: the sources lie in {} fields, but the archive is queried about at most \
                 {MOST_QUERIES}",
                circles.len()
            );
            return Err(PipelineError::usage(text).with_hint("download the table and name its file"));
        }
        let mut question = format!("# asked: {} of {}\n", table.table(), access.url);
        for (center, radius) in &circles {
            let _ = writeln!(question, "# circle: {} {} {radius}", center.ra(), center.dec());
        }
        if let Some(path) = archive.kept.filter(|path| archive.resume && path.exists()) {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            if text.starts_with(&question) {
                let rows = text.lines().filter(|line| !line.starts_with('#')).count();
                return if rows > 1 { read_catalog(path, listener) } else { Ok(Catalog::default()) };
            }
        }
        let client = access.client();
        let mut found = Vec::new();
        for (center, radius) in circles {
            let circle = SearchCircle::new(center, radius).map_err(PipelineError::usage)?;
            found.push(client.sources(table, circle, listener)?);
        }
        let catalog = catalog_of(&found);
        if let Some(path) = archive.kept {
            write_output(path, kept_text(&question, &found, &catalog)?.as_bytes(), true)?;
        }
        Ok(catalog)
    }
}

/// Where a target is in 2026.0; where it was catalogued, if its motion is not finite.
pub fn place_in_survey(target: &SkyTarget) -> Position {
    target.position_at(COMPARED_AT).unwrap_or(target.position)
}

fn read_catalog(path: &Path, listener: &dyn Listener) -> Result<Catalog, PipelineError> {
    let options = CatalogOptions { shapes: true, ..CatalogOptions::default() };
    Catalog::read(path, &options, listener).map_err(|error| match error {
        BatchError::Cancelled => PipelineError::Interrupted,
        error => PipelineError::from(error).into_usage(),
    })
}

/// Circles that hold all places with what lies within `radius` \[arcsec\] of them; their own radii
/// are in degrees.
fn circles(around: &[Position], radius: f64) -> Vec<(Position, f64)> {
    let mut cells: BTreeMap<[i64; 2], Vec<Position>> = BTreeMap::new();
    for place in around {
        let band = (place.dec() / CELL).floor();
        let slot = (place.ra() * cos((band * CELL).to_radians()) / CELL).floor();
        #[expect(clippy::cast_possible_truncation, reason = "a few thousand")]
        cells.entry([band as i64, slot as i64]).or_default().push(*place);
    }
    let circle = |places: Vec<Position>| {
        let farthest = places.iter().map(|place| place.separation(places[0])).fold(0.0, f64::max);
        (places[0], farthest + radius / 3600.0)
    };
    cells.into_values().map(circle).collect()
}

/// The sources of some answers, each once.
fn catalog_of(found: &[FoundSources]) -> Catalog {
    let (mut catalog, mut seen) = (Catalog::default(), HashSet::new());
    for source in found.iter().flat_map(|answer| &answer.sources) {
        if seen.insert(source.id.as_str()) {
            let motion =
                source.motion.map(|m| CatalogMotion { ra_cos_dec: m.ra_cos_dec, dec: m.dec, epoch: m.epoch });
            catalog.push(&CatalogTarget { id: &source.id, position: source.position, motion, shape: None });
        }
    }
    catalog
}

/// The file in which an answer is kept: the question, the queries, and a catalog.
fn kept_text(question: &str, found: &[FoundSources], catalog: &Catalog) -> Result<String, PipelineError> {
    let mut text = format!("{question}# answered: {}\n", now());
    found.iter().for_each(|answer| {
        let _ = writeln!(text, "# query: {}", answer.query);
    });
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| PipelineError::failed(error);
    writer.write_record(["id", "ra", "dec", "pmra", "pmdec", "ref_epoch"]).map_err(failed)?;
    for number in 0..catalog.len() {
        let CatalogTarget { id, position, motion, .. } = catalog.target(number);
        let of = |value: fn(CatalogMotion) -> f64| motion.map_or_else(String::new, |m| value(m).to_string());
        let numbers = [position.ra().to_string(), position.dec().to_string()];
        let motion = [of(|m| m.ra_cos_dec), of(|m| m.dec), of(|m| m.epoch)];
        let cells = [id.to_owned()].into_iter().chain(numbers).chain(motion);
        writer.write_record(cells).map_err(failed)?;
    }
    let rows = writer.into_inner().map_err(PipelineError::failed)?;
    text.push_str(&String::from_utf8_lossy(&rows));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SilentListener;

    fn at(ra: f64, dec: f64) -> Position {
        Position::new(ra, dec).unwrap()
    }

    /// Finds them where no archive is to be asked.
    fn find(settings: &NeighborSettings, around: &[Position]) -> Result<Catalog, PipelineError> {
        let settings_of_archive = ArchiveSettings::default();
        let archive = NeighborArchive { settings: &settings_of_archive, kept: None, resume: false };
        settings.find(around, &archive, &SilentListener)
    }

    #[test]
    fn neighbors_are_the_nearest_without_the_source_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.csv");
        let rows = "id,ra,dec\nfar,10.0,20.02\nself,10.0,20.0001\nsecond,10.0,20.004\nfirst,10.0,19.998\n";
        std::fs::write(&path, rows).unwrap();
        let settings = |limit: usize, radius: f64| NeighborSettings {
            neighbors: Some(path.clone()),
            neighbors_radius: radius,
            neighbors_limit: limit,
        };
        let of = |settings: NeighborSettings, around: &[Position]| {
            let found = find(&settings, around).unwrap();
            found.positions().iter().map(|place| place.dec()).collect::<Vec<f64>>()
        };
        let source = [at(10.0, 20.0)];
        assert_eq!(of(settings(500, 60.0), &source), [19.998, 20.004]);
        assert_eq!(of(settings(500, 100.0), &source), [19.998, 20.004, 20.02]);
        assert_eq!(of(settings(1, 100.0), &source), [19.998]);
        assert!(of(NeighborSettings { neighbors: None, ..settings(9, 60.0) }, &source).is_empty());
        // Of several sources, each neighbor counts once, and none is one of them.
        let both = [at(10.0, 20.004), at(10.0, 20.0)];
        assert_eq!(of(settings(500, 60.0), &both), [19.998, 20.02]);
    }

    #[test]
    fn neighbors_are_where_they_are_in_the_survey() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.csv");
        // 100 arcsec in 10 years to the place of the source, and away from it.
        let rows = "id,ra,dec,pmra,pmdec,ref_epoch\na,10,19.972222,0,10000,2016\nb,10,20.0028,0,10000,2016\n\
                    c,10,20.01,0,0,2016\n";
        std::fs::write(&path, rows).unwrap();
        let settings = NeighborSettings { neighbors: Some(path), ..NeighborSettings::default() };
        let found = find(&settings, &[at(10.0, 20.0)]).unwrap();
        assert_eq!((found.len(), found.target(0).id), (1, "c"));
    }

    #[test]
    fn fields_far_apart_are_asked_about_one_by_one() {
        let places = [at(10.0, 20.0), at(10.01, 20.02), at(200.0, -89.9), at(10.0, 20.0)];
        let found = circles(&places, 36.0);
        assert_eq!(found.len(), 2);
        let (center, radius) = found[1];
        assert_eq!(center, places[0]);
        assert!((radius - 0.01 - places[0].separation(places[1])).abs() < 1e-12);
        assert!(places[..2].iter().all(|place| place.separation(center) + 0.01 <= radius + 1e-12));
    }
}
