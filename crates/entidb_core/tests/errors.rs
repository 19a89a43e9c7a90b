//! Error codes of the core, each provoked through the public interface.
//!
//! Always: after a refused call the database still works as its code says. Does not know: what the messages say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test asserts by panicking")]

use std::time::Duration;

use entidb_core::{
    Collection, Database, Durability, Entity, EntityId, ErrorCode, Expression, Find, IndexDefinition, Key, Options,
    Path, Position, Query, Result, ScanPolicy, Sequence, Since, Value, WriteMode, asc, doc, encode, field, patch,
};
use entidb_storage::simulated::{Fault, FaultKind, Personality, Simulation};

const ID: EntityId = EntityId::from_bytes([1; 16]);
const OTHER: EntityId = EntityId::from_bytes([2; 16]);

#[track_caller]
fn refused<T>(result: Result<T>, code: ErrorCode) {
    match result {
        Ok(_) => panic!("{code:?} was due, and the call succeeded"),
        Err(error) => assert_eq!(error.code(), code, "{error}"),
    }
}

fn world() -> Simulation {
    Simulation::new(Personality::Ext4Ordered, 1)
}

fn on(world: &Simulation, options: Options) -> Result<Database> {
    Database::open_on(world.backend(), options)
}

fn memory(options: Options) -> Database {
    Database::open_memory_with(options).unwrap()
}

/// A name of a megabyte that is not there made a message of a megabyte.
#[test]
fn a_message_shows_the_start_of_a_long_name() {
    let db = memory(Options::default());
    let long = "ä".repeat(1 << 19);
    let notes = db.collection("notes").unwrap();
    notes.put(&doc! { "n": 1 }).unwrap();
    let field = long.as_str();
    let messages = [
        db.drop_collection(&long).unwrap_err(),
        db.rename_collection(&long, "other").unwrap_err(),
        notes.drop_index(&long).unwrap_err(),
        Options::from_value(&doc! { field: 1 }).unwrap_err(),
        Query::from_bytes(&encode(&doc! { "v": 1, field: 1 })).unwrap_err(),
        Query::from_bytes(&encode(&doc! { "v": 1, "filter": [field] })).unwrap_err(),
    ];
    for error in messages {
        assert!(error.message().len() < 1000, "{} has {} bytes", error.code().name(), error.message().len());
        assert!(error.message().contains("(1048576 bytes)"), "{}", error.message());
        let about = [error.context().collection.as_deref(), error.context().index.as_deref()];
        assert!(about.into_iter().flatten().all(|name| name == "notes"), "{}", error.code().name());
    }
}

#[test]
fn names_arguments_and_options_are_judged() {
    let db = memory(Options::default());
    refused(db.collection(""), ErrorCode::InvalidArgument);
    refused("no id".parse::<EntityId>(), ErrorCode::InvalidArgument);
    refused(IndexDefinition::on([]), ErrorCode::InvalidArgument);
    refused(Options::from_value(&doc! { "readonly": true }), ErrorCode::UnknownOption);
    refused(db.rename_collection("none", "some"), ErrorCode::CollectionNotFound);
    db.create_collection("some").unwrap();
    refused(db.create_collection("some"), ErrorCode::CollectionExists);
    let some = db.collection("some").unwrap();
    refused(some.drop_index("none"), ErrorCode::IndexNotFound);
    some.create_index(IndexDefinition::on(["a"]).unwrap()).unwrap();
    refused(some.create_index(IndexDefinition::on(["b"]).unwrap().named("a")), ErrorCode::IndexExists);
}

#[test]
fn limits_are_kept() {
    let db = memory(Options { entity_bytes_max: 100, sort_bytes_max: 1 << 16, ..Options::default() });
    let notes = db.collection("notes").unwrap();
    refused(notes.put(&doc! { "t": "x".repeat(200) }), ErrorCode::TooLarge);
    for n in 0..1500_u64 {
        let tx = db.begin_write().unwrap();
        tx.collection("notes").unwrap().put(&doc! { "n": n }).unwrap();
        tx.commit_with(Durability::None).unwrap();
    }
    refused(notes.query(Query::default()).order_by(asc("n")).run(), ErrorCode::QueryTooLarge);
    assert_eq!(notes.query(Query::default()).order_by(asc("n")).limit(3).list().unwrap().len(), 3);
}

