//! The function of a zone, made ready: the share of a source's light in a pixel, sampled at
//! distances of its center.

use super::PsfKind;
use spx_core::elementary::{exp, sin_cos};

/// Zeros on either side of the samples, so that interpolation never runs off the table.
pub(super) const MARGIN: usize = 3;
/// Samples a pixel that are enough to interpolate an effective function.
const ENOUGH: usize = 5;
/// Directions in which the half width is measured.
const DIRECTIONS: u32 = 24;

/// A prepared zone: `side` x `side` samples, row-major `[y][x]`, the source on the middle one.
#[derive(Debug)]
pub(super) struct ZoneTable {
    pub(super) side: usize,
    /// Samples a pixel.
    pub(super) oversampling: usize,
    pub(super) samples: Vec<f64>,
    /// Full width at half maximum, as pixels see the function \[px\].
    pub(super) fwhm: f64,
}

impl ZoneTable {
    /// `None` for a plane that is not finite or has no light.
    pub(super) fn new(plane: &[f32], side: usize, oversampling: usize, kind: PsfKind) -> Option<Self> {
        let total: f64 = plane.iter().map(|&v| f64::from(v)).sum();
        if plane.len() != side * side || !(total > 0.0 && total.is_finite()) {
            return None;
        }
        let mut table = match kind {
            PsfKind::Effective => effective(plane, side, oversampling, total),
            PsfKind::Optical => integrated(plane, side, oversampling, total),
        };
        table.fwhm = table.measure_fwhm();
        table.fwhm.is_finite().then_some(table)
    }

    /// Share of the light in the pixel whose center lies `(dx, dy)` pixels from the source; zero
    /// beyond the samples.
    pub(super) fn pixel(&self, dx: f64, dy: f64) -> f64 {
        let (Some((i, wx)), Some((j, wy))) = (self.taps(dx), self.taps(dy)) else { return 0.0 };
        let mut sum = 0.0;
        for (b, wy) in wy.into_iter().enumerate() {
            let row = &self.samples[(j + b) * self.side + i..][..6];
            sum += wy * row.iter().zip(wx).map(|(sample, wx)| wx * sample).sum::<f64>();
        }
        sum
    }

    /// The first of the six samples around a distance \[px\] along an axis, and their weights;
    /// `None` beyond them.
    pub(super) fn taps(&self, distance: f64) -> Option<(usize, [f64; 6])> {
        let at = distance * self.oversampling as f64 + (self.side / 2) as f64;
        let inside = (2.0..(self.side - 3) as f64).contains(&at);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "on the table")]
        inside.then(|| (at as usize - 2, quintic(at.fract())))
    }

    /// The diameter of the circle of the area in which the function exceeds half of its value at
    /// the source \[px\]; NaN where it never falls so low.
    fn measure_fwhm(&self) -> f64 {
        const STEPS: [f64; 2] = [0.16, 0.02];
        let half = 0.5 * self.pixel(0.0, 0.0);
        let mut squares = 0.0;
        for k in 0..DIRECTIONS {
            let (sin, cos) = sin_cos(f64::from(k) * std::f64::consts::TAU / f64::from(DIRECTIONS));
            let at = |r: f64| self.pixel(r * cos, r * sin) - half;
            // Long steps up to the half width, short ones across it.
            let mut r = 0.0;
            for step in STEPS {
                while at(r + step) > 0.0 {
                    r += step;
                    if r * self.oversampling as f64 > self.side as f64 {
                        return f64::NAN;
                    }
                }
            }
            let step = STEPS[STEPS.len() - 1];
            let (above, below) = (at(r), at(r + step));
            r += step * above / (above - below);
            squares += r * r;
        }
        2.0 * (squares / f64::from(DIRECTIONS)).sqrt()
    }
}

/// An effective function as it stands: one pixel in `oversampling^2` samples it once.
fn effective(plane: &[f32], side: usize, oversampling: usize, total: f64) -> ZoneTable {
    let scale = (oversampling * oversampling) as f64 / total;
    let wide = side + 2 * MARGIN;
    let mut samples = vec![0.0; wide * wide];
    for (y, row) in plane.chunks_exact(side).enumerate() {
        for (sample, value) in samples[(y + MARGIN) * wide + MARGIN..].iter_mut().zip(row) {
            *sample = f64::from(*value) * scale;
        }
    }
    ZoneTable { side: wide, oversampling, samples, fwhm: f64::NAN }
}

/// An optical function, centered on its own centroid and integrated over pixels.
///
/// Its samples are values of a smooth function. The running sum of the light in the cells around
/// them is interpolated at the edges of the pixel by cubic convolution (Keys 1981, IEEE Trans. ASSP
/// 29, 1153), along one axis after the other.
fn integrated(plane: &[f32], side: usize, oversampling: usize, total: f64) -> ZoneTable {
    let mut light = cell_light(plane, side);
    light.iter_mut().for_each(|value| *value /= total);
    let center = centroid(&light, side, oversampling as f64);
    let fine = (ENOUGH..=oversampling).find(|n| oversampling.is_multiple_of(*n)).unwrap_or(oversampling);
    let reach = (side.div_ceil(2) * fine).div_ceil(oversampling) + fine.div_ceil(2) + MARGIN;
    let count = 2 * reach + 1;
    let edges = |shift: f64| -> Vec<[(usize, [f64; 4]); 2]> {
        let edge = |k: usize, side_of: f64| {
            let distance = (k as f64 - reach as f64) / fine as f64 + side_of;
            corners(distance * oversampling as f64 + shift + 0.5 * side as f64, side)
        };
        (0..count).map(|k| [edge(k, -0.5), edge(k, 0.5)]).collect()
    };
    let (along_x, along_y) = (edges(center[0]), edges(center[1]));
    let mut half = vec![0.0; side * count];
    for (row, half) in light.chunks_exact(side).zip(half.chunks_exact_mut(count)) {
        integrate(row.iter().copied(), &along_x, |k, value| half[k] = value);
    }
    let mut samples = vec![0.0; count * count];
    for x in 0..count {
        integrate(half.iter().skip(x).step_by(count).copied(), &along_y, |k, value| {
            samples[k * count + x] = value;
        });
    }
    ZoneTable { side: count, oversampling: fine, samples, fwhm: f64::NAN }
}

