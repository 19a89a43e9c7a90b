//! The answers of a query, one by one.
//!
//! Always: nothing is looked for before it is asked for, except where answers must be sorted; all are
//! of one snapshot, in a write transaction too: what is changed between two answers shows in none.
//! Does not know: how a query is built (`find`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::order::Order;
use super::token::{Place, fingerprint};
use crate::catalog::CollectionRecord;
use crate::collection::{Collection, Entity};
use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, Home, StorageId};
use crate::options::ScanPolicy;
use crate::query::Query;
use crate::query::language::{conjuncts, matches};
use crate::query::operators::{Fetch, Sorter};
use crate::query::plan::{Instead, Offer, Plan, plan};
use crate::query::sources::{IdSource, Opening, Score, Scored};
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
    home: Home,
    /// None once it has ended.
    view: Option<View>,
    /// The entities to look at; none once it has ended.
    fetch: Option<Box<Fetch>>,
    /// Whether those are answers in their order: they were looked at when they were sorted.
    sorted: bool,
    /// The order the answers come in.
    order: Order,
    /// Ends a walk that meets too few answers.
    guard: Option<Guard>,
    /// Answers before this page.
    before: u64,
    /// Answers of this page.
    given: u64,
    skip: u64,
    last: Option<Scored>,
    /// The answer after the last, looked for to know whether there is one.
    ahead: Option<Scored>,
    examined: u64,
    /// Whether candidates are answers without a look at their documents.
    exact: bool,
    shared: Arc<crate::database::Shared>,
}

/// The place of an answer, kept to make a page token of it later.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
/// # use entidb_core::{asc, desc, field};
/// let find = notes.find(field("n").gt(0)).order_by(asc("n"));
/// let mut found = find.clone().run()?;
/// found.next();
/// let place = found.place().expect("there was an answer");
/// found.next();
/// assert_eq!(find.after(found.token_of(&place)?).list()?.len(), 2);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PagePlace {
    answer: Scored,
    given: u64,
}

/// What ends a walk in the order of the answers that meets too few of them.
struct Guard {
    instead: Box<Instead>,
    /// The place of the page token.
    place: Option<Place>,
    /// The last answer that was met.
    last: Option<Scored>,
}

impl Found {
    pub(super) fn open(
        collection: Collection,
        view: View,
        record: Option<Arc<CollectionRecord>>,
        mut query: Query,
    ) -> Result<Self> {
        query.normalize()?;
        let _moving = view.moving();
        let shared = Arc::clone(collection.scope().shared());
        let nowhere = Home { collection: CollectionId(0), storage: StorageId(0) };
        let home = record.as_ref().map_or(nowhere, |record| record.home());
        let mut found = Self {
            skip: query.offset,
            query,
            home,
            view: None,
            fetch: None,
            sorted: false,
            order: Order::Ids,
            guard: None,
            before: 0,
            given: 0,
            last: None,
            ahead: None,
            examined: 0,
            exact: false,
            shared,
        };
        let Some(record) = record else {
            found.view = Some(view);
            return Ok(found);
        };
        let (place, chosen) = found.query.planned(&record, &view, found.shared.options().scan_policy)?;
        found.judge_scan(&record, &view, &chosen)?;
        found.shared.counters().find(chosen.is_scan(&found.query));
        if let Some(place) = &place {
            // The token stands behind what the offset leaves out.
            (found.before, found.skip) = (place.given, 0);
        }
        found.guard = chosen.instead.map(|instead| Guard { instead, place: place.clone(), last: None });
        if found.left() != Some(0) || !chosen.offer.sorts {
            found.go(&view, chosen.offer, place)?;
        }
        found.view = Some(view);
        Ok(found)
    }

    /// Opens the candidates of an offer, after a place.
    fn go(&mut self, view: &View, offer: Offer, after: Option<Place>) -> Result<()> {
        let opening = Opening {
            view,
            home: self.home,
            order: (!offer.sorts).then_some(&offer.order),
            after: after.as_ref().filter(|_| !offer.sorts),
            sort_bytes_max: self.shared.options().sort_bytes_max,
        };
        let fetch = Fetch::new(view.clone(), self.home, offer.access.open(&opening)?);
        (self.order, self.exact, self.sorted) = (offer.order, offer.exact, offer.sorts);
        self.fetch = Some(Box::new(if self.sorted { self.sort(view, fetch, after)? } else { fetch }));
        Ok(())
    }

