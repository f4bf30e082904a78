//! A spectral image: its planes, wavelength table and PSF.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spx_core::image::{PixelPlanes, PsfData, PsfOrigin, PsfSamples};
use spx_core::mef::{MefFile, read_psf_product};
use spx_photometry::{PsfKind, PsfModel, PsfZones};

mod memory;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("spx-fuzz-{}.fits", std::process::id()));
    std::fs::write(&path, bytes).expect("the file is written");
    if let Ok(psf) = read_psf_product(&path) {
        look_at(psf, None);
    }
    let Ok(mut file) = MefFile::open(&path) else { return };
    if let Ok(Some(psf)) = file.read_psf() {
        let version = file.metadata().version.clone();
        look_at(psf, version.as_deref());
    }
    if let Ok(whole) = file.whole(PixelPlanes::default()) {
        whole.into_memory().ok();
    }
});

fn look_at(psf: PsfData, version: Option<&str>) {
    let PsfData { planes, zones, side, origin } = psf;
    let planes = match planes {
        PsfSamples::Held(samples) => samples,
        PsfSamples::Mapped(image) => image.pixels().to_native().into_owned(),
    };
    let model = match origin {
        PsfOrigin::Cube(header) => PsfModel::from_cube(&header, version, planes, zones, side),
        PsfOrigin::Table { centers, oversampling } => PsfModel::new(
            planes,
            side,
            oversampling.unwrap_or(5.0),
            PsfKind::Effective,
            centers.unwrap_or_else(|| vec![[20.0, 20.0]; zones]),
        ),
    };
    if let Ok(model) = model {
        model.at([20.0, 20.0], PsfZones::default());
    }
}
