//! Pixel to sky and back: gnomonic projection (TAN) with SIP distortion, and further projections
//! without.
//!
//! Calabretta & Greisen 2002, A&A 395, 1077 (Paper II) for the projection and the rotation, Greisen
//! & Calabretta 2002, A&A 395, 1061 (Paper I) for the cards, Shupe et al. 2005 for SIP.
//!
//! What a projection makes of a point of the plane is in `projection.rs`. The gnomonic one takes
//! the point (xi, eta) of the tangent plane \[rad\] to the direction of (xi, eta, 1): Paper II's
//! native spherical coordinates (eq. 14, 15, 54, 55) need not appear. The rotation to the sky (eq.
//! 2) is a 3 x 3 matrix, in ICRS here in a frame whose longitude counts from CRVAL1, so that right
//! ascension is added at the end, and a map between two planes needs the difference of their CRVAL1
//! alone. Other systems are turned to ICRS by the same matrix.

use spx_core::elementary::{atan2, hypot, sin_cos};
use spx_core::header::{Header, HeaderError};
use spx_core::sky::Position;
use spx_core::units::ARCSEC_PER_RADIAN;

use crate::error::{WcsError, invalid};
use crate::projection::{Matrix3, SkyFrame, SkyProjection};
use crate::sip::Sip;

pub(crate) type Matrix2 = [[f64; 2]; 2];

/// A celestial WCS: TAN with or without `-SIP`, SIN, ZEA or CAR, of equatorial axes (ICRS, FK5) or
/// galactic ones.
///
/// Pixels are 0-based with integers at pixel centers, angles degrees, positions ICRS whatever the
/// axes. The functions are defined for every pixel position, also outside the image; pixels that
/// are the image of no position (beyond the limb of SIN and ZEA) give NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct CelestialWcs {
    /// CRPIX, 0-based \[px\].
    crpix: [f64; 2],
    /// CRVAL \[deg\], longitude first, in [0, 360), in the system of the axes.
    crval: [f64; 2],
    frame: SkyFrame,
    projection: SkyProjection,
    /// The right ascension from which the longitudes of `to_sky` count \[deg\].
    origin: f64,
    /// Undistorted pixel offset to tangent plane \[rad/px\].
    matrix: Matrix2,
    /// Its inverse \[px/rad\].
    inverse: Matrix2,
    /// Native direction to one in the frame whose longitude counts from the origin; orthogonal.
    to_sky: Matrix3,
    sip: Option<Sip>,
}

/// The numbers of an undistorted projection, for those who compute with it elsewhere.
///
/// With `(u, v)` the offset from `crpix`, `(xi, eta) = matrix (u, v)` in radians, and `d` the
/// native direction that the projection gives, of TAN (xi, eta, 1), the direction is `to_sky d` in
/// a frame whose longitude counts from `origin`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectionNumbers {
    /// The projection.
    pub projection: SkyProjection,
    /// The reference pixel, 0-based with integers at pixel centers \[px\].
    pub crpix: [f64; 2],
    /// The right ascension from which longitudes count \[deg\], in [0, 360).
    pub origin: f64,
    /// Pixel offset to tangent plane \[deg/px\], by rows.
    pub matrix: [[f64; 2]; 2],
    /// Tangent plane to direction, by rows; orthogonal.
    pub to_sky: [[f64; 3]; 3],
}

