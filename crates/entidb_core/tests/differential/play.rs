//! One run: a collection with its model, and questions to both.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_core::{
    Collection, Database, Durability, EntityId, Error, ErrorCode, Options, Query, Value, VerifyLevel, WriteMode,
    WriteTransaction, encode,
};

use crate::condition::holds;
use crate::keys;
use crate::model::{Entities, Refusal};
use crate::sample::Sample;

/// What the runs came to see.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) questions: u64,
    pub(crate) by_index: u64,
    pub(crate) sorted: u64,
    pub(crate) pages: u64,
    pub(crate) pages_while_indexes_change: u64,
    /// Loops over a query in a transaction, whose bodies changed what they looped over.
    pub(crate) walks: u64,
    /// Questions answered by an index, of documents with texts longer than its rows.
    pub(crate) of_cut_rows: u64,
    /// Questions answered by several indexes together.
    pub(crate) combined: u64,
    /// Questions where an index says what is left out, and those with another way at hand.
    pub(crate) excluding: u64,
    pub(crate) guarded: u64,
    /// Changes of keys of manual indexes.
    pub(crate) keys: u64,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, more: Self) {
        self.questions += more.questions;
        self.by_index += more.by_index;
        self.sorted += more.sorted;
        self.pages += more.pages;
        self.pages_while_indexes_change += more.pages_while_indexes_change;
        self.walks += more.walks;
        self.of_cut_rows += more.of_cut_rows;
        self.combined += more.combined;
        self.excluding += more.excluding;
        self.guarded += more.guarded;
        self.keys += more.keys;
    }
}

pub(crate) fn database() -> Database {
    let options = Options { durability: Durability::None, feed_commits_max: 0, ..Options::default() };
    Database::open_memory_with(options).unwrap()
}

pub(crate) fn check(db: &Database) {
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
}

struct Run {
    sample: Sample,
    collection: Collection,
    model: Entities,
    seen: Seen,
    tx: Option<Rc<WriteTransaction>>,
}

pub(crate) fn run(db: &Database, seed: u64) -> Seen {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let name = format!("c{}", RUNS.fetch_add(1, Ordering::Relaxed));
    let sample = Sample::new(seed);
    let collection = db.collection(&name).unwrap();
    let mut run = Run { sample, collection, model: Entities::default(), seen: Seen::default(), tx: None };
    run.fill();
    match run.sample.below(3) {
        0 => run.questions(),
        1 => {
            let read = db.begin_read().unwrap();
            let then = (read.collection(&name).unwrap(), run.model.clone());
            let now = (run.collection.clone(), run.model.clone());
            run.changes(3);
            (run.collection, run.model) = then;
            run.questions();
            (run.collection, run.model) = now;
        }
        _ => {
            let tx = Rc::new(db.begin_write().unwrap());
            run.collection = tx.collection(&name).unwrap();
            run.tx = Some(Rc::clone(&tx));
            run.changes(5);
            run.savepoint();
            run.questions();
            run.walk();
            run.tx = None;
            tx.finish(None).unwrap();
            run.collection = db.collection(&name).unwrap();
            run.compare();
        }
    }
    let seen = run.seen;
    if db.collections().unwrap().contains(&name) && !seed.is_multiple_of(5) {
        db.drop_collection(&name).unwrap();
    }
    seen
}

impl Run {
    fn fill(&mut self) {
        let is_indexed_first = self.sample.one_in(2);
        if is_indexed_first {
            self.declare();
        }
        self.changes(if self.sample.is_large { 100 } else { self.sample.below(14) });
        if !is_indexed_first {
            self.declare();
        }
    }

    fn declare(&mut self) {
        let count = if self.sample.is_large { 8 } else { self.sample.below(4) };
        for _ in 0..count {
            self.create_index();
        }
    }

    fn create_index(&mut self) {
        let definition =
            if self.sample.one_in(5) { keys::definition(self.sample.one_in(2)) } else { self.sample.index() };
        if self.model.indexes.contains_key(&definition.name) {
            return;
        }
        let is_refused = self.model.index_refusal(&definition);
        let result = self.collection.create_index(definition.clone());
        assert_eq!(result.is_err(), is_refused, "{definition:?}: {result:?}");
        if !is_refused {
            self.model.indexes.insert(definition.name.clone(), definition);
        }
    }

    fn drop_index(&mut self) {
        let names: Vec<String> = self.model.indexes.keys().cloned().collect();
        if let Some(name) = names.get(self.sample.below(1 + names.len() as u64) as usize) {
            self.collection.drop_index(name).unwrap();
            self.model.drop_index(name);
        }
    }

    fn changes(&mut self, count: u64) {
        for _ in 0..count {
            let id = self.sample.id();
            self.change(id);
        }
    }

