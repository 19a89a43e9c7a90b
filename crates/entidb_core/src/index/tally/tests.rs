//! What a kind of index must show everywhere, shown by one that only tests know, and what a library does that does not know a
//! kind.

use entidb_storage::Backend;

use crate::{Collection, Database, ErrorCode, IndexDefinition, Options, VerifyLevel, asc, doc, field, keyspace};

pub(super) fn tally() -> IndexDefinition {
    let value = doc! { "kind": "tally", "name": "by_n", "columns": ["n"] };
    IndexDefinition::from_value(&value).unwrap()
}

pub(super) fn filled(db: &Database) -> Collection {
    let c = db.collection("c").unwrap();
    for number in 0..40_u64 {
        c.put(&doc! { "n": number % 20, "m": number }).unwrap();
    }
    c
}

/// The answers with the index and without are the same, and it is the index that gives them.
fn check(c: &Collection) {
    for number in 0..21_u64 {
        let find = c.find(field("n").eq(number));
        let explanation = find.explain().unwrap();
        assert_eq!((explanation.index.as_deref(), explanation.kind.as_deref()), (Some("by_n"), Some("tally")));
        assert!(!explanation.scan && explanation.filter && explanation.sort, "{explanation}");
        let wanted: Vec<_> =
            c.iter().unwrap().map(Result::unwrap).filter(|it| it.field("n").unwrap() == Some(number.into())).collect();
        let ids = |found: Vec<crate::Entity>| found.iter().map(crate::Entity::id).collect::<Vec<_>>();
        assert_eq!(ids(find.clone().list().unwrap()), ids(wanted.clone()), "{number}");
        assert_eq!(find.clone().count().unwrap(), wanted.len() as u64);
        assert_eq!(find.clone().order_by(asc("m")).list().unwrap().len(), wanted.len());
        // Page by page.
        let (mut paged, mut page) = (Vec::new(), find.clone().page(1).unwrap());
        while let Some(token) = page.token.take() {
            paged.extend(page.entities);
            page = find.clone().after(token).page(1).unwrap();
        }
        paged.extend(page.entities);
        assert_eq!(ids(paged), ids(wanted), "{number}");
    }
}

fn rows_left(db: &Database) -> u64 {
    let snapshot = db.collection("c").unwrap().scope().shared().engine().snapshot().unwrap();
    let mut keys = snapshot
        .range([super::ZONE].as_slice()..[super::ZONE + 1].as_slice(), entidb_engine::Direction::Forward)
        .unwrap();
    let mut count = 0;
    while keys.advance().unwrap() {
        count += 1;
    }
    count
}

#[test]
fn a_kind_needs_a_folder_and_a_line_to_be_in_commit_build_verify_drop_statistics_and_explain() {
    let db = Database::open_memory().unwrap();
    let c = filled(&db);
    assert!(c.create_index(tally()).unwrap());
    assert!(!c.create_index(tally()).unwrap());
    assert_eq!(c.indexes().unwrap(), [tally()]);
    check(&c);
    // Commits keep it, and what is taken back takes it back.
    let first = c.iter().unwrap().next().unwrap().unwrap().id();
    c.put_at(first, &doc! { "n": 19 }).unwrap();
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    let savepoint = tx.savepoint().unwrap();
    within.put(&doc! { "n": 3 }).unwrap();
    assert_eq!(within.find(field("n").eq(3)).count().unwrap(), 3);
    assert_eq!(within.index_stats().unwrap()[0].rows, 41);
    tx.rollback_to(savepoint).unwrap();
    assert_eq!(within.index_stats().unwrap()[0].rows, 40);
    tx.commit().unwrap();
    assert!(c.delete(first).unwrap());
    check(&c);
    let stats = c.index_stats().unwrap().remove(0);
    assert_eq!((stats.index.as_str(), stats.kind.as_str(), stats.rows, stats.exact), ("by_n", "tally", 39, true));
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_ok() && report.index_rows == 39, "{report:?}");
    // All at once, and for good.
    assert_eq!(c.clear().unwrap(), 39);
    assert_eq!((c.index_stats().unwrap()[0].rows, rows_left(&db)), (0, 0));
    filled(&db);
    assert_eq!(rows_left(&db), 40);
    c.drop_index("by_n").unwrap();
    assert_eq!(rows_left(&db), 0);
    assert!(c.find(field("n").eq(3)).explain().unwrap().scan);
    c.create_index(tally()).unwrap();
    db.drop_collection("c").unwrap();
    assert_eq!(rows_left(&db), 0);
    assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
}

#[test]
fn verify_finds_what_a_kind_lacks_and_has_too_much() {
    let db = Database::open_memory().unwrap();
    let c = filled(&db);
    c.create_index(tally()).unwrap();
    let index = c.open().unwrap().1.unwrap().indexes[0].id.0;
    let shared = c.scope().shared().clone();
    let mut tx = shared.begin_engine(None).unwrap();
    let stray = [keyspace::prefix(super::ZONE, index).as_slice(), &[0; 16]].concat();
    tx.put(&stray, &[]).unwrap();
    shared.session().unwrap().commit(tx, None).unwrap();
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].index.as_deref(), Some("by_n"));
    let mut tx = shared.begin_engine(None).unwrap();
    tx.delete_range(&keyspace::prefix(super::ZONE, index), &keyspace::prefix_end(super::ZONE, index)).unwrap();
    shared.session().unwrap().commit(tx, None).unwrap();
    assert_eq!(db.verify(VerifyLevel::Full).unwrap().problems.len(), 41);
}