impl CelestialWcs {
    /// Reads the primary WCS of a header: CTYPEi, CRPIXi, CRVALi, CUNITi, LONPOLE, LATPOLE, SIP,
    /// and the matrix in one of the forms PCi_j with CDELTi, CDi_j, CDELTi alone, CDELTi with
    /// CROTAi.
    ///
    /// Axis 1 may be the latitude. Further axes of a cube are ignored. LATPOLE has no effect on
    /// a zenithal projection. SIP cards are applied where CTYPE ends in `-SIP`; where it does not,
    /// they are an error, since readers disagree about such headers.
    ///
    /// # Errors
    /// Names the card that is missing, of the wrong type, not finite, or not supported.
    pub fn from_header(header: &Header) -> Result<Self, WcsError> {
        let axes = CelestialAxes::from_header(header)?;
        let [lon, lat] = [axes.lon, axes.lat];
        let units = [unit(header, lon)?, unit(header, lat)?];
        let crpix = [header.real("CRPIX1")? - 1.0, header.real("CRPIX2")? - 1.0];
        let crval = [
            header.real(&format!("CRVAL{lon}"))? * units[0],
            header.real(&format!("CRVAL{lat}"))? * units[1],
        ];
        if !(-90.0..=90.0).contains(&crval[1]) {
            return Err(invalid(&format!("CRVAL{lat}"), crval[1], "a declination lies within 90 degrees"));
        }
        let (projection, frame) = (axes.projection, axes.frame(header)?);
        check_parameters(header, projection, lon, lat)?;
        let (matrix, cards) = linear_matrix(header, lon, lat)?;
        let matrix = [matrix[0].map(|m| m * units[0]), matrix[1].map(|m| m * units[1])];
        let poles = NativePole {
            lonpole: match header.optional_real("LONPOLE")? {
                Some(lonpole) => lonpole,
                None => NativePole::usual(projection, crval[1]).lonpole,
            },
            latpole: header.optional_real("LATPOLE")?.unwrap_or(90.0),
        };
        let (origin, to_sky) = rotation(projection, frame, crval, poles).ok_or_else(|| {
            invalid("LONPOLE", poles.lonpole, "there is no pole that agrees with it and with CRVAL")
        })?;
        let plane = PlaneMatrix::new(matrix).ok_or(WcsError::Singular { cards })?;
        let mut wcs = Self::new((projection, frame), crval, crpix, plane, (origin, to_sky));
        wcs.sip = axes.distortion(header)?;
        Ok(wcs)
    }

    /// An undistorted projection; `matrix` in \[deg/px\]; `None` where it is singular or overflows,
    /// or there is no such pole.
    pub(crate) fn undistorted(
        (projection, frame): (SkyProjection, SkyFrame),
        (crval, poles): ([f64; 2], NativePole),
        crpix: [f64; 2],
        matrix: Matrix2,
    ) -> Option<Self> {
        let sky = rotation(projection, frame, crval, poles)?;
        Some(Self::new((projection, frame), crval, crpix, PlaneMatrix::new(matrix)?, sky))
    }

    fn new(
        (projection, frame): (SkyProjection, SkyFrame),
        crval: [f64; 2],
        crpix: [f64; 2],
        PlaneMatrix { matrix, inverse }: PlaneMatrix,
        (origin, to_sky): (f64, Matrix3),
    ) -> Self {
        let crval = [wrap(crval[0]), crval[1]];
        Self { crpix, crval, frame, projection, origin, matrix, inverse, to_sky, sip: None }
    }

    /// The sky position `[ra, dec]` \[deg\] of a pixel position, `ra` in [0, 360).
    ///
    /// Every pixel position of TAN and CAR has one; NaN gives NaN.
    pub fn pixel_to_sky(&self, x: f64, y: f64) -> [f64; 2] {
        let (point, _) = self.plane(x, y);
        let [sx, sy, sz] = apply(&self.to_sky, self.projection.direction(point));
        [wrap(atan2(sy, sx).to_degrees() + self.origin), atan2(sz, hypot(sx, sy)).to_degrees()]
    }

    /// The pixel position of a sky position.
    ///
    /// `None` for positions 90 degrees or more from the reference position of TAN and SIN, and
    /// where the inverse of the SIP polynomials does not converge: its last Newton step has to be
    /// below 1e-9 px (plus 4 units in the last place), and as the iteration converges quadratically
    /// the answer is then good to rounding, some 1e-11 px. AP and BP serve as a first guess alone.
    pub fn sky_to_pixel(&self, sky: Position) -> Option<[f64; 2]> {
        let (sin_ra, cos_ra) = sin_cos((sky.ra() - self.origin).to_radians());
        let (sin_dec, cos_dec) = sin_cos(sky.dec().to_radians());
        let native = apply(&transpose(&self.to_sky), [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec]);
        let [[a, b], [c, d]] = self.inverse;
        let offset = match (self.projection, native) {
            // One division behind the matrix, as in a map between planes.
            (SkyProjection::Tan, [xi, eta, w]) => {
                (w > 0.0).then(|| [(a * xi + b * eta) / w, (c * xi + d * eta) / w])?
            }
            (projection, native) => {
                let [x, y] = projection.point(native)?;
                [a * x + b * y, c * x + d * y]
            }
        };
        let [u, v] = match &self.sip {
            Some(sip) => sip.distort(offset)?,
            None => offset,
        };
        Some([self.crpix[0] + u, self.crpix[1] + v])
    }

