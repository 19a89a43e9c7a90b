//! After a refused call a transaction is as it was before: it goes on, and commits what was accepted.
//!
//! A put over the limit wrote a part of itself and spoilt the whole transaction; what a rollback gave back stayed counted.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test asserts by panicking")]

use entidb_core::{
    BatchItem, Collection, Database, EntityId, ErrorCode, Expression, IndexDefinition, Options, Value, VerifyLevel,
    WriteMode, WriteTransaction, doc, encode, field, patch,
};
use entidb_storage::SeededRandom;

const LIMIT: u64 = 64 << 10;

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

fn small() -> Database {
    let options = Options { transaction_bytes_max: LIMIT, entity_bytes_max: 48 << 10, ..Options::default() };
    Database::open_memory_with(options).unwrap()
}

fn text(bytes: usize) -> Value {
    doc! { "t": "x".repeat(bytes), "tags": [1, 2, 3], "n": 1 }
}

/// A collection as a transaction shows it: its name, indexes, count and entities.
type Shown = (String, Vec<String>, u64, Vec<(EntityId, Vec<u8>)>);

/// Everything a transaction shows.
fn shown(tx: &WriteTransaction) -> Vec<Shown> {
    let names = tx.collections().unwrap();
    let show = |name: &String| {
        let collection = tx.collection(name).unwrap();
        let indexes = collection.indexes().unwrap().into_iter().map(|index| index.name).collect();
        let entities = collection.iter().unwrap().map(|entity| entity.map(|e| (e.id(), e.bytes().to_vec())).unwrap());
        (name.clone(), indexes, collection.count().unwrap(), entities.collect())
    };
    names.iter().map(show).collect()
}

fn intact(db: &Database) {
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
}

#[test]
fn a_put_over_the_limit_costs_nothing_but_itself() {
    let db = small();
    let notes = db.collection("notes").unwrap();
    notes.create_index(IndexDefinition::on(["tags"]).unwrap().multi()).unwrap();
    let tx = db.begin_write().unwrap();
    let notes = tx.collection("notes").unwrap();
    notes.put_at(id(1), &text(10)).unwrap();
    let before = shown(&tx);
    notes.put_at(id(2), &text(20 << 10)).unwrap();
    assert!(notes.delete(id(2)).unwrap());
    for size in [100_000, 50_000, 47 << 10] {
        let error = notes.put_at(id(2), &text(size));
        assert!(error.is_ok() || error.unwrap_err().code() == ErrorCode::TooLarge);
        notes.delete(id(2)).unwrap();
    }
    assert_eq!(shown(&tx), before);
    notes.put_at(id(3), &text(10)).unwrap();
    tx.commit().unwrap();
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 2);
    intact(&db);
}

#[test]
fn a_transaction_filled_to_its_limit_commits() {
    for size in [1_usize, 5, 100, 3000] {
        let db = small();
        let outside = db.collection("notes").unwrap();
        outside.create_index(IndexDefinition::on(["tags"]).unwrap().multi()).unwrap();
        outside.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
        let tx = db.begin_write().unwrap();
        let notes = tx.collection("notes").unwrap();
        let mut stored = 0;
        let error = loop {
            match notes.put_at(id(stored), &text(size)) {
                Ok(()) => stored += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), ErrorCode::TooLarge);
        assert_eq!(notes.count().unwrap(), stored);
        assert_eq!(notes.find(field("tags").eq(2)).count().unwrap(), stored);
        tx.commit().unwrap();
        assert_eq!(outside.count().unwrap(), stored);
        intact(&db);
    }
}

#[test]
fn a_refused_put_leaves_no_collection_behind() {
    let db = small();
    let tx = db.begin_write().unwrap();
    let notes = tx.collection("notes").unwrap();
    notes.put_at(id(1), &doc! { "t": "x".repeat(25 << 10) }).unwrap();
    let before = shown(&tx);
    let other = tx.collection("other").unwrap();
    assert_eq!(other.put(&doc! { "t": "x".repeat(45 << 10) }).unwrap_err().code(), ErrorCode::TooLarge);
    assert_eq!(other.write(None, &[0x18, 0x01], WriteMode::Put).unwrap_err().code(), ErrorCode::NotCanonical);
    assert_eq!(
        other.write(None, &encode(&Value::from(1)), WriteMode::Insert).unwrap_err().code(),
        ErrorCode::WrongType
    );
    assert_eq!(shown(&tx), before);
    tx.commit().unwrap();
    assert_eq!(db.collections().unwrap(), ["notes"]);
}

