//! One history.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use entidb_core::{
    ChangeCursor, Collection, Database, Durability, ErrorCode, Expression, IndexDefinition, KeyRange, Options,
    Position, ReadTransaction, ScanOptions, Sequence, Since, VerifyLevel, WriteTransaction, doc,
};
use entidb_storage::simulated::{Personality, Simulation, Variant};
use entidb_storage::{Backend, SeededRandom};

use crate::model::{Coll, Doc, OPEN, Plain, Span, State, fields, follow, id, number};

const NAMES: [&str; 3] = ["a", "b", "c"];
const IDS: u64 = 26;

struct Play {
    random: SeededRandom,
    world: Simulation,
    db: Database,
    options: Options,
    now: State,
    /// The state after each commit.
    past: BTreeMap<u64, State>,
    /// Versions that ended, by the number of their collection and the id.
    ended: BTreeMap<(u64, u64), Vec<Span>>,
    /// Commits with changes in the feed.
    told: BTreeSet<u64>,
    /// The watermark, and whether age or bytes may have moved it further.
    mark: u64,
    is_loose: bool,
    next_number: u64,
    /// Of commits without a wait for the disk a crash may take back those after this one.
    readers: Vec<(ReadTransaction, State)>,
    followers: Vec<(Position, Plain)>,
    /// A reader that stands where it stood, with its copy.
    cursor: Option<(ChangeCursor, Plain)>,
}

fn retention(random: &SeededRandom, options: &mut Options) {
    options.feed_commits_max = match random.below(6) {
        0 => 0,
        1 | 2 => 1 + random.below(40),
        _ => 1_000_000,
    };
    options.feed_bytes_max = if random.below(5) == 0 { 2_000 + random.below(60_000) } else { 0 };
}

pub(crate) fn history(seed: u64, steps: u64) {
    let random = SeededRandom::new(seed);
    let world = Simulation::new(Personality::ALL[seed as usize % Personality::ALL.len()], seed);
    let mut options = Options {
        memtable_bytes: 16 << (10 + random.below(3)),
        lock_timeout_ms: 0,
        durability: if random.below(4) == 0 { Durability::None } else { Durability::Durable },
        ..Options::default()
    };
    if random.below(3) == 0 {
        retention(&random, &mut options);
    }
    let db = Database::open_on(world.backend(), options.clone()).unwrap();
    let past = BTreeMap::from([(0, State::default()), (db.last_sequence().0, State::default())]);
    let mut play = Play {
        random,
        world,
        db,
        is_loose: options.feed_bytes_max > 0,
        options,
        now: State::default(),
        past,
        ended: BTreeMap::new(),
        told: BTreeSet::new(),
        mark: 1,
        next_number: 0,
        readers: Vec::new(),
        followers: Vec::new(),
        cursor: None,
    };
    for _ in 0..steps {
        play.step();
    }
    play.end();
}

impl Play {
    fn one_in(&self, of: u64) -> bool {
        self.random.below(of) == 0
    }

    fn step(&mut self) {
        match self.random.below(60) {
            0 => drop(self.db.checkpoint().unwrap()),
            1 => drop(self.db.compact().unwrap()),
            2 => self.reopen(),
            3 => self.crash(),
            4 if self.one_in(2) => self.go_on_with_a_copy(),
            5 | 6 => self.trim(),
            7..=9 => self.begin_reader(),
            10..=12 => self.end_reader(),
            13..=15 => self.follow(),
            16 | 17 => self.move_cursor(),
            18..=22 => self.look_back(),
            23..=26 => self.versions(),
            27 => self.verify(),
            _ => self.transaction(),
        }
    }

    fn keeps_feed(&self) -> bool {
        self.options.feed_commits_max > 0
    }

    /// Whether changes after a commit are not all kept.
    fn is_gap(&self, at: u64) -> bool {
        at + 1 < self.mark || self.told.range(at + 1..).count() as u64 > self.options.feed_commits_max
    }

    /// What a call said about a commit that may not be kept, where `gone` is the code for that.
    fn judged<T>(&self, at: u64, gone: ErrorCode, result: entidb_core::Result<T>) -> Option<T> {
        match result {
            Ok(answer) => {
                assert!(!self.is_gap(at), "commit {at} is not kept, and was answered for (watermark {})", self.mark);
                Some(answer)
            }
            Err(error) => {
                assert_eq!(error.code(), gone, "{error}");
                assert!(self.is_loose || self.is_gap(at), "{error}, watermark {}", self.mark);
                None
            }
        }
    }

