//! One history: random steps on a database on a simulated disk, and on the model.

use std::collections::BTreeMap;
use std::time::Duration;

use entidb_core::{
    BatchItem, Collection, Database, Durability, EntityId, Error, ErrorCode, Options, Patch, Position, ReadTransaction,
    ScanOptions, Sequence, Since, Value, VerifyLevel, WriteMode,
};
use entidb_storage::simulated::{Personality, Simulation, Variant};

use crate::ask::{Asked, questions};
use crate::keys;
use crate::model::{Entities, Model, Refusal};
use crate::sample::Sample;

struct Play {
    sample: Sample,
    world: Simulation,
    db: Database,
    model: Model,
    /// The model after each commit, to find out where a crash left the database.
    past: BTreeMap<u64, Model>,
    snapshots: Vec<(ReadTransaction, Model)>,
    durability: Durability,
    /// A reader of the feed that outlives sessions: where it is, and what it made of it.
    follower: Option<(Position, Model)>,
    is_trimmed: bool,
    questions: Asked,
}

fn options(durability: Durability, seed: u64) -> Options {
    // Small sizes, so that a short history meets flushes, segments and compactions.
    // An index takes anything from one step to one for each entity.
    Options {
        durability,
        memtable_bytes: 16 << (10 + seed % 4),
        lock_timeout_ms: 0,
        index_build_bytes: 1 << (7 + seed % 6),
        feed_commits_max: if seed % 5 == 4 { 1 + seed % 40 } else { 1_000_000 },
        ..Options::default()
    }
}

pub(crate) fn history(seed: u64, steps: u64) -> Asked {
    let sample = Sample::new(seed);
    let durability = if sample.one_in(4) { Durability::None } else { Durability::Durable };
    let personality = Personality::ALL[sample.below(Personality::ALL.len() as u64) as usize];
    let world = Simulation::new(personality, seed);
    let db = Database::open_on(world.backend(), options(durability, seed)).unwrap();
    // Without flushes a crash may leave nothing at all.
    let past = BTreeMap::from([(0, Model::default()), (db.last_sequence().0, Model::default())]);
    let mut play = Play {
        sample,
        world,
        db,
        model: Model::default(),
        past,
        snapshots: Vec::new(),
        durability,
        follower: None,
        is_trimmed: options(durability, seed).feed_commits_max < 1_000_000,
        questions: Asked::default(),
    };
    for _ in 0..steps {
        play.step(seed);
    }
    play.check();
    play.replay();
    play.follow();
    (0..3).for_each(|_| play.look_back());
    assert!(play.db.verify(VerifyLevel::Full).unwrap().problems.is_empty());
    play.questions
}

impl Play {
    fn step(&mut self, seed: u64) {
        match self.sample.below(100) {
            0..=59 => self.change(),
            60..=67 => self.transaction(),
            68..=79 => {
                let name = self.sample.collection();
                let model = self.model.collections.get(name).cloned().unwrap_or_default();
                self.questions += questions(&self.db.collection(name).unwrap(), &model, &self.sample);
            }
            80 if self.sample.one_in(3) => self.crash_in_build(seed),
            80..=85 => self.index(),
            86..=88 => {
                if self.snapshots.len() < 3 {
                    self.snapshots.push((self.db.begin_read().unwrap(), self.model.clone()));
                } else {
                    let (read, model) = self.snapshots.remove(self.sample.below(3) as usize);
                    compare(|name| read.collection(name).unwrap(), &read.collections().unwrap(), &model);
                }
            }
            89 => {
                self.db.checkpoint().unwrap();
            }
            90 if self.sample.one_in(4) => {
                self.db.compact().unwrap();
            }
            91 => self.schema(),
            92 if self.sample.one_in(3) => self.reopen(seed),
            93 if self.sample.one_in(3) => self.crash(seed),
            94 if self.sample.one_in(5) => self.backup(seed),
            95 => self.check(),
            96 => self.follow(),
            97 if self.sample.one_in(10) => self.trim(),
            98 => self.look_back(),
            _ => self.change(),
        }
    }

    fn committed(&mut self) {
        self.past.insert(self.db.last_sequence().0, self.model.clone());
    }

