//! Deleting by query: everything of a collection, as ranges, and the answers of a condition, as they are found.
//!
//! Always: what is left is what deleting one by one leaves. Does not know: what it holds in memory (`memory`).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking, and looks at the files of a database"
)]

use std::path::Path;
use std::time::Duration;

use entidb_core::{
    BatchItem, Collection, Database, EntityId, Expression, IndexDefinition, Options, Since, VerifyLevel,
    WriteTransaction, doc, encode, field,
};
use entidb_storage::SeededRandom;

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

fn put(c: &Collection, numbers: impl IntoIterator<Item = u64>) {
    let document = |n: u64| encode(&doc! { "n": n, "t": [n % 3, n % 7], "s": format!("s{}", n % 5) });
    let documents: Vec<_> = numbers.into_iter().map(|n| (id(n), document(n))).collect();
    let items: Vec<_> = documents.iter().map(|(id, document)| BatchItem { id: Some(*id), document }).collect();
    c.put_batch(&items).unwrap();
}

fn ids(c: &Collection) -> Vec<EntityId> {
    c.iter().unwrap().map(|entity| entity.unwrap().id()).collect()
}

/// Everything the database has to tell: of its entities by each way, and of its changes.
fn told(db: &Database) -> (Vec<(EntityId, u64)>, Vec<u64>, Vec<String>) {
    let c = db.collection("c").unwrap();
    let entities = c.iter().unwrap().map(|entity| entity.unwrap()).map(|entity| (entity.id(), entity.version()));
    let filters = [field("n").ge(0), field("t").eq(1), field("s").eq("s3"), Expression::all()];
    let counts = filters.into_iter().map(|filter| c.find(filter).count().unwrap());
    let mut changes = Vec::new();
    if db.options().feed_commits_max > 0 {
        let mut feed = db.changes(Since::Oldest).unwrap();
        while let Some(batch) = feed.next_batch(Duration::ZERO).unwrap() {
            for change in batch.changes {
                changes.push(format!("{} {:?} {} {}", batch.sequence, change.kind, change.collection, change.id));
            }
        }
        come_to(&mut changes);
    }
    (entities.collect(), counts.collect(), changes)
}

/// An entity that goes with all others and comes again in the same commit is told as deleted and inserted; one that goes
/// alone, as updated. Both come to the same.
fn come_to(changes: &mut Vec<String>) {
    let inserted: Vec<String> = changes.iter().filter(|change| change.contains(" Insert ")).cloned().collect();
    for insert in inserted {
        if let Some(place) = changes.iter().position(|change| *change == insert.replace(" Insert ", " Delete ")) {
            changes.remove(place);
            changes.retain(|change| *change != insert);
            changes.push(insert.replace(" Insert ", " Update "));
        }
    }
    changes.sort();
}

/// The same story twice, in which everything is deleted at once or one by one.
fn story(seed: u64, at_once: bool) -> Database {
    let random = SeededRandom::new(seed);
    let feed_commits_max = if random.below(3) == 0 { 0 } else { 1000 };
    let db = Database::open_memory_with(Options { feed_commits_max, ..Options::default() }).unwrap();
    let c = db.collection("c").unwrap();
    let other = db.collection("other").unwrap();
    put(&other, 0..20);
    let declare = || {
        for definition in [
            IndexDefinition::on(["n"]).unwrap().unique(),
            IndexDefinition::on(["t"]).unwrap().multi(),
            IndexDefinition::on(["-s", "n"]).unwrap(),
        ] {
            c.create_index(definition).unwrap();
        }
    };
    let is_indexed_late = random.below(2) == 0;
    if !is_indexed_late {
        declare();
    }
    let clear = |c: &Collection| {
        let all = ids(c);
        let deleted = if at_once { c.find(Expression::all()).delete().unwrap() } else { c.delete_many(&all).unwrap() };
        assert_eq!(deleted, all.len() as u64);
        assert_eq!((c.count().unwrap(), ids(c).len(), c.find(field("n").ge(0)).count().unwrap()), (0, 0, 0));
    };
    let some = |random: &SeededRandom| {
        let first = random.below(50);
        first..first + 10 + random.below(60)
    };
    put(&c, some(&random));
    if is_indexed_late {
        declare();
    }
    if random.below(2) == 0 {
        clear(&c);
        put(&c, some(&random));
    }
    if random.below(3) == 0 {
        db.checkpoint().unwrap();
    }
    let tx: WriteTransaction = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    put(&within, some(&random));
    let savepoint = tx.savepoint().unwrap();
    let before = ids(&within);
    clear(&within);
    put(&within, some(&random));
    if random.below(2) == 0 {
        tx.rollback_to(savepoint).unwrap();
        assert_eq!(ids(&within), before);
        assert_eq!(within.find(field("n").ge(0)).count().unwrap(), before.len() as u64);
    }
    if random.below(4) == 0 {
        clear(&within);
    }
    tx.commit().unwrap();
    put(&c, some(&random));
    assert_eq!(other.count().unwrap(), 20);
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    db
}

#[test]
fn deleting_everything_leaves_what_deleting_one_by_one_leaves() {
    for seed in 0..60 {
        assert_eq!(told(&story(seed, true)), told(&story(seed, false)), "seed {seed}");
    }
}