    fn transaction(&mut self) {
        let (position, before) = (self.db.position().unwrap(), self.now.clone());
        let tx = self.db.begin_write().unwrap();
        let (mut state, mut marks) = (before.clone(), Vec::new());
        let mut is_catalog = false;
        for _ in 0..1 + self.random.below(10) {
            match self.random.below(12) {
                0 => marks.push((tx.savepoint().unwrap(), state.clone())),
                1 if !marks.is_empty() => {
                    let place = self.random.below(marks.len() as u64) as usize;
                    tx.rollback_to(marks[place].0).unwrap();
                    state = marks[place].1.clone();
                    marks.truncate(place + 1);
                }
                2 => {
                    self.schema(&tx, &mut state);
                    is_catalog = true;
                }
                _ => self.change(&tx, &mut state),
            }
        }
        same(&|name| tx.collection(name).unwrap(), &tx.collections().unwrap(), &state);
        if self.one_in(6) {
            tx.abort();
            return;
        }
        let newest = self.db.last_sequence().0;
        let sequence = tx.commit().unwrap().0;
        if sequence == newest {
            assert_eq!(state.plain(), before.plain());
            return;
        }
        state.settle(sequence);
        for (place, span) in before.ended_by(&state, sequence) {
            self.ended.entry(place).or_default().push(span);
        }
        self.now = state;
        self.past.insert(sequence, self.now.clone());
        self.told_of(position, sequence, &before, is_catalog);
    }

    /// The feed tells of the commit what it changed, at once.
    fn told_of(&mut self, position: Position, sequence: u64, before: &State, is_catalog: bool) {
        let changed = before.plain() != self.now.plain() || !before.ended_by(&self.now, sequence).is_empty();
        if !self.keeps_feed() {
            if changed {
                self.mark = sequence + 1;
            } else {
                // What was changed and taken back may have moved the watermark.
                self.is_loose = true;
            }
            return;
        }
        let mut feed = self.db.changes(position).unwrap().with_before();
        let mut copy = before.plain();
        while let Some(batch) = feed.next_batch(Duration::ZERO).unwrap() {
            assert_eq!(batch.sequence.0, sequence);
            follow(&mut copy, &batch.changes);
            self.told.insert(sequence);
        }
        assert_eq!(copy, self.now.plain());
        // The watermark follows the limit of commits now and then, and stays when that is raised.
        let kept = self.options.feed_commits_max;
        if sequence.is_multiple_of((kept / 16).clamp(16, 1024)) {
            let expired = self.told.iter().rev().nth(usize::try_from(kept).unwrap()).copied();
            self.trimmed(expired.unwrap_or(0));
        }
        assert!(is_catalog || changed == self.told.contains(&sequence));
    }

    fn change(&mut self, tx: &WriteTransaction, state: &mut State) {
        let name = NAMES[self.random.below(3) as usize];
        let c = tx.collection(name).unwrap();
        let ids = self.random.below(IDS);
        match self.random.below(20) {
            0..=10 => (0..1 + self.random.below(3)).for_each(|_| self.put(&c, name, state)),
            // Enough to be emptied at once.
            11 => (0..12).for_each(|_| self.put(&c, name, state)),
            12..=14 => {
                let there = state.colls.get_mut(name).is_some_and(|coll| coll.delete(ids));
                assert_eq!(c.delete(id(ids)).unwrap(), there);
            }
            15 | 16 => {
                let count = state.colls.get(name).map_or(0, |coll| coll.docs.len());
                assert_eq!(c.find(Expression::all()).delete().unwrap(), count as u64);
                let Some(coll) = state.colls.get_mut(name) else { return };
                coll.docs.clear();
                let keys = std::mem::take(&mut coll.keys);
                // Some come back as they were.
                if coll.is_manual && self.one_in(2) {
                    for (key, of) in keys.into_iter().take(3) {
                        c.put_at(id(of), &doc! { "n": 0, "u": of as i64 }).unwrap();
                        coll.docs.insert(of, Doc { n: 0, u: of as i64, version: OPEN });
                        coll.keys.insert((key, of));
                        assert!(c.manual_index("m").unwrap().insert(key, id(of)).unwrap());
                    }
                }
            }
            _ => {
                let Some(coll) = state.colls.get_mut(name).filter(|coll| coll.is_manual) else { return };
                let (index, key) = (c.manual_index("m").unwrap(), self.random.below(9) as i64 - 4);
                if self.one_in(4) {
                    assert_eq!(index.remove(key, id(ids)).unwrap(), coll.keys.remove(&(key, ids)));
                } else if coll.docs.contains_key(&ids) {
                    assert_eq!(index.insert(key, id(ids)).unwrap(), coll.keys.insert((key, ids)));
                } else {
                    assert_eq!(index.insert(key, id(ids)).unwrap_err().code(), ErrorCode::EntityNotFound);
                }
            }
        }
    }

