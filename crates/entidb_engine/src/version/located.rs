//! Several keys that are read together: the segments that may hold them are looked for once.
//!
//! Always: of each key, what is asked and what that answers is the same as when it is read alone. What the reads look at is
//! fetched in stages: of all keys what comes first, then of all what that leads to, and so on. The waits of a stage overlap,
//! which those of single reads, one after the other, cannot. What is not in memory is left to the reads.
//! Does not know: memtables, or what the versions found come to (`iterator`).

use super::Version;
use crate::error::Result;
use crate::iterator::PointRead;
use crate::segment::{Likely, Segment};

/// Keys that are fetched together.
pub(crate) const KEYS_AT_ONCE: usize = 32;

/// A segment that may hold a key, and where in it.
type Place<'a> = Option<(&'a Segment, Likely)>;

/// Where some keys may be.
pub(crate) struct Located<'a> {
    /// Of each run that may hold any of them, newest first.
    runs: Vec<[Place<'a>; KEYS_AT_ONCE]>,
}

impl Version {
    /// Finds out where these keys may be, and fetches that. The keys are at most [`KEYS_AT_ONCE`].
    pub(crate) fn locate(&self, keys: &[&[u8]], hashes: &[u64; KEYS_AT_ONCE]) -> Located<'_> {
        let mut runs = Vec::new();
        for run in self.runs() {
            let mut places: [Place<'_>; KEYS_AT_ONCE] = [None; KEYS_AT_ONCE];
            let (mut near, mut is_there) = (0, false);
            for ((key, hash), place) in keys.iter().zip(hashes).zip(&mut places) {
                if let Some(segment) = run.holding_near(key, &mut near) {
                    segment.fetch_line(*hash);
                    *place = Some((segment, Likely::Unknown));
                    is_there = true;
                }
            }
            if is_there {
                runs.push(places);
            }
        }
        for places in &mut runs {
            for ((key, hash), place) in keys.iter().zip(hashes).zip(&mut *places) {
                if let Some((segment, likely)) = place {
                    *likely = segment.fetch_block(key, *hash);
                }
            }
            for (key, place) in keys.iter().zip(places) {
                if let Some((segment, likely)) = place {
                    segment.fetch_entry(key, *likely);
                }
            }
        }
        Located { runs }
    }
}

impl Located<'_> {
    /// Asks the segments about the key with this number, newest first. Returns true when the answer is known.
    ///
    /// # Errors
    /// `Corrupt` and those of the storage.
    #[inline]
    pub(crate) fn read(&self, number: usize, key: &[u8], hash: u64, read: &mut PointRead) -> Result<bool> {
        for places in &self.runs {
            if let Some(Some((segment, likely))) = places.get(number)
                && read.visit(segment.covering(key, read.at())?, |at| segment.get_likely(key, hash, *likely, at))?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