    fn judge_scan(&self, record: &CollectionRecord, view: &View, chosen: &Plan) -> Result<()> {
        if chosen.is_scan(&self.query) && !self.query.may_scan(self.shared.options().scan_policy) {
            let problem = if view.past().is_some() {
                "a query as of an earlier commit looks at every entity, because indexes hold the newest commit only, and \
                 scan_policy forbids that; get entities by their ids, or open the database with another scan_policy"
            } else if chosen.gives_order() {
                "an index gives the order of this query, which has no limit, and scan_policy forbids looking at every entity; \
                 set a limit"
            } else {
                "no index serves this query and scan_policy forbids looking at every entity; declare an index"
            };
            return Err(Error::new(ErrorCode::ScanForbidden, problem).with_collection(&record.name));
        }
        Ok(())
    }

    /// How many answers of the whole are left, where there is a limit.
    fn left_of_all(&self) -> Option<u64> {
        self.query.limit.map(|limit| limit.saturating_sub(self.before).saturating_sub(self.given))
    }

    /// How many answers of this page are left, where that is bounded.
    fn left(&self) -> Option<u64> {
        let of_page = self.query.page.map(|page| page.saturating_sub(self.given));
        match (of_page, self.left_of_all()) {
            (Some(page), Some(all)) => Some(page.min(all)),
            (page, all) => page.or(all),
        }
    }

    fn sort(&mut self, view: &View, mut fetch: Fetch, place: Option<Place>) -> Result<Fetch> {
        let left = self.left();
        // One more than the page has: it tells whether there is another page.
        let wanted = left.map(|left| left.saturating_add(self.skip).saturating_add(1));
        let keep = wanted.and_then(|wanted| usize::try_from(wanted).ok());
        let after = place.as_ref().map(|place| place.key.as_slice());
        let mut sorter = Sorter::new(keep, after, self.shared.options().sort_bytes_max);
        // All are needed, and none before the last.
        while let Some(found) = fetch.next(Some(u64::MAX))? {
            self.examined += 1;
            if (self.exact && !fetch.is_widened()) || matches(&self.query.filter, found.entity.bytes())? {
                sorter.push(self.order.key(&found)?, found.entity.id())?;
            }
        }
        let sorted = sorter.finish();
        let scores = match self.order {
            Order::Scores => sorted.iter().map(|(key, _)| Score::of_key(key)).collect::<Result<_>>()?,
            _ => VecDeque::new(),
        };
        let ids = sorted.into_iter().map(|(_, id)| id).collect();
        Ok(Fetch::new(view.clone(), self.home, Box::new(IdSource { ids, scores })))
    }

    fn next_match(&mut self) -> Result<Option<Scored>> {
        let Some(view) = &self.view else { return Ok(None) };
        view.check()?;
        let wanted = self.left().map(|left| left.saturating_add(self.skip));
        while let Some(fetch) = &mut self.fetch
            && let Some(found) = fetch.next(wanted)?
        {
            if self.sorted {
                return Ok(Some(found));
            }
            self.examined += 1;
            if (self.exact && !fetch.is_widened()) || matches(&self.query.filter, found.entity.bytes())? {
                if let Some(guard) = &mut self.guard {
                    guard.last = Some(found.clone());
                }
                return Ok(Some(found));
            }
            if let Some(guard) = &mut self.guard {
                guard.instead.misses = guard.instead.misses.saturating_sub(1);
            }
            if self.guard.as_ref().is_some_and(|guard| guard.instead.misses == 0)
                && let (Some(Guard { instead, place, last }), Some(view)) = (self.guard.take(), self.view.clone())
            {
                let after = match last {
                    Some(last) => Some(Place { given: 0, order: self.order.clone(), key: self.order.key(&last)? }),
                    None => place,
                };
                self.go(&view, instead.plan.offer, after)?;
            }
        }
        Ok(None)
    }

    /// How many answers are left, by counting rows alone; `None` where entities must be looked at, or a part is asked for.
    pub(super) fn count_rows(&mut self) -> Result<Option<u64>> {
        let is_whole = self.left().is_none() && self.skip == 0;
        let is_answer = self.exact || self.sorted;
        let Some(fetch) = self.fetch.as_mut().filter(|_| is_answer && is_whole) else { return Ok(None) };
        let _moving = self.view.as_ref().and_then(View::moving);
        let counted = fetch.count()?;
        if !self.sorted {
            self.examined += counted.unwrap_or(0);
        }
        Ok(counted)
    }

