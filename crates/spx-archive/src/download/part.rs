//! A file that is still growing, and the note beside it that says what it is part of.
//!
//! The note is written before the first byte and removed after the rename, so that at every moment
//! what is on disk is either nothing, a note without a file, or a note with a beginning of what it
//! names.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ureq::http::header;

use crate::error::ArchiveError;
use crate::http::Reply;

/// The names of a growing file: `.NAME.part`, `.NAME.part.toml`, and `.NAME.part.copy` for what is
/// made of bytes that are there already, by decompression or by copying. They are always the same,
/// so that a later run finds what a killed one has left.
#[derive(Debug)]
pub(super) struct Part {
    target: PathBuf,
    data: PathBuf,
    note: PathBuf,
    copy: PathBuf,
}

/// What a growing file is part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    pub(super) url: String,
    /// Strong ETag of the file, by which the server tells whether it is still the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_modified: Option<String>,
    /// Bytes in all, where they were announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) length: Option<u64>,
    /// The last line: without it the note itself was cut off.
    whole: bool,
}

impl Note {
    pub(super) fn new(url: &str, reply: &Reply<'_>) -> Self {
        let text = |name| reply.header(name).map(str::to_owned);
        Self {
            url: url.to_owned(),
            etag: text(header::ETAG).filter(|etag| !etag.starts_with("W/")),
            last_modified: text(header::LAST_MODIFIED),
            length: reply.content_length(),
            whole: true,
        }
    }

    /// What `If-Range` may hold (RFC 9110, section 13.1.5).
    pub(super) fn validator(&self) -> Option<&str> {
        self.etag.as_deref().or(self.last_modified.as_deref())
    }
}

impl Part {
    /// The names beside a file.
    pub(super) fn of(target: &Path) -> Self {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        Self {
            target: target.to_owned(),
            data: target.with_file_name(format!(".{name}.part")),
            note: target.with_file_name(format!(".{name}.part.toml")),
            copy: target.with_file_name(format!(".{name}.part.copy")),
        }
    }

    /// Where the bytes are.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// Where a copy of them grows.
    pub(super) fn copy(&self) -> &Path {
        &self.copy
    }

    /// Bytes that are there; 0 where there is nothing, or a link, which is never followed.
    pub(super) fn length(&self) -> u64 {
        self.data.symlink_metadata().ok().filter(fs::Metadata::is_file).map_or(0, |m| m.len())
    }

    /// The note and the bytes that are there, if they belong to `url` and can be of use.
    pub(super) fn usable(&self, url: &str) -> Option<(Note, u64)> {
        if !self.note.symlink_metadata().ok()?.is_file() {
            return None;
        }
        let note: Note = toml::from_str(&fs::read_to_string(&self.note).ok()?).ok()?;
        let length = self.length();
        let fits = length > 0 && note.length.is_some_and(|whole| length <= whole);
        (note.whole && note.url == url && fits).then_some((note, length))
    }

    /// Begins anew. The order matters: no byte may ever stand beside a note of something else.
    pub(super) fn begin(&self, note: &Note) -> Result<File, ArchiveError> {
        self.discard();
        let text = toml::to_string(note).map_err(io::Error::other).map_err(ArchiveError::io(&self.note))?;
        create(&self.note)?.write_all(text.as_bytes()).map_err(ArchiveError::io(&self.note))?;
        create(&self.data)
    }

    /// Opens what is there, to read it and to append to it.
    pub(super) fn reopen(&self) -> Result<File, ArchiveError> {
        let file = OpenOptions::new().read(true).append(true).open(&self.data);
        file.map_err(ArchiveError::io(&self.data))
    }

    /// Gives the file its name.
    pub(super) fn commit(&self, file: &File) -> Result<(), ArchiveError> {
        file.sync_all().map_err(ArchiveError::io(&self.data))?;
        fs::rename(&self.data, &self.target).map_err(ArchiveError::io(&self.target))?;
        self.discard();
        Ok(())
    }

    /// Begins a copy.
    pub(super) fn begin_copy(&self) -> Result<File, ArchiveError> {
        remove(&self.copy);
        create(&self.copy)
    }

    /// Gives the copy the file's name; what it was made of is of no more use.
    pub(super) fn commit_copy(&self, file: &File) -> Result<(), ArchiveError> {
        file.sync_all().map_err(ArchiveError::io(&self.copy))?;
        fs::rename(&self.copy, &self.target).map_err(ArchiveError::io(&self.target))?;
        self.discard();
        Ok(())
    }

    /// Removes what is there; the bytes first.
    pub(super) fn discard(&self) {
        [&self.data, &self.note, &self.copy].into_iter().for_each(|path| remove(path));
    }
}

/// Makes a file where there is nothing, not even a link: what a link points to would be
/// overwritten.
fn create(path: &Path) -> Result<File, ArchiveError> {
    // Read as well, for a gzip stream is decompressed from it.
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
    file.map_err(ArchiveError::io(path))
}

fn remove(path: &Path) {
    if let Err(e) = fs::remove_file(path)
        && e.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("{}: {e}", path.display());
    }
}
