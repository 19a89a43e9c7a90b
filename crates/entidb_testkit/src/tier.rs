//! How much a test layer does: quick in every run, full before a landing, release for hours.
//!
//! Always: the tier comes from `ENTIDB_TIER`, and a word that is not one stops the run.
//! Does not know: what the layers do with it.

/// How thorough a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Seconds: in CI and before every change.
    Quick,
    /// Minutes: before a landing.
    Full,
    /// Hours: before a release.
    Release,
}

impl Tier {
    /// The tier the environment asks for; quick when it says nothing.
    ///
    /// # Panics
    /// When `ENTIDB_TIER` is a word that is no tier: a run must not be quick by a slip of the pen.
    #[must_use]
    #[expect(clippy::panic, reason = "a test run that was asked for something unknown must not pass")]
    pub fn from_environment() -> Self {
        match std::env::var("ENTIDB_TIER").as_deref() {
            Err(_) | Ok("" | "quick") => Self::Quick,
            Ok("full") => Self::Full,
            Ok("release") => Self::Release,
            Ok(other) => panic!("ENTIDB_TIER is {other:?}; use quick, full or release"),
        }
    }

    /// One of three numbers.
    #[must_use]
    pub const fn pick(self, quick: u64, full: u64, release: u64) -> u64 {
        match self {
            Self::Quick => quick,
            Self::Full => full,
            Self::Release => release,
        }
    }
}
