//! The cube file: seven HDUs, written whole or not at all, and read back plane by plane.
//!
//! | HDU | name | content |
//! |---|---|---|
//! | 0 | PRIMARY | what went in: counts of inputs, options, one HISTORY card an input |
//! | 1 | SCI | f32, mean surface brightness [MJy/sr], NaN = no data |
//! | 2 | VARIANCE | f32, [(MJy/sr)^2], NaN = no data |
//! | 3 | AND_MASK | u32, flags that all contributions had |
//! | 4 | OR_MASK | u32, flags that any contribution had |
//! | 5 | COUNT | u16, number of contributions, saturating |
//! | 6 | WAVELENGTH | one row a plane: the exact wavelengths |
//! | 7 | WCS-WAVE | optional: the exact centers once more, as the table of the alternate WCS `T` |
//!
//! Behind them, where the drizzle was asked for them: ERR [MJy/sr], named variances under their
//! names, WHT (sum of the weights), MEANWAVE (mean wavelength of the pixels, um), all f32, and CON,
//! u32, `[word][z][y][x]`: bit k of word w stands for the input whose line of history says `context
//! bit 32 w + k`. Then NEXP, u16, the number of exposures that contributed, and EXPTIME, f32, the
//! effective exposure time \[s\] ([`OptionalPlane`](crate::OptionalPlane)); and PSF, f32, what
//! becomes of a point source, a part of the grid around it, where the cards PSF_RA, PSF_DEC \[deg\]
//! and PSF_X, PSF_Y \[px, from 1\] say it lies.
//!
//! Arrays are `[z][y][x]`, slowest axis first. All image HDUs carry the celestial WCS and an
//! approximate third axis for viewers: WAVE-LOG in um, fitted to the bin centers to better than
//! 0.08 channel where a linear one would be off by up to 0.92; `DISPAXIS = 3` lets Cubeviz find it.
//! The same inputs give the same bytes: nothing in the file tells when it was made.
//!
//! [`join`] makes one file of the cubes of several detectors on one grid: planes stay by detector,
//! WAVELENGTH has the columns DETECTOR and SUBCHANNEL, and since such planes follow no law of
//! wavelength the third axis is WAVE-TAB by the table WCS-WAVE, with the exact centers. [`cut`]
//! takes a part of a cube.
//!
//! Arrays may be tile-compressed ([`CubeCompression`]); the card COMPRESS tells, and readers see
//! the same images.
//!
//! [`export`] and [`import`] turn cubes into the layouts of other tools and back.

mod arrays;
mod assemble;
mod cards;
mod checked;
mod error;
mod exposure_table;
mod history;
mod kept;
mod layout;
mod mosaic;
mod plane_axis;
mod plane_writer;
mod reader;
mod sums;
#[cfg(test)]
mod tests;
mod writer;

pub use arrays::{CubeArray, CubeCompression, CubeLayout};
pub use assemble::{CubeCut, cut, cut_steps, join, join_steps};
pub use error::{CubeFileError, CubeFileProblem};
pub use history::history_lines;
pub use kept::KeptFile;
pub use layout::{export, import};
pub use mosaic::write_mosaic;
pub use plane_axis::PlaneAxis;
pub use reader::CubeFile;
pub use sums::{SumsFile, SumsReader, rewrite_sums, sums_steps, write_sums};
pub use writer::{CubeInfo, PointSourcePlace, rewrite, steps, write};
