//! Which service a request is for.

/// Which service a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// A synchronous query.
    TapSync,
    /// An asynchronous job: creation, phases, results.
    TapAsync,
    /// Descriptions of the services: capabilities, availability, tables.
    Vosi,
    /// A query of SIA2.
    Sia,
    /// Links of an image.
    DataLink,
    /// A whole file or a range of it, from `/ibe/data` or `/cloud`.
    File,
    /// A cutout.
    Cutout,
    /// Anything else.
    Other,
}

impl RequestKind {
    /// By the path and whether the query asks for a cutout.
    pub(crate) fn of(path: &str, query: &str) -> Self {
        let vosi = ["/capabilities", "/availability", "/tables"];
        if vosi.iter().any(|end| path.ends_with(end)) {
            return Self::Vosi;
        }
        if path.starts_with("/ibe/data/") || path.starts_with("/cloud/") {
            let cutout =
                query.split('&').any(|pair| pair.starts_with("center=") || pair.starts_with("size="));
            return if cutout { Self::Cutout } else { Self::File };
        }
        match path.split('/').nth(1) {
            Some("TAP") if path.starts_with("/TAP/async") => Self::TapAsync,
            Some("TAP") => Self::TapSync,
            Some("SIA") => Self::Sia,
            Some("datalink") => Self::DataLink,
            _ => Self::Other,
        }
    }
}
