//! ciborium reads what this crate writes, and what it writes canonicalises to the same.
//!
//! Always: values are drawn from a seed that is printed on failure.
//! Does not know: canonical form; ciborium has none, which is why only values are compared.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test asserts by panicking")]

use ciborium::Value as Theirs;
use entidb_codec::{Integer, Key, Map, Value, canonicalise, decode, encode};
use proptest::prelude::*;

fn integer() -> impl Strategy<Value = Integer> {
    prop_oneof![
        any::<i8>().prop_map(Integer::from),
        any::<i64>().prop_map(Integer::from),
        any::<u64>().prop_map(Integer::from),
        (0..64_u32, -1..=1_i128, any::<bool>()).prop_map(|(bit, off, negative)| {
            let number = (1_i128 << bit) + off;
            Integer::try_from(if negative { -number } else { number }).unwrap()
        }),
    ]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), any::<f32>().prop_map(f64::from), any::<i16>().prop_map(f64::from)]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        integer().prop_map(Value::Integer),
        float().prop_map(Value::Float),
        ".{0,40}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ];
    let key = prop_oneof![".{0,8}".prop_map(Key::Text), integer().prop_map(Key::Integer)];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner.clone()), 0..8)
                .prop_map(|entries| Value::Map(entries.into_iter().collect::<Map>())),
            (100..200_u64, inner).prop_map(|(tag, value)| Value::tagged(tag, value).unwrap()),
        ]
    })
}

fn to_theirs(value: &Value) -> Theirs {
    match value {
        Value::Null => Theirs::Null,
        Value::Bool(value) => Theirs::Bool(*value),
        Value::Integer(value) => Theirs::Integer(value.as_i128().try_into().unwrap()),
        Value::Float(value) => Theirs::Float(*value),
        Value::Text(value) => Theirs::Text(value.clone()),
        Value::Bytes(value) => Theirs::Bytes(value.clone()),
        Value::Array(elements) => Theirs::Array(elements.iter().map(to_theirs).collect()),
        Value::Map(map) => {
            // Turned round, so that canonicalising has to sort.
            let entries = map.iter().rev();
            Theirs::Map(entries.map(|(key, value)| (to_theirs(&key.to_key().into()), to_theirs(value))).collect())
        }
        Value::Tagged(tagged) => Theirs::Tag(tagged.tag(), Box::new(to_theirs(tagged.value()))),
        other => panic!("{other:?} is not drawn here"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn ciborium_agrees_on_every_value(value in value()) {
        let ours = encode(&value);
        let mut theirs = Vec::new();
        ciborium::into_writer(&to_theirs(&value), &mut theirs).unwrap();
        prop_assert_eq!(&canonicalise(&theirs).unwrap(), &ours);
        let read: Theirs = ciborium::from_reader(ours.as_slice()).unwrap();
        let mut again = Vec::new();
        ciborium::into_writer(&read, &mut again).unwrap();
        prop_assert_eq!(&canonicalise(&again).unwrap(), &ours);
        prop_assert_eq!(decode(&ours).unwrap(), value);
    }
}
