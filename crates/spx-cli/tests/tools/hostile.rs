//! Files that are made to do harm, from a good one and the FITS Standard 4.0: streams that lie
//! about their size, tiles without width, headers that want 10 GB, gzip streams that swell, cut
//! files. Each is named with what a refusal must say of it.

use std::io::Write as _;

/// A file, and words of the message that refuses it.
pub(crate) struct HostileFile {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) words: Vec<String>,
}

/// An HDU: its cards without END, and its data in whole blocks.
#[derive(Clone)]
struct HostileHdu {
    cards: Vec<String>,
    data: Vec<u8>,
}

impl HostileHdu {
    fn value(&self, keyword: &str) -> Option<&str> {
        let card = self.cards.iter().find(|card| card.starts_with(&format!("{keyword:<8}= ")))?;
        Some(card[10..].split('/').next().unwrap_or_default().trim().trim_matches('\'').trim_end())
    }

    fn number(&self, keyword: &str) -> usize {
        self.value(keyword).map_or(0, |text| text.parse().unwrap())
    }

    fn set(&mut self, card: &str) {
        match self.cards.iter_mut().find(|old| old[..8] == card[..8]) {
            Some(old) => *old = card.to_owned(),
            None => self.cards.push(card.to_owned()),
        }
    }

    /// Bytes of the data without fill (equations 1 and 2 of the standard).
    fn size(&self) -> usize {
        let axes = self.number("NAXIS");
        let elements: usize = (1..=axes).map(|axis| self.number(&format!("NAXIS{axis}"))).product();
        let bytes: usize = self.value("BITPIX").unwrap().trim_start_matches('-').parse().unwrap();
        if axes == 0 { 0 } else { bytes / 8 * (elements + self.number("PCOUNT")) }
    }
}

fn parse(bytes: &[u8]) -> Vec<HostileHdu> {
    let (mut hdus, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let card = |k: usize| String::from_utf8(bytes[at + 80 * k..at + 80 * (k + 1)].to_vec()).unwrap();
        let cards: Vec<String> = (0..).map(card).take_while(|card| !card.starts_with("END ")).collect();
        at += (80 * (cards.len() + 1)).next_multiple_of(2880);
        let mut hdu = HostileHdu { cards, data: Vec::new() };
        let end = at + hdu.size().next_multiple_of(2880);
        hdu.data = bytes[at..end].to_vec();
        at = end;
        hdus.push(hdu);
    }
    hdus
}

fn build(hdus: &[HostileHdu]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for hdu in hdus {
        bytes.extend(hdu.cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()));
        bytes.extend(format!("{:<80}", "END").into_bytes());
        bytes.resize(bytes.len().next_multiple_of(2880), b' ');
        bytes.extend(&hdu.data);
        bytes.resize(bytes.len().next_multiple_of(2880), 0);
    }
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What is done to a header.
const CARDS: [(&str, &str, &[&str]); 14] = [
    ("bitpix", "BITPIX  = 7", &["BITPIX = 7"]),
    ("axes", "NAXIS   = 999", &["NAXIS3"]),
    ("axes_negative", "NAXIS   = -2", &["NAXIS = -2"]),
    ("width_negative", "NAXIS1  = -40", &["NAXIS1 = -40"]),
    ("width_largest", "NAXIS1  = 9223372036854775807", &["larger than any file"]),
    ("ten_gigabytes", "NAXIS1  = 60000000", &["ends within"]),
    ("parameters", "PCOUNT  = 999999999999", &["ends within"]),
    ("tile_width", "ZTILE1  = 0", &["ZTILE1 = 0"]),
    ("tile_height", "ZTILE2  = -1", &["ZTILE2 = -1"]),
    ("tiles_wide", "ZNAXIS1 = 1000000000", &["rows for"]),
    ("dither", "ZDITHER0= -100000", &["ZDITHER0 = -100000"]),
    ("block", "ZVAL1   = 0", &["BLOCKSIZE"]),
    ("hcompress", "ZCMPTYPE= 'HCOMPRESS_1'", &["HCOMPRESS_1", "funpack"]),
    ("plio", "ZCMPTYPE= 'PLIO_1'", &["PLIO_1", "funpack"]),
];

/// What is done to descriptors of tiles: how many bytes, from where in the heap; then the message.
const DESCRIPTORS: [(&str, i32, i32, &str); 3] = [
    ("stream_short", 1, 0, "tile 0"),
    ("stream_outside", 1 << 30, 0, "heap"),
    ("stream_negative", -1, -1, "has no data"),
];