#[test]
fn an_index_being_built_survives_the_deletion_of_everything() {
    let db = Database::open_memory_with(Options { index_build_bytes: 500, ..Options::default() }).unwrap();
    let c = db.collection("c").unwrap();
    put(&c, 0..400);
    std::thread::scope(|scope| {
        let building = scope.spawn(|| c.create_index(IndexDefinition::on(["s"]).unwrap()).unwrap());
        c.find(Expression::all()).delete().unwrap();
        put(&c, 100..150);
        assert!(building.join().unwrap());
    });
    assert_eq!(c.find(field("s").eq("s1")).count().unwrap(), 10);
    assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
}

#[test]
fn a_delete_that_does_not_fit_its_transaction_deletes_nothing() {
    let options = Options { transaction_bytes_max: 60_000, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let c = db.collection("c").unwrap();
    for first in 0..80 {
        put(&c, first * 50..(first + 1) * 50);
    }
    // The history keeps each, which is more than fits.
    let error = c.find(field("n").ge(0)).delete().unwrap_err();
    assert_eq!(error.code(), entidb_core::ErrorCode::TooLarge);
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    within.put(&doc! { "n": 5000 }).unwrap();
    assert!(within.find(field("n").ge(0)).delete().is_err());
    assert_eq!(within.count().unwrap(), 4001);
    tx.commit().unwrap();
    assert_eq!((c.count().unwrap(), ids(&c).len()), (4001, 4001));
    // Everything at once takes as little as it does without a feed.
    assert_eq!(c.find(Expression::all()).delete().unwrap(), 4001);
    assert_eq!((c.count().unwrap(), ids(&c).len()), (0, 0));
    assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
}

/// The large ones.
fn files_of(folder: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let all = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    all.flat_map(
        |path| if path.is_dir() { files_of(&path) } else { vec![(path.clone(), path.metadata().unwrap().len())] },
    )
    .filter(|(_, bytes)| *bytes > 100_000)
    .collect()
}

fn bytes_of(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files
        .map(|file| match file.metadata().unwrap() {
            found if found.is_dir() => bytes_of(&file.path()),
            found => found.len(),
        })
        .sum()
}

#[test]
fn a_database_without_documents_takes_no_room_after_compact() {
    // 318 MiB of documents became 64 MiB of log for none.
    let documents: u64 = if std::env::var("ENTIDB_TIER").as_deref() == Ok("full") { 300_000 } else { 20_000 };
    for (name, filter) in [("all", Expression::all()), ("some", field("n").ge(0))] {
        let folder = std::env::temp_dir().join(format!("entidb-delete-{name}-{}", std::process::id()));
        let options = Options { feed_commits_max: 0, ..Options::default() };
        let db = Database::open_with(&folder, options).unwrap();
        let c = db.collection("c").unwrap();
        for field in ["n", "s", "t"] {
            c.create_index(IndexDefinition::on([field]).unwrap()).unwrap();
        }
        for first in (0..documents).step_by(10_000) {
            put(&c, first..first + 10_000);
        }
        let full = bytes_of(&folder);
        assert_eq!(c.find(filter).delete().unwrap(), documents);
        let deleted = bytes_of(&folder);
        db.compact().unwrap();
        let compacted = bytes_of(&folder);
        println!("{documents} documents took {full} bytes, {deleted} once deleted, {compacted} once compacted");
        assert!(compacted <= 2 << 20, "{compacted} bytes: {:?}", files_of(&folder));
        db.close().unwrap();
        assert!(bytes_of(&folder) <= 2 << 20);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

/// A few entities are read to count what stays as history. One that cannot be read is no reason to keep its collection.
#[test]
fn a_collection_that_cannot_be_read_can_be_emptied_and_dropped() {
    use entidb_storage::simulated::{Personality, Simulation};
    for drops in [false, true] {
        let world = Simulation::new(Personality::PosixStrict, 7);
        let db = Database::open_on(world.backend(), Options::default()).unwrap();
        let c = db.collection("c").unwrap();
        let text = "x".repeat(500);
        c.put_many(&(0..300).map(|n| doc! { "n": n, "text": text.as_str() }).collect::<Vec<_>>()).unwrap();
        db.checkpoint().unwrap();
        db.close().unwrap();
        // The segment of the entities is the largest; its first block is not what it was.
        let names = world.file_names();
        let segments = names.iter().filter(|name| name.starts_with("seg"));
        let largest = segments.max_by_key(|name| world.file_bytes(name).unwrap().len()).unwrap();
        let mut bytes = world.file_bytes(largest).unwrap();
        bytes[200] ^= 0xff;
        world.put_file(largest, &bytes);
        let db = Database::open_on(world.backend(), Options::default()).unwrap();
        let c = db.collection("c").unwrap();
        assert!(c.iter().unwrap().any(|found| found.is_err()), "{largest} of {names:?}");
        if drops {
            db.drop_collection("c").unwrap();
            assert!(db.collections().unwrap().is_empty());
        } else {
            assert_eq!(db.transaction(|tx| tx.collection("c")?.find(Expression::all()).delete()).unwrap(), 300);
            assert_eq!(c.count().unwrap(), 0);
        }
    }
}
