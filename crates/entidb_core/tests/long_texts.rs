//! Texts longer than a row of an index holds: they are stored, found, ordered and kept unique as short ones are.
//!
//! A put of a text over 4,000 bytes in an indexed field failed: one user's index refused another user's data.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_core::{
    Collection, Database, EntityId, ErrorCode, Expression, IndexDefinition, Options, Value, VerifyLevel, asc, desc,
    doc, field, patch,
};

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

/// Equal far beyond what a row holds.
fn long(end: &str) -> String {
    "x".repeat(6000) + end
}

fn intact(db: &Database) {
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
}

fn ids(found: entidb_core::Find) -> Vec<EntityId> {
    found.list().unwrap().iter().map(|entity| entity.id()).collect()
}

/// Long texts in no order, and short ones around them.
fn filled(options: Options, definitions: &[IndexDefinition]) -> (Database, Collection) {
    let db = Database::open_memory_with(options).unwrap();
    let c = db.collection("c").unwrap();
    for definition in definitions {
        c.create_index(definition.clone()).unwrap();
    }
    let texts = ["w", "d", "a", "c", "", "b", "y", "xz"];
    for (number, text) in (0_u64..).zip(texts) {
        let text =
            if text.len() == 1 && !"wy".contains(text) || text.is_empty() { long(text) } else { text.to_owned() };
        c.put_at(id(number), &doc! { "t": text, "n": number, "m": 1 }).unwrap();
    }
    (db, c)
}

fn definitions() -> [Vec<IndexDefinition>; 6] {
    let on = |paths: &[&str]| IndexDefinition::on(paths.iter().copied()).unwrap();
    [
        vec![],
        vec![on(&["t"])],
        vec![on(&["-t"])],
        vec![on(&["t"]).unique()],
        vec![on(&["t"]).multi()],
        vec![on(&["m", "t"]), on(&["t", "n"])],
    ]
}

#[test]
fn long_texts_are_found_and_ordered_as_without_an_index() {
    // w, long "", a, b, c, d, xz, y
    let order = [0, 4, 2, 5, 3, 1, 7, 6].map(id);
    for definitions in definitions() {
        let (db, c) = filled(Options::default(), &definitions);
        let all = || c.find(field("t").ge(""));
        assert_eq!(ids(all().order_by(asc("t"))), order, "{definitions:?}");
        let mut reversed = order;
        reversed.reverse();
        assert_eq!(ids(all().order_by(desc("t"))), reversed, "{definitions:?}");
        assert_eq!(ids(c.find(field("m").eq(1)).order_by(asc("t"))), order, "{definitions:?}");
        for size in 1..5 {
            for find in [all().order_by(asc("t")), c.find(field("m").eq(1)).order_by(asc("t"))] {
                let mut page = find.clone().page(size).unwrap();
                let mut found = page.entities;
                while let Some(token) = page.token {
                    page = find.clone().after(token).page(size).unwrap();
                    found.extend(page.entities);
                }
                assert_eq!(found.iter().map(entidb_core::Entity::id).collect::<Vec<_>>(), order, "{definitions:?}");
            }
        }
        assert_eq!(ids(c.find(field("t").eq(long("b")))), [id(5)], "{definitions:?}");
        assert!(ids(c.find(field("t").eq(long("bb")))).is_empty());
        assert_eq!(ids(c.find(field("t").gt(long("b")) & field("t").lt("y")).order_by(asc("t"))), [3, 1, 7].map(id));
        assert_eq!(ids(c.find(field("t").between(long(""), long("a"))).order_by(asc("t"))), [4, 2].map(id));
        assert_eq!(c.find(field("t").le(long(""))).count().unwrap(), 2);
        assert_eq!(c.find(field("t").starts_with(long("c"))).count().unwrap(), 1);
        assert_eq!(c.find(field("t").starts_with("xx")).count().unwrap(), 5);
        assert_eq!(c.find(field("t").is_in([long("a"), long("d"), "w".into()])).count().unwrap(), 3);
        assert_eq!(c.find(field("t").ne(long("a"))).count().unwrap(), 7);
        c.update(id(2), &patch! { "t": "short" }).unwrap();
        c.update(id(0), &patch! { "t": (long("zz")) }).unwrap();
        c.delete(id(5)).unwrap();
        assert_eq!(ids(all().order_by(asc("t"))), [2, 4, 3, 1, 0, 7, 6].map(id), "{definitions:?}");
        intact(&db);
    }
}