    fn change(&mut self) {
        let name = self.sample.collection();
        let collection = self.db.collection(name).unwrap();
        change(&collection, name, &mut self.model, &self.sample);
        self.committed();
    }

    fn transaction(&mut self) {
        let tx = self.db.begin_write().unwrap();
        let mut model = self.model.clone();
        let mut marks = Vec::new();
        for _ in 0..self.sample.below(12) {
            let name = self.sample.collection();
            match self.sample.below(10) {
                0 => marks.push((tx.savepoint().unwrap(), model.clone())),
                1 if !marks.is_empty() => {
                    let place = self.sample.below(marks.len() as u64) as usize;
                    tx.rollback_to(marks[place].0).unwrap();
                    model = marks[place].1.clone();
                    marks.truncate(place + 1);
                }
                2 => {
                    let entities = model.collections.get(name).cloned().unwrap_or_default();
                    self.questions += questions(&tx.collection(name).unwrap(), &entities, &self.sample);
                }
                _ => change(&tx.collection(name).unwrap(), name, &mut model, &self.sample),
            }
        }
        compare(|name| tx.collection(name).unwrap(), &tx.collections().unwrap(), &model);
        if self.sample.one_in(3) {
            tx.abort();
        } else {
            tx.commit().unwrap();
            self.model = model;
            self.committed();
        }
    }

    fn index(&mut self) {
        let name = self.sample.collection();
        let collection = self.db.collection(name).unwrap();
        let definition =
            if self.sample.one_in(3) { keys::definition(self.sample.one_in(2)) } else { self.sample.index() };
        let entities = self.model.collections.get(name).cloned().unwrap_or_default();
        if let Some(known) =
            entities.indexes.values().next().filter(|_| self.sample.one_in(2) || entities.indexes.len() > 4)
        {
            collection.drop_index(&known.name).unwrap();
            self.model.entities(name).drop_index(&known.name);
        } else {
            match collection.create_index(definition.clone()) {
                Ok(created) => {
                    assert_eq!(created, !entities.indexes.contains_key(&definition.name));
                    assert!(!entities.index_refusal(&definition), "{definition:?} holds over {entities:?}");
                    self.model.entities(name).indexes.insert(definition.name.clone(), definition);
                }
                Err(error) => {
                    assert!(
                        matches!(error.code(), ErrorCode::UniqueViolation | ErrorCode::InvalidArgument),
                        "{error:?}"
                    );
                    assert!(entities.index_refusal(&definition), "{error}");
                }
            }
        }
        self.committed();
    }

    fn schema(&mut self) {
        let name = self.sample.collection();
        let there = self.model.collections.contains_key(name);
        match self.sample.below(3) {
            0 => assert_eq!(self.db.create_collection(name).is_ok(), !there),
            1 => {
                assert_eq!(self.db.drop_collection(name).is_ok(), there);
                self.model.collections.remove(name);
            }
            _ => {
                let to = if self.sample.one_in(2) { "main" } else { "renamed" };
                let free = !self.model.collections.contains_key(to) || to == name;
                assert_eq!(self.db.rename_collection(name, to).is_ok(), there && free, "{name} to {to}");
                if there && free {
                    let entities = self.model.collections.remove(name).unwrap();
                    self.model.collections.insert(to.to_owned(), entities);
                }
            }
        }
        if self.db.collections().unwrap().iter().any(|known| known == name) {
            self.model.entities(name);
        }
        self.committed();
    }

    fn open(&self, seed: u64) -> Database {
        Database::open_on(self.world.backend(), options(self.durability, seed)).unwrap()
    }

    fn reopen(&mut self, seed: u64) {
        self.snapshots.clear();
        self.db.close().unwrap();
        assert_eq!(self.db.collections().unwrap_err().code(), ErrorCode::Closed);
        self.db = self.open(seed);
        assert!(self.db.open_report().clean);
        self.check();
    }

    fn crash(&mut self, seed: u64) {
        let before = self.db.last_sequence();
        self.snapshots.clear();
        self.world = self.world.crash(Variant(self.sample.below(64) as u32));
        self.db = self.open(seed);
        // Opening may commit: it takes back an index that was not built to the end.
        let found = self.db.open_report().last_sequence;
        assert!(found <= before);
        if self.durability == Durability::Durable {
            assert_eq!(found, before, "a durable commit is lost");
        }
        self.past.retain(|sequence, _| *sequence <= found.0);
        self.model = self.past.last_key_value().unwrap().1.clone();
        self.check();
    }

