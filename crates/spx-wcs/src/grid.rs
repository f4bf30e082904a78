//! The grid that exposures are drizzled onto: an undistorted projection, made for a region or taken
//! from the header of a reference image.

use spx_core::elementary::sin_cos;
use spx_core::header::Header;
use spx_core::sky::{Position, Rectangle};

use crate::celestial::{CelestialWcs, NativePole};
use crate::error::{WcsError, invalid};
use crate::healpix::HealpixCell;
use crate::projection::{SkyFrame, SkyProjection};

/// An output image of `ny` x `nx` pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputGrid {
    center: Position,
    /// \[arcsec\]
    pixel_scale: f64,
    shape: [usize; 2],
    wcs: CelestialWcs,
    /// The celestial cards.
    header: Header,
}

/// How the grid of a region lies on the sky.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GridForm {
    /// The projection, whose reference position is the center of the region.
    pub projection: SkyProjection,
    /// The system of the axes.
    pub frame: SkyFrame,
    /// Position angle of the y axis at the center, from the north of the system through its east
    /// \[deg\].
    pub rotation: f64,
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
    /// It is TAN, north up: right ascension decreases with x, declination grows with y.
    ///
    /// # Errors
    /// Where the scale is not positive, or a side has no pixel or more than 2^20.
    pub fn new(region: Rectangle, pixel_scale_arcsec: f64) -> Result<Self, WcsError> {
        Self::with_form(region, pixel_scale_arcsec, GridForm::default())
    }

    /// The grid over a region in another projection or system, or turned: as many pixels as
    /// [`new`](Self::new) has, whose sides then lie along the axes of that grid.
    ///
    /// # Errors
    /// As [`new`](Self::new); also where the rotation is not finite.
    pub fn with_form(region: Rectangle, pixel_scale_arcsec: f64, form: GridForm) -> Result<Self, WcsError> {
        if !(pixel_scale_arcsec > 0.0 && pixel_scale_arcsec.is_finite()) {
            return Err(WcsError::Scale(pixel_scale_arcsec));
        }
        if !form.rotation.is_finite() {
            return Err(WcsError::Rotation(form.rotation));
        }
        let nx = side("width", region.width(), pixel_scale_arcsec)?;
        let ny = side("height", region.height(), pixel_scale_arcsec)?;
        let (crval, cdelt) = (form.frame.coordinates(region.center()), pixel_scale_arcsec / 3600.0);
        let turn = turn(form.rotation);
        let poles = poles(form.projection, crval[1]);
        let header = cards(form, (crval, poles), cdelt, turn, [ny, nx]);
        let crpix = [reference(nx), reference(ny)];
        let [[cos, _], [sin, _]] = turn;
        let matrix = [[-cdelt * cos, cdelt * sin], [cdelt * sin, cdelt * cos]];
        let wcs = CelestialWcs::undistorted((form.projection, form.frame), (crval, poles), crpix, matrix)
            .ok_or(WcsError::Scale(pixel_scale_arcsec))?;
        let center = region.center();
        Ok(Self { center, pixel_scale: pixel_scale_arcsec, shape: [ny, nx], wcs, header })
    }

    /// The grid of an image: that of a cube, whose third axis is ignored, or any reference image
    /// without distortion in a form that [`CelestialWcs::from_header`] reads; `shape` is `[ny,
    /// nx]`.
    ///
    /// # Errors
    /// Names the card that is missing or not supported, or a side without pixels.
    pub fn from_header(header: &Header, shape: [usize; 2]) -> Result<Self, WcsError> {
        let wcs = CelestialWcs::from_header(header)?;
        if wcs.has_sip() {
            return Err(invalid("A_ORDER", header.integer("A_ORDER")?, "an output grid has no distortion"));
        }
        for (keyword, side) in [("NAXIS1", shape[1]), ("NAXIS2", shape[0])] {
            if side == 0 || side as f64 > Self::MAX_SIDE {
                return Err(invalid(keyword, side, "the grid has no pixel, or more than any image"));
            }
        }
        let middle = [reference(shape[1]), reference(shape[0])];
        let [ra, dec] = if wcs.crpix() == middle && wcs.frame() == SkyFrame::Icrs {
            wcs.crval()
        } else {
            wcs.pixel_to_sky(middle[0], middle[1])
        };
        let center = Position::new(ra, dec).map_err(|_| {
            invalid("CRPIX1", wcs.crpix()[0] + 1.0, "the middle of the image lies beyond the sky")
        })?;
        // Kept as it is written where it is written once.
        let pixel_scale = match (header.optional_real("CDELT1")?, header.optional_real("CDELT2")?) {
            (Some(x), Some(y)) if x == -y && header.get("PC1_1").is_none() => y * 3600.0,
            _ => wcs.linear_pixel_area().sqrt(),
        };
        Ok(Self { center, pixel_scale: pixel_scale.abs(), shape, wcs, header: header.celestial() })
    }

    /// The pixels of a HEALPix cell: cell `index` of `order` in the nested scheme, ICRS, whose
    /// pixels are cells of `pixel_order`.
    ///
    /// They lie as in a tile of a HiPS (Fernique et al. 2017, IVOA Recommendation HiPS 1.0, section
    /// 4.2.1): x grows to the northwest, y to the southwest, and pixel (0, 0) touches the eastern
    /// corner. All have the same solid angle. The header has the projection HPX of Calabretta &
    /// Roukema (2007).
    ///
    /// # Errors
    /// [`WcsError::Cell`] where there is no such cell, or its pixels are finer than order 24 or
    /// more than 2^20 a side.
    pub fn healpix(order: u8, index: u64, pixel_order: u8) -> Result<Self, WcsError> {
        let none = WcsError::Cell { order, index, pixel_order };
        let cell = HealpixCell::new(order, index, pixel_order)?;
        let (projection, frame, side) = (SkyProjection::Healpix(cell.ring()), SkyFrame::Icrs, cell.side());
        let (crval, poles) = ([cell.longitude(), 0.0], NativePole::usual(projection, 0.0));
        let matrix = [[-1.0, -1.0], [1.0, -1.0]].map(|row| row.map(|sign: f64| sign * cell.step()));
        let wcs = CelestialWcs::undistorted((projection, frame), (crval, poles), cell.crpix(), matrix)
            .ok_or(none)?;
        let middle = 0.5 * (side as f64 - 1.0);
        let [ra, dec] = wcs.pixel_to_sky(middle, middle);
        let center = Position::new(ra, dec)?;
        let header = healpix_cards(&cell);
        Ok(Self { center, pixel_scale: cell.pixel_scale(), shape: [side, side], wcs, header })
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

    /// Side of a pixel \[arcsec\]; of one that is not square the root of its area.
    pub fn pixel_scale(&self) -> f64 {
        self.pixel_scale
    }

    /// The center of the image, at pixel ((nx - 1)/2, (ny - 1)/2).
    pub fn center(&self) -> Position {
        self.center
    }

    /// The projection.
    pub fn wcs(&self) -> &CelestialWcs {
        &self.wcs
    }

    /// The celestial cards of a two-dimensional image: of a grid that was made for a region, scale
    /// in CDELT \[deg\] and, where it is turned, the rotation in PC.
    pub fn header(&self) -> Header {
        self.header.clone()
    }

    /// A rectangle around the center, north up, that holds the grid. The outline is looked at in 65
    /// places a side.
    ///
    /// # Errors
    /// Where the grid is more than 60 degrees wide, or holds pixels without position.
    pub fn region(&self) -> Result<Rectangle, WcsError> {
        const STEPS: usize = 64;
        let [ny, nx] = self.shape.map(|n| n as f64);
        let (mut east, mut north): (f64, f64) = (0.0, 0.0);
        for step in 0..=STEPS {
            let part = step as f64 / STEPS as f64;
            let (x, y) = (part * nx - 0.5, part * ny - 0.5);
            for [x, y] in [[x, -0.5], [x, ny - 0.5], [-0.5, y], [nx - 0.5, y]] {
                let [ra, dec] = self.wcs.pixel_to_sky(x, y);
                let offset =
                    tangent_offset(self.center, Position::new(ra, dec)?).ok_or(WcsError::GridTooWide)?;
                (east, north) = (east.max(offset[0].abs()), north.max(offset[1].abs()));
            }
        }
        let arcmin = |offset: f64| 2.0 * offset.to_degrees() * 60.0;
        Ok(Rectangle::new(self.center, arcmin(east), arcmin(north))?)
    }
}

