//! From a list of shapes to a PDF file of one page (ISO 32000-1): shapes as vectors, images without
//! interpolation, texts as texts in the embedded font. Nothing in it tells when it was made.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{
    CidFontType, FontFlags, LineCapStyle, LineJoinStyle, SystemInfo as System, UnicodeCmap,
};
use pdf_writer::{Content, Filter, Finish as _, Name, Pdf, Rect as Box, Ref, Str};

use crate::canvas::{Anchor, Canvas, CanvasShape, Raster, Rect, Text};
use crate::colormap::Rgb;
use crate::font::{CAP_HEIGHT, Typeface};

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENTS: Ref = Ref::new(4);
const FONT: Ref = Ref::new(5);
const CID_FONT: Ref = Ref::new(6);
const DESCRIPTOR: Ref = Ref::new(7);
const FONT_FILE: Ref = Ref::new(8);
const TO_UNICODE: Ref = Ref::new(9);
const FIRST_IMAGE: i32 = 10;

const FONT_KEY: Name<'static> = Name(b"F");
/// Six letters mark a font that is cut down.
const FONT_NAME: Name<'static> = Name(b"SPXFIG+DejaVuSans");
/// The box of all glyphs of DejaVu Sans 2.37 and the width of its upright stems \[1/1000 em\];
/// readers need them only where they replace the font.
const FONT_BOX: Box = Box { x1: -1021.0, y1: -463.0, x2: 1793.0, y2: 1232.0 };
const STEM: f32 = 90.0;

/// The characters that stand for glyphs, and the widths of these \[1/1000 em\].
type Used = BTreeMap<u16, (char, f32)>;

/// Encodes a picture.
pub(crate) fn pdf(canvas: &Canvas) -> Vec<u8> {
    let mut used = Used::new();
    let contents = contents(canvas, &mut used);
    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG).pages(PAGES);
    pdf.pages(PAGES).kids([PAGE]).count(1);
    write_page(&mut pdf, canvas, contents);
    write_font(&mut pdf, &canvas.typeface, &used);
    for (id, raster) in images(canvas) {
        write_image(&mut pdf, id, raster);
    }
    pdf.finish()
}

fn images(canvas: &Canvas) -> impl Iterator<Item = (Ref, &Raster)> {
    (FIRST_IMAGE..).map(Ref::new).zip(&canvas.rasters)
}

fn image_key(id: Ref) -> String {
    format!("I{}", id.get())
}

