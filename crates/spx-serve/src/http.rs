//! What the services share of HTTP: requests with their parameters, answers, percent-encoding,
//! times.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Longer forms are refused \[bytes\].
const MAX_FORM: usize = 1 << 20;

/// Parameters in order; their names are compared without letter case (DALI 1.1, section 3.1).
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `a=b&c=d`; what cannot be decoded is kept as it stands.
    pub(crate) fn parse(text: &str) -> Self {
        let decoded = |part: &str| decode(part, true).unwrap_or_else(|| part.to_owned());
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decoded(name), decoded(value))
                })
                .collect(),
        )
    }

    /// The first value of that name that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// All values of that name that are not empty.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = |(n, v): &&(String, String)| n.eq_ignore_ascii_case(name) && !v.is_empty();
        self.0.iter().filter(named).map(|(_, v)| v.as_str()).collect()
    }

    /// Names and values in order.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Puts the values of `others` in place of those with the same names.
    pub(crate) fn update(&mut self, others: &Self) {
        self.0.retain(|(name, _)| !others.0.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        self.0.extend(others.0.iter().cloned());
    }

    fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

/// A request as the services see it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Decoded, without `.` and `..`.
    pub(crate) path: String,
    /// Of the query and of the form.
    pub(crate) params: Params,
    pub(crate) headers: HeaderMap,
}

impl Call {
    /// A header as text.
    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let refused = |problem: &str| plain(StatusCode::BAD_REQUEST, problem);
        let path = safe_path(parts.uri.path()).ok_or_else(|| refused("no such path"))?;
        let mut params = Params::parse(parts.uri.query().unwrap_or_default());
        if parts.method == Method::POST {
            let form = to_bytes(body, MAX_FORM).await.map_err(|_| refused("the form is too long"))?;
            params.extend(form_params(&parts.headers, &form).map_err(refused)?);
        }
        Ok(Self { method: parts.method, path, params, headers: parts.headers })
    }
}

fn form_params(headers: &HeaderMap, form: &Bytes) -> Result<Params, &'static str> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let text = std::str::from_utf8(form).map_err(|_| "the form is not UTF-8")?;
    match kind.split_once("boundary=") {
        Some((_, boundary)) if kind.starts_with("multipart/form-data") => {
            Ok(multipart(text, boundary.trim_matches('"')))
        }
        _ => Ok(Params::parse(text)),
    }
}

/// The fields of a multipart form.
fn multipart(text: &str, boundary: &str) -> Params {
    let field = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        let (_, name) = head.split_once("name=\"")?;
        let value = value.strip_suffix("\r\n").unwrap_or(value);
        Some((name.split('"').next()?.to_owned(), value.to_owned()))
    };
    Params(text.split(&format!("--{boundary}")).filter_map(field).collect())
}

/// The decoded path; `None` where a part of it is `.`, `..`, or holds a character that no file name
/// may.
fn safe_path(path: &str) -> Option<String> {
    let decoded = decode(path, false)?;
    let bad = |part: &str| matches!(part, "." | "..") || part.contains(['\\', '\0']);
    (!decoded.split('/').any(bad)).then_some(decoded)
}

/// Undoes percent-encoding, and with `plus` the blanks of a form; `None` where that is no UTF-8.
pub(crate) fn decode(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'%' => {
                let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &tail[2..];
            }
            b'+' if plus => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes all but letters, digits and `-._~`.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

/// An answer of one piece.
pub(crate) fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, content_type)], body.into()).into_response()
}

/// An answer in words.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response {
    reply(status, "text/plain;charset=UTF-8", format!("{text}\n"))
}

/// An XML document.
pub(crate) fn xml(text: String) -> Response {
    reply(StatusCode::OK, "text/xml;charset=UTF-8", text)
}

/// A 303 to an absolute address.
pub(crate) fn see_other(address: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, address.to_owned())]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let params = Params::parse("query=a+b%3D1&POS=circle+1+2+3&TIME=1%2B2&empty=&flag");
        assert_eq!(params.get("QUERY"), Some("a b=1"));
        assert_eq!(params.get("time"), Some("1+2"));
        assert_eq!((params.get("empty"), params.get("flag")), (None, None));
    }

    #[test]
    fn paths_do_not_climb() {
        assert_eq!(safe_path("/a/b%20c"), Some("/a/b c".into()));
        for bad in ["/a/../b", "/a/%2e%2E/b", "/a/..%2fb", "/a%2f..%2fb", "/a/%00", "/a\\b", "/%ff", "/%4"] {
            assert_eq!(safe_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn multipart_forms() {
        let text = "--X\r\nContent-Disposition: form-data; name=\"QUERY\"\r\n\r\nSELECT 1\r\n--X--\r\n";
        assert_eq!(multipart(text, "X").get("query"), Some("SELECT 1"));
    }
}
