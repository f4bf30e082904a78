//! `/ibe/data/spherex/...` and `/cloud/...`: whole files with ranges, and cutouts.

use std::fs::{File, Metadata};
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::task::spawn_blocking;

use crate::Site;
use crate::cutout::{CutoutError, Request, cut};
use crate::faults::Fragile;
use crate::http::{Call, plain, reply};
use crate::index::Image;
use crate::layout::hdus;

/// Below which files are, in the archive and in its copy in the cloud.
pub(crate) const IBE: &str = "/ibe/data/spherex/";
pub(crate) const CLOUD: &str = "/cloud/";
/// Below which folders are listed.
const LISTING: &str = "/ibe/dir/list/spherex/";

/// Answers from the archive: a cutout where `center` or `size` is given, else the file.
pub(crate) async fn ibe(State(site): State<Arc<Site>>, call: Call) -> Response {
    let path = call.path.strip_prefix(IBE).unwrap_or_default();
    let (center, size) = (call.params.get("center"), call.params.get("size"));
    match (center, size, site.index.find(path)) {
        (None, None, _) => file(&site, &call, path).await,
        (_, _, None) => plain(StatusCode::NOT_FOUND, "there is no such image"),
        (Some(center), Some(size), Some(image)) => cutout(&site, &call, image, center, size).await,
        _ => plain(StatusCode::BAD_REQUEST, "a cutout needs both center and size"),
    }
}

/// Answers with what a folder holds, a JSON object a line.
pub(crate) async fn listing(State(site): State<Arc<Site>>, call: Call) -> Response {
    let folder = call.path.strip_prefix(LISTING).unwrap_or_default();
    let names = site.index.folder(folder);
    if names.is_empty() {
        return plain(StatusCode::NOT_FOUND, "there is no such folder");
    }
    // Names of the archive hold nothing that would have to be escaped.
    let line = |(name, size): (&str, Option<u64>)| match size {
        Some(size) => format!("{{\"name\": \"{name}\", \"size\": \"{size}\"}}\n"),
        None => format!("{{\"name\": \"{name}\", \"size\": \"-\"}}\n"),
    };
    let lines: String = names.into_iter().map(line).collect();
    reply(StatusCode::OK, "application/x-ndjson", lines.into_bytes())
}

/// Answers from the copy in the cloud, which makes no cutouts.
pub(crate) async fn cloud(State(site): State<Arc<Site>>, call: Call) -> Response {
    let path = call.path.strip_prefix(CLOUD).unwrap_or_default();
    file(&site, &call, path).await
}