    /// Sky positions `[ra, dec]` \[deg\] of the outer corners of an image of shape `[ny, nx]`, at
    /// the pixel positions (-0.5, -0.5), (nx - 0.5, -0.5), (nx - 0.5, ny - 0.5), (-0.5, ny - 0.5).
    pub fn footprint(&self, [ny, nx]: [usize; 2]) -> [[f64; 2]; 4] {
        let (right, top) = (nx as f64 - 0.5, ny as f64 - 0.5);
        [[-0.5, -0.5], [right, -0.5], [right, top], [-0.5, top]].map(|[x, y]| self.pixel_to_sky(x, y))
    }

    /// A circle on the sky that holds an image of shape `[ny, nx]`: its center, and its radius
    /// \[deg\].
    ///
    /// The outline is looked at in 65 places a side; a hundredth of the radius is added for what it
    /// does between them.
    ///
    /// `None` where the image has no finite position.
    pub fn circle_around(&self, [ny, nx]: [usize; 2]) -> Option<(Position, f64)> {
        const STEPS: usize = 64;
        let sky = |x: f64, y: f64| {
            let [ra, dec] = self.pixel_to_sky(x, y);
            Position::new(ra, dec).ok()
        };
        let (nx, ny) = (nx as f64, ny as f64);
        let center = sky((nx - 1.0) / 2.0, (ny - 1.0) / 2.0)?;
        let mut radius: f64 = 0.0;
        for step in 0..=STEPS {
            let part = step as f64 / STEPS as f64;
            let (x, y) = (part * nx - 0.5, part * ny - 0.5);
            for [x, y] in [[x, -0.5], [x, ny - 0.5], [-0.5, y], [nx - 0.5, y]] {
                radius = radius.max(center.separation(sky(x, y)?));
            }
        }
        Some((center, 1.01 * radius))
    }

    /// Solid angle of the pixel at `(x, y)` \[arcsec^2\], from the Jacobian of the full WCS at its
    /// center, SIP included.
    pub fn pixel_area(&self, x: f64, y: f64) -> f64 {
        let (point, [[a, b], [c, d]]) = self.plane(x, y);
        let steradian = (a * d - b * c).abs() / self.projection.area_ratio(point);
        steradian * 1f64.to_degrees().powi(2) * 3600.0 * 3600.0
    }

    /// Solid angle of a pixel without distortion [arcsec^2], from the matrix alone: the same for
    /// all pixels.
    pub fn linear_pixel_area(&self) -> f64 {
        (self.scale() * ARCSEC_PER_RADIAN).powi(2)
    }

    /// True where the header has SIP polynomials.
    pub fn has_sip(&self) -> bool {
        self.sip.is_some()
    }

    /// The numbers of the projection; `None` where there is a distortion besides.
    pub fn projection_numbers(&self) -> Option<ProjectionNumbers> {
        self.sip.is_none().then(|| ProjectionNumbers {
            projection: self.projection,
            crpix: self.crpix,
            origin: self.origin,
            matrix: self.matrix.map(|row| row.map(f64::to_degrees)),
            to_sky: self.to_sky,
        })
    }

    /// CRPIX, 0-based \[px\].
    pub(crate) fn crpix(&self) -> [f64; 2] {
        self.crpix
    }

    /// CRVAL \[deg\], in the system of the axes.
    pub(crate) fn crval(&self) -> [f64; 2] {
        self.crval
    }

