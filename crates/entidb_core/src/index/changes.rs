//! What a change adds to the indexes of its collection and removes from them, planned and not written yet.
//!
//! Always: its size is known before it is written, and it is written whole. An index that is being built refuses nothing: it
//! is told why it cannot be finished. Used for one change after the other, so that its memory is taken once.
//! Does not know: what rows mean (`kind`), or the change's other effects.

use entidb_engine::WriteTransaction;

use super::kind::Change;
use super::refusal;
use crate::catalog::CollectionRecord;
use crate::error::Result;
use crate::id::{EntityId, IndexId};
use crate::keyspace;

/// What most keys of rows take at most.
const USUAL_KEY_BYTES: usize = 64;

/// The id in a row.
const ID_BYTES: u64 = 16;

/// Keys one behind the other.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// What is behind the last end is a key that is being written, and none yet.
    pub(super) bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn expect(&mut self, keys: usize) {
        self.bytes.reserve(keys * USUAL_KEY_BYTES);
        self.ends.reserve(keys);
    }

    pub(super) fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().filter_map(move |end| self.bytes.get(std::mem::replace(&mut start, *end)..*end))
    }

    /// The bytes of the key that is being written.
    pub(super) fn open(&self) -> &[u8] {
        self.bytes.get(self.end()..).unwrap_or_default()
    }

    fn end(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Ends the key that is being written.
    pub(super) fn close(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// Keeps only the first keys, `keys` of them.
    fn shorten(&mut self, keys: usize) {
        self.ends.truncate(keys);
        self.discard();
    }

    /// Forgets the key that is being written.
    pub(super) fn discard(&mut self) {
        self.bytes.truncate(self.end());
    }
}

/// Rows to remove and to write.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(super) removed: Keys,
    /// Rows whose value is the id of the entity.
    pub(super) added: Keys,
    /// Rows with nothing as value.
    pub(super) marked: Keys,
    /// What comes to the count of an index, or goes from it.
    counts: Vec<(IndexId, i64)>,
    told: Told,
    /// Indexes being built that cannot take in the change, and why.
    refused: Vec<(IndexId, Vec<u8>)>,
}

/// Rows that the change feed tells of.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) keys: u64,
    /// Bytes of the keys and of the names of their indexes.
    pub(crate) bytes: u64,
}

/// How far the rows have come.
#[derive(Debug, Clone, Copy)]
struct Place {
    removed: usize,
    added: usize,
    marked: usize,
    counts: usize,
    told: Told,
}

impl Changes {
    pub(crate) fn clear(&mut self) {
        self.removed.clear();
        self.added.clear();
        self.marked.clear();
        self.counts.clear();
        self.told = Told::default();
        self.refused.clear();
    }

    /// Reserves memory for the rows of `indexes` indexes, by their usual number.
    fn expect(&mut self, indexes: usize, removes: bool) {
        self.added.expect(indexes);
        if removes {
            self.removed.expect(indexes);
        }
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.removed.push(key);
    }

    /// Writes a row that has its entity in its key, and nothing as value.
    pub(crate) fn mark(&mut self, key: &[u8]) {
        self.marked.push(key);
    }

    /// Adds to the count of an index, or with a number below zero takes from it.
    pub(crate) fn count(&mut self, index: IndexId, delta: i64) {
        self.counts.push((index, delta));
    }

    /// The change feed tells of a key, which takes this many bytes with the name of its index.
    pub(crate) fn tell(&mut self, bytes: usize) {
        self.told.keys += 1;
        self.told.bytes += bytes as u64;
    }

    /// What the change feed tells of.
    pub(crate) const fn told(&self) -> Told {
        self.told
    }

    /// What comes to the counts of indexes.
    pub(crate) fn counts(&self) -> &[(IndexId, i64)] {
        &self.counts
    }

    /// How many keys the changes write, counts left aside.
    pub(crate) fn keys(&self) -> u64 {
        let rows = self.removed.ends.len() + self.added.ends.len() + self.marked.ends.len();
        (rows + self.refused.len()) as u64
    }

    /// How many bytes of keys and values the changes write.
    pub(crate) fn bytes(&self) -> u64 {
        let refused: usize = self.refused.iter().map(|(_, why)| why.len() + 6).sum();
        let keys = self.removed.bytes.len() + self.added.bytes.len() + self.marked.bytes.len();
        (keys + refused) as u64 + self.added.ends.len() as u64 * ID_BYTES
    }

    /// Writes the rows for the entity.
    pub(crate) fn apply(&self, tx: &mut WriteTransaction, id: EntityId) -> Result<()> {
        for key in self.removed.iter() {
            tx.delete(key)?;
        }
        for key in self.added.iter() {
            tx.put(key, id.as_bytes())?;
        }
        for key in self.marked.iter() {
            tx.put(key, &[])?;
        }
        for (index, why) in &self.refused {
            tx.put(&keyspace::build_refusal(*index), why)?;
        }
        Ok(())
    }

    fn place(&self) -> Place {
        let (removed, added) = (self.removed.ends.len(), self.added.ends.len());
        Place { removed, added, marked: self.marked.ends.len(), counts: self.counts.len(), told: self.told }
    }

    /// Forgets what came after a place, for an index that refused it.
    fn refuse(&mut self, place: Place, index: IndexId, why: Vec<u8>) {
        self.removed.shorten(place.removed);
        self.added.shorten(place.added);
        self.marked.shorten(place.marked);
        self.counts.truncate(place.counts);
        self.told = place.told;
        self.refused.push((index, why));
    }
}

/// Plans what a change does to all indexes of its collection.
pub(crate) fn plan_changes(
    record: &CollectionRecord,
    tx: &WriteTransaction,
    change: &Change<'_>,
    changes: &mut Changes,
) -> Result<()> {
    changes.clear();
    changes.expect(record.indexes.len(), change.old.is_some());
    for index in &record.indexes {
        index.plan(tx, change, changes)?;
    }
    for index in &record.building {
        // A refusal is stored, and no key with it.
        let of_building = Change { is_building: true, shows_keys: false, ..*change };
        let place = changes.place();
        match index.plan(tx, &of_building, changes) {
            // The writer did not ask for this index, its builder did: the build fails, and the change is made.
            Err(error) if refusal::is_of_index(&error) => {
                changes.refuse(place, index.id, refusal::encode(&error, change.id));
            }
            planned => planned?,
        }
    }
    Ok(())
}
