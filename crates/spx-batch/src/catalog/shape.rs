//! Shapes of galaxies: Sersic profiles (Sersic 1963; Graham & Driver 2005, PASA 22, 118).

/// Usual names of the columns, the first that a table has counts. Case, underscores, dots and
/// hyphens do not.
pub(super) const SHAPES: [&[&str]; 4] = [
    &["sersic", "sersicn", "sersicindex", "nsersic"],
    &["reff", "shaper", "effectiveradius", "halflightradius", "rhalf", "re"],
    &["axisratio", "abratio"],
    &["positionangle", "pa", "phi"],
];

/// The profile of a galaxy on the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogShape {
    /// Sersic index, 0.5 to 6: 1 is an exponential disk, 4 de Vaucouleurs' law.
    pub index: f64,
    /// Half of the light lies within this, along the major axis \[arcsec\]; above 0, at most 20.
    pub r_eff: f64,
    /// Minor over major axis, above 0 to 1.
    pub axis_ratio: f64,
    /// Of the major axis, from north through east \[deg\].
    pub position_angle: f64,
}

/// The shape of a row, from its four numbers, which are NaN where they are missing: without an
/// effective radius, or with 0, it is a point; without an axis ratio it is round.
pub(super) fn check([index, r_eff, ratio, angle]: [f64; 4]) -> Result<Option<CatalogShape>, String> {
    if r_eff.is_nan() || r_eff == 0.0 {
        return Ok(None);
    }
    let axis_ratio = if ratio.is_nan() { 1.0 } else { ratio };
    let position_angle = if angle.is_nan() && axis_ratio == 1.0 { 0.0 } else { angle };
    if !(0.5..=6.0).contains(&index) {
        return Err(format!("a Sersic index of {index}: it must be from 0.5 to 6"));
    }
    if !(r_eff > 0.0 && r_eff <= 20.0) {
        return Err(format!("an effective radius of {r_eff} arcsec: it must be above 0 and at most 20"));
    }
    if !(axis_ratio > 0.0 && axis_ratio <= 1.0) {
        return Err(format!("an axis ratio of {axis_ratio}: it must be above 0 and at most 1"));
    }
    if !position_angle.is_finite() {
        return Err("an axis ratio, but no position angle".into());
    }
    Ok(Some(CatalogShape { index, r_eff, axis_ratio, position_angle }))
}
