//! A FITS file, of which everything is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spx_core::fits::FitsReader;

mod memory;
#[path = "../../crates/spx-core/tests/common/mod.rs"]
mod common;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut file) = FitsReader::from_bytes(bytes.to_vec()) {
        common::read_everything(&mut file).ok();
    }
});
