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

/// How the arrays of a cube or a mosaic are packed (FITS Standard 4.0, section 10).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CubeCompression {
    /// Not at all.
    #[default]
    None,
    /// GZIP_2: every bit is kept.
    Lossless,
    /// SCI and VARIANCE are rounded, RICE_1 with SUBTRACTIVE_DITHER_1: no value of SCI is off by
    /// more than 0.02 of its error, none of VARIANCE by more than 4 %. All else is lossless.
    Rounded,
}

impl CubeCompression {
    /// Steps of SCI in units of the error, and of VARIANCE in units of itself: twice what a value
    /// may be off by.
    const STEPS: [f32; 2] = [0.04, 0.08];

    /// Its name on the card COMPRESS; `None` where there is none.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Lossless => Some("lossless"),
            Self::Rounded => Some("rounded"),
        }
    }

    /// The array whose rounding is asked for, with the steps that it may be rounded to by the
    /// variances beside its values.
    pub(super) fn steps(self, hdu: &str) -> Option<fn(&mut [f32])> {
        let array =
            [CubeArray::Science, CubeArray::Variance].into_iter().position(|array| array.hdu() == hdu)?;
        let science: fn(&mut [f32]) = |variances| {
            variances.iter_mut().for_each(|v| *v = Self::STEPS[0] * v.sqrt());
        };
        let variance: fn(&mut [f32]) = |variances| variances.iter_mut().for_each(|v| *v *= Self::STEPS[1]);
        (self == Self::Rounded).then_some(if array == 0 { science } else { variance })
    }

    /// The card of the primary header.
    pub(super) fn set(self, header: &mut Header) {
        let comment = match self {
            Self::Rounded => "SCI to 0.02 of its error, VARIANCE to 4 %",
            Self::None | Self::Lossless => "every bit is kept",
        };
        if let Some(name) = self.name() {
            header.set(COMPRESSION, name, comment);
        }
    }
}

/// The card of the compression.
pub(super) const COMPRESSION: &str = "COMPRESS";

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
