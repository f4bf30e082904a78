//! What servers answer; the first byte says which service it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spx_archive::{SearchService, fuzzing};

mod memory;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else { return };
    match kind % 8 {
        0 => drop(fuzzing::search(body, SearchService::TapSync)),
        1 => drop(fuzzing::search(body, SearchService::Sia)),
        2 => drop(fuzzing::links(body)),
        3 => drop(fuzzing::error(body)),
        4 => drop(fuzzing::listing(body)),
        5 => {
            // In pieces or in one, it is a file or none.
            let pieces = fuzzing::file(body, usize::from(*kind)).is_ok();
            assert_eq!(pieces, fuzzing::file(body, usize::MAX).is_ok());
        }
        6 => drop(spx_votable::error_message(body)),
        // What clients ask of the local archive.
        _ => drop(std::str::from_utf8(body).map(spx_serve::query)),
    }
});
