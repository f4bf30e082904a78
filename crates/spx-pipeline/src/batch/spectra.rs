//! Spectra of all sources of a batch: a Parquet file with lists, and a FITS table with array cells.

use std::path::Path;

use spx_batch::{BatchRow, SPECTRUM_ARRAYS, SPECTRUM_SCALARS, SpectraWriter, SpectrumRow, each_light_curve};
use spx_core::atomic::AtomicFile;
use spx_core::columns::ColumnKind;
use spx_core::detector::{CHANNELS, Detector};
use spx_core::fits::{ColumnSpec, FitsError, FitsWriter};
use spx_core::header::Header;

use crate::spectrum::{ChannelMean, FluxSample, SourceSpectrum, SpectrumMeasurement, channel_means};
use crate::{Listener, PipelineError, ResultContext as _};

/// The Parquet file.
const PARQUET: &str = "spectra.parquet";
/// The FITS table.
const FITS: &str = "spectra.fits";
/// Sources whose cells are written to the FITS table at a time.
const BLOCK: usize = 1024;

/// True where a directory has the spectra.
pub(super) fn has_spectra(directory: &Path) -> bool {
    [PARQUET, FITS].iter().all(|name| directory.join(name).exists())
}

/// Makes the spectra of all light curves below a directory, of which there are `sources`; ids have
/// at most `longest` bytes. One source is in memory at a time.
///
/// # Errors
/// Where light curves cannot be read or the disk refuses; interrupted.
pub(super) fn write_spectra(
    directory: &Path,
    sources: u64,
    longest: usize,
    listener: &dyn Listener,
) -> Result<(), PipelineError> {
    let [parquet, fits] = [PARQUET, FITS].map(|name| directory.join(name));
    let create = |path: &Path| AtomicFile::new(path, true).with_context(|| path.display().to_string());
    let (parquet_file, fits_file) = (create(&parquet)?, create(&fits)?);
    let mut lists = SpectraWriter::create(parquet_file.path(), CHANNELS.len())?;
    let sources = usize::try_from(sources).map_err(PipelineError::failed)?;
    let arrays = ArrayTable::create(fits_file.path(), sources, longest);
    let mut arrays = arrays.map_err(PipelineError::failed).with_context(|| fits.display().to_string())?;
    listener.start("spectra", sources as u64);
    each_light_curve(directory, |rows| -> Result<(), PipelineError> {
        if listener.cancelled() {
            return Err(PipelineError::Interrupted);
        }
        let row = spectrum(&rows);
        arrays.push(row.clone()).map_err(PipelineError::failed)?;
        lists.push(row)?;
        listener.advance(1);
        Ok(())
    })?;
    listener.finish();
    lists.finish()?;
    arrays.finish().map_err(PipelineError::failed)?;
    parquet_file.commit().with_context(|| parquet.display().to_string())?;
    fits_file.commit().with_context(|| fits.display().to_string())
}

fn sample(row: &BatchRow<'_>) -> Option<FluxSample> {
    let BatchRow { wavelength, bandwidth, flux, flux_error: error, .. } = *row;
    Some(FluxSample { detector: row.band.parse::<Detector>().ok()?, wavelength, bandwidth, flux, error })
}

