//! A cursor over entries in a list, for tests: the obviously right source.

use super::EntryCursor;
use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::value::Value;

/// One entry of a test source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) sequence: Sequence,
    pub(crate) kind: EntryKind,
    pub(crate) value: Vec<u8>,
}

impl Entry {
    pub(crate) fn new(key: &[u8], sequence: u64, kind: EntryKind, value: &[u8]) -> Self {
        Self { key: key.to_vec(), sequence: Sequence(sequence), kind, value: value.to_vec() }
    }
}

/// Sorts entries as every source has them.
pub(crate) fn in_order(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| super::entry_order(&a.key, a.sequence, &b.key, b.sequence));
    entries
}

/// A cursor over a sorted list; `None` is nowhere.
pub(crate) struct Sorted {
    entries: Vec<Entry>,
    place: Option<usize>,
}

impl Sorted {
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        Self { entries: in_order(entries), place: None }
    }

    fn here(&self) -> Option<&Entry> {
        self.entries.get(self.place?)
    }

    fn stand(&mut self, place: Option<usize>) -> Result<()> {
        self.place = place.filter(|place| *place < self.entries.len());
        Ok(())
    }
}

impl EntryCursor for Sorted {
    fn seek_first(&mut self) -> Result<()> {
        self.stand(Some(0))
    }
    fn seek_last(&mut self) -> Result<()> {
        self.stand(self.entries.len().checked_sub(1))
    }
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.stand(Some(self.entries.partition_point(|entry| entry.key.as_slice() < key)))
    }
    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.stand(self.entries.partition_point(|entry| entry.key.as_slice() < key).checked_sub(1))
    }
    fn next(&mut self) -> Result<()> {
        let place = self.place.expect("moved while valid");
        self.stand(Some(place + 1))
    }
    fn previous(&mut self) -> Result<()> {
        let place = self.place.expect("moved while valid");
        self.stand(place.checked_sub(1))
    }
    fn is_valid(&self) -> bool {
        self.place.is_some()
    }
    fn key(&self) -> &[u8] {
        self.here().map_or(&[], |entry| &entry.key)
    }
    fn sequence(&self) -> Sequence {
        self.here().map_or(Sequence::ZERO, |entry| entry.sequence)
    }
    fn kind(&self) -> EntryKind {
        self.here().map_or(EntryKind::Delete, |entry| entry.kind)
    }
    fn value(&self) -> &[u8] {
        self.here().map_or(&[], |entry| &entry.value)
    }
    fn pin_value(&self) -> Value {
        Value::owned(self.value())
    }
}
