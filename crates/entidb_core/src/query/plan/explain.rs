//! How a query is answered, for people and for programs.
//!
//! Always: the same in every language; it names the index, or says that it scans. Does not know: how long it takes.

use std::fmt;

use entidb_codec::Value;
use entidb_engine::Direction;

use super::{Access, Plan};
use crate::catalog::CollectionRecord;
use crate::query::{Expression, Query};

/// How the answers of a query are found.
///
/// ```
/// use entidb_core::{doc, field, Database, IndexDefinition};
/// let db = Database::open_memory()?;
/// let users = db.collection("users")?;
/// users.create_index(IndexDefinition::on(["age"])?)?;
/// let explanation = users.find(field("age").ge(18)).explain()?;
/// assert_eq!(explanation.index.as_deref(), Some("age"));
/// assert_eq!(explanation.to_string(), "index age of users, 1 range, forward; filter each");
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The collection asked.
    pub collection: String,
    /// The index whose rows are walked; none for a scan.
    pub index: Option<String>,
    /// How many ranges of rows are walked.
    pub ranges: usize,
    /// Whether the walk goes from the end.
    pub reverse: bool,
    /// Whether every entity, or every row of the index, is looked at.
    pub scan: bool,
    /// Whether answers are gathered and sorted before the first comes.
    pub sort: bool,
    /// Whether each entity found is checked against the filter.
    pub filter: bool,
}

impl Explanation {
    pub(crate) fn nothing(collection: &str, query: &Query) -> Self {
        Self {
            collection: collection.to_owned(),
            index: None,
            ranges: 0,
            reverse: false,
            scan: false,
            sort: false,
            filter: query.filter != Expression::all(),
        }
    }

    pub(crate) fn of(record: &CollectionRecord, query: &Query, plan: &Plan) -> Self {
        let (index, ranges, reverse) = match &plan.access {
            Access::Scan => (None, 1, false),
            Access::Index { index, ranges, walk, .. } => {
                (Some(index.definition.name.clone()), ranges.len(), *walk == Direction::Reverse)
            }
        };
        let nothing = Self::nothing(&record.name, query);
        let filter = nothing.filter && !plan.exact;
        Self { index, ranges, reverse, scan: plan.is_scan(), sort: plan.sorts, filter, ..nothing }
    }

    /// The explanation as a document.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// let how = notes.find(entidb_core::field("n").eq(1)).explain()?.to_value();
    /// assert_eq!(how.as_map().and_then(|map| map.get("scan")), Some(&true.into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        let fields = [
            ("collection", Value::from(self.collection.as_str())),
            ("index", self.index.as_deref().map_or(Value::Null, Value::from)),
            ("ranges", Value::from(self.ranges as u64)),
            ("reverse", Value::Bool(self.reverse)),
            ("scan", Value::Bool(self.scan)),
            ("sort", Value::Bool(self.sort)),
            ("filter", Value::Bool(self.filter)),
            ("text", Value::from(self.to_string())),
        ];
        Value::Map(fields.into_iter().collect())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let collection = &self.collection;
        match &self.index {
            Some(index) => {
                let ranges = if self.ranges == 1 { "1 range".to_owned() } else { format!("{} ranges", self.ranges) };
                let way = if self.reverse { "reverse" } else { "forward" };
                write!(f, "index {index} of {collection}, {ranges}, {way}")?;
            }
            None if self.ranges == 0 => write!(f, "nothing: {collection} does not exist")?,
            None => write!(f, "scan of {collection}")?,
        }
        if self.filter {
            f.write_str("; filter each")?;
        }
        if self.sort {
            f.write_str("; sort")?;
        }
        Ok(())
    }
}