    /// The power goes while an index is being built: it is there whole, or not at all.
    fn crash_in_build(&mut self, seed: u64) {
        let name = self.sample.collection();
        let definition = self.sample.index();
        let before = self.model.collections.get(name).cloned().unwrap_or_default();
        if before.indexes.contains_key(&definition.name) {
            return;
        }
        // What was committed before is durable, so that the crash is one of the build alone.
        self.db.checkpoint().unwrap();
        let sequence = self.db.last_sequence();
        self.snapshots.clear();
        self.world.power_off_at(self.world.calls() + self.sample.below(40));
        let _ = self.db.collection(name).unwrap().create_index(definition.clone());
        self.world = self.world.crash(Variant(self.sample.below(64) as u32));
        self.db = self.open(seed);
        assert!(self.db.open_report().last_sequence >= sequence, "a durable commit is lost");
        self.past.retain(|past, _| *past <= sequence.0);
        if self.db.collections().unwrap().iter().any(|known| known == name) {
            self.model.entities(name);
            let found = self.db.collection(name).unwrap().indexes().unwrap();
            if found.contains(&definition) {
                assert!(!before.index_refusal(&definition));
                self.model.entities(name).indexes.insert(definition.name.clone(), definition);
            }
        }
        self.committed();
        self.check();
        let problems = self.db.verify(VerifyLevel::Full).unwrap().problems;
        assert!(problems.is_empty(), "{problems:?}");
    }

    fn backup(&mut self, seed: u64) {
        let target = Simulation::new(Personality::PosixStrict, seed);
        self.db.backup_to(&target.backend()).unwrap();
        let copy = Database::open_on(target.backend(), Options::default()).unwrap();
        compare(|name| copy.collection(name).unwrap(), &copy.collections().unwrap(), &self.model);
    }

    fn check(&self) {
        compare(|name| self.db.collection(name).unwrap(), &self.db.collections().unwrap(), &self.model);
    }

    /// The feed, replayed into nothing, gives the database, as long as it is whole.
    fn replay(&self) {
        if self.is_trimmed {
            return;
        }
        let mut follower = Model::default();
        let mut feed = self.db.changes(Since::Oldest).unwrap();
        while let Some(batch) = feed.next_batch(Duration::ZERO).unwrap() {
            follower.follow(&batch.changes);
        }
        assert_eq!(plain(&follower), plain(&self.model), "the feed tells another story");
    }

    /// The follower reads on from where it was, whatever happened since: crashes, reopenings, trims. Only when it is told
    /// of a gap does it copy everything anew.
    fn follow(&mut self) {
        let Some((position, mut model)) = self.follower.take() else {
            self.follower = Some((self.db.position().unwrap(), self.model.clone()));
            return;
        };
        // What was kept is the text.
        let position: Position = position.to_string().parse().unwrap();
        let mut feed = match self.db.changes(position) {
            Ok(feed) => feed.with_before(),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Gap);
                return self.follow();
            }
        };
        let mut last = position.sequence();
        while let Some(batch) = feed.next_batch(Duration::ZERO).unwrap() {
            assert!(batch.sequence > last && batch.ends_commit());
            last = batch.sequence;
            if self.sample.one_in(8) {
                feed.unread();
                assert_eq!(feed.next_batch(Duration::ZERO).unwrap().as_ref(), Some(&batch));
            }
            model.follow(&batch.changes);
        }
        assert_eq!(plain(&model), plain(&self.model), "a follower went astray after {position}");
        self.follower = Some((feed.position(), model));
    }

    /// The database as it was at some commit there was, unless that is not kept any more.
    fn look_back(&mut self) {
        let place = self.sample.below(self.past.len() as u64) as usize;
        let Some((sequence, model)) = self.past.iter().nth(place) else { return };
        match self.db.begin_read_at(Sequence(*sequence)) {
            Ok(read) => as_of(&read, model),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::SnapshotExpired);
                assert!(self.is_trimmed, "{error}");
            }
        }
        let (_, newest) = self.past.last_key_value().unwrap();
        as_of(&self.db.begin_read_at(self.db.last_sequence()).unwrap(), newest);
    }

    /// Changes that are not needed any more go.
    fn trim(&mut self) {
        self.is_trimmed = true;
        let through = self.db.last_sequence().0.saturating_sub(self.sample.below(20));
        self.db.trim_changes(Sequence(through)).unwrap();
        self.committed();
    }
}

