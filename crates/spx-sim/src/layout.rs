//! The archive's layouts of a file, and the part of the detector that it holds.

use spx_core::detector::Detector;
use spx_core::sky::Position;

/// Which of the archive's layouts a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SimulatedRelease {
    /// Quick Release 2: plain FLAGS, `MP_` cards, a PSF cube.
    #[default]
    Qr2,
    /// Quick Release 3: RICE-compressed FLAGS, `MSKN` cards, an EPSF table.
    Qr3,
}

impl SimulatedRelease {
    /// `qr2` or `qr3`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qr2 => "qr2",
            Self::Qr3 => "qr3",
        }
    }

    /// The card VERSION where the options name none.
    pub fn pipeline_version(self) -> &'static str {
        match self {
            Self::Qr2 => "6.5.7",
            Self::Qr3 => "7.0.5",
        }
    }

    /// The number in the names of files.
    pub(crate) fn processing_version(self) -> u32 {
        match self {
            Self::Qr2 => 21,
            Self::Qr3 => 27,
        }
    }

    /// The day on which its processing began \[MJD\], 2026-08-10 for Quick Release 3.
    pub(crate) fn first_processing_day(self) -> i64 {
        match self {
            Self::Qr2 => 0,
            Self::Qr3 => 61_262,
        }
    }
}

/// How much of the detector is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum FrameExtent {
    /// All of it.
    #[default]
    Full,
    /// Pixels `x0..x0 + nx`, `y0..y0 + ny` of the full frame.
    Cutout(PixelWindow),
    /// A square of `size` pixels around a position, clipped where it reaches beyond the frame.
    Around {
        /// The position.
        position: Position,
        /// Its side \[px\].
        size: usize,
    },
}

/// A rectangle of the full frame \[px\].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelWindow {
    /// First column, 0-based.
    pub x0: usize,
    /// First row, 0-based.
    pub y0: usize,
    /// Columns.
    pub nx: usize,
    /// Rows.
    pub ny: usize,
}

impl PixelWindow {
    /// The full frame.
    pub const FULL: Self = Self { x0: 0, y0: 0, nx: Detector::NPIX, ny: Detector::NPIX };

    /// True for the full frame.
    pub fn is_full(&self) -> bool {
        *self == Self::FULL
    }
}
