//! Is a file a whole FITS file? Walks the headers (FITS Standard 4.0, sections 3.1 and 4.4.1) as
//! bytes come by, and skips the data, whose sums are compared in the end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use spx_core::header::{CARD_LEN, Header};
use thiserror::Error;

use crate::target::DownloadTarget;

/// Length of a FITS block \[bytes\].
const BLOCK: usize = 2880;

/// No header of an archive comes near this many bytes; a hostile one must not fill the memory.
const LONGEST_HEADER: usize = 4 << 20;

/// The HDUs that every spectral image has, in all releases.
const SPECTRAL_IMAGE: [&str; 5] = ["IMAGE", "FLAGS", "VARIANCE", "ZODI", "WCS-WAVE"];

/// Why a file is not the FITS file it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FitsProblem {
    /// Something that begins with a tag.
    #[error("a web page arrived instead of a FITS file: `{0}`")]
    WebPage(String),
    /// Something that does not begin as FITS does.
    #[error("this is not a FITS file: it begins with {0:?}")]
    Magic(String),
    /// It ends inside a header or before its data do.
    #[error("truncated in HDU {hdu}: {length} bytes, but at least {needed} are needed")]
    Truncated {
        /// The HDU, from 0.
        hdu: usize,
        /// Bytes of the file.
        length: u64,
        /// Bytes that the headers promise.
        needed: u64,
    },
    /// A header that cannot be read, or sizes that make no sense.
    #[error("HDU {hdu}: {problem}")]
    Header {
        /// The HDU, from 0.
        hdu: usize,
        /// What is wrong.
        problem: String,
    },
    /// Bytes behind the last HDU that are none.
    #[error("bytes after HDU {hdu}, from {position} on, are not FITS")]
    Trailing {
        /// The last HDU, from 0.
        hdu: usize,
        /// Where they begin.
        position: u64,
    },
    /// A spectral image without an HDU that all have.
    #[error("the HDU {0} of a spectral image is missing")]
    MissingHdu(&'static str),
    /// Another spectral image.
    #[error("this is {found}, not {expected}")]
    Other {
        /// The exposure that the header names.
        found: String,
        /// The exposure that it should be.
        expected: String,
    },
    /// Bytes that do not have the sum that the file's own cards say, or that nobody can read.
    #[error("{0}")]
    Sums(String),
    /// A gzip stream that is damaged.
    #[error("damaged gzip stream: {0}")]
    Gzip(String),
}

/// What the walk is in the middle of.
#[derive(Debug)]
enum Within {
    /// A header, of which this much has come.
    Header(Vec<u8>),
    /// Data, of which this much is still to come.
    Data(u64),
}

/// Follows the structure of a FITS file whose bytes come by in pieces of any size.
#[derive(Debug)]
pub(crate) struct Walker {
    within: Within,
    position: u64,
    hdus: usize,
    names: Vec<String>,
    exposure: Option<(String, i64)>,
}

impl Walker {
    pub(crate) fn new() -> Self {
        Self { within: Within::Header(Vec::new()), position: 0, hdus: 0, names: Vec::new(), exposure: None }
    }

