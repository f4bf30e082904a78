//! Bodies of answers: files that are streamed, and the wrapper that counts, slows, cuts and
//! corrupts.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::Frame;
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use crate::listener::Connection;
use crate::log::Recorder;

/// Bytes of a file that are read at once.
const CHUNK: usize = 256 << 10;
/// How long what is in the buffers has to leave before a connection is cut.
const FLUSH: Duration = Duration::from_millis(5);

/// What is done to a body; positions are bytes from its start.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    /// The connection ends here.
    pub(crate) cut: Option<u64>,
    /// It ends by a reset.
    pub(crate) reset: bool,
    /// The body ends here, as if this were all.
    pub(crate) end: Option<u64>,
    /// It pauses here.
    pub(crate) stall: Option<(u64, Duration)>,
    /// These bytes are changed.
    pub(crate) corrupt: Option<Range<u64>>,
}

/// Counts as long as it lives.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    /// One more, and how many there are now.
    pub(crate) fn take(counter: &Arc<AtomicUsize>) -> (Self, usize) {
        let now = counter.fetch_add(1, Ordering::SeqCst) + 1;
        (Self(Arc::clone(counter)), now)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A body on its way out.
pub(crate) struct Outgoing {
    pub(crate) inner: Body,
    pub(crate) plan: Plan,
    pub(crate) sent: u64,
    /// Content-Length; when it is reached, nobody asks for the end.
    pub(crate) length: Option<u64>,
    pub(crate) sleep: Option<Pin<Box<Sleep>>>,
    pub(crate) recorder: Recorder,
    pub(crate) number: usize,
    pub(crate) connection: Connection,
    /// Dropped with the body.
    pub(crate) _ticket: Ticket,
    /// Bytes that the next frames take before the inner body is asked for more.
    pub(crate) rest: Bytes,
}

impl Outgoing {
    /// The next position at which something happens.
    fn stop(&self) -> Option<u64> {
        let stall = self.plan.stall.map(|(at, _)| at);
        [self.plan.cut, self.plan.end, stall].into_iter().flatten().min()
    }

    /// What happens at the present position, if anything.
    fn act(&mut self, cx: &mut Context<'_>) -> Poll<Option<Option<io::Error>>> {
        if let Some((at, time)) = self.plan.stall
            && at == self.sent
        {
            ready!(self.wait(cx, time));
            self.plan.stall = None;
        }
        if self.plan.end == Some(self.sent) {
            return Poll::Ready(Some(None));
        }
        if self.plan.cut == Some(self.sent) {
            ready!(self.wait(cx, FLUSH));
            if self.plan.reset {
                self.connection.reset();
            }
            return Poll::Ready(Some(Some(io::Error::other("cut on purpose"))));
        }
        Poll::Ready(None)
    }

    fn wait(&mut self, cx: &mut Context<'_>, time: Duration) -> Poll<()> {
        let timer = self.sleep.get_or_insert_with(|| Box::pin(sleep(time)));
        ready!(timer.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }

    /// Takes from `rest` up to the next stop, corrupts and counts it.
    fn frame(&mut self) -> Frame<Bytes> {
        let left = self.stop().and_then(|stop| usize::try_from(stop - self.sent).ok());
        let mut data = self.rest.split_to(left.map_or(self.rest.len(), |left| left.min(self.rest.len())));
        if let Some(corrupt) = &self.plan.corrupt {
            data = corrupted(data, self.sent, corrupt);
        }
        self.sent += data.len() as u64;
        let sent = self.sent;
        self.recorder.update(self.number, |entry| entry.sent = sent);
        if self.length == Some(sent) {
            self.finish();
        }
        Frame::data(data)
    }

    fn finish(&self) {
        self.recorder.update(self.number, |entry| {
            entry.complete = entry.is_unspoiled();
        });
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if let Some(end) = ready!(self.act(cx)) {
                return Poll::Ready(end.map(|error| Err(axum::Error::new(error))));
            }
            if !self.rest.is_empty() {
                return Poll::Ready(Some(Ok(self.frame())));
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest = data;
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    self.finish();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

/// Changes the bytes of `range` into such as neither ASCII nor UTF-8 holds.
fn corrupted(data: Bytes, start: u64, range: &Range<u64>) -> Bytes {
    let end = start + data.len() as u64;
    if range.end <= start || range.start >= end {
        return data;
    }
    let mut bytes = data.to_vec();
    for (k, byte) in bytes.iter_mut().enumerate() {
        if range.contains(&(start + k as u64)) {
            *byte = if *byte == 0xff { 0 } else { 0xff };
        }
    }
    Bytes::from(bytes)
}

/// Bytes of a file, read as they are needed.
pub(crate) fn stream(mut file: File, range: Range<u64>) -> Body {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut left = range.end - range.start;
        let mut started = file.seek(SeekFrom::Start(range.start)).err();
        while left > 0 {
            let mut chunk = vec![0; usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))];
            let read = match started.take() {
                Some(error) => Err(error),
                None => file.read_exact(&mut chunk),
            };
            left = if read.is_ok() { left - chunk.len() as u64 } else { 0 };
            // An error here means that the client has gone.
            if sender.blocking_send(read.map(|()| Bytes::from(chunk))).is_err() {
                return;
            }
        }
    });
    Body::new(Stream(receiver))
}

struct Stream(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
