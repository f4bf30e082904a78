//! `cargo xtask processors [SPX]`: does a program write the same bytes on an old processor?
//!
//! Runs the commands of `xtask/bytes/commands.txt` natively, and by `qemu-x86_64` (Debian:
//! qemu-user) as a Nehalem of 2008, which has neither AVX nor fused multiply-adds.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{bytes, process};

const EMULATOR: &str = "qemu-x86_64";
const PROCESSOR: &str = "Nehalem";

/// Compares the program on this processor with the same program on the emulated one.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let program = match arguments {
        [] => process::build_spx("release")?,
        [program] => PathBuf::from(program),
        _ => bail!("processors [SPX]: at most one program"),
    };
    let program = program.canonicalize().with_context(|| program.display().to_string())?;
    process::output(Command::new(EMULATOR).args(["-cpu", PROCESSOR]).arg(&program).arg("--version"))
        .context("qemu-x86_64 runs spx (Debian: apt install qemu-user)")?;
    let folder = process::cache()?;
    fs::create_dir_all(&folder)?;
    let emulated = folder.join(format!("spx-on-{PROCESSOR}"));
    fs::write(
        &emulated,
        format!("#!/bin/sh\nexec {EMULATOR} -cpu {PROCESSOR} '{}' \"$@\"\n", program.display()),
    )?;
    fs::set_permissions(&emulated, fs::Permissions::from_mode(0o755))?;
    bytes::compare(&program, &emulated)
}
