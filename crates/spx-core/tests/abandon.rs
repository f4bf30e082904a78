//! A process that ends in the middle of its work removes what it was writing. (A test of its own,
//! for it concerns all files of the process.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::ErrorKind;

use spx_core::atomic::{AtomicFile, abandon_all};

#[test]
fn what_is_abandoned_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let create = |name: &str| {
        let file = AtomicFile::new(&folder.path().join(name), false).unwrap();
        std::fs::write(file.path(), "half").unwrap();
        file
    };
    create("whole.txt").commit().unwrap();
    let open = create("half.txt");
    drop(abandon_all());
    let names: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["whole.txt"]);
    assert_eq!(open.commit().unwrap_err().kind(), ErrorKind::NotFound);
}
