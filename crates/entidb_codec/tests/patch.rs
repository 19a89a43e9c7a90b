//! Patches do what docs/spec/encoding.md says, or fail with the path at fault.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_codec::{Decimal, ErrorKind, Integer, Patch, Path, Value, apply, decode, doc, encode, patch};

fn patched(document: &Value, patch: &Patch) -> Result<Value, ErrorKind> {
    let through_bytes = Patch::decode(&patch.encode()).unwrap();
    assert_eq!(&through_bytes, patch);
    apply(&encode(document), patch).map(|bytes| decode(&bytes).unwrap()).map_err(|error| error.kind())
}

#[test]
fn set_makes_its_parents_and_grows_arrays_by_one() {
    let before = doc! { "a": 1, "list": [1] };
    let deep = Path::field("x").child("y").child("z");
    assert_eq!(
        patched(&before, &Patch::new().set(&deep, 2)),
        Ok(doc! { "a": 1, "list": [1], "x": { "y": { "z": 2 } } })
    );
    let at = |position| Patch::new().set(Path::field("list").at(position), 9);
    assert_eq!(patched(&before, &at(0)), Ok(doc! { "a": 1, "list": [9] }));
    assert_eq!(patched(&before, &at(1)), Ok(doc! { "a": 1, "list": [1, 9] }));
    assert_eq!(patched(&before, &at(2)), Err(ErrorKind::PathMissing));
    assert_eq!(patched(&before, &Patch::new().set(Path::field("a").child("b"), 1)), Err(ErrorKind::TypeMismatch));
    assert_eq!(patched(&before, &Patch::new().set(Path::root(), 5)), Ok(Value::from(5)));
    assert_eq!(patched(&before, &Patch::new().set(Path::root().key(7), 5)), Ok(doc! { 7: 5, "a": 1, "list": [1] }));
}

#[test]
fn remove_takes_away_what_is_there() {
    let before = doc! { "a": 1, "list": [1, 2, 3] };
    assert_eq!(patched(&before, &patch! { remove "a", remove "b" }), Ok(doc! { "list": [1, 2, 3] }));
    let middle = Patch::new().remove(Path::field("list").at(1)).remove(Path::field("list").at(9));
    assert_eq!(patched(&before, &middle), Ok(doc! { "a": 1, "list": [1, 3] }));
}

#[test]
fn increment_is_exact_or_refused() {
    let sum = |held: Value, by: Value| patched(&doc! { "n": held }, &Patch::new().increment("n", by));
    let is = |value: Value| Ok(doc! { "n": value });
    assert_eq!(sum(Value::from(i64::MAX), Value::from(1)), is(Value::from(1_u64 << 63)));
    assert_eq!(sum(Value::from(u64::MAX), Value::from(1)), Err(ErrorKind::OutOfRange));
    assert_eq!(sum(Value::Integer(Integer::MIN), Value::from(-1)), Err(ErrorKind::OutOfRange));
    assert_eq!(sum(Value::from(1), Value::from(0.5)), is(Value::from(1.5)));
    assert_eq!(sum(Value::from(0.5), Value::from(1)), is(Value::from(1.5)));
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    assert_eq!(sum(decimal("0.10"), decimal("0.2")), is(decimal("0.30")));
    assert_eq!(sum(Value::Decimal(Decimal::from(1)), Value::from(1)), Err(ErrorKind::TypeMismatch));
    assert_eq!(sum(Value::from("1"), Value::from(1)), Err(ErrorKind::TypeMismatch));
    assert_eq!(sum(Value::from(1), Value::Null), Err(ErrorKind::TypeMismatch));
    assert_eq!(patched(&doc! {}, &patch! { increment "n": 3 }), Ok(doc! { "n": 3 }));
}

#[test]
fn append_wants_an_array_or_nothing() {
    assert_eq!(patched(&doc! {}, &patch! { append "a": [1] }), Ok(doc! { "a": [[1]] }));
    assert_eq!(
        patched(&doc! { "a": [0] }, &patch! { append "a": { "b": null } }),
        Ok(doc! { "a": [0, { "b": null }] })
    );
    assert_eq!(patched(&doc! { "a": 0 }, &patch! { append "a": 1 }), Err(ErrorKind::TypeMismatch));
}

#[test]
fn merge_sets_each_field() {
    let fields = doc! { "a": 2, "c": { "d": 1 }, 5: null };
    let merged = patched(&doc! { "a": 1, "b": 1, "c": 0 }, &Patch::merge(fields.as_map().unwrap()));
    assert_eq!(merged, Ok(doc! { 5: null, "a": 2, "b": 1, "c": { "d": 1 } }));
}

#[test]
fn a_patch_is_all_or_nothing_and_says_where() {
    let bytes = encode(&doc! { "a": 1, "b": "x" });
    let error = apply(&bytes, &patch! { "a": 2, increment "b": 1 }).unwrap_err();
    assert!(error.to_string().contains("at path \"b\": cannot add integer to text"), "{error}");
    let malformed = [doc!(1), doc!([1]), doc!([[4, []]]), doc!([[0, []]]), doc!([[1, [], 1]]), doc!([[1, [null]]])];
    for value in malformed {
        let kind = Patch::from_value(&value).unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::TypeMismatch | ErrorKind::PathInvalid), "{value:?}");
    }
}
