//! The answers of a query, one by one.
//!
//! Always: nothing is looked for before it is asked for, except where answers must be sorted; all are
//! of one snapshot, in a write transaction too: what is changed between two answers shows in none.
//! Does not know: how a query is built (`find`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::Query;
use super::evaluate::matches;
use super::plan::{Plan, plan};
use super::sort::Sorter;
use super::source::{Located, Source};
use super::token::{PagePlace, Place};
use crate::catalog::CollectionRecord;
use crate::collection::{Collection, Entity};
use crate::error::{Error, ErrorCode, Result};
use crate::id::EntityId;
use crate::keyspace;
use crate::options::ScanPolicy;
use crate::transaction::View;

/// The answers of a query, one by one. After an error it gives no more.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
/// # use entidb_core::{asc, desc, field};
/// let mut found = notes.find(field("n").gt(1)).run()?;
/// assert_eq!(found.by_ref().count(), 2);
/// assert_eq!(found.examined(), 3); // without an index every entity is looked at
/// # Ok::<(), entidb_core::Error>(())
/// ```
pub struct Found {
    query: Query,
    /// None once it has ended.
    view: Option<View>,
    state: Progress,
    left: u64,
    skip: u64,
    place: Option<Place>,
    examined: u64,
    /// Whether candidates are answers without a look at their documents.
    exact: bool,
    shared: Arc<crate::database::Shared>,
}

enum Progress {
    Streaming(Box<Source>),
    Sorted { collection: crate::id::CollectionId, rows: VecDeque<(Vec<u8>, EntityId)> },
    Ended,
}

impl Found {
    pub(super) fn open(
        collection: Collection,
        view: View,
        record: Option<Arc<CollectionRecord>>,
        query: Query,
    ) -> Result<Self> {
        query.check()?;
        let shared = Arc::clone(collection.scope().shared());
        let mut found = Self {
            left: query.limit.unwrap_or(u64::MAX),
            skip: query.offset,
            query,
            view: None,
            state: Progress::Ended,
            place: None,
            examined: 0,
            exact: false,
            shared,
        };
        let place = found.query.after.as_deref().map(|token| Place::decode(token, &found.query)).transpose()?;
        let Some(record) = record else {
            found.view = Some(view);
            return Ok(found);
        };
        let chosen = plan(&found.query, &record, &view, place.as_ref())?;
        found.judge_scan(&record, &chosen)?;
        found.shared.counters().find(chosen.is_scan());
        found.exact = chosen.exact;
        let after = if chosen.sorts { None } else { place.clone() };
        let source = Source::open(view.clone(), &record, &chosen.access, after)?;
        found.state =
            if chosen.sorts { found.sort(source, &record, place)? } else { Progress::Streaming(Box::new(source)) };
        found.view = Some(view);
        Ok(found)
    }

    fn judge_scan(&self, record: &CollectionRecord, chosen: &Plan) -> Result<()> {
        let forbidden = match self.shared.options().scan_policy {
            ScanPolicy::Allow => false,
            ScanPolicy::Forbid => chosen.is_scan(),
            ScanPolicy::ForbidUnbounded => chosen.is_scan() && self.query.limit.is_none(),
        };
        if forbidden {
            let problem =
                "no index serves this query and scan_policy forbids looking at every entity; declare an index";
            return Err(Error::new(ErrorCode::ScanForbidden, problem).with_collection(&record.name));
        }
        Ok(())
    }

    fn sort(&mut self, mut source: Source, record: &CollectionRecord, place: Option<Place>) -> Result<Progress> {
        let after = match &place {
            Some(Place::Sorted { key }) => Some(key.as_slice()),
            _ => None,
        };
        let wanted = self.query.limit.map(|limit| limit.saturating_add(self.query.offset));
        let keep = wanted.and_then(|wanted| usize::try_from(wanted).ok());
        let mut sorter = Sorter::new(&self.query.order, keep, after, self.shared.options().sort_bytes_max);
        if keep == Some(0) {
            return Ok(Progress::Ended);
        }
        // All are needed, and none before the last.
        while let Some(Located { entity, .. }) = source.next(Some(u64::MAX))? {
            self.examined += 1;
            if self.exact || matches(&self.query.filter, entity.bytes())? {
                sorter.push(&entity)?;
            }
        }
        Ok(Progress::Sorted { collection: record.id, rows: sorter.finish().into() })
    }

