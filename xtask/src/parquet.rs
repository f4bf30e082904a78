//! `cargo xtask parquet BATCH_DIR`: do pandas, DuckDB and astropy read the data set of
//! `spx batch --format both`?

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Runs the checks on the output directory of a batch.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let [directory] = arguments else { bail!("cargo xtask parquet BATCH_DIR") };
    let mut command = Command::new(process::python("venv-parquet", "requirements-parquet.txt")?);
    process::run(command.arg(process::script("read_parquet.py")).arg(directory))
}
