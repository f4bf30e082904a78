//! A frame with stars at chosen pixels, for scenes, and what is found on it beside the truth.

use anyhow::Result;
use fastrand::Rng;
use spx_core::detector::Detector;
use spx_core::sky::Position;
use spx_sim::{
    ExposureOptions, FrameExtent, PixelWindow, Pointing, RealisticOptions, SimulatedRelease, SimulatedSky,
    SimulatedStar,
};

use crate::photometry::{MeasuredTable, measure_with};
use crate::runner::{SpxRunner, center};

/// A frame of a detector, and how it is seen.
pub(crate) struct SceneFrame {
    pointing: Pointing,
    window: PixelWindow,
    rng: Rng,
    stars: Vec<SimulatedStar>,
}

impl SceneFrame {
    /// A square of so many pixels.
    pub(crate) fn new(seed: u64, side: usize) -> Result<Self> {
        let window = PixelWindow { x0: 400, y0: 400, nx: side, ny: side };
        let mut rng = Rng::with_seed(seed);
        let pointing = Pointing {
            position: center()?,
            roll_deg: 24.7 + 40.0 * seed as f64,
            mjd: 61_027.0 + seed as f64,
            obs_id: format!("2025W51_1A_{seed:04}_1"),
            detector: Detector::new(3)?,
            seed: rng.u64(..),
        };
        Ok(Self { pointing, window, rng, stars: Vec::new() })
    }

    /// A star at a pixel of the window.
    pub(crate) fn star(&mut self, place: [f64; 2], flux_2um: f64) -> Result<()> {
        let position = self.sky(place)?;
        self.star_at(position, flux_2um);
        Ok(())
    }

    /// A star at a place on the sky.
    pub(crate) fn star_at(&mut self, position: Position, flux_2um: f64) {
        let id = format!("S{}", self.stars.len());
        self.stars.push(SimulatedStar { id, position, flux_2um, slope: 0.0 });
    }

    /// Where a pixel of the window is on the sky.
    pub(crate) fn sky(&self, [x, y]: [f64; 2]) -> Result<Position> {
        let wcs = self.pointing.wcs()?;
        let [ra, dec] = wcs.pixel_to_sky(self.window.x0 as f64 + x, self.window.y0 as f64 + y);
        Ok(Position::new(ra, dec)?)
    }

    /// A number from 0 to 1.
    pub(crate) fn random(&mut self) -> f64 {
        self.rng.f64()
    }

    pub(crate) fn stars(&self) -> &[SimulatedStar] {
        &self.stars
    }

    /// Places around the middles of cells of this side, up to `jitter` px off.
    pub(crate) fn grid(&mut self, side: usize, jitter: f64) -> Vec<[f64; 2]> {
        let cells = |n: usize| (0..n / side).map(move |k| ((k * side) as f64) + 0.5 * side as f64);
        let all = cells(self.window.ny).flat_map(|y| cells(self.window.nx).map(move |x| [x, y]));
        let rng = &mut self.rng;
        all.map(|place| place.map(|c| c + 2.0 * jitter * (rng.f64() - 0.5))).collect()
    }

    /// Writes the frame into the directory `frame`.
    pub(crate) fn simulate(&self, spx: &SpxRunner, release: SimulatedRelease) -> Result<()> {
        let sky = SimulatedSky { stars: self.stars.clone(), ..SimulatedSky::default() };
        let frame = FrameExtent::Cutout(self.window);
        let realism = Some(RealisticOptions::default());
        let exposure = ExposureOptions { release, frame, realism, ..ExposureOptions::default() };
        spx.simulate("frame", &sky, &[(self.pointing.clone(), exposure)]).map(|_| ())
    }

    /// What `spx batch` finds with each of some sets of options.
    pub(crate) fn measure(
        self,
        spx: &SpxRunner,
        release: SimulatedRelease,
        options: &[&[&str]],
    ) -> Result<(Vec<SimulatedStar>, Vec<MeasuredTable>)> {
        self.simulate(spx, release)?;
        let tables = options.iter().map(|options| measure_with(spx, "frame", &self.stars, options));
        let tables = tables.collect::<Result<Vec<_>>>()?;
        spx.forget("frame")?;
        Ok((self.stars, tables))
    }
}

/// Pulls and ratios of stars that are measured and good.
pub(crate) fn compare<'s>(
    table: &MeasuredTable,
    stars: impl Iterator<Item = &'s SimulatedStar>,
) -> (Vec<f64>, Vec<f64>) {
    let is_good = |id: &str| table.text(id, "is_good").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let good = stars.filter(|star| is_good(&star.id));
    let found = good.filter_map(|star| {
        let [flux, error] = ["flux", "flux_error"].map(|column| table.number(&star.id, column));
        Some((flux?, error?, star.flux_2um))
    });
    let found: Vec<(f64, f64, f64)> = found.collect();
    let pulls = found.iter().map(|(flux, error, truth)| (flux - truth) / error).collect();
    let bright = found.iter().filter(|(_, error, truth)| *truth > 20.0 * error);
    (pulls, bright.map(|(flux, _, truth)| flux / truth).collect())
}
