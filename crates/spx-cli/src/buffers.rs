//! Pixel buffers that go from exposure to exposure: fresh memory costs more than reading does.

use std::sync::{Mutex, PoisonError};

use spx_core::mef::ReadBuffers;

/// As many as there are threads at work.
#[derive(Default)]
pub(crate) struct BufferPool(Mutex<Vec<ReadBuffers>>);

impl BufferPool {
    pub(crate) fn take(&self) -> ReadBuffers {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn give(&self, buffers: ReadBuffers) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
    }
}