/// Documents, names of indexes and keys of manual indexes of each collection.
type Plain = BTreeMap<String, (BTreeMap<EntityId, Value>, Vec<String>, Vec<(String, i64, EntityId)>)>;

fn plain(model: &Model) -> Plain {
    let entities = |entities: &Entities| {
        let documents = entities.documents.iter().map(|(id, (_, document))| (*id, document.clone())).collect();
        let keys = entities.keys.iter().flat_map(|(name, keys)| keys.iter().map(|(key, id)| (name.clone(), *key, *id)));
        (documents, entities.indexes.keys().cloned().collect(), keys.collect())
    };
    model.collections.iter().map(|(name, found)| (name.clone(), entities(found))).collect()
}

/// Everything a read of an earlier commit shows, against the model of that commit. Its indexes are those of now.
fn as_of(read: &ReadTransaction, model: &Model) {
    assert_eq!(read.collections().unwrap(), model.collections.keys().cloned().collect::<Vec<_>>());
    for (name, entities) in &model.collections {
        let collection = read.collection(name).unwrap();
        let wanted: Vec<(EntityId, Value)> =
            entities.documents.iter().map(|(id, (_, document))| (*id, document.clone())).collect();
        let pair = |entity: entidb_core::Result<entidb_core::Entity>| {
            entity.map(|entity| (entity.id(), entity.value().unwrap())).unwrap()
        };
        assert_eq!(collection.iter().unwrap().map(pair).collect::<Vec<_>>(), wanted);
        let reverse = ScanOptions { reverse: true, ..ScanOptions::default() };
        let mut back: Vec<_> = collection.scan(reverse).unwrap().map(pair).collect();
        back.reverse();
        assert_eq!(back, wanted);
        if let Some((middle, _)) = wanted.get(wanted.len() / 2) {
            let after = ScanOptions { after: Some(*middle), ..ScanOptions::default() };
            let rest: Vec<_> = collection.scan(after).unwrap().map(pair).collect();
            assert_eq!(rest, wanted[wanted.len() / 2 + 1..]);
        }
        assert_eq!(collection.count().unwrap(), wanted.len() as u64);
        for (id, document) in &wanted {
            assert_eq!(collection.get(*id).unwrap().unwrap().value().unwrap(), *document);
        }
        let everything = collection.find(entidb_core::Expression::all());
        assert_eq!(everything.list().unwrap().len(), wanted.len());
    }
}

/// Everything a view shows, against the model.
fn compare(collection: impl Fn(&str) -> Collection, names: &[String], model: &Model) {
    assert_eq!(names, model.collections.keys().cloned().collect::<Vec<_>>());
    for (name, entities) in &model.collections {
        let collection = collection(name);
        assert_eq!(collection.count().unwrap(), entities.documents.len() as u64);
        let found: Vec<(EntityId, Value)> = collection
            .iter()
            .unwrap()
            .map(|entity| entity.map(|entity| (entity.id(), entity.value().unwrap())).unwrap())
            .collect();
        let wanted: Vec<(EntityId, Value)> =
            entities.documents.iter().map(|(id, (_, document))| (*id, document.clone())).collect();
        assert_eq!(found, wanted);
        for (id, document) in &wanted {
            assert_eq!(collection.get(*id).unwrap().unwrap().value().unwrap(), *document);
        }
        let mut indexes: Vec<String> = collection.indexes().unwrap().into_iter().map(|index| index.name).collect();
        indexes.sort();
        assert_eq!(indexes, entities.indexes.keys().cloned().collect::<Vec<_>>());
        keys::compare(&collection, entities);
    }
}

