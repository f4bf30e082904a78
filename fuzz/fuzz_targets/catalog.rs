//! A catalog: CSV, enhanced CSV, VOTable or Parquet, told by its first bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spx_batch::{Catalog, CatalogOptions};
use spx_core::progress::Silent;

mod memory;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("spx-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("the file is written");
    Catalog::read(&path, &CatalogOptions::default(), &Silent).ok();
});
