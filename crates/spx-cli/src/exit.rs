//! How a command ends: exit codes, and errors that know theirs.

use std::fmt;
use std::process::ExitCode;

use spx_pipeline::{PipelineError, PipelineProblem};

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: all that was asked for is done.
    Done,
    /// 1: some items failed, or the work could not be finished.
    Failed,
    /// 2: the command line or the configuration is wrong.
    Usage,
    /// 3: nothing to work on was found.
    NothingFound,
    /// 4: some of the work is not done yet.
    Incomplete,
    /// 5: some of the work needs more memory than there is.
    Refused,
    /// 75: another process is at work, or something else passes: try again later.
    TryAgain,
    /// 130: interrupted by Ctrl-C, as shells have it.
    Interrupted,
}

impl Outcome {
    /// Those of all commands, and those of `spx survey` alone.
    #[cfg(test)]
    pub(crate) const ALL: [&[Self]; 2] = [
        &[Self::Done, Self::Failed, Self::Usage, Self::NothingFound, Self::Interrupted],
        &[Self::Incomplete, Self::Refused, Self::TryAgain],
    ];

    /// Its number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NothingFound => 3,
            Self::Incomplete => 4,
            Self::Refused => 5,
            Self::TryAgain => 75,
            Self::Interrupted => 130,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

/// An error together with the way in which it ends the command.
#[derive(Debug)]
pub(crate) struct Failure {
    outcome: Outcome,
    error: anyhow::Error,
}

impl Failure {
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { outcome: Outcome::Usage, error: error.into() }
    }

    pub(crate) fn nothing_found(error: impl Into<anyhow::Error>) -> Self {
        Self { outcome: Outcome::NothingFound, error: error.into() }
    }

    pub(crate) fn interrupted() -> Self {
        Self { outcome: Outcome::Interrupted, error: anyhow::anyhow!("interrupted") }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }
}

/// Any other error: the work could not be finished, unless a pipeline knows better.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let outcome = match error.downcast_ref() {
            Some(PipelineError::Usage(_)) => Outcome::Usage,
            Some(PipelineError::NothingFound(_)) => Outcome::NothingFound,
            Some(PipelineError::Interrupted) => Outcome::Interrupted,
            Some(PipelineError::Failed(_)) | None => Outcome::Failed,
        };
        Self { outcome, error }
    }
}

impl fmt::Display for Failure {
    /// The error and its causes on one line, without repeating a cause that the text before it
    /// contains; then, of a pipeline's error, the way out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for cause in self.error.chain() {
            let cause = cause.to_string();
            if text.is_empty() {
                text = cause;
            } else if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        f.write_str(&text)?;
        match self.error.downcast_ref().and_then(PipelineError::problem).and_then(PipelineProblem::hint) {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// What a command returns.
pub(crate) type CommandResult = Result<Outcome, Failure>;
