//! Walks the entries of a memtable in order, in both directions.
//!
//! Always: shows every entry that was there when the cursor last came to its leaf; entries written since may or may
//! not show, and a snapshot hides them. Keeps the memtable alive.
//! Does not know: which versions a snapshot may see.

use std::sync::Arc;

use super::Memtable;
use super::arena::Address;
use super::entry::{self, Entry};
use super::node::Probe;
use super::tree::Place;
use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::{EntryCursor, Here};
use crate::value::Value;

/// A position in a memtable.
pub(crate) struct MemtableCursor {
    memtable: Arc<Memtable>,
    place: Option<Place>,
    /// The newest version of the key here, as it was when the cursor came to the key.
    newest: Address,
    /// The version here, or nowhere.
    current: Address,
}

impl MemtableCursor {
    pub(super) fn new(memtable: Arc<Memtable>) -> Self {
        Self { memtable, place: None, newest: 0, current: 0 }
    }

    fn entry(&self) -> Option<Entry<'_>> {
        (self.current != 0).then(|| Entry::at(&self.memtable.arena, self.current))
    }

    /// To the newest version of the first key from a place on.
    fn settle_forward(&mut self, mut place: Place) {
        let (tree, arena) = (&self.memtable.tree, &self.memtable.arena);
        while place.position >= place.order.count() && place.bound != 0 {
            let bound = Entry::key_at(arena, place.bound);
            let last = tree.last_key(arena, &place);
            if last < bound {
                // The next leaf begins with a key that is in it, so looking for that key leads there.
                place = tree.seek(arena, &Probe::new(bound));
            } else {
                // The leaf was met while it was being split: its upper half hangs beside it already.
                place = tree.seek(arena, &Probe::new(last));
                place.position = place.position.saturating_add(usize::from(place.exact));
            }
        }
        if self.place.is_none_or(|before| before.leaf != place.leaf) {
            self.memtable.tree.prefetch_entries(&self.memtable.arena, &place, true);
        }
        self.newest = self.memtable.tree.entry(&place);
        self.current = self.newest;
        self.place = Some(place);
    }

    /// To the oldest version of the last key before a place. A leaf without any is the first.
    fn settle_backward(&mut self, mut place: Place) {
        let Some(position) = place.position.checked_sub(1) else {
            self.clear();
            return;
        };
        if self.place.is_none_or(|before| before.leaf != place.leaf) {
            self.memtable.tree.prefetch_entries(&self.memtable.arena, &place, false);
        }
        place.position = position;
        self.newest = self.memtable.tree.entry(&place);
        self.current = if self.newest == 0 { 0 } else { entry::oldest(&self.memtable.arena, self.newest) };
        self.place = Some(place);
    }

    /// To the newest version at or before `at` of the key here, and its kind; nothing when it has none, and then the cursor
    /// stays.
    #[inline]
    pub(crate) fn show(&mut self, at: Sequence) -> Option<EntryKind> {
        let (address, entry) = entry::visible(&self.memtable.arena, self.newest, at)?;
        self.current = address;
        Some(entry.kind)
    }

    /// To the newest version of the next key, past all versions of this one.
    pub(crate) fn leave_key(&mut self) {
        if let Some(mut place) = self.place {
            place.position = place.position.saturating_add(1);
            self.settle_forward(place);
        }
    }

    /// To the oldest version of the key before this one.
    pub(crate) fn previous_key(&mut self) -> Result<()> {
        self.current = self.newest;
        self.previous()
    }

    fn clear(&mut self) {
        self.place = None;
        self.newest = 0;
        self.current = 0;
    }
}

impl EntryCursor for MemtableCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.settle_forward(self.memtable.tree.first());
        Ok(())
    }

    fn seek_last(&mut self) -> Result<()> {
        self.settle_backward(self.memtable.tree.last());
        Ok(())
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.settle_forward(self.memtable.tree.seek(&self.memtable.arena, &Probe::new(key)));
        Ok(())
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.settle_backward(self.memtable.tree.seek_before(&self.memtable.arena, &Probe::new(key)));
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        let older = self.entry().map_or(0, |entry| entry.links.older);
        if older != 0 {
            self.current = older;
        } else {
            self.leave_key();
        }
        Ok(())
    }

    fn next_key(&mut self) -> Result<()> {
        self.leave_key();
        Ok(())
    }

    fn previous(&mut self) -> Result<()> {
        if self.current == 0 {
            return Ok(());
        }
        if self.current != self.newest {
            let sequence = self.sequence();
            if let Some(newer) = entry::newer(&self.memtable.arena, self.newest, sequence) {
                self.current = newer;
                return Ok(());
            }
        }
        match self.place {
            Some(place) if place.position > 0 => self.settle_backward(place),
            _ => {
                let key = Entry::key_at(&self.memtable.arena, self.current);
                let place = self.memtable.tree.seek_before(&self.memtable.arena, &Probe::new(key));
                self.settle_backward(place);
            }
        }
        Ok(())
    }

    fn is_valid(&self) -> bool {
        self.current != 0
    }

    fn key(&self) -> &[u8] {
        if self.current == 0 { &[] } else { Entry::key_at(&self.memtable.arena, self.current) }
    }

    #[inline]
    fn here(&self) -> Option<Here<'_>> {
        self.entry().map(|entry| Here { key: entry.key, sequence: entry.sequence, kind: entry.kind })
    }

    fn sequence(&self) -> Sequence {
        if self.current == 0 { Sequence::ZERO } else { Entry::sequence_at(&self.memtable.arena, self.current) }
    }

    fn kind(&self) -> EntryKind {
        self.entry().map_or(EntryKind::Delete, |entry| entry.kind)
    }

    fn value(&self) -> &[u8] {
        self.entry().map_or(&[], |entry| entry.value)
    }

    fn pin_value(&self) -> Value {
        match self.entry() {
            Some(entry) => self.memtable.pin(self.current, &entry),
            None => Value::owned([]),
        }
    }
}
