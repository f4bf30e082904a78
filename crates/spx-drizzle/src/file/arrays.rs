//! The HDUs that every cube has, and their names in the layouts of other tools.

use spx_core::header::Header;

use super::writer::WAVE_TABLE;

/// One of the five arrays of a cube file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CubeArray {
    /// Surface brightness.
    Science,
    /// Its variance.
    Variance,
    /// Flags that all contributions had.
    AndMask,
    /// Flags that any contribution had.
    OrMask,
    /// Number of contributions.
    Count,
}

impl CubeArray {
    /// All five, in the order of the file.
    pub const ALL: [Self; 5] = [Self::Science, Self::Variance, Self::AndMask, Self::OrMask, Self::Count];

    /// The name of its HDU.
    pub fn hdu(self) -> &'static str {
        match self {
            Self::Science => "SCI",
            Self::Variance => "VARIANCE",
            Self::AndMask => "AND_MASK",
            Self::OrMask => "OR_MASK",
            Self::Count => "COUNT",
        }
    }
}

/// The HDU of the exact wavelengths.
pub(super) const WAVELENGTH: &str = "WAVELENGTH";

/// Its column of the detectors, where the planes are of several.
pub(super) const PLANE_DETECTOR: &str = "DETECTOR";

/// A layout of another tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CubeLayout {
    /// Cubeviz of jdaviz, and specutils.
    Cubeviz,
    /// Tools made for IRSA's products, such as Firefly.
    Irsa,
}

impl CubeLayout {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cubeviz, Self::Irsa];

    /// Its name on the card LAYOUT.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cubeviz => "cubeviz",
            Self::Irsa => "irsa",
        }
    }

    /// The layout that the cards of a first HDU name.
    pub(super) fn of(primary: &Header) -> Option<Self> {
        let name = primary.text(LAYOUT).ok()?;
        Self::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// The HDU of an array.
    pub(super) fn hdu(self, array: CubeArray) -> &'static str {
        match (self, array) {
            (Self::Cubeviz, CubeArray::Science) => "FLUX",
            (Self::Cubeviz, CubeArray::Variance) => "VAR",
            (Self::Cubeviz, CubeArray::OrMask) => "DQ",
            (Self::Irsa, CubeArray::Science) => "IMAGE",
            (Self::Irsa, CubeArray::Count) => "NHITS",
            (Self::Irsa, CubeArray::OrMask) => "FLAGS",
            (_, array) => array.hdu(),
        }
    }

    /// HDUs that are called otherwise, though their content is as it is: the name in a cube and
    /// that in the layout.
    pub(super) fn renamed(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // specutils would take ERR for the uncertainty, and fails then.
            Self::Cubeviz => &[("ERR", "ERRORS")],
            // IRSA's table has this name.
            Self::Irsa => &[(WAVE_TABLE, "WCS-WAVE-T")],
        }
    }

    /// HDUs that hold nothing of their own.
    pub(super) fn derived(self) -> &'static [&'static str] {
        match self {
            Self::Cubeviz => &[MASK],
            Self::Irsa => &[CHANNELS, WAVE_TABLE],
        }
    }
}

impl std::fmt::Display for CubeLayout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

pub(super) const LAYOUT: &str = "LAYOUT";
pub(super) const MASK: &str = "MASK";
pub(super) const CHANNELS: &str = "SPECTRAL_CHANNELS";
