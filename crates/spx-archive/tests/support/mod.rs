//! A small HTTP server on this machine that answers as a test tells it to, however wrong, and small
//! files.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is test code")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use spx_archive::{ArchiveClient, ClientOptions, Observation, RetryOptions};

/// A request as the server sees it.
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: HashMap<String, String>,
    pub body: String,
    /// How often this method and target were asked for, this time included.
    pub time: usize,
}

impl Request {
    /// First byte of a range that runs to the end.
    pub fn range_from(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What the server does.
pub enum Reply {
    /// Status, headers and body, with the right length.
    Good(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The head as it stands, a body, then this much silence before the connection is closed.
    Raw(String, Vec<u8>, Duration),
    /// Nothing: the connection is closed.
    Close,
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Good(200, Vec::new(), body.into())
    }

    pub fn status(status: u16) -> Self {
        Self::Good(status, Vec::new(), format!("<html>status {status}</html>").into())
    }

    pub fn redirect(to: &str) -> Self {
        Self::Good(302, vec![("Location", to.to_owned())], Vec::new())
    }

    /// The whole file, or the rest of it where a range is asked for and the ETag is the same.
    pub fn file(request: &Request, body: &[u8], etag: &str) -> Self {
        let mut headers = vec![("ETag", etag.to_owned()), ("Accept-Ranges", "bytes".to_owned())];
        match request.range_from() {
            Some(from) if request.headers.get("if-range").is_some_and(|v| v == etag) => {
                headers.push(("Content-Range", format!("bytes {from}-{}/{}", body.len() - 1, body.len())));
                Self::Good(206, headers, body[from..].to_vec())
            }
            _ => Self::Good(200, headers, body.to_vec()),
        }
    }

    /// Announces the whole file and gives only its beginning.
    pub fn broken(body: &[u8], given: usize, etag: &str) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: {etag}\r\n\r\n", body.len());
        Self::Raw(head, body[..given].to_vec(), Duration::ZERO)
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A server that runs until the test ends.
pub struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, log) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (handler, seen): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&log));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                thread::spawn(move || converse(stream, &*handler, &seen).ok());
            }
        });
        Self { address, log }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `METHOD target` of every request so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// A client that loses no time.
    pub fn client(&self) -> ArchiveClient {
        self.client_with(options())
    }

    pub fn client_with(&self, options: ClientOptions) -> ArchiveClient {
        ArchiveClient::new(self.url().parse().unwrap(), options)
    }
}

pub fn retry() -> RetryOptions {
    RetryOptions {
        attempts: 5,
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(20),
        longest_retry_after: Duration::from_secs(5),
    }
}

pub fn options() -> ClientOptions {
    ClientOptions {
        retry: retry(),
        stall_timeout: Duration::from_millis(400),
        answer_timeout: Duration::from_millis(400),
        job_deadline: Duration::from_secs(2),
        ..ClientOptions::default()
    }
}

fn converse(mut stream: TcpStream, handler: &Handler, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(mut request) = read_request(&mut reader)? {
        let line = format!("{} {}", request.method, request.target);
        {
            let mut log = log.lock().unwrap();
            log.push(line.clone());
            request.time = log.iter().filter(|l| **l == line).count();
        }
        match handler(&request) {
            Reply::Good(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
                headers.iter().for_each(|(name, value)| write!(head, "{name}: {value}\r\n").unwrap());
                stream.write_all(format!("{head}\r\n").as_bytes())?;
                if request.method != "HEAD" {
                    stream.write_all(&body)?;
                }
            }
            Reply::Raw(head, body, silence) => {
                stream.write_all(head.as_bytes())?;
                stream.write_all(&body)?;
                stream.flush()?;
                thread::sleep(silence);
                return stream.shutdown(Shutdown::Both);
            }
            Reply::Close => return stream.shutdown(Shutdown::Both),
        }
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, target, headers, body: String::from_utf8_lossy(&body).into(), time: 0 }))
}

/// Observation number `k` on detector 3.
pub fn observation(k: usize) -> Observation {
    serde_json::from_value(serde_json::json!({
        "obs_id": format!("2025W51_1A_{k:04}_2"),
        "band": "D3",
        "mjd_begin": 61025.5,
        "mjd_end": 61025.501,
        "wavelength_min": 1.6301,
        "wavelength_max": 2.4346,
        "uri": format!("ibe/data/spherex/qr2/level2/2025W51_1A/l2b-v21-2025-354/3/{}", file_name(k)),
    }))
    .unwrap()
}

pub fn file_name(k: usize) -> String {
    format!("level2_2025W51_1A_{k:04}_2D3_spx_l2b-v21-2025-354.fits")
}

/// The number in a path of [`observation`].
pub fn number_in(target: &str) -> usize {
    let at = target.find("level2_2025W51_1A_").unwrap_or_else(|| panic!("{target}"));
    target[at + 18..at + 22].parse().unwrap()
}

/// A spectral image in miniature: all HDUs, planes of `side` x `side`, filled with a byte.
pub fn spectral_image(k: usize, side: usize) -> Vec<u8> {
    let mut file = hdu(
        &[
            "SIMPLE  =                    T",
            "BITPIX  =                    8",
            "NAXIS   =                    0",
        ],
        0,
        0,
    );
    let obsid = format!("OBSID   = '2025W51_1A_{k:04}_2'");
    for (name, bitpix) in [("IMAGE", -32), ("FLAGS", 32), ("VARIANCE", -32), ("ZODI", -32)] {
        let cards = [
            "XTENSION= 'IMAGE   '".to_owned(),
            format!("BITPIX  = {bitpix}"),
            "NAXIS   = 2".to_owned(),
            format!("NAXIS1  = {side}"),
            format!("NAXIS2  = {side}"),
            "PCOUNT  = 0".to_owned(),
            "GCOUNT  = 1".to_owned(),
            format!("EXTNAME = '{name}'"),
            obsid.clone(),
            "DETECTOR= 3".to_owned(),
        ];
        file.extend(hdu(&cards.each_ref().map(String::as_str), side * side * 4, k));
    }
    let table = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 12",
        "NAXIS2  = 1",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 1",
        "TFORM1  = '12B'",
        "EXTNAME = 'WCS-WAVE'",
    ];
    file.extend(hdu(&table, 12, k));
    file
}

fn hdu(cards: &[&str], data: usize, fill: usize) -> Vec<u8> {
    let mut hdu: Vec<u8> =
        cards.iter().chain(&["END"]).flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    hdu.resize(hdu.len().next_multiple_of(2880), b' ');
    hdu.extend((0..data).map(|n| u8::try_from((n * 7 + fill) % 251).unwrap()));
    hdu.resize(hdu.len().next_multiple_of(2880), 0);
    hdu
}
