//! The embedded font: widths of texts, and texts as pixels.

use std::convert::Infallible;

use ab_glyph::{Font, FontRef, InvalidFont, PxScale, ScaleFont, point};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, FontFamily, FontTransform};

/// DejaVu Sans, cut down; see `assets/README.md`.
static BYTES: &[u8] = include_bytes!("../assets/DejaVuSans-subset.ttf");

/// What a reader of an SVG file is asked to set texts in; Verdana has the same widths.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// Height of capitals and figures \[em\].
pub(crate) const CAP_HEIGHT: f64 = 0.729;
/// Depth of the letters below the line \[em\].
pub(crate) const DEPTH: f64 = 0.236;
/// Half of the height of a small x \[em\]: this far above the line plotters' SVG backend centers a
/// text.
pub(crate) const HALF_X_HEIGHT: f64 = 0.2735;
/// plotters' SVG backend divides the size that a style gives by this to get the em.
const PLOTTERS_SIZE: f64 = 1.24;

/// A letter of a text, and where it stands [1/1000 em].
pub(crate) struct Letter {
    pub(crate) character: char,
    pub(crate) glyph: u16,
    pub(crate) left: f32,
    /// Where the next one would begin without kerning.
    pub(crate) right: f32,
}

/// The font, ready to measure and draw.
#[derive(Debug, Clone)]
pub(crate) struct Typeface(FontRef<'static>);

impl Typeface {
    pub(crate) fn load() -> Result<Self, InvalidFont> {
        FontRef::try_from_slice(BYTES).map(Self)
    }

    /// Width of a text whose em is 1.
    pub(crate) fn width(&self, text: &str) -> f64 {
        // Measured at 1000 px, since ab_glyph computes in f32.
        let mut end = 0.0;
        self.glyphs(text, 1000.0, |_, _, right| end = right);
        f64::from(end) / 1000.0
    }

    /// The letters of a text, kerned.
    pub(crate) fn letters(&self, text: &str) -> Vec<Letter> {
        let mut characters = text.chars();
        let mut letters = Vec::new();
        self.glyphs(text, 1000.0, |id, left, right| {
            letters.push(Letter { character: characters.next().unwrap_or(' '), glyph: id.0, left, right });
        });
        letters
    }

    /// The font's file.
    pub(crate) fn file() -> &'static [u8] {
        BYTES
    }

    /// How far the font reaches above the line, and, as a negative number, below it [1/1000 em].
    pub(crate) fn ascent_and_descent(&self) -> [f32; 2] {
        let unit = 1000.0 / self.0.units_per_em().unwrap_or(1000.0);
        [self.0.ascent_unscaled() * unit, self.0.descent_unscaled() * unit]
    }

    /// The scale at which an em has so many pixels.
    #[expect(clippy::cast_possible_truncation, reason = "sizes of a few to a few thousand pixels")]
    fn scale(&self, em: f64) -> PxScale {
        let units = f64::from(self.0.units_per_em().unwrap_or(1000.0));
        PxScale::from((em * f64::from(self.0.height_unscaled()) / units) as f32)
    }

    /// Calls `each` with every glyph, its left end and its right end, kerned. Line ends and the
    /// like count as spaces, letters that the font lacks as question marks.
    fn glyphs(&self, text: &str, em: f64, mut each: impl FnMut(ab_glyph::GlyphId, f32, f32)) {
        let font = self.0.as_scaled(self.scale(em));
        let mut at = 0.0;
        let mut last = None;
        for c in text.chars() {
            let id = self.0.glyph_id(if c.is_control() { ' ' } else { c });
            // The font has no picture of a letter that it lacks, which would leave a gap.
            let id = if id.0 == 0 { self.0.glyph_id('?') } else { id };
            at += last.map_or(0.0, |last| font.kern(last, id));
            let right = at + font.h_advance(id);
            each(id, at, right);
            at = right;
            last = Some(id);
        }
    }
}

/// A text as plotters draws it. It is placed by the point in its middle, half an x height above the
/// line.
pub(crate) struct TextStyle<'a> {
    pub(crate) typeface: &'a Typeface,
    /// Size [px of the backend].
    pub(crate) em: f64,
    pub(crate) color: BackendColor,
    pub(crate) horizontal: HPos,
    pub(crate) transform: FontTransform,
}

impl BackendTextStyle for TextStyle<'_> {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        self.color
    }

    fn size(&self) -> f64 {
        self.em * PLOTTERS_SIZE
    }

    fn transform(&self) -> FontTransform {
        self.transform.clone()
    }

    fn anchor(&self) -> Pos {
        Pos::new(self.horizontal, VPos::Center)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FAMILY)
    }

    /// Of no height, so that plotters moves the text along the line only and `draw` sets the
    /// height.
    fn layout_box(&self, text: &str) -> Result<(BackendCoord, BackendCoord), Infallible> {
        #[expect(clippy::cast_possible_truncation, reason = "rounded; saturates for absurd lengths")]
        let width = (self.typeface.width(text) * self.em).round() as i32;
        Ok(((0, 0), (width, 0)))
    }

    fn draw<E, D: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, middle): BackendCoord,
        mut draw: D,
    ) -> Result<Result<(), E>, Infallible> {
        let scale = self.typeface.scale(self.em);
        #[expect(clippy::cast_possible_truncation, reason = "sizes of a few to a few thousand pixels")]
        let line = (self.em * HALF_X_HEIGHT) as f32;
        let mut result = Ok(());
        self.typeface.glyphs(text, self.em, |id, at, _| {
            let glyph = id.with_scale_and_position(scale, point(at, line));
            let Some(outline) = self.typeface.0.outline_glyph(glyph) else { return };
            let corner = outline.px_bounds().min;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_possible_wrap,
                reason = "pixels of one glyph"
            )]
            outline.draw(|x, y, coverage| {
                if coverage > 0.0 && result.is_ok() {
                    let alpha = self.color.alpha * f64::from(coverage.min(1.0));
                    let (x, y) = (left + corner.x as i32 + x as i32, middle + corner.y as i32 + y as i32);
                    result = draw(x, y, BackendColor { alpha, ..self.color });
                }
            });
        });
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fontTools`: the sum of `hmtx` advances over `unitsPerEm`.
    #[test]
    fn widths_are_those_of_dejavu() {
        let typeface = Typeface::load().unwrap();
        assert!((typeface.width("0") - 1303.0 / 2048.0).abs() < 1e-4);
        assert!((typeface.width("−1") - (1716.0 + 1303.0) / 2048.0).abs() < 1e-4);
        assert_eq!(typeface.width(""), 0.0);
    }

    #[test]
    fn letters_that_are_not_there_are_question_marks() {
        let typeface = Typeface::load().unwrap();
        assert_eq!(typeface.width("星"), typeface.width("?"));
        assert_eq!(typeface.letters("a星").last().map(|l| l.character), Some('星'), "as it is copied");
    }

    #[test]
    fn has_the_signs_that_figures_use() {
        let typeface = Typeface::load().unwrap();
        let missing = typeface.0.glyph_id('\u{10ffff}');
        for c in "µλναβδσχΩ°′″−×±·…–⁻⁰¹²³⁴⁵⁶⁷⁸⁹ʰᵐˢÅ≤≥☉éü".chars()
        {
            assert_ne!(typeface.0.glyph_id(c), missing, "{c}");
        }
    }
}