    /// Takes the next bytes of the file.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), FitsProblem> {
        while !bytes.is_empty() {
            let taken = match &mut self.within {
                Within::Data(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.within = Within::Header(Vec::new());
                    }
                    taken
                }
                Within::Header(header) => {
                    let taken = (BLOCK - header.len() % BLOCK).min(bytes.len());
                    header.extend_from_slice(&bytes[..taken]);
                    taken
                }
            };
            self.position += taken as u64;
            bytes = &bytes[taken..];
            self.look_at_header()?;
        }
        Ok(())
    }

    /// Bytes that the file has at least, by what its headers say so far.
    pub(crate) fn promised(&self) -> u64 {
        self.position.saturating_add(self.skippable())
    }

    /// Bytes that may be passed over without being fed.
    pub(crate) fn skippable(&self) -> u64 {
        match self.within {
            Within::Data(left) => left,
            Within::Header(_) => 0,
        }
    }

    /// Passes over bytes, at most [`skippable`](Self::skippable).
    pub(crate) fn skip(&mut self, bytes: u64) {
        if let Within::Data(left) = &mut self.within {
            let taken = bytes.min(*left);
            *left -= taken;
            self.position += taken;
            if *left == 0 {
                self.within = Within::Header(Vec::new());
            }
        }
    }

    /// The file has ended: is it whole, and what it should be?
    pub(crate) fn finish(&self, target: &DownloadTarget) -> Result<(), FitsProblem> {
        let hdu = self.hdus.saturating_sub(1);
        match &self.within {
            Within::Header(header) if header.is_empty() && self.hdus > 0 => {}
            Within::Header(header) => {
                let whole = (header.len() / BLOCK + 1) * BLOCK;
                let needed = self.position - header.len() as u64 + whole as u64;
                return Err(FitsProblem::Truncated { hdu: self.hdus, length: self.position, needed });
            }
            Within::Data(left) => {
                let needed = self.position + left;
                return Err(FitsProblem::Truncated { hdu, length: self.position, needed });
            }
        }
        let Some((obs_id, detector)) = &target.exposure else { return Ok(()) };
        if let Some(missing) = SPECTRAL_IMAGE.iter().find(|name| !self.names.iter().any(|n| n == *name)) {
            return Err(FitsProblem::MissingHdu(missing));
        }
        match &self.exposure {
            Some((found, number)) if found != obs_id.as_str() || *number != i64::from(detector.number()) => {
                Err(FitsProblem::Other {
                    found: format!("{found} D{number}"),
                    expected: format!("{obs_id} {detector}"),
                })
            }
            _ => Ok(()),
        }
    }

    /// Looks at a header once a block of it is complete.
    fn look_at_header(&mut self) -> Result<(), FitsProblem> {
        let Within::Header(header) = &self.within else { return Ok(()) };
        if header.is_empty() {
            return Ok(());
        }
        let hdu = self.hdus;
        check_start(header, hdu, self.position)?;
        if header.len() % BLOCK != 0 {
            return Ok(());
        }
        let last_block = &header[header.len() - BLOCK..];
        if !last_block.chunks(CARD_LEN).any(is_end) {
            return match header.len() {
                0..LONGEST_HEADER => Ok(()),
                _ => Err(FitsProblem::Header { hdu, problem: "the header has no end".into() }),
            };
        }
        if let Some(odd) = odd_byte(header) {
            let problem = format!("byte {odd} of the header is not printable ASCII");
            return Err(FitsProblem::Header { hdu, problem });
        }
        let structure = Structure::read(header).map_err(|problem| FitsProblem::Header { hdu, problem })?;
        self.within = match structure.data {
            0 => Within::Header(Vec::new()),
            data => Within::Data(data),
        };
        self.hdus += 1;
        if structure.name.as_deref() == Some("IMAGE") {
            self.exposure = structure.exposure;
        }
        self.names.extend(structure.name);
        Ok(())
    }
}

/// Where a header has a byte that none may have (FITS Standard 4.0, section 4.1.2.1): damage shows
/// there.
fn odd_byte(header: &[u8]) -> Option<usize> {
    let cards = header.chunks(CARD_LEN).take_while(|card| !is_end(card)).count();
    header[..cards * CARD_LEN].iter().position(|b| !(b' '..=b'~').contains(b))
}

fn is_end(card: &[u8]) -> bool {
    card.starts_with(b"END") && card[3..].iter().all(|&b| b == b' ')
}

