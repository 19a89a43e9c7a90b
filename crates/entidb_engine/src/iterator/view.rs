//! What a reader at one sequence sees of many sources: one value per key, in key order, both ways.
//!
//! Always: exactly the keys and values that were current at the sequence, inside the bounds. Sources come newest first,
//! and for any key every version in a source is newer than every version and tombstone for it in a later source; that
//! is what lets a range tombstone jump over the deleted stretch in the sources behind it.
//! Does not know: where its sources keep their bytes.

use super::cursor::{EntryCursor, Here};
use super::deleted::{Deleted, DeletedRanges};
use super::merge::Merge;
use super::point::counter_from;
use super::span::Span;
use crate::error::{Error, Result};
use crate::format::{EntryKind, Sequence};
use crate::interrupt;
use crate::value::Value;

/// After this many deleted entries in a row under one tombstone, jumping is cheaper than walking.
const WALK_BEFORE_JUMP: u32 = 4;

/// After this many versions of one key in a row, looking for its newest is cheaper than walking back to it: a key that
/// was written again and again has as many versions in memory as it had writes.
const VERSIONS_BEFORE_JUMP: u32 = 8;

/// One source of a view.
pub(crate) struct ViewSource<C> {
    /// Its entries.
    pub(crate) cursor: C,
    /// The ranges it deletes, when it has any.
    pub(crate) deleted: Option<Deleted>,
}

/// Where a view stands.
enum Place {
    /// Nowhere.
    Outside,
    /// At the merge's entry; its value is the merge's.
    AtEntry,
    /// The merge has moved past the key's versions, forward or backward; the value is held here.
    Held { value: HeldValue, forward: bool },
}

/// A value kept while the merge is elsewhere.
enum HeldValue {
    /// In the view's buffer.
    Copied,
    /// Too long to copy.
    Pinned(Value),
}

/// Values up to this size are copied into the view's buffer, which costs less than counting what they borrow from.
const COPY_BYTES_MAX: usize = 1024;

/// A movable position among the keys visible at one sequence.
pub(crate) struct View<C> {
    merge: Merge<C>,
    deleted: DeletedRanges,
    at: Sequence,
    range: Span,
    /// The key here, unless the merge stands at it.
    key: Vec<u8>,
    buffer: Vec<u8>,
    place: Place,
    failed: Option<Error>,
}

impl<C: EntryCursor> View<C> {
    /// A view of nothing at a sequence, inside `range`.
    pub(crate) const fn new(at: Sequence, range: Span) -> Self {
        Self {
            merge: Merge::empty(),
            deleted: DeletedRanges::new(at),
            at,
            range,
            key: Vec::new(),
            buffer: Vec::new(),
            place: Place::Outside,
            failed: None,
        }
    }

    /// Makes room for some sources.
    pub(crate) fn reserve(&mut self, sources: usize) {
        self.merge.reserve(sources);
    }

    /// Adds a source older than those there are; not valid until a seek.
    pub(crate) fn push(&mut self, source: ViewSource<C>) {
        if let Some(deleted) = source.deleted {
            self.deleted.push(self.merge.source_count(), deleted);
        }
        self.merge.push(source.cursor);
    }

    /// The commit it reads at.
    pub(crate) const fn at(&self) -> Sequence {
        self.at
    }

    /// The stretch of keys it shows.
    pub(crate) const fn range(&self) -> &Span {
        &self.range
    }

    /// True when the view is at a key.
    #[inline]
    pub(crate) const fn is_valid(&self) -> bool {
        !matches!(self.place, Place::Outside)
    }