#[expect(clippy::cast_possible_truncation, reason = "PDF readers compute in single precision")]
fn single(value: f64) -> f32 {
    value as f32
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn write_page(pdf: &mut Pdf, canvas: &Canvas, contents: Content) {
    let scale = canvas.points_per_pixel;
    let [width, height] = [canvas.bounds().right, canvas.bounds().bottom].map(|side| single(side * scale));
    let mut page = pdf.page(PAGE);
    page.media_box(Box::new(0.0, 0.0, width, height)).parent(PAGES).contents(CONTENTS);
    let mut resources = page.resources();
    resources.fonts().pair(FONT_KEY, FONT);
    let mut objects = resources.x_objects();
    for (id, _) in images(canvas) {
        objects.pair(Name(image_key(id).as_bytes()), id);
    }
    objects.finish();
    resources.finish();
    page.finish();
    let contents = contents.finish();
    pdf.stream(CONTENTS, &deflated(&contents)).filter(Filter::FlateDecode);
}

/// What is drawn, in pixels of the picture with y downwards.
fn contents(canvas: &Canvas, used: &mut Used) -> Content {
    let scale = canvas.points_per_pixel;
    let mut content = Content::new();
    content.transform([scale, 0.0, 0.0, -scale, 0.0, canvas.bounds().bottom * scale].map(single));
    content.set_line_join(LineJoinStyle::RoundJoin).set_line_cap(LineCapStyle::ButtCap);
    for (id, raster) in images(canvas) {
        let [left, top, width, height] =
            [raster.left, raster.top, raster.width, raster.height()].map(f64::from);
        content.save_state();
        content.transform([width, 0.0, 0.0, -height, left, top + height].map(single));
        content.x_object(Name(image_key(id).as_bytes()));
        content.restore_state();
    }
    for shape in &canvas.shapes {
        match shape {
            CanvasShape::Rect(rect, color) => rectangle(&mut content, *rect, *color),
            CanvasShape::Line(points, width, color) => line(&mut content, points, *width, *color),
            CanvasShape::Disc(center, radius, color) => disc(&mut content, *center, *radius, *color),
            CanvasShape::Text(text) => write_text(&mut content, text, &canvas.typeface, used),
        }
    }
    content
}

fn parts(color: Rgb) -> [f32; 3] {
    color.map(|part| f32::from(part) / 255.0)
}

fn fill_color(content: &mut Content, color: Rgb) {
    let [r, g, b] = parts(color);
    content.set_fill_rgb(r, g, b);
}

fn rectangle(content: &mut Content, rect: Rect, color: Rgb) {
    fill_color(content, color);
    let [left, top, width, height] = [rect.left, rect.top, rect.width(), rect.height()].map(single);
    content.rect(left, top, width, height).fill_nonzero();
}

fn line(content: &mut Content, points: &[[f64; 2]], width: f64, color: Rgb) {
    let [r, g, b] = parts(color);
    content.set_stroke_rgb(r, g, b).set_line_width(single(width));
    for (k, point) in points.iter().enumerate() {
        let [x, y] = point.map(single);
        if k == 0 {
            content.move_to(x, y);
        } else {
            content.line_to(x, y);
        }
    }
    content.stroke();
}

/// Of four Bezier curves, off by less than 0.03 % of the radius.
fn disc(content: &mut Content, [x, y]: [f64; 2], radius: f64, color: Rgb) {
    const HANDLE: f64 = 0.552_284_75;
    fill_color(content, color);
    content.move_to(single(x + radius), single(y));
    let (mut from, mut towards) = ([1.0, 0.0], [0.0, 1.0]);
    for _ in 0..4 {
        let place = |along: f64, across: f64| {
            [
                x + radius * (from[0] * along + towards[0] * across),
                y + radius * (from[1] * along + towards[1] * across),
            ]
            .map(single)
        };
        let [first, second, end] = [place(1.0, HANDLE), place(HANDLE, 1.0), place(0.0, 1.0)];
        content.cubic_to(first[0], first[1], second[0], second[1], end[0], end[1]);
        (from, towards) = (towards, [-from[0], -from[1]]);
    }
    content.fill_nonzero();
}

fn write_text(content: &mut Content, text: &Text, typeface: &Typeface, used: &mut Used) {
    let letters = typeface.letters(&text.text);
    let width = typeface.width(&text.text) * text.em;
    let back = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width / 2.0,
        Anchor::End => width,
    };
    let ([x, y], em) = (text.at, text.em);
    let matrix =
        if text.upward { [0.0, -em, -em, 0.0, x, y + back] } else { [em, 0.0, 0.0, -em, x - back, y] };
    fill_color(content, text.color);
    content.begin_text().set_font(FONT_KEY, 1.0).set_text_matrix(matrix.map(single));
    let mut show = content.show_positioned();
    let mut items = show.items();
    let mut end = 0.0;
    for letter in letters {
        if letter.left != end {
            items.adjust(end - letter.left);
        }
        items.show(Str(&letter.glyph.to_be_bytes()));
        end = letter.right;
        used.insert(letter.glyph, (letter.character, letter.right - letter.left));
    }
    items.finish();
    show.finish();
    content.end_text();
}

