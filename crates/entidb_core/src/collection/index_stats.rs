//! What is known of the indexes of a collection.
//!
//! Always: asking is cheap. Does not know: kinds.

use entidb_codec::Value;

use super::Collection;
use crate::error::Result;

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

impl Collection {
    /// About how much each index holds, in the order they were made.
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
        let indexes = record.iter().flat_map(|record| &record.indexes);
        let stats = indexes.map(|index| {
            let counted = index.rows(&view)?;
            let (index, kind) = (index.definition.name.clone(), index.definition.kind.clone());
            Ok(IndexStats { index, kind, rows: counted.rows, exact: counted.is_exact })
        });
        stats.collect()
    }
}
