//! Long work asks now and then whether it shall go on.

use std::fmt;

use spx_core::progress::Progress;

use crate::DrizzleError;

/// Somebody who may ask to stop, or nobody.
#[derive(Clone, Copy, Default)]
pub(crate) struct Interruption<'a>(pub(crate) Option<&'a dyn Progress>);

impl Interruption<'_> {
    /// [`DrizzleError::Cancelled`] once somebody has asked.
    pub(crate) fn check(self) -> Result<(), DrizzleError> {
        match self.0 {
            Some(progress) if progress.cancelled() => Err(DrizzleError::Cancelled),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Interruption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interruption").field(&self.0.is_some()).finish()
    }
}
