//! Wavelength and bandwidth of a pixel by table look-up: the -TAB algorithm of Greisen et al. 2006,
//! A&A 446, 747 (Paper III), section 6, for two axes.
//!
//! Two departures from the paper. It lets a reader refuse positions beyond half a cell outside the
//! table (and WCSLIB does); here the outermost cells are continued linearly without end, since
//! pixel edges and detectors' margins lie there. And SIP never applies to this WCS, whatever the
//! header says: the table is indexed by detector pixels.

use spx_core::header::Header;
use spx_core::map::{Passband, WavelengthMap};

use crate::error::{WcsError, invalid};

/// The wavelength table of an exposure, with the place of the image (a full frame or a cutout) in
/// it.
///
/// Between control points wavelength and bandwidth \[um\] are bilinear, beyond them the outermost
/// cell goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveTable {
    x: TableAxis,
    y: TableAxis,
    /// `[wavelength, bandwidth]` \[um\] at control point `i` of x and `j` of y, at `j * nx + i`.
    values: Vec<[f64; 2]>,
}

impl WaveTable {
    /// A table from the columns of WCS-WAVE and the alternate WCS `W` of the image's header.
    ///
    /// `x` and `y` are the control points of image axis 1 and 2, 1-based parent pixels, strictly
    /// monotonic, at least two each. `values` is the VALUES cell as it stands, `values[(j * nx + i)
    /// * 2 + k]`, `k` = 0 the wavelength and 1 the bandwidth. The header gives CTYPEiW, CUNITiW
    /// (um, m, nm or Angstrom), CRPIXiW, CRVALiW and CDELTiW; PV1_3W = 1 and PV2_3W = 2 is the
    /// order just named, and where they are exchanged so are, by Paper III, the places of `i` and
    /// `j` and those of wavelength and bandwidth.
    ///
    /// # Errors
    /// Names the card or the column at fault.
    pub fn new(x: &[f64], y: &[f64], values: &[f64], header: &Header) -> Result<Self, WcsError> {
        check_cards(header)?;
        let swapped = axis_order(header)?;
        let scale = [unit(header, "CUNIT1W")?, unit(header, "CUNIT2W")?];
        let points = [control_points("X", x)?, control_points("Y", y)?];
        let [nx, ny] = [x.len(), y.len()];
        if values.len() != 2 * nx * ny {
            let problem = format!("has {} values, not 2 x {nx} x {ny}", values.len());
            return Err(WcsError::Table { column: "VALUES", problem });
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let problem = format!("value {at} is {}", values[at]);
            return Err(WcsError::Table { column: "VALUES", problem });
        }
        let mut table = Vec::with_capacity(nx * ny);
        for j in (0..ny).map(|j| points[1].source(j)) {
            for i in (0..nx).map(|i| points[0].source(i)) {
                let pair = if swapped { (i * ny + j) * 2 } else { (j * nx + i) * 2 };
                let [first, second] = [values[pair], values[pair + 1]];
                let [wave, band] = if swapped { [second, first] } else { [first, second] };
                table.push([wave * scale[0], band * scale[1]]);
            }
        }
        let [x, y] = points;
        Ok(Self { x: TableAxis::new(header, 1, x)?, y: TableAxis::new(header, 2, y)?, values: table })
    }

    /// Smallest and largest central wavelength \[um\] over the pixel centers of an image of shape
    /// `[ny, nx]`; NaN where it has none.
    pub fn range(&self, [ny, nx]: [usize; 2]) -> [f64; 2] {
        let mut range = [f64::INFINITY, f64::NEG_INFINITY];
        // Within a cell the table is bilinear, so its extremes lie at the corners of the pixels of
        // that cell.
        for y in self.y.corner_pixels(ny) {
            for x in self.x.corner_pixels(nx) {
                let center = self.passband(x, y).center;
                range = [range[0].min(center), range[1].max(center)];
            }
        }
        if range[0] <= range[1] { range } else { [f64::NAN; 2] }
    }

    /// The straight line of a cell along a row: values at its first control point, and slopes a
    /// parent pixel.
    fn line(&self, cell: usize, row: (usize, f64)) -> [[f64; 2]; 2] {
        let (j, fraction) = row;
        let nx = self.x.points.len();
        let at = |i: usize| {
            let (low, high) = (self.values[j * nx + i], self.values[(j + 1) * nx + i]);
            [low[0] + fraction * (high[0] - low[0]), low[1] + fraction * (high[1] - low[1])]
        };
        let (left, right) = (at(cell), at(cell + 1));
        let width = self.x.points[cell + 1] - self.x.points[cell];
        [left, [(right[0] - left[0]) / width, (right[1] - left[1]) / width]]
    }
}

impl WavelengthMap for WaveTable {
    fn passband(&self, x: f64, y: f64) -> Passband {
        let mut out = [Passband { center: f64::NAN, width: f64::NAN }];
        self.passband_row(x, y, &mut out);
        let [band] = out;
        band
    }

    fn passband_row(&self, x0: f64, y: f64, out: &mut [Passband]) {
        let psi_y = self.y.parent(y);
        let j = self.y.cell(psi_y);
        let row = (j, (psi_y - self.y.points[j]) / (self.y.points[j + 1] - self.y.points[j]));
        let mut start = 0;
        while start < out.len() {
            let cell = self.x.cell(self.x.parent(x0 + start as f64));
            let end = self.x.run(cell, x0, start, out.len());
            let [value, slope] = self.line(cell, row);
            let origin = self.x.points[cell];
            for (k, band) in (counter(start)..).zip(&mut out[start..end]) {
                let step = self.x.parent(x0 + f64::from(k)) - origin;
                *band = Passband { center: value[0] + slope[0] * step, width: value[1] + slope[1] * step };
            }
            start = end;
        }
    }
}

