//! Values as bytes: BINARY and BINARY2 (sections 5.3 and 5.4 of the Recommendation), big-endian, in
//! base64.

use std::io::{self, BufRead};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::field::{ArraySize, VoTableCell, VoTableField, VoTableType};

/// Characters that are decoded at a time.
const CHUNK: usize = 32 << 10;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The document could not be read on.
    Io(io::Error),
    /// The stream is not what it should be.
    Stream(String),
    /// A cell is not, in the column of this number.
    Cell(usize, String),
}

impl Failure {
    /// What is wrong while a cell is read is wrong with it.
    fn within(self, column: usize) -> Self {
        match self {
            Self::Stream(problem) => Self::Cell(column, problem),
            other => other,
        }
    }
}

/// Decodes base64 text as it comes.
#[derive(Debug, Default)]
pub(crate) struct Base64 {
    encoded: Vec<u8>,
    decoded: Vec<u8>,
    used: usize,
    ended: bool,
}

impl Base64 {
    /// Reads some more text, up to the tag behind it, and decodes it.
    pub(crate) fn fill(&mut self, source: &mut impl BufRead) -> Result<(), Failure> {
        let available = match source.fill_buf() {
            Ok(available) => available,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(e) => return Err(Failure::Io(e)),
        };
        if available.is_empty() {
            return Err(Failure::Stream("it ends within its stream".into()));
        }
        let piece = &available[..available.len().min(CHUNK)];
        let text = piece.split(|&b| b == b'<').next().unwrap_or_default();
        self.ended = text.len() < piece.len();
        self.encoded.extend(text.iter().filter(|b| !b.is_ascii_whitespace()));
        let taken = text.len();
        source.consume(taken);
        self.decode()
    }

    fn decode(&mut self) -> Result<(), Failure> {
        let whole = if self.ended { self.encoded.len() } else { self.encoded.len() / 4 * 4 };
        self.decoded.drain(..self.used);
        self.used = 0;
        STANDARD
            .decode_vec(&self.encoded[..whole], &mut self.decoded)
            .map_err(|e| Failure::Stream(format!("the stream is not base64: {e}")))?;
        self.encoded.drain(..whole);
        Ok(())
    }

    fn left(&self) -> usize {
        self.decoded.len() - self.used
    }
}

/// Takes more text in.
type Fill<'a> = dyn FnMut(&mut Base64) -> Result<(), Failure> + 'a;

/// The rows of a stream.
#[derive(Debug)]
pub(crate) struct Binary {
    base64: Base64,
    /// Bytes of the null flags before each row: one bit a column in BINARY2, none in BINARY.
    flag_bytes: usize,
    longest_cell: usize,
}

impl Binary {
    pub(crate) fn new(fields: &[VoTableField], null_flags: bool, longest_cell: usize) -> Self {
        let flag_bytes = if null_flags { fields.len().div_ceil(8) } else { 0 };
        Self { base64: Base64::default(), flag_bytes, longest_cell }
    }

    /// The next row; `None` where the stream ends before it.
    pub(crate) fn next_row(
        &mut self,
        fields: &[VoTableField],
        fill: &mut Fill<'_>,
    ) -> Result<Option<Vec<VoTableCell>>, Failure> {
        while self.base64.left() == 0 {
            if self.base64.ended {
                return Ok(None);
            }
            fill(&mut self.base64)?;
        }
        let flags = self.take(self.flag_bytes, fill)?.to_vec();
        let mut cells = Vec::with_capacity(fields.len());
        for (at, field) in fields.iter().enumerate() {
            let null = flags.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
            let cell = self.read_cell(field, fill).map_err(|e| e.within(at))?;
            cells.push(if null { VoTableCell::Null } else { cell });
        }
        Ok(Some(cells))
    }