/// The spectrum of the rows of one source.
pub fn spectrum_of_rows(name: &str, rows: &[BatchRow<'_>]) -> SourceSpectrum {
    let measurement =
        |row: &BatchRow<'_>| Some(SpectrumMeasurement { sample: sample(row)?, is_good: row.is_good });
    let position = rows.first().map(|row| [row.ra, row.dec]);
    SourceSpectrum { position, ..SourceSpectrum::new(name, rows.iter().filter_map(measurement).collect()) }
}

/// The spectrum of the rows of one source, and how much it varies.
fn spectrum(rows: &[BatchRow<'_>]) -> SpectrumRow {
    let samples: Vec<FluxSample> = rows.iter().filter(|row| row.is_good).filter_map(sample).collect();
    let means = channel_means(&samples);
    let filled = || means.iter().filter(|mean| !mean.is_empty());
    let reals = |of: fn(&ChannelMean) -> f64| means.iter().map(of).collect::<Vec<f64>>();
    let counts = |of: fn(&ChannelMean) -> usize| -> Vec<u32> {
        means.iter().map(|mean| u32::try_from(of(mean)).unwrap_or(u32::MAX)).collect()
    };
    let freedom: usize = filled().map(|mean| mean.used + mean.rejected - 1).sum();
    let good: usize = filled().map(|mean| mean.used + mean.rejected).sum();
    SpectrumRow {
        target_id: rows.first().map_or_else(String::new, |row| row.target_id.to_string()),
        position: rows.first().map_or([f64::NAN; 2], |row| [row.ra, row.dec]),
        n_measurements: u32::try_from(good).unwrap_or(u32::MAX),
        variability_chi2: filled().map(|mean| mean.chi2_of_all).sum(),
        variability_dof: u32::try_from(freedom).unwrap_or(u32::MAX),
        reals: [
            reals(|mean| mean.wavelength),
            reals(|mean| mean.bandwidth),
            reals(|mean| mean.flux),
            reals(|mean| mean.error),
            reals(|mean| if mean.is_empty() { f64::NAN } else { mean.chi2 }),
        ],
        counts: [counts(|mean| mean.used), counts(|mean| mean.rejected)],
    }
}

/// The FITS table while it is written.
struct ArrayTable {
    fits: FitsWriter,
    /// Rows that are not yet written.
    waiting: Vec<SpectrumRow>,
    written: usize,
}

impl ArrayTable {
    fn create(path: &Path, sources: usize, longest: usize) -> Result<Self, FitsError> {
        let id = format!("{}A", longest.max(1));
        let (real, count) = (format!("{}D", CHANNELS.len()), format!("{}J", CHANNELS.len()));
        let scalars = SPECTRUM_SCALARS.iter().map(|column| {
            let format = match column.kind {
                ColumnKind::Text => id.as_str(),
                ColumnKind::Real => "1D",
                ColumnKind::Integer | ColumnKind::Logical => "1J",
            };
            ColumnSpec { name: column.name, format, unit: column.unit, dim: None }
        });
        let arrays = SPECTRUM_ARRAYS.iter().map(|column| {
            let format = if column.kind == ColumnKind::Real { &real } else { &count };
            ColumnSpec { name: column.name, format, unit: column.unit, dim: None }
        });
        let mut fits = FitsWriter::create(path)?;
        let columns: Vec<ColumnSpec<'_>> = scalars.chain(arrays).collect();
        fits.table("SPECTRA", sources, &columns, &Header::new())?;
        Ok(Self { fits, waiting: Vec::new(), written: 0 })
    }

    fn push(&mut self, row: SpectrumRow) -> Result<(), FitsError> {
        self.waiting.push(row);
        if self.waiting.len() == BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), FitsError> {
        let rows = std::mem::take(&mut self.waiting);
        let Self { fits, written, .. } = self;
        let ids: Vec<&str> = rows.iter().map(|row| row.target_id.as_str()).collect();
        fits.write_text_column("target_id", *written, &ids)?;
        let real = |of: fn(&SpectrumRow) -> f64| rows.iter().map(of).collect::<Vec<_>>();
        let count = |of: fn(&SpectrumRow) -> u32| rows.iter().map(|row| whole(of(row))).collect::<Vec<i32>>();
        fits.write_column("ra", *written, &real(|row| row.position[0]))?;
        fits.write_column("dec", *written, &real(|row| row.position[1]))?;
        fits.write_column("variability_chi2", *written, &real(|row| row.variability_chi2))?;
        fits.write_column("n_measurements", *written, &count(|row| row.n_measurements))?;
        fits.write_column("variability_dof", *written, &count(|row| row.variability_dof))?;
        for (k, column) in SPECTRUM_ARRAYS.iter().enumerate() {
            if let Some(count) = k.checked_sub(5) {
                let values: Vec<i32> =
                    rows.iter().flat_map(|r| r.counts[count].iter().copied().map(whole)).collect();
                fits.write_column(column.name, *written, &values)?;
            } else {
                let values: Vec<f64> = rows.iter().flat_map(|row| row.reals[k].iter().copied()).collect();
                fits.write_column(column.name, *written, &values)?;
            }
        }
        *written += rows.len();
        Ok(())
    }

    fn finish(mut self) -> Result<(), FitsError> {
        self.flush()?;
        self.fits.checksum()?;
        self.fits.finish()
    }
}

fn whole(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