    fn change(&mut self, id: EntityId) {
        if self.sample.one_in(4) {
            let index = if self.sample.one_in(2) { "keys" } else { "keys!" };
            let (key, inserts) = (self.sample.below(keys::KEYS) as i64, !self.sample.one_in(3));
            self.seen.keys += u64::from(self.model.indexes.contains_key(index));
            keys::change(&self.collection, &mut self.model, index, key, id, inserts);
            return;
        }
        if self.sample.one_in(4) {
            let was_there = self.model.remove(id);
            assert_eq!(self.collection.delete(id).unwrap(), was_there);
            return;
        }
        let document = self.sample.document();
        let refusals = self.model.refusal(id, &document);
        let result = self.collection.write(Some(id), &encode(&document), WriteMode::Put);
        assert_eq!(result.is_err(), !refusals.is_empty(), "{document:?}: {refusals:?} {result:?}");
        match result {
            Ok(_) => self.model.put(id, document),
            Err(error) => judge(&error, &refusals),
        }
    }

    fn savepoint(&mut self) {
        let Some(tx) = self.tx.clone() else { return };
        let (savepoint, before) = (tx.savepoint().unwrap(), self.model.clone());
        self.changes(3);
        self.create_index();
        self.drop_index();
        if self.sample.one_in(2) {
            tx.rollback_to(savepoint).unwrap();
            self.model = before;
        }
    }

    /// Everything there is.
    fn compare(&self) {
        let found: BTreeMap<EntityId, Value> = self
            .collection
            .iter()
            .unwrap()
            .map(|entity| entity.map(|entity| (entity.id(), entity.value().unwrap())).unwrap())
            .collect();
        let wanted = self.model.documents.iter().map(|(id, (_, document))| (*id, document.clone())).collect();
        assert_eq!(found, wanted);
        assert_eq!(self.collection.count().unwrap(), found.len() as u64);
        keys::compare(&self.collection, &self.model);
    }

    fn query(&self) -> Query {
        let sample = &self.sample;
        Query {
            filter: if sample.is_large && !sample.one_in(3) { sample.combination() } else { sample.condition(2) },
            order: sample.order(),
            limit: sample.one_in(3).then(|| sample.below(7)),
            offset: if sample.one_in(4) { sample.below(4) } else { 0 },
            ..Query::default()
        }
    }

    fn questions(&mut self) {
        keys::compare(&self.collection, &self.model);
        for _ in 0..4 {
            let query = self.query();
            let wanted = self.wanted(&query);
            self.ask(&query, &wanted);
            self.pages(&query, &wanted);
        }
        self.pages_while_all_changes();
    }

    /// All answers in order, before a part is taken.
    fn wanted(&self, query: &Query) -> Vec<EntityId> {
        self.model.sorted(&query.order, |document| holds(&query.filter, document))
    }

    fn part(query: &Query, wanted: &[EntityId]) -> Vec<EntityId> {
        let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
        wanted.iter().copied().skip(query.offset as usize).take(limit).collect()
    }

    /// The found answers are the wanted ones, in their order where one is asked for.
    fn agree(&self, query: &Query, found: &[EntityId], wanted: &[EntityId]) {
        let part = Self::part(query, wanted);
        let how = || format!("{query:?}\n{}\n{:?}", self.explain(query), self.model);
        if !query.order.is_empty() {
            assert_eq!(found, part, "{}", how());
            return;
        }
        let set: BTreeSet<EntityId> = found.iter().copied().collect();
        assert_eq!(set.len(), found.len(), "an entity came twice: {}", how());
        assert_eq!(found.len(), part.len(), "{}", how());
        assert!(set.is_subset(&wanted.iter().copied().collect()), "{}", how());
    }

    fn explain(&self, query: &Query) -> String {
        self.collection.query(query.clone()).explain().unwrap().to_string()
    }

    fn ask(&mut self, query: &Query, wanted: &[EntityId]) {
        let find = || self.collection.query(query.clone());
        let found: Vec<EntityId> = find().run().unwrap().map(|entity| entity.unwrap().id()).collect();
        self.agree(query, &found, wanted);
        let count = Self::part(query, wanted).len() as u64;
        assert_eq!(find().count().unwrap(), count, "{query:?}");
        assert_eq!(find().exists().unwrap(), count > 0, "{query:?}");
        assert_eq!(find().first().unwrap().map(|entity| entity.id()), found.first().copied(), "{query:?}");
        let how = find().explain().unwrap();
        self.seen.questions += 1;
        self.seen.by_index += u64::from(how.index.is_some());
        self.seen.combined += u64::from(how.combined.is_some());
        self.seen.excluding += u64::from(!how.excluded.is_empty());
        self.seen.guarded += u64::from(how.instead.is_some());
        self.seen.sorted += u64::from(how.sort);
        self.seen.of_cut_rows += u64::from(how.index.is_some() && self.sample.is_long);
    }

