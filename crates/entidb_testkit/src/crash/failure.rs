//! A failed crash test: what was promised, what was found, and the line that replays it.
//!
//! Always: the place of a failure can be printed and read back without loss.
//! Does not know: how to run it.

use std::fmt;
use std::str::FromStr;

use entidb_storage::simulated::{Call, Personality};

/// One crash on the way to a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Before which call the power failed.
    pub call: u64,
    /// Which damage it left.
    pub variant: u32,
}

/// Where a failure is: the arguments that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file system.
    pub personality: Personality,
    /// The seed of the workload.
    pub seed: u64,
    /// Which of the seed's operations are run.
    pub kept: Vec<usize>,
    /// The crashes, one inside the recovery of the one before. None: the run without a crash failed.
    pub steps: Vec<Step>,
}

impl Place {
    /// The place the environment asks for.
    #[expect(clippy::panic, reason = "a place that cannot be read must not pass as a run without one")]
    pub(super) fn from_environment() -> Option<Self> {
        let text = std::env::var("ENTIDB_CRASH").ok()?;
        match text.parse() {
            Ok(place) => Some(place),
            Err(UnreadablePlace) => panic!("ENTIDB_CRASH is {text:?}; use the line a failure printed"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept: Vec<String> = self.kept.iter().map(ToString::to_string).collect();
        let steps: Vec<String> = self.steps.iter().map(|step| format!("{}.{}", step.call, step.variant)).collect();
        write!(f, "{} seed={} ops={} at={}", self.personality, self.seed, kept.join(","), steps.join("/"))
    }
}

/// The text is not a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadablePlace;

impl FromStr for Place {
    type Err = UnreadablePlace;

    fn from_str(text: &str) -> Result<Self, UnreadablePlace> {
        let mut words = text.split_whitespace();
        let personality = words.next().and_then(|word| word.parse().ok()).ok_or(UnreadablePlace)?;
        let mut value = |key: &str| {
            words
                .next()
                .and_then(|word| word.strip_prefix(key))
                .and_then(|word| word.strip_prefix('='))
                .ok_or(UnreadablePlace)
        };
        let seed = value("seed")?.parse().map_err(|_| UnreadablePlace)?;
        let kept = value("ops")?.split(',').filter(|word| !word.is_empty());
        let kept: Result<Vec<usize>, _> = kept.map(str::parse).collect();
        let steps = value("at")?.split('/').filter(|word| !word.is_empty());
        let steps: Option<Vec<Step>> = steps
            .map(|word| {
                let (call, variant) = word.split_once('.')?;
                Some(Step { call: call.parse().ok()?, variant: variant.parse().ok()? })
            })
            .collect();
        Ok(Self { personality, seed, kept: kept.map_err(|_| UnreadablePlace)?, steps: steps.ok_or(UnreadablePlace)? })
    }
}

/// What a harness found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The test.
    pub name: String,
    /// Where.
    pub place: Place,
    /// Which promise does not hold.
    pub claim: &'static str,
    /// What was expected and found.
    pub detail: String,
    /// The operations of the workload, as text.
    pub operations: Vec<String>,
    /// The last calls before the failure showed.
    pub calls: Vec<Call>,
}

impl Failure {
    /// The line that runs this failure and nothing else.
    #[must_use]
    pub fn command(&self) -> String {
        replay_command("ENTIDB_CRASH", &self.place.to_string(), &self.name)
    }
}

/// The start of a long text: a state of many values would bury the report.
pub(crate) fn clip(text: &str) -> String {
    const CHARS_MAX: usize = 1200;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}

/// A shell line that runs one test with one variable set.
pub(crate) fn replay_command(variable: &str, value: &str, test: &str) -> String {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_else(|_| "entidb_testkit".to_owned());
    let target = std::env::current_exe().ok().and_then(|path| {
        let stem = path.file_stem()?.to_str()?.to_owned();
        stem.rsplit_once('-').map(|(name, _)| name.to_owned())
    });
    let target = target.map_or(String::new(), |name| format!(" --test {name}"));
    format!("{variable}='{value}' cargo test -p {package}{target} -- --exact {test}")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.claim)?;
        writeln!(f, "  {}", self.detail)?;
        writeln!(f, "  operations:")?;
        for (index, operation) in self.place.kept.iter().zip(&self.operations) {
            writeln!(f, "    {index}: {}", clip(operation))?;
        }
        writeln!(f, "  last calls:")?;
        for call in &self.calls {
            writeln!(f, "    {call}")?;
        }
        write!(f, "  replay: {}", self.command())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_as_it_was_printed() {
        for text in ["posix-strict seed=7 ops=0,3 at=17.3/4.9", "ntfs seed=0 ops= at="] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
        }
        assert_eq!("tape seed=1 ops= at=".parse::<Place>(), Err(UnreadablePlace));
        assert_eq!("xfs seed=1 ops=0 at=1".parse::<Place>(), Err(UnreadablePlace));
    }
}
