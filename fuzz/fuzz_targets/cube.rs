//! A cube, a mosaic or running sums, of which everything is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spx_drizzle::file::{CubeFile, SumsFile};

mod memory;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("spx-fuzz-cube-{}.fits", std::process::id()));
    std::fs::write(&path, bytes).expect("the file is written");
    if let Ok(sums) = SumsFile::open(&path) {
        sums.entries();
        sums.check_settings(sums.settings()).ok();
    }
    if let Ok(mut cube) = CubeFile::open(&path) {
        cube.load().ok();
    }
});
