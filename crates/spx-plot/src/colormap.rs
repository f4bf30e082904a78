//! Color maps by the names that matplotlib gives them.
//!
//! The tables hold every fifth of the 256 colors that matplotlib publishes for a map, joined by
//! straight lines; no color differs by more than 4 of 255 from matplotlib's. viridis, plasma,
//! inferno and magma are by N. Smith, S. van der Walt and E. Firing (CC0), cividis by J. Nuñez, C.
//! Anderton and R. Renslow (2018, PLoS ONE 13, e0199239), turbo by A. Mikhailov (Apache-2.0). RdBu
//! has the eleven colors of C. Brewer (ColorBrewer, Apache-2.0). rainbow and gray are formulas.
//! Crates with maps of these names exist, but they carry D3's polynomial or spline versions, which
//! differ visibly for turbo and rainbow.

use std::f64::consts::PI;

use crate::options::named;
use spx_core::elementary::{cos, powf, sin};

/// An 8-bit color: red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// Colors from low to high values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colormap {
    /// Blue over green to yellow, even in brightness.
    #[default]
    Viridis,
    /// Blue over red to yellow, even in brightness.
    Plasma,
    /// Black over red to light yellow, even in brightness.
    Inferno,
    /// Black over purple to cream, even in brightness.
    Magma,
    /// Blue to yellow, the same to color-blind readers.
    Cividis,
    /// All hues, smoother than `rainbow`.
    Turbo,
    /// All hues, violet to red.
    Rainbow,
    /// Black to white.
    Gray,
    /// Red over white to blue, with white at zero: for values of both signs.
    RdBu,
    /// [`Self::Viridis`], high values as its low ones.
    ViridisReversed,
    /// [`Self::Plasma`], high values as its low ones.
    PlasmaReversed,
    /// [`Self::Inferno`], high values as its low ones.
    InfernoReversed,
    /// [`Self::Magma`], high values as its low ones.
    MagmaReversed,
    /// [`Self::Cividis`], high values as its low ones.
    CividisReversed,
    /// [`Self::Turbo`], high values as its low ones.
    TurboReversed,
    /// [`Self::Rainbow`], high values as its low ones.
    RainbowReversed,
    /// [`Self::Gray`], high values as its low ones.
    GrayReversed,
    /// [`Self::RdBu`], blue below zero and red above.
    RdBuReversed,
}

named!(
    Colormap,
    "colormap",
    Viridis = "viridis",
    Plasma = "plasma",
    Inferno = "inferno",
    Magma = "magma",
    Cividis = "cividis",
    Turbo = "turbo",
    Rainbow = "rainbow",
    Gray = "gray",
    RdBu = "RdBu",
    ViridisReversed = "viridis_r",
    PlasmaReversed = "plasma_r",
    InfernoReversed = "inferno_r",
    MagmaReversed = "magma_r",
    CividisReversed = "cividis_r",
    TurboReversed = "turbo_r",
    RainbowReversed = "rainbow_r",
    GrayReversed = "gray_r",
    RdBuReversed = "RdBu_r",
);

impl Colormap {
    /// The color (red, green, blue) at `t`, 0 for the lowest value and 1 for the highest; what lies
    /// outside gets the nearest end, NaN the lower.
    pub fn color(self, t: f64) -> [u8; 3] {
        let t = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) };
        match self {
            Self::Viridis => between(&VIRIDIS, t),
            Self::Plasma => between(&PLASMA, t),
            Self::Inferno => between(&INFERNO, t),
            Self::Magma => between(&MAGMA, t),
            Self::Cividis => between(&CIVIDIS, t),
            Self::Turbo => between(&TURBO, t),
            Self::Rainbow => [(2.0 * t - 0.5).abs(), sin(PI * t), cos(PI / 2.0 * t)].map(to_byte),
            Self::Gray => [to_byte(t); 3],
            Self::RdBu => between(&RDBU, t),
            Self::ViridisReversed => Self::Viridis.color(1.0 - t),
            Self::PlasmaReversed => Self::Plasma.color(1.0 - t),
            Self::InfernoReversed => Self::Inferno.color(1.0 - t),
            Self::MagmaReversed => Self::Magma.color(1.0 - t),
            Self::CividisReversed => Self::Cividis.color(1.0 - t),
            Self::TurboReversed => Self::Turbo.color(1.0 - t),
            Self::RainbowReversed => Self::Rainbow.color(1.0 - t),
            Self::GrayReversed => Self::Gray.color(1.0 - t),
            Self::RdBuReversed => Self::RdBu.color(1.0 - t),
        }
    }

    /// Whether its middle stands for zero, and its two halves for the signs.
    pub fn is_diverging(self) -> bool {
        matches!(self, Self::RdBu | Self::RdBuReversed)
    }
}

