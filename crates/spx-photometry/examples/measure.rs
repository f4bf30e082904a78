//! A simulated star with a bad pixel on it, measured in an aperture and by its PSF.
//!
//! `cargo run -p spx-photometry --example measure`
#![allow(clippy::cast_possible_truncation, clippy::print_stdout, reason = "an example")]

use spx_core::elementary::exp;
use spx_photometry::flags::FlagNames;
use spx_photometry::map::Passband;
use spx_photometry::pixels::Pixels;
use spx_photometry::units::UJY_PER_ARCSEC2_PER_MJY_PER_SR;
use spx_photometry::{
    ImageView, Photometer, PhotometryOptions, PsfKind, PsfModel, PsfZones, Scratch, SourceOnImage,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // An effective PSF of one zone: 33 x 33 samples, five a pixel.
    let sample = |k: usize| {
        let [x, y] = [k % 33, k / 33].map(|c| (c as f64 - 16.0) / 5.0);
        exp(-(x * x + y * y) / 0.5) as f32
    };
    let samples: Vec<f32> = (0..33 * 33).map(sample).collect();
    let psf = PsfModel::new(samples, 33, 5.0, PsfKind::Effective, vec![[1019.5, 1019.5]])?;

    // A star of 500 uJy over an even background, on pixels of 37.9 arcsec^2; one of them is bad.
    let (area, position, flux) = (37.9, [20.3, 19.8], 500.0);
    let profile = psf.at(position, PsfZones::Bilinear).ok_or("the PSF has no light")?;
    let pixel = |k: usize| {
        let light = flux * profile.pixel((k % 40) as f64 - position[0], (k / 40) as f64 - position[1]);
        (0.25 + light / (area * UJY_PER_ARCSEC2_PER_MJY_PER_SR)) as f32
    };
    let mut image: Vec<f32> = (0..40 * 40).map(pixel).collect();
    let mut flags = vec![0; 40 * 40];
    let names = FlagNames::default();
    (image[20 * 40 + 21], flags[20 * 40 + 21]) = (1e4, names.mask("HOT").cast_signed());

    let view = ImageView {
        shape: [40, 40],
        image: Pixels::Native(&image),
        flags: Pixels::Native(&flags),
        variance: Pixels::Native(&[1e-4; 40 * 40]),
        foreground: None,
        flag_names: &names,
        psf_fwhm: None,
        parent_offset: [0.0; 2],
    };
    let options = PhotometryOptions { psf_flux: true, ..PhotometryOptions::default() };
    let photometer = Photometer::new(view, &options, Some(&psf))?;
    let passband = Passband { center: 2.1, width: 0.05 };
    let source = SourceOnImage { position, pixel_area: area, passband };
    let measured = photometer.measure(&source, &mut Scratch::default())?;
    let psf_flux = measured.psf.ok_or("not asked for")??;
    println!("aperture: {:.2} +- {:.2} uJy", measured.flux, measured.flux_error);
    println!("PSF:      {:.2} +- {:.2} uJy", psf_flux.flux, psf_flux.error);
    println!("{:.0} % of the light fell on a bad pixel", 100.0 * measured.masked_fraction.unwrap_or(0.0));
    assert!((measured.flux / flux - 1.0).abs() < 1e-3 && (psf_flux.flux / flux - 1.0).abs() < 1e-3);
    Ok(())
}
