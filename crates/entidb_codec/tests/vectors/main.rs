//! The vectors of tests/vectors, run against this crate, and written anew with `ENTIDB_WRITE_VECTORS=1`.
//!
//! Always: the files are what this crate says they are; that it is right is what
//! tests/vectors/check.py, which shares no code with it, is for.
//! Does not know: other languages, which run the same files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking, and reads the files it is about"
)]

mod diagnostic;
mod make;

use entidb_codec::{Direction, Missing, canonicalise, decode, decode_ordered, encode, encode_ordered, validate, view};
use serde_json::{Value as Json, json};

use crate::diagnostic::{from_json, hex, to_json, unhex};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors");

/// One vector a line, so that a change is a line of a diff.
fn lines(sections: &[(&str, &[Json])]) -> String {
    let mut text = String::from("{\n\"format\": 1");
    for (name, vectors) in sections {
        let rows: Vec<String> = vectors.iter().map(Json::to_string).collect();
        text.push_str(&format!(",\n\"{name}\": [\n{}\n]", rows.join(",\n")));
    }
    text.push_str("\n}\n");
    text
}

/// The vectors of a file, which must be those made now.
fn load(file: &str, sections: &[(&str, &[Json])]) -> Json {
    let path = format!("{FOLDER}/{file}.json");
    let made = lines(sections);
    if std::env::var_os("ENTIDB_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap();
    assert!(held == made, "{file}.json differs from what this crate makes; see tests/vectors/README.md");
    serde_json::from_str(&held).unwrap()
}

fn text<'v>(vector: &'v Json, field: &str) -> &'v str {
    vector[field].as_str().unwrap()
}

#[test]
fn every_value_has_its_bytes_and_its_key() {
    let made = make::values();
    let file = load("values", &[("vectors", &made)]);
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 300, "{} vectors", vectors.len());
    for vector in vectors {
        let (value, bytes) = (from_json(&vector["value"]), unhex(text(vector, "cbor")));
        assert_eq!(hex(&encode(&value)), text(vector, "cbor"));
        assert_eq!(decode(&bytes).unwrap(), value);
        assert_eq!(view(&bytes).unwrap().to_value(), value);
        assert_eq!(to_json(&value), vector["value"]);
        let mut key = Vec::new();
        encode_ordered(&value, Direction::Ascending, &mut key);
        assert_eq!(hex(&key), text(vector, "ordered"));
        let back = decode_ordered(&key, Direction::Ascending).unwrap().value.unwrap();
        assert_eq!(back, vector.get("from_ordered").map_or(value, from_json));
    }
}

#[test]
fn keys_stand_in_the_order_of_the_file() {
    let (elements, tuples) = make::ordered();
    let file = load("ordered", &[("elements", &elements), ("tuples", &tuples)]);
    let mut previous: Option<(Vec<u8>, Vec<u8>)> = None;
    for vector in file["elements"].as_array().unwrap() {
        let keys = [Direction::Ascending, Direction::Descending].map(|direction| {
            let mut key = Vec::new();
            if vector["value"].get("$missing").is_some() {
                encode_ordered(Missing, direction, &mut key);
            } else {
                encode_ordered(&from_json(&vector["value"]), direction, &mut key);
            }
            key
        });
        let [up, down] = keys;
        assert_eq!((hex(&up).as_str(), hex(&down).as_str()), (text(vector, "ascending"), text(vector, "descending")));
        if let Some((last_up, last_down)) = previous {
            let is_equal = vector["equal_to_previous"].as_bool().unwrap();
            assert_eq!(last_up == up, is_equal);
            assert!(last_up <= up && last_down >= down, "{}", vector["value"]);
        }
        previous = Some((up, down));
    }
}

#[test]
fn appendix_a_is_read_canonicalised_or_refused_as_said() {
    let made = make::appendix_a();
    let file = load("rfc8949_appendix_a", &[("vectors", &made)]);
    for vector in file["vectors"].as_array().unwrap() {
        let bytes = unhex(text(vector, "cbor"));
        match vector.get("value") {
            Some(value) => assert_eq!(encode(&from_json(value)), bytes),
            None => assert_eq!(validate(&bytes).unwrap_err().kind().name(), text(vector, "error")),
        }
        if let Some(canonical) = vector.get("canonical") {
            assert_eq!(json!(hex(&canonicalise(&bytes).unwrap())), *canonical);
        }
    }
}

#[test]
fn every_mistake_is_refused_with_its_kind_and_offset() {
    let made = make::must_refuse();
    let file = load("must_refuse", &[("vectors", &made)]);
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 200, "{} vectors", vectors.len());
    for vector in vectors {
        let bytes = unhex(text(vector, "cbor"));
        for error in [validate(&bytes).unwrap_err(), decode(&bytes).unwrap_err(), view(&bytes).unwrap_err()] {
            let found = json!([error.kind().name(), error.offset()]);
            assert_eq!(found, json!([vector["error"], vector["offset"]]), "{}", vector["name"]);
        }
    }
}
