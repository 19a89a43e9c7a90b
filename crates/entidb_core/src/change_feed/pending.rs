//! What an open write transaction will tell the feed.
//!
//! Always: what entities were changed is read from the transaction itself when it commits, so here is only how many they
//! may be; changes of the catalog are kept in full. Going back to a place is cutting off.
//! Does not know: savepoints, or how a commit is written (`write`).

use std::collections::BTreeSet;

use entidb_engine::ChangeSize;

use super::change::ChangeKind;
use super::record::{CATALOG_BYTES, ENTITY_BYTES, Header, KEY_HEAD, NAME_BYTES, NAME_HEAD, PART_BYTES};
use crate::catalog::CollectionRecord;
use crate::id::{CollectionId, StorageId};
use crate::index::Told;

/// The key of a part, and that of a row of the history of the catalog.
pub(super) const PART_KEY_BYTES: u64 = 13;
const ROW_KEY_BYTES: u64 = 14;
/// What such a row has beside the name.
const CATALOG_ROW_HEAD: usize = 5;

/// A change of the catalog, in the order it was made.
#[derive(Debug)]
pub(super) struct CatalogChange {
    pub(super) kind: ChangeKind,
    pub(super) collection: CollectionId,
    pub(super) storage: StorageId,
    pub(super) name: String,
    pub(super) payload: Vec<u8>,
}

impl CatalogChange {
    fn bytes(&self) -> u64 {
        // The name in the feed and in the history of the catalog, which has that of the first of these changes.
        let names = NAME_HEAD + CATALOG_ROW_HEAD + 2 * self.name.len();
        // The new name comes before the entities.
        let new_name = if self.kind == ChangeKind::CollectionRenamed { NAME_HEAD + self.payload.len() } else { 0 };
        (CATALOG_BYTES + names + new_name + self.payload.len()) as u64
    }
}

/// The changes that are not written to the feed yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(super) catalog: Vec<CatalogChange>,
    catalog_bytes: u64,
    /// Collections of whose entities keys were changed; more than those, after changes that were taken back.
    pub(super) keyed: BTreeSet<CollectionId>,
    /// What naming each of those takes.
    keyed_bytes: u64,
    counts: Counts,
    /// Storages whose entities were changed, the one of the last change, and what naming each of them takes. What is taken
    /// back still counts.
    named: BTreeSet<StorageId>,
    named_last: Option<StorageId>,
    named_bytes: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// Entities that were changed, some of them perhaps more than once.
    entities: u64,
    /// Entities whose state before was put into the history, and the bytes that took.
    before: u64,
    before_bytes: u64,
    /// Keys that were changed, and the bytes to tell of them.
    keys: u64,
    key_bytes: u64,
    /// Collections that were emptied at once, and the bytes to tell of it.
    cleared: u64,
    cleared_bytes: u64,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PendingPlace {
    catalog: usize,
    counts: Counts,
}

impl Pending {
    pub(crate) fn note_catalog(
        &mut self,
        kind: ChangeKind,
        (collection, storage, name): (CollectionId, StorageId, &str),
        payload: &[u8],
    ) {
        let change = CatalogChange { kind, collection, storage, name: name.to_owned(), payload: payload.to_vec() };
        self.catalog_bytes += change.bytes();
        self.catalog.push(change);
    }

    pub(crate) fn note_entity(&mut self, storage: StorageId, collection: &str) {
        self.counts.entities += 1;
        if self.named_last != Some(storage) {
            self.named_last = Some(storage);
            if self.named.insert(storage) {
                self.named_bytes += (NAME_HEAD + collection.len()) as u64;
            }
        }
    }

    /// A collection was emptied at once: it is named for that in the feed, and once in the history of the catalog.
    pub(crate) fn note_cleared(&mut self) {
        self.counts.cleared += 1;
        self.counts.cleared_bytes += (CATALOG_BYTES + 2 * NAME_BYTES) as u64;
    }

    /// An entity's state before was put into the history, which took these bytes.
    pub(crate) fn note_before(&mut self, bytes: u64) {
        self.counts.before += 1;
        self.counts.before_bytes += bytes;
    }

    /// A storage was given up with entities of about these bytes, which stay as history.
    pub(crate) fn note_given_up(&mut self, bytes: u64) {
        self.counts.before_bytes = self.counts.before_bytes.saturating_add(bytes);
    }

    /// Keys of an entity of this collection were changed, which takes these bytes beside what each key takes.
    pub(crate) fn note_keys(&mut self, collection: &CollectionRecord, told: Told) {
        if self.keyed.insert(collection.id) {
            self.keyed_bytes += (NAME_HEAD + collection.name.len()) as u64;
        }
        self.counts.keys += told.keys;
        self.counts.key_bytes += told.bytes + told.keys * KEY_HEAD as u64;
    }

    pub(super) fn has_keys(&self) -> bool {
        self.counts.keys > 0
    }

    pub(super) fn has_entities(&self) -> bool {
        self.counts.entities > 0
    }

    /// True when states before were put into the history.
    pub(crate) fn has_before(&self) -> bool {
        self.counts.before > 0
    }

    pub(super) fn before_bytes(&self) -> u64 {
        self.counts.before_bytes
    }

    pub(crate) fn place(&self) -> PendingPlace {
        PendingPlace { catalog: self.catalog.len(), counts: self.counts }
    }

    pub(crate) fn go_back(&mut self, place: PendingPlace) {
        let gone: u64 = self.catalog.drain(place.catalog.min(self.catalog.len())..).map(|change| change.bytes()).sum();
        self.catalog_bytes = self.catalog_bytes.saturating_sub(gone);
        self.counts = place.counts;
    }

    /// The most that is to be put into the transaction at its commit, with one change of an entity more, and of these keys.
    pub(crate) fn owed(&self, told: Told) -> ChangeSize {
        let entities = (self.counts.entities + 1) * ENTITY_BYTES as u64;
        // Each storage is named for its entities, and each collection for its keys, and one more of each that is not known yet.
        let names = self.named_bytes + self.keyed_bytes + 2 * NAME_BYTES as u64;
        let keys = self.counts.key_bytes + told.bytes + told.keys * KEY_HEAD as u64;
        let bytes = entities + keys + names + self.catalog_bytes + self.counts.cleared_bytes + Header::BYTES as u64;
        // A part ends when the next entry does not fit, and the next begins with the name of its collection.
        let more_parts = bytes / (PART_BYTES as u64 / 2);
        let rows = self.catalog.len() as u64 + self.counts.cleared;
        ChangeSize {
            changes: 1 + more_parts + rows,
            key_bytes: (1 + more_parts) * PART_KEY_BYTES + rows * ROW_KEY_BYTES,
            value_bytes: bytes + more_parts * NAME_BYTES as u64,
        }
    }
}
