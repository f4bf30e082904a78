//! A VOTable, as archives send them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spx_votable::{VoTableLimits, VoTableReader};

mod memory;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = VoTableReader::new(bytes, VoTableLimits::default()) else { return };
    while let Ok(Some(_)) = reader.next_row() {}
});
