//! One exposure: the sky through the optics, with noise, flags and NaN pixels.

use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;
use spx_core::detector::Detector;
use spx_core::flags::FlagNames;
use spx_core::header::Header;
use spx_core::image::{ExposureId, Metadata, ObservationTime, PixelPlanes, SpectralImage, WaveTableData};
use spx_core::map::{Passband, WavelengthMap as _};
use spx_core::progress::{Progress, Silent};
use spx_wcs::{CelestialWcs, WaveTable};

use crate::bits::{HOT, NONFUNC, SOURCE};
use crate::cards;
use crate::error::{SimError, check_cancelled};
use crate::layout::{PixelWindow, SimulatedRelease};
use crate::optics::{qr3_wave_table, wave_table};
use crate::options::ExposureOptions;
use crate::psf::PsfField;
use crate::realistic::RealisticRows;
use crate::render;
use crate::sky::SimulatedSky;
use crate::survey::Pointing;

/// What a hot pixel has too much \[MJy/sr\].
const HOT_EXCESS: f32 = 5.0;

/// Light of sources above which a pixel is flagged SOURCE: this many times the noise, and at least
/// the second \[MJy/sr\].
const SOURCE_SIGMA: f64 = 0.3;
const SOURCE_FLOOR: f64 = 1e-4;

/// Bits that bad pixels get one of.
const BAD_BITS: [u32; 10] = [0, 1, 2, 6, 9, 10, 11, 15, 17, 19];

/// An exposure, as it is written to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedExposure {
    /// What was asked for.
    pub pointing: Pointing,
    /// The layout of the file.
    pub release: SimulatedRelease,
    /// The card VERSION.
    pub version: String,
    /// The part of the full frame that it covers.
    pub window: PixelWindow,
    /// Cards of the IMAGE HDU.
    pub header: Header,
    /// The pixels, row-major, `window.nx` a row.
    pub planes: PixelPlanes,
    /// The look-up table of WCS `W`.
    pub wave_table: WaveTableData,
    /// How it was taken.
    pub options: ExposureOptions,
}

impl SimulatedExposure {
    /// The exposure as reading its file would give it, without a file; `path` is only a name.
    pub fn into_spectral_image(self, path: &Path) -> SpectralImage {
        let time = |keyword| self.header.optional_real(keyword).ok().flatten();
        let metadata = Metadata {
            path: path.to_owned(),
            id: ExposureId { observation: self.pointing.obs_id, detector: self.pointing.detector },
            time: ObservationTime {
                begin: time("MJD-BEG"),
                average: time("MJD-AVG"),
                end: time("MJD-END"),
                exposure: time("XPOSURE"),
                measurement: time("TMEASURE"),
            },
            version: Some(self.version),
            shape: [self.window.ny, self.window.nx],
            flag_names: FlagNames::from_header(&cards::flags(self.release)),
            header: self.header,
            wave_table: self.wave_table,
        };
        SpectralImage { metadata, rows: 0..self.window.ny, planes: self.planes }
    }
}

/// Observes the sky.
///
/// IMAGE holds the sources, `zodi_scale` times the zodiacal light in ZODI, and Gaussian noise with
/// VARIANCE. Pixels that sources light up are flagged SOURCE; bad pixels get one of the bad bits,
/// hot ones 5 MJy/sr. [`ExposureOptions::realism`] makes all this as in real images. A cutout has
/// the very pixels of the full frame.
///
/// # Errors
/// Where an option makes no sense or a cutout does not overlap the frame.
pub fn observe(
    sky: &SimulatedSky,
    pointing: &Pointing,
    options: &ExposureOptions,
) -> Result<SimulatedExposure, SimError> {
    observe_attended(sky, pointing, options, &Silent)
}

/// As [`observe`]; `progress` may ask to stop.
///
/// # Errors
/// As [`observe`], and [`SimError::Cancelled`].
pub fn observe_attended(
    sky: &SimulatedSky,
    pointing: &Pointing,
    options: &ExposureOptions,
    progress: &dyn Progress,
) -> Result<SimulatedExposure, SimError> {
    options.check()?;
    // All is computed in pixels of the full frame, so that a cutout differs in no bit.
    let wcs = pointing.wcs()?;
    let window = options.window(pointing, &wcs)?;
    let detector = pointing.detector;
    // The true wavelengths of realistic images are those of Quick Release 3, whatever the file
    // says.
    let truth = if options.realism.is_some() { qr3_wave_table(detector) } else { wave_table(detector) };
    let full = cards::wcs(pointing, &PixelWindow::FULL);
    let waves = WaveTable::new(&truth.x, &truth.y, &truth.values, &full)?;
    let psf = PsfField::new(options, detector, &wcs);
    let frame = render::DetectorFrame { wcs: &wcs, waves: &waves, psf, center: pointing.position, window };
    let stars = frame.stars(sky, progress)?;
    let mut sources = stars.clone();
    frame.add_others(&mut sources, sky, progress)?;
    let planes = match &options.realism {
        None => ExposureRows { sky, pointing, options, waves: &waves, window }.planes(sources, progress)?,
        Some(realism) => {
            let rows = RealisticRows { sky, pointing, options, realism, waves: &waves, window };
            rows.planes(sources, &stars, progress)?
        }
    };
    let wave_table = if options.release == SimulatedRelease::Qr2 { wave_table(detector) } else { truth };
    Ok(SimulatedExposure {
        pointing: pointing.clone(),
        release: options.release,
        version: options.version.clone().unwrap_or_else(|| options.release.pipeline_version().to_owned()),
        window,
        header: cards::image(pointing, options, &window, median_area(&wcs)),
        planes,
        wave_table,
        options: options.clone(),
    })
}

