//! The grid that exposures are drizzled onto: an undistorted gnomonic projection, north up,
//! centered on the region that was asked for.

use spx_core::header::Header;
use spx_core::sky::{Position, Rectangle};

use crate::celestial::CelestialWcs;
use crate::error::{WcsError, invalid};

/// An output image of `ny` x `nx` square pixels: TAN, tangent point at the center of the image,
/// right ascension decreasing with x, declination growing with y.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputGrid {
    center: Position,
    /// \[arcsec\]
    pixel_scale: f64,
    /// \[deg\], positive. Kept beside the scale so that a header survives reading and writing
    /// unchanged.
    cdelt: f64,
    shape: [usize; 2],
    wcs: CelestialWcs,
}

impl OutputGrid {
    /// The mean pixel scale of SPHEREx \[arcsec\].
    pub const NATIVE_SCALE: f64 = 6.15;

    /// More pixels a side than this are refused: a plane of such an image would hold 4 TiB.
    const MAX_SIDE: f64 = 1_048_576.0;

    /// The grid over a region: `floor(width * 60 / scale)` by `floor(height * 60 / scale)` pixels.
    ///
    /// `pixel_scale_arcsec` is [`NATIVE_SCALE`](Self::NATIVE_SCALE) divided by the oversampling.
    /// The sizes are those that IEEE arithmetic gives for just these expressions: 1.025 arcmin at
    /// 6.15 arcsec makes 9 pixels, not 10, as it does in Python.
    ///
    /// # Errors
    /// Where the scale is not positive, or a side has no pixel or more than 2^20.
    pub fn new(region: Rectangle, pixel_scale_arcsec: f64) -> Result<Self, WcsError> {
        if !(pixel_scale_arcsec > 0.0 && pixel_scale_arcsec.is_finite()) {
            return Err(WcsError::Scale(pixel_scale_arcsec));
        }
        let nx = side("width", region.width(), pixel_scale_arcsec)?;
        let ny = side("height", region.height(), pixel_scale_arcsec)?;
        Self::build(region.center(), pixel_scale_arcsec, pixel_scale_arcsec / 3600.0, [ny, nx])
    }

    /// Reads the grid back from a header that [`header`](Self::header) wrote, such as that of a
    /// cube, whose third axis is ignored; `shape` is `[ny, nx]`.
    ///
    /// # Errors
    /// Names the card that is missing or that no grid of this kind has.
    pub fn from_header(header: &Header, shape: [usize; 2]) -> Result<Self, WcsError> {
        let wcs = CelestialWcs::from_header(header)?;
        check_form(header, &wcs)?;
        let cdelt = header.real("CDELT2")?;
        if !(cdelt > 0.0 && header.real("CDELT1")? == -cdelt) {
            return Err(invalid("CDELT2", cdelt, "must be positive, and CDELT1 its opposite"));
        }
        for (keyword, side, crpix) in
            [("NAXIS1", shape[1], wcs.crpix()[0]), ("NAXIS2", shape[0], wcs.crpix()[1])]
        {
            let axis = &keyword[5..];
            if side == 0 {
                return Err(invalid(keyword, side, "the grid holds no pixel"));
            }
            if (crpix - reference(side)).abs() > 1e-6 {
                return Err(invalid(&format!("CRPIX{axis}"), crpix + 1.0, "is not the center of the image"));
            }
        }
        let [ra, dec] = wcs.crval();
        Self::build(Position::new(ra, dec)?, cdelt * 3600.0, cdelt, shape)
    }

    /// Pixels along x.
    pub fn nx(&self) -> usize {
        self.shape[1]
    }

    /// Pixels along y.
    pub fn ny(&self) -> usize {
        self.shape[0]
    }

    /// `[ny, nx]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Side of a pixel at the center \[arcsec\].
    pub fn pixel_scale(&self) -> f64 {
        self.pixel_scale
    }

    /// The tangent point: the center of the image, at pixel ((nx - 1)/2, (ny - 1)/2).
    pub fn center(&self) -> Position {
        self.center
    }

    /// The projection.
    pub fn wcs(&self) -> &CelestialWcs {
        &self.wcs
    }

