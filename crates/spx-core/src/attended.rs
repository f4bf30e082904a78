//! Reading what may keep the program waiting, such as a pipe into which nobody writes, while the
//! user can stop it.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::progress::Progress;

/// How often a wait looks whether the user has asked to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes that are handed on at a time.
const CHUNK: usize = 256 << 10;

/// Reads to the end and hands on what comes, until an error is handed on, or `tell` says that
/// nobody listens.
pub fn hand_on(mut source: impl Read, mut tell: impl FnMut(io::Result<Vec<u8>>) -> bool) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match source.read(&mut chunk) {
            Ok(0) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read,
        };
        let failed = read.is_err();
        let chunk = read.map(|count| {
            chunk.truncate(count);
            chunk
        });
        if !tell(chunk) || failed {
            return;
        }
    }
}

/// Reads on a thread of its own, which is left behind where it waits for ever; a read fails as soon
/// as the user has asked to stop.
pub struct AttendedReader<'a> {
    told: Receiver<io::Result<Vec<u8>>>,
    progress: &'a dyn Progress,
    chunk: Vec<u8>,
    used: usize,
}

impl<'a> AttendedReader<'a> {
    /// Opens and reads; opening, too, may wait.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn new<R: Read>(
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
        progress: &'a dyn Progress,
    ) -> io::Result<Self> {
        let (tell, told) = sync_channel(2);
        std::thread::Builder::new().name("spx-reader".into()).spawn(move || {
            let source = match open() {
                Ok(source) => source,
                Err(error) => return drop(tell.send(Err(error))),
            };
            hand_on(source, |chunk| tell.send(chunk).is_ok());
        })?;
        Ok(Self { told, progress, chunk: Vec::new(), used: 0 })
    }
}

impl Read for AttendedReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.used == self.chunk.len() {
            if self.progress.cancelled() {
                return Err(io::Error::other("cancelled"));
            }
            match self.told.recv_timeout(LOOK) {
                Ok(chunk) => (self.chunk, self.used) = (chunk?, 0),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let taken = out.len().min(self.chunk.len() - self.used);
        out[..taken].copy_from_slice(&self.chunk[self.used..self.used + taken]);
        self.used += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::progress::Silent;

    #[test]
    fn bytes_and_errors_come_through() {
        let data: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let copy = data.clone();
        let mut read = Vec::new();
        AttendedReader::new(move || Ok(io::Cursor::new(copy)), &Silent)
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, data);
        let failing = || Err::<io::Empty, _>(io::Error::other("no such thing"));
        let error = AttendedReader::new(failing, &Silent).unwrap().read(&mut [0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "no such thing");
    }

    #[test]
    fn a_silent_source_does_not_keep_the_user_waiting() {
        struct Stopping(AtomicBool);
        impl Progress for Stopping {
            fn cancelled(&self) -> bool {
                self.0.load(Ordering::SeqCst)
            }
        }
        let (_open, silence) = std::sync::mpsc::channel::<()>();
        let waits = move || {
            silence.recv().ok();
            Ok(io::empty())
        };
        let stopping = Stopping(AtomicBool::new(true));
        let error = AttendedReader::new(waits, &stopping).unwrap().read(&mut [0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "cancelled");
    }
}