/// Median solid angle of the pixels of the full frame [arcsec^2], from every 40th along each axis.
fn median_area(wcs: &CelestialWcs) -> f64 {
    let steps = || (0..Detector::NPIX).step_by(40).map(|k| k as f64 + 19.5);
    let mut areas: Vec<f64> = steps().flat_map(|y| steps().map(move |x| wcs.pixel_area(x, y))).collect();
    areas.sort_by(f64::total_cmp);
    areas[areas.len() / 2]
}

/// What a row of pixels needs.
struct ExposureRows<'a> {
    sky: &'a SimulatedSky,
    pointing: &'a Pointing,
    options: &'a ExposureOptions,
    waves: &'a WaveTable,
    window: PixelWindow,
}

/// One row of the four planes.
struct ExposureRowMut<'a> {
    image: &'a mut [f32],
    flags: &'a mut [i32],
    variance: &'a mut [f32],
    zodi: &'a mut [f32],
}

impl ExposureRows<'_> {
    /// Adds to the light of the sources all else.
    fn planes(&self, sources: Vec<f32>, progress: &dyn Progress) -> Result<PixelPlanes, SimError> {
        let (nx, count) = (self.window.nx, sources.len());
        let mut planes = PixelPlanes {
            image: sources,
            flags: vec![0; count],
            variance: vec![0.0; count],
            zodi: vec![0.0; count],
        };
        let images = planes.image.par_chunks_mut(nx);
        let flags = planes.flags.par_chunks_mut(nx);
        let variances = planes.variance.par_chunks_mut(nx);
        let zodis = planes.zodi.par_chunks_mut(nx);
        images.zip(flags).zip(variances.zip(zodis)).enumerate().try_for_each(
            |(row, ((image, flags), (variance, zodi)))| {
                check_cancelled(progress)?;
                self.row(self.window.y0 + row, ExposureRowMut { image, flags, variance, zodi });
                Ok::<_, SimError>(())
            },
        )?;
        Ok(planes)
    }

    /// Row `y` of the full frame. Each has a stream of random numbers of its own, drawn from its
    /// first column on: neither threads nor cutouts change a pixel.
    fn row(&self, y: usize, row: ExposureRowMut<'_>) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.pointing.seed);
        rng.set_stream(y as u64);
        for _ in 0..self.window.x0 {
            self.draw(&mut rng);
        }
        let x0 = self.window.x0 as f64;
        let mut bands = vec![Passband { center: 0.0, width: 0.0 }; row.image.len()];
        self.waves.passband_row(x0, y as f64, &mut bands);
        let threshold = (SOURCE_SIGMA * self.options.sigma).max(SOURCE_FLOOR);
        for (i, band) in bands.iter().enumerate() {
            let draw = self.draw(&mut rng);
            let light = f64::from(row.image[i]);
            let zodi = self.sky.zodi.at(x0 + i as f64, y as f64, band.center);
            #[expect(clippy::cast_possible_truncation, reason = "the planes are f32")]
            {
                row.zodi[i] = zodi as f32;
                row.variance[i] = draw.variance as f32;
                let zodi = self.options.zodi_scale * f64::from(row.zodi[i]);
                row.image[i] = (light + zodi + draw.noise) as f32;
            }
            row.flags[i] = draw.flags | if light > threshold { SOURCE } else { 0 };
            if draw.flags & HOT != 0 {
                row.image[i] += HOT_EXCESS;
            }
            if draw.lost {
                row.flags[i] |= NONFUNC;
                row.variance[i] = f32::NAN;
                if draw.lost_image {
                    row.image[i] = f32::NAN;
                }
            }
        }
    }

    /// All that is random in a pixel.
    fn draw(&self, rng: &mut ChaCha8Rng) -> PixelDraw {
        let options = self.options;
        let sigma2 = if options.sigma > 0.0 { options.sigma * options.sigma } else { 1e-6 };
        let variance = sigma2 * (1.0 + 0.2 * rng.random::<f64>());
        let normal: f64 = StandardNormal.sample(rng);
        let noise = if options.sigma > 0.0 { normal * variance.sqrt() } else { 0.0 };
        let (bad, lost) = (rng.random::<f64>(), rng.random::<f64>());
        // A bad pixel's bit follows from where below the limit its number lies.
        let flags = if bad < options.bad_fraction {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9")]
            let which = (bad / options.bad_fraction * BAD_BITS.len() as f64) as usize;
            1 << BAD_BITS[which.min(BAD_BITS.len() - 1)]
        } else {
            0
        };
        let is_lost = lost < options.nan_fraction;
        PixelDraw { variance, noise, flags, lost: is_lost, lost_image: lost < options.nan_fraction / 2.0 }
    }
}

/// What is random in a pixel.
struct PixelDraw {
    variance: f64,
    noise: f64,
    flags: i32,
    /// Flagged NONFUNC, VARIANCE is NaN.
    lost: bool,
    /// IMAGE is NaN too.
    lost_image: bool,
}
