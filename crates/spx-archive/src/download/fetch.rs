//! One try at one file: the request, the bytes, the check, the name.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use ureq::http::{Method, header};
use url::Url;

use super::DownloadProgress;
use super::part::{Note, Part};
use crate::error::ArchiveError;
use crate::fits_check::{FitsProblem, GZIP_MAGIC, Walker, check_file, check_sums, is_gzip, walk_file};
use crate::http::{Reply, Request, body_error, shown};
use crate::session::Session;
use crate::target::DownloadTarget;

/// Bytes that are read, looked at and written at a time.
const BUFFER: usize = 512 << 10;

/// The longest time for one file.
const FILE_DEADLINE: Duration = Duration::from_secs(4 * 3600);

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    /// Bytes that came over the network.
    pub(super) bytes: u64,
    /// Bytes that were there before.
    pub(super) from: u64,
}

/// One file from one address.
pub(super) struct Fetch<'a> {
    pub(super) session: &'a Session,
    pub(super) target: &'a DownloadTarget,
    pub(super) url: Url,
    pub(super) path: &'a Path,
    pub(super) progress: &'a dyn DownloadProgress,
    /// True once the user has asked to stop.
    pub(super) cancelled: &'a dyn Fn() -> bool,
    /// Hears how many bytes this run moves for the file, once that is known.
    pub(super) resized: &'a dyn Fn(u64),
    /// Bytes that this run has received and that still count.
    pub(super) received: Cell<u64>,
}

