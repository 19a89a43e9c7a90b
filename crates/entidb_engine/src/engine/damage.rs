//! Failures of merging, and how long what they were about is left alone.
//!
//! Always: damage makes the segment it is in rest, and with it what would be merged together with it; everything else goes
//! on. So does a segment that the device does not give, which is what a bad sector looks like. Neither heals often, and
//! looking at it again reads all that lies before it, so each rest is twice as long.
//! Does not know: what is worth merging (`compaction`).

use std::collections::BTreeMap;

use entidb_storage::ErrorKind;

use crate::compaction::Resting;
use crate::error::Error;
use crate::format::{FileKind, FileNumber};
use crate::version::Version;

/// How long a segment rests after damage was met in it the first time, and at most.
const REST_NANOS_MIN: u64 = 200_000_000;
const REST_NANOS_MAX: u64 = 60_000_000_000;

/// What stands in the way of merging now.
#[derive(Default)]
pub(crate) struct Failures {
    /// Segments that are damaged, or cannot be read.
    segments: BTreeMap<FileNumber, Failure>,
    /// The last failure that was about no segment in particular, when no merge has ended well since.
    other: Option<Failure>,
}

struct Failure {
    error: Error,
    zone: Option<u8>,
    /// Nothing when it is worth trying again at once.
    rest_nanos: u64,
    until_nanos: u64,
}

/// The file that is the cause of a failure. What the process or the system is short of says nothing about a file.
fn file_of(error: &Error) -> Option<&str> {
    match error {
        Error::Corrupt { file, .. } => Some(file),
        Error::Storage(inner) => match inner.kind {
            ErrorKind::NoSpace
            | ErrorKind::TooManyOpenFiles
            | ErrorKind::Interrupted
            | ErrorKind::Closed
            | ErrorKind::Forked => None,
            _ => Some(&inner.path),
        },
        _ => None,
    }
}

impl Failure {
    fn after(before: Option<&Self>, error: &Error, zone: Option<u8>, rests: bool, now_nanos: u64) -> Self {
        let before = before.map_or(0, |failure| failure.rest_nanos);
        let rest_nanos = if rests { before.saturating_mul(2).clamp(REST_NANOS_MIN, REST_NANOS_MAX) } else { 0 };
        Self { error: error.clone(), zone, rest_nanos, until_nanos: now_nanos.saturating_add(rest_nanos) }
    }

    fn is_resting(&self, now_nanos: u64) -> bool {
        now_nanos < self.until_nanos
    }
}

impl Failures {
    /// The segments to leave alone now; nothing when no merging is to be tried at all.
    pub(crate) fn resting(&self, now_nanos: u64) -> Option<Resting> {
        if self.other.as_ref().is_some_and(|failure| failure.is_resting(now_nanos)) {
            return None;
        }
        let resting = self.segments.iter().filter(|(_, failure)| failure.is_resting(now_nanos));
        Some(resting.map(|(number, _)| *number).collect())
    }

    /// Remembers why a merge failed that left `resting` alone.
    pub(crate) fn note(&mut self, error: &Error, version: &Version, resting: &Resting, now_nanos: u64) {
        let damaged = file_of(error)
            .and_then(|file| version.segments().find(|segment| FileKind::Segment.path(segment.meta().number) == file));
        // One that rests already and was read all the same would be read again at once: then all merging rests.
        match damaged.map(|segment| segment.meta()).filter(|meta| !resting.contains(&meta.number)) {
            Some(meta) => {
                let before = self.segments.get(&meta.number);
                let failure = Failure::after(before, error, meta.smallest.first().copied(), true, now_nanos);
                self.segments.insert(meta.number, failure);
            }
            None => {
                let rests = matches!(error, Error::Corrupt { .. });
                self.other = Some(Failure::after(self.other.as_ref(), error, None, rests, now_nanos));
            }
        }
    }

    /// A merge ended well, with this version.
    pub(crate) fn merged(&mut self, version: &Version) {
        self.other = None;
        self.segments.retain(|number, _| version.segment(*number).is_some());
    }

    /// The damage because of which a zone is not merged now.
    pub(crate) fn damage_in(&self, zone: u8, now_nanos: u64) -> Option<&Error> {
        let segments = self.segments.values().filter(|failure| failure.zone == Some(zone));
        let resting = segments.chain(&self.other).find(|failure| failure.is_resting(now_nanos));
        resting.map(|failure| &failure.error)
    }

    /// True for a failure that is about one segment, which rests now or did.
    pub(crate) fn is_of_segment(&self, error: &Error) -> bool {
        let is_of = |file: &str| self.segments.keys().any(|number| FileKind::Segment.path(*number) == file);
        file_of(error).is_some_and(is_of)
    }

    /// The failure to tell of: one of a segment before any other, because it stays.
    pub(crate) fn newest(&self) -> Option<&Error> {
        let segment = self.segments.values().max_by_key(|failure| failure.until_nanos);
        segment.or(self.other.as_ref()).map(|failure| &failure.error)
    }
}
