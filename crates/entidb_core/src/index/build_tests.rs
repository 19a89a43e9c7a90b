//! Index builds with other changes between their steps, and every way in which one ends early.

use std::collections::BTreeMap;
use std::sync::Arc;

use entidb_codec::{Value, doc};
use entidb_storage::SeededRandom;

use super::build::{Begun, IndexBuild, begin};
use crate::collection::Target;
use crate::database::Shared;
use crate::{Collection, Database, EntityId, ErrorCode, IndexDefinition, Options, VerifyLevel, field};

const C: Target<'static> = Target { name: "c", id: None, is_committed: true };

/// Small enough that a step takes in two or three entities.
fn small() -> Options {
    Options { index_build_bytes: 250, lock_timeout_ms: 0, ..Options::default() }
}

fn shared(db: &Database) -> Arc<Shared> {
    Arc::clone(db.collection("any").unwrap().scope().shared())
}

fn started(db: &Database, definition: &IndexDefinition) -> IndexBuild {
    match begin(&shared(db), &C, definition).unwrap() {
        Begun::Building(build) => build,
        Begun::Ended(_) | Begun::Elsewhere(_) => panic!("the build is over in one step"),
    }
}

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

fn filled(entities: u64) -> (Database, Collection) {
    let db = Database::open_memory_with(small()).unwrap();
    let collection = db.collection("c").unwrap();
    for number in 0..entities {
        collection.put_at(id(number * 2), &doc! { "a": number, "t": [number % 3, number % 5] }).unwrap();
    }
    (db, collection)
}

fn intact(db: &Database) {
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
}

/// Two entities that have the same `a`.
fn has_duplicates(collection: &Collection) -> bool {
    let mut seen = BTreeMap::<Vec<u8>, u64>::new();
    for entity in collection.iter().unwrap() {
        let value = entity.unwrap().field("a").unwrap().unwrap_or(Value::Null);
        if !value.is_null() {
            *seen.entry(entidb_codec::encode(&value)).or_default() += 1;
        }
    }
    seen.values().any(|count| *count > 1)
}

#[test]
fn an_index_is_used_and_told_of_only_when_it_is_whole() {
    let (db, collection) = filled(40);
    let position = db.position().unwrap();
    let mut build = started(&db, &IndexDefinition::on(["a"]).unwrap());
    let mut steps = 1;
    loop {
        let explanation = collection.find(field("a").eq(7)).explain().unwrap();
        assert_eq!((explanation.index, collection.indexes().unwrap().len()), (None, 0));
        assert_eq!(db.changes(position).unwrap().next_batch(std::time::Duration::ZERO).unwrap(), None);
        intact(&db);
        steps += 1;
        if build.step().unwrap() {
            break;
        }
    }
    assert!(steps > 10, "{steps} steps");
    assert_eq!(collection.find(field("a").eq(7)).explain().unwrap().index.as_deref(), Some("a"));
    assert_eq!(collection.find(field("a").eq(7)).count().unwrap(), 1);
    let told = db.changes(position).unwrap().next_batch(std::time::Duration::ZERO).unwrap().unwrap();
    assert_eq!(told.changes.len(), 1);
    assert_eq!(told.changes[0].kind, crate::ChangeKind::IndexCreated);
    intact(&db);
}

#[test]
fn a_claim_of_an_indexed_entity_outlives_changes_of_its_duplicate() {
    // The duplicate's rows are not there yet: its change must not take the other's row for its own.
    let (db, collection) = filled(20);
    collection.put_at(id(39), &doc! { "a": 0 }).unwrap();
    let mut build = started(&db, &IndexDefinition::on(["a"]).unwrap().unique());
    collection.put_at(id(39), &doc! { "a": 1000 }).unwrap();
    while !build.step().unwrap() {}
    intact(&db);
    assert_eq!(collection.put(&doc! { "a": 0 }).unwrap_err().context().id, Some(id(0)));
}