/// The font as a whole, addressed by the numbers of its glyphs.
fn write_font(pdf: &mut Pdf, typeface: &Typeface, used: &Used) {
    let system = || System { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
    pdf.type0_font(FONT)
        .base_font(FONT_NAME)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(CID_FONT)
        .to_unicode(TO_UNICODE);
    let mut font = pdf.cid_font(CID_FONT);
    font.subtype(CidFontType::Type2).base_font(FONT_NAME).system_info(system());
    font.font_descriptor(DESCRIPTOR).default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = font.widths();
    for (&glyph, &(_, width)) in used {
        widths.consecutive(glyph, [width]);
    }
    widths.finish();
    font.finish();
    let [ascent, descent] = typeface.ascent_and_descent();
    pdf.font_descriptor(DESCRIPTOR)
        .name(FONT_NAME)
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(FONT_BOX)
        .italic_angle(0.0)
        .ascent(ascent)
        .descent(descent)
        .cap_height(single(1000.0 * CAP_HEIGHT))
        .stem_v(STEM)
        .font_file2(FONT_FILE);
    let file = Typeface::file();
    let length = i32::try_from(file.len()).unwrap_or(i32::MAX);
    pdf.stream(FONT_FILE, &deflated(file)).filter(Filter::FlateDecode).pair(Name(b"Length1"), length);
    let mut map = UnicodeCmap::new(Name(b"Glyphs"), system());
    for (&glyph, &(character, _)) in used {
        map.pair(glyph, character);
    }
    let map = map.finish();
    pdf.cmap(TO_UNICODE, &map);
}

fn write_image(pdf: &mut Pdf, id: Ref, raster: &Raster) {
    let pixels = deflated(raster.pixels.as_flattened());
    let [width, height] = [raster.width, raster.height()].map(|side| i32::try_from(side).unwrap_or(i32::MAX));
    let mut image = pdf.image_xobject(id, &pixels);
    image.width(width).height(height).bits_per_component(8).interpolate(false);
    image.color_space().device_rgb();
    image.filter(Filter::FlateDecode);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;

    use super::*;
    use crate::Size;
    use crate::canvas::INK;

    fn canvas() -> Canvas {
        let mut canvas = Canvas::new(Size { width: 400, height: 200 }).unwrap();
        canvas.rasters.push(Raster { left: 10, top: 20, width: 2, pixels: vec![[1, 2, 3]; 6] });
        canvas.rect(0.0, 50.0, 100.0, 60.0, [0xff, 0, 0]);
        canvas.shapes.push(CanvasShape::Line(vec![[1.0, 2.0], [3.0, 4.5]], 2.0, [0; 3]));
        canvas.shapes.push(CanvasShape::Disc([50.0, 50.0], 10.0, [0, 0xff, 0]));
        canvas.label("µm".to_owned(), [200.0, 100.0], Anchor::Start, 20.0);
        canvas
    }

    /// The streams of a file, inflated where they are deflated.
    fn streams(file: &[u8]) -> Vec<Vec<u8>> {
        let find = |from: usize, word: &[u8]| {
            file[from..].windows(word.len()).position(|w| w == word).map(|at| from + at)
        };
        let (mut streams, mut at) = (Vec::new(), 0);
        while let Some(start) = find(at, b"\nstream\n") {
            let (start, end) = (start + 8, find(start, b"\nendstream").unwrap());
            let mut stream = Vec::new();
            if ZlibDecoder::new(&file[start..end]).read_to_end(&mut stream).is_err() {
                stream = file[start..end].to_vec();
            }
            streams.push(stream);
            at = end;
        }
        streams
    }

    #[test]
    fn shapes_lie_at_their_places_with_y_downwards() {
        let streams = streams(&pdf(&canvas()));
        let contents = String::from_utf8_lossy(&streams[0]).into_owned();
        for part in [
            "0.75 0 0 -0.75 0 150 cm",
            "2 0 0 -3 10 23 cm\n/I10 Do",
            "1 0 0 rg\n0 50 100 10 re\nf",
            "2 w\n1 2 m\n3 4.5 l\nS",
            "60 50 m\n60 55.522846 55.522846 60 50 60 c",
            "/F 1 Tf\n20 0 0 -20 200 100 Tm",
        ] {
            assert!(contents.contains(part), "{part}: {contents}");
        }
        assert!(streams.iter().any(|s| *s == [1, 2, 3].repeat(6)), "the image");
    }

    #[test]
    fn texts_can_be_read_back() {
        let canvas = canvas();
        let file = pdf(&canvas);
        let map = streams(&file).into_iter().map(|s| String::from_utf8_lossy(&s).into_owned());
        let map = map.into_iter().find(|s| s.contains("beginbfchar")).unwrap();
        for letter in canvas.typeface.letters("µm") {
            let pair = format!("<{:04X}> <{:04X}>", letter.glyph, u32::from(letter.character));
            assert!(map.contains(&pair), "{pair}: {map}");
        }
        assert!(streams(&file).iter().any(|s| s == Typeface::file()), "the font as it is");
    }

    #[test]
    fn the_file_is_whole_and_always_the_same() {
        let mut canvas = canvas();
        canvas.text(Text {
            text: "up".to_owned(),
            at: [5.0, 100.0],
            anchor: Anchor::Middle,
            em: 10.0,
            color: INK,
            upward: true,
        });
        let file = pdf(&canvas);
        assert!(file.starts_with(b"%PDF-1.7") && file.trim_ascii_end().ends_with(b"%%EOF"));
        assert_eq!(file, pdf(&canvas));
        let contents = String::from_utf8_lossy(&streams(&file)[0]).into_owned();
        let half = canvas.text_width("up", 10.0) / 2.0;
        let matrix = contents.lines().rfind(|l| l.ends_with("Tm")).unwrap();
        assert!(matrix.starts_with(&format!("0 -10 -10 0 5 {}", single(100.0 + half))), "{matrix}");
    }
}