    /// The same answers a page at a time.
    fn pages(&mut self, query: &Query, wanted: &[EntityId]) {
        let size = 1 + self.sample.below(4);
        let count = Self::part(query, wanted).len();
        let mut found = Vec::new();
        let mut page = self.collection.query(query.clone()).page(size).unwrap();
        loop {
            found.extend(page.entities.iter().map(|entity| entity.id()));
            assert_eq!(page.token.is_some(), found.len() < count, "{query:?} {}", self.explain(query));
            self.seen.pages += 1;
            let Some(token) = page.token else { break };
            assert_eq!(page.entities.len() as u64, size);
            page = self.collection.query(query.clone()).after(token).page(size).unwrap();
        }
        self.agree(query, &found, wanted);
    }

    /// Pages between which indexes come and go and documents change: an entity that is not touched comes exactly once.
    fn pages_while_all_changes(&mut self) {
        let query = Query { limit: None, offset: 0, ..self.query() };
        let size = 1 + self.sample.below(3);
        let mut untouched: BTreeSet<EntityId> = self.wanted(&query).into_iter().collect();
        let mut found = Vec::new();
        let mut ways = vec![self.explain(&query)];
        let mut page = self.collection.query(query.clone()).page(size).unwrap();
        loop {
            found.extend(page.entities.iter().map(|entity| entity.id()));
            assert!(found.len() < 200, "pages of {query:?} do not end: {ways:?}");
            let Some(token) = page.token else { break };
            if !self.is_read_only() {
                match self.sample.below(3) {
                    0 => self.create_index(),
                    1 => self.drop_index(),
                    _ => {
                        let id = self.sample.id();
                        untouched.remove(&id);
                        self.change(id);
                    }
                }
            }
            let next = self.collection.query(query.clone()).after(token);
            ways.push(next.explain().unwrap().to_string());
            page = next.page(size).unwrap();
        }
        for id in &untouched {
            let times = found.iter().filter(|other| *other == id).count();
            assert_eq!(times, 1, "{id} came {times} times of {query:?}: {ways:?}\n{:?}", self.model);
        }
        self.seen.pages_while_indexes_change += u64::from(ways.len() > 1);
    }

    fn is_read_only(&self) -> bool {
        let refused = self.collection.delete(EntityId::from_bytes([0xee; 16]));
        refused.is_err_and(|error| error.code() == ErrorCode::ReadOnly)
    }

    /// A loop over a query whose body changes what it loops over.
    fn walk(&mut self) {
        for _ in 0..2 {
            let query = self.query();
            let find = || self.collection.query(query.clone());
            let seen = |entity: entidb_core::Entity| (entity.id(), entity.bytes().to_vec());
            let before: Vec<_> = find().run().unwrap().map(|entity| seen(entity.unwrap())).collect();
            let how = self.explain(&query);
            let mut given = Vec::new();
            let savepoint = self.tx.as_ref().map(|tx| (tx.savepoint().unwrap(), self.model.clone()));
            for entity in find().run().unwrap() {
                given.push(seen(entity.unwrap()));
                assert!(given.len() <= before.len(), "{query:?} by {how} gives more");
                match self.sample.below(8) {
                    0 => self.drop_index(),
                    1 => self.create_index(),
                    2 => {
                        if let (Some(tx), Some((savepoint, model))) = (&self.tx, &savepoint) {
                            tx.rollback_to(*savepoint).unwrap();
                            self.model = model.clone();
                        }
                    }
                    3 | 4 => {
                        if let Some((id, _)) = given.last() {
                            self.change(*id);
                        }
                    }
                    _ => self.changes(2),
                }
            }
            assert_eq!(given, before, "{query:?} by {how}");
            self.seen.walks += 1;
            self.compare();
        }
        let query = self.query();
        let wanted = Self::part(&query, &self.wanted(&query));
        let deleted = self.collection.query(query.clone()).delete().unwrap();
        assert_eq!(deleted, wanted.len() as u64);
        if query.order.is_empty() {
            let left: Vec<EntityId> = self.collection.iter().unwrap().map(|entity| entity.unwrap().id()).collect();
            let gone: Vec<_> = self.model.documents.keys().filter(|id| !left.contains(id)).copied().collect();
            gone.into_iter().for_each(|id| assert!(self.model.remove(id)));
        } else {
            wanted.iter().for_each(|id| assert!(self.model.remove(*id)));
        }
        self.compare();
    }
}

fn judge(error: &Error, refusals: &[Refusal]) {
    let expected = match error.code() {
        ErrorCode::UniqueViolation => Refusal::Duplicate,
        ErrorCode::InvalidArgument => Refusal::TwoArrays,
        _ => panic!("{error:?}"),
    };
    assert!(refusals.contains(&expected), "{error}: {refusals:?}");
}
