//! What documents hold shows in no error: a log of errors is read by more people than the database.
//!
//! Always: every document here holds nothing but secrets, and every error met is searched for them. Ids, names of
//! collections, indexes and fields, and what a caller wrote in a query are no secrets. Does not know: the other languages.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::collections::BTreeSet;

use entidb_core::codec::{self, Decimal, Integer, Map, Path};
use entidb_core::{
    BatchItem, Collection, Database, EntityId, Error, Expression, IndexDefinition, Options, Patch, Result, ScanPolicy,
    Value, VerifyLevel, WriteMode, asc, doc, encode, field,
};
use serde::Deserialize;

const TEXT: &str = "S3cr3t-Zebra";
/// So near the end of integers that twice of it is none.
const NUMBER: u64 = 18_446_744_073_709_487_263;
const DECIMAL: &str = "123456789012345678901234567890.777321";
const FLOAT: f64 = 7_654_321.062_5;

/// What a message must not hold: the secrets, and the parts by which they would be known.
const TRACES: [&str; 8] =
    ["S3cr3t", "Zebra", "18446744073709487263", "709487263", "777321", "1234567890", "7654321", "53336372"];

fn id(number: u8) -> EntityId {
    EntityId::from_bytes([number; 16])
}

#[derive(Default)]
struct Seen(BTreeSet<&'static str>);

impl Seen {
    #[track_caller]
    fn error(&mut self, error: &Error) {
        let all = format!("{error} {error:?}");
        for trace in TRACES {
            assert!(!all.contains(trace), "{trace} shows in {all}");
        }
        self.0.insert(error.code().name());
    }

    #[track_caller]
    fn refused<T>(&mut self, result: Result<T>) {
        let error = result.map(drop).unwrap_err();
        self.error(&error);
    }

    #[track_caller]
    fn refused_by_codec<T>(&mut self, result: codec::Result<T>) {
        self.refused(result.map_err(Error::from));
    }
}

fn secrets() -> Value {
    let decimal: Decimal = DECIMAL.parse().unwrap();
    doc! {
        "t": TEXT, "n": NUMBER, "d": Value::Decimal(decimal), "f": FLOAT, "a": [TEXT, NUMBER], "b": [NUMBER, TEXT],
        "m": { "t": TEXT, "n": NUMBER }, "y": Value::Bytes(TEXT.as_bytes().to_vec()),
    }
}

fn filled(options: Options) -> (Database, Collection) {
    let db = Database::open_memory_with(options).unwrap();
    let c = db.collection("c").unwrap();
    c.put_at(id(1), &secrets()).unwrap();
    (db, c)
}

/// The one message that may show a key, and only where that was asked for.
#[test]
fn a_key_that_is_taken_is_shown_where_that_was_asked_for() {
    let long = "x".repeat(5_000);
    let documents = [
        (doc! { "t": TEXT, "n": NUMBER }, format!("t = {TEXT:?}, n = {NUMBER}")),
        (doc! { "t": long.as_str(), "n": FLOAT }, format!("t = \"{}\"…, n = {FLOAT}", "x".repeat(100))),
        (
            doc! { "t": [TEXT, "Another"], "n": Value::Decimal(DECIMAL.parse().unwrap()) },
            format!("t = {TEXT:?}, n = {DECIMAL}"),
        ),
    ];
    for show_unique_keys in [false, true] {
        let db = Database::open_memory_with(Options { show_unique_keys, ..Options::default() }).unwrap();
        let c = db.collection("c").unwrap();
        c.create_index(IndexDefinition::on(["-t", "n"]).unwrap().unique().multi().named("taken")).unwrap();
        for (document, shown) in &documents {
            let first = c.put(document).unwrap();
            let error = c.put(document).unwrap_err();
            assert_eq!((error.context().id, error.context().index.as_deref()), (Some(first), Some("taken")));
            let of = if show_unique_keys {
                format!("has the key {shown} already")
            } else {
                "key of t, n already".to_owned()
            };
            assert!(error.message().contains(&of), "{error}");
            if !show_unique_keys {
                Seen::default().error(&error);
            }
            c.delete(first).unwrap();
        }
        // The same where an index is built over what is there.
        c.put(&doc! { "u": TEXT }).unwrap();
        c.put(&doc! { "u": TEXT }).unwrap();
        let error = c.create_index(IndexDefinition::on(["u"]).unwrap().unique()).unwrap_err();
        assert_eq!(error.message().contains(TEXT), show_unique_keys, "{error}");
    }
}

#[test]
fn changes_that_do_not_fit_show_types_and_paths() {
    let mut seen = Seen::default();
    let (_, c) = filled(Options::default());
    let number = Value::from(NUMBER);
    let huge = Value::Decimal(Decimal::new(i128::MAX, 0).unwrap());
    for (path, by) in [("n", &number), ("d", &huge), ("t", &number), ("m.n", &number), ("a.0", &number)] {
        let path = Path::dotted(path).unwrap();
        seen.refused(c.update(id(1), &Patch::new().increment(path, by.clone())));
    }
    seen.refused(c.update(id(1), &Patch::new().append(Path::dotted("t").unwrap(), number.clone())));
    for path in ["t.x", "n.x", "a.x", "a.9", "y.0"] {
        seen.refused(c.update(id(1), &Patch::new().set(Path::dotted(path).unwrap(), 1)));
    }
    seen.refused(c.insert(id(1), &secrets()));
    seen.refused(c.replace(id(2), &secrets()));
    seen.refused(c.compare_and_set(id(1), 77, &secrets()));
    seen.refused(c.put(&Value::from(TEXT)));
    seen.refused(c.put(&Value::from(NUMBER)));
    assert!(seen.0.len() >= 5, "{:?}", seen.0);
}

#[test]
fn indexes_and_limits_tell_of_names_and_sizes() {
    let mut seen = Seen::default();
    let (db, c) = filled(Options { entity_bytes_max: 2000, index_build_bytes: 64, ..Options::default() });
    for (path, multi) in [("t", false), ("n", false), ("d", false), ("y", false), ("m", false), ("a", true)] {
        let definition = IndexDefinition::on([path]).unwrap().unique();
        c.create_index(if multi { definition.multi() } else { definition }).unwrap();
        seen.refused(c.put(&secrets()));
        seen.refused(c.put_batch(&[BatchItem { id: Some(id(3)), document: &encode(&secrets()) }]));
        c.drop_index(path).unwrap();
        c.put_at(id(4), &secrets()).unwrap();
        let definition = IndexDefinition::on([path]).unwrap().unique();
        seen.refused(c.create_index(if multi { definition.multi() } else { definition }));
        c.delete(id(4)).unwrap();
    }
    c.create_index(IndexDefinition::on(["a", "b"]).unwrap().named("two").multi()).unwrap_err();
    let long = doc! { "t": TEXT.repeat(400), "n": NUMBER };
    seen.refused(c.put(&long));
    let (_, c) = filled(Options::default());
    c.create_index(IndexDefinition::on(["t"]).unwrap().multi()).unwrap();
    let many: Vec<Value> = (0..10_001).map(|n| Value::from(format!("{TEXT}{n}"))).collect();
    seen.refused(c.put(&doc! { "t": many }));
    c.create_index(IndexDefinition::on(["l"]).unwrap().unique()).unwrap();
    c.put(&doc! { "l": TEXT.repeat(500) }).unwrap();
    seen.refused(c.put(&doc! { "l": TEXT.repeat(500) }));
    let (small, c) = filled(Options { transaction_bytes_max: 4096, ..Options::default() });
    seen.refused(c.put(&long));
    let report = small.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_ok() && db.verify(VerifyLevel::Full).unwrap().is_ok());
    assert!(seen.0.len() >= 2, "{:?}", seen.0);
}