#[test]
fn a_rollback_gives_back_what_the_changes_took() {
    let db = small();
    let tx = db.begin_write().unwrap();
    let notes = tx.collection("notes").unwrap();
    let savepoint = tx.savepoint().unwrap();
    for round in 0..50 {
        notes.put_at(id(1), &text(28 << 10)).unwrap_or_else(|error| panic!("round {round}: {error}"));
        tx.rollback_to(savepoint).unwrap();
    }
    // The same beyond the size at which the engine keeps changes in another way.
    let db = Database::open_memory_with(Options { transaction_bytes_max: 4 << 20, ..Options::default() }).unwrap();
    let tx = db.begin_write().unwrap();
    let notes = tx.collection("notes").unwrap();
    let savepoint = tx.savepoint().unwrap();
    let mut first = None;
    for round in 0..4 {
        let stored = (0..).take_while(|number| notes.put_at(id(*number), &text(1000)).is_ok()).count();
        assert_eq!(*first.get_or_insert(stored), stored, "round {round}");
        tx.rollback_to(savepoint).unwrap();
    }
    assert!(first > Some(1500), "{first:?}");
}

#[test]
fn a_refused_index_gives_back_what_it_took() {
    let db = small();
    let outside = db.collection("notes").unwrap();
    for number in 0..300 {
        outside.put_at(id(number), &doc! { "n": number, "t": "x".repeat(300) }).unwrap();
    }
    let tx = db.begin_write().unwrap();
    let notes = tx.collection("notes").unwrap();
    notes.update(id(1), &patch! { "n": 1000 }).unwrap();
    let before = shown(&tx);
    for _ in 0..20 {
        let error = notes.create_index(IndexDefinition::on(["t", "n"]).unwrap()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooLarge);
        let error = notes.create_index(IndexDefinition::on(["t"]).unwrap().unique()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::UniqueViolation);
    }
    assert_eq!(shown(&tx), before);
    notes.put_at(id(500), &text(25 << 10)).unwrap();
    tx.commit().unwrap();
    assert_eq!(outside.count().unwrap(), 301);
    intact(&db);
}

/// One random call; whether it was refused.
fn random_call(random: &SeededRandom, tx: &WriteTransaction) -> bool {
    let name = ["a", "b", "c", "d"][random.below(4) as usize];
    let collection: Collection = tx.collection(name).unwrap();
    let at = id(random.below(30));
    let document = doc! {
        "n": random.below(20),
        "u": random.below(2000),
        "tags": [random.below(5), random.below(5)],
        "t": "x".repeat([10, 200, 3000, 20_000][random.below(4) as usize])
    };
    let result = match random.below(14) {
        0..=4 => collection.put_at(at, &document),
        5 => collection.insert(at, &document),
        6 => collection.replace(at, &document),
        7 => collection.delete_if(at, 3).map(|_| ()),
        8 => collection.delete(at).map(|_| ()),
        9 => collection.create_index(IndexDefinition::on(["u"]).unwrap().unique()).map(|_| ()),
        10 => collection.create_index(IndexDefinition::on(["tags", "n"]).unwrap().multi()).map(|_| ()),
        11 => {
            let bytes = encode(&document);
            let items: Vec<BatchItem<'_>> =
                (0..random.below(6)).map(|_| BatchItem { id: Some(id(random.below(30))), document: &bytes }).collect();
            collection.put_batch(&items).map(|_| ())
        }
        12 => tx.rename_collection(name, ["a", "b", "e"][random.below(3) as usize]),
        _ => tx.create_collection(["d", "f"][random.below(2) as usize]),
    };
    result.is_err()
}

#[test]
fn after_any_refusal_the_transaction_shows_what_it_showed_before() {
    let mut refused = 0;
    for seed in 0..60 {
        let random = SeededRandom::new(seed);
        let db = small();
        for _ in 0..4 {
            let tx = db.begin_write().unwrap();
            let mut before = shown(&tx);
            for _ in 0..60 {
                if random_call(&random, &tx) {
                    refused += 1;
                    assert_eq!(shown(&tx), before, "seed {seed}");
                } else {
                    before = shown(&tx);
                }
            }
            tx.commit().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let after = db.begin_write().unwrap();
            assert_eq!(shown(&after), before, "seed {seed}");
        }
        intact(&db);
        for name in db.collections().unwrap() {
            db.collection(&name).unwrap().find(Expression::all()).delete().unwrap();
        }
        intact(&db);
    }
    assert!(refused > 3000, "{refused}");
}