    /// The projection.
    pub fn projection(&self) -> SkyProjection {
        self.projection
    }

    /// The system of the axes.
    pub fn frame(&self) -> SkyFrame {
        self.frame
    }

    /// Plane \[rad\] to pixel offset.
    pub(crate) fn inverse(&self) -> Matrix2 {
        self.inverse
    }

    /// The distortion.
    pub(crate) fn sip(&self) -> Option<&Sip> {
        self.sip.as_ref()
    }

    /// Pixel scale without distortion \[rad/px\].
    pub(crate) fn scale(&self) -> f64 {
        let [[a, b], [c, d]] = self.matrix;
        (a * d - b * c).abs().sqrt()
    }

    /// The matrix H by which undistorted offsets (u', v') of `self`, of projection TAN, become
    /// native directions of `to`, not of length 1.
    pub(crate) fn to_native(&self, to: &Self) -> Matrix3 {
        let (sin, cos) = sin_cos((self.origin - to.origin).to_radians());
        let turn = [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]];
        let [[a, b], [c, d]] = self.matrix;
        let from_pixel = [[a, b, 0.0], [c, d, 0.0], [0.0, 0.0, 1.0]];
        let between = product(&transpose(&to.to_sky), &product(&turn, &self.to_sky));
        product(&between, &from_pixel)
    }

    /// The matrix H by which undistorted offsets (u', v') of `self` become pixels of `to`, whose
    /// own distortion is left out, both of projection TAN: with (X, Y, W) = H (u', v', 1) they are
    /// (X/W, Y/W), and W > 0 where the position lies before the tangent plane of `to`.
    ///
    /// Both planes are central projections of one sphere, so the map between them is projective.
    pub(crate) fn homography(&self, to: &Self) -> Matrix3 {
        let [[a, b], [c, d]] = to.inverse;
        let to_pixel = [[a, b, to.crpix[0]], [c, d, to.crpix[1]], [0.0, 0.0, 1.0]];
        product(&to_pixel, &self.to_native(to))
    }

    /// Tangent plane position \[rad\] and its Jacobian by pixel position \[rad/px\].
    fn plane(&self, x: f64, y: f64) -> ([f64; 2], Matrix2) {
        let offset = [x - self.crpix[0], y - self.crpix[1]];
        let m = &self.matrix;
        let (at, jacobian) = match &self.sip {
            None => (offset, *m),
            Some(sip) => {
                let (at, j) = sip.undistort(offset);
                let entry = |r: usize, c: usize| m[r][0] * j[0][c] + m[r][1] * j[1][c];
                (at, [[entry(0, 0), entry(0, 1)], [entry(1, 0), entry(1, 1)]])
            }
        };
        ([m[0][0] * at[0] + m[0][1] * at[1], m[1][0] * at[0] + m[1][1] * at[1]], jacobian)
    }
}

/// The matrix of a WCS and its inverse.
struct PlaneMatrix {
    /// \[rad/px\]
    matrix: Matrix2,
    /// \[px/rad\]
    inverse: Matrix2,
}

impl PlaneMatrix {
    /// Of a matrix in \[deg/px\]; `None` where it is singular or overflows.
    fn new(matrix: Matrix2) -> Option<Self> {
        let matrix = matrix.map(|row| row.map(f64::to_radians));
        let [[a, b], [c, d]] = matrix;
        let det = a * d - b * c;
        // A matrix whose rows are parallel to within rounding is singular, whatever its
        // determinant.
        if !(det.is_finite() && det.abs() > 1e-10 * hypot(a, b) * hypot(c, d)) {
            return None;
        }
        let inverse = [[d / det, -b / det], [-c / det, a / det]];
        inverse.iter().flatten().all(|m| m.is_finite()).then_some(Self { matrix, inverse })
    }
}

/// LONPOLE and LATPOLE \[deg\].
#[derive(Clone, Copy)]
pub(crate) struct NativePole {
    pub(crate) lonpole: f64,
    pub(crate) latpole: f64,
}

