//! Lists of inputs: `@FILE` names a file with one path a line, `-` the standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, stdin};
use std::path::{Path, PathBuf};

use spx_core::attended::AttendedReader;
use spx_core::progress::Progress;

use super::InputError;

/// The inputs with those that lists name in the place of the lists, and the lists that cannot be
/// read.
pub(super) fn expand_lists(inputs: &[PathBuf], progress: &dyn Progress) -> (Vec<PathBuf>, Vec<InputError>) {
    let (mut paths, mut failed) = (Vec::new(), Vec::new());
    for input in inputs {
        match read_list(input, progress) {
            None => paths.push(input.clone()),
            Some(Ok(listed)) => paths.extend(listed),
            Some(Err(error)) => failed.push(error),
        }
    }
    (paths, failed)
}

/// What a list names, in its order; `None` where the input is no list, which a file is whose own
/// name begins with `@`.
///
/// Each line holds a path, from the working directory on, up to a tab or the end of the line. Empty
/// lines and lines that begin with `#` do not count.
pub(crate) fn read_list(input: &Path, progress: &dyn Progress) -> Option<Result<Vec<PathBuf>, InputError>> {
    if input == Path::new("-") {
        return Some(read_lines(input, || Ok(stdin()), progress));
    }
    let file = Path::new(input.to_str()?.strip_prefix('@')?);
    if input.exists() {
        return None;
    }
    let owned = file.to_owned();
    Some(read_lines(file, move || File::open(owned), progress))
}

fn read_lines<R: Read>(
    name: &Path,
    open: impl FnOnce() -> io::Result<R> + Send + 'static,
    progress: &dyn Progress,
) -> Result<Vec<PathBuf>, InputError> {
    let mut paths = Vec::new();
    tracing::info!("reading the list {}", name.display());
    let text = AttendedReader::new(open, progress).map_err(|error| InputError::new(name, error))?;
    for line in BufReader::new(text).lines() {
        let line = line.map_err(|error| InputError::new(name, error))?;
        let path = line.split('\t').next().unwrap_or_default().trim_end_matches('\r');
        if !path.is_empty() && !line.starts_with('#') {
            paths.push(path.into());
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use spx_core::progress::Silent;

    use super::*;

    #[test]
    fn lists_stand_for_the_paths_that_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("week 3.list");
        std::fs::write(&list, "# week 3\na b.fits\t70000000\n\nc.fits\r\n").unwrap();
        let at = |path: &Path| PathBuf::from(format!("@{}", path.display()));
        let (paths, failed) = expand_lists(&["first.fits".into(), at(&list), "last.fits".into()], &Silent);
        assert_eq!(paths, ["first.fits", "a b.fits", "c.fits", "last.fits"].map(PathBuf::from));
        assert!(failed.is_empty());
        let (paths, failed) = expand_lists(&[at(&folder.path().join("gone.list"))], &Silent);
        assert!(paths.is_empty());
        assert!(failed[0].to_string().contains("gone.list: No such file"), "{}", failed[0]);
    }
}
