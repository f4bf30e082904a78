//! Memory: what there is, and the refusal of what would not fit.

use crate::PipelineError;

const GIB: f64 = 1_073_741_824.0;

/// Refuses what would not fit before anything is allocated; `needed` is in bytes, `max_memory` in
/// GiB.
///
/// # Errors
/// Usage.
pub(super) fn check_memory(needed: u64, max_memory: Option<f64>) -> Result<(), PipelineError> {
    let allowed = allowed_memory(max_memory);
    if needed as f64 <= allowed {
        return Ok(());
    }
    let limit = if max_memory.is_some() { "max_memory allows" } else { "is available" };
    Err(PipelineError::usage(MemoryRefusal { needed: needed as f64 / GIB, allowed: allowed / GIB, limit }))
}

/// A cube needs more memory than there is.
#[derive(Debug, thiserror::Error)]
#[error(
    "a cube of this size needs about {needed:.1} GiB of memory, and {allowed:.1} GiB {limit}: make the region smaller \
     or the sampling coarser"
)]
pub struct MemoryRefusal {
    needed: f64,
    allowed: f64,
    limit: &'static str,
}

/// What may be used [bytes].
pub(super) fn allowed_memory(max_memory: Option<f64>) -> f64 {
    max_memory.map_or_else(|| 0.9 * available_memory() as f64, |gib| gib * GIB)
}

/// Memory that the system, and the control groups that we run in, can still give [bytes].
fn available_memory() -> u64 {
    spx_core::memory::available_memory().unwrap_or_else(|| {
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        system.available_memory()
    })
}