impl NativePole {
    /// Those without cards (Paper II, section 2.4): LONPOLE is 180 degrees, but 0 where the
    /// latitude of the reference position is not below its native one, 90 degrees of zenithal
    /// projections and 0 of others.
    pub(crate) fn usual(projection: SkyProjection, latitude: f64) -> Self {
        let native = if projection.is_zenithal() { 90.0 } else { 0.0 };
        Self { lonpole: if latitude >= native { 0.0 } else { 180.0 }, latpole: 90.0 }
    }
}

/// The rotation from native directions to ICRS, and the right ascension from which its longitudes
/// count; `None` where there is no such.
fn rotation(
    projection: SkyProjection,
    frame: SkyFrame,
    crval: [f64; 2],
    poles: NativePole,
) -> Option<(f64, Matrix3)> {
    let (origin, to_frame) = if projection.is_zenithal() {
        (wrap(crval[0]), zenithal_rotation(crval[1], poles.lonpole))
    } else {
        cylindrical_rotation(crval, poles)?
    };
    if frame == SkyFrame::Icrs {
        return Some((origin, to_frame));
    }
    let (sin, cos) = sin_cos(origin.to_radians());
    let turn = [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]];
    Some((0.0, product(&transpose(&frame.icrs_rotation()), &product(&turn, &to_frame))))
}

/// The rotation (eq. 2) of a projection whose native pole is the reference position.
fn zenithal_rotation(latitude: f64, lonpole: f64) -> Matrix3 {
    let (sin_dec, cos_dec) = sin_cos(latitude.to_radians());
    let (sin_pole, cos_pole) = sin_cos(lonpole.to_radians());
    [
        [-sin_dec * sin_pole, sin_dec * cos_pole, cos_dec],
        [-cos_pole, -sin_pole, 0.0],
        [cos_dec * sin_pole, -cos_dec * cos_pole, sin_dec],
    ]
}

/// The rotation of a projection whose reference position lies at native longitude and latitude 0,
/// by eq. 2: its declination gives that of the native pole (eq. 8), of two that would do the one
/// nearer to LATPOLE, and its right ascension that of the pole (eq. 9, 10).
fn cylindrical_rotation(
    [lon, lat]: [f64; 2],
    NativePole { lonpole, latpole }: NativePole,
) -> Option<(f64, Matrix3)> {
    const ROUNDING: f64 = 1e-12;
    let (sin_pole, cos_pole) = sin_cos(lonpole.to_radians());
    let (sin_lat, cos_lat) = sin_cos(lat.to_radians());
    let pole = if cos_pole.abs() < ROUNDING {
        // Every pole would do.
        (sin_lat.abs() < ROUNDING && latpole.abs() <= 90.0).then_some(latpole)?
    } else {
        let cosine = sin_lat / cos_pole;
        let off = (-ROUNDING..=1.0 + ROUNDING).contains(&cosine).then(|| {
            atan2(((1.0 - cosine) * (1.0 + cosine)).max(0.0).sqrt(), cosine.max(0.0)).to_degrees()
        })?;
        if (off - latpole).abs() <= (-off - latpole).abs() { off } else { -off }
    };
    let (sin_dec, cos_dec) = sin_cos(pole.to_radians());
    let beside = if cos_lat < ROUNDING { 0.0 } else { atan2(sin_pole, -sin_dec * cos_pole).to_degrees() };
    let to_sky = [
        [-sin_dec * cos_pole, -sin_dec * sin_pole, cos_dec],
        [sin_pole, -cos_pole, 0.0],
        [cos_dec * cos_pole, cos_dec * sin_pole, sin_dec],
    ];
    Some((wrap(lon - beside), to_sky))
}

/// Which axis is which, 1-based.
struct CelestialAxes {
    lon: usize,
    lat: usize,
    projection: SkyProjection,
    galactic: bool,
    sip: bool,
}

