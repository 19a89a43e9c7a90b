//! The range tombstones of a rewrite, met in key order together with the entries.
//!
//! Always: a tombstone that still hides something from somebody is given to the output before the first entry in it, and
//! all others are dropped. Needed are those over older data, and those over an entry of the rewrite that some reader sees
//! and some other does not. One fragment is in hand at a time, however many there are.
//! Does not know: what becomes of the entries (`fold`), or which segment a tombstone is put into (`output`).

use super::live::LiveSnapshots;
use super::older::Older;
use super::piece::Piece;
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::range_tombstone::{Fragment, Sweep};

/// Takes the tombstones that stay.
pub(super) trait TombstoneSink {
    fn keep_tombstone(&mut self, fragment: Fragment<'_>) -> Result<()>;
}

/// What is to be done with the fragment in hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// There is none, or it was kept or dropped.
    Settled,
    /// It stays.
    Stays,
    /// It stays if an entry of the rewrite lies in it.
    WaitsForEntry,
}

/// A walk over the tombstones of the sources.
pub(super) struct Tombstones {
    sweep: Sweep<Error>,
    is_begun: bool,
    /// There is no fragment any more.
    is_ended: bool,
    /// Of the fragment in hand, the sequences that somebody can tell apart, newest first.
    sequences: Vec<Sequence>,
    /// Of these, how many have to be carried on.
    kept: usize,
    fate: Fate,
    /// Fragments that were dropped.
    pub(super) dropped: u64,
}

impl Tombstones {
    pub(super) fn new(sweep: Sweep<Error>) -> Self {
        Self {
            sweep,
            is_begun: false,
            is_ended: false,
            sequences: Vec::new(),
            kept: 0,
            fate: Fate::Settled,
            dropped: 0,
        }
    }

    /// True behind the last fragment, which for most rewrites is before the first entry.
    #[inline]
    pub(super) const fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Goes on to the fragment with `key`, the next key with entries, or the first behind it; all entries before it are
    /// written. Without a key, to the end. False when the piece is over before that.
    pub(super) fn advance_to(
        &mut self,
        key: Option<&[u8]>,
        live: &LiveSnapshots,
        older: &mut Older,
        piece: &mut Piece<'_>,
        sink: &mut impl TombstoneSink,
    ) -> Result<bool> {
        while !self.is_ended {
            if self.is_begun {
                let fragment = self.sweep.fragment();
                if key.is_some_and(|key| key < fragment.start) {
                    return Ok(true);
                }
                let has_entry = key.is_some_and(|key| key < fragment.end);
                match std::mem::replace(&mut self.fate, Fate::Settled) {
                    Fate::Stays => self.keep(sink)?,
                    Fate::WaitsForEntry if has_entry => self.keep(sink)?,
                    Fate::WaitsForEntry => self.dropped += 1,
                    Fate::Settled => {}
                }
                if has_entry {
                    return Ok(true);
                }
                if piece.is_over() {
                    return Ok(false);
                }
            }
            self.is_begun = self.sweep.advance()?;
            if !self.is_begun {
                self.is_ended = true;
                self.sequences.clear();
                return Ok(true);
            }
            let fragment = self.sweep.fragment();
            piece.spend(fragment.start, fragment.end);
            self.judge(live, older);
        }
        Ok(true)
    }

    fn keep(&self, sink: &mut impl TombstoneSink) -> Result<()> {
        let sequences = self.sequences.get(..self.kept).unwrap_or_default();
        sink.keep_tombstone(Fragment { sequences, ..self.sweep.fragment() })
    }

    /// Decides about a new fragment.
    fn judge(&mut self, live: &LiveSnapshots, older: &mut Older) {
        let fragment = self.sweep.fragment();
        fragment.sequences.clone_into(&mut self.sequences);
        live.keep_newest_of_stripes(&mut self.sequences);
        self.kept = self.sequences.len();
        self.fate = Fate::Stays;
        if !older.overlaps(fragment.start, fragment.end) {
            // What everybody sees deleted leaves no version in the outputs.
            let all_see = self.sequences.last().is_some_and(|oldest| live.all_see(*oldest));
            self.kept -= usize::from(all_see);
            self.fate = Fate::WaitsForEntry;
        }
        if self.kept == 0 {
            self.fate = Fate::Settled;
            self.dropped += 1;
        }
    }

    /// True when a tombstone hides the version of `key`, to which this was advanced, from everybody who could see it.
    pub(super) fn cover(&self, live: &LiveSnapshots, key: &[u8], sequence: Sequence) -> bool {
        let Some(oldest) = self.sequences.iter().copied().take_while(|tombstone| *tombstone > sequence).last() else {
            return false;
        };
        let fragment = self.sweep.fragment();
        fragment.start <= key && key < fragment.end && live.same_stripe(oldest, sequence)
    }
}
