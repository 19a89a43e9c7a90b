//! What a cursor gives when reading fails under way.
//!
//! Always: what was read before a failure is given, the failure once, and then the end.

#![expect(clippy::disallowed_methods, reason = "a test asserts by panicking and damages a file")]

use entidb_abi::codec::{Value, encode};
use entidb_abi::{Database, WriteMode};

/// A batch lost what it had read before a damaged block.
#[test]
fn what_was_read_before_a_failure_is_given_first() {
    let folder = std::env::temp_dir().join(format!("entidb-abi-cursors-{}", std::process::id()));
    std::fs::remove_dir_all(&folder).ok();
    let path = folder.to_str().unwrap();
    let db = Database::open(path, &[]).unwrap();
    let notes = db.collection("notes").unwrap();
    let text = "some words that fill a document, ".repeat(20);
    for number in 0..500_i64 {
        let text = format!("{number}{text}{number}");
        let document =
            Value::Map([("n", Value::from(number)), ("text", Value::from(text.as_str()))].into_iter().collect());
        notes.put(None, &encode(&document), WriteMode::Put).unwrap();
    }
    db.compact().unwrap();
    db.close().unwrap();
    let segment = std::fs::read_dir(folder.join("seg")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let whole = std::fs::read(&segment).unwrap();
    let (mut tried, mut paged) = (0, 0);
    let everything = encode(&Value::Map(std::iter::once(("v", Value::from(1_i64))).collect()));
    // Somewhere in the middle lies a block of the entities.
    for tenth in 1..10 {
        let mut harmed = whole.clone();
        harmed[whole.len() * tenth / 10] ^= 0x55;
        std::fs::write(&segment, &harmed).unwrap();
        let Ok(db) = Database::open(path, &[]) else { continue };
        // A page that ends before the damage is not the last one.
        let page = db.collection("notes").unwrap().find(&everything).unwrap();
        if let Ok(Some(frames)) = page.next_batch(10_000, usize::MAX) {
            let given = frames.count_up_to(usize::MAX);
            if given < 500 {
                assert_eq!(page.token(given - 1).err().map(|failure| failure.name()), Some("CORRUPT"));
                paged += 1;
            }
        }
        let cursor = db.collection("notes").unwrap().scan(None, false, None).unwrap();
        let mut given = 0;
        let failure = loop {
            match cursor.next_batch(10_000, usize::MAX) {
                Ok(Some(frames)) => given += frames.count_up_to(usize::MAX),
                Ok(None) => break None,
                Err(failure) => break Some(failure),
            }
        };
        if let Some(failure) = failure {
            assert_eq!(failure.name(), "CORRUPT");
            assert!(cursor.next_batch(10, 10).unwrap().is_none(), "a failure comes once");
            tried += usize::from((1..500).contains(&given));
        }
    }
    std::fs::remove_dir_all(&folder).ok();
    assert!(paged > 2, "{paged} pages with a failure behind answers");
    assert!(tried > 2, "{tried} batches with a failure behind answers");
}
