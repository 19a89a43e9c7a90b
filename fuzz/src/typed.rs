//! What must hold for Rust types that pass through serde: the body of a fuzz target.
//!
//! Always: a type reads what the tree reads, accepts nothing that the tree refuses, and writes what the
//! tree would write, however often its fields come, are missing, or come with others.
//! Does not know: libFuzzer; the target in `fuzz_targets` hands its bytes over.

use entidb_codec::{Map, Value, decode, encode, from_slice, to_vec};
use serde::{Deserialize, Serialize};

use super::codec::Choices;

/// Names of all sizes in an order that is not the sorted one, and a field that is left out at times.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Row {
    title: Option<String>,
    b: Option<u64>,
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aa: Option<i64>,
    rows: Vec<Row>,
    point: Option<Point>,
    a_rather_long_name_of_a_field: Option<bool>,
    any: Option<Value>,
}

/// Another type inside of the first, whose fields come sorted.
#[derive(Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

impl Row {
    /// What a tree of the same content is.
    fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| drop(map.insert(key, value));
        put("title", self.title.as_deref().map_or(Value::Null, Value::from));
        put("b", self.b.map_or(Value::Null, Value::from));
        put("score", self.score.map_or(Value::Null, Value::from));
        if let Some(aa) = self.aa {
            put("aa", Value::from(aa));
        }
        put("rows", self.rows.iter().map(Self::to_value).collect());
        let point = |point: &Point| Map::from_iter([("x", Value::from(point.x)), ("y", Value::from(point.y))]);
        put("point", self.point.as_ref().map_or(Value::Null, |at| Value::Map(point(at))));
        put("a_rather_long_name_of_a_field", self.a_rather_long_name_of_a_field.map_or(Value::Null, Value::from));
        put("any", self.any.clone().unwrap_or(Value::Null));
        Value::Map(map)
    }

    /// Checks that each field holds what the tree holds.
    fn agrees_with(&self, tree: &Value) {
        let tree = untagged(tree);
        if !has_named_fields(tree) {
            return;
        }
        let own = self.to_value();
        for key in ["title", "b", "aa", "a_rather_long_name_of_a_field"] {
            same(&own, tree, key);
        }
        let [read, there] = [&own, tree].map(|map| encode(map.get("any").unwrap_or(&Value::Null)));
        assert_eq!(read, there);
        same(&own, tree, "score");
        if let (Some(point), Some(at)) = (&self.point, tree.get("point").map(untagged))
            && has_named_fields(at)
        {
            let point = Map::from_iter([("x", Value::from(point.x)), ("y", Value::from(point.y))]);
            ["x", "y"].into_iter().for_each(|key| same(&Value::Map(point.clone()), at, key));
        }
        if let Some(Value::Array(rows)) = tree.get("rows").map(untagged) {
            assert_eq!(self.rows.len(), rows.len());
            self.rows.iter().zip(rows).for_each(|(row, tree)| row.agrees_with(tree));
        }
    }
}

/// Whether fields are found by name alone: serde reads a type from a list too, and takes a small integer as a key
/// for the position of a field.
fn has_named_fields(value: &Value) -> bool {
    matches!(value, Value::Map(map) if map.iter().all(|(key, _)| key.as_text().is_some()))
}

/// Checks that a field read is the one that is there, as far as it is of a type that plain serde has words for.
fn same(read: &Value, there: &Value, key: &str) {
    let read = read.get(key).unwrap_or(&Value::Null);
    match there.get(key).map_or(&Value::Null, untagged) {
        // A float may be read from an integer.
        Value::Integer(there) if matches!(read, Value::Float(_)) => {
            assert_eq!(encode(read), encode(&Value::from(there.as_i128() as f64)), "{key}");
        }
        there @ (Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_)) => {
            assert_eq!(encode(read), encode(there), "{key}");
        }
        _ => {}
    }
}

/// What is under tags without meaning, which a type looks through.
fn untagged(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => untagged(tagged.value()),
        value => value,
    }
}

/// Rows with some of the fields, most of them of the right type, and others.
fn rows(choices: &mut Choices<'_>, depth: u8) -> Value {
    let count = choices.byte() % 5;
    let row = |_| {
        let present = choices.byte();
        let mut map = Map::new();
        let mut put = |bit: u8, key: &str, value: Value| {
            if present & bit != 0 {
                map.insert(key, value);
            }
        };
        put(1, "title", Value::from(choices.text()));
        put(2, "b", Value::from(u64::from(choices.byte())));
        put(4, "score", Value::from(choices.float()));
        put(8, "aa", Value::Integer(choices.integer()));
        let at = [("x", Value::from(choices.float())), ("y", Value::Integer(choices.integer()))];
        put(16, "point", Value::Map(at.into_iter().collect()));
        put(32, "a_rather_long_name_of_a_field", Value::from(present > 99));
        put(64, "any", choices.value(1));
        if present & 128 != 0 && depth > 0 {
            map.insert("rows", rows(choices, depth - 1));
        }
        if choices.byte() < 60 {
            map.insert(choices.text(), choices.value(1));
        }
        Value::Map(map)
    };
    (0..count).map(row).collect()
}

/// Reading into a type agrees with the tree, and so does writing from it.
pub fn typed_body(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut bytes = encode(&rows(&mut choices, 2));
    // Half of the time with a byte that is wrong, mostly.
    if choices.byte() < 128 {
        let place = usize::from(choices.byte()) % bytes.len();
        bytes[place] = choices.byte();
    }
    for bytes in [bytes.as_slice(), data] {
        let tree = decode(bytes);
        match from_slice::<Vec<Row>>(bytes) {
            Ok(rows) => {
                let tree = tree.expect("a type accepts what the tree refuses");
                // An empty list may be read from bytes and vectors too.
                if let Value::Array(trees) = untagged(&tree) {
                    assert_eq!(rows.len(), trees.len());
                    rows.iter().zip(trees).for_each(|(row, tree)| row.agrees_with(tree));
                }
                let expected = encode(&rows.iter().map(Row::to_value).collect::<Value>());
                // The first writing may meet the type anew, the second knows it.
                assert_eq!(to_vec(&rows).as_ref(), Ok(&expected), "a type writes otherwise");
                assert_eq!(to_vec(&rows).as_ref(), Ok(&expected), "a type writes otherwise when known");
            }
            Err(error) => assert!(error.offset() <= bytes.len(), "{error:?}"),
        }
    }
}