#[test]
fn a_kind_is_built_in_steps_with_changes_between_them() {
    let options = Options { index_build_bytes: 250, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let c = filled(&db);
    let shared = c.scope().shared().clone();
    let target = crate::collection::Target { name: "c", id: None, is_committed: true };
    let crate::index::build::Begun::Building(mut build) =
        crate::index::build::begin(&shared, &target, &tally()).unwrap()
    else {
        panic!("one step was enough");
    };
    let ids: Vec<_> = c.iter().unwrap().map(|it| it.unwrap().id()).collect();
    for (step, id) in ids.iter().rev().enumerate() {
        match step % 3 {
            0 => c.put_at(*id, &doc! { "n": step as u64 % 20 }).unwrap(),
            1 => assert!(c.delete(*id).unwrap()),
            _ => drop(c.put(&doc! { "n": 7 }).unwrap()),
        }
        assert!(c.indexes().unwrap().is_empty());
        if build.step().unwrap() {
            break;
        }
    }
    while c.indexes().unwrap().is_empty() && !build.step().unwrap() {}
    drop(build);
    check(&c);
    assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
}

/// Makes the only index of `c` one of a kind that no library knows yet.
fn make_unknown(db: &Database, since: &str) {
    let c = db.collection("c").unwrap();
    let shared = c.scope().shared().clone();
    let record = c.open().unwrap().1.unwrap();
    let mut value = entidb_codec::decode(&record.encode()).unwrap();
    let indexes = value.as_map_mut().unwrap().get_mut("indexes").unwrap();
    let crate::Value::Array(indexes) = indexes else { panic!("{indexes:?}") };
    let index = indexes[0].as_map_mut().unwrap();
    index.insert("since", since);
    index.get_mut("definition").unwrap().as_map_mut().unwrap().insert("kind", "telepathic");
    let mut tx = shared.begin_engine(None).unwrap();
    tx.put(&keyspace::collection_record(record.id), &entidb_codec::encode(&value)).unwrap();
    shared.session().unwrap().commit(tx, None).unwrap();
}

#[test]
fn an_index_of_an_unknown_kind_lets_its_collection_be_read_and_not_changed() {
    let backend = Backend::memory();
    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    let c = filled(&db);
    c.create_index(tally()).unwrap();
    make_unknown(&db, "7.8.9");
    db.close().unwrap();

    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    let c = db.collection("c").unwrap();
    let entity = c.iter().unwrap().next().unwrap().unwrap();
    assert_eq!(c.indexes().unwrap()[0].kind, "telepathic");
    assert_eq!(c.find(field("n").eq(3)).count().unwrap(), 2);
    assert!(c.find(field("n").eq(3)).explain().unwrap().scan);
    let refused = [
        c.put(&doc! { "n": 1 }).map(drop),
        c.put_at(entity.id(), &doc! { "n": 1 }),
        c.delete(entity.id()).map(drop),
        c.clear().map(drop),
        c.find(field("n").eq(3)).delete().map(drop),
    ];
    for result in refused {
        let error = result.unwrap_err();
        assert_eq!(error.code(), ErrorCode::FormatTooNew, "{error}");
        assert!(error.message().contains("7.8.9") && error.message().contains("telepathic"), "{error}");
        assert_eq!(
            (error.context().index.as_deref(), error.context().collection.as_deref()),
            (Some("by_n"), Some("c"))
        );
    }
    assert_eq!(c.count().unwrap(), 40);
    // Another collection is not concerned, nor is another index; and nothing of the record is lost.
    db.collection("d").unwrap().put(&doc! { "n": 1 }).unwrap();
    c.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    db.rename_collection("c", "e").unwrap();
    assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
    db.close().unwrap();

    let db = Database::open_on(backend, Options::default()).unwrap();
    let c = db.collection("e").unwrap();
    assert_eq!(c.put(&doc! {}).unwrap_err().code(), ErrorCode::FormatTooNew);
    assert_eq!(rows_left(&db), 40);
    c.drop_index("by_n").unwrap();
    assert_eq!(rows_left(&db), 0);
    c.put(&doc! { "n": 1 }).unwrap();
    assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
}

#[test]
fn a_known_kind_with_what_a_later_version_told_it_counts_as_unknown() {
    let db = Database::open_memory().unwrap();
    let c = filled(&db);
    c.create_index(tally()).unwrap();
    let record = c.open().unwrap().1.unwrap();
    let mut value = entidb_codec::decode(&record.encode()).unwrap();
    let indexes = value.as_map_mut().unwrap().get_mut("indexes").unwrap();
    let crate::Value::Array(indexes) = indexes else { panic!("{indexes:?}") };
    indexes[0].as_map_mut().unwrap().insert("since", "99.0.0");
    let later = crate::catalog::CollectionRecord::decode(&entidb_codec::encode(&value)).unwrap();
    assert_eq!(later.indexes[0].check_writable().unwrap_err().code(), ErrorCode::FormatTooNew);
    assert_eq!(entidb_codec::decode(&later.encode()).unwrap(), value);
}