/// The celestial cards of a grid of a region.
fn cards(
    form: GridForm,
    (crval, poles): ([f64; 2], NativePole),
    cdelt: f64,
    turn: [[f64; 2]; 2],
    [ny, nx]: [usize; 2],
) -> Header {
    let GridForm { projection, frame, rotation } = form;
    let ([lon, lat], [longitude, latitude]) = (frame.axes(), frame.titles());
    let mut header = Header::new();
    header
        .set("WCSAXES", 2, "number of coordinate axes")
        .set("CTYPE1", format!("{lon}-{projection}"), projection.title())
        .set("CTYPE2", format!("{lat}-{projection}"), projection.title())
        .set("CRVAL1", crval[0], &format!("[deg] {longitude} of the reference pixel"))
        .set("CRVAL2", crval[1], &format!("[deg] {latitude} of the reference pixel"))
        .set("CRPIX1", reference(nx) + 1.0, "[pixel] centre of the image, from 1")
        .set("CRPIX2", reference(ny) + 1.0, "[pixel] centre of the image, from 1")
        .set("CDELT1", -cdelt, "[deg] increment at the reference pixel")
        .set("CDELT2", cdelt, "[deg] increment at the reference pixel");
    if rotation != 0.0 {
        for (k, row) in ["1", "2"].into_iter().zip(turn) {
            header.set(&format!("PC{k}_1"), row[0], "rotation").set(&format!("PC{k}_2"), row[1], "rotation");
        }
    }
    header.set("CUNIT1", "deg", "").set("CUNIT2", "deg", "");
    match frame {
        SkyFrame::Icrs => header.set("RADESYS", "ICRS", "equatorial coordinate system"),
        SkyFrame::Fk5 => header.set("RADESYS", "FK5", "equatorial coordinate system"),
        SkyFrame::Galactic => &mut header,
    };
    header.set("LONPOLE", poles.lonpole, "[deg] native longitude of the celestial pole").set(
        "LATPOLE",
        poles.latpole,
        "[deg] native latitude of the celestial pole",
    );
    header
}

