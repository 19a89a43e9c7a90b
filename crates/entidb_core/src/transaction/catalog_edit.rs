//! The catalog of an open write transaction, with its own changes in it.
//!
//! Always: a change costs the same however many collections there are and however many were changed before: the catalog is
//! copied once, with the first change, and again only when a query that is still open looks at it. Does not know: the
//! keyspace.

use std::sync::Arc;

use crate::catalog::{Catalog, CollectionRecord};
use crate::id::CollectionId;

pub(super) struct CatalogEdit {
    catalog: Arc<Catalog>,
    /// The catalog the transaction began with.
    base: Arc<Catalog>,
    /// Changes made and not taken back.
    changes: u64,
    undo: Vec<(CollectionId, Option<Arc<CollectionRecord>>)>,
    /// Collections this transaction dropped and did not bring back.
    dropped: Vec<CollectionId>,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct CatalogPlace {
    changes: u64,
    undo: usize,
    dropped: usize,
}

impl CatalogEdit {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self { base: Arc::clone(&catalog), catalog, changes: 0, undo: Vec::new(), dropped: Vec::new() }
    }

    pub(super) fn now(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    pub(super) fn is_changed(&self) -> bool {
        self.changes > 0
    }

    /// Puts a record in, in the place of the one with its number. `keep` says whether this may have to be taken back.
    pub(super) fn put(&mut self, record: CollectionRecord, keep: bool) {
        self.set(record.id, Some(Arc::new(record)), keep);
    }

    pub(super) fn drop(&mut self, id: CollectionId, keep: bool) {
        self.set(id, None, keep);
        self.dropped.push(id);
    }

    /// True for a collection that was there, or was made in this transaction, and was dropped in it.
    pub(super) fn was_dropped(&self, id: CollectionId) -> bool {
        self.dropped.contains(&id) || (self.base.by_id(id).is_some() && self.catalog.by_id(id).is_none())
    }

    fn set(&mut self, id: CollectionId, record: Option<Arc<CollectionRecord>>, keep: bool) {
        let before = if keep { Some(self.catalog.by_id(id).cloned()) } else { None };
        self.apply(id, record);
        self.changes += 1;
        self.undo.extend(before.map(|before| (id, before)));
    }

    fn apply(&mut self, id: CollectionId, record: Option<Arc<CollectionRecord>>) {
        let catalog = Arc::make_mut(&mut self.catalog);
        match record {
            Some(record) => catalog.insert(record),
            None => catalog.remove(id),
        }
    }

    pub(super) fn place(&self) -> CatalogPlace {
        CatalogPlace { changes: self.changes, undo: self.undo.len(), dropped: self.dropped.len() }
    }

    pub(super) fn go_back(&mut self, place: CatalogPlace) {
        while self.undo.len() > place.undo
            && let Some((id, before)) = self.undo.pop()
        {
            self.apply(id, before);
        }
        self.changes = place.changes;
        self.dropped.truncate(place.dropped);
    }

    /// Nothing will be taken back any more.
    pub(super) fn forget(&mut self) {
        self.undo = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u32, name: &str) -> CollectionRecord {
        CollectionRecord { id: CollectionId(id), name: name.to_owned(), indexes: Vec::new(), building: Vec::new() }
    }

    fn names(edit: &CatalogEdit) -> Vec<String> {
        edit.now().collections().iter().map(|record| record.name.clone()).collect()
    }

    #[test]
    fn the_catalog_is_copied_once_however_many_changes_and_savepoints_there_are() {
        let mut edit = CatalogEdit::new(Arc::new(Catalog::default()));
        edit.put(record(1, "c1"), true);
        let first = Arc::as_ptr(edit.now());
        for number in 2..9000 {
            let place = edit.place();
            edit.put(record(number, &format!("c{number}")), true);
            edit.put(record(number, &format!("d{number}")), true);
            if number % 3 == 0 {
                edit.go_back(place);
            }
        }
        assert_eq!(Arc::as_ptr(edit.now()), first);
        assert_eq!(edit.now().collections().len(), 6000);
    }

    #[test]
    fn going_back_brings_back_names_and_forgets_drops() {
        let mut edit = CatalogEdit::new(Arc::new(Catalog::from_records([record(1, "a"), record(2, "b")])));
        let place = edit.place();
        edit.put(record(1, "c"), true);
        edit.drop(CollectionId(2), true);
        edit.put(record(3, "b"), true);
        edit.drop(CollectionId(3), true);
        assert_eq!(names(&edit), ["c"]);
        assert!(edit.is_changed() && edit.was_dropped(CollectionId(2)) && edit.was_dropped(CollectionId(3)));
        edit.go_back(place);
        assert_eq!(names(&edit), ["a", "b"]);
        assert!(edit.now().by_name("c").is_none());
        assert!(!edit.is_changed() && !edit.was_dropped(CollectionId(2)) && !edit.was_dropped(CollectionId(3)));
    }
}
