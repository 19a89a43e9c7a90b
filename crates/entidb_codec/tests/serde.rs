//! Rust types keep their values through serde, and nothing of canonical form is lost on the way.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::collections::{BTreeMap, HashMap};

use entidb_codec::{
    Decimal, EntityId, ErrorKind, Map, Timestamp, Uuid, Value, Vector, decode, doc, encode, from_slice, from_value,
    to_value, to_vec, validate,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Shape {
    Empty,
    Circle(f64),
    Pair(i32, i32),
    Box { width: u16, height: u16 },
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Everything {
    zeta: Option<String>,
    a: (u8, char, bool),
    name: String,
    shapes: Vec<Shape>,
    at: Timestamp,
    id: EntityId,
    uuid: Uuid,
    price: Decimal,
    embedding: Vector,
    big: i128,
    by_number: BTreeMap<i64, Vec<u8>>,
    free: Value,
    unit: (),
    ratio: f32,
}

fn everything() -> Everything {
    Everything {
        zeta: None,
        a: (1, 'é', true),
        name: "Ada".into(),
        shapes: vec![Shape::Empty, Shape::Circle(1.5), Shape::Pair(-1, 2), Shape::Box { width: 3, height: 4 }],
        at: Timestamp::from_micros(-5),
        id: EntityId([1; 16]),
        uuid: Uuid([2; 16]),
        price: "12.50".parse().unwrap(),
        embedding: Vector::from(vec![1.0_f32, -2.5]),
        big: i128::MIN,
        by_number: [(-7, vec![1, 2]), (300, vec![])].into(),
        free: doc! { "x": [1, 2.5, null], 7: Value::tagged(99, Value::from("opaque")).unwrap() },
        unit: (),
        ratio: 0.1,
    }
}

#[test]
fn a_type_with_everything_survives() {
    let value = everything();
    for _ in 0..3 {
        // The second time, the order of the fields is remembered rather than sorted.
        let bytes = to_vec(&value).unwrap();
        validate(&bytes).unwrap();
        assert_eq!(from_slice::<Everything>(&bytes).unwrap(), value);
        assert_eq!(from_value::<Everything>(&to_value(&value).unwrap()).unwrap(), value);
    }
    let tree = to_value(&value).unwrap();
    assert_eq!(tree.get("at"), Some(&Value::Timestamp(Timestamp::from_micros(-5))));
    assert_eq!(tree.get("id"), Some(&Value::EntityId([1; 16])));
    assert_eq!(tree.get("price"), Some(&Value::Decimal("12.50".parse().unwrap())));
    assert_eq!(tree.get("shapes").unwrap().at(0), Some(&Value::from("Empty")));
    assert_eq!(tree.get("shapes").unwrap().at(3), Some(&doc! { "Box": { "width": 3, "height": 4 } }));
}

#[test]
fn formats_for_people_get_readable_forms() {
    let value = Everything { big: -5, free: doc! { "x": [1, 2.5] }, ..everything() };
    let json = serde_json::to_value(&value).unwrap();
    assert_eq!(json["price"], "12.50");
    assert_eq!(json["uuid"], "02020202-0202-0202-0202-020202020202");
    assert_eq!(json["embedding"], serde_json::json!([1.0, -2.5]));
    assert_eq!(serde_json::from_value::<Everything>(json).unwrap(), value);
}

#[test]
fn a_value_reads_from_json_and_back() {
    let value: Value = serde_json::from_str(r#"{"b": [1, -2, 1.5, null, true], "a": {"x": "y"}}"#).unwrap();
    assert_eq!(value, doc! { "a": { "x": "y" }, "b": [1, -2, 1.5, null, true] });
    assert_eq!(
        serde_json::to_value(&value).unwrap(),
        serde_json::json!({"a": {"x": "y"}, "b": [1, -2, 1.5, null, true]})
    );
}

#[test]
fn fields_left_out_at_times_are_still_sorted() {
    #[derive(Serialize)]
    struct Sparse {
        #[serde(skip_serializing_if = "Option::is_none")]
        zz: Option<u8>,
        b: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        aa: Option<u8>,
        a: u8,
    }
    for round in 0..8_u8 {
        let some = |bit: u8| (round & bit != 0).then_some(round);
        let bytes = to_vec(&Sparse { zz: some(1), b: 1, aa: some(2), a: 2 }).unwrap();
        let mut map = Map::from_iter([("b", 1_u8), ("a", 2)]);
        for (key, value) in [("zz", some(1)), ("aa", some(2))] {
            value.and_then(|value| map.insert(key, value));
        }
        assert_eq!(decode(&bytes).unwrap(), Value::Map(map), "round {round}");
    }
}

#[test]
fn two_types_of_one_name_do_not_share_an_order() {
    mod other {
        #[derive(serde::Serialize)]
        pub(crate) struct Note {
            pub(crate) b: u8,
            pub(crate) a: u8,
        }
    }
    #[derive(Serialize)]
    struct Note {
        a: u8,
        b: u8,
    }
    for _ in 0..3 {
        assert_eq!(to_vec(&Note { a: 1, b: 2 }).unwrap(), encode(&doc! { "a": 1, "b": 2 }));
        assert_eq!(to_vec(&other::Note { a: 1, b: 2 }).unwrap(), encode(&doc! { "a": 1, "b": 2 }));
    }
}

#[test]
fn maps_of_any_size_come_out_sorted() {
    for count in [0, 1, 5, 23, 24, 25, 100, 300] {
        let map: HashMap<String, u32> = (0..count).map(|i| (format!("key {}", i * 7919 % 1000), i)).collect();
        let bytes = to_vec(&map).unwrap();
        validate(&bytes).unwrap();
        assert_eq!(from_slice::<HashMap<String, u32>>(&bytes).unwrap(), map);
    }
}

#[test]
fn equal_keys_are_refused_when_writing() {
    struct Twice(usize);
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let entries = (0..self.0).map(|i| (i, i)).chain([(self.0 / 2, 0)]);
            serializer.collect_map(entries)
        }
    }
    for count in [1, 10, 100] {
        assert_eq!(to_vec(&Twice(count)).unwrap_err().kind(), ErrorKind::DuplicateKey, "{count}");
    }
    #[derive(Serialize)]
    struct SameName {
        #[serde(rename = "x")]
        a: u8,
        #[serde(rename = "x")]
        b: Value,
    }
    // Whatever bit of the values behind the keys is the first to differ.
    for b in [doc!(1), doc!(2), doc!(-1), doc!("x"), doc!([]), doc!(null)] {
        assert_eq!(to_vec(&SameName { a: 1, b }).unwrap_err().kind(), ErrorKind::DuplicateKey);
    }
    let odd_key: BTreeMap<bool, u8> = [(true, 1)].into();
    assert_eq!(to_vec(&odd_key).unwrap_err().kind(), ErrorKind::KeyType);
}

#[test]
fn what_does_not_fit_is_refused_at_its_place() {
    #[derive(Deserialize, Debug)]
    struct Small {
        #[expect(dead_code, reason = "only read")]
        n: u8,
    }
    let refused = |value: &Value| from_slice::<Small>(&encode(value)).unwrap_err();
    let error = refused(&doc! { "n": 300 });
    assert_eq!((error.kind(), error.offset()), (ErrorKind::OutOfRange, 3));
    let error = refused(&doc! { "n": "text" });
    assert_eq!((error.kind(), error.offset()), (ErrorKind::TypeMismatch, 3));
    assert_eq!(refused(&doc! { "m": 1 }).kind(), ErrorKind::Custom);
    assert_eq!(from_slice::<(u8, u8)>(b"\x83\x01\x02\x03").unwrap_err().kind(), ErrorKind::TypeMismatch);
    // Strict also about what the type does not ask for.
    assert_eq!(from_slice::<Small>(b"\xa2\x61m\x18\x01\x61n\x01").unwrap_err().kind(), ErrorKind::NotShortest);
    assert_eq!(from_slice::<Small>(b"\xa2\x61n\x01\x61m\x01").unwrap_err().kind(), ErrorKind::KeyOrder);
    assert_eq!(from_slice::<u8>(b"\x01\x01").unwrap_err().kind(), ErrorKind::TrailingBytes);
}

#[test]
fn text_and_bytes_can_be_borrowed() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct Borrowed<'a> {
        text: &'a str,
        bytes: &'a [u8],
    }
    let bytes = encode(&doc! { "text": "in place", "bytes": b"\x01\x02" });
    let read: Borrowed<'_> = from_slice(&bytes).unwrap();
    assert_eq!(read, Borrowed { text: "in place", bytes: &[1, 2] });
    assert_eq!(from_slice::<Vec<u8>>(&encode(&Value::from(b"\x01\x02"))).unwrap(), [1, 2]);
}