#[test]
fn duplicates_met_on_the_way_end_the_build_and_name_the_entity() {
    let (db, collection) = filled(20);
    collection.put_at(id(39), &doc! { "a": 3 }).unwrap();
    let error = collection.create_index(IndexDefinition::on(["a"]).unwrap().unique()).unwrap_err();
    assert_eq!((error.code(), error.context().id), (ErrorCode::UniqueViolation, Some(id(6))));
    assert_eq!(error.context().index.as_deref(), Some("a"));
    assert!(collection.indexes().unwrap().is_empty());
    intact(&db);
    collection.delete(id(39)).unwrap();
    assert!(collection.create_index(IndexDefinition::on(["a"]).unwrap().unique()).unwrap());
    intact(&db);
}

#[test]
fn dropping_what_is_being_built_ends_the_build() {
    let (db, collection) = filled(20);
    let definition = IndexDefinition::on(["a"]).unwrap();
    let mut build = started(&db, &definition);
    collection.drop_index("a").unwrap();
    assert_eq!(build.step().unwrap_err().code(), ErrorCode::IndexNotFound);
    intact(&db);

    let mut build = started(&db, &definition);
    db.rename_collection("c", "d").unwrap();
    assert!(!build.step().unwrap());
    db.drop_collection("d").unwrap();
    assert_eq!(build.step().unwrap_err().code(), ErrorCode::CollectionNotFound);
    intact(&db);
}

#[test]
fn one_index_is_built_once_at_a_time() {
    let (db, collection) = filled(20);
    let definition = IndexDefinition::on(["a"]).unwrap();
    let mut build = started(&db, &definition);
    assert_eq!(collection.create_index(definition.clone()).unwrap_err().code(), ErrorCode::Busy);
    let within = db.transaction(|tx| tx.collection("c")?.create_index(definition.clone()));
    assert_eq!(within.unwrap_err().code(), ErrorCode::Busy);
    let other = collection.create_index(definition.clone().unique()).unwrap_err();
    assert_eq!(other.code(), ErrorCode::IndexExists);
    while !build.step().unwrap() {}
    assert!(!collection.create_index(definition).unwrap());
}

#[test]
fn what_nobody_builds_any_more_is_built_anew() {
    for explicit in [false, true] {
        let (db, collection) = filled(20);
        let definition = IndexDefinition::on(["a"]).unwrap();
        drop(started(&db, &definition));
        collection.put_at(id(1), &doc! { "a": 5 }).unwrap();
        let created = if explicit {
            db.transaction(|tx| tx.collection("c")?.create_index(definition.clone())).unwrap()
        } else {
            collection.create_index(definition.clone()).unwrap()
        };
        assert!(created);
        assert_eq!(collection.find(field("a").eq(5)).count().unwrap(), 2);
        intact(&db);
    }
}

#[test]
fn a_closed_database_ends_the_build_and_the_next_opening_clears_it() {
    let backend = entidb_storage::Backend::memory();
    let db = Database::open_on(backend.clone(), small()).unwrap();
    let collection = db.collection("c").unwrap();
    for number in 0..20 {
        collection.put_at(id(number), &doc! { "a": number }).unwrap();
    }
    let mut build = started(&db, &IndexDefinition::on(["a"]).unwrap());
    db.close().unwrap();
    assert_eq!(build.step().unwrap_err().code(), ErrorCode::Closed);
    // Who only reads leaves it alone, and does not see it either.
    let read = Database::open_on(backend.clone(), Options { read_only: true, ..small() }).unwrap();
    assert!(read.collection("c").unwrap().indexes().unwrap().is_empty());
    intact(&read);
    read.close().unwrap();
    let db = Database::open_on(backend, small()).unwrap();
    let collection = db.collection("c").unwrap();
    assert!(collection.indexes().unwrap().is_empty());
    collection.put_at(id(50), &doc! { "a": 1 }).unwrap();
    intact(&db);
    assert!(collection.create_index(IndexDefinition::on(["a"]).unwrap()).unwrap());
    intact(&db);
}

