//! One request and its answer: redirects under a policy, statuses and failures as errors, bodies as
//! streams.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use spx_core::attended::hand_on;
use ureq::http::{HeaderMap, Method, header};
use url::Url;

use crate::base::{is_loopback, without_credentials};
use crate::error::ArchiveError;
use crate::options::ClientOptions;

/// Redirects that are followed for one request.
const MOST_REDIRECTS: usize = 5;

/// What is read of the body of an error, to find the server's words in it \[bytes\].
const ERROR_BODY: u64 = 64 << 10;

/// Buffer of each connection for what comes in \[bytes\].
const INPUT_BUFFER: usize = 512 << 10;

/// Sends requests; connections are kept and shared.
#[derive(Debug)]
pub(crate) struct Http {
    agent: ureq::Agent,
    /// The same without a proxy: what is on this machine is not asked for through another one.
    local: ureq::Agent,
    allowed_hosts: Vec<String>,
    /// Why the proxy of the environment cannot be used.
    unusable_proxy: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// The fields of a form, sent as the body of a POST.
    pub(crate) form: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(header::HeaderName, String)>,
    /// The longest time without a byte, the wait for the first one included.
    pub(crate) patience: Duration,
    /// The longest time for the body.
    pub(crate) deadline: Duration,
}

impl Request {
    pub(crate) fn new(method: Method, url: Url, patience: Duration, deadline: Duration) -> Self {
        Self { method, url, form: Vec::new(), headers: Vec::new(), patience, deadline }
    }
}

/// How often a wait for the server looks whether the user has asked to stop.
const LOOK: Duration = Duration::from_millis(50);

/// What the thread that speaks to the server tells.
enum Told {
    /// Status and headers, or why there are none.
    Head(Result<ureq::http::response::Parts, ureq::Error>),
    /// Some of the body, or how it broke off.
    Body(io::Result<Vec<u8>>),
}

/// The body of an answer. A read ends with an error as soon as the user has asked to stop: the
/// connection, on which a silent server may be waited for, belongs to another thread.
pub(crate) struct ReplyBody<'a> {
    told: Receiver<Told>,
    cancelled: &'a dyn Fn() -> bool,
    chunk: Vec<u8>,
    used: usize,
}

impl Read for ReplyBody<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.used == self.chunk.len() {
            match next(&self.told, self.cancelled) {
                Some(Told::Body(chunk)) => (self.chunk, self.used) = (chunk?, 0),
                Some(Told::Head(_)) => {}
                None if (self.cancelled)() => return Err(io::Error::other("cancelled")),
                None => return Ok(0),
            }
        }
        let taken = out.len().min(self.chunk.len() - self.used);
        out[..taken].copy_from_slice(&self.chunk[self.used..self.used + taken]);
        self.used += taken;
        Ok(taken)
    }
}

/// What comes next; `None` at the end, or once the user has asked to stop.
fn next(told: &Receiver<Told>, cancelled: &dyn Fn() -> bool) -> Option<Told> {
    loop {
        if cancelled() {
            return None;
        }
        match told.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            told => return told.ok(),
        }
    }
}

/// Sends a request and tells what comes, until nobody listens any more.
fn exchange(agent: &ureq::Agent, request: &Request, told: &SyncSender<Told>) {
    let (parts, body) = match ask(agent, request) {
        Ok(answer) => answer.into_parts(),
        Err(error) => return drop(told.send(Told::Head(Err(error)))),
    };
    if told.send(Told::Head(Ok(parts))).is_err() {
        return;
    }
    hand_on(TypedErrors(body.into_reader()), |chunk| told.send(Told::Body(chunk)).is_ok());
}

fn ask(agent: &ureq::Agent, request: &Request) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let mut builder = ureq::http::Request::builder().method(request.method.clone()).uri(request.url.as_str());
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    if request.method == Method::POST {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.form).finish();
        let built = builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)?;
        agent.run(timed(agent, built, request))
    } else {
        agent.run(timed(agent, builder.body(())?, request))
    }
}

