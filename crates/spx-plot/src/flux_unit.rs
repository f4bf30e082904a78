//! Units of flux densities in figures: per frequency or per wavelength, in a size that is easily
//! read.

use spx_core::units::C_UM_PER_S;

use crate::options::named;
use crate::scale::percentiles;

/// What flux densities are drawn per.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FluxDensity {
    /// Per frequency, in µJy, mJy or Jy.
    #[default]
    PerFrequency,
    /// Per wavelength, in W/m^2/µm.
    PerWavelength,
    /// Per logarithm of the wavelength, in W/m^2.
    LambdaFLambda,
}

named!(
    FluxDensity,
    "flux density",
    PerFrequency = "f_nu",
    PerWavelength = "f_lambda",
    LambdaFLambda = "lambda_f_lambda"
);

/// A unit of flux density.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FluxUnit {
    density: FluxDensity,
    /// Its name.
    pub name: &'static str,
    /// In uJy, W/m^2/um or W/m^2.
    size: f64,
}

/// Names and sizes, the smallest first: the next one is taken from ten of it on.
const PER_FREQUENCY: [(&str, f64); 3] = [("µJy", 1.0), ("mJy", 1e3), ("Jy", 1e6)];
const PER_WAVELENGTH: [(&str, f64); 3] =
    [("10⁻¹⁸ W m⁻² µm⁻¹", 1e-18), ("10⁻¹⁵ W m⁻² µm⁻¹", 1e-15), ("10⁻¹² W m⁻² µm⁻¹", 1e-12)];
const PER_LOGARITHM: [(&str, f64); 3] =
    [("10⁻¹⁸ W m⁻²", 1e-18), ("10⁻¹⁵ W m⁻²", 1e-15), ("10⁻¹² W m⁻²", 1e-12)];
/// W/m^2/Hz in one uJy.
const UJY: f64 = 1e-32;

impl FluxUnit {
    /// The unit in which these points, wavelength \[um\] and flux density \[uJy\], are easily read:
    /// it depends on the ninth tenth of their sizes.
    pub fn suited(density: FluxDensity, points: impl Iterator<Item = [f64; 2]>) -> Self {
        let units = match density {
            FluxDensity::PerFrequency => PER_FREQUENCY,
            FluxDensity::PerWavelength => PER_WAVELENGTH,
            FluxDensity::LambdaFLambda => PER_LOGARITHM,
        };
        let of = |(name, size)| Self { density, name, size };
        let plain = Self { density, name: "", size: 1.0 };
        let mut sizes: Vec<f64> =
            points.map(|[wavelength, flux]| plain.value(wavelength, flux).abs()).collect();
        sizes.retain(|size| size.is_finite());
        let typical = percentiles(&mut sizes, 50.0, 90.0, f64::total_cmp).map_or(0.0, |(_, high)| high);
        of(units.into_iter().rev().find(|(_, size)| typical >= 10.0 * size).unwrap_or(units[0]))
    }

    /// A flux density \[uJy\] at a wavelength \[um\] in this unit.
    pub fn value(&self, wavelength: f64, flux: f64) -> f64 {
        match self.density {
            FluxDensity::PerFrequency => flux / self.size,
            FluxDensity::LambdaFLambda => flux * UJY * C_UM_PER_S / wavelength / self.size,
            FluxDensity::PerWavelength => flux * UJY * C_UM_PER_S / (wavelength * wavelength) / self.size,
        }
    }

    /// The name of an axis.
    pub fn label(&self) -> String {
        let quantity = if self.density == FluxDensity::LambdaFLambda { "λ F(λ)" } else { "Flux density" };
        format!("{quantity} ({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_suit_the_fluxes() {
        let name =
            |density, flux: f64| FluxUnit::suited(density, [[2.0, flux], [4.0, flux]].into_iter()).name;
        for (flux, expected) in
            [(3.0, "µJy"), (-9_999.0, "µJy"), (10_000.0, "mJy"), (3e8, "Jy"), (f64::NAN, "µJy")]
        {
            assert_eq!(name(FluxDensity::PerFrequency, flux), expected, "{flux}");
        }
        assert_eq!(name(FluxDensity::PerWavelength, 100.0), "10⁻¹⁸ W m⁻² µm⁻¹");
        assert_eq!(name(FluxDensity::PerWavelength, 1e6), "10⁻¹⁵ W m⁻² µm⁻¹");
    }

    /// 1 Jy at 2 um: 1e-26 W/m^2/Hz times c / (2 um)^2, 7.49e13 Hz/um.
    #[test]
    fn fluxes_per_wavelength() {
        let unit = FluxUnit::suited(FluxDensity::PerWavelength, [[2.0, 1e6]].into_iter());
        assert!((unit.value(2.0, 1e6) - 749.48).abs() < 0.01, "{}", unit.value(2.0, 1e6));
        let unit = FluxUnit::suited(FluxDensity::LambdaFLambda, [[2.0, 1e6]].into_iter());
        assert_eq!(unit.name, "10⁻¹⁵ W m⁻²");
        assert!((unit.value(2.0, 1e6) - 1498.96).abs() < 0.02, "{}", unit.value(2.0, 1e6));
    }
}