    fn read_cell(&mut self, field: &VoTableField, fill: &mut Fill<'_>) -> Result<VoTableCell, Failure> {
        let items = match field.size {
            ArraySize::Scalar => 1,
            ArraySize::Fixed(items) => items,
            ArraySize::Variable => {
                let count = self.take(4, fill)?;
                // The standard's integers have signs; a negative one is as wrong as one that is too
                // large.
                u32::from_be_bytes(array(count)) as usize
            }
        };
        let bytes = field.datatype.bytes(items).filter(|&bytes| bytes <= self.longest_cell);
        let bytes = bytes
            .ok_or_else(|| Failure::Stream(format!("{items} values in a cell are more than is accepted")))?;
        Ok(decode(field, items, self.take(bytes, fill)?))
    }

    /// The next `count` bytes of the stream, at most [`longest_cell`](Self::longest_cell) or a few.
    fn take(&mut self, count: usize, fill: &mut Fill<'_>) -> Result<&[u8], Failure> {
        while self.base64.left() < count {
            if self.base64.ended {
                return Err(Failure::Stream("the stream ends within a row".into()));
            }
            fill(&mut self.base64)?;
        }
        let start = self.base64.used;
        self.base64.used += count;
        Ok(&self.base64.decoded[start..start + count])
    }
}

/// The first `N` bytes; the caller has as many.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

/// Values of `size` bytes each, read one by one.
fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.chunks_exact(N).map(|chunk| read(array(chunk))).collect()
}

fn decode(field: &VoTableField, items: usize, bytes: &[u8]) -> VoTableCell {
    let scalar = field.size == ArraySize::Scalar;
    match field.datatype {
        VoTableType::Boolean => bools(bytes.iter().map(|&b| boolean(b)).collect(), scalar),
        // Writers disagree on which bit of its byte a single bit is.
        VoTableType::Bit if scalar => VoTableCell::Bool(bytes.iter().any(|&b| b != 0)),
        VoTableType::Bit => {
            bools((0..items).map(|k| Some(bytes[k / 8] & (0x80 >> (k % 8)) != 0)).collect(), scalar)
        }
        VoTableType::UnsignedByte => ints(field, each(bytes, |b: [u8; 1]| b[0].into())),
        VoTableType::Short => ints(field, each(bytes, |b| i16::from_be_bytes(b).into())),
        VoTableType::Int => ints(field, each(bytes, |b| i32::from_be_bytes(b).into())),
        VoTableType::Long => ints(field, each(bytes, i64::from_be_bytes)),
        VoTableType::Float => reals(each(bytes, |b| f32::from_be_bytes(b).into()), scalar),
        VoTableType::Double => reals(each(bytes, f64::from_be_bytes), scalar),
        VoTableType::FloatComplex => VoTableCell::Reals(each(bytes, |b| f32::from_be_bytes(b).into())),
        VoTableType::DoubleComplex => VoTableCell::Reals(each(bytes, f64::from_be_bytes)),
        VoTableType::Char => {
            let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
            text(String::from_utf8_lossy(&bytes[..end]).into_owned())
        }
        VoTableType::UnicodeChar => {
            let units = each(bytes, u16::from_be_bytes).into_iter().take_while(|&unit| unit != 0);
            text(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
        }
    }
}

fn text(text: String) -> VoTableCell {
    if text.is_empty() { VoTableCell::Null } else { VoTableCell::Text(text) }
}

fn boolean(byte: u8) -> Option<bool> {
    match byte {
        b'T' | b't' | b'1' => Some(true),
        b'F' | b'f' | b'0' => Some(false),
        _ => None,
    }
}

fn bools(values: Vec<Option<bool>>, scalar: bool) -> VoTableCell {
    match values[..] {
        [value] if scalar => value.map_or(VoTableCell::Null, VoTableCell::Bool),
        _ => VoTableCell::Bools(values),
    }
}

fn ints(field: &VoTableField, values: Vec<i64>) -> VoTableCell {
    match values[..] {
        [value] if field.size == ArraySize::Scalar => {
            if field.null == Some(value) {
                VoTableCell::Null
            } else {
                VoTableCell::Int(value)
            }
        }
        _ => VoTableCell::Ints(values),
    }
}

fn reals(values: Vec<f64>, scalar: bool) -> VoTableCell {
    match values[..] {
        [value] if scalar => VoTableCell::Real(value),
        _ => VoTableCell::Reals(values),
    }
}
