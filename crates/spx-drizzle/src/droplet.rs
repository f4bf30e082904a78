//! A droplet: a pixel of an exposure that takes part, on its way to the cube.

/// An input pixel projected onto the output grid.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Droplet {
    /// Output position from the first pixel of its tile \[px\].
    pub(crate) x: f64,
    /// Output position from the first pixel of its tile \[px\].
    pub(crate) y: f64,
    /// Surface brightness, foreground subtracted [MJy/sr].
    pub(crate) flux: f64,
    /// Variance [(MJy/sr)^2].
    pub(crate) variance: f32,
    /// Quality bits.
    pub(crate) flags: u32,
}

/// The corners of a projected, shrunken pixel, one after another along its outline [output px].
pub(crate) type Quad = [[f64; 2]; 4];

/// What stands for the corners where the kernel does not ask for them.
pub(crate) const NO_QUAD: Quad = [[f64::NAN; 2]; 4];
