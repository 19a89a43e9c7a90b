//! What exists: collections and their declared indexes, with names and numbers.
//!
//! Always: a catalog that a reader or a commit holds never changes; a writer that changes one owns its copy.
//! Numbers are never used twice; names are unique at any moment.
//! Does not know: entities, or how many there are.

mod definition;
mod history;
mod record;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use definition::{Column, IndexDefinition};
pub(crate) use history::CatalogHistory;
pub(crate) use record::{CollectionRecord, IndexRecord};

use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, StorageId};

/// The longest name of a collection or index, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Everything that exists at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    by_id: BTreeMap<CollectionId, Arc<CollectionRecord>>,
    by_name: HashMap<String, CollectionId>,
    /// Collections whose storage has not their own number.
    moved: HashMap<StorageId, CollectionId>,
    /// Indexes that keep something in memory, those being built among them.
    with_memory: Vec<(CollectionId, Arc<IndexRecord>)>,
}

impl Catalog {
    pub(crate) fn from_records(records: impl IntoIterator<Item = CollectionRecord>) -> Self {
        let mut catalog = Self::default();
        for record in records {
            catalog.insert(Arc::new(record));
        }
        catalog
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<CollectionRecord>> {
        self.by_name.get(name).and_then(|id| self.by_id.get(id))
    }

    pub(crate) fn by_id(&self, id: CollectionId) -> Option<&Arc<CollectionRecord>> {
        self.by_id.get(&id)
    }

    /// All collections in the order of their names.
    pub(crate) fn collections(&self) -> Vec<Arc<CollectionRecord>> {
        let mut all: Vec<_> = self.by_id.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The collection whose entities lie there.
    pub(crate) fn by_storage(&self, storage: StorageId) -> Option<&Arc<CollectionRecord>> {
        let id = self.moved.get(&storage).copied().unwrap_or(CollectionId(storage.0));
        self.by_id(id).filter(|record| record.storage == storage)
    }

    /// The collections by their numbers.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Arc<CollectionRecord>> {
        self.by_id.values()
    }

    /// The indexes that keep something in memory of their committed rows.
    pub(crate) fn with_memory(&self) -> impl Iterator<Item = &Arc<IndexRecord>> {
        self.with_memory.iter().map(|(_, index)| index)
    }

    /// Adds a collection or puts its new record in the place of the old.
    pub(crate) fn insert(&mut self, record: Arc<CollectionRecord>) {
        if let Some(old) = self.by_id.get(&record.id) {
            self.by_name.remove(&old.name);
            self.moved.remove(&old.storage);
            self.with_memory.retain(|(id, _)| *id != record.id);
        }
        let with_memory = record.indexes.iter().chain(&record.building).filter(|index| index.memory().is_some());
        self.with_memory.extend(with_memory.map(|index| (record.id, Arc::clone(index))));
        if record.storage.0 != record.id.0 {
            self.moved.insert(record.storage, record.id);
        }
        self.by_name.insert(record.name.clone(), record.id);
        self.by_id.insert(record.id, record);
    }

    pub(crate) fn remove(&mut self, id: CollectionId) {
        if let Some(old) = self.by_id.remove(&id) {
            self.by_name.remove(&old.name);
            self.moved.remove(&old.storage);
            self.with_memory.retain(|(other, _)| *other != id);
        }
    }
}

/// Refuses names that are empty, too long, or hold control characters.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let refuse = |problem: String| Err(Error::new(ErrorCode::InvalidArgument, format!("the {what} name {problem}")));
    if name.is_empty() {
        return refuse("is empty; give it at least one character".into());
    }
    if name.len() > NAME_BYTES_MAX {
        return refuse(format!("has {} bytes; {NAME_BYTES_MAX} is the most", name.len()));
    }
    if name.chars().any(char::is_control) {
        return refuse(format!("{name:?} holds a control character; use printable ones"));
    }
    Ok(())
}