async fn cutout(site: &Site, call: &Call, image: &Image, center: &str, size: &str) -> Response {
    let gzip = !call.params.get("gzip").is_some_and(|v| v.eq_ignore_ascii_case("false") || v == "0");
    let window = Request::parse(center, size).and_then(|r| r.window(&image.wcs, image.shape));
    let made = match window {
        Err(error) => Err(error),
        Ok(window) => {
            let image = image.clone();
            match spawn_blocking(move || cut(&image, &window, gzip)).await {
                Ok(made) => made,
                Err(error) => Err(CutoutError::Io(std::io::Error::other(error))),
            }
        }
    };
    match made {
        Ok(bytes) => cutout_reply(site, image, bytes, gzip),
        Err(CutoutError::Request(problem)) => plain(StatusCode::BAD_REQUEST, &problem),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn cutout_reply(site: &Site, image: &Image, bytes: Vec<u8>, gzip: bool) -> Response {
    let encoded = gzip && site.options.gzip_as_encoding;
    let kind = if gzip && !encoded { "application/gzip" } else { "application/fits" };
    let fragile = if gzip { None } else { Some(headers(std::io::Cursor::new(&bytes), 0..u64::MAX)) };
    let mut response = reply(StatusCode::OK, kind, bytes);
    if encoded {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let name = image.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".gz");
    let name = if gzip && !encoded { format!("{name}.gz") } else { name.to_owned() };
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    if let Some(fragile) = fragile {
        response.extensions_mut().insert(Fragile(fragile));
    }
    response
}

async fn file(site: &Site, call: &Call, path: &str) -> Response {
    if ![Method::GET, Method::HEAD].contains(&call.method) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
    }
    let found = site.index.find(path).map(|image| image.file.clone());
    let calibrations = &site.index.calibrations;
    let found =
        found.or_else(|| calibrations.iter().find(|c| c.path == path).map(|c| site.root.join(&c.path)));
    let Some(found) = found else { return plain(StatusCode::NOT_FOUND, "there is no such file") };
    let root = site.root.clone();
    match spawn_blocking(move || open(&root, &found)).await {
        Ok(Ok((file, metadata))) => whole_or_part(call, file, &metadata),
        _ => plain(StatusCode::NOT_FOUND, "there is no such file any more"),
    }
}

/// Opens a file; one that has become a link out of the directory is refused.
fn open(root: &Path, path: &Path) -> std::io::Result<(File, Metadata)> {
    if !path.canonicalize()?.starts_with(root) {
        return Err(std::io::ErrorKind::PermissionDenied.into());
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

fn whole_or_part(call: &Call, mut file: File, metadata: &Metadata) -> Response {
    let size = metadata.len();
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let age = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let (etag, date) = (format!("\"{size:x}-{age:x}\""), httpdate::fmt_http_date(modified));
    let common = [
        (header::CONTENT_TYPE, "application/fits".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, etag.clone()),
        (header::LAST_MODIFIED, date.clone()),
    ];
    if call.header(header::IF_NONE_MATCH).is_some_and(|tag| tag == "*" || tag.contains(&etag)) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    if call.header(header::IF_MATCH).is_some_and(|tag| tag != "*" && !tag.contains(&etag)) {
        return (StatusCode::PRECONDITION_FAILED, common).into_response();
    }
    let unchanged = call.header(header::IF_RANGE).is_none_or(|v| v == etag || v == date);
    let asked = call.header(header::RANGE).filter(|_| unchanged).map_or(Asked::Whole, |r| range(r, size));
    let (status, part) = match asked {
        Asked::Whole => (StatusCode::OK, 0..size),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Beyond => {
            let text = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, common, text).into_response();
        }
    };
    let fragile = Fragile(headers(BufReader::new(&mut file), part.clone()));
    let body =
        if call.method == Method::HEAD { Body::empty() } else { crate::body::stream(file, part.clone()) };
    let mut response = (status, common, body).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(text) = HeaderValue::from_str(&format!("bytes {}-{}/{size}", part.start, part.end - 1))
    {
        response.headers_mut().insert(header::CONTENT_RANGE, text);
    }
    response.extensions_mut().insert(fragile);
    response
}

/// What a header Range asks for.
#[derive(Debug, PartialEq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Beyond,
}

/// One range of bytes (RFC 9110, section 14.1.2). Several, and what cannot be read, are answered by
/// the whole.
fn range(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|spec| spec.split_once('-')) else {
        return Asked::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>();
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Ok(0) => Asked::Beyond,
            Ok(count) if size > 0 => Asked::Part(size.saturating_sub(count)..size),
            Ok(_) => Asked::Beyond,
            Err(_) => Asked::Whole,
        },
        (first, last) => match (number(first), if last.is_empty() { Ok(u64::MAX) } else { number(last) }) {
            (Ok(first), Ok(last)) if first > last => Asked::Whole,
            (Ok(first), Ok(_)) if first >= size => Asked::Beyond,
            (Ok(first), Ok(last)) => Asked::Part(first..last.saturating_add(1).min(size)),
            _ => Asked::Whole,
        },
    }
}

/// The bytes of headers in a part of a file, counted from the start of the part; of a file that is
/// not plain FITS all bytes (gzip has a checksum).
fn headers<R: std::io::Read + std::io::Seek>(mut file: R, part: Range<u64>) -> Vec<Range<u64>> {
    let Ok(found) = hdus(&mut file) else {
        let length = part.end - part.start;
        return std::iter::once(0..length).collect();
    };
    let within = |header: &Range<u64>| header.start.max(part.start)..header.end.min(part.end);
    let ranges = found.iter().map(|hdu| within(&hdu.used)).filter(|r| r.start < r.end);
    ranges.map(|r| r.start - part.start..r.end - part.start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("bytes=0-99", 1000), Asked::Part(0..100));
        assert_eq!(range("bytes=900-", 1000), Asked::Part(900..1000));
        assert_eq!(range("bytes=900-5000", 1000), Asked::Part(900..1000));
        assert_eq!(range("bytes=-100", 1000), Asked::Part(900..1000));
        assert_eq!(range("bytes=-5000", 1000), Asked::Part(0..1000));
        assert_eq!(range("bytes=1000-", 1000), Asked::Beyond);
        assert_eq!(range("bytes=-0", 1000), Asked::Beyond);
        for whole in ["bytes=5-4", "bytes=0-1,5-6", "items=0-1", "bytes=a-b", ""] {
            assert_eq!(range(whole, 1000), Asked::Whole, "{whole}");
        }
    }
}