#[test]
fn a_build_fits_transactions_that_the_whole_index_would_not() {
    let options = Options { transaction_bytes_max: 8192, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let collection = db.collection("c").unwrap();
    for number in 0..500 {
        collection.put_at(id(number), &doc! { "a": number }).unwrap();
    }
    let definition = IndexDefinition::on(["a"]).unwrap();
    let within = db.transaction(|tx| tx.collection("c")?.create_index(definition.clone()));
    assert_eq!(within.unwrap_err().code(), ErrorCode::TooLarge);
    assert!(collection.create_index(definition).unwrap());
    intact(&db);
    assert_eq!(collection.find(field("a").ge(490)).count().unwrap(), 10);
}

#[test]
fn a_change_that_the_index_cannot_take_in_fails_the_build_and_not_the_change() {
    type Change = fn(&Collection);
    let changes: [(Change, ErrorCode); 5] = [
        (|c| c.put_at(id(39), &doc! { "a": 0, "t": 1 }).unwrap(), ErrorCode::UniqueViolation),
        (|c| c.update(id(4), &crate::patch! { "a": 0 }).unwrap(), ErrorCode::UniqueViolation),
        (
            |c| {
                let a = entidb_codec::encode(&doc! { "a": 900 });
                let item = |id| crate::BatchItem { id: Some(id), document: a.as_slice() };
                c.put_batch(&[item(id(51)), item(id(53))]).unwrap();
            },
            ErrorCode::UniqueViolation,
        ),
        (|c| c.put_at(id(39), &doc! { "a": [1, 2], "t": [1] }).unwrap(), ErrorCode::InvalidArgument),
        (
            |c| {
                let many: Vec<u64> = (0..10_001).collect();
                c.put_at(id(39), &doc! { "a": many }).unwrap();
            },
            ErrorCode::TooLarge,
        ),
    ];
    for (change, code) in changes {
        for (paths, is_unique) in [(vec!["a"], true), (vec!["a", "t"], false)] {
            let mut definition = IndexDefinition::on(paths).unwrap().multi();
            definition.unique = is_unique;
            let is_of_this = (code == ErrorCode::UniqueViolation) == is_unique;
            let (db, collection) = filled(20);
            for number in 0..20 {
                collection.put_at(id(number * 2), &doc! { "a": number, "t": number }).unwrap();
            }
            let mut build = started(&db, &definition);
            change(&collection);
            if !is_of_this {
                continue;
            }
            let error = build.step().unwrap_err();
            assert_eq!((error.code(), error.context().index.is_some()), (code, true), "{error}");
            assert!(error.message().contains("while the index was being built"), "{error}");
            let named = error.context().id.unwrap();
            assert!(collection.exists(named).unwrap(), "{error}");
            assert!(collection.indexes().unwrap().is_empty());
            intact(&db);
            // Nothing of it is left: without the duplicates the same index is built.
            for taken in [4, 39, 51, 53] {
                collection.delete(id(taken)).unwrap();
            }
            assert!(collection.create_index(definition).unwrap());
            intact(&db);
        }
    }
}

#[test]
fn a_change_that_is_taken_back_does_not_fail_the_build() {
    let (db, collection) = filled(20);
    let definition = IndexDefinition::on(["a"]).unwrap().unique();
    let mut build = started(&db, &definition);
    let tx = db.begin_write().unwrap();
    tx.collection("c").unwrap().put_at(id(39), &doc! { "a": 0 }).unwrap();
    tx.abort();
    let tx = db.begin_write().unwrap();
    let savepoint = tx.savepoint().unwrap();
    tx.collection("c").unwrap().put_at(id(39), &doc! { "a": 0 }).unwrap();
    tx.rollback_to(savepoint).unwrap();
    tx.collection("c").unwrap().put_at(id(41), &doc! { "a": 500 }).unwrap();
    tx.commit().unwrap();
    while !build.step().unwrap() {}
    assert_eq!(collection.indexes().unwrap(), [definition]);
    assert_eq!(collection.put(&doc! { "a": 0 }).unwrap_err().code(), ErrorCode::UniqueViolation);
    intact(&db);
}

#[test]
fn a_refusal_of_a_build_that_a_close_cut_off_is_forgotten() {
    let backend = entidb_storage::Backend::memory();
    let db = Database::open_on(backend.clone(), small()).unwrap();
    let collection = db.collection("c").unwrap();
    for number in 0..20 {
        collection.put_at(id(number), &doc! { "a": number }).unwrap();
    }
    let definition = IndexDefinition::on(["a"]).unwrap().unique();
    let build = started(&db, &definition);
    collection.put_at(id(39), &doc! { "a": 0 }).unwrap();
    db.close().unwrap();
    drop(build);
    let db = Database::open_on(backend, small()).unwrap();
    let collection = db.collection("c").unwrap();
    assert_eq!(collection.create_index(definition.clone()).unwrap_err().code(), ErrorCode::UniqueViolation);
    collection.delete(id(39)).unwrap();
    assert!(collection.create_index(definition).unwrap());
    intact(&db);
}

/// Random changes between the steps of random builds: none of them is refused.
fn interleaved(seed: u64) -> bool {
    let random = SeededRandom::new(seed);
    let (db, collection) = filled(10 + random.below(30));
    let mut definition = IndexDefinition::on([["a", "t", "-a"][random.below(3) as usize]]).unwrap();
    definition.unique = random.below(2) == 0;
    definition.multi = random.below(2) == 0;
    let mut build = match begin(&shared(&db), &C, &definition) {
        Ok(Begun::Building(build)) => build,
        Ok(_) => return true,
        // The arrays of `t` repeat, so a unique index over them may fail at once.
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::UniqueViolation, "{error}");
            intact(&db);
            return false;
        }
    };
    let by_a = definition.unique && definition.columns[0].path.to_string() == "a";
    let mut duplicates = has_duplicates(&collection);
    let ready = loop {
        for _ in 0..random.below(5) {
            // Odd ids are new, even ones may be there; values meet those of others now and then.
            let (at, value) = (id(random.below(90)), random.below(120));
            let document = doc! { "a": value, "t": [value % 7, value] };
            let result = match random.below(6) {
                0 => collection.delete(at).map(|_| ()),
                1 if collection.exists(at).unwrap() => collection.update(at, &crate::patch! { "a": value }),
                2 => db.transaction(|tx| {
                    let savepoint = tx.savepoint()?;
                    let within = tx.collection("c")?;
                    within.put_at(at, &document)?;
                    if random.below(2) == 0 {
                        tx.rollback_to(savepoint)?;
                    }
                    duplicates |= has_duplicates(&within);
                    within.delete(id(random.below(90))).map(|_| ())
                }),
                _ => collection.put_at(at, &document),
            };
            result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            duplicates |= has_duplicates(&collection);
        }
        match build.step() {
            Ok(true) => break true,
            Ok(false) => {}
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::UniqueViolation, "seed {seed}: {error}");
                assert!(!by_a || duplicates, "seed {seed}: {error}");
                break false;
            }
        }
    };
    assert_eq!(collection.indexes().unwrap(), if ready { vec![definition] } else { Vec::new() }, "seed {seed}");
    assert!(!(ready && by_a && has_duplicates(&collection)), "seed {seed}: a unique index over duplicates");
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_ok(), "seed {seed}: {:?}", report.problems);
    ready
}

#[test]
fn an_index_is_right_whatever_changes_between_the_steps_of_its_building() {
    let (mut ready, mut failed) = (0, 0);
    for seed in 0..600 {
        if interleaved(seed) { ready += 1 } else { failed += 1 }
    }
    assert!(ready > 100 && failed > 100, "ready {ready}, failed {failed}");
}

#[test]
fn writers_on_other_threads_get_their_turn_between_the_steps() {
    let db = Database::open_memory_with(Options { index_build_bytes: 4096, ..Options::default() }).unwrap();
    let collection = db.collection("c").unwrap();
    let documents: Vec<Value> = (0..20_000).map(|number| doc! { "a": number }).collect();
    collection.put_many(&documents).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 0_u64;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                collection.put(&doc! { "a": 1_000_000 + written }).unwrap();
                written += 1;
            }
            written
        });
        assert!(collection.create_index(IndexDefinition::on(["a"]).unwrap().unique()).unwrap());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        writer.join().unwrap()
    });
    assert!(written > 20, "only {written} writes while the index was built");
    intact(&db);
}