#[test]
fn queries_tell_of_what_was_asked() {
    let mut seen = Seen::default();
    let options = Options { scan_policy: ScanPolicy::Forbid, sort_bytes_max: 1 << 16, ..Options::default() };
    let (_, c) = filled(options);
    seen.refused(c.find(field("t").ge("")).run());
    let (_, c) = filled(Options { sort_bytes_max: 1 << 16, ..Options::default() });
    for _ in 0..400 {
        c.put(&doc! { "t": TEXT.repeat(30) }).unwrap();
    }
    seen.refused(c.find(Expression::all()).order_by(asc("t")).list());
    let token = c.find(Expression::all()).page(2).unwrap().token.unwrap();
    seen.refused(c.find(field("t").ge("")).after(token.clone()).list());
    seen.refused(c.find(Expression::all()).after(token.get(..9).unwrap().to_vec()).list());
    assert!(seen.0.len() >= 3, "{:?}", seen.0);
}

#[test]
fn documents_that_are_no_documents_are_told_of_by_place() {
    let mut seen = Seen::default();
    let (_, c) = filled(Options::default());
    let good = encode(&secrets());
    for cut in 0..good.len() {
        seen.refused(c.write(None, good.get(..cut).unwrap(), WriteMode::Put));
    }
    for place in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            *bad.get_mut(place).unwrap() ^= 1 << bit;
            if let Err(error) = c.write(Some(id(9)), &bad, WriteMode::Put) {
                // A flipped key holds no secret; what follows it does.
                seen.error(&error);
            }
        }
    }
    assert!(seen.0.len() >= 8, "{:?}", seen.0);
}

