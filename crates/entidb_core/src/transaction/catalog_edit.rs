//! The catalog of an open write transaction, with its own changes in it.
//!
//! Always: a change costs the same however many collections there are and however many were changed before: the catalog is
//! copied once, with the first change, and again only when a query that is still open looks at it. Does not know: the
//! keyspace.

use std::sync::Arc;

use super::journal::Undo;
use crate::catalog::{Catalog, CollectionRecord};
use crate::id::CollectionId;

pub(super) struct CatalogEdit {
    catalog: Arc<Catalog>,
    /// The catalog the transaction began with.
    base: Arc<Catalog>,
    /// Changes made and not taken back.
    changes: u64,
    undo: Undo<CollectionId, Arc<CollectionRecord>>,
    /// Collections this transaction dropped and did not bring back.
    dropped: Vec<CollectionId>,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct CatalogPlace {
    changes: u64,
    dropped: usize,
}

impl CatalogEdit {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self { base: Arc::clone(&catalog), catalog, changes: 0, undo: Undo::default(), dropped: Vec::new() }
    }

    pub(super) fn now(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The catalog before the transaction.
    pub(super) fn base(&self) -> &Arc<Catalog> {
        &self.base
    }

    pub(super) fn is_changed(&self) -> bool {
        self.changes > 0
    }

    /// Puts a record in, in the place of the one with its number.
    pub(super) fn put(&mut self, record: CollectionRecord) {
        self.set(record.id, Some(Arc::new(record)));
    }

    pub(super) fn drop(&mut self, id: CollectionId) {
        self.set(id, None);
        self.dropped.push(id);
    }

    /// True for a collection that was there, or was made in this transaction, and was dropped in it.
    pub(super) fn was_dropped(&self, id: CollectionId) -> bool {
        self.dropped.contains(&id) || (self.base.by_id(id).is_some() && self.catalog.by_id(id).is_none())
    }

    fn set(&mut self, id: CollectionId, record: Option<Arc<CollectionRecord>>) {
        self.undo.remember(id, || self.catalog.by_id(id).cloned());
        self.apply(id, record);
        self.changes += 1;
    }

    fn apply(&mut self, id: CollectionId, record: Option<Arc<CollectionRecord>>) {
        let catalog = Arc::make_mut(&mut self.catalog);
        match record {
            Some(record) => catalog.insert(record),
            None => catalog.remove(id),
        }
    }

    /// A place to go back to: what is not remembered key by key.
    pub(super) fn mark(&mut self) -> CatalogPlace {
        self.undo.mark();
        CatalogPlace { changes: self.changes, dropped: self.dropped.len() }
    }

    /// Goes back to the place that `index` others came before.
    pub(super) fn go_back(&mut self, index: usize, place: CatalogPlace) {
        let earlier = self.undo.go_back(index);
        // A name may have gone from one collection to another, so all names go before any comes.
        for id in earlier.keys() {
            self.apply(*id, None);
        }
        for (id, before) in earlier.into_iter().filter(|(_, before)| before.is_some()) {
            self.apply(id, before);
        }
        self.changes = place.changes;
        self.dropped.truncate(place.dropped);
    }

    /// Forgets the place that `index` others came before, and later ones.
    pub(super) fn release(&mut self, index: usize) {
        self.undo.release(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::StorageId;

    fn record(id: u32, name: &str) -> CollectionRecord {
        CollectionRecord {
            id: CollectionId(id),
            storage: StorageId(id),
            name: name.to_owned(),
            indexes: Vec::new(),
            building: Vec::new(),
        }
    }

    fn names(edit: &CatalogEdit) -> Vec<String> {
        edit.now().collections().iter().map(|record| record.name.clone()).collect()
    }

    #[test]
    fn the_catalog_is_copied_once_however_many_changes_and_savepoints_there_are() {
        let mut edit = CatalogEdit::new(Arc::new(Catalog::default()));
        edit.put(record(1, "c1"));
        let first = Arc::as_ptr(edit.now());
        for number in 2..9000 {
            let place = edit.mark();
            edit.put(record(number, &format!("c{number}")));
            edit.put(record(number, &format!("d{number}")));
            if number % 3 == 0 {
                edit.go_back(0, place);
            }
            edit.release(0);
        }
        assert_eq!(Arc::as_ptr(edit.now()), first);
        assert_eq!(edit.now().collections().len(), 6000);
    }

    #[test]
    fn going_back_brings_back_names_and_forgets_drops() {
        let mut edit = CatalogEdit::new(Arc::new(Catalog::from_records([record(1, "a"), record(2, "b")])));
        let place = edit.mark();
        edit.put(record(1, "c"));
        edit.drop(CollectionId(2));
        edit.put(record(3, "b"));
        edit.drop(CollectionId(3));
        assert_eq!(names(&edit), ["c"]);
        assert!(edit.is_changed() && edit.was_dropped(CollectionId(2)) && edit.was_dropped(CollectionId(3)));
        edit.go_back(0, place);
        assert_eq!(names(&edit), ["a", "b"]);
        assert!(edit.now().by_name("c").is_none());
        assert!(!edit.is_changed() && !edit.was_dropped(CollectionId(2)) && !edit.was_dropped(CollectionId(3)));
    }
}