    /// The next answer. The end and the first error free what the query holds, and there is no answer after them; at the end of
    /// a page that is only known once it was asked whether there is another.
    pub(crate) fn step(&mut self) -> Result<Option<Entity>> {
        let step = self.next_answer().map(|answer| answer.map(|answer| answer.entity));
        let is_more = match &step {
            Ok(Some(_)) => true,
            Ok(None) => self.left() == Some(0) && self.left_of_all() != Some(0),
            Err(_) => false,
        };
        if !is_more {
            self.end();
        }
        step
    }

    fn end(&mut self) {
        self.fetch = None;
        self.ahead = None;
        self.view = None;
    }

    fn next_answer(&mut self) -> Result<Option<Scored>> {
        if let Some(view) = &self.view {
            view.check()?;
        }
        if self.left() == Some(0) {
            return Ok(None);
        }
        let next = match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.look()?,
        };
        if let Some(answer) = &next {
            self.given += 1;
            self.last = Some(answer.clone());
        }
        Ok(next)
    }

    /// The next answer behind those the offset leaves out, whether it is of this page or not.
    fn look(&mut self) -> Result<Option<Scored>> {
        let _moving = self.view.as_ref().and_then(View::moving);
        while let Some(found) = self.next_match()? {
            if self.skip == 0 {
                return Ok(Some(found));
            }
            self.skip -= 1;
        }
        Ok(None)
    }

    /// The place of the last answer given, as a token for [`Find::after`](crate::Find::after): to go on with the same query on
    /// the next page. None before the first answer, and none when there are no more: a last page has no token, however full
    /// it is. Looks for one more answer to know that.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let find = notes.find(field("n").gt(0)).order_by(asc("n")).page_size(2);
    /// let mut page = find.clone().run()?;
    /// assert_eq!(page.by_ref().count(), 2);
    /// let mut last = find.after(page.token()?.expect("there is more")).run()?;
    /// assert_eq!(last.by_ref().count(), 1);
    /// assert!(last.token()?.is_none());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As the next answer; an `Encoding` error when the query cannot be encoded.
    pub fn token(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(place) = self.place() else { return Ok(None) };
        if self.left_of_all() == Some(0) {
            return Ok(None);
        }
        if self.ahead.is_none() {
            match self.look() {
                Ok(Some(ahead)) => self.ahead = Some(ahead),
                Ok(None) => self.end(),
                Err(error) => {
                    self.end();
                    return Err(error);
                }
            }
        }
        if self.ahead.is_some() { self.token_of(&place).map(Some) } else { Ok(None) }
    }

    /// The place of the last answer given, to make a token of later; none before the first.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let mut found = notes.find(field("n").gt(0)).run()?;
    /// assert!(found.place().is_none());
    /// found.next();
    /// assert!(found.place().is_some());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn place(&self) -> Option<PagePlace> {
        self.last.clone().map(|answer| PagePlace { answer, given: self.before.saturating_add(self.given) })
    }

    /// The token of a place among the answers of this query, whether answers follow it or not.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
    /// # use entidb_core::{asc, desc, field};
    /// let find = notes.find(field("n").gt(0)).order_by(asc("n"));
    /// let mut found = find.clone().run()?;
    /// found.next();
    /// let place = found.place().expect("there was an answer");
    /// assert_eq!(find.after(found.token_of(&place)?).list()?.len(), 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// An `Encoding` error when the query cannot be encoded.
    pub fn token_of(&self, place: &PagePlace) -> Result<Vec<u8>> {
        let key = self.order.key(&place.answer)?;
        let place = Place { given: place.given, order: self.order.clone(), key };
        place.encode(fingerprint(self.home.collection, &self.query)?)
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

impl Query {
    /// The way to the answers, and the place of the page token they come after.
    pub(super) fn planned(
        &self,
        record: &CollectionRecord,
        view: &View,
        policy: ScanPolicy,
    ) -> Result<(Option<Place>, Plan)> {
        let terms = conjuncts(&self.filter);
        let place = match &self.after {
            Some(token) => Some(Place::decode(token, fingerprint(record.id, self)?, self, &terms)?),
            None => None,
        };
        let plan = plan(self, &terms, record, view, place.as_ref(), self.may_scan(policy))?;
        Ok((place, plan))
    }

    /// Whether it gives no more than a number of answers.
    pub(crate) fn is_bounded(&self) -> bool {
        self.limit.is_some() || self.page.is_some()
    }

    fn may_scan(&self, policy: ScanPolicy) -> bool {
        match policy {
            ScanPolicy::Allow => true,
            ScanPolicy::Forbid => false,
            ScanPolicy::ForbidUnbounded => self.is_bounded(),
        }
    }
}