/// A path that cannot be read was one name in Rust, and an error in every other language.
#[test]
fn a_path_that_cannot_be_read_is_refused_by_the_first_use() {
    let notes = memory(Options::default()).collection("notes").unwrap();
    notes.put(&doc! { "a..b": 1, "n": 1 }).unwrap();
    for path in ["a..b", ".", "a.", "a.01", "a\\", "[x]"] {
        let bad = || field("n").eq(1) & !(field("n").eq(2) | field(path).eq(1));
        refused(notes.find(bad()).list(), ErrorCode::InvalidArgument);
        refused(notes.find(bad()).count(), ErrorCode::InvalidArgument);
        refused(notes.find(bad()).exists(), ErrorCode::InvalidArgument);
        refused(notes.find(bad()).explain(), ErrorCode::InvalidArgument);
        refused(notes.find(bad()).delete(), ErrorCode::InvalidArgument);
        refused(notes.find(field("n").eq(1)).order_by(asc(path)).list(), ErrorCode::InvalidArgument);
        refused(notes.find(field("n").eq(1)).order_by(entidb_core::desc(path)).first(), ErrorCode::InvalidArgument);
        refused(Query { filter: bad(), ..Query::default() }.to_bytes(), ErrorCode::InvalidArgument);
        let error = notes.find(bad()).list().unwrap_err();
        assert!(error.message().contains(&format!("{path:?}")), "{error}");
        let mut definition = IndexDefinition::on(["n"]).unwrap();
        definition.columns.push(asc(path));
        refused(notes.create_index(definition), ErrorCode::InvalidArgument);
    }
    assert_eq!((notes.count().unwrap(), notes.indexes().unwrap().len()), (1, 0));
}

#[test]
fn changes_that_do_not_fit_are_refused() {
    let db = memory(Options::default());
    let notes = db.collection("notes").unwrap();
    notes.create_index(IndexDefinition::on(["u"]).unwrap().unique()).unwrap();
    notes.insert(ID, &doc! { "u": 1 }).unwrap();
    refused(notes.insert(ID, &doc! {}), ErrorCode::AlreadyExists);
    refused(notes.replace(OTHER, &doc! {}), ErrorCode::EntityNotFound);
    refused(notes.put_at(OTHER, &doc! { "u": 1 }), ErrorCode::UniqueViolation);
    refused(notes.compare_and_set(ID, 0, &doc! {}), ErrorCode::VersionMismatch);
    let inside_a_number = Path::dotted("u.deep").unwrap();
    refused(notes.update(ID, &patch! { (inside_a_number): 1 }), ErrorCode::WrongType);
    let beyond = entidb_core::Patch::default().set(Path::dotted("list.5").unwrap(), Value::from(1_u64));
    notes.update(ID, &patch! { "list": [1] }).unwrap();
    refused(notes.update(ID, &beyond), ErrorCode::PatchMismatch);
    assert_eq!(notes.count().unwrap(), 1);
}

#[test]
fn bytes_that_are_no_document_are_refused_by_what_is_wrong_with_them() {
    let notes = memory(Options::default()).collection("notes").unwrap();
    let deep = [vec![0x81; 300], vec![0]].concat();
    let cases: [(&[u8], ErrorCode); 11] = [
        (&[0x82, 1], ErrorCode::Truncated),
        (&[0x18, 1], ErrorCode::NotCanonical),
        (&deep, ErrorCode::TooDeep),
        (&[0xa2, 0x61, b'a', 1, 0x61, b'a', 2], ErrorCode::DuplicateKey),
        (&[0x61, 0xff], ErrorCode::InvalidUtf8),
        (&[1, 1], ErrorCode::TrailingBytes),
        (&[0xf7], ErrorCode::UnsupportedItem),
        (&[0xd8, 0x25, 0x41, 1], ErrorCode::InvalidTagContent),
        (&[0xa1, 0x41, 1, 1], ErrorCode::InvalidKey),
        (&[0xff], ErrorCode::Malformed),
        (&[0x1c], ErrorCode::Malformed),
    ];
    for (bytes, code) in cases {
        refused(notes.write(Some(ID), bytes, WriteMode::Put), code);
    }
    assert_eq!(notes.count().unwrap(), 0);
}

