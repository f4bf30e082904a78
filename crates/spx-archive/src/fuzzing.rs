//! What reads the answers of servers, for the targets of `cargo xtask fuzz` alone.

use std::time::SystemTime;

use crate::fits_check::{FitsProblem, Walker, check_gzip};
use crate::{ArchivePath, DownloadTarget, SearchService};

/// Rows of a search, by TAP or SIA2.
pub fn search(body: &[u8], service: SearchService) -> bool {
    crate::rows::read_table(body, String::new(), service).is_ok()
}

/// What an image is linked to.
pub fn links(body: &[u8]) -> bool {
    crate::datalink::read(body, "").is_ok()
}

/// The words of an answer that is an error, and when to come again.
pub fn error(body: &[u8]) -> bool {
    crate::http::retry_after(&String::from_utf8_lossy(body), SystemTime::UNIX_EPOCH);
    let words = crate::http::server_words(body);
    assert!(!words.chars().any(char::is_control), "{words:?}");
    words.is_empty()
}

/// The names in a folder.
pub fn listing(body: &[u8]) -> bool {
    String::from_utf8(body.to_vec()).is_ok_and(|text| crate::listing::names(&text).is_ok())
}

/// A file that arrives in pieces of so many bytes, plain or as a gzip stream.
///
/// # Errors
/// What is wrong with it.
pub fn file(body: &[u8], piece: usize) -> Result<(), FitsProblem> {
    let uri: ArchivePath =
        format!("{}qr2/a.fits", ArchivePath::ROOT).parse().expect("it is a path of the archive");
    let target = DownloadTarget::file(uri);
    if body.first() == Some(&0x1f) {
        let stream = &mut flate2::read::MultiGzDecoder::new(body);
        return check_gzip(stream, &target).expect("nothing else than the stream can fail");
    }
    let mut walker = Walker::new();
    for bytes in body.chunks(piece.max(1)) {
        walker.feed(bytes)?;
    }
    walker.finish(&target)
}
