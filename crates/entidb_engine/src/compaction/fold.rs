//! The versions of one key, newest first, reduced to those that some reader can still tell apart.
//!
//! Always: every live snapshot, and every later one, reads after the fold what it read before it. Deletions go when
//! nothing older is left below them; additions become one, and a plain value where nothing older can be. Of each stripe
//! one version stays at most, so that what was cleaned once has nothing left to clean.
//! Does not know: where versions come from or go to.

use super::live::LiveSnapshots;
use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::planted::{Mistake, makes};

/// Takes the versions that stay.
pub(super) trait Sink {
    fn keep(&mut self, key: &[u8], sequence: Sequence, kind: EntryKind, value: &[u8]) -> Result<()>;
}

/// What of one key's versions is settled so far.
#[derive(Debug, Default)]
pub(super) struct KeyFold {
    /// The newest version of the present stripe.
    stripe: Option<Sequence>,
    /// Deletions that stay only if something older does.
    deletes: Vec<Sequence>,
    /// Additions of the present stripe, and the newest of their sequences.
    sum: Option<(Sequence, i64)>,
    /// Versions that did not stay.
    pub(super) versions_removed: u64,
    /// Deletions that did not stay.
    pub(super) deletes_removed: u64,
}

impl KeyFold {
    /// Takes the next older version. `covered` when a range tombstone of the same stripe hides it.
    pub(super) fn offer(
        &mut self,
        live: &LiveSnapshots,
        covered: bool,
        key: &[u8],
        (sequence, kind, value): (Sequence, EntryKind, &[u8]),
        sink: &mut impl Sink,
    ) -> Result<()> {
        if covered {
            self.versions_removed += 1;
            return Ok(());
        }
        if self.stripe.is_some_and(|stripe| live.same_stripe(stripe, sequence)) {
            return self.offer_in_stripe(key, (kind, value), sink);
        }
        self.stripe = Some(sequence);
        self.keep_sum(EntryKind::Add, key, sink)?;
        match (kind, number(value)) {
            (EntryKind::Delete | EntryKind::DeleteRange, _) => {
                self.deletes.push(sequence);
                return Ok(());
            }
            (EntryKind::Add, Some(delta)) => self.sum = Some((sequence, delta)),
            _ => {}
        }
        self.keep_deletes(key, sink)?;
        if self.sum.is_none() { sink.keep(key, sequence, kind, value) } else { Ok(()) }
    }

    /// A version that only additions of the same stripe can still need.
    fn offer_in_stripe(&mut self, key: &[u8], (kind, value): (EntryKind, &[u8]), sink: &mut impl Sink) -> Result<()> {
        let Some((newest, sum)) = self.sum else {
            self.versions_removed += 1;
            return Ok(());
        };
        match (kind, number(value)) {
            (EntryKind::Add, Some(delta)) => self.sum = Some((newest, sum.wrapping_add(delta))),
            (EntryKind::Put, Some(base)) => self.sum = Some((newest, sum.wrapping_add(base))),
            (EntryKind::Delete | EntryKind::DeleteRange, _) => {}
            // Not a counter: reading it under additions is an error, and it stays one as an addition of what is no number.
            (EntryKind::Put | EntryKind::Add, None) => {
                self.sum = None;
                self.versions_removed += 1;
                return sink.keep(key, newest, EntryKind::Add, value);
            }
        }
        self.versions_removed += 1;
        if kind == EntryKind::Add { Ok(()) } else { self.keep_sum(EntryKind::Put, key, sink) }
    }

    /// The key has no more versions here. `is_bottom` says whether nothing older of it is anywhere else.
    pub(super) fn end(&mut self, key: &[u8], is_bottom: impl FnOnce() -> bool, sink: &mut impl Sink) -> Result<()> {
        if self.sum.is_some() || !self.deletes.is_empty() {
            let is_bottom = is_bottom() || makes(Mistake::DeletesDroppedEarly);
            self.keep_sum(if is_bottom { EntryKind::Put } else { EntryKind::Add }, key, sink)?;
            if is_bottom {
                self.deletes_removed += self.deletes.len() as u64;
                self.deletes.clear();
            } else {
                self.keep_deletes(key, sink)?;
            }
        }
        self.stripe = None;
        Ok(())
    }

    fn keep_sum(&mut self, kind: EntryKind, key: &[u8], sink: &mut impl Sink) -> Result<()> {
        match self.sum.take() {
            Some((sequence, sum)) => sink.keep(key, sequence, kind, &sum.to_le_bytes()),
            None => Ok(()),
        }
    }

    fn keep_deletes(&mut self, key: &[u8], sink: &mut impl Sink) -> Result<()> {
        for sequence in self.deletes.drain(..) {
            sink.keep(key, sequence, EntryKind::Delete, &[])?;
        }
        Ok(())
    }
}

fn number(value: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(value.try_into().ok()?))
}
