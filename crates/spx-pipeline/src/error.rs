//! How a pipeline fails: four ways, which front ends turn into exit codes or exceptions, each with
//! its reason.

use std::error::Error;
use std::fmt;
use std::path::Path;

use spx_drizzle::file::{CubeFileError, CubeFileProblem};

/// Any error, or a text in its place.
pub type BoxedError = Box<dyn Error + Send + Sync>;

/// The end of a pipeline that did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The settings are wrong, or do not go together with what is on the disk; nothing was done.
    #[error(transparent)]
    Usage(PipelineProblem),
    /// There is nothing to work on, or no input contributes.
    #[error(transparent)]
    NothingFound(PipelineProblem),
    /// The listener asked to stop. Nothing incomplete stands under a final name, and a run that
    /// resumes goes on from here.
    #[error("interrupted")]
    Interrupted,
    /// The work could not be finished.
    #[error(transparent)]
    Failed(PipelineProblem),
}

/// What is wrong, in which context, and what the user may do about it.
#[derive(Debug)]
pub struct PipelineProblem {
    context: Option<String>,
    cause: BoxedError,
    hint: Option<String>,
}

impl PipelineProblem {
    fn new(cause: impl Into<BoxedError>) -> Self {
        Self { context: None, cause: cause.into(), hint: None }
    }

    /// Whether it is, below all contexts, an error of this type.
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.cause.is::<E>() || self.cause.downcast_ref::<Self>().is_some_and(Self::is::<E>)
    }

    /// A way out of the problem, where there is one.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for PipelineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.context {
            Some(context) => f.write_str(context),
            None => self.cause.fmt(f),
        }
    }
}

impl Error for PipelineProblem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.context {
            Some(_) => Some(&*self.cause),
            None => self.cause.source(),
        }
    }
}

impl PipelineError {
    /// The settings are wrong.
    pub fn usage(cause: impl Into<BoxedError>) -> Self {
        Self::Usage(PipelineProblem::new(cause))
    }

    /// There is nothing to work on.
    pub fn nothing_found(cause: impl Into<BoxedError>) -> Self {
        Self::NothingFound(PipelineProblem::new(cause))
    }

    /// The work could not be finished.
    pub fn failed(cause: impl Into<BoxedError>) -> Self {
        Self::Failed(PipelineProblem::new(cause))
    }

    /// The refusal to replace a file.
    pub fn exists(path: &Path) -> Self {
        Self::usage(format!("{} exists", path.display())).with_hint("--overwrite replaces it")
    }

    /// Adds a way out, in place of one that is there.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        self.map(|problem| PipelineProblem { hint, ..problem })
    }

    /// Puts a text before the problem, such as the name of a file.
    #[must_use]
    pub fn with_context(self, context: impl Into<String>) -> Self {
        let context = Some(context.into());
        self.map(|mut problem| {
            let hint = problem.hint.take();
            PipelineProblem { context, cause: Box::new(problem), hint }
        })
    }

    /// The same problem as one of the settings: for steps whose failure means that the user named
    /// the wrong thing.
    #[must_use]
    pub fn into_usage(self) -> Self {
        match self {
            Self::NothingFound(problem) | Self::Failed(problem) => Self::Usage(problem),
            other => other,
        }
    }

    /// The problem; `None` for an interruption.
    pub fn problem(&self) -> Option<&PipelineProblem> {
        match self {
            Self::Usage(problem) | Self::NothingFound(problem) | Self::Failed(problem) => Some(problem),
            Self::Interrupted => None,
        }
    }

    /// The error, its causes and its hint on one line, without repeating a cause that the text
    /// before it contains.
    pub fn one_line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if !text.contains(&message) {
                text = format!("{text}: {message}");
            }
            cause = error.source();
        }
        match self.problem().and_then(PipelineProblem::hint) {
            Some(hint) => format!("{text}; {hint}"),
            None => text,
        }
    }

    fn map(self, change: impl FnOnce(PipelineProblem) -> PipelineProblem) -> Self {
        match self {
            Self::Usage(problem) => Self::Usage(change(problem)),
            Self::NothingFound(problem) => Self::NothingFound(change(problem)),
            Self::Interrupted => Self::Interrupted,
            Self::Failed(problem) => Self::Failed(change(problem)),
        }
    }
}