/// An image of real numbers as tiles of one row each, packed by RICE_1 with dithering; every tile
/// has the same stream of a heap of 256 bytes.
fn tiles(image: &HostileHdu, count: i32, offset: i32) -> HostileHdu {
    let [width, height] = ["NAXIS1", "NAXIS2"].map(|keyword| image.number(keyword));
    let own =
        ["XTENSION", "BITPIX  ", "NAXIS   ", "NAXIS1  ", "NAXIS2  ", "NAXIS3  ", "PCOUNT  ", "GCOUNT  "];
    let rest = image.cards.iter().filter(|card| !own.contains(&&card[..8]));
    let mut cards: Vec<String> = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 24",
        &format!("NAXIS2  = {height}"),
        "PCOUNT  = 256",
        "GCOUNT  = 1",
        "TFIELDS = 3",
        "TTYPE1  = 'COMPRESSED_DATA'",
        "TFORM1  = '1PB(256)'",
        "TTYPE2  = 'ZSCALE'",
        "TFORM2  = '1D'",
        "TTYPE3  = 'ZZERO'",
        "TFORM3  = '1D'",
        "ZIMAGE  = T",
        "ZBITPIX = -32",
        "ZNAXIS  = 2",
        &format!("ZNAXIS1 = {width}"),
        &format!("ZNAXIS2 = {height}"),
        &format!("ZTILE1  = {width}"),
        "ZTILE2  = 1",
        "ZCMPTYPE= 'RICE_1'",
        "ZNAME1  = 'BLOCKSIZE'",
        "ZVAL1   = 32",
        "ZNAME2  = 'BYTEPIX'",
        "ZVAL2   = 4",
        "ZQUANTIZ= 'SUBTRACTIVE_DITHER_1'",
        "ZDITHER0= 1",
    ]
    .map(str::to_owned)
    .to_vec();
    cards.extend(rest.cloned());
    let row = [&count.to_be_bytes()[..], &offset.to_be_bytes(), &1f64.to_be_bytes(), &0f64.to_be_bytes()];
    let mut data = row.concat().repeat(height);
    data.extend([0x5a; 256]);
    data.resize(data.len().next_multiple_of(2880), 0);
    HostileHdu { cards, data }
}

/// Hostile relatives of a good file; `image` and `table` name two HDUs that its readers need.
pub(crate) fn hostile(good: &[u8], image: &str, table: &str) -> Vec<HostileFile> {
    let hdus = parse(good);
    let at = |name: &str| hdus.iter().position(|hdu| hdu.value("EXTNAME") == Some(name)).unwrap();
    let (image_at, table_at) = (at(image), at(table));
    let mut files = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>, words: &[&str]| {
        let end = if bytes.starts_with(&[0x1f, 0x8b]) { "fits.gz" } else { "fits" };
        let words = words.iter().map(|&word| word.to_owned()).collect();
        files.push(HostileFile { name: format!("{name}.{end}"), bytes, words });
    };
    let changed = |at: usize, hdu: HostileHdu| {
        let mut all = hdus.clone();
        all[at] = hdu;
        build(&all)
    };
    for (name, card, words) in CARDS {
        let packed = card.starts_with('Z');
        let mut hdu = if packed { tiles(&hdus[image_at], 256, 0) } else { hdus[image_at].clone() };
        hdu.set(card);
        add(name, changed(image_at, hdu), &[words, &[image]].concat());
    }
    for (name, count, offset, word) in DESCRIPTORS {
        add(name, changed(image_at, tiles(&hdus[image_at], count, offset)), &[image, word]);
    }
    for (name, card, word) in [
        ("rows", "NAXIS2  = 99999999", "ends within"),
        ("fields", "TFIELDS = 99999999", "TFIELDS"),
        ("form", "TFORM1  = '99999999999999D'", "TFORM1"),
        ("heap", "THEAP   = -10", "THEAP"),
    ] {
        let mut hdu = hdus[table_at].clone();
        hdu.set(card);
        add(name, changed(table_at, hdu), &[table, word]);
    }
    // 92 kB of cards before the one that wants 10 GB.
    let mut long = hdus[image_at].clone();
    long.set("NAXIS1  = 60000000");
    long.cards.extend((0..1000).map(|k| format!("COMMENT {k}")));
    add("long_header", changed(image_at, long), &[image, "ends within"]);
    let mut letters = hdus[table_at].clone();
    letters.cards.push(format!("A={}", "B".repeat(78)));
    add("card_of_letters", changed(table_at, letters), &[]);
    let end = good.chunks(80).position(|card| card.starts_with(b"END ")).unwrap();
    let mut endless = good[..80 * end].to_vec();
    endless.resize(3_000_000_usize.next_multiple_of(2880), b' ');
    add("endless", endless, &["ends within the header of HDU 0"]);
    add("empty", Vec::new(), &["empty"]);
    add("page", b"<html><body>503</body></html>".to_vec(), &["not a FITS file"]);
    add("half", good[..good.len() / 2].to_vec(), &["HDU"]);
    add("cut_header", good[..6000].to_vec(), &["HDU"]);
    let packed = gzip(good);
    add("packed_cut", packed[..packed.len() / 2].to_vec(), &["unpack"]);
    let mut flipped = packed;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    add("packed_damaged", flipped, &["unpack"]);
    let zeros = |cards: &[&str], count: usize| {
        let cards = cards.iter().map(|&card| card.to_owned()).collect();
        gzip(&build(&[HostileHdu { cards, data: vec![0; count] }]))
    };
    let one = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1"];
    add("swelling", zeros(&[&one[..], &["NAXIS1  = 60000000"]].concat(), 60_000_000), &["no HDU"]);
    add("swollen", zeros(&[&one[..], &["NAXIS1  = 100000000000"]].concat(), 0), &["packed file can hold"]);
    add("zeros", gzip(&vec![0; 10_000_000]), &["not a FITS file"]);
    files
}
