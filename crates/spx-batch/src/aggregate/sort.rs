//! The second pass: the lines of a bucket by (target_id, mjd, text), in bounded memory.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use crate::BatchError;
use crate::row::{MJD, fields};

/// A line in memory takes this many bytes beside its text, at most.
const BESIDE: usize = 48;
/// Lines are about this long, at least.
const SHORT: usize = 96;

/// Gives the lines of a file in order, without their ends, each with its id. What is read at a time
/// takes about `memory` bytes.
pub(super) fn sorted(
    path: &Path,
    memory: usize,
    mut give: impl FnMut(&str, &str) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    let piece = memory / (SHORT + BESIDE) * SHORT;
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(BatchError::io(path))?);
    let mut runs = Vec::new();
    let mut text = Vec::new();
    loop {
        let last = read_piece(&mut reader, piece, &mut text).map_err(BatchError::io(path))?;
        let text = std::str::from_utf8(&text).map_err(BatchError::table(path))?;
        let order = order(text).map_err(BatchError::table(path))?;
        if last && runs.is_empty() {
            return order.iter().try_for_each(|(id, line)| give(id, line));
        }
        runs.push(Run::write(path, runs.len(), &order)?);
        if last {
            break;
        }
    }
    drop(text);
    merge(runs, give)
}

/// Reads whole lines, about so many bytes; true where they are the last.
fn read_piece(reader: &mut impl BufRead, bytes: usize, text: &mut Vec<u8>) -> std::io::Result<bool> {
    text.clear();
    reader.take(bytes as u64).read_to_end(text)?;
    reader.read_until(b'\n', text)?;
    Ok(reader.fill_buf()?.is_empty())
}

/// The lines of a text in order, each with its id.
fn order(text: &str) -> Result<Vec<(Cow<'_, str>, &str)>, String> {
    let mut numbers: HashMap<Cow<'_, str>, u32> = HashMap::new();
    let mut lines: Vec<(u32, i64, &str)> = Vec::new();
    for line in text.lines() {
        let (id, mjd) = key(line)?;
        let next = u32::try_from(numbers.len()).map_err(|_| "too many sources")?;
        lines.push((*numbers.entry(id).or_insert(next), ascending(mjd), line));
    }
    // From numbers in the order in which the ids came to ranks in that of their text.
    let mut ids: Vec<(Cow<'_, str>, u32)> = numbers.into_iter().collect();
    ids.sort_unstable();
    let mut ranks = vec![0; ids.len()];
    for (rank, (_, number)) in (0u32..).zip(&ids) {
        ranks[*number as usize] = rank;
    }
    lines.iter_mut().for_each(|line| line.0 = ranks[line.0 as usize]);
    lines.sort_unstable();
    Ok(lines.into_iter().map(|(rank, _, line)| (ids[rank as usize].0.clone(), line)).collect())
}

/// Id and time of a line.
fn key(line: &str) -> Result<(Cow<'_, str>, f64), String> {
    let mut cells = fields(line);
    let id = cells.next().unwrap_or_default();
    let mjd = cells.nth(MJD - 1).unwrap_or_default();
    let mjd = if mjd.is_empty() { Ok(f64::NAN) } else { mjd.parse() };
    Ok((id, mjd.map_err(|_| format!("no time in the line `{line}`"))?))
}

/// An integer that sorts as the number does by [`f64::total_cmp`].
pub(super) fn ascending(number: f64) -> i64 {
    let bits = number.to_bits().cast_signed();
    bits ^ (((bits >> 63).cast_unsigned()) >> 1).cast_signed()
}

/// Sorted lines in a file.
struct Run {
    reader: BufReader<File>,
    path: std::path::PathBuf,
}

impl Run {
    fn write(bucket: &Path, number: usize, order: &[(Cow<'_, str>, &str)]) -> Result<Self, BatchError> {
        let path = bucket.with_extension(format!("run{number}"));
        let write = || {
            let mut file = BufWriter::with_capacity(1 << 16, File::create_new(&path)?);
            for (_, line) in order {
                file.write_all(line.as_bytes())?;
                file.write_all(b"\n")?;
            }
            file.flush()?;
            Ok(BufReader::with_capacity(1 << 16, File::open(&path)?))
        };
        let reader = write().map_err(BatchError::io(&path))?;
        Ok(Self { reader, path })
    }

    /// The next line with its key; `None` behind the last.
    fn next(&mut self, mut line: String) -> Result<Option<(String, i64, String)>, BatchError> {
        line.clear();
        self.reader.read_line(&mut line).map_err(BatchError::io(&self.path))?;
        if line.is_empty() {
            return Ok(None);
        }
        line.pop();
        let (id, mjd) = key(&line).map_err(BatchError::table(&self.path))?;
        Ok(Some((id.into_owned(), ascending(mjd), line)))
    }
}

/// Gives the lines of sorted runs in order, and removes the runs.
fn merge(
    mut runs: Vec<Run>,
    mut give: impl FnMut(&str, &str) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    let mut heads = BinaryHeap::new();
    for (number, run) in runs.iter_mut().enumerate() {
        heads.extend(run.next(String::new())?.map(|head| Reverse((head, number))));
    }
    while let Some(Reverse(((id, _, line), number))) = heads.pop() {
        give(&id, &line)?;
        heads.extend(runs[number].next(line)?.map(|head| Reverse((head, number))));
    }
    runs.iter().try_for_each(|run| fs::remove_file(&run.path).map_err(BatchError::io(&run.path)))
}