/// The celestial cards of a HEALPix cell. The reference position lies on the equator, where the
/// plane of the whole sky begins anew every 90 degrees.
fn healpix_cards(cell: &HealpixCell) -> Header {
    let ([x, y], step) = (cell.corner_crpix(), cell.step());
    let projection = SkyProjection::Healpix(cell.ring());
    let mut header = Header::new();
    header
        .set("WCSAXES", 2, "number of coordinate axes")
        .set("CTYPE1", "RA---HPX", projection.title())
        .set("CTYPE2", "DEC--HPX", projection.title())
        .set("CRVAL1", cell.corner_longitude(), "[deg] right ascension of the reference pixel")
        .set("CRVAL2", 0.0, "[deg] declination of the reference pixel")
        .set("CRPIX1", x + 1.0, "[pixel] from 1")
        .set("CRPIX2", y + 1.0, "[pixel] from 1")
        .set("CD1_1", -step, "[deg] a pixel")
        .set("CD1_2", -step, "[deg] a pixel")
        .set("CD2_1", step, "[deg] a pixel")
        .set("CD2_2", -step, "[deg] a pixel")
        .set("PV2_1", 4, "facets around the sky")
        .set("PV2_2", 3, "facets from pole to pole")
        .set("CUNIT1", "deg", "")
        .set("CUNIT2", "deg", "")
        .set("RADESYS", "ICRS", "equatorial coordinate system");
    header
}

/// The poles that a grid has. Of zenithal projections the pole lies at the native longitude of 180
/// degrees also where it is the reference position, and LATPOLE has no effect.
fn poles(projection: SkyProjection, latitude: f64) -> NativePole {
    if projection.is_zenithal() {
        NativePole { lonpole: 180.0, latpole: latitude }
    } else {
        NativePole::usual(projection, latitude)
    }
}

/// The rotation of pixel axes by a position angle of y.
fn turn(rotation: f64) -> [[f64; 2]; 2] {
    if rotation == 0.0 {
        return [[1.0, 0.0], [0.0, 1.0]];
    }
    let (sin, cos) = sin_cos(rotation.to_radians());
    [[cos, -sin], [sin, cos]]
}

/// Offsets to the east and north \[rad\] in the plane that touches the sky at a center; `None`
/// where the position is 90 degrees or more away.
fn tangent_offset(center: Position, position: Position) -> Option<[f64; 2]> {
    let (sin0, cos0) = sin_cos(center.dec().to_radians());
    let (sin, cos) = sin_cos(position.dec().to_radians());
    let (sin_ra, cos_ra) = sin_cos((position.ra() - center.ra()).to_radians());
    let depth = sin0 * sin + cos0 * cos * cos_ra;
    (depth > 0.0).then(|| [cos * sin_ra / depth, (cos0 * sin - sin0 * cos * cos_ra) / depth])
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
