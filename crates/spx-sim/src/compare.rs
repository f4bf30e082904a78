//! A picture against the truth: where a star is and how bright, measured in a plane.

use spx_core::elementary::hypot;

/// What is measured of a star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StarMeasurement {
    /// Centroid less the true position, `[x, y]` \[px\].
    pub offset: [f64; 2],
    /// Sum over the aperture, background subtracted \[unit of the plane times px\].
    pub sum: f64,
    /// Background: the median between one and two radii \[unit of the plane\].
    pub background: f64,
}

/// Measures the star at `position` `[x, y]` \[px, 0-based\] in a plane of shape `[ny, nx]`,
/// row-major.
///
/// The aperture is the pixels whose centers lie within `radius` \[px\], which should be several
/// times the width of the star: nothing is added for light outside. `None` where the aperture
/// leaves the plane or a pixel in it is not finite, for then the sum would miss a part of the star.
pub fn measure(
    plane: &[f32],
    [ny, nx]: [usize; 2],
    position: [f64; 2],
    radius: f64,
) -> Option<StarMeasurement> {
    let mut inside = Vec::new();
    let mut around = Vec::new();
    #[expect(clippy::cast_possible_truncation, reason = "a picture has fewer pixels than i64 can count")]
    let [x0, y0, reach] = [position[0], position[1], 2.0 * radius + 1.0].map(|v| v.round() as i64);
    for y in y0 - reach..=y0 + reach {
        for x in x0 - reach..=x0 + reach {
            let distance = hypot(x as f64 - position[0], y as f64 - position[1]);
            let pixel = usize::try_from(x).ok().zip(usize::try_from(y).ok()).filter(|p| p.0 < nx && p.1 < ny);
            let value = pixel.map(|(x, y)| f64::from(plane[y * nx + x])).filter(|v| v.is_finite());
            if distance <= radius {
                inside.push((x as f64, y as f64, value?));
            } else if distance <= 2.0 * radius {
                around.extend(value);
            }
        }
    }
    let background = median(&mut around)?;
    let sum: f64 = inside.iter().map(|p| p.2 - background).sum();
    let moment = |of: fn(&(f64, f64, f64)) -> f64| {
        inside.iter().map(|p| of(p) * (p.2 - background)).sum::<f64>() / sum
    };
    let offset = [moment(|p| p.0) - position[0], moment(|p| p.1) - position[1]];
    Some(StarMeasurement { offset, sum, background })
}

/// The median; of an even number of values the upper of the middle two.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use spx_core::elementary::exp;

    use super::*;

    /// A Gaussian of unit sum on a background of 3.
    fn star(at: [f64; 2]) -> Vec<f32> {
        let value = |k: usize| {
            let (x, y) = ((k % 40) as f64 - at[0], (k / 40) as f64 - at[1]);
            3.0 + 100.0 * exp(-(x * x + y * y) / 4.5) / (4.5 * std::f64::consts::PI)
        };
        #[expect(clippy::cast_possible_truncation, reason = "single precision is meant")]
        (0..1600).map(|k| value(k) as f32).collect()
    }

    #[test]
    fn finds_place_and_flux() {
        let spot = measure(&star([20.3, 18.6]), [40, 40], [20.0, 19.0], 8.0).unwrap();
        assert!((spot.offset[0] - 0.3).abs() < 2e-3 && (spot.offset[1] + 0.4).abs() < 2e-3, "{spot:?}");
        assert!((spot.sum - 100.0).abs() < 0.1 && (spot.background - 3.0).abs() < 1e-3, "{spot:?}");
    }

    #[test]
    fn refuses_what_it_cannot_see_whole() {
        let mut plane = star([20.0, 20.0]);
        assert!(measure(&plane, [40, 40], [3.0, 20.0], 5.0).is_none());
        plane[20 * 40 + 21] = f32::NAN;
        assert!(measure(&plane, [40, 40], [20.0, 20.0], 5.0).is_none());
        assert!(measure(&[], [0, 0], [0.0, 0.0], 1.0).is_none());
    }
}
