//! How a query is answered, for people and for programs.
//!
//! Always: the same in every language; it names the index, or says that it scans. Does not know: how long it takes.

use std::fmt;
use std::sync::Arc;

use super::Plan;
use crate::catalog::{CollectionRecord, IndexRecord};
use crate::error::Result;
use crate::query::operators::Combination;
use crate::query::sources::Walked;
use crate::query::{Expression, Query};
use crate::transaction::{COUNTED_MAX, View};
use entidb_codec::Value;

/// How the answers of a query are found.
///
/// ```
/// use entidb_core::{doc, field, Database, IndexDefinition};
/// let db = Database::open_memory()?;
/// let users = db.collection("users")?;
/// users.create_index(IndexDefinition::on(["age"])?)?;
/// let explanation = users.find(field("age").ge(18)).explain()?;
/// assert_eq!(explanation.index.as_deref(), Some("age"));
/// assert_eq!(explanation.to_string(), "index age of users, 1 range, forward");
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The collection asked.
    pub collection: String,
    /// The index whose rows are walked; none for a scan, and none where several are combined.
    pub index: Option<String>,
    /// The kind of that index.
    pub kind: Option<String>,
    /// The indexes whose rows are walked; several where they are combined.
    pub indexes: Vec<String>,
    /// How several indexes are combined: `or`, or `and`.
    pub combined: Option<&'static str>,
    /// The indexes whose rows say what is left out of the answers.
    pub excluded: Vec<String>,
    /// How many ranges of rows are walked.
    pub ranges: usize,
    /// Whether the walk goes from the end.
    pub reverse: bool,
    /// Whether every entity, or every row of the index, may be looked at.
    pub scan: bool,
    /// Whether answers are gathered and sorted before the first comes.
    pub sort: bool,
    /// Whether each entity found is checked against the filter.
    pub filter: bool,
    /// About how many entities or rows are looked at where all answers are asked for.
    pub candidates: u64,
    /// The plan that is taken where a walk in the order of the answers meets too few of them, in words.
    pub instead: Option<String>,
}

impl Explanation {
    pub(crate) fn nothing(collection: &str, query: &Query) -> Self {
        Self {
            collection: collection.to_owned(),
            index: None,
            kind: None,
            indexes: Vec::new(),
            combined: None,
            excluded: Vec::new(),
            ranges: 0,
            reverse: false,
            scan: false,
            sort: false,
            filter: query.filter != Expression::all(),
            candidates: 0,
            instead: None,
        }
    }

    pub(crate) fn of(record: &CollectionRecord, view: &View, query: &Query, plan: &Plan) -> Result<Self> {
        let is_alone = plan.combination.is_none();
        let only = plan.indexes.first().filter(|_| is_alone).map(|only| &only.definition);
        let names = |indexes: &[Arc<IndexRecord>]| indexes.iter().map(|index| index.definition.name.clone()).collect();
        let Walked { ranges, reverse } = plan.offer.access.walked();
        let nothing = Self::nothing(&record.name, query);
        let filter = nothing.filter && !plan.offer.exact;
        Ok(Self {
            index: only.map(|definition| definition.name.clone()),
            kind: only.map(|definition| definition.kind.clone()),
            indexes: names(&plan.indexes),
            excluded: names(&plan.excluded),
            combined: plan.combination.map(|how| match how {
                Combination::Any => "or",
                Combination::All => "and",
            }),
            ranges,
            reverse,
            scan: plan.is_scan(query),
            sort: plan.offer.sorts,
            filter,
            candidates: plan.offer.access.estimate(view, record.id, COUNTED_MAX)?.rows,
            instead: match &plan.instead {
                Some(instead) => Some(Self::of(record, view, query, &instead.plan)?.to_string()),
                None => None,
            },
            ..nothing
        })
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
            ("kind", self.kind.as_deref().map_or(Value::Null, Value::from)),
            ("indexes", Value::Array(self.indexes.iter().map(|index| Value::from(index.as_str())).collect())),
            ("combined", self.combined.map_or(Value::Null, Value::from)),
            ("excluded", Value::Array(self.excluded.iter().map(|index| Value::from(index.as_str())).collect())),
            ("ranges", Value::from(self.ranges as u64)),
            ("reverse", Value::Bool(self.reverse)),
            ("scan", Value::Bool(self.scan)),
            ("sort", Value::Bool(self.sort)),
            ("filter", Value::Bool(self.filter)),
            ("candidates", Value::from(self.candidates)),
            ("instead", self.instead.as_deref().map_or(Value::Null, Value::from)),
            ("text", Value::from(self.to_string())),
        ];
        Value::Map(fields.into_iter().collect())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let collection = &self.collection;
        let ranges = if self.ranges == 1 { "1 range".to_owned() } else { format!("{} ranges", self.ranges) };
        match &self.index {
            None if self.combined.is_some() => {
                let how = format!(" {} ", self.combined.unwrap_or_default());
                write!(f, "indexes {}", self.indexes.join(&how))?;
                self.excluded.iter().try_for_each(|index| write!(f, " without {index}"))?;
                write!(f, " of {collection}, {ranges}")?;
            }
            Some(index) => {
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
        if let Some(instead) = &self.instead {
            write!(f, "; where it meets few: {instead}")?;
        }
        Ok(())
    }
}