#[test]
fn transactions_end_once_and_writers_take_turns() {
    let db = memory(Options { lock_timeout_ms: 0, ..Options::default() });
    let tx = db.begin_write().unwrap();
    refused(db.begin_write(), ErrorCode::Busy);
    refused(db.close(), ErrorCode::InUse);
    let mark = tx.savepoint().unwrap();
    let held = tx.collection("notes").unwrap();
    held.put(&doc! { "n": 1 }).unwrap();
    tx.commit().unwrap();
    refused(held.count(), ErrorCode::TransactionEnded);
    let next = db.begin_write().unwrap();
    refused(next.rollback_to(mark), ErrorCode::SavepointNotFound);
    next.abort();
    let read = db.begin_read().unwrap();
    refused(read.collection("notes").unwrap().put(&doc! {}), ErrorCode::ReadOnly);
    refused(db.wait_durable(Sequence(1_000), Duration::ZERO), ErrorCode::Timeout);
    db.close().unwrap();
    refused(db.collections(), ErrorCode::Closed);
    refused(read.collections(), ErrorCode::Closed);
}

/// Walks and answers tell of a failure once and end, so that `count`, `flatten` and `collect` end.
#[test]
fn a_walk_gives_an_error_once_and_ends() {
    fn ends(mut walk: impl Iterator<Item = Result<Entity>>, code: ErrorCode) {
        refused(walk.next().unwrap(), code);
        assert!(walk.next().is_none() && walk.next().is_none());
    }
    let db = memory(Options::default());
    let notes = db.collection("notes").unwrap();
    notes.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    notes.put_many(&[doc! { "n": 1 }, doc! { "n": 2 }, doc! { "n": 3 }]).unwrap();
    let walks = |notes: &Collection| {
        let found = |find: Find| find.run().unwrap();
        let answers = [
            found(notes.find(field("m").eq(1))),
            found(notes.find(field("n").eq(1))),
            found(notes.find(field("n").gt(0)).order_by(asc("m"))),
        ];
        (notes.iter().unwrap(), answers)
    };
    let tx = db.begin_write().unwrap();
    let (entities, answers) = walks(&tx.collection("notes").unwrap());
    tx.abort();
    ends(entities, ErrorCode::TransactionEnded);
    answers.into_iter().for_each(|found| ends(found, ErrorCode::TransactionEnded));

    let (entities, answers) = walks(&notes);
    db.close().unwrap();
    ends(entities, ErrorCode::Closed);
    answers.into_iter().for_each(|found| ends(found, ErrorCode::Closed));
}

#[test]
fn queries_are_judged_before_they_run() {
    let db = memory(Options { scan_policy: ScanPolicy::Forbid, ..Options::default() });
    let notes = db.collection("notes").unwrap();
    notes.put(&doc! { "n": 1 }).unwrap();
    refused(notes.find(field("n").eq(1)).run(), ErrorCode::ScanForbidden);
    refused(notes.find(field("n").eq(1)).after([1, 2]).run(), ErrorCode::PageTokenInvalid);
    refused(Query::from_bytes(&entidb_core::encode(&doc! { "v": 2 })), ErrorCode::QueryInvalid);
}

#[test]
fn the_feed_tells_of_gaps_and_of_being_off() {
    let db = memory(Options::default());
    let before = db.position().unwrap();
    db.create_collection("notes").unwrap();
    db.trim_changes(db.last_sequence()).unwrap();
    refused(db.changes(before), ErrorCode::Gap);
    refused("1@00".parse::<Position>(), ErrorCode::InvalidArgument);
    let off = memory(Options { feed_commits_max: 0, ..Options::default() });
    refused(off.changes(Since::Oldest), ErrorCode::Unsupported);
}

