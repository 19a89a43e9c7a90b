//! Values as lossless JSON, as the vectors write them.
//!
//! Always: `to_json` and `from_json` are inverse.
//! Does not know: CBOR.
//! Format: tests/vectors/README.md, "Values".

use entidb_codec::{Decimal, Integer, Key, KeyRef, Map, Timestamp, Value, Vector, VectorKind};
use serde_json::{Value as Json, json};

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

fn integer_to_json(integer: Integer) -> Json {
    match integer.as_i64() {
        Some(small) if small.unsigned_abs() < 1 << 53 => json!(small),
        _ => json!({ "$int": integer.to_string() }),
    }
}

fn float_to_text(float: f64) -> String {
    if float.is_nan() {
        "NaN".into()
    } else if float.is_infinite() {
        if float > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        format!("{float:?}")
    }
}

pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Integer(value) => integer_to_json(*value),
        Value::Float(value) => json!({ "$float": float_to_text(*value) }),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!({ "$bytes": hex(bytes) }),
        Value::Array(elements) => elements.iter().map(to_json).collect(),
        Value::Map(map) => {
            let is_plain = map.keys().all(|key| key.as_text().is_some_and(|text| !text.starts_with('$')));
            if is_plain {
                let entries = map.iter().map(|(key, value)| (key.as_text().unwrap().to_owned(), to_json(value)));
                Json::Object(entries.collect())
            } else {
                let entry = |(key, value): (KeyRef<'_>, &Value)| json!([to_json(&key.to_key().into()), to_json(value)]);
                json!({ "$map": map.iter().map(entry).collect::<Vec<_>>() })
            }
        }
        Value::Timestamp(value) => json!({ "$timestamp": value.micros().to_string() }),
        Value::Uuid(id) => json!({ "$uuid": hex(id) }),
        Value::EntityId(id) => json!({ "$id": hex(id) }),
        Value::Decimal(value) => {
            json!({ "$decimal": [value.mantissa().to_string(), value.exponent().to_string()] })
        }
        Value::Vector(vector) => {
            let kind = match vector.kind() {
                VectorKind::F16 => "f16",
                VectorKind::F32 => "f32",
                VectorKind::F64 => "f64",
                VectorKind::I8 => "i8",
            };
            json!({ "$vector": [kind, hex(vector.as_view().le_bytes())] })
        }
        Value::Tagged(tagged) => json!({ "$tag": [tagged.tag().to_string(), to_json(tagged.value())] }),
    }
}

pub(crate) fn from_json(json: &Json) -> Value {
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::from(number.as_i64().unwrap()),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(elements) => elements.iter().map(from_json).collect(),
        Json::Object(object) => {
            let special = object.iter().next().filter(|(key, _)| key.starts_with('$'));
            let Some((kind, content)) = special else {
                let entries = object.iter().map(|(key, value)| (key.as_str(), from_json(value)));
                return Value::Map(entries.collect());
            };
            let id = || unhex(&text(content)).try_into().unwrap();
            match kind.as_str() {
                "$int" => Value::Integer(text(content).parse::<i128>().unwrap().try_into().unwrap()),
                "$float" => Value::Float(text(content).parse().unwrap()),
                "$bytes" => Value::Bytes(unhex(&text(content))),
                "$timestamp" => Value::Timestamp(Timestamp::from_micros(text(content).parse().unwrap())),
                "$uuid" => Value::Uuid(id()),
                "$id" => Value::EntityId(id()),
                "$decimal" => {
                    let (mantissa, exponent) = (text(&content[0]), text(&content[1]));
                    Value::Decimal(Decimal::new(mantissa.parse().unwrap(), exponent.parse().unwrap()).unwrap())
                }
                "$vector" => {
                    let kind = match content[0].as_str().unwrap() {
                        "f16" => VectorKind::F16,
                        "f32" => VectorKind::F32,
                        "f64" => VectorKind::F64,
                        "i8" => VectorKind::I8,
                        other => panic!("no vector kind {other}"),
                    };
                    Value::Vector(Vector::from_le_bytes(kind, unhex(&text(&content[1]))).unwrap())
                }
                "$tag" => Value::tagged(text(&content[0]).parse().unwrap(), from_json(&content[1])).unwrap(),
                "$map" => {
                    let entries = content.as_array().unwrap().iter().map(|entry| {
                        let key = match from_json(&entry[0]) {
                            Value::Text(text) => Key::Text(text),
                            Value::Integer(integer) => Key::Integer(integer),
                            other => panic!("no key {other:?}"),
                        };
                        (key, from_json(&entry[1]))
                    });
                    Value::Map(entries.collect::<Map>())
                }
                other => panic!("no kind of value {other}"),
            }
        }
    }
}