/// The largest luminance of a color on white paper: a contrast of 2 to 1 against the paper.
const PAPER_LUMINANCE: f64 = 0.475;

impl Colormap {
    /// The color at `t` for points on white paper: of the map only the part that is dark enough.
    pub(crate) fn color_on_paper(self, t: f64) -> Rgb {
        let t = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) };
        let dark = |k: &u32| luminance(self.color(f64::from(*k) / 255.0)) <= PAPER_LUMINANCE;
        let (low, high) = ((0..256).find(dark).unwrap_or(0), (0..256).rev().find(dark).unwrap_or(255));
        let (low, high) = (f64::from(low) / 255.0, f64::from(high) / 255.0);
        let color = self.color(low + t * (high - low));
        // Maps that are light in their middle are darkened there.
        let light = luminance(color) / PAPER_LUMINANCE;
        if light > 1.0 {
            color.map(|part| to_byte(f64::from(part) / 255.0 / powf(light, 1.0 / 2.2)))
        } else {
            color
        }
    }
}

/// Relative luminance of sRGB, 0 to 1 (WCAG 2.1).
pub(crate) fn luminance(color: Rgb) -> f64 {
    let [r, g, b] = color.map(linear);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// A part of a color as an amount of light (sRGB, IEC 61966-2-1), 0 to 1.
pub(crate) fn linear(part: u8) -> f64 {
    let part = f64::from(part) / 255.0;
    if part <= 0.04045 { part / 12.92 } else { powf((part + 0.055) / 1.055, 2.4) }
}

/// Rounds a part of a color in [0, 1] to a byte; what lies outside gets the nearest end.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of a byte; NaN becomes 0"
)]
pub(crate) fn to_byte(part: f64) -> u8 {
    (part.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// Interpolates linearly in a table of `0xRRGGBB`; `t` lies in [0, 1].
fn between<const N: usize>(table: &[u32; N], t: f64) -> Rgb {
    let at = t * (N - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in [0, N - 1] since t lies in [0, 1]"
    )]
    let low = (at as usize).min(N - 2);
    let part = at - low as f64;
    let (a, b) = (table[low].to_be_bytes(), table[low + 1].to_be_bytes());
    [1, 2, 3].map(|k| to_byte((f64::from(a[k]) * (1.0 - part) + f64::from(b[k]) * part) / 255.0))
}

const RDBU: [u32; 11] = [
    0x67001f, 0xb2182b, 0xd6604d, 0xf4a582, 0xfddbc7, 0xf7f7f7, 0xd1e5f0, 0x92c5de, 0x4393c3, 0x2166ac,
    0x053061,
];
/// Number of colors in a table: every fifth of 256, both ends included.
const POINTS: usize = 52;

const VIRIDIS: [u32; POINTS] = [
    0x440154, 0x46085c, 0x471063, 0x481769, 0x481d6f, 0x482475, 0x472a7a, 0x46307e, 0x453781, 0x433d84,
    0x414287, 0x3f4889, 0x3d4e8a, 0x3a538b, 0x38598c, 0x355e8d, 0x33638d, 0x31688e, 0x2e6d8e, 0x2c718e,
    0x2a768e, 0x297b8e, 0x27808e, 0x25848e, 0x23898e, 0x218e8d, 0x20928c, 0x1f978b, 0x1e9c89, 0x1fa188,
    0x21a585, 0x24aa83, 0x28ae80, 0x2eb37c, 0x35b779, 0x3dbc74, 0x46c06f, 0x50c46a, 0x5ac864, 0x65cb5e,
    0x70cf57, 0x7cd250, 0x89d548, 0x95d840, 0xa2da37, 0xb0dd2f, 0xbddf26, 0xcae11f, 0xd8e219, 0xe5e419,
    0xf1e51d, 0xfde725,
];
const PLASMA: [u32; POINTS] = [
    0x0d0887, 0x1b068d, 0x260591, 0x2f0596, 0x38049a, 0x41049d, 0x4903a0, 0x5102a3, 0x5901a5, 0x6100a7,
    0x6900a8, 0x7100a8, 0x7801a8, 0x8004a8, 0x8707a6, 0x8e0ca4, 0x9511a1, 0x9c179e, 0xa21d9a, 0xa82296,
    0xae2892, 0xb42e8d, 0xba3388, 0xbf3984, 0xc43e7f, 0xc9447a, 0xcd4a76, 0xd24f71, 0xd6556d, 0xda5b69,
    0xde6164, 0xe26660, 0xe66c5c, 0xe97257, 0xed7953, 0xf07f4f, 0xf3854b, 0xf58c46, 0xf79342, 0xf99a3e,
    0xfba139, 0xfca835, 0xfdaf31, 0xfeb72d, 0xfebe2a, 0xfdc627, 0xfcce25, 0xfbd724, 0xf8df25, 0xf6e826,
    0xf3f027, 0xf0f921,
];
const INFERNO: [u32; POINTS] = [
    0x000004, 0x02020c, 0x050417, 0x0a0722, 0x10092d, 0x160b39, 0x1e0c45, 0x260c51, 0x2f0a5b, 0x380962,
    0x400a67, 0x490b6a, 0x510e6c, 0x59106e, 0x61136e, 0x69166e, 0x71196e, 0x781c6d, 0x801f6c, 0x88226a,
    0x902568, 0x982766, 0xa02a63, 0xa82e5f, 0xb0315b, 0xb73557, 0xbf3952, 0xc63d4d, 0xcc4248, 0xd34743,
    0xd94d3d, 0xdf5337, 0xe45a31, 0xe9612b, 0xed6925, 0xf1711f, 0xf47918, 0xf78212, 0xf98b0b, 0xfa9407,
    0xfb9d07, 0xfca60c, 0xfcb014, 0xfbba1f, 0xfac42a, 0xf8cd37, 0xf6d746, 0xf4e156, 0xf2ea69, 0xf2f27d,
    0xf5f992, 0xfcffa4,
];
const MAGMA: [u32; POINTS] = [
    0x000004, 0x02020b, 0x050416, 0x090720, 0x0e0b2b, 0x140e36, 0x1a1042, 0x21114e, 0x29115a, 0x311165,
    0x390f6e, 0x420f75, 0x4a1079, 0x52137c, 0x5a167e, 0x621980, 0x6a1c81, 0x721f81, 0x792282, 0x812581,
    0x892881, 0x912b81, 0x992d80, 0xa1307e, 0xaa337d, 0xb2357b, 0xba3878, 0xc23b75, 0xca3e72, 0xd2426f,
    0xd9466b, 0xe04c67, 0xe75263, 0xec5860, 0xf1605d, 0xf4695c, 0xf7725c, 0xf97b5d, 0xfb8560, 0xfc8e64,
    0xfd9869, 0xfea16e, 0xfeaa74, 0xfeb47b, 0xfebd82, 0xfec68a, 0xfecf92, 0xfed89a, 0xfde2a3, 0xfdebac,
    0xfcf4b6, 0xfcfdbf,
];
const CIVIDIS: [u32; POINTS] = [
    0x00224e, 0x002656, 0x002a5f, 0x002d68, 0x003070, 0x083370, 0x163770, 0x203a6f, 0x273e6e, 0x2e416d,
    0x34456c, 0x3a486c, 0x3f4c6c, 0x444f6c, 0x49536c, 0x4e566c, 0x535a6d, 0x575d6d, 0x5c616e, 0x60646f,
    0x656870, 0x696b71, 0x6d6f72, 0x727274, 0x767676, 0x7a7a78, 0x7e7d78, 0x838179, 0x888578, 0x8d8878,
    0x928c78, 0x969077, 0x9b9476, 0xa09875, 0xa59c74, 0xaaa073, 0xafa471, 0xb5a86f, 0xbaac6d, 0xbfb06b,
    0xc4b468, 0xc9b965, 0xcfbd62, 0xd4c15f, 0xdac65b, 0xdfca57, 0xe5cf52, 0xead34c, 0xf0d846, 0xf6dd3f,
    0xfce236, 0xfee838,
];
const TURBO: [u32; POINTS] = [
    0x30123b, 0x36215f, 0x3b2f80, 0x3f3e9c, 0x424bb5, 0x4559cb, 0x4666dd, 0x4773eb, 0x4680f6, 0x458cfd,
    0x4099ff, 0x38a5fb, 0x2fb2f4, 0x27bee9, 0x1fc9dd, 0x1ad4d0, 0x18ddc2, 0x1ae4b6, 0x22ebaa, 0x2ff19b,
    0x3ff68a, 0x52fa7a, 0x65fd69, 0x79fe59, 0x8bff4b, 0x9cfe40, 0xa9fb39, 0xb7f735, 0xc3f134, 0xd0ea34,
    0xdbe236, 0xe5d938, 0xeecf3a, 0xf5c53a, 0xfaba39, 0xfdae35, 0xfea130, 0xfe932a, 0xfc8423, 0xf9751d,
    0xf46617, 0xef5811, 0xe84b0c, 0xe14109, 0xd83706, 0xce2d04, 0xc32503, 0xb71d02, 0xa91601, 0x9b0f01,
    0x8b0902, 0x7a0403,
];

#[cfg(test)]
mod tests {
    use spx_core::elementary::cbrt;

    use super::*;

    /// Entries 0, 64, 128, 191 and 255 of matplotlib 3.11.2's maps:
    /// `(255 * matplotlib.colormaps[name](k)).round()`.
    const MATPLOTLIB: [(&str, [u32; 5]); 9] = [
        ("viridis", [0x440154, 0x3b528b, 0x21918c, 0x5cc863, 0xfde725]),
        ("plasma", [0x0d0887, 0x7e03a8, 0xcc4778, 0xf89441, 0xf0f921]),
        ("inferno", [0x000004, 0x57106e, 0xbc3754, 0xf98c0a, 0xfcffa4]),
        ("magma", [0x000004, 0x51127c, 0xb73779, 0xfb8761, 0xfcfdbf]),
        ("cividis", [0x00224e, 0x434e6c, 0x7d7c78, 0xbbad6d, 0xfee838]),
        ("turbo", [0x30123b, 0x28bceb, 0xa4fc3c, 0xfb8122, 0x7a0403]),
        ("rainbow", [0x8000ff, 0x00b5eb, 0x80ffb4, 0xfeb562, 0xff0000]),
        ("gray", [0x000000, 0x404040, 0x808080, 0xbfbfbf, 0xffffff]),
        ("RdBu", [0x67001f, 0xe58368, 0xf6f7f7, 0x6bacd1, 0x053061]),
    ];

    #[test]
    fn agrees_with_matplotlib() {
        for (name, colors) in MATPLOTLIB {
            let map: Colormap = name.parse().unwrap();
            for (k, expected) in [0.0, 64.0, 128.0, 191.0, 255.0].into_iter().zip(colors) {
                let found = map.color(k / 255.0);
                let expected = expected.to_be_bytes();
                // The ends are exact; between them the straight lines may be off by 4, in cividis.
                let tolerance = if k == 0.0 || k == 255.0 { 0 } else { 4 };
                for (f, e) in found.into_iter().zip([expected[1], expected[2], expected[3]]) {
                    assert!(f.abs_diff(e) <= tolerance, "{name} {k}: {found:02x?} is not {expected:02x?}");
                }
            }
        }
        assert_eq!(2 * MATPLOTLIB.len(), Colormap::ALL.len());
    }

    #[test]
    fn what_lies_outside_gets_the_ends() {
        for map in Colormap::ALL {
            assert_eq!(map.color(-1.0), map.color(0.0));
            assert_eq!(map.color(f64::INFINITY), map.color(1.0));
            assert_eq!(map.color(f64::NAN), map.color(0.0));
        }
    }

    #[test]
    fn reversed_maps_begin_where_the_others_end() {
        for (name, _) in MATPLOTLIB {
            let [map, back] = [name.to_owned(), format!("{name}_r")].map(|n| n.parse::<Colormap>().unwrap());
            for k in 0..=16 {
                let t = f64::from(k) / 16.0;
                assert_eq!(map.color(t), back.color(1.0 - t), "{name} {t}");
            }
        }
    }

    #[test]
    fn names_go_both_ways() {
        for map in Colormap::ALL {
            assert_eq!(map.to_string().parse::<Colormap>().unwrap(), *map);
        }
        assert_eq!("Viridis".parse::<Colormap>().unwrap(), Colormap::Viridis);
        let error = "jet".parse::<Colormap>().unwrap_err().to_string();
        assert!(error.starts_with("unknown colormap `jet`; known: viridis, plasma"), "{error}");
        let error = "virdis".parse::<Colormap>().unwrap_err().to_string();
        assert!(error.contains("`virdis`; did you mean `viridis`?; known:"), "{error}");
    }
    /// Linear sRGB as readers without one kind of cones see it (Viénot, Brettel and Mollon 1999).
    const DICHROMATS: [[[f64; 3]; 3]; 2] = [
        [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
        [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    ];

    /// CIE L*a*b* of a color, through the eyes that a matrix describes.
    fn lab(color: Rgb, seen: &[[f64; 3]; 3]) -> [f64; 3] {
        const XYZ: [[f64; 3]; 3] =
            [[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0178, 0.1095, 0.8727]];
        let times =
            |m: &[[f64; 3]; 3], v: [f64; 3]| m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
        let linear = color.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { powf((part + 0.055) / 1.055, 2.4) }
        });
        let [x, y, z] = times(&XYZ, times(seen, linear))
            .map(|t| if t > 0.008_856 { cbrt(t) } else { 7.787 * t + 16.0 / 116.0 });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn distance(a: Rgb, b: Rgb, seen: &[[f64; 3]; 3]) -> f64 {
        let (a, b) = (lab(a, seen), lab(b, seen));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn color_blind_readers_tell_the_spectra_apart() {
        for seen in &DICHROMATS {
            for (k, a) in crate::spectrum::COLORS.iter().enumerate() {
                for b in &crate::spectrum::COLORS[..k] {
                    let found = distance(*a, *b, seen);
                    assert!(found > 10.0, "{a:?} {b:?}: {found}");
                }
            }
        }
    }

    /// The default maps tell values apart by lightness alone, rainbow does not.
    #[test]
    fn color_blind_readers_can_read_the_default_maps() {
        let rises = |map: Colormap, seen| {
            let lightness: Vec<f64> =
                (0..=20).map(|k| lab(map.color_on_paper(f64::from(k) / 20.0), seen)[0]).collect();
            lightness.is_sorted()
        };
        for seen in &DICHROMATS {
            for map in [Colormap::Viridis, Colormap::Plasma, Colormap::Cividis] {
                assert!(rises(map, seen), "{map}");
            }
            assert!(!rises(Colormap::Rainbow, seen));
        }
    }
}