#[derive(Debug, Deserialize)]
enum Kind {
    One,
    Two,
}

#[test]
fn types_that_do_not_fit_a_document_are_told_of_by_type() {
    let mut seen = Seen::default();
    let (_, c) = filled(Options::default());
    let entity = c.get(id(1)).unwrap().unwrap();
    macro_rules! read {
        ($($field:literal as $type:ty),*) => {$({
            #[derive(Debug, Deserialize)]
            #[expect(dead_code, reason = "only reading counts")]
            struct Read { #[serde(rename = $field)] field: $type }
            let read = entity.to::<Read>();
            assert!(read.is_err(), "{} is read as {}", $field, stringify!($type));
            seen.refused(read);
        })*};
    }
    read!("t" as u32, "t" as bool, "t" as Kind, "t" as Vec<u8>, "t" as char, "t" as f64, "t" as ());
    read!("n" as u8, "n" as i64, "n" as String, "n" as bool, "n" as Kind, "n" as Vec<String>, "n" as char);
    read!("d" as u32, "d" as bool, "f" as u32, "f" as String, "a" as u32, "a" as Vec<u32>, "a" as (String, bool));
    read!("a" as (u8,), "m" as u32, "m" as Kind, "m" as std::collections::BTreeMap<String, u8>, "y" as u32);
    read!("y" as bool, "t" as std::num::NonZeroU8, "t" as std::collections::BTreeMap<String, u8>);
    seen.refused_by_codec(TEXT.parse::<Decimal>());
    seen.refused_by_codec(format!("{NUMBER}{NUMBER}{NUMBER}{NUMBER}").parse::<Decimal>());
    seen.refused_by_codec(Decimal::new(1, i64::MAX - 709_487_263).map(|_| ()));
    seen.refused_by_codec(Integer::try_from(i128::from(NUMBER) * 1000));
    seen.refused_by_codec(codec::to_vec(&(u128::from(NUMBER) << 64)));
    seen.refused_by_codec(codec::to_vec(&u128::MAX));
    let by_float = std::collections::HashMap::from([(Some(TEXT), 1)]);
    let _ = codec::to_vec(&by_float).map_err(|error| seen.error(&Error::from(error)));
    let mut map = Map::default();
    map.insert("x", Value::from(TEXT));
    seen.refused(entity.field("a..b"));
    assert!(seen.0.len() >= 3, "{:?}", seen.0);
}