/// The proxies that the environment names, the one that is used first: for each, its address,
/// without a password, and its variable, and whether it can be used.
fn proxies() -> impl Iterator<Item = (String, Result<(), ureq::Error>)> {
    let variables = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
    variables.into_iter().filter_map(|variable| {
        let value = std::env::var(variable).ok().filter(|value| !value.trim().is_empty())?;
        let shown = value.parse().map_or_else(|_| printable(&value), |url| shown(&url));
        Some((format!("{shown} of {variable}"), ureq::Proxy::new(&value).map(|_| ())))
    })
}

/// The proxy of the environment through which hosts other than this machine are asked, as
/// `socks5h://proxy.org:1080 of ALL_PROXY`.
pub fn proxy_in_use() -> Option<String> {
    proxies().next().map(|(shown, _)| shown)
}

/// The first proxy of the environment that cannot be used, with its variable.
fn unusable_proxy() -> Option<String> {
    let unusable = |(shown, usable): (String, Result<(), ureq::Error>)| {
        Some(format!("the proxy {shown} cannot be used: {}", usable.err()?))
    };
    proxies().find_map(unusable)
}

/// Says through which proxy an address could not be reached.
fn name_proxy(error: ArchiveError, agent: &ureq::Agent, url: &Url) -> ArchiveError {
    let goes = |uri: ureq::http::Uri| agent.config().proxy().is_some_and(|proxy| !proxy.is_no_proxy(&uri));
    match (error, proxy_in_use()) {
        (ArchiveError::Transport { url: shown, cause, timeout }, Some(proxy))
            if url.as_str().parse().is_ok_and(goes) =>
        {
            ArchiveError::Transport {
                url: shown,
                cause: format!("{cause} (through the proxy {proxy})"),
                timeout,
            }
        }
        (error, _) => error,
    }
}

/// A successful answer, its body still to be read.
pub(crate) struct Reply<'a> {
    /// Where it came from in the end.
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody<'a>,
}

impl<'a> Reply<'a> {
    /// A header that is text.
    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Bytes of the body, where they are announced.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header(header::CONTENT_LENGTH)?.trim().parse().ok()
    }

    /// The body, decompressed where the server compressed it.
    pub(crate) fn into_decoded(self) -> Box<dyn Read + 'a> {
        let gzip = self.header(header::CONTENT_ENCODING).is_some_and(|e| e.contains("gzip"));
        let reader = self.body;
        if gzip { Box::new(flate2::read::MultiGzDecoder::new(reader)) } else { Box::new(reader) }
    }
}

/// A body whose timeouts are known as such to whoever reads through it.
struct TypedErrors<R>(R);

impl<R: Read> Read for TypedErrors<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| match inner(&error) {
            Some(ureq::Error::Timeout(_)) => io::Error::new(io::ErrorKind::TimedOut, error.to_string()),
            _ => error,
        })
    }
}

fn inner(error: &io::Error) -> Option<&ureq::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

impl Http {
    pub(crate) fn new(options: &ClientOptions) -> Self {
        let agent = |local: bool| {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .timeout_connect(Some(options.connect_timeout))
                .timeout_resolve(Some(options.connect_timeout))
                .timeout_per_write(Some(options.stall_timeout))
                .input_buffer_size(INPUT_BUFFER)
                .max_idle_connections(options.connections)
                .max_idle_connections_per_host(options.connections)
                .accept_encoding("identity")
                .user_agent(concat!("spx/", env!("CARGO_PKG_VERSION")));
            let config = if local { config.proxy(None) } else { config };
            ureq::Agent::new_with_config(config.build())
        };
        let mut allowed_hosts = options.allowed_hosts.clone();
        allowed_hosts.extend(options.cloud.url().host_str().map(str::to_owned));
        Self { agent: agent(false), local: agent(true), allowed_hosts, unusable_proxy: unusable_proxy() }
    }