impl CelestialAxes {
    fn from_header(header: &Header) -> Result<Self, WcsError> {
        let ctypes = [header.text("CTYPE1")?, header.text("CTYPE2")?];
        let latitude_first = ctypes[0].starts_with("DEC-") || ctypes[0].starts_with("GLAT");
        let [lon, lat] = if latitude_first { [2, 1] } else { [1, 2] };
        let galactic = ctypes[lon - 1].starts_with("GLON");
        let axes = if galactic { SkyFrame::Galactic.axes() } else { SkyFrame::Icrs.axes() };
        let longitude = ctypes[lon - 1];
        let known = |projection: &SkyProjection| longitude.get(5..8) == Some(projection.code());
        let projection = SkyProjection::ALL.into_iter().find(known).unwrap_or_default();
        let mut sip = [false; 2];
        for (axis, start, flag) in [(lon, axes[0], 0), (lat, axes[1], 1)] {
            let (ctype, name) = (ctypes[axis - 1], format!("{start}-{projection}"));
            sip[flag] = projection == SkyProjection::Tan && ctype.strip_suffix("-SIP") == Some(&name);
            if ctype != name && !sip[flag] {
                let problem =
                    "only TAN, TAN-SIP, SIN, ZEA and CAR of RA and DEC or GLON and GLAT are supported";
                return Err(invalid(&format!("CTYPE{axis}"), ctype, problem));
            }
        }
        if sip[0] != sip[1] {
            return Err(invalid("CTYPE2", ctypes[1], "only one of the two axes has -SIP"));
        }
        Ok(Self { lon, lat, projection, galactic, sip: sip[0] })
    }

    /// The system of the axes: by RADESYS, without which an EQUINOX says FK5 (Paper II, section
    /// 3.1).
    fn frame(&self, header: &Header) -> Result<SkyFrame, WcsError> {
        if self.galactic {
            return Ok(SkyFrame::Galactic);
        }
        let equinox = header.optional_real("EQUINOX")?;
        let system = header.optional_text("RADESYS")?.map(str::to_ascii_uppercase);
        match (system.as_deref(), equinox) {
            (Some("ICRS"), _) | (None | Some(""), None) => Ok(SkyFrame::Icrs),
            (Some("FK5") | None | Some(""), None | Some(2000.0)) => Ok(SkyFrame::Fk5),
            (Some("FK5") | None | Some(""), Some(other)) => {
                Err(invalid("EQUINOX", other, "only equinox 2000 is supported"))
            }
            (Some(other), _) => Err(invalid("RADESYS", other, "only ICRS and FK5 are supported")),
        }
    }

    fn distortion(&self, header: &Header) -> Result<Option<Sip>, WcsError> {
        if self.sip {
            return Sip::from_header(header);
        }
        for keyword in ["A_ORDER", "B_ORDER"] {
            if let Some(order) = header.optional_integer(keyword)? {
                return Err(invalid(keyword, order, "there are SIP cards, but CTYPE1 does not end in -SIP"));
            }
        }
        Ok(None)
    }
}

/// Degrees in the unit of an axis.
fn unit(header: &Header, axis: usize) -> Result<f64, WcsError> {
    let keyword = format!("CUNIT{axis}");
    match header.optional_text(&keyword)?.unwrap_or("deg") {
        "" | "deg" => Ok(1.0),
        "arcmin" => Ok(1.0 / 60.0),
        "arcsec" => Ok(1.0 / 3600.0),
        "rad" => Ok(1f64.to_degrees()),
        other => Err(invalid(&keyword, other, "the unit must be deg, arcmin, arcsec or rad")),
    }
}

/// PV cards of the celestial axes may only repeat the defaults: anything else is another reference
/// point, a slanted SIN, or one of the distortions that are written under the name TAN.
fn check_parameters(
    header: &Header,
    projection: SkyProjection,
    lon: usize,
    lat: usize,
) -> Result<(), WcsError> {
    let prefixes = [format!("PV{lon}_"), format!("PV{lat}_")];
    for card in header.cards() {
        let Some(number) = prefixes.iter().find_map(|p| card.keyword.strip_prefix(p.as_str())) else {
            continue;
        };
        if number.parse::<u32>().is_err() {
            continue; // an alternate WCS
        }
        let value = header.real(&card.keyword)?;
        let native_latitude = if projection.is_zenithal() { 90.0 } else { 0.0 };
        let default = if card.keyword == format!("PV{lon}_2") { native_latitude } else { 0.0 };
        if value != default {
            let problem = format!("a {projection} projection has no such parameter here");
            return Err(invalid(&card.keyword, value, &problem));
        }
    }
    Ok(())
}

