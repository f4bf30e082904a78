//! `spx demo`: both releases, brought to one scale, and the stars of the cube within their errors.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too, fail by panicking")]

use serde_json::Value;
use spx_core::fits::FitsReader;
use tools::spx;

mod tools;

#[test]
fn the_demo_measures_the_truth_on_images_of_both_releases() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    let run = spx(folder, &["demo", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    for word in ["half of QR2, half of QR3", "spx calibration fetch", "4 products"] {
        assert!(run.stderr.contains(word), "{}", run.stderr);
    }
    let report = run.json();
    let number = |value: &Value| value.as_f64().unwrap();
    for offset in report["median_offset_px"].as_array().unwrap() {
        assert!(number(offset).abs() < 0.02, "{report}");
    }
    let one = |value: &Value| {
        let [ratio, error] = ["mean_flux_ratio", "mean_flux_ratio_error"].map(|key| number(&value[key]));
        assert!((ratio - 1.0).abs() < 3.0 * error && error < 0.01, "{value}");
    };
    one(&report);
    assert!(report["stars"].as_array().unwrap().len() > 10);
    let blank = [0, 1].map(|k| number(&report["blank_sky"][k]));
    assert!(blank[0].abs() < 0.03 && (blank[1] - 1.0).abs() < 0.05, "{blank:?}");
    for method in ["aperture", "psf"] {
        one(&report["source"][method]);
    }
    let header = FitsReader::open(&folder.join("spx-demo/drizzle_D3.fits")).unwrap().header().unwrap();
    assert_eq!(header.text("RELEASES"), Ok("qr2,qr3"));
    assert_eq!((header.integer("N_QR2"), header.integer("N_QR3")), (Ok(15), Ok(15)));
    assert_eq!(header.text("FLUXCORR"), Ok("applied,not_needed"));
    assert_eq!(header.get("MIXSCALE"), Some(&false.into()));
}