/// The first bytes tell at once what is no FITS, so that nobody waits for the rest of a web page.
fn check_start(header: &[u8], hdu: usize, position: u64) -> Result<(), FitsProblem> {
    let magic: &[u8] = if hdu == 0 { b"SIMPLE  =" } else { b"XTENSION=" };
    let seen = &header[..header.len().min(magic.len())];
    if magic.starts_with(seen) {
        return Ok(());
    }
    if hdu > 0 {
        return Err(FitsProblem::Trailing { hdu: hdu - 1, position: position - header.len() as u64 });
    }
    let start = String::from_utf8_lossy(&header[..header.len().min(60)]);
    let start: String = start.trim_start_matches('\u{feff}').trim_start().chars().take(40).collect();
    if start.starts_with('<') {
        return Err(FitsProblem::WebPage(start.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    Err(FitsProblem::Magic(start))
}

/// What the walk has to know of a header.
struct Structure {
    /// Bytes of the data, with their padding.
    data: u64,
    name: Option<String>,
    exposure: Option<(String, i64)>,
}

impl Structure {
    fn read(header: &[u8]) -> Result<Self, String> {
        let cards = structural_cards(header)?;
        let text = |keyword| cards.optional_text(keyword).ok().flatten().map(str::to_owned);
        let detector = cards.optional_integer("DETECTOR").ok().flatten();
        Ok(Self { data: data_bytes(&cards)?, name: text("EXTNAME"), exposure: text("OBSID").zip(detector) })
    }
}

/// The cards that matter here; others, however odd, do no harm.
fn structural_cards(header: &[u8]) -> Result<Header, String> {
    const WANTED: [&str; 8] =
        ["BITPIX", "PCOUNT", "GCOUNT", "GROUPS", "EXTNAME", "OBSID", "DETECTOR", "XTENSION"];
    let mut wanted = String::new();
    for card in header.chunks(CARD_LEN).take_while(|card| !is_end(card)) {
        let Ok(card) = std::str::from_utf8(card) else { continue };
        let keyword = card.get(..8).unwrap_or_default().trim_end();
        if WANTED.contains(&keyword) || keyword.starts_with("NAXIS") {
            wanted.push_str(card);
            wanted.push('\n');
        }
    }
    Header::parse(&wanted).map_err(|e| e.to_string())
}

/// Equations 1 and 2 of the standard: `|BITPIX| GCOUNT (PCOUNT + NAXIS1 ... NAXISm) / 8`, in whole
/// blocks.
fn data_bytes(cards: &Header) -> Result<u64, String> {
    let integer = |keyword: &str| cards.integer(keyword).map_err(|e| e.to_string());
    let count = |keyword: &str, absent: u64| match cards.optional_integer(keyword) {
        Ok(None) => Ok(absent),
        Ok(Some(n)) => u64::try_from(n).map_err(|_| format!("{keyword} = {n} is negative")),
        Err(e) => Err(e.to_string()),
    };
    let bitpix = integer("BITPIX")?;
    if ![8, 16, 32, 64, -32, -64].contains(&bitpix) {
        return Err(format!("BITPIX = {bitpix} is not a value of FITS"));
    }
    let axes = integer("NAXIS")?;
    if !(0..=999).contains(&axes) {
        return Err(format!("NAXIS = {axes} is not between 0 and 999"));
    }
    if axes == 0 {
        return Ok(0);
    }
    let too_large = || "the sizes of the data overflow".to_owned();
    let grouped = cards.get("GROUPS") == Some(&true.into()) && count("NAXIS1", 1)? == 0;
    let mut pixels: u64 = 1;
    for axis in 1 + i64::from(grouped)..=axes {
        let keyword = format!("NAXIS{axis}");
        let length = integer(&keyword)?;
        let length = u64::try_from(length).map_err(|_| format!("{keyword} = {length} is negative"))?;
        pixels = pixels.checked_mul(length).ok_or_else(too_large)?;
    }
    let bytes = count("PCOUNT", 0)?
        .checked_add(pixels)
        .and_then(|n| n.checked_mul(count("GCOUNT", 1).ok()?))
        .and_then(|n| n.checked_mul(bitpix.unsigned_abs() / 8))
        .filter(|&n| n < i64::MAX.unsigned_abs())
        .ok_or_else(too_large)?;
    Ok(bytes.next_multiple_of(BLOCK as u64))
}

/// Checks a file on disk by its headers, or, where it is compressed, by all of it.
pub(crate) fn check_file(path: &Path, target: &DownloadTarget) -> io::Result<Result<(), FitsProblem>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if is_gzip(&mut file)? {
        return check_gzip(&mut flate2::read::MultiGzDecoder::new(io::BufReader::new(file)), target);
    }
    let mut walker = Walker::new();
    Ok(match walk_file(&mut walker, &mut file, length)? {
        Ok(()) => walker.finish(target),
        Err(problem) => Err(problem),
    })
}

/// Compares CHECKSUM and DATASUM of the HDUs that have them with the bytes, of a file that was
/// walked through.
pub(crate) fn check_sums(path: &Path) -> Result<(), FitsProblem> {
    spx_core::fits::verify_file(path).map(drop).map_err(|e| FitsProblem::Sums(e.to_string()))
}

/// True where a file begins as gzip streams do; the file is rewound.
pub(crate) fn is_gzip(file: &mut File) -> io::Result<bool> {
    let mut magic = Vec::with_capacity(2);
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(2).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(magic == GZIP_MAGIC)
}

/// What a gzip stream begins with (RFC 1952).
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Feeds the first `length` bytes of a file, seeking over data.
pub(crate) fn walk_file(
    walker: &mut Walker,
    file: &mut File,
    length: u64,
) -> io::Result<Result<(), FitsProblem>> {
    let mut block = [0; BLOCK];
    let mut position = 0;
    file.seek(SeekFrom::Start(0))?;
    while position < length {
        let skip = walker.skippable().min(length - position);
        if skip > 0 {
            walker.skip(skip);
            position += skip;
            file.seek(SeekFrom::Start(position))?;
            continue;
        }
        let wanted = usize::try_from(length - position).unwrap_or(BLOCK).min(BLOCK);
        file.read_exact(&mut block[..wanted])?;
        position += wanted as u64;
        if let Err(problem) = walker.feed(&block[..wanted]) {
            return Ok(Err(problem));
        }
    }
    Ok(Ok(()))
}

/// Decompresses to the end, which checks the sums of the stream too.
pub(crate) fn check_gzip(
    stream: &mut dyn Read,
    target: &DownloadTarget,
) -> io::Result<Result<(), FitsProblem>> {
    let mut walker = Walker::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(walker.finish(target)),
            Ok(n) => {
                if let Err(problem) = walker.feed(&buffer[..n]) {
                    return Ok(Err(problem));
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Ok(Err(FitsProblem::Gzip(e.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_file() -> DownloadTarget {
        DownloadTarget::file("ibe/data/spherex/a.fits".parse().unwrap())
    }

    fn block(cards: &[&str]) -> Vec<u8> {
        let mut block: Vec<u8> = cards.iter().flat_map(|c| format!("{c:<80}").into_bytes()).collect();
        block.resize(block.len().next_multiple_of(BLOCK), b' ');
        block
    }

    /// An empty primary HDU, an image of 3000 bytes and one without data.
    fn file() -> Vec<u8> {
        let mut file = block(&["SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0", "END"]);
        file.extend(block(&[
            "XTENSION= 'IMAGE'",
            "BITPIX  = 16",
            "NAXIS   = 2",
            "NAXIS1  = 50",
            "NAXIS2  = 30",
            "PCOUNT  = 0",
            "GCOUNT  = 1",
            "END",
        ]));
        file.extend(vec![7; 2 * BLOCK]);
        file.extend(block(&[
            "XTENSION= 'IMAGE'",
            "BITPIX  = -64",
            "NAXIS   = 0",
            "PCOUNT  = 0",
            "GCOUNT  = 1",
            "END",
        ]));
        file
    }

    fn walk(bytes: &[u8], step: usize) -> Result<(), FitsProblem> {
        let mut walker = Walker::new();
        bytes.chunks(step).try_for_each(|chunk| walker.feed(chunk))?;
        walker.finish(&any_file())
    }

    #[test]
    fn only_the_whole_file_is_whole() {
        let file = file();
        assert_eq!(walk(&file, 1000), Ok(()));
        let ends = [BLOCK, 4 * BLOCK, 5 * BLOCK];
        for length in (0..file.len()).step_by(97).chain([BLOCK - 1, BLOCK + 1, 5 * BLOCK - 1]) {
            assert_eq!(walk(&file[..length], 1000).is_ok(), ends.contains(&length), "{length}");
        }
    }

    #[test]
    fn hostile_headers_are_errors() {
        let with = |cards: &[&str]| walk(&block(cards), 999).unwrap_err().to_string();
        let simple = "SIMPLE  =                    T";
        let huge = "9223372036854775807";
        assert!(
            with(&[simple, "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = -1", "END"])
                .contains("NAXIS1 = -1 is negative")
        );
        assert!(with(&[simple, "BITPIX  = 7", "NAXIS   = 0", "END"]).contains("BITPIX = 7"));
        assert!(with(&[simple, "BITPIX  = 8", "NAXIS   = 1000", "END"]).contains("NAXIS = 1000"));
        assert!(with(&[simple, "BITPIX  = 8", "END"]).contains("card NAXIS is missing"));
        let product = [
            "BITPIX  = 64",
            "NAXIS   = 2",
            &format!("NAXIS1  = {huge}"),
            &format!("NAXIS2  = {huge}"),
            "END",
        ];
        assert!(with(&[&[simple][..], &product].concat()).contains("overflow"));
        let endless = block(&[simple]).repeat(LONGEST_HEADER / BLOCK + 1);
        assert!(walk(&endless, 1 << 16).unwrap_err().to_string().contains("the header has no end"));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_make_no_difference(step in 1_usize..6000, at in 0_usize..5 * BLOCK, byte: u8) {
            let mut file = file();
            file[at] = byte;
            // What a message quotes is what had come by then.
            prop_assert_eq!(walk(&file, step).is_ok(), walk(&file, 1).is_ok());
        }

        #[test]
        fn seeking_and_reading_agree(at in 0_usize..5 * BLOCK, byte: u8, length in 0_usize..5 * BLOCK) {
            let mut bytes = file();
            bytes[at] = byte;
            bytes.truncate(length);
            let disk = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(disk.path(), &bytes).unwrap();
            let checked = check_file(disk.path(), &any_file()).unwrap();
            if !bytes.starts_with(&GZIP_MAGIC) {
                prop_assert_eq!(checked, walk(&bytes, BLOCK));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
            walk(&bytes, 100).ok();
            walk(&[file(), bytes].concat(), 100).ok();
        }
    }
}