    fn put(&mut self, c: &Collection, name: &str, state: &mut State) {
        let (of, n, u) = (self.random.below(IDS), self.random.below(1_000) as i64, self.random.below(200) as i64);
        let pad = "x".repeat(self.random.below(600) as usize);
        let result = c.put_at(id(of), &doc! { "n": n, "u": u, "pad": pad.as_str() });
        if state.colls.get(name).is_some_and(|coll| !coll.takes(of, u)) {
            assert_eq!(result.unwrap_err().code(), ErrorCode::UniqueViolation);
            return;
        }
        result.unwrap();
        self.made(name, state).docs.insert(of, Doc { n, u, version: OPEN });
    }

    /// The collection of the model, made where there is none.
    fn made<'a>(&mut self, name: &str, state: &'a mut State) -> &'a mut Coll {
        if !state.colls.contains_key(name) {
            self.next_number += 1;
            state.colls.insert(name.to_owned(), Coll { number: self.next_number, ..Coll::default() });
        }
        state.colls.get_mut(name).unwrap()
    }

    fn schema(&mut self, tx: &WriteTransaction, state: &mut State) {
        let name = NAMES[self.random.below(3) as usize];
        let there = state.colls.contains_key(name);
        match self.random.below(6) {
            0 => {
                assert_eq!(tx.create_collection(name).is_ok(), !there);
                self.made(name, state);
            }
            1 => {
                assert_eq!(tx.drop_collection(name).is_ok(), there);
                state.colls.remove(name);
            }
            2 => {
                let to = NAMES[self.random.below(3) as usize];
                let free = to == name || !state.colls.contains_key(to);
                assert_eq!(tx.rename_collection(name, to).is_ok(), there && free);
                if there && free {
                    let coll = state.colls.remove(name).unwrap();
                    state.colls.insert(to.to_owned(), coll);
                }
            }
            3 if there => {
                let coll = state.colls.get_mut(name).unwrap();
                let values: BTreeSet<_> = coll.docs.values().map(|doc| doc.u).collect();
                let definition = IndexDefinition::on(["u"]).unwrap().unique();
                let result = tx.collection(name).unwrap().create_index(definition);
                if values.len() == coll.docs.len() {
                    assert_eq!(result.unwrap(), !coll.is_unique);
                    coll.is_unique = true;
                } else {
                    assert_eq!(result.unwrap_err().code(), ErrorCode::UniqueViolation);
                }
            }
            4 if there => {
                let coll = state.colls.get_mut(name).unwrap();
                if self.one_in(2) {
                    assert_eq!(tx.collection(name).unwrap().drop_index("u").is_ok(), coll.is_unique);
                    coll.is_unique = false;
                } else {
                    assert_eq!(tx.collection(name).unwrap().drop_index("m").is_ok(), coll.is_manual);
                    (coll.is_manual, coll.keys) = (false, BTreeSet::new());
                }
            }
            _ => {
                let coll = self.made(name, state);
                let created = tx.collection(name).unwrap().create_index(IndexDefinition::manual("m")).unwrap();
                assert_eq!(created, !coll.is_manual);
                coll.is_manual = true;
            }
        }
    }

    /// Changes up to a commit were removed.
    fn trimmed(&mut self, through: u64) {
        if let Some(told) = self.told.range(..=through).next_back() {
            self.mark = self.mark.max(told + 1);
        }
    }

    fn trim(&mut self) {
        let newest = self.db.last_sequence().0;
        let through = newest.saturating_sub(self.random.below(30));
        self.db.trim_changes(Sequence(through)).unwrap();
        self.trimmed(through);
        self.past.insert(self.db.last_sequence().0, self.now.clone());
    }

    /// Some commit that was made, with its state.
    fn some_commit(&self) -> (u64, State) {
        let newest = self.db.last_sequence().0;
        let near = if self.one_in(2) { 0 } else { newest.saturating_sub(40) };
        let at = near + self.random.below(newest + 1 - near);
        let (_, state) = self.past.range(..=at).next_back().unwrap();
        (at, state.clone())
    }

    fn begin_reader(&mut self) {
        if self.readers.len() >= 4 {
            return self.end_reader();
        }
        let (at, state) =
            if self.one_in(3) { (self.db.last_sequence().0, self.now.clone()) } else { self.some_commit() };
        if self.keeps_feed()
            && let Some(reader) = self.judged(at, ErrorCode::SnapshotExpired, self.db.begin_read_at(Sequence(at)))
        {
            self.readers.push((reader, state));
        }
    }

    fn end_reader(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let place = self.random.below(self.readers.len() as u64) as usize;
        let (reader, state) = self.readers.remove(place);
        same(&|name| reader.collection(name).unwrap(), &reader.collections().unwrap(), &state);
        // Who copies what it reads and follows the feed from there misses nothing.
        let position = reader.position().unwrap();
        assert_eq!(position.sequence(), reader.sequence().unwrap());
        if self.followers.len() < 4 {
            self.followers.push((position, state.plain()));
        }
    }

    fn follow(&mut self) {
        if self.followers.is_empty() || !self.keeps_feed() {
            return;
        }
        let place = self.random.below(self.followers.len() as u64) as usize;
        let (position, mut copy) = self.followers.remove(place);
        let position: Position = position.to_string().parse().unwrap();
        let Some(feed) = self.judged(position.sequence().0, ErrorCode::Gap, self.db.changes(position)) else { return };
        let mut feed = feed.with_before();
        while let Some(batch) = feed.next_batch(Duration::ZERO).unwrap() {
            follow(&mut copy, &batch.changes);
        }
        assert_eq!(copy, self.now.plain(), "from {position}");
        self.followers.push((feed.position(), copy));
    }

    /// A reader of the feed that goes on in small steps, and keeps what it reads from.
    fn move_cursor(&mut self) {
        if !self.keeps_feed() {
            return;
        }
        let Some((mut feed, mut copy)) = self.cursor.take() else {
            let feed = self.db.changes(Since::Now).unwrap().with_before();
            self.cursor = Some((feed, self.now.plain()));
            return;
        };
        for _ in 0..1 + self.random.below(3) {
            match feed.next_batch(Duration::ZERO) {
                Ok(Some(batch)) => {
                    follow(&mut copy, &batch.changes);
                    let (_, state) = self.past.range(..=batch.sequence.0).next_back().unwrap();
                    assert!(!batch.ends_commit() || copy == state.plain(), "at {}", batch.position);
                }
                Ok(None) => assert_eq!(copy, self.now.plain()),
                Err(error) => {
                    assert_eq!(error.code(), ErrorCode::Gap);
                    assert!(self.is_loose || self.is_gap(feed.position().sequence().0), "{error}");
                    return;
                }
            }
        }
        self.cursor = Some((feed, copy));
    }

    fn look_back(&mut self) {
        let (at, state) = self.some_commit();
        let result = self.db.begin_read_at(Sequence(at));
        if !self.keeps_feed() && at != self.db.last_sequence().0 {
            assert_eq!(result.map(drop).unwrap_err().code(), ErrorCode::Unsupported);
            return;
        }
        if at == self.db.last_sequence().0 {
            let reader = result.unwrap();
            return same(&|name| reader.collection(name).unwrap(), &reader.collections().unwrap(), &state);
        }
        if let Some(reader) = self.judged(at, ErrorCode::SnapshotExpired, result) {
            same(&|name| reader.collection(name).unwrap(), &reader.collections().unwrap(), &state);
        }
        let name = NAMES[self.random.below(3) as usize];
        let of = self.random.below(IDS);
        let found = self.db.collection(name).unwrap().get_as_of(id(of), Sequence(at));
        if let Some(found) = self.judged(at, ErrorCode::SnapshotExpired, found) {
            // A handle means the collection that has the name now, whatever that was called; else the one of then.
            let then = match self.now.colls.get(name) {
                Some(now) => state.colls.values().find(|then| then.number == now.number),
                None => state.colls.get(name),
            };
            let wanted = then.and_then(|then| then.docs.get(&of)).map(|doc| (doc.version, (doc.n, doc.u)));
            assert_eq!(found.map(|it| (it.version(), fields(it.bytes()))), wanted, "{of} in {name} at {at}");
        }
        let future = self.db.collection(name).unwrap().get_as_of(id(of), Sequence(self.db.last_sequence().0 + 1));
        assert_eq!(future.unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    fn versions(&mut self) {
        let name = NAMES[self.random.below(3) as usize];
        let of = self.random.below(IDS);
        let result = self.db.collection(name).unwrap().history(id(of));
        if !self.keeps_feed() {
            assert_eq!(result.map(drop).unwrap_err().code(), ErrorCode::Unsupported);
            return;
        }
        let version = |version: entidb_core::EntityVersion| {
            (version.entity.version(), version.until.map(|until| until.0), fields(version.entity.bytes()).0)
        };
        let found: Vec<Span> = result.unwrap().map(|found| version(found.unwrap())).collect();
        let coll = self.now.colls.get(name);
        let mut wanted: Vec<Span> =
            coll.and_then(|coll| self.ended.get(&(coll.number, of))).cloned().unwrap_or_default();
        wanted.retain(|(_, until, _)| until.is_some_and(|until| !self.is_gap(until - 1)));
        wanted.extend(coll.and_then(|coll| coll.docs.get(&of)).map(|doc| (doc.version, None, doc.n)));
        if self.is_loose {
            // The limit of bytes may have taken older ones.
            let left = wanted.split_off(wanted.len().saturating_sub(found.len()));
            assert_eq!(found, left, "{of} in {name}");
        } else {
            assert_eq!(found, wanted, "{of} in {name}");
        }
    }

    fn verify(&self) {
        let report = self.db.verify(VerifyLevel::Full).unwrap();
        assert!(report.is_ok(), "{:?}", report.problems);
    }

    fn open(&mut self, backend: Backend) {
        if self.one_in(2) {
            retention(&self.random, &mut self.options);
        }
        self.is_loose |= self.options.feed_bytes_max > 0;
        self.db = Database::open_on(backend, self.options.clone()).unwrap();
    }

    fn check(&self) {
        same(&|name| self.db.collection(name).unwrap(), &self.db.collections().unwrap(), &self.now);
    }

    fn end_session(&mut self) {
        self.readers.clear();
        self.cursor = None;
    }

    fn reopen(&mut self) {
        self.end_session();
        self.db.close().unwrap();
        self.open(self.world.backend());
        self.check();
    }

    fn crash(&mut self) {
        self.end_session();
        let before = self.db.last_sequence().0;
        self.world = self.world.crash(Variant(self.random.below(64) as u32));
        if self.one_in(3) {
            // Restored from what the crash left, which is read only and copied as it is.
            let target = Simulation::new(Personality::PosixStrict, self.world.seed());
            let options = Options { read_only: true, create: false, ..Options::default() };
            let left = Database::open_on(self.world.backend(), options).unwrap();
            left.backup_to(&target.backend()).unwrap();
            left.close().unwrap();
            self.world = target;
        }
        self.open(self.world.backend());
        let found = self.db.last_sequence().0;
        assert!(found == before || self.options.durability == Durability::None);
        if found < before {
            self.past.retain(|sequence, _| *sequence <= found);
            self.told.retain(|sequence| *sequence <= found);
            self.ended.values_mut().for_each(|spans| spans.retain(|(_, until, _)| until.is_none_or(|it| it <= found)));
            self.now = self.past.last_key_value().unwrap().1.clone();
            // Trims may have been lost, and positions are of another history from there on.
            self.is_loose = true;
            self.mark = 1;
            self.followers.clear();
        }
        self.check();
    }

    /// A copy is the database, its past too.
    fn go_on_with_a_copy(&mut self) {
        self.end_session();
        let target = Simulation::new(Personality::PosixStrict, self.world.seed());
        self.db.backup_to(&target.backend()).unwrap();
        self.db.close().unwrap();
        self.world = target;
        self.open(self.world.backend());
        self.check();
    }

    fn end(&mut self) {
        while !self.readers.is_empty() {
            self.end_reader();
        }
        (0..10).for_each(|_| self.look_back());
        (0..10).for_each(|_| self.versions());
        self.follow();
        self.verify();
        self.leaves_nothing();
    }

    /// Once all of the past is trimmed and merged away, what is left is what is there.
    fn leaves_nothing(&mut self) {
        if !self.keeps_feed() {
            return;
        }
        // A reader that stopped among changes keeps what it reads from.
        self.end_session();
        self.db.trim_changes(self.db.last_sequence()).unwrap();
        self.db.compact().unwrap();
        self.verify();
        let mut last = self.db.changes(Since::Oldest).unwrap();
        assert!(last.next_batch(Duration::ZERO).unwrap().is_none());
        let entities: usize = self.now.colls.values().map(|coll| coll.docs.len()).sum();
        let keys: usize = self.now.colls.values().map(|coll| coll.keys.len()).sum();
        let unique: usize = self.now.colls.values().filter(|coll| coll.is_unique).map(|coll| coll.docs.len()).sum();
        self.db.close().unwrap();
        let zones = zones(self.world.backend());
        let wanted = [entities, entities, unique, 0, keys, keys, 0, 0];
        assert_eq!([2, 3, 4, 5, 6, 7, 10, 11].map(|zone| zones[zone]), wanted, "keys left in each zone");
        // Records, names, counts and next ordinals of collections and indexes, sessions, and what there is once.
        assert!(zones[1] < 50, "{} keys of records are left", zones[1]);
    }
}

/// How many keys each zone has.
fn zones(backend: Backend) -> [usize; 256] {
    let options = entidb_engine::Options { read_only: true, ..Default::default() };
    let engine = entidb_engine::Engine::open(backend, options).unwrap();
    let mut found = engine.snapshot().unwrap().range(&[0][..]..&[255][..], entidb_engine::Direction::Forward).unwrap();
    let mut zones = [0; 256];
    while found.advance().unwrap() {
        zones[usize::from(found.key()[0])] += 1;
    }
    zones
}

/// Everything a view shows, against the model. A view of an earlier commit has no indexes.
fn same(collection: &dyn Fn(&str) -> Collection, names: &[String], state: &State) {
    assert_eq!(names, state.colls.keys().cloned().collect::<Vec<_>>());
    for (name, coll) in &state.colls {
        let c = collection(name);
        let entry = |found: entidb_core::Result<entidb_core::Entity>| {
            let found = found.unwrap();
            let (n, u) = fields(found.bytes());
            (number(found.id()), Doc { n, u, version: found.version() })
        };
        let wanted: Vec<_> = coll.docs.iter().map(|(id, doc)| (*id, *doc)).collect();
        // Within the transaction that writes them, versions are the sequence to come.
        let shown = |found: Vec<(u64, Doc)>| -> Vec<(u64, Doc)> {
            let open = |id: &u64| coll.docs.get(id).is_some_and(|doc| doc.version == OPEN);
            found
                .into_iter()
                .map(|(id, doc)| (id, if open(&id) { Doc { version: OPEN, ..doc } } else { doc }))
                .collect()
        };
        assert_eq!(shown(c.iter().unwrap().map(entry).collect()), wanted, "{name}");
        let reverse = ScanOptions { reverse: true, ..ScanOptions::default() };
        let mut back: Vec<_> = c.scan(reverse).unwrap().map(entry).collect();
        back.reverse();
        assert_eq!(shown(back), wanted, "{name}, backwards");
        assert_eq!(c.count().unwrap(), wanted.len() as u64);
        let ids: Vec<_> = (0..IDS).map(id).collect();
        let many = c.get_many(&ids).unwrap().into_iter().flatten().map(|found| entry(Ok(found))).collect();
        assert_eq!(shown(many), wanted, "{name}, by id");
        let found = c.find(entidb_core::field("n").ge(500)).list().unwrap().len();
        assert_eq!(found, wanted.iter().filter(|(_, doc)| doc.n >= 500).count());
        if coll.is_manual
            && let Ok(index) = c.manual_index("m")
        {
            let keys: Vec<_> = index.range(KeyRange::default()).unwrap().map(|key| key.unwrap()).collect();
            let keys: Vec<_> = keys.into_iter().map(|(key, of)| (key.as_i64().unwrap(), number(of))).collect();
            assert_eq!(keys, coll.keys.iter().copied().collect::<Vec<_>>(), "{name}");
            assert_eq!(index.len().unwrap(), keys.len() as u64);
        }
    }
}