    fn next_match(&mut self) -> Result<Option<(Entity, Place)>> {
        let Some(view) = &self.view else { return Ok(None) };
        let wanted = self.query.limit.map(|_| self.left.saturating_add(self.skip));
        match &mut self.state {
            Progress::Ended => Ok(None),
            Progress::Streaming(source) => {
                while let Some(Located { entity, place }) = source.next(wanted)? {
                    self.examined += 1;
                    if self.exact || matches(&self.query.filter, entity.bytes())? {
                        return Ok(Some((entity, place)));
                    }
                }
                Ok(None)
            }
            Progress::Sorted { collection, rows } => {
                let Some((key, id)) = rows.pop_front() else { return Ok(None) };
                let stored = view.get(&keyspace::entity(*collection, &id))?;
                let stored = stored.ok_or_else(|| Error::internal("a sorted entity is not in its snapshot"))?;
                Ok(Some((Entity::new(id, stored)?, Place::Sorted { key })))
            }
        }
    }

    /// How many answers are left, by counting rows alone; `None` where entities must be looked at, or a part is asked for.
    pub(super) fn count_rows(&mut self) -> Result<Option<u64>> {
        match &mut self.state {
            Progress::Streaming(source) if self.exact && self.left == u64::MAX && self.skip == 0 => {
                let counted = source.count_rows()?;
                self.examined += counted.unwrap_or(0);
                Ok(counted)
            }
            _ => Ok(None),
        }
    }

    /// The next answer. The end and the first error free what the query holds, and there is no answer after them.
    pub(crate) fn step(&mut self) -> Result<Option<Entity>> {
        let step = self.next_answer();
        if !matches!(step, Ok(Some(_))) {
            self.state = Progress::Ended;
            self.view = None;
        }
        step
    }

    fn next_answer(&mut self) -> Result<Option<Entity>> {
        let Some(view) = &self.view else { return Ok(None) };
        view.check()?;
        while self.left > 0 {
            let Some((entity, place)) = self.next_match()? else { break };
            self.place = Some(place);
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left -= 1;
            return Ok(Some(entity));
        }
        Ok(None)
    }

    /// The place of the last answer given, as a token for [`Find::after`](crate::Find::after); none before the first.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let find = notes.find(field("n").gt(0)).order_by(asc("n"));
    /// let mut page = find.clone().limit(2).run()?;
    /// assert_eq!(page.by_ref().count(), 2);
    /// assert!(page.token()?.is_some());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// An `Encoding` error when the query cannot be encoded.
    pub fn token(&self) -> Result<Option<Vec<u8>>> {
        self.place.as_ref().map(|place| place.encode(&self.query)).transpose()
    }

    /// The place of the last answer given, to make a token of later; none before the first.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let find = notes.find(field("n").gt(0)).order_by(asc("n"));
    /// let mut page = find.clone().limit(2).run()?;
    /// assert_eq!(page.by_ref().count(), 2);
    /// let place = page.place().expect("there was an answer");
    /// assert_eq!(Some(page.token_of(&place)?), page.token()?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn place(&self) -> Option<PagePlace> {
        self.place.clone().map(PagePlace)
    }

    /// The token of a place among the answers of this query.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let find = notes.find(field("n").gt(0)).order_by(asc("n"));
    /// let mut page = find.clone().limit(2).run()?;
    /// assert_eq!(page.by_ref().count(), 2);
    /// let place = page.place().expect("there was an answer");
    /// assert_eq!(find.after(page.token_of(&place)?).list()?.len(), 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// An `Encoding` error when the query cannot be encoded.
    pub fn token_of(&self, place: &PagePlace) -> Result<Vec<u8>> {
        place.0.encode(&self.query)
    }

    /// How many entities were looked at so far.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let mut found = notes.find(field("n").eq(3)).run()?;
    /// found.next();
    /// assert_eq!(found.examined(), 3);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn examined(&self) -> u64 {
        self.examined
    }
}

impl Iterator for Found {
    type Item = Result<Entity>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
