//! Asking: a builder of queries on a collection.
//!
//! Always: building asks nothing. Does not know: other collections, or how answers are found (`found`).

use super::found::Found;
use crate::catalog::Column;
use crate::collection::{Collection, Entity};
use crate::error::Result;
use crate::query::{Explanation, Expression, Query};

impl Collection {
    /// Asks for the entities that satisfy an expression.
    ///
    /// ```
    /// use entidb_core::{desc, doc, field, Database};
    /// let db = Database::open_memory()?;
    /// let people = db.collection("people")?;
    /// people.put_many([&doc! { "age": 17 }, &doc! { "age": 40 }, &doc! { "age": 21 }])?;
    /// let adults = people.find(field("age").ge(18)).order_by(desc("age")).limit(10).run()?;
    /// let ages = adults.map(|person| person?.field("age")).collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(ages, [Some(40.into()), Some(21.into())]);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn find(&self, filter: Expression) -> Find {
        self.query(Query { filter, ..Query::default() })
    }

    /// Asks a query that was built before, or came as bytes from elsewhere.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let query = entidb_core::Query { filter: field("n").gt(1), limit: Some(1), ..Default::default() };
    /// assert_eq!(notes.query(query).list()?.len(), 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn query(&self, query: Query) -> Find {
        Find { collection: self.clone(), query }
    }
}

/// Some answers of a query.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
/// # use entidb_core::{asc, desc, field};
/// let page = notes.find(field("n").gt(0)).page(3)?;
/// assert_eq!((page.entities.len(), page.token), (3, None));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page {
    /// The answers of the page.
    pub entities: Vec<Entity>,
    /// What [`Find::after`] takes for the next page; none on the last.
    pub token: Option<Vec<u8>>,
}

/// A query being built on a collection.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
/// # use entidb_core::{asc, desc, field};
/// let find = notes.find(field("n").ge(2)).order_by(desc("n"));
/// assert_eq!(find.clone().count()?, 2); // asked twice
/// assert_eq!(find.first()?.expect("one").field("n")?, Some(3.into()));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a query asks nothing until it is run"]
pub struct Find {
    collection: Collection,
    query: Query,
}

