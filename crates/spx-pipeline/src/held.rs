//! How much of a cutout that was asked for a file holds: at the edge of the detector, or where a
//! server cut less, it is smaller.

use serde::{Deserialize, Serialize};
use spx_archive::{Cutout, CutoutPlace};
use spx_core::detector::Detector;
use spx_core::image::Metadata;
use spx_wcs::CelestialWcs;

use crate::Listener;

/// Pixels that may be missing of a side: the archive rounds.
const ROUNDING: f64 = 1.0;
/// Share of an angle that may be: pixels differ in size.
const PIXEL_SIZES: f64 = 0.02;

/// The part of a cutout that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldCutout {
    /// Its share of the area; 1 where nothing is missing but by rounding.
    pub share: f64,
    /// The file holds all of it that lies on the detector.
    pub ends_with_detector: bool,
}

impl HeldCutout {
    /// What an image holds of a cutout; `None` where the place of one of both is not known.
    pub fn of(cutout: &Cutout, image: &Metadata, wcs: &CelestialWcs) -> Option<Self> {
        let [ny, nx] = image.shape;
        let offset = image.parent_offset().ok()?;
        let center = match cutout.center.place()? {
            CutoutPlace::Pixel([x, y]) => [x - offset[0], y - offset[1]],
            CutoutPlace::Sky(position) => wcs.sky_to_pixel(position)?,
        };
        let size = cutout.size.in_pixels_of(wcs.pixel_area(center[0], center[1]).sqrt());
        let allowed =
            |side: f64| ROUNDING + if cutout.size.is_in_pixels() { 0.0 } else { PIXEL_SIZES * side };
        let (mut held_area, mut ends_with_detector) = (1.0, true);
        for (k, pixels) in [nx, ny].into_iter().enumerate() {
            let [low, high] = [-0.5, 0.5].map(|half| center[k] + half * size[k]);
            let within = |start: f64, end: f64| (high.min(end) - low.max(start)).max(0.0);
            let in_file = within(-0.5, pixels as f64 - 0.5);
            let on_detector = within(-0.5 - offset[k], Detector::NPIX as f64 - 0.5 - offset[k]);
            held_area *= if size[k] - in_file > allowed(size[k]) { in_file } else { size[k] };
            ends_with_detector &= on_detector - in_file <= allowed(size[k]);
        }
        Some(Self { share: held_area / (size[0] * size[1]), ends_with_detector })
    }

    /// Whether something is missing.
    pub fn is_smaller(&self) -> bool {
        self.share < 1.0
    }
}

/// Says how many cutouts are smaller than asked for, if any, and why: a warning, unless all of them
/// are only where the detector ends, about which nothing can be done. `more` goes on behind.
pub(crate) fn tell_smaller_cutouts(
    cutout: &Cutout,
    held: impl Iterator<Item = HeldCutout> + Clone,
    more: &str,
    listener: &dyn Listener,
) {
    let smaller = held.clone().filter(HeldCutout::is_smaller).count();
    let at_edge = held.clone().filter(|held| held.is_smaller() && held.ends_with_detector).count();
    let why = match smaller - at_edge {
        0 => "the detector ends there".to_owned(),
        cut if at_edge == 0 => format!("{cut} were cut smaller"),
        cut => format!("{at_edge} end at the edge of the detector, {cut} were cut smaller"),
    };
    let verb = if smaller == 1 { "covers" } else { "cover" };
    let text = format!(
        "{smaller} of {} cutouts {verb} less than the requested {}: {why}{more}",
        held.count(),
        cutout.size
    );
    match smaller {
        0 => {}
        _ if smaller == at_edge => listener.note(&text),
        _ => listener.warning(&text),
    }
}

#[cfg(test)]
mod tests {
    use spx_core::detector::Detector;
    use spx_core::mef::MefFile;
    use spx_core::sky::Position;
    use spx_sim::{
        ExposureOptions, FrameExtent, PixelWindow, SimulatedSky, SurveyOptions, observe, survey, write_mef,
    };

    use super::*;

    /// Windows of a frame, and what they hold of cutouts in pixels (counted from 1) and on the sky.
    #[test]
    fn shares_tell_the_edge_of_the_detector_from_what_was_cut_off() {
        let center = Position::new(186.4536, 33.5468).unwrap();
        let plan = SurveyOptions {
            observations: 1,
            detectors: vec![Detector::new(3).unwrap()],
            ..Default::default()
        };
        let pointing = &survey(center, &plan).unwrap()[0];
        let check = |[x0, y0, nx, ny]: [usize; 4], center: &str, size: &str, share: f64, ends: bool| {
            let frame = FrameExtent::Cutout(PixelWindow { x0, y0, nx, ny });
            let options = ExposureOptions { frame, ..Default::default() };
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("cutout.fits");
            write_mef(&path, &observe(&SimulatedSky::default(), pointing, &options).unwrap(), false).unwrap();
            let file = MefFile::open(&path).unwrap();
            let wcs = CelestialWcs::from_header(&file.metadata().header).unwrap();
            let center = match center {
                "middle" => {
                    let [ra, dec] = wcs.pixel_to_sky(0.5 * (nx as f64 - 1.0), 0.5 * (ny as f64 - 1.0));
                    Position::new(ra, dec).unwrap().into()
                }
                pixels => pixels.parse().unwrap(),
            };
            let held = HeldCutout::of(&Cutout { size: size.parse().unwrap(), center }, file.metadata(), &wcs);
            let held = held.unwrap();
            assert!((held.share - share).abs() < 1e-9, "{size}: {held:?}");
            assert_eq!(held.ends_with_detector, ends, "{size}: {held:?}");
        };
        check([700, 700, 60, 60], "730.5,730.5px", "60px", 1.0, true);
        // As the archive rounds: half a pixel of either side.
        check([700, 700, 60, 60], "731,730.4px", "60px", 1.0, true);
        check([700, 700, 60, 60], "middle", "61px", 1.0, true);
        check([700, 700, 60, 60], "middle", "369arcsec", 1.0, true);
        // Columns -20 to 39 of the detector, of which the last 40 exist.
        check([0, 700, 40, 60], "10.5,730.5px", "60px", 40.0 / 60.0, true);
        check([0, 700, 30, 60], "10.5,730.5px", "60px", 30.0 / 60.0, false);
        check([2000, 2010, 40, 30], "2020.5,2040.5px", "40,60px", 0.5, true);
        check([700, 700, 60, 60], "middle", "120px", 0.25, false);
    }
}
