//! Statistics of a collection and its indexes.
//!
//! Always: all figures are of one commit, and reading them costs a few lookups, whatever the collection holds. Does not know: kinds.

use entidb_codec::Value;

use super::Collection;
use crate::catalog::CollectionRecord;
use crate::error::Result;
use crate::id::CollectionId;
use crate::transaction::View;

/// The number, the name and the size of a collection.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// let notes = db.collection("notes")?;
/// assert_eq!(notes.stats()?.id, None); // it is created with its first entity
/// notes.put(&entidb_core::doc! { "n": 1 })?;
/// db.rename_collection("notes", "letters")?;
/// let stats = notes.stats()?;
/// assert!(stats.id.is_some());
/// assert_eq!((stats.name.as_str(), stats.entities), ("letters", 1));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectionStats {
    /// Its number, which never changes and which no other collection of the database ever gets. None before it is created.
    pub id: Option<CollectionId>,
    /// Its name now, also after it was renamed.
    pub name: String,
    /// The exact number of entities.
    pub entities: u64,
    /// Its indexes, in the order they were created.
    pub indexes: Vec<IndexStats>,
}

impl CollectionStats {
    /// The figures under their names, the same in every language.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// let value = notes.stats()?.to_value();
    /// assert_eq!(value.as_map().and_then(|map| map.get("entities")), Some(&0.into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        let fields = [
            ("name", Value::from(self.name.as_str())),
            ("entities", Value::from(self.entities)),
            ("indexes", Value::Array(self.indexes.iter().map(IndexStats::to_value).collect())),
        ];
        let id = self.id.map(|id| ("id", Value::from(u64::from(id.0))));
        Value::Map(fields.into_iter().chain(id).collect())
    }
}

/// About how much an index holds.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// notes.create_index(entidb_core::IndexDefinition::on(["n"])?)?;
/// notes.put(&entidb_core::doc! { "n": 1 })?;
/// let stats = &notes.index_stats()?[0];
/// assert_eq!((stats.index.as_str(), stats.kind.as_str(), stats.rows), ("n", "ordered", 1));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexStats {
    /// Its name.
    pub index: String,
    /// Its kind.
    pub kind: String,
    /// How many rows it has.
    pub rows: u64,
    /// Whether they are counted; otherwise they are an estimate where they are many.
    pub exact: bool,
}

impl IndexStats {
    /// The figures under their names, the same in every language.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// notes.create_index(entidb_core::IndexDefinition::on(["n"])?)?;
    /// let value = notes.index_stats()?[0].to_value();
    /// assert_eq!(value.as_map().and_then(|map| map.get("rows")), Some(&0.into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        let fields = [
            ("index", Value::from(self.index.as_str())),
            ("kind", Value::from(self.kind.as_str())),
            ("rows", Value::from(self.rows)),
            ("exact", Value::Bool(self.exact)),
        ];
        Value::Map(fields.into_iter().collect())
    }
}

fn of_indexes(record: Option<&CollectionRecord>, view: &View) -> Result<Vec<IndexStats>> {
    let indexes = record.into_iter().flat_map(|record| &record.indexes);
    let stats = indexes.map(|index| {
        let counted = index.rows(view)?;
        let (index, kind) = (index.definition.name.clone(), index.definition.kind.clone());
        Ok(IndexStats { index, kind, rows: counted.rows, exact: counted.is_exact })
    });
    stats.collect()
}

impl Collection {
    /// The number of the collection, its name now, and how much it and each index hold.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// notes.create_index(entidb_core::IndexDefinition::on(["n"])?)?;
    /// notes.put(&entidb_core::doc! { "n": 1 })?;
    /// let stats = notes.stats()?;
    /// assert_eq!((stats.entities, stats.indexes[0].rows), (1, 1));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `CollectionNotFound` when it was dropped, `Closed`, `TransactionEnded`, `Io`.
    pub fn stats(&self) -> Result<CollectionStats> {
        let (view, record) = self.open()?;
        let record = record.as_deref();
        Ok(CollectionStats {
            id: record.map(|record| record.id),
            name: record.map_or(self.name(), |record| &record.name).to_owned(),
            entities: record.map_or(Ok(0), |record| view.entity_count(record.id))?,
            indexes: of_indexes(record, &view)?,
        })
    }

    /// About how much each index holds, in the order they were created.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// assert!(notes.index_stats()?.is_empty());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`, `TransactionEnded`, `Io`.
    pub fn index_stats(&self) -> Result<Vec<IndexStats>> {
        let (view, record) = self.open()?;
        of_indexes(record.as_deref(), &view)
    }
}
