//! Where the archive is: one base for TAP, SIA, DataLink and files.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, ParseError, Url};

use crate::path::ArchivePath;

/// The base of all services of an archive; `https`, or plain `http` on this machine alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveUrl(Url);

/// What can be wrong with the address of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("archive address `{address}`: {problem}")]
pub struct ArchiveUrlError {
    address: String,
    problem: String,
}

impl ArchiveUrl {
    /// The archive at IPAC.
    pub const IRSA: &str = "https://irsa.ipac.caltech.edu";

    /// The copy in the cloud of what stands below [`ArchivePath::ROOT`].
    pub const CLOUD: &str = "https://nasa-irsa-spherex.s3.us-east-1.amazonaws.com";

    /// The cloud copy; of the services, it has none.
    pub fn cloud() -> Self {
        Self::constant(Self::CLOUD)
    }

    #[expect(clippy::expect_used, reason = "a constant address, which the tests parse")]
    fn constant(address: &str) -> Self {
        address.parse().expect("a constant address")
    }

    /// Where a synchronous TAP query goes.
    pub fn tap_sync(&self) -> Url {
        self.below("TAP/sync")
    }

    /// Where asynchronous TAP jobs are made.
    pub fn tap_async(&self) -> Url {
        self.below("TAP/async")
    }

    /// Where SIA2 queries go.
    pub fn sia(&self) -> Url {
        self.below("SIA")
    }

    /// Where the links of a spectral image are asked for.
    pub fn links(&self) -> Url {
        self.below("datalink/links/spherex")
    }

    /// Where a folder below [`ArchivePath::ROOT`] is listed.
    pub fn listing(&self, folder: &str) -> Url {
        self.below(&format!("ibe/dir/list/spherex/{folder}"))
    }

    /// The address of a file.
    pub fn file(&self, path: &ArchivePath) -> Url {
        self.below(path.as_str())
    }

    /// The address of a file in the cloud copy that this is.
    pub fn cloud_file(&self, path: &ArchivePath) -> Url {
        self.below(path.below_root())
    }

    /// The address itself.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// `path` consists of segments that need no care, or was checked by [`ArchivePath`].
    fn below(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        url
    }
}

impl Default for ArchiveUrl {
    fn default() -> Self {
        Self::constant(Self::IRSA)
    }
}

impl fmt::Display for ArchiveUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for ArchiveUrl {
    type Err = ArchiveUrlError;

    /// Reads `https://host[:port][/path]`; a password, a query or a fragment is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |address: &str, problem: &str| ArchiveUrlError {
            address: address.to_owned(),
            problem: problem.to_owned(),
        };
        let text = text.trim();
        let url = Url::parse(text).map_err(|problem| match problem {
            // A text without a scheme, which holds no password unless it has an `@`.
            ParseError::RelativeUrlWithoutBase if !text.contains('@') => {
                wrong(text, &format!("expected an address such as {}", Self::IRSA))
            }
            // What cannot be read is not shown, for it may hold a password.
            other => wrong("...", &other.to_string()),
        })?;
        let shown = without_credentials(&url);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(&shown, "a user name or password has no place in it"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(&shown, "it must end before `?` and `#`"));
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => {
                Err(wrong(&shown, "plain http is only allowed for this machine (127.0.0.1, localhost)"))
            }
            other => Err(wrong(&shown, &format!("https is needed, not `{other}`"))),
        }
    }
}

/// True where a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

/// A URL as messages show it.
pub(crate) fn without_credentials(url: &Url) -> String {
    let mut url = url.clone();
    // These fail only for addresses that cannot hold credentials.
    url.set_username("").ok();
    url.set_password(None).ok();
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_stand_below_the_base() {
        let irsa = ArchiveUrl::default();
        assert_eq!(irsa.to_string(), ArchiveUrl::IRSA);
        assert_eq!(irsa.tap_sync().as_str(), "https://irsa.ipac.caltech.edu/TAP/sync");
        let local: ArchiveUrl = "http://127.0.0.1:8080/archive/".parse().unwrap();
        assert_eq!(local.links().as_str(), "http://127.0.0.1:8080/archive/datalink/links/spherex");
        let path: ArchivePath = "ibe/data/spherex/qr2/level2/a b.fits".parse().unwrap();
        assert_eq!(
            local.file(&path).as_str(),
            "http://127.0.0.1:8080/archive/ibe/data/spherex/qr2/level2/a%20b.fits"
        );
    }

    #[test]
    fn only_safe_addresses_are_taken() {
        for good in ["http://localhost:1", "http://[::1]:80", "http://127.3.2.1", " https://example.org "] {
            assert!(good.parse::<ArchiveUrl>().is_ok(), "{good}");
        }
        for bad in [
            "http://example.org",
            "ftp://localhost",
            "https://x/?a=1",
            "https://x/#a",
            "x",
            "",
            "http://10.0.0.1",
        ] {
            assert!(bad.parse::<ArchiveUrl>().is_err(), "{bad}");
        }
        let secret = "https://me:secret@example.org".parse::<ArchiveUrl>().unwrap_err().to_string();
        assert!(!secret.contains("secret"), "{secret}");
    }
}