    /// The key here; empty when not valid. Lives until the view moves.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        match self.place {
            Place::Outside => &[],
            Place::AtEntry => self.merge.key(),
            Place::Held { .. } => &self.key,
        }
    }

    /// The value here; empty when not valid. Lives until the view moves.
    #[inline]
    pub(crate) fn value(&self) -> &[u8] {
        match &self.place {
            Place::Outside => &[],
            Place::AtEntry => self.merge.value(),
            Place::Held { value: HeldValue::Copied, .. } => &self.buffer,
            Place::Held { value: HeldValue::Pinned(value), .. } => value,
        }
    }

    /// The value here as one that outlives the view.
    pub(crate) fn pin_value(&self) -> Value {
        match &self.place {
            Place::Outside => Value::owned([].as_slice()),
            Place::AtEntry => self.merge.pin_value(),
            Place::Held { value: HeldValue::Copied, .. } => Value::owned(self.buffer.as_slice()),
            Place::Held { value: HeldValue::Pinned(value), .. } => value.clone(),
        }
    }

    /// Leaves the first `count` sources, and stands at no key.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.place = Place::Outside;
        self.deleted.truncate(count);
        self.merge.truncate(count);
    }

    /// To the first visible key.
    pub(crate) fn seek_first(&mut self) -> Result<()> {
        self.guarded(|view| {
            if view.range.start().is_empty() {
                view.merge.seek_first()?
            } else {
                view.merge.seek(view.range.start())?
            }
            view.settle_forward()
        })
    }

    /// To the last visible key.
    pub(crate) fn seek_last(&mut self) -> Result<()> {
        self.guarded(|view| {
            match view.range.end() {
                Some(end) => view.merge.seek_before(end)?,
                None => view.merge.seek_last()?,
            }
            view.settle_backward()
        })
    }

    /// To the first visible key at or after `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<()> {
        if key <= self.range.start() {
            return self.seek_first();
        }
        self.guarded(|view| {
            view.merge.seek(key)?;
            view.settle_forward()
        })
    }

    /// To the last visible key before `key`.
    pub(crate) fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        if self.range.is_past_end(key) {
            return self.seek_last();
        }
        self.guarded(|view| {
            view.merge.seek_before(key)?;
            view.settle_backward()
        })
    }

    /// To the visible key after this one. Nothing happens when not valid.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<()> {
        if matches!(self.place, Place::AtEntry) {
            return self.guarded(|view| {
                view.merge.next_key()?;
                view.settle_forward()
            });
        }
        self.next_of_held()
    }

    fn next_of_held(&mut self) -> Result<()> {
        let place = std::mem::replace(&mut self.place, Place::Outside);
        self.guarded(|view| match place {
            Place::Outside => Ok(()),
            Place::AtEntry | Place::Held { forward: true, .. } => view.settle_forward(),
            Place::Held { forward: false, .. } => {
                view.merge.seek(&view.key)?;
                if view.merge.is_valid() && view.merge.key() == view.key {
                    view.merge.next_key()?;
                }
                view.settle_forward()
            }
        })
    }

    /// To the visible key before this one. Nothing happens when not valid.
    pub(crate) fn previous(&mut self) -> Result<()> {
        if matches!(self.place, Place::AtEntry) {
            self.remember_key();
        }
        let place = std::mem::replace(&mut self.place, Place::Outside);
        self.guarded(|view| match place {
            Place::Outside => Ok(()),
            Place::Held { forward: false, .. } => view.settle_backward(),
            Place::AtEntry | Place::Held { forward: true, .. } => {
                view.merge.seek_before(&view.key)?;
                view.settle_backward()
            }
        })
    }

    /// Acts unless an earlier act failed: a view that has failed once keeps failing.
    fn guarded(&mut self, act: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.place = Place::Outside;
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        act(self).inspect_err(|error| {
            self.place = Place::Outside;
            self.failed = Some(error.clone());
        })
    }

    fn hold(&mut self, value: &[u8]) {
        self.buffer.clear();
        self.buffer.extend_from_slice(value);
    }

    /// Keeps the value of the merge's entry.
    fn hold_merged(&mut self) -> HeldValue {
        let value = self.merge.value();
        if value.len() > COPY_BYTES_MAX {
            return HeldValue::Pinned(self.merge.pin_value());
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(value);
        HeldValue::Copied
    }

    fn remember_key(&mut self) {
        self.key.clear();
        self.key.extend_from_slice(self.merge.key());
    }

    /// From the merge's entry on, finds the first visible key. The entry is the newest version of its key.
    fn settle_forward(&mut self) -> Result<()> {
        let mut walked = 0_u32;
        let mut seen = 0_u32;
        while let Some(Here { key, sequence, kind }) = self.merge.here() {
            look_up(&mut seen)?;
            if self.range.is_past_end(key) {
                return Ok(());
            }
            if sequence > self.at {
                self.merge.next()?;
                continue;
            }
            let covered_from = self.deleted.newest(key)?;
            if let Some(cover) = covered_from.filter(|cover| sequence < cover.sequence) {
                walked += 1;
                if walked > WALK_BEFORE_JUMP
                    && self.merge.current_source() > Some(cover.source)
                    && let Some(end) = self.deleted.reach(cover, key)?
                {
                    walked = 0;
                    self.merge.skip_to(cover.source + 1, end)?;
                } else {
                    self.merge.next_key()?;
                }
                continue;
            }
            walked = 0;
            match kind {
                EntryKind::Put => {
                    self.place = Place::AtEntry;
                    return Ok(());
                }
                EntryKind::Delete | EntryKind::DeleteRange => self.merge.next_key()?,
                EntryKind::Add => {
                    self.remember_key();
                    let sum = self.sum_forward(covered_from.map(|cover| cover.sequence))?;
                    self.hold(&sum.to_le_bytes());
                    self.place = Place::Held { value: HeldValue::Copied, forward: true };
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sums additions from the merge's entry to the key's older versions, and leaves the key.
    fn sum_forward(&mut self, tombstone: Option<Sequence>) -> Result<i64> {
        let mut sum = 0_i64;
        while self.merge.is_valid() && self.merge.key() == self.key {
            let covered = tombstone.is_some_and(|tombstone| self.merge.sequence() < tombstone);
            let kind = if covered { EntryKind::Delete } else { self.merge.kind() };
            if matches!(kind, EntryKind::Put | EntryKind::Add) {
                sum = sum.wrapping_add(counter_from(self.merge.value())?);
            }
            if kind != EntryKind::Add {
                self.merge.next_key()?;
                break;
            }
            self.merge.next()?;
        }
        Ok(sum)
    }

    /// From the merge's entry back, finds the last visible key. The entry is the oldest version of its key.
    fn settle_backward(&mut self) -> Result<()> {
        let mut walked = 0_u32;
        let mut seen = 0_u32;
        while self.merge.is_valid() {
            look_up(&mut seen)?;
            if self.merge.key() < self.range.start() {
                return Ok(());
            }
            self.remember_key();
            let cover = self.deleted.newest(&self.key)?;
            if let Some(cover) = cover
                && walked >= WALK_BEFORE_JUMP
                && self.merge.current_source() > Some(cover.source)
                && let Some(start) = self.deleted.reach_back(cover, &self.key)?
            {
                walked = 0;
                self.merge.skip_before(cover.source + 1, start)?;
                continue;
            }
            if let Some(value) = self.fold_backward(cover.map(|cover| cover.sequence))? {
                self.place = Place::Held { value, forward: false };
                return Ok(());
            }
            walked = if cover.is_some() { walked + 1 } else { 0 };
        }
        Ok(())
    }

    /// Folds the versions of `self.key`, oldest first, into the value visible, and leaves the key.
    fn fold_backward(&mut self, tombstone: Option<Sequence>) -> Result<Option<HeldValue>> {
        let mut value: Option<HeldValue> = None;
        // An addition to what is no counter: an error, unless a newer version makes it one that nobody reads.
        let mut wrong: Option<Error> = None;
        let mut walked = 0_u32;
        while self.merge.is_valid() && self.merge.key() == self.key {
            walked += 1;
            if walked > VERSIONS_BEFORE_JUMP {
                return self.fold_from_newest(tombstone);
            }
            let sequence = self.merge.sequence();
            if sequence <= self.at && tombstone.is_none_or(|tombstone| sequence >= tombstone) {
                match self.merge.kind() {
                    EntryKind::Put => (value, wrong) = (Some(self.hold_merged()), None),
                    EntryKind::Delete | EntryKind::DeleteRange => (value, wrong) = (None, None),
                    EntryKind::Add => match self.sum_onto(value.as_ref()) {
                        Ok(sum) if wrong.is_none() => {
                            self.hold(&sum.to_le_bytes());
                            value = Some(HeldValue::Copied);
                        }
                        Ok(_) => {}
                        Err(error) => wrong = wrong.or(Some(error)),
                    },
                }
            }
            self.merge.previous()?;
        }
        wrong.map_or(Ok(value), Err)
    }

    /// What the addition at the merge's entry makes of an older value.
    fn sum_onto(&self, base: Option<&HeldValue>) -> Result<i64> {
        let base = match base {
            None => 0,
            Some(HeldValue::Copied) => counter_from(&self.buffer)?,
            Some(HeldValue::Pinned(base)) => counter_from(base)?,
        };
        Ok(base.wrapping_add(counter_from(self.merge.value())?))
    }

    /// As `fold_backward`, from the other end: the newest version says it all, unless it adds.
    fn fold_from_newest(&mut self, tombstone: Option<Sequence>) -> Result<Option<HeldValue>> {
        self.merge.seek(&self.key)?;
        while self.merge.key() == self.key && self.merge.sequence() > self.at {
            self.merge.next()?;
        }
        let sequence = self.merge.sequence();
        let mut value = None;
        if self.merge.key() == self.key && tombstone.is_none_or(|tombstone| sequence >= tombstone) {
            match self.merge.kind() {
                EntryKind::Put => value = Some(self.hold_merged()),
                EntryKind::Delete | EntryKind::DeleteRange => {}
                EntryKind::Add => {
                    let sum = self.sum_forward(tombstone)?;
                    self.hold(&sum.to_le_bytes());
                    value = Some(HeldValue::Copied);
                }
            }
        }
        self.merge.seek_before(&self.key)?;
        Ok(value)
    }
}

/// Looks up now and then from entries nobody sees: there may be any number of them before the next that is seen.
#[inline]
fn look_up(seen: &mut u32) -> Result<()> {
    *seen = seen.wrapping_add(1);
    if *seen & 1023 == 0 { interrupt::check() } else { Ok(()) }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