#[test]
fn opening_says_what_it_found() {
    let world = world();
    let db = on(&world, Options::default()).unwrap();
    refused(on(&world, Options::default()), ErrorCode::DatabaseLocked);
    db.close().unwrap();
    refused(on(&world, Options { create_new: true, ..Options::default() }), ErrorCode::AlreadyExists);
    refused(on(&world, Options { key: Some(Key::Raw([7; 32])), ..Options::default() }), ErrorCode::NotEncrypted);
    let mut keyed = Options { key: Some(Key::Raw([7; 32])), ..Options::default() };
    let secret = Simulation::new(Personality::Ext4Ordered, 2);
    on(&secret, keyed.clone()).unwrap().close().unwrap();
    refused(on(&secret, Options::default()), ErrorCode::EncryptionRequired);
    keyed.key = Some(Key::Raw([8; 32]));
    refused(on(&secret, keyed), ErrorCode::WrongKey);
    let foreign = Simulation::new(Personality::Ext4Ordered, 3);
    foreign.put_file("holiday.jpg", b"not ours");
    refused(on(&foreign, Options::default()), ErrorCode::NotADatabase);
    let missing = std::env::temp_dir().join(format!("entidb-errors-{}", std::process::id()));
    refused(
        Database::open_with(&missing, Options { create: false, ..Options::default() }),
        ErrorCode::DatabaseNotFound,
    );
    let db = memory(Options::default());
    db.backup(&missing).unwrap();
    refused(db.backup(&missing), ErrorCode::TargetNotEmpty);
    refused(
        Database::open_with(&missing, Options { create_new: true, ..Options::default() }),
        ErrorCode::AlreadyExists,
    );
    #[expect(clippy::disallowed_methods, reason = "the folder is the test's")]
    std::fs::remove_dir_all(&missing).unwrap();
}

#[test]
fn a_path_that_no_system_takes_is_refused_in_the_same_words_everywhere() {
    let db = memory(Options::default());
    for path in ["", "a\0b"] {
        refused(Database::open(path), ErrorCode::InvalidArgument);
        refused(Database::open_with(path, Options { create: false, ..Options::default() }), ErrorCode::InvalidArgument);
        refused(db.backup(path), ErrorCode::InvalidArgument);
    }
}