/// Pixel offsets to intermediate coordinates in units of CUNIT, the row of the longitude first, and
/// the cards that it was read from.
fn linear_matrix(header: &Header, lon: usize, lat: usize) -> Result<(Matrix2, &'static str), WcsError> {
    let element = |name: &str, i: usize, j: usize| header.optional_real(&format!("{name}{i}_{j}"));
    let square = |name: &str| -> Result<[[Option<f64>; 2]; 2], HeaderError> {
        Ok([
            [element(name, lon, 1)?, element(name, lon, 2)?],
            [element(name, lat, 1)?, element(name, lat, 2)?],
        ])
    };
    let (pc, cd) = (square("PC")?, square("CD")?);
    let given = |m: &[[Option<f64>; 2]; 2]| m.iter().flatten().any(Option::is_some);
    if given(&cd) {
        if given(&pc) {
            let cards = ["PC1_1", "PC1_2", "PC2_1", "PC2_2"];
            let first = cards.into_iter().find(|card| header.get(card).is_some()).unwrap_or("PC1_1");
            return Err(invalid(first, header.real(first)?, "PCi_j and CDi_j exclude each other"));
        }
        return Ok((cd.map(|row| row.map(|v| v.unwrap_or(0.0))), "CDi_j"));
    }
    let cdelt = |axis: usize| -> Result<f64, HeaderError> {
        let keyword = format!("CDELT{axis}");
        // The standard's default is 1; but a header without any scale is a broken one.
        if given(&pc) { Ok(header.optional_real(&keyword)?.unwrap_or(1.0)) } else { header.real(&keyword) }
    };
    let (cdelt_lon, cdelt_lat) = (cdelt(lon)?, cdelt(lat)?);
    let unity = |axis: usize, j: usize| if axis == j { 1.0 } else { 0.0 };
    if given(&pc) {
        let row = |k: usize, axis: usize, cdelt: f64| {
            [pc[k][0].unwrap_or(unity(axis, 1)) * cdelt, pc[k][1].unwrap_or(unity(axis, 2)) * cdelt]
        };
        return Ok(([row(0, lon, cdelt_lon), row(1, lat, cdelt_lat)], "PCi_j, CDELTi"));
    }
    // Paper II, eq. 188: CROTA of the latitude axis turns the scaled axes.
    let (sin, cos) = sin_cos(header.optional_real(&format!("CROTA{lat}"))?.unwrap_or(0.0).to_radians());
    let row = |of_lon: f64, of_lat: f64| if lon == 1 { [of_lon, of_lat] } else { [of_lat, of_lon] };
    let matrix = [row(cdelt_lon * cos, -cdelt_lat * sin), row(cdelt_lon * sin, cdelt_lat * cos)];
    Ok((matrix, "CDELTi, CROTAi"))
}

/// A right ascension in [0, 360).
fn wrap(ra: f64) -> f64 {
    let ra = ra.rem_euclid(360.0);
    // A tiny negative angle is rounded up to 360.
    if ra >= 360.0 { 0.0 } else { ra }
}

fn apply(m: &Matrix3, v: [f64; 3]) -> [f64; 3] {
    m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

fn transpose(m: &Matrix3) -> Matrix3 {
    [0, 1, 2].map(|c| [m[0][c], m[1][c], m[2][c]])
}

fn product(a: &Matrix3, b: &Matrix3) -> Matrix3 {
    let columns = transpose(b).map(|column| apply(a, column));
    transpose(&columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrap_never_gives_360() {
        for (ra, wrapped) in [(-1e-20, 0.0), (360.0, 0.0), (-0.5, 359.5), (725.0, 5.0), (0.0, 0.0)] {
            assert_eq!(wrap(ra), wrapped);
        }
    }
}