/// Where nothing else is said, an error of a library means that the work could not be finished.
macro_rules! failed {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for PipelineError {
            fn from(error: $error) -> Self {
                Self::failed(error)
            }
        })+
    };
}

failed!(
    std::io::Error,
    serde_json::Error,
    toml::de::Error,
    toml::ser::Error,
    csv::Error,
    spx_votable::VoTableError,
    spx_core::fits::FitsError,
    spx_core::mef::MefError,
    spx_core::header::HeaderError,
    spx_wcs::WcsError,
);

impl From<spx_archive::ArchiveError> for PipelineError {
    fn from(error: spx_archive::ArchiveError) -> Self {
        match error {
            spx_archive::ArchiveError::Cancelled => Self::Interrupted,
            other => Self::failed(other),
        }
    }
}

impl From<spx_drizzle::DrizzleError> for PipelineError {
    fn from(error: spx_drizzle::DrizzleError) -> Self {
        match error {
            spx_drizzle::DrizzleError::Cancelled => Self::Interrupted,
            other => Self::failed(other),
        }
    }
}

impl From<CubeFileError> for PipelineError {
    fn from(error: CubeFileError) -> Self {
        match error.problem {
            CubeFileProblem::Cancelled => Self::Interrupted,
            CubeFileProblem::Exists => Self::exists(&error.path),
            // Settings other than those of running sums are the user's to set right.
            CubeFileProblem::Differs { .. } => Self::usage(error),
            _ => Self::failed(error),
        }
    }
}

impl From<spx_batch::BatchError> for PipelineError {
    fn from(error: spx_batch::BatchError) -> Self {
        match error {
            spx_batch::BatchError::Cancelled => Self::Interrupted,
            other => Self::failed(other),
        }
    }
}

/// Context for results of any error.
pub trait ResultContext<T> {
    /// Turns the error into a [`PipelineError::Failed`], or leaves the kind of one that is a
    /// [`PipelineError`], with a text before it.
    ///
    /// # Errors
    /// The same as before, with its context.
    fn context(self, context: impl Into<String>) -> Result<T, PipelineError>;

    /// As [`context`](Self::context), with a text that is made only where it is needed.
    ///
    /// # Errors
    /// The same as before, with its context.
    fn with_context<S: Into<String>>(self, context: impl FnOnce() -> S) -> Result<T, PipelineError>;
}

impl<T, E: Into<PipelineError>> ResultContext<T> for Result<T, E> {
    fn context(self, context: impl Into<String>) -> Result<T, PipelineError> {
        self.map_err(|error| error.into().with_context(context))
    }

    fn with_context<S: Into<String>>(self, context: impl FnOnce() -> S) -> Result<T, PipelineError> {
        self.map_err(|error| error.into().with_context(context()))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn causes_stand_on_one_line_and_are_not_repeated() {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = Err::<(), _>(missing()).context("HDU 1").context("a.fits").unwrap_err();
        assert_eq!(error.one_line(), "a.fits: HDU 1: no such file");
        assert!(matches!(error, PipelineError::Failed(_)));
        let problem = error.problem().unwrap();
        assert!(problem.is::<io::Error>() && !problem.is::<fmt::Error>());
        let told = PipelineError::failed(missing()).with_context("a.fits: no such file");
        assert_eq!(told.one_line(), "a.fits: no such file");
    }

    #[test]
    fn context_keeps_the_kind_and_the_hint() {
        let error = PipelineError::exists(Path::new("a.fits")).with_context("cube");
        assert!(matches!(error, PipelineError::Usage(_)));
        assert_eq!(error.one_line(), "cube: a.fits exists; --overwrite replaces it");
        assert_eq!(error.problem().unwrap().hint(), Some("--overwrite replaces it"));
        let interrupted = PipelineError::Interrupted.with_context("cube").into_usage();
        assert!(matches!(interrupted, PipelineError::Interrupted));
        assert_eq!(interrupted.one_line(), "interrupted");
    }
}
