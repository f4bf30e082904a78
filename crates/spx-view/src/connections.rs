//! The connections of the server: at most so many at a time, none of which may be silent for ever.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// A connection on which nothing comes or goes for so long is closed. Browsers open another.
pub(crate) const SILENCE: Duration = Duration::from_secs(120);

/// Connections at a time; others wait. A browser takes six.
const MOST: usize = 64;

/// Accepts connections on a port.
pub(crate) struct ExplorerPort {
    listener: TcpListener,
    free: Arc<Semaphore>,
    silence: Duration,
}

impl ExplorerPort {
    pub(crate) fn new(listener: TcpListener, silence: Duration) -> Self {
        Self { listener, free: Arc::new(Semaphore::new(MOST)), silence }
    }
}

impl Listener for ExplorerPort {
    type Io = WatchedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (WatchedStream, SocketAddr) {
        // The semaphore is never closed: a permit comes.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Small answers must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
        let until = Box::pin(tokio::time::sleep(self.silence));
        (WatchedStream { stream, until, silence: self.silence, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A TCP stream that fails when nothing has come or gone for a time.
pub(crate) struct WatchedStream {
    stream: TcpStream,
    until: Pin<Box<Sleep>>,
    silence: Duration,
    _permit: Option<OwnedSemaphorePermit>,
}

impl WatchedStream {
    /// Passes on what the stream says; an error where it has said nothing for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, said: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if said.is_ready() {
            self.until.as_mut().reset(Instant::now() + self.silence);
            return said;
        }
        self.until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch(cx, read)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.watch(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;

    /// A server that closes silent connections after a fifth of a second, and its address.
    fn server() -> (tokio::runtime::Runtime, SocketAddr) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = ExplorerPort::new(listener, Duration::from_millis(200));
        let address = port.local_addr().unwrap();
        let router = axum::Router::new().route("/", axum::routing::get(|| async { "here" }));
        runtime.spawn(async move { axum::serve(port, router).await });
        (runtime, address)
    }

    fn connect(address: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    #[test]
    fn connections_that_say_nothing_or_half_a_request_are_closed() {
        let (_runtime, address) = server();
        for beginning in ["", "GET / HTTP/1.1\r\nHost: a"] {
            let mut stream = connect(address);
            stream.write_all(beginning.as_bytes()).unwrap();
            let end = stream.read_to_end(&mut Vec::new());
            assert!(end.is_ok() || end.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset));
        }
    }

    #[test]
    fn many_silent_connections_leave_room_for_the_next() {
        let (_runtime, address) = server();
        let silent: Vec<TcpStream> = (0..2 * MOST).map(|_| connect(address)).collect();
        let mut stream = connect(address);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        drop(silent);
    }
}