#[test]
fn a_put_is_not_refused_for_the_length_of_an_indexed_value() {
    let definitions: Vec<IndexDefinition> = definitions().into_iter().flatten().collect();
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    for (number, definition) in definitions.iter().enumerate() {
        c.create_index(definition.clone().named(format!("{number}"))).unwrap();
    }
    for size in [3990, 3996, 3997, 3998, 3999, 4000, 4001, 4100, 65_536, 1 << 20] {
        let at = c.put(&doc! { "t": "y".repeat(size), "m": "z".repeat(size) }).unwrap();
        assert_eq!(ids(c.find(field("t").eq("y".repeat(size)))), [at]);
    }
    let wide: Vec<Value> = (0..50).map(|number| Value::from("e".repeat(4000 + number))).collect();
    let at = c.put(&doc! { "t": (Value::Array(wide)), "m": 2 }).unwrap();
    assert_eq!(ids(c.find(field("t").eq("e".repeat(4007)))), [at]);
    assert_eq!(ids(c.find(field("t").gt("e".repeat(4040)) & field("m").eq(2))), [at]);
    let deep = doc! { "k": "y".repeat(10_000) };
    let at = c.put(&doc! { "t": (deep.clone()) }).unwrap();
    assert_eq!(ids(c.find(field("t").eq(deep))), [at]);
    intact(&db);
    // Built over what is there as well.
    let other = IndexDefinition::on(["t", "m"]).unwrap().named("late");
    assert!(c.create_index(other).unwrap());
    c.find(Expression::all()).delete().unwrap();
    intact(&db);
}

#[test]
fn a_unique_index_compares_whole_texts() {
    for multi in [false, true] {
        let db = Database::open_memory().unwrap();
        let c = db.collection("c").unwrap();
        let mut definition = IndexDefinition::on(["t", "n"]).unwrap().unique();
        definition.multi = multi;
        c.create_index(definition).unwrap();
        c.put_at(id(1), &doc! { "t": (long("a")), "n": 1 }).unwrap();
        c.put_at(id(2), &doc! { "t": (long("b")), "n": 1 }).unwrap();
        c.put_at(id(3), &doc! { "t": (long("a")), "n": 2 }).unwrap();
        let twice = c.put_at(id(4), &doc! { "t": (long("a")), "n": 1.0 }).unwrap_err();
        assert_eq!((twice.code(), twice.context().id), (ErrorCode::UniqueViolation, Some(id(1))));
        // Missing and null are never duplicates.
        c.put_at(id(5), &doc! { "t": (long("a")) }).unwrap();
        c.put_at(id(6), &doc! { "t": (long("a")) }).unwrap();
        // The entity itself may keep its text, and give it to another.
        c.put_at(id(1), &doc! { "t": (long("a")), "n": 1, "more": true }).unwrap();
        let taken = c.update(id(2), &patch! { "t": (long("a")) }).unwrap_err();
        assert_eq!(taken.code(), ErrorCode::UniqueViolation);
        c.update(id(1), &patch! { "t": "free" }).unwrap();
        c.update(id(2), &patch! { "t": (long("a")) }).unwrap();
        intact(&db);
        // Over duplicates it cannot be built.
        let late = IndexDefinition::on(["t"]).unwrap().unique();
        assert_eq!(c.create_index(late).unwrap_err().code(), ErrorCode::UniqueViolation);
        intact(&db);
    }
}

#[test]
fn texts_that_begin_alike_are_sorted_within_the_memory_bound() {
    let options = Options { sort_bytes_max: 64 << 10, ..Options::default() };
    let (_db, c) = filled(options, &[IndexDefinition::on(["t"]).unwrap()]);
    let find = || c.find(field("t").ge("")).order_by(asc("t"));
    assert_eq!(find().list().unwrap().len(), 8);
    for number in 100..110 {
        c.put_at(id(number), &doc! { "t": (long("e")) }).unwrap();
    }
    assert_eq!(find().list().unwrap_err().code(), ErrorCode::QueryTooLarge);
    // Without the order nothing is gathered.
    assert_eq!(c.find(field("t").ge("")).list().unwrap().len(), 18);
}