impl Fetch<'_> {
    /// Tries once; what arrived before a failure stays for the next try, where it can be of use.
    pub(super) fn attempt(&self) -> Result<Arrived, ArchiveError> {
        let part = Part::of(self.path);
        let url = shown(&self.url);
        if let Some((note, from)) = part.usable(&url) {
            if note.length == Some(from) {
                return self.finish_old(&part, from);
            }
            if let Some(arrived) = self.resume(&part, &note, from)? {
                return Ok(arrived);
            }
        }
        let reply = self.session.http().send(&self.request(), self.cancelled)?;
        self.fresh(&part, reply)
    }

    fn request(&self) -> Request {
        let patience = self.session.options().stall_timeout;
        let mut request = Request::new(Method::GET, self.url.clone(), patience, FILE_DEADLINE);
        request.headers.extend(self.target.etag.clone().map(|etag| (header::IF_MATCH, etag)));
        request
    }

    /// All bytes were there when an earlier run ended, though not checked.
    fn finish_old(&self, part: &Part, from: u64) -> Result<Arrived, ArchiveError> {
        let mut body = Body::reopened(part, from)?;
        self.finish(part, &mut body)?;
        Ok(Arrived { bytes: 0, from })
    }

    /// Asks for the rest; `None` where there is no way to get just that.
    fn resume(&self, part: &Part, note: &Note, from: u64) -> Result<Option<Arrived>, ArchiveError> {
        let Some(validator) = note.validator() else { return Ok(None) };
        let mut request = self.request();
        request.headers.push((header::RANGE, format!("bytes={from}-")));
        request.headers.push((header::IF_RANGE, validator.to_owned()));
        let reply = match self.session.http().send(&request, self.cancelled) {
            Err(ArchiveError::Status { status: 416, .. }) => return Ok(None),
            reply => reply?,
        };
        if reply.status != 206 {
            // The whole file, for it has changed or the server has no ranges.
            return self.fresh(part, reply).map(Some);
        }
        if content_range(&reply) != note.length.map(|length| (from, length)) {
            return Ok(None);
        }
        (self.resized)(note.length.unwrap_or(from) - from + self.received.get());
        let mut body = Body::reopened(part, from)?;
        self.receive(part, reply, &mut body, note.length)?;
        self.finish(part, &mut body)?;
        Ok(Some(Arrived { bytes: body.position - from, from }))
    }

    /// The whole file, from its first byte.
    fn fresh(&self, part: &Part, reply: Reply<'_>) -> Result<Arrived, ArchiveError> {
        if reply.status != 200 {
            let problem = format!("status {}, expected 200", reply.status);
            return Err(ArchiveError::Protocol { url: shown(&reply.url), problem });
        }
        let note = Note::new(&shown(&self.url), &reply);
        self.lose();
        if let Some(length) = note.length {
            (self.resized)(length);
        }
        let mut body = Body::new(part.begin(&note)?);
        self.receive(part, reply, &mut body, note.length)?;
        self.finish(part, &mut body)?;
        Ok(Arrived { bytes: body.position, from: 0 })
    }

    /// Takes the bytes in, and looks at them as they come.
    fn receive(
        &self,
        part: &Part,
        reply: Reply<'_>,
        body: &mut Body,
        length: Option<u64>,
    ) -> Result<(), ArchiveError> {
        let url = reply.url.clone();
        let mut room = Room::new(part.data(), self.target, &url)?;
        room.announced(length.map(|length| length.saturating_sub(body.position)))?;
        let mut reader = reply.body;
        let mut buffer = vec![0; BUFFER];
        loop {
            if self.progress.cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let n = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // The length says more than the way in which it broke off.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(_) if (self.cancelled)() => return Err(ArchiveError::Cancelled),
                Err(e) => return Err(body_error(&url, &e)),
            };
            room.take(n as u64)?;
            body.take(&buffer[..n]).map_err(|problem| self.refuse(part, problem))?;
            body.file.write_all(&buffer[..n]).map_err(ArchiveError::io(part.data()))?;
            self.received.set(self.received.get() + n as u64);
            self.progress.received(n as u64);
        }
        match length {
            Some(expected) if body.position != expected => {
                Err(ArchiveError::Length { url: shown(&url), received: body.position, expected })
            }
            _ => Ok(()),
        }
    }

    /// Checks the file as a whole and gives it its name.
    fn finish(&self, part: &Part, body: &mut Body) -> Result<(), ArchiveError> {
        let keep_compressed = self.path.extension().is_some_and(|e| e == "gz");
        if let Some(walker) = &body.walker {
            walker.finish(self.target).map_err(|problem| self.refuse(part, problem))?;
        } else if keep_compressed {
            let checked = check_file(part.data(), self.target);
            checked.map_err(ArchiveError::io(part.data()))?.map_err(|problem| self.refuse(part, problem))?;
        } else {
            return self.decompress(part);
        }
        check_sums(part.data()).map_err(|problem| self.refuse(part, problem))?;
        part.commit(&body.file)
    }

    /// What came as a gzip stream is stored without: its name does not speak of one.
    fn decompress(&self, part: &Part) -> Result<(), ArchiveError> {
        let source = File::open(part.data()).map_err(ArchiveError::io(part.data()))?;
        let mut stream = flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(BUFFER, source));
        let mut file = part.begin_copy()?;
        let mut room = Room::new(part.data(), self.target, &self.url)?;
        let mut walker = Walker::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let n = match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.refuse(part, FitsProblem::Gzip(e.to_string()))),
            };
            if self.progress.cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            walker.feed(&buffer[..n]).map_err(|problem| self.refuse(part, problem))?;
            room.take(n as u64).and_then(|()| room.promised(walker.promised())).inspect_err(|_| {
                self.lose();
                part.discard();
            })?;
            file.write_all(&buffer[..n]).map_err(ArchiveError::io(self.path))?;
        }
        walker.finish(self.target).map_err(|problem| self.refuse(part, problem))?;
        check_sums(part.copy()).map_err(|problem| self.refuse(part, problem))?;
        part.commit_copy(&file)
    }

    /// What was received is of no use.
    fn lose(&self) {
        match self.received.take() {
            0 => {}
            bytes => self.progress.lost(bytes),
        }
    }

    /// What is not the file that it should be is not kept.
    fn refuse(&self, part: &Part, source: FitsProblem) -> ArchiveError {
        self.lose();
        part.discard();
        ArchiveError::Fits { place: shown(&self.url), source }
    }
}