/// One change through a collection, on both.
fn change(collection: &Collection, name: &str, model: &mut Model, sample: &Sample) {
    let id = sample.id();
    let there = model.collections.get(name).is_some_and(|entities| entities.documents.contains_key(&id));
    match sample.below(15) {
        0..=4 => {
            let document = sample.document();
            let result = collection.write(Some(id), &entidb_core::encode(&document), WriteMode::Put).map(|_| ());
            stored(result, name, model, id, document, true);
        }
        5 => {
            let document = sample.document();
            let result = collection.insert(id, &document);
            if there {
                assert_eq!(result.unwrap_err().code(), ErrorCode::AlreadyExists);
            } else {
                stored(result, name, model, id, document, true);
            }
        }
        6 => {
            let document = sample.document();
            let result = collection.replace(id, &document);
            if there {
                stored(result, name, model, id, document, false);
            } else {
                assert_eq!(result.unwrap_err().code(), ErrorCode::EntityNotFound);
            }
        }
        7 => {
            let (path, value) = (sample.field(), sample.value());
            let result = collection.update(id, &Patch::default().set(path.clone(), value.clone()));
            if there {
                let mut document = model.collections[name].documents[&id].1.clone();
                let patch = Patch::default().set(path, value);
                match entidb_core::codec::apply_to_value(&mut document, &patch) {
                    Ok(()) => stored(result, name, model, id, document, false),
                    Err(_) => assert!(result.is_err()),
                }
            } else {
                assert_eq!(result.unwrap_err().code(), ErrorCode::EntityNotFound);
            }
        }
        8 | 9 => {
            assert_eq!(collection.delete(id).unwrap(), there);
            if there {
                model.entities(name).remove(id);
            }
        }
        10 => batch(collection, name, model, sample),
        11..=13 => {
            let index = if sample.one_in(2) { "keys" } else { "keys!" };
            let (key, inserts) = (sample.below(keys::KEYS) as i64, !sample.one_in(3));
            if let Some(entities) = model.collections.get_mut(name) {
                keys::change(collection, entities, index, key, id, inserts);
            }
        }
        _ => {
            let filter = sample.condition(1);
            if let Some(entities) = model.collections.get_mut(name) {
                let before = entities.documents.len();
                let deleted =
                    collection.find(filter.clone()).limit(3).order_by(entidb_core::asc("a")).delete().unwrap();
                let gone =
                    entities.sorted(&[entidb_core::asc("a")], |document| crate::condition::holds(&filter, document));
                for id in gone.iter().take(3) {
                    entities.remove(*id);
                }
                assert_eq!(before - entities.documents.len(), usize::try_from(deleted).unwrap());
            }
        }
    }
}

fn batch(collection: &Collection, name: &str, model: &mut Model, sample: &Sample) {
    let pairs: Vec<(EntityId, Value)> = (0..sample.below(5)).map(|_| (sample.id(), sample.document())).collect();
    let encoded: Vec<(EntityId, Vec<u8>)> =
        pairs.iter().map(|(id, document)| (*id, entidb_core::encode(document))).collect();
    let items: Vec<BatchItem<'_>> =
        encoded.iter().map(|(id, document)| BatchItem { id: Some(*id), document }).collect();
    let result = collection.put_batch(&items);
    let mut after = model.clone();
    let mut refused = false;
    for (id, document) in pairs {
        refused |= !after.entities(name).refusal(id, &document).is_empty();
        if refused {
            break;
        }
        after.entities(name).put(id, document);
    }
    assert_eq!(result.is_err(), refused, "{result:?}");
    if !refused && !items.is_empty() {
        *model = after;
    }
}

/// A document was stored, or refused for a reason the model sees too.
fn stored(result: Result<(), Error>, name: &str, model: &mut Model, id: EntityId, document: Value, creates: bool) {
    let refusal = model.collections.get(name).map_or_else(Vec::new, |entities| entities.refusal(id, &document));
    match result {
        Ok(()) => {
            assert!(refusal.is_empty(), "stored in spite of {refusal:?}");
            model.entities(name).put(id, document);
        }
        Err(error) => {
            let expected = match error.code() {
                ErrorCode::UniqueViolation => Refusal::Duplicate,
                ErrorCode::InvalidArgument => Refusal::TwoArrays,
                _ => panic!("{error:?}"),
            };
            assert!(refusal.contains(&expected), "{error}: {refusal:?}");
            assert!(creates || model.collections.contains_key(name));
        }
    }
}
