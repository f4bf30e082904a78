//! Simulations end soon after somebody asks, also while a file is written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use spx_core::progress::StopAfter;
use spx_sim::{
    Detector, ExposureOptions, FrameExtent, Position, RealisticOptions, SimError, SimulatedRelease,
    SimulatedSky, SurveyOptions, observe, survey, write_calibration_attended, write_mef_attended,
};

/// Writes with one limit of looks after the other; gives the looks of what was not stopped.
fn stopped_everywhere(step: usize, write: impl Fn(&StopAfter) -> Result<(), SimError>) -> usize {
    let free = StopAfter::never();
    write(&free).unwrap();
    for limit in (0..free.looks()).step_by(step) {
        let stopped = write(&StopAfter::new(limit));
        assert!(matches!(stopped, Err(SimError::Cancelled)), "look {limit}: {stopped:?}");
    }
    free.looks()
}

#[test]
fn files_that_are_broken_off_leave_nothing() {
    let center = Position::new(10.0, 41.0).unwrap();
    let plan = SurveyOptions {
        observations: 1,
        detectors: vec![Detector::new(3).unwrap()],
        ..SurveyOptions::default()
    };
    let pointing = survey(center, &plan).unwrap().remove(0);
    for (release, gzip, zones) in [
        (SimulatedRelease::Qr2, false, 121),
        (SimulatedRelease::Qr3, false, 451),
        (SimulatedRelease::Qr2, true, 121),
    ] {
        let frame = FrameExtent::Around { position: center, size: 80 };
        let realism = Some(RealisticOptions::default());
        let options = ExposureOptions { frame, release, realism, ..ExposureOptions::default() };
        let exposure = observe(&SimulatedSky::default(), &pointing, &options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.fits");
        let looks = stopped_everywhere(40, |progress| {
            assert_eq!(folder.path().read_dir().unwrap().count(), 0);
            write_mef_attended(&path, &exposure, gzip, progress)?;
            std::fs::remove_file(&path).unwrap();
            Ok(())
        });
        // The planes, and each zone of the point spread function.
        assert!(looks >= 8 + zones, "{release:?}: {looks} looks");
    }
}

#[test]
fn calibration_products_are_broken_off_and_gone_on_with() {
    let (detector, realism) = (Detector::new(1).unwrap(), RealisticOptions::default());
    let whole = tempfile::tempdir().unwrap();
    let free = StopAfter::never();
    let paths = write_calibration_attended(whole.path(), detector, &realism, &free).unwrap();
    assert!(free.looks() > 4 * 2040, "{} looks", free.looks());
    let broken = tempfile::tempdir().unwrap();
    for share in [2, 3, 1] {
        let limit = free.looks() / share;
        let ended = write_calibration_attended(broken.path(), detector, &realism, &StopAfter::new(limit));
        assert_eq!(ended.is_ok(), share == 1, "{limit} looks: {ended:?}");
    }
    for path in paths {
        let same = broken.path().join(path.strip_prefix(whole.path()).unwrap());
        assert!(std::fs::read(&path).unwrap() == std::fs::read(&same).unwrap(), "{}", same.display());
        assert_eq!(same.parent().unwrap().read_dir().unwrap().count(), 1, "leftovers");
    }
}
