//! Queries as values: what is asked, how it is answered, and the answers one by one.
//!
//! Always: an index changes how fast an answer comes, never what it is. Nothing is gathered that is not asked for; a
//! sort says so in `explain`. Does not know: how rows are kept (`index`).

mod language;
mod operators;
mod plan;
mod results;
pub(crate) mod sources;

pub(crate) use language::class_of;
pub use language::{Comparison, Expression, Field, field};
pub use plan::Explanation;
pub(crate) use plan::{Asked, Offer};
pub use results::{Find, Found, Page, PagePlace};
pub(crate) use results::{Order, RowOrder};
pub(crate) use sources::RowAccess;

use entidb_codec::{Direction, Path};

use crate::catalog::Column;

/// What is asked: a filter, an order, and which part of the answer.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
/// # use entidb_core::{asc, desc, field};
/// let query = entidb_core::Query { filter: field("n").gt(1), order: vec![desc("n")], ..Default::default() };
/// assert_eq!(notes.query(query).list()?.len(), 2);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Which entities.
    pub filter: Expression,
    /// In which order; without one the order is that of the way the answer is found.
    pub order: Vec<Column>,
    /// The most answers, of all pages together.
    pub limit: Option<u64>,
    /// How many answers are left out before the first page.
    pub offset: u64,
    /// The most answers of one page.
    pub page: Option<u64>,
    /// Going on after the place of a page token.
    pub after: Option<Vec<u8>>,
}

impl Default for Query {
    fn default() -> Self {
        Self { filter: Expression::all(), order: Vec::new(), limit: None, offset: 0, page: None, after: None }
    }
}

impl Query {
    /// Brings the filter into the form that is planned and evaluated, unless it nests too deeply.
    fn normalize(&mut self) -> crate::error::Result<()> {
        self.check()?;
        self.filter = language::normalize(std::mem::replace(&mut self.filter, Expression::all()));
        Ok(())
    }
}

/// Ascending order by a dotted path. One that cannot be read is refused when the query runs.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
/// # use entidb_core::{asc, desc, field};
/// let first = notes.find(field("n").gt(0)).order_by(asc("n")).first()?.expect("one");
/// assert_eq!(first.field("n")?, Some(1.into()));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[must_use]
pub fn asc(path: &str) -> Column {
    Column { path: Path::dotted_later(path), direction: Direction::Ascending }
}

/// Descending order by a dotted path. One that cannot be read is refused when the query runs.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
/// # use entidb_core::{asc, desc, field};
/// let first = notes.find(field("n").gt(0)).order_by(desc("n")).first()?.expect("one");
/// assert_eq!(first.field("n")?, Some(3.into()));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[must_use]
pub fn desc(path: &str) -> Column {
    Column { direction: Direction::Descending, ..asc(path) }
}
