//! Fits of the foreground that are kept from run to run: a small file for each image and way of
//! fitting, in a directory that any number of processes share without locks.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spx_core::detector::Detector;
use spx_core::foreground::{ForegroundFit, ForegroundMode};
use twox_hash::XxHash3_128;

use crate::calibration::Calibration;
use crate::identity::InputIdentity;
use crate::inputs::file_name;
use crate::output::write_output;
use crate::zodi::ForegroundTreatment;

/// Grows with every change by which `spx_core::foreground` finds other numbers.
const FIT_VERSION: u32 = 1;

/// Where the fit of an image is kept.
#[derive(Debug)]
pub(crate) struct KeptFit {
    path: PathBuf,
    made_of: String,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct KeptFitFile {
    /// All that the fit depends on.
    made_of: String,
    fit: ForegroundFit,
}

impl KeptFit {
    /// The place of the fit of an image, which depends on all that shapes it: the file, by name,
    /// size, sums and time of modification, the settings of the fit, the calibration products, and
    /// the version of the program. `None` where fits are not kept, or a scale of the plane ZODI is
    /// not all that is fitted.
    pub(crate) fn of(
        treatment: &ForegroundTreatment,
        (path, detector): (&Path, Detector),
        calibration: &Calibration,
    ) -> Option<Self> {
        let directory = treatment.kept.as_deref()?;
        if treatment.options.mode != ForegroundMode::Fit {
            return None;
        }
        let made_of = format!(
            "file {}: {}\nsettings {:?} {:?}\ncalibration {}\nspx {} fit {FIT_VERSION}\n",
            file_name(path),
            InputIdentity::of(path).with_time(),
            treatment.options,
            treatment.excluded,
            calibration.content_of_pixels(detector),
            env!("CARGO_PKG_VERSION"),
        );
        let digest = format!("{:032x}", XxHash3_128::oneshot(made_of.as_bytes()));
        // A survey has a million: 256 directories.
        let path = directory.join(&digest[..2]).join(format!("{}.toml", &digest[2..]));
        Some(Self { path, made_of })
    }

    /// The fit, where it is there; a damaged file counts as none.
    pub(crate) fn read(&self) -> Option<ForegroundFit> {
        let text = fs::read_to_string(&self.path).ok()?;
        let found: KeptFitFile = toml::from_str(&text).ok()?;
        (found.made_of == self.made_of).then_some(found.fit)
    }

    /// Keeps a fit. Where that does not go, the next run fits it again.
    pub(crate) fn write(&self, fit: &ForegroundFit) {
        let file = KeptFitFile { made_of: self.made_of.clone(), fit: fit.clone() };
        let Ok(text) = toml::to_string(&file) else { return };
        self.path.parent().map(fs::create_dir_all);
        if let Err(error) = write_output(&self.path, text.as_bytes(), true) {
            tracing::warn!("the zodiacal scale is not kept: {}", error.one_line());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use spx_core::foreground::{ResidualBin, ScaleOrigin};

    use super::*;
    use crate::zodi::ZodiSettings;

    fn fits() -> [ForegroundFit; 2] {
        let bin = ResidualBin { wavelength: 1.0 / 3.0, level: -0.0, error: 1e-300, pixels: 20 };
        let fitted = ForegroundFit {
            scale: 0.1 + 0.2,
            scale_error: Some(f64::MIN_POSITIVE),
            origin: ScaleOrigin::Fitted,
            from_run: None,
            pixels: 12_345,
            extended_fraction: 1.0 / 7.0,
            zodi_level: f64::INFINITY,
            residual: vec![bin],
            spectrum: None,
        };
        let origin = ScaleOrigin::TooFewPixels { fraction: 0.3, pixels: 7 };
        [ForegroundFit { origin, scale_error: None, residual: Vec::new(), ..fitted.clone() }, fitted]
    }

    #[test]
    fn fits_are_read_to_the_bit_and_only_for_what_they_were_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("a.fits");
        fs::write(&image, "12345").unwrap();
        let time = |seconds| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::options().write(true).open(&image).unwrap().set_modified(time).unwrap();
        };
        time(1_700_000_000);
        let settings = ZodiSettings { kept: Some(folder.path().join("zodi")), ..ZodiSettings::default() };
        let (one, two): (Detector, Detector) = ("D1".parse().unwrap(), "D2".parse().unwrap());
        let calibration = Calibration::default();
        let at = |settings: &ZodiSettings, detector| {
            KeptFit::of(&settings.treatment().unwrap(), (&image, detector), &calibration)
        };
        let place = at(&settings, one).unwrap();
        assert!(place.read().is_none());
        for fit in fits() {
            place.write(&fit);
            assert_eq!(format!("{:?}", at(&settings, one).unwrap().read().unwrap()), format!("{fit:?}"));
        }
        let other = ZodiSettings { bg_fraction_min: 0.4, ..settings.clone() };
        assert!(at(&other, one).unwrap().read().is_none());
        assert!(at(&ZodiSettings { static_zodi: true, ..settings.clone() }, one).is_none());
        assert!(at(&ZodiSettings::default(), two).is_none());
        time(1_700_000_001);
        assert!(at(&settings, one).unwrap().read().is_none(), "a file of another time");
        time(1_700_000_000);
        fs::write(&place.path, "made_of = 3").unwrap();
        assert!(at(&settings, one).unwrap().read().is_none(), "a damaged file");
    }
}
