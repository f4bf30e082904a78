//! The spectrum of a source: the means of the 102 spectral channels, from the measurements of a run
//! or of tables.

mod channels;
mod figure;
mod read;

use std::path::Path;

use spx_core::columns::{TableColumn, measurement_column};
use spx_core::detector::Detector;
use spx_photometry::Magnitude;

use crate::PipelineError;
use crate::cell_table::{CREATOR, CellTable, CellValue};
use crate::made::MadeHow;
use crate::output::write_output;
use crate::photometry::PhotometryEntry;

pub use channels::{ChannelMean, FluxSample, channel_means, channel_of};
pub use figure::{ChannelFigureSettings, channel_figure};
pub use read::read_spectrum;
use read::{ReadMeasurement, one_of_each};

/// A measurement, and whether its data are good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectrumMeasurement {
    /// Flux and wavelength.
    pub sample: FluxSample,
    /// Whether it may go into the means.
    pub is_good: bool,
}

/// The spectrum of a source.
#[derive(Debug, Clone)]
pub struct SourceSpectrum {
    /// Name of the source.
    pub name: String,
    /// Its right ascension and declination \[deg\], where they are known, for the title of figures.
    pub position: Option<[f64; 2]>,
    /// The single measurements, in any order.
    pub measurements: Vec<SpectrumMeasurement>,
    /// The 102 channels.
    pub channels: Vec<ChannelMean>,
    /// How the measurements were made.
    pub made: MadeHow,
}

/// The form of a table of a spectrum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpectrumForm {
    /// Comma-separated values, by channel.
    Csv,
    /// ECSV, by wavelength, as specutils wants it.
    Ecsv,
    /// VOTable 1.4.
    VoTable,
    /// A FITS table.
    Fits,
}

impl SpectrumForm {
    /// By the ending of a file's name; `None` for others.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_string_lossy().to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "ecsv" => Some(Self::Ecsv),
            "vot" | "votable" | "xml" => Some(Self::VoTable),
            "fits" | "fit" => Some(Self::Fits),
            _ => None,
        }
    }
}

/// A column of the table.
struct SpectrumColumn {
    column: TableColumn,
    of: fn(&ChannelMean) -> CellValue<'static>,
}

const fn column(name: &'static str, of: fn(&ChannelMean) -> CellValue<'static>) -> SpectrumColumn {
    SpectrumColumn { column: measurement_column(name), of }
}

/// A number that counts.
fn count(number: usize) -> CellValue<'static> {
    number.try_into().map_or(CellValue::Empty, CellValue::Integer)
}

fn magnitude(mean: &ChannelMean) -> Option<Magnitude> {
    Magnitude::from_flux(mean.flux, mean.error)
}

/// All columns. Wavelength, bandwidth, flux and error stand side by side, for specutils takes the
/// next column of the unit of the flux as its uncertainty.
#[rustfmt::skip]
static COLUMNS: [SpectrumColumn; 13] = [
    column("channel", |c| count(c.number + 1)),
    column("band", |c| CellValue::Text(c.channel().detector.to_string().into())),
    column("wavelength", |c| CellValue::Real(if c.is_empty() { c.channel().wavelength } else { c.wavelength })),
    column("bandwidth", |c| CellValue::Real(if c.is_empty() { c.channel().bandwidth } else { c.bandwidth })),
    column("flux", |c| CellValue::Real(c.flux)),
    column("flux_error", |c| CellValue::Real(c.error)),
    column("mag_ab", |c| CellValue::Real(magnitude(c).map_or(f64::NAN, |m| m.value))),
    column("mag_ab_error", |c| CellValue::Real(magnitude(c).map_or(f64::NAN, |m| m.error))),
    column("n_used", |c| count(c.used)),
    column("n_rejected", |c| count(c.rejected)),
    column("chi2", |c| CellValue::Real(if c.is_empty() { f64::NAN } else { c.chi2 })),
    column("channel_center", |c| CellValue::Real(c.channel().wavelength)),
    column("channel_width", |c| CellValue::Real(c.channel().bandwidth)),
];

impl SourceSpectrum {
    /// The spectrum of these measurements.
    pub fn new(name: &str, measurements: Vec<SpectrumMeasurement>) -> Self {
        let good = measurements.iter().filter(|m| m.is_good).map(|m| m.sample);
        let channels = channel_means(&good.collect::<Vec<_>>());
        Self { name: name.to_owned(), position: None, measurements, channels, made: MadeHow::default() }
    }

    /// With how its measurements were made.
    #[must_use]
    pub fn with_made(self, made: MadeHow) -> Self {
        Self { made, ..self }
    }

    /// The spectrum of the measurements of a run; of an exposure that was measured in several
    /// processings, that of the newest counts.
    pub fn of_entries(name: &str, entries: &[PhotometryEntry]) -> Self {
        let rows = entries.iter().filter_map(PhotometryEntry::row);
        let measurements = rows.filter_map(|(exposure, row)| {
            let detector = Detector::new(exposure.detector.into()).ok()?;
            let (wavelength, bandwidth) = (row.wavelength, row.bandwidth);
            let sample =
                FluxSample { detector, wavelength, bandwidth, flux: row.flux, error: row.flux_error };
            Some(ReadMeasurement {
                exposure: Some((exposure.obs_id.clone(), detector)),
                identity: exposure.identity.clone(),
                measurement: SpectrumMeasurement { sample, is_good: row.is_good },
            })
        });
        Self::new(name, one_of_each(measurements.collect()))
    }

    /// How many channels have a flux.
    pub fn filled(&self) -> usize {
        self.channels.iter().filter(|channel| !channel.is_empty()).count()
    }

    /// The table as text; of a FITS table, which is none, the CSV.
    ///
    /// # Errors
    /// None that is known of.
    pub fn render(&self, form: SpectrumForm) -> Result<Vec<u8>, PipelineError> {
        match form {
            SpectrumForm::Csv | SpectrumForm::Fits => self.table().commented_csv(),
            SpectrumForm::VoTable => Ok(self.table().votable().into_bytes()),
            SpectrumForm::Ecsv => {
                let mut table = self.table();
                let wavelength = |row: &[CellValue<'_>]| match row[2] {
                    CellValue::Real(wavelength) => wavelength,
                    _ => f64::NAN,
                };
                table.rows.sort_by(|a, b| wavelength(a).total_cmp(&wavelength(b)));
                table.ecsv()
            }
        }
    }

    /// Writes the table into a file, which appears only when it is complete.
    ///
    /// # Errors
    /// Usage where the file exists and is not to be replaced; otherwise what the disk reports.
    pub fn write(&self, path: &Path, form: SpectrumForm, overwrite: bool) -> Result<(), PipelineError> {
        match form {
            SpectrumForm::Fits => self.table().write_fits(path, overwrite),
            form => write_output(path, &self.render(form)?, overwrite),
        }
    }

    fn table(&self) -> CellTable<'static> {
        let row = |mean: &ChannelMean| COLUMNS.iter().map(|column| (column.of)(mean)).collect();
        CellTable {
            name: "spectrum",
            title: format!("{}: {CREATOR}", self.name),
            columns: COLUMNS.iter().map(|column| column.column).collect(),
            rows: self.channels.iter().map(row).collect(),
            head: self.made.head(&self.name),
        }
    }
}