    /// The celestial cards of a two-dimensional image: scale in CDELT \[deg\], neither PC nor CD.
    pub fn header(&self) -> Header {
        let [ny, nx] = self.shape;
        let (ra, dec) = (self.center.ra(), self.center.dec());
        let mut header = Header::new();
        header
            .set("WCSAXES", 2, "number of coordinate axes")
            .set("CTYPE1", "RA---TAN", "gnomonic projection")
            .set("CTYPE2", "DEC--TAN", "gnomonic projection")
            .set("CRVAL1", ra, "[deg] right ascension of the reference pixel")
            .set("CRVAL2", dec, "[deg] declination of the reference pixel")
            .set("CRPIX1", reference(nx) + 1.0, "[pixel] centre of the image, from 1")
            .set("CRPIX2", reference(ny) + 1.0, "[pixel] centre of the image, from 1")
            .set("CDELT1", -self.cdelt, "[deg] increment at the reference pixel")
            .set("CDELT2", self.cdelt, "[deg] increment at the reference pixel")
            .set("CUNIT1", "deg", "")
            .set("CUNIT2", "deg", "")
            .set("RADESYS", "ICRS", "equatorial coordinate system")
            .set("LONPOLE", 180.0, "[deg] native longitude of the celestial pole")
            .set("LATPOLE", dec, "[deg] native latitude of the celestial pole");
        header
    }

    fn build(center: Position, pixel_scale: f64, cdelt: f64, shape: [usize; 2]) -> Result<Self, WcsError> {
        let crpix = [reference(shape[1]), reference(shape[0])];
        let matrix = [[-cdelt, 0.0], [0.0, cdelt]];
        let wcs = CelestialWcs::tan([center.ra(), center.dec()], 180.0, crpix, matrix)
            .ok_or(WcsError::Scale(pixel_scale))?;
        Ok(Self { center, pixel_scale, cdelt, shape, wcs })
    }
}

/// The central position of a side of `n` pixels, 0-based (CRPIX - 1 = n/2 + 0.5 - 1).
fn reference(n: usize) -> f64 {
    n as f64 / 2.0 - 0.5
}

fn side(side: &'static str, arcmin: f64, scale: f64) -> Result<usize, WcsError> {
    let pixels = (arcmin * 60.0 / scale).floor();
    if pixels < 1.0 {
        return Err(WcsError::EmptyGrid { side, arcmin, scale });
    }
    if pixels > OutputGrid::MAX_SIDE {
        return Err(WcsError::GridTooLarge { side, pixels });
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "integral, in 1..=2^20")]
    Ok(pixels as usize)
}

/// The grid's own form has neither distortion nor rotation.
fn check_form(header: &Header, wcs: &CelestialWcs) -> Result<(), WcsError> {
    if wcs.has_sip() {
        return Err(invalid("A_ORDER", header.integer("A_ORDER")?, "an output grid has no distortion"));
    }
    if !header.text("CTYPE1")?.starts_with("RA") {
        return Err(invalid("CTYPE1", header.text("CTYPE1")?, "axis 1 of an output grid is right ascension"));
    }
    if header.real("LONPOLE")? != 180.0 {
        return Err(invalid("LONPOLE", header.real("LONPOLE")?, "is 180 in an output grid"));
    }
    let plain = [("PC1_1", 1.0), ("PC2_2", 1.0), ("PC1_2", 0.0), ("PC2_1", 0.0), ("CROTA2", 0.0)];
    for (keyword, expected) in plain {
        let value = header.optional_real(keyword)?;
        if value.is_some_and(|value| value != expected) {
            return Err(invalid(keyword, value.unwrap_or(f64::NAN), "an output grid has no rotation"));
        }
    }
    for keyword in ["CD1_1", "CD1_2", "CD2_1", "CD2_2"] {
        if header.get(keyword).is_some() {
            return Err(invalid(keyword, header.real(keyword)?, "an output grid is written with CDELT"));
        }
    }
    for keyword in ["CUNIT1", "CUNIT2"] {
        let unit = header.optional_text(keyword)?.unwrap_or("deg");
        if unit != "deg" {
            return Err(invalid(keyword, unit, "an output grid is in degrees"));
        }
    }
    Ok(())
}