    /// Sends a request and follows redirects; statuses that are no success are errors.
    pub(crate) fn send<'a>(
        &self,
        request: &Request,
        cancelled: &'a dyn Fn() -> bool,
    ) -> Result<Reply<'a>, ArchiveError> {
        let mut request = request.clone();
        for _ in 0..=MOST_REDIRECTS {
            let reply = self.send_once(&request, cancelled)?;
            match reply.status {
                200..=299 => return Ok(reply),
                301 | 302 | 303 | 307 | 308 => {
                    let target = self.redirect(&request.url, &reply)?;
                    tracing::debug!("{} redirects to {}", shown(&request.url), shown(&target));
                    // As browsers do: only 307 and 308 keep the method.
                    if reply.status < 304 && request.method == Method::POST {
                        request.method = Method::GET;
                        request.form.clear();
                    }
                    request.url = target;
                }
                _ => return Err(status_error(reply)),
            }
        }
        let url = shown(&request.url);
        Err(ArchiveError::Redirect { target: url.clone(), url, problem: "it is the sixth in a row" })
    }

    /// Sends a request whose answer is where it leads: the address, where that may be followed, and
    /// `None` where the answer is no redirect.
    pub(crate) fn location(
        &self,
        request: &Request,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Url>, ArchiveError> {
        let reply = self.send_once(request, cancelled)?;
        match reply.status {
            200..=299 => Ok(None),
            301 | 302 | 303 | 307 | 308 => self.redirect(&request.url, &reply).map(Some),
            _ => Err(status_error(reply)),
        }
    }

    fn send_once<'a>(
        &self,
        request: &Request,
        cancelled: &'a dyn Fn() -> bool,
    ) -> Result<Reply<'a>, ArchiveError> {
        let local = is_loopback(&request.url);
        let failed =
            |cause: String| ArchiveError::Transport { url: shown(&request.url), cause, timeout: false };
        if let Some(problem) = self.unusable_proxy.as_ref().filter(|_| !local) {
            return Err(ArchiveError::Proxy { problem: problem.clone() });
        }
        let agent = if local { self.local.clone() } else { self.agent.clone() };
        let (tell, told) = sync_channel(2);
        let asked = request.clone();
        let spawned = std::thread::Builder::new().name("spx-archive-http".into()).spawn({
            let agent = agent.clone();
            move || exchange(&agent, &asked, &tell)
        });
        spawned.map_err(|e| failed(e.to_string()))?;
        let parts = match next(&told, cancelled) {
            Some(Told::Head(head)) => {
                head.map_err(|error| name_proxy(transport_error(&request.url, &error), &agent, &request.url))?
            }
            _ if cancelled() => return Err(ArchiveError::Cancelled),
            _ => return Err(failed("the connection ended without an answer".into())),
        };
        let body = ReplyBody { told, cancelled, chunk: Vec::new(), used: 0 };
        Ok(Reply { url: request.url.clone(), status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// Where a redirect leads, if it may: to the same host or one that is allowed, and never from
    /// https to plain http.
    fn redirect(&self, from: &Url, reply: &Reply<'_>) -> Result<Url, ArchiveError> {
        let location = reply.header(header::LOCATION).unwrap_or_default();
        let refuse = |target: &str, problem| ArchiveError::Redirect {
            url: shown(from),
            target: printable(&target.chars().take(300).collect::<String>()),
            problem,
        };
        let target = from.join(location).map_err(|_| refuse("?", "its target is not an address"))?;
        self.check_redirect(from, &target).map_err(|problem| refuse(&shown(&target), problem))?;
        Ok(target)
    }

    fn check_redirect(&self, from: &Url, target: &Url) -> Result<(), &'static str> {
        match target.scheme() {
            "https" => {}
            "http" if from.scheme() == "https" => return Err("it leaves https for plain http"),
            "http" if is_loopback(target) => {}
            "http" => return Err("plain http is only allowed for this machine"),
            _ => return Err("it is neither https nor http"),
        }
        if !target.username().is_empty() || target.password().is_some() {
            return Err("it carries a user name or password");
        }
        let same = from.host() == target.host()
            && (from.scheme() != target.scheme() || from.port() == target.port());
        let allowed = || {
            target
                .host_str()
                .is_some_and(|host| self.allowed_hosts.iter().any(|h| h.eq_ignore_ascii_case(host)))
        };
        if same || allowed() { Ok(()) } else { Err("it leads to another host, which is not allowed") }
    }
}

fn timed<S: ureq::AsSendBody>(
    agent: &ureq::Agent,
    built: ureq::http::Request<S>,
    request: &Request,
) -> ureq::http::Request<S> {
    agent
        .configure_request(built)
        .timeout_per_read(Some(request.patience))
        .timeout_recv_response(Some(request.patience))
        .timeout_recv_body(Some(request.deadline))
        .build()
}