/// A segment is damaged behind the back of the open database: its backup fails, and nothing is left of it.
#[test]
#[expect(clippy::disallowed_methods, reason = "the folders are the test's, and so is the damage")]
fn a_backup_that_fails_leaves_what_was_there_and_nothing_else() {
    let place = std::env::temp_dir().join(format!("entidb-failed-backup-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).unwrap();
    let db = Database::open(place.join("db")).unwrap();
    let notes = db.collection("notes").unwrap();
    for n in 0..50 {
        notes.put(&doc! { "n": n, "text": "x".repeat(500) }).unwrap();
    }
    db.checkpoint().unwrap();
    for entry in std::fs::read_dir(place.join("db").join("seg")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[300] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let (missing, empty) = (place.join("missing"), place.join("empty"));
    std::fs::create_dir(&empty).unwrap();
    for target in [&missing, &empty] {
        refused(db.backup(target), ErrorCode::Corrupt);
    }
    assert!(!missing.exists(), "the folder was not there before");
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
    drop(db);
    std::fs::remove_dir_all(&place).unwrap();
}

#[test]
fn a_failed_flush_leaves_a_commit_unknown_and_stops_writing() {
    let world = world();
    let db = on(&world, Options::default()).unwrap();
    let notes = db.collection("notes").unwrap();
    notes.put_at(ID, &doc! { "n": 1 }).unwrap();
    // The write is the next call, its flush the one after.
    world.inject(Fault::once(FaultKind::Device, world.calls() + 1));
    refused(notes.put_at(OTHER, &doc! { "n": 2 }), ErrorCode::CommitUnknown);
    assert_eq!(world.faults_struck(), 1);
    refused(notes.put_at(OTHER, &doc! { "n": 3 }), ErrorCode::WritesStopped);
    assert!(notes.exists(ID).unwrap() && !notes.exists(OTHER).unwrap());
    drop((notes, db));
    let db = on(&world, Options::default()).unwrap();
    assert!(db.collection("notes").unwrap().exists(ID).unwrap());
    db.collection("notes").unwrap().put_at(OTHER, &doc! { "n": 4 }).unwrap();
}

#[test]
fn a_full_disk_refuses_a_commit_and_takes_the_next_when_there_is_room() {
    let world = world();
    let db = on(&world, Options::default()).unwrap();
    let notes = db.collection("notes").unwrap();
    world.set_capacity_bytes(Some(300 << 10));
    let mut stored = 0_u64;
    let error = loop {
        match notes.put(&doc! { "t": "x".repeat(2_000) }) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 5_000, "the disk never got full");
    };
    assert_eq!(error.code(), ErrorCode::NoSpace, "{error}");
    assert_eq!(notes.count().unwrap(), stored);
    world.set_capacity_bytes(None);
    notes.put(&doc! { "n": 1 }).unwrap();
    assert_eq!(notes.count().unwrap(), stored + 1);
}

#[test]
fn a_full_disk_lets_entities_be_deleted_and_takes_new_ones_then() {
    let world = world();
    let db = on(&world, Options::default()).unwrap();
    let notes = db.collection("notes").unwrap();
    world.set_capacity_bytes(Some(6 << 20));
    let mut ids = Vec::new();
    let error = loop {
        match notes.put(&doc! { "t": format!("{:?}", ids.last()).repeat(40) }) {
            Ok(id) => ids.push(id),
            Err(error) => break error,
        }
        assert!(ids.len() < 40_000, "the disk never got full");
    };
    assert_eq!(error.code(), ErrorCode::NoSpace, "{error}");
    for id in &ids {
        assert!(notes.delete(*id).unwrap());
    }
    assert_eq!(notes.count().unwrap(), 0);
    db.compact().unwrap();
    notes.put(&doc! { "n": 1 }).unwrap();
    assert_eq!(notes.count().unwrap(), 1);
}

#[test]
fn a_broken_device_and_damaged_files_are_told_apart() {
    let world = world();
    let db = on(&world, Options::default()).unwrap();
    db.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
    db.checkpoint().unwrap();
    db.close().unwrap();
    let broken = world.freeze().resume();
    broken.inject(Fault::onward(FaultKind::Device, 0));
    refused(on(&broken, Options::default()), ErrorCode::Io);
    let denied = world.freeze().resume();
    denied.inject(Fault::onward(FaultKind::PermissionDenied, 0));
    refused(on(&denied, Options::default()), ErrorCode::PermissionDenied);
    // Every byte of every file is another.
    let damaged = world.freeze().resume();
    for name in damaged.file_names() {
        let mut bytes = damaged.file_bytes(&name).unwrap();
        for byte in &mut bytes {
            *byte ^= 0x55;
        }
        damaged.put_file(&name, &bytes);
    }
    let code = on(&damaged, Options::default()).map(|_| ()).unwrap_err().code();
    assert!(matches!(code, ErrorCode::Corrupt | ErrorCode::NotADatabase), "{code:?}");
    let lost = world.freeze().resume();
    for name in lost.file_names().into_iter().filter(|name| name.contains("seg")) {
        lost.lose_file(&name);
    }
    let outcome = on(&lost, Options::default()).and_then(|db| db.collection("notes")?.iter()?.next().transpose());
    refused(outcome, ErrorCode::Corrupt);
}

#[test]
fn what_a_newer_version_wrote_is_left_alone() {
    let world = world();
    on(&world, Options::default()).unwrap().close().unwrap();
    // The version of the keyspace, as a later EntiDB would write it.
    let engine = entidb_engine::Engine::open(world.backend(), entidb_engine::Options::default()).unwrap();
    let mut tx = engine.begin_write().unwrap();
    tx.put(&[0x01, 0x08], &2_u32.to_be_bytes()).unwrap();
    tx.commit().unwrap();
    engine.close().unwrap();
    let before = world.freeze().resume();
    refused(on(&world, Options::default()), ErrorCode::FormatTooNew);
    refused(on(&world, Options { read_only: true, ..Options::default() }), ErrorCode::FormatTooNew);
    // Closing leaves marks of its own; what was committed is as it was.
    let engine = entidb_engine::Engine::open(world.backend(), entidb_engine::Options::default()).unwrap();
    let untouched = entidb_engine::Engine::open(before.backend(), entidb_engine::Options::default()).unwrap();
    assert_eq!(engine.last_sequence(), untouched.last_sequence());
}

/// CRC-32 (IEEE), as file headers have it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn headers_that_somebody_changed_and_signed_are_told_from_damage() {
    let world = world();
    let db = on(&world, Options::default()).unwrap();
    db.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
    db.checkpoint().unwrap();
    db.close().unwrap();
    let name = world.file_names().into_iter().find(|name| name.contains("seg/")).unwrap();
    // The low byte of the version, one of the features, one of the database's id, and no checksum put right.
    for (place, code, signed) in [
        (8, ErrorCode::FormatTooNew, true),
        (20, ErrorCode::FormatTooNew, true),
        (32, ErrorCode::Tampered, true),
        (32, ErrorCode::Corrupt, false),
    ] {
        let changed = world.freeze().resume();
        let mut bytes = changed.file_bytes(&name).unwrap();
        bytes[place] ^= 2;
        if signed {
            let checksum = crc32(&bytes[..124]);
            bytes[124..128].copy_from_slice(&checksum.to_le_bytes());
        }
        changed.put_file(&name, &bytes);
        let outcome =
            on(&changed, Options::default()).and_then(|db| db.collection("notes")?.iter()?.next().transpose());
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), code, "byte {place}: {error}");
        assert!(error.context().path.as_deref().is_some_and(|path| path.contains(&name)), "{error:?}");
        assert_eq!(changed.file_bytes(&name).unwrap(), bytes, "what is refused is left as it is");
    }
}