/// One axis of the table.
#[derive(Debug, Clone, PartialEq)]
struct TableAxis {
    /// Control points, increasing, 1-based parent pixels.
    points: Vec<f64>,
    /// CRPIX, 0-based.
    crpix: f64,
    crval: f64,
    cdelt: f64,
}

impl TableAxis {
    fn new(header: &Header, axis: usize, points: ControlPoints) -> Result<Self, WcsError> {
        let card = |name: &str| header.real(&format!("{name}{axis}W"));
        let out = Self {
            points: points.increasing,
            crpix: card("CRPIX")? - 1.0,
            crval: card("CRVAL")?,
            cdelt: card("CDELT")?,
        };
        if out.cdelt == 0.0 {
            return Err(invalid(&format!("CDELT{axis}W"), 0, "must not be zero"));
        }
        Ok(out)
    }

    /// Parent pixel, 1-based, of a 0-based pixel of the image (Paper I, eq. 1 and 3).
    #[inline(always)]
    fn parent(&self, pixel: f64) -> f64 {
        (pixel - self.crpix) * self.cdelt + self.crval
    }

    /// The cell of a parent position: the last whose first control point is not above it, or an
    /// outermost.
    fn cell(&self, parent: f64) -> usize {
        let inner = &self.points[1..self.points.len() - 1];
        inner.iter().take_while(|point| **point <= parent).count()
    }

    /// The end of the run of pixels `x0 + k`, from `start` up to `len`, that lie in the same cell
    /// as `start`.
    fn run(&self, cell: usize, x0: f64, start: usize, len: usize) -> usize {
        let low = if cell == 0 { f64::NEG_INFINITY } else { self.points[cell] };
        let high = if cell + 2 == self.points.len() { f64::INFINITY } else { self.points[cell + 1] };
        let inside = |k: usize| (low..high).contains(&self.parent(x0 + k as f64));
        let (mut known, mut beyond) = (start, len);
        while beyond - known > 1 {
            let middle = known + (beyond - known) / 2;
            if inside(middle) {
                known = middle;
            } else {
                beyond = middle;
            }
        }
        beyond
    }

    /// The pixels of a side of `n` that can be the first or last of a cell, with repetitions.
    fn corner_pixels(&self, n: usize) -> Vec<f64> {
        if n == 0 {
            return Vec::new();
        }
        let last = n as f64 - 1.0;
        let mut out = vec![0.0, last];
        for point in &self.points {
            let pixel = (point - self.crval) / self.cdelt + self.crpix;
            out.extend([pixel.floor(), pixel.ceil()].into_iter().filter(|p| (0.0..=last).contains(p)));
        }
        out
    }
}

/// Control points in increasing order.
struct ControlPoints {
    increasing: Vec<f64>,
    reversed: bool,
}

impl ControlPoints {
    /// Where point `k` stood in the column.
    fn source(&self, k: usize) -> usize {
        if self.reversed { self.increasing.len() - 1 - k } else { k }
    }
}

fn control_points(column: &'static str, points: &[f64]) -> Result<ControlPoints, WcsError> {
    let error = |problem: String| Err(WcsError::Table { column, problem });
    if points.len() < 2 {
        return error(format!("has {} control points, at least 2 are needed", points.len()));
    }
    if let Some(bad) = points.iter().find(|p| !p.is_finite()) {
        return error(format!("has a control point {bad}"));
    }
    let reversed = points[0] > points[1];
    let mut increasing = points.to_vec();
    if reversed {
        increasing.reverse();
    }
    match increasing.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => error(format!("control points {} and {} are not monotonic", pair[0], pair[1])),
        None => Ok(ControlPoints { increasing, reversed }),
    }
}

/// Both axes are WAVE-TAB without rotation.
fn check_cards(header: &Header) -> Result<(), WcsError> {
    for keyword in ["CTYPE1W", "CTYPE2W"] {
        let ctype = header.text(keyword)?;
        if ctype != "WAVE-TAB" {
            return Err(invalid(keyword, ctype, "only WAVE-TAB is supported"));
        }
    }
    for (suffix, expected) in [("1_1W", 1.0), ("2_2W", 1.0), ("1_2W", 0.0), ("2_1W", 0.0)] {
        for keyword in [format!("PC{suffix}"), format!("CD{suffix}")] {
            if let Some(value) = header.optional_real(&keyword)?
                && value != expected
            {
                return Err(invalid(&keyword, value, "a matrix other than unity is not supported"));
            }
        }
    }
    Ok(())
}

/// True where PV1_3W = 2 and PV2_3W = 1.
fn axis_order(header: &Header) -> Result<bool, WcsError> {
    match (header.integer("PV1_3W")?, header.integer("PV2_3W")?) {
        (1, 2) => Ok(false),
        (2, 1) => Ok(true),
        (1 | 2, second) => Err(invalid("PV2_3W", second, "PV1_3W and PV2_3W must be 1 and 2 in some order")),
        (first, _) => Err(invalid("PV1_3W", first, "PV1_3W and PV2_3W must be 1 and 2 in some order")),
    }
}

/// Micrometers in the unit of an axis.
fn unit(header: &Header, keyword: &str) -> Result<f64, WcsError> {
    match header.text(keyword)? {
        "um" | "micron" => Ok(1.0),
        "m" => Ok(1e6),
        "nm" => Ok(1e-3),
        "Angstrom" | "angstrom" => Ok(1e-4),
        other => Err(invalid(keyword, other, "the unit must be um, m, nm or Angstrom")),
    }
}

/// A column number in the 32 bits that convert to floating point in vector registers; no row is so
/// long that it would be cut.
fn counter(k: usize) -> i32 {
    i32::try_from(k).unwrap_or(i32::MAX)
}