/// An address in a message.
pub(crate) fn shown(url: &Url) -> String {
    without_credentials(url)
}

/// The error of a connection.
fn transport_error(url: &Url, error: &ureq::Error) -> ArchiveError {
    let timeout = matches!(error, ureq::Error::Timeout(_))
        || matches!(error, ureq::Error::Io(e) if e.kind() == io::ErrorKind::TimedOut);
    let cause = if timeout { format!("no answer in time ({error})") } else { error.to_string() };
    ArchiveError::Transport { url: shown(url), cause, timeout }
}

/// The error of a body that broke off.
pub(crate) fn body_error(url: &Url, error: &io::Error) -> ArchiveError {
    match inner(error) {
        Some(inner) => transport_error(url, inner),
        None => ArchiveError::Transport {
            url: shown(url),
            cause: format!("the answer was interrupted: {error}"),
            timeout: error.kind() == io::ErrorKind::TimedOut,
        },
    }
}

fn status_error(reply: Reply<'_>) -> ArchiveError {
    let (url, status) = (shown(&reply.url), reply.status);
    let retry_after = reply.header(header::RETRY_AFTER).and_then(|text| retry_after(text, SystemTime::now()));
    let mut body = Vec::new();
    // Whatever can be read of the server's words is better than none.
    reply.into_decoded().take(ERROR_BODY).read_to_end(&mut body).ok();
    ArchiveError::Status { url, status, message: server_words(&body), retry_after }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Text of a server for a message: without control characters, which terminals would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The text of a short answer: of a VOTable its error, of a page its words, on one line.
pub(crate) fn server_words(body: &[u8]) -> String {
    if let Some(message) = spx_votable::error_message(body) {
        return printable(&message);
    }
    let text = String::from_utf8_lossy(body);
    let mut words = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                words.push(' ');
            }
            c if !in_tag => words.push(if c.is_control() { ' ' } else { c }),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(from: &str, to: &str) -> Result<(), &'static str> {
        let options = ClientOptions { allowed_hosts: vec!["mirror.org".into()], ..ClientOptions::default() };
        Http::new(&options).check_redirect(&from.parse().unwrap(), &to.parse().unwrap())
    }

    #[test]
    fn redirects_stay_where_they_may() {
        for (from, to) in [
            ("https://a.org/x", "https://a.org/y"),
            ("https://a.org/x", "https://mirror.org/y"),
            ("https://a.org/x", "https://nasa-irsa-spherex.s3.us-east-1.amazonaws.com/y"),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:1/y"),
            ("http://localhost:80/x", "https://localhost/y"),
        ] {
            assert_eq!(policy(from, to), Ok(()), "{from} to {to}");
        }
        for (from, to) in [
            ("https://a.org/x", "http://a.org/x"),
            ("https://a.org/x", "http://127.0.0.1/x"),
            ("https://a.org/x", "https://b.org/x"),
            ("https://a.org/x", "https://a.org:8443/x"),
            ("https://a.org/x", "https://a.org.evil.org/x"),
            ("https://a.org/x", "https://me@a.org/x"),
            ("https://a.org/x", "file:///etc/passwd"),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:2/x"),
            ("http://127.0.0.1:1/x", "http://a.org/x"),
        ] {
            assert!(policy(from, to).is_err(), "{from} to {to}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 7);
        assert_eq!(retry_after(" 12 ", now), Some(Duration::from_secs(12)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Tue, 06 Nov 1984 08:49:37 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn escape_sequences_of_servers_are_not_passed_on() {
        assert_eq!(server_words(b"busy\x1b[2J\x07 now"), "busy [2J now");
        let table = "<VOTABLE><RESOURCE type='results'><INFO name='QUERY_STATUS' value='ERROR'>no\u{9b}31m</INFO>\
            </RESOURCE></VOTABLE>";
        assert_eq!(server_words(table.as_bytes()), "no\u{fffd}31m");
    }

    #[test]
    fn the_words_of_a_page_are_its_text() {
        let page = b"<html><title>502</title>\n<body>Bad  <b>Gateway</b></body></html>";
        assert_eq!(server_words(page), "502 Bad Gateway");
    }
}