impl Find {
    /// Orders the answers by a column; call again for the next one. Use [`asc`](crate::asc) and [`desc`](crate::desc).
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let last = notes.find(field("n").gt(0)).order_by(desc("n")).first()?.expect("one");
    /// assert_eq!(last.field("n")?, Some(3.into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn order_by(mut self, column: Column) -> Self {
        self.query.order.push(column);
        self
    }

    /// Bounds the number of answers, of all pages together.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// assert_eq!(notes.find(field("n").gt(0)).limit(2).list()?.len(), 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn limit(mut self, limit: u64) -> Self {
        self.query.limit = Some(limit);
        self
    }

    /// Leaves out the first answers, `offset` of them; after a page token nothing is left out again.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let second = notes.find(field("n").gt(0)).order_by(asc("n")).offset(1).first()?.expect("one");
    /// assert_eq!(second.field("n")?, Some(2.into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn offset(mut self, offset: u64) -> Self {
        self.query.offset = offset;
        self
    }

    /// Bounds the number of answers of one run: a page. [`Found::token`] leads to the next page.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// assert_eq!(notes.find(field("n").gt(0)).page_size(2).list()?.len(), 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn page_size(mut self, size: u64) -> Self {
        self.query.page = Some(size);
        self
    }

    /// Goes on after the place of a page token of the same query, see [`page`](Self::page) and [`Found::token`].
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let find = notes.find(field("n").gt(0)).order_by(asc("n"));
    /// let page = find.clone().page(2)?;
    /// let token = page.token.expect("there is more");
    /// assert_eq!(find.after(token).list()?.len(), 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn after(mut self, token: impl Into<Vec<u8>>) -> Self {
        self.query.after = Some(token.into());
        self
    }

    /// A page of at most `size` answers, with the token of the next page.
    ///
    /// `limit` and `offset` are of the answer as a whole, whatever its pages: a limit of 25 gives pages of 10, 10 and 5.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let find = notes.find(field("n").gt(0)).order_by(asc("n"));
    /// let mut page = find.clone().page(2)?;
    /// let mut seen = page.entities.len();
    /// while let Some(token) = page.token {
    ///     page = find.clone().after(token).page(2)?;
    ///     seen += page.entities.len();
    /// }
    /// assert_eq!(seen, 3);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run), and those of reading the answers.
    pub fn page(self, size: u64) -> Result<Page> {
        let mut found = self.page_size(size).run()?;
        let entities = found.by_ref().collect::<Result<Vec<_>>>()?;
        let token = found.token()?;
        Ok(Page { entities, token })
    }

    /// The query as a value.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// assert_eq!(notes.find(field("n").gt(0)).limit(2).as_query().limit, Some(2));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn as_query(&self) -> &Query {
        &self.query
    }

    /// The answers, lazily.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// for note in notes.find(field("n").gt(1)).run()? {
    ///     println!("{}", note?.id());
    /// }
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `ScanForbidden` when no index serves and the database forbids that, `PageTokenInvalid`, `QueryTooLarge` when
    /// sorting needs too much memory, `QueryInvalid` when conditions nest more than 50 deep, `Closed`, `TransactionEnded`.
    pub fn run(self) -> Result<Found> {
        let (view, record) = self.collection.open()?;
        Found::open(self.collection, view, record, self.query)
    }

    /// The first answer.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// assert!(notes.find(field("n").eq(9)).first()?.is_none());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn first(self) -> Result<Option<Entity>> {
        self.page_size(1).run()?.next().transpose()
    }

    /// All answers at once.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// assert_eq!(notes.find(field("n").gt(1)).list()?.len(), 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn list(self) -> Result<Vec<Entity>> {
        self.run()?.collect()
    }

    /// How many answers there are.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// assert_eq!(notes.find(field("n").gt(1)).count()?, 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn count(mut self) -> Result<u64> {
        let Query { limit, offset, page, after, .. } = &self.query;
        if limit.is_none()
            && *offset == 0
            && page.is_none()
            && after.is_none()
            && self.query.filter == Expression::all()
        {
            return self.collection.count();
        }
        // The order does not change the number, unless a page token speaks of it.
        if self.query.after.is_none() {
            self.query.order.clear();
        }
        let mut found = self.run()?;
        if let Some(count) = found.count_rows()? {
            return Ok(count);
        }
        let mut count = 0_u64;
        while found.step()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// True when there is an answer.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// assert!(notes.find(field("n").gt(2)).exists()?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn exists(self) -> Result<bool> {
        Ok(self.first()?.is_some())
    }

    /// Removes the answers in one transaction; returns how many there were.
    ///
    /// They are removed as they are found, without a list of them; each takes its part of
    /// [`transaction_bytes_max`](crate::Options::transaction_bytes_max). Where everything is asked for, what is removed is
    /// a range, and only the feed is told of entities one by one.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// assert_eq!(notes.find(field("n").gt(1)).delete()?, 2);
    /// assert_eq!(notes.count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run), and those of [`Collection::delete`].
    pub fn delete(self) -> Result<u64> {
        super::remove::remove(&self.collection, self.query)
    }

    /// How the answers would be found.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// assert!(notes.find(field("n").gt(1)).explain()?.scan);
    /// notes.create_index(entidb_core::IndexDefinition::on(["n"])?)?;
    /// assert!(!notes.find(field("n").gt(1)).explain()?.scan);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `PageTokenInvalid`, `QueryInvalid`, `Closed`, `TransactionEnded`.
    pub fn explain(&self) -> Result<Explanation> {
        let mut query = self.query.clone();
        query.normalize()?;
        let (view, record) = self.collection.open()?;
        let Some(record) = record else {
            return Ok(Explanation::nothing(self.collection.name(), &query));
        };
        let policy = self.collection.scope().shared().options().scan_policy;
        let (_, chosen) = query.planned(&record, &view, policy)?;
        Explanation::of(&record, &view, &query, &chosen)
    }
}