/// Bytes of the disk that a download leaves free.
const RESERVE: u64 = 64 << 20;

/// How many bytes may still come: as the target allows, and as the disk has room for.
struct Room<'a> {
    directory: &'a Path,
    url: String,
    most: u64,
    taken: u64,
    /// Bytes that may come before the disk is asked again.
    free: u64,
}

impl<'a> Room<'a> {
    fn new(file: &'a Path, target: &DownloadTarget, url: &Url) -> Result<Self, ArchiveError> {
        let directory = file.parent().unwrap_or(file);
        let mut room = Self { directory, url: shown(url), most: target.most_bytes(), taken: 0, free: 0 };
        room.ask(0)?;
        Ok(room)
    }

    /// Refuses what is announced to be too much before any of it comes.
    fn announced(&mut self, bytes: Option<u64>) -> Result<(), ArchiveError> {
        let Some(bytes) = bytes else { return Ok(()) };
        self.promised(bytes)?;
        self.ask(bytes)
    }

    /// Refuses what a file's own headers say is too much, before it comes.
    fn promised(&self, bytes: u64) -> Result<(), ArchiveError> {
        if bytes > self.most {
            return Err(ArchiveError::TooLarge { url: self.url.clone(), most: self.most });
        }
        Ok(())
    }

    fn take(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        self.taken += bytes;
        self.promised(self.taken)?;
        match self.free.checked_sub(bytes) {
            Some(free) => self.free = free,
            None => self.ask(bytes)?,
        }
        Ok(())
    }

    /// Asks how much room there is; half of it may be used before the question is asked again.
    fn ask(&mut self, needed: u64) -> Result<(), ArchiveError> {
        let Ok(free) = fs4::available_space(self.directory) else {
            self.free = u64::MAX;
            return Ok(());
        };
        if free < needed.saturating_add(RESERVE) {
            let directory = self.directory.to_owned();
            return Err(ArchiveError::DiskSpace { directory, needed: needed + RESERVE, free });
        }
        self.free = (free - RESERVE) / 2;
        Ok(())
    }
}

/// The bytes so far, and what is known of them.
struct Body {
    file: File,
    position: u64,
    /// `None` for a gzip stream, which is looked at when it is whole.
    walker: Option<Walker>,
}

impl Body {
    fn new(file: File) -> Self {
        Self { file, position: 0, walker: Some(Walker::new()) }
    }

    /// Takes up what an earlier try left; its headers are walked again.
    fn reopened(part: &Part, length: u64) -> Result<Self, ArchiveError> {
        let io_error = || ArchiveError::io(part.data());
        let mut file = part.reopen()?;
        if is_gzip(&mut file).map_err(io_error())? {
            return Ok(Self { file, position: length, walker: None });
        }
        let mut walker = Walker::new();
        if let Err(source) = walk_file(&mut walker, &mut file, length).map_err(io_error())? {
            part.discard();
            return Err(ArchiveError::Fits { place: part.data().display().to_string(), source });
        }
        Ok(Self { file, position: length, walker: Some(walker) })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), FitsProblem> {
        // No FITS file begins with the first byte of a gzip stream.
        if self.position == 0 && bytes.first() == GZIP_MAGIC.first() {
            self.walker = None;
        }
        self.position += bytes.len() as u64;
        match &mut self.walker {
            Some(walker) => walker.feed(bytes),
            None => Ok(()),
        }
    }
}

/// First byte and whole length of `Content-Range: bytes FIRST-LAST/LENGTH`, where the range runs to
/// the end.
fn content_range(reply: &Reply<'_>) -> Option<(u64, u64)> {
    let (range, length) = reply.header(header::CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, length): (u64, u64, u64) =
        (first.trim().parse().ok()?, last.trim().parse().ok()?, length.trim().parse().ok()?);
    (last.checked_add(1)? == length && first <= last).then_some((first, length))
}