#[test]
fn the_last_number_is_given_to_nobody() {
    let world = world();
    on(&world, Options::default()).unwrap().close().unwrap();
    let engine = entidb_engine::Engine::open(world.backend(), entidb_engine::Options::default()).unwrap();
    let mut tx = engine.begin_write().unwrap();
    tx.put(&[0x01, 0x04], &u32::MAX.to_be_bytes()).unwrap();
    tx.commit().unwrap();
    engine.close().unwrap();
    let db = on(&world, Options::default()).unwrap();
    refused(db.create_collection("one too many"), ErrorCode::LimitReached);
    refused(db.collection("one too many").unwrap().put(&doc! {}), ErrorCode::LimitReached);
    assert_eq!(db.collections().unwrap(), Vec::<String>::new());
}

#[test]
fn a_document_of_too_many_items_is_refused() {
    let items = (16 << 20) + 1_u32;
    let mut document = vec![0x9a];
    document.extend_from_slice(&items.to_be_bytes());
    document.resize(document.len() + items as usize, 0);
    let notes = memory(Options::default()).collection("notes").unwrap();
    refused(notes.write(Some(ID), &document, WriteMode::Put), ErrorCode::DocumentTooLarge);
    assert_eq!(notes.count().unwrap(), 0);
}

#[test]
fn a_system_that_gives_no_files_is_told_as_it_is() {
    let world = world();
    let db = on(&world, Options::default()).unwrap();
    db.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
    db.close().unwrap();
    for (kind, code) in
        [(FaultKind::TooManyOpenFiles, ErrorCode::TooManyOpenFiles), (FaultKind::ReadOnly, ErrorCode::ReadOnlyStorage)]
    {
        let failing = world.freeze().resume();
        failing.inject(Fault::onward(kind, failing.calls()));
        refused(on(&failing, Options::default()).and_then(|db| db.collection("notes")?.put(&doc! {})), code);
        failing.clear_faults();
        assert_eq!(on(&failing, Options::default()).unwrap().collection("notes").unwrap().count().unwrap(), 1);
    }
}

#[test]
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the folder is the test's")]
fn a_database_whose_folder_was_moved_takes_no_more_writes() {
    let folder = std::env::temp_dir().join(format!("entidb-moved-{}", std::process::id()));
    let away = folder.with_extension("away");
    let db = Database::open(&folder).unwrap();
    let notes = db.collection("notes").unwrap();
    notes.put_at(ID, &doc! { "n": 1 }).unwrap();
    std::fs::rename(&folder, &away).unwrap();
    refused(db.checkpoint(), ErrorCode::DatabaseReplaced);
    refused(notes.put_at(OTHER, &doc! { "n": 2 }), ErrorCode::DatabaseReplaced);
    assert!(notes.get(ID).unwrap().is_some());
    refused(db.close(), ErrorCode::DatabaseReplaced);
    let moved = Database::open(&away).unwrap();
    assert_eq!(moved.collection("notes").unwrap().count().unwrap(), 1);
    drop(moved);
    std::fs::remove_dir_all(&away).unwrap();
}