/// Integrals of a line of cells between pairs of edges.
fn integrate(
    cells: impl Iterator<Item = f64>,
    edges: &[[(usize, [f64; 4]); 2]],
    mut put: impl FnMut(usize, f64),
) {
    let mut below = vec![0.0];
    let mut sum = 0.0;
    below.extend(cells.map(|cell| {
        sum += cell;
        sum
    }));
    let at = |(k, weights): &(usize, [f64; 4])| -> f64 {
        // Beyond the cells there is no more.
        let corner = |n: usize| below[(k + n).saturating_sub(1).min(below.len() - 1)];
        (0..4).map(|n| weights[n] * corner(n)).sum()
    };
    for (k, [low, high]) in edges.iter().enumerate() {
        put(k, at(high) - at(low));
    }
}

/// A place on the axis of a running sum: the corner before it, and the weights of the four corners
/// around it.
fn corners(place: f64, side: usize) -> (usize, [f64; 4]) {
    let place = place.clamp(0.0, side as f64);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the plane")]
    let k = place as usize;
    (k, cubic(place - k as f64))
}

/// The light in the cell around each sample, which is the value of a smooth function there: to
/// fourth order, along each axis, `f + f'' / 24` (the midpoint rule with its first correction). The
/// sum stays the same.
fn cell_light(plane: &[f32], side: usize) -> Vec<f64> {
    let mut light: Vec<f64> = plane.iter().map(|&v| f64::from(v)).collect();
    let mut line = vec![0.0; side];
    for (first, step) in (0..side).map(|k| (k * side, 1)).chain((0..side).map(|k| (k, side))) {
        for (k, value) in line.iter_mut().enumerate() {
            *value = light[first + k * step];
        }
        for k in 0..side {
            // At the ends the slope is taken to vanish, so that no light is lost.
            let (before, after) = (line[k.saturating_sub(1)], line[(k + 1).min(side - 1)]);
            light[first + k * step] += (before - 2.0 * line[k] + after) / 24.0;
        }
    }
    light
}

/// The centroid of the core, in samples from the middle: under a Gaussian window of half a pixel
/// about it, so that noise in the wings does not count. The window pulls toward its own middle,
/// hence steps of one and a half.
fn centroid(light: &[f64], side: usize, oversampling: f64) -> [f64; 2] {
    let (middle, sigma) = ((side as f64 - 1.0) / 2.0, 0.5 * oversampling);
    let mut center = [0.0; 2];
    for _ in 0..40 {
        let window = |k: usize, c: f64| exp(-0.5 * ((k as f64 - middle - c) / sigma).powi(2));
        let [wx, wy] = center.map(|c| (0..side).map(|k| window(k, c)).collect::<Vec<_>>());
        let (mut sum, mut moved) = (0.0, [0.0; 2]);
        for (y, row) in light.chunks_exact(side).enumerate() {
            for (x, value) in row.iter().enumerate() {
                let weighted = value * wx[x] * wy[y];
                sum += weighted;
                moved[0] += weighted * (x as f64 - middle - center[0]);
                moved[1] += weighted * (y as f64 - middle - center[1]);
            }
        }
        let step = moved.map(|m| 1.5 * m / sum);
        if !step.iter().all(|s| s.abs() < oversampling) {
            return [0.0; 2];
        }
        center = [center[0] + step[0], center[1] + step[1]];
        if step.iter().all(|s| s.abs() < 1e-4 * oversampling) {
            break;
        }
    }
    center
}

/// Weights of the four samples around a point that lies `t` behind the second.
fn cubic(t: f64) -> [f64; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        0.5 * (-t + 2.0 * t2 - t3),
        0.5 * (2.0 - 5.0 * t2 + 3.0 * t3),
        0.5 * (t + 4.0 * t2 - 3.0 * t3),
        0.5 * (-t2 + t3),
    ]
}

/// Weights of the six samples around a point that lies `t` behind the third (Lagrange): a flux is
/// off by 2e-4 at most where cubic convolution would cost up to 2e-3.
fn quintic(t: f64) -> [f64; 6] {
    // The product of the distances from each sample to the other five.
    const PRODUCTS: [f64; 6] = [-120.0, 24.0, -12.0, 12.0, -24.0, 120.0];
    let distances: [f64; 6] = std::array::from_fn(|k| t + 2.0 - k as f64);
    std::array::from_fn(|k| {
        let others = distances.iter().enumerate().filter(|(j, _)| *j != k);
        others.map(|(_, distance)| distance).product::<f64>() / PRODUCTS[k]
    })
}
