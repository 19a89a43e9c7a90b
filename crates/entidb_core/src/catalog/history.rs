//! The catalogs of the recent past, so that a snapshot finds the one of its own sequence without reading it back.
//!
//! Always: the catalog for a sequence is the newest that began at or before it. A commit that changes the catalog adds
//! its entry before it becomes visible and takes it back when it fails. Does not know: who holds which snapshot.

use std::sync::Arc;

use entidb_engine::Sequence;
use entidb_storage::sync::RwLock;

use super::Catalog;

/// Entries kept at most. A snapshot older than all of them reads its catalog from the keyspace instead.
const ENTRIES_MAX: usize = 64;

/// Catalogs with the sequence from which each holds, oldest first.
#[derive(Debug, Default)]
pub(crate) struct CatalogHistory {
    entries: RwLock<Vec<(Sequence, Arc<Catalog>)>>,
}

impl CatalogHistory {
    /// A history that begins with one catalog.
    pub(crate) fn new(from: Sequence, catalog: Arc<Catalog>) -> Self {
        Self { entries: RwLock::new(vec![(from, catalog)]) }
    }

    /// The catalog a snapshot at `sequence` sees; `None` when it is older than what is kept.
    pub(crate) fn at(&self, sequence: Sequence) -> Option<Arc<Catalog>> {
        let entries = self.entries.read();
        entries.iter().rev().find(|(from, _)| *from <= sequence).map(|(_, catalog)| Arc::clone(catalog))
    }

    /// Adds the catalog that holds from `from` on.
    pub(crate) fn push(&self, from: Sequence, catalog: Arc<Catalog>) {
        let mut entries = self.entries.write();
        entries.push((from, catalog));
        if entries.len() > ENTRIES_MAX {
            entries.remove(0);
        }
    }

    /// Takes back the entry of a commit that failed.
    pub(crate) fn retract(&self, from: Sequence) {
        self.entries.write().retain(|(entry, _)| *entry != from);
    }
}