#[test]
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the folder is the test's")]
fn who_removes_the_lock_file_of_an_open_database_is_refused() {
    // Two writers were let in, both got acknowledgements, and 50 of 150 documents were gone after the next open.
    let folder = std::env::temp_dir().join(format!("entidb-unlocked-{}", std::process::id()));
    let link = folder.with_extension("link");
    let db = Database::open(&folder).unwrap();
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    for path in [&folder, &link, &folder.join("..").join(folder.file_name().unwrap())] {
        let _gone_already = std::fs::remove_file(folder.join("LOCK"));
        refused(Database::open(path), ErrorCode::DatabaseLocked);
        refused(
            Database::open_with(path, Options { read_only: true, ..Options::default() }),
            ErrorCode::DatabaseLocked,
        );
    }
    db.close().unwrap();
    Database::open(&link).unwrap().close().unwrap();
    std::fs::remove_file(&link).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the folder is the test's")]
fn a_folder_in_the_place_of_a_file_is_refused() {
    let folder = std::env::temp_dir().join(format!("entidb-irregular-{}", std::process::id()));
    Database::open(&folder).unwrap().close().unwrap();
    let lock = folder.join("LOCK");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let result = Database::open(&folder).map(|_| ());
    std::fs::remove_dir_all(&folder).unwrap();
    refused(result, ErrorCode::NotARegularFile);
}

#[test]
fn a_query_that_nests_too_deeply_is_refused_in_rust_as_in_bytes() {
    // The limit was that of reading bytes alone: a query could run in Rust and not in any other language.
    let db = Database::open_memory().unwrap();
    let collection = db.collection("c").unwrap();
    for exists in [false, true] {
        if exists {
            collection.put(&doc! { "n": 1 }).unwrap();
        }
        let nested = |depth: usize| {
            (0..depth).fold(field("n").eq(1), |inner, level| match level % 2 {
                0 => Expression::And(vec![inner, field("n").ne(7)]),
                _ => Expression::Or(vec![inner, field("n").eq(8)]),
            })
        };
        let find = |depth| collection.find(nested(depth));
        assert_eq!(find(50).count().unwrap(), u64::from(exists));
        let sent = find(50).as_query().to_bytes().unwrap();
        assert_eq!(&Query::from_bytes(&sent).unwrap(), find(50).as_query());
        refused(find(51).run(), ErrorCode::QueryInvalid);
        refused(find(51).count(), ErrorCode::QueryInvalid);
        refused(find(51).delete(), ErrorCode::QueryInvalid);
        refused(find(51).explain(), ErrorCode::QueryInvalid);
        refused(find(51).as_query().to_bytes(), ErrorCode::QueryInvalid);
        let wide = (0..1000).fold(field("n").eq(0), |wide, n| wide | field("n").eq(n));
        assert_eq!(collection.find(wide).count().unwrap(), u64::from(exists));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the folder must not be there")]
fn a_setting_out_of_its_bounds_is_refused_before_anything_is_touched() {
    // Some were refused by the engine, after the folder was made; others had no effect.
    let path = std::env::temp_dir().join(format!("entidb-bounds-{}", std::process::id()));
    let grouped = |interval_ms| Options { durability: Durability::Grouped { interval_ms }, ..Options::default() };
    let weak = Options { key: Some(Key::Password(b"x".to_vec())), password_memory_kib: 1, ..Options::default() };
    for (options, names) in [
        (Options { transaction_bytes_max: (1 << 32) + 1, ..Options::default() }, "transaction_bytes_max"),
        (Options { transaction_bytes_max: 4095, ..Options::default() }, "transaction_bytes_max"),
        (Options { entity_bytes_max: (64 << 20) + 1, ..Options::default() }, "entity_bytes_max"),
        (Options { memory_bytes: 1 << 45, ..Options::default() }, "memory_bytes"),
        (Options { memtable_bytes: 1, ..Options::default() }, "memtable_bytes"),
        (grouped(0), "grouped_interval_ms"),
        (grouped(60_001), "interval_ms"),
        (weak, "password_memory_kib"),
    ] {
        let error = Database::open_with(&path, options).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
        assert!(error.message().contains(names), "{error}");
        assert!(!path.exists(), "{names}");
    }
    let most = Options { transaction_bytes_max: 1 << 32, entity_bytes_max: 64 << 20, ..Options::default() };
    let db = Database::open_memory_with(most).unwrap();
    let c = db.collection("c").unwrap();
    // The largest document there is: text of 64 MiB less the bytes around it.
    let id = c.put(&doc! { "t": "x".repeat((64 << 20) - 8) }).unwrap();
    assert_eq!(c.get(id).unwrap().unwrap().bytes().len(), 64 << 20);
    let error = c.put(&doc! { "t": "x".repeat((64 << 20) - 7) }).unwrap_err();
    // The limit cannot be raised any more, so the message does not advise it.
    assert!(error.code() == ErrorCode::TooLarge && !error.message().contains("raise"), "{error}");
}
