//! How an input of a pipeline ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Every input ends in one of these ways; none is passed over in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputOutcome {
    /// It contributed to the result.
    Used,
    /// It is whole, but does not contribute.
    Rejected,
    /// It could not be read, or is not as it should be.
    Failed,
}

impl InputOutcome {
    /// `used`, `rejected` or `failed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for InputOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
