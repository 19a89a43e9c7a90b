//! Why a command of this program did not succeed, as a sentence for the person at the terminal.
//!
//! Always: the sentence names the file, tool or rule concerned.
//! Does not know: codes. Nothing but people and exit statuses consume these failures.

use std::fmt;

/// A sentence that says what went wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(String);

/// What every command and check returns.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Makes a failure from its sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Turns a lower error into a failure that says what was being done.
pub(crate) trait During<T> {
    /// Adds `what` in front of the lower error's own words.
    fn during(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> During<T> for std::result::Result<T, E> {
    fn during(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}
