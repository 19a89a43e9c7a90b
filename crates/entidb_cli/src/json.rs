//! Documents as JSON and back, without loss.
//!
//! Always: what JSON has is itself; what it has not is an object with one key that begins with `$`. Reading gives back
//! exactly what was written. Does not know: files.
//!
//! `$bytes`, `$uuid`, `$id`: hexadecimal. `$timestamp`: a date and time of UTC; read also as microseconds since 1970. `$decimal`: its text. `$float`: `NaN`,
//! `Infinity`, `-Infinity`, `-0`. `$cbor`: anything else, as the hexadecimal digits of its encoding.

use entidb_core::Value;
use entidb_core::codec::{Decimal, Integer, Timestamp};
use serde_json::{Map, Value as Json};

/// A document as JSON.
pub(crate) fn from_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Integer(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Json::from(number),
            (_, Some(number)) => Json::from(number),
            _ => encoded(value),
        },
        Value::Float(number) => float(*number),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Bytes(bytes) => wrapped("$bytes", hex(bytes)),
        Value::Array(items) => Json::Array(items.iter().map(from_value).collect()),
        Value::Map(map) => {
            let mut object = Map::new();
            for (key, item) in map.iter() {
                match key.as_text() {
                    Some(key) if !key.starts_with('$') => object.insert(key.to_owned(), from_value(item)),
                    _ => return encoded(value),
                };
            }
            Json::Object(object)
        }
        Value::Timestamp(moment) => wrapped("$timestamp", moment.to_string()),
        Value::Uuid(bytes) => wrapped("$uuid", hex(bytes)),
        Value::EntityId(bytes) => wrapped("$id", hex(bytes)),
        Value::Decimal(number) => wrapped("$decimal", number.to_string()),
        Value::Vector(_) | Value::Tagged(_) => encoded(value),
    }
}

/// The document JSON stands for.
pub(crate) fn to_value(json: &Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Value::Integer(Integer::from(number)),
            (_, Some(number), _) => Value::Integer(Integer::from(number)),
            (_, _, Some(number)) => Value::Float(number),
            _ => return Err(format!("the number {number} is out of range")),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().map(to_value).collect::<Result<_, _>>()?),
        Json::Object(object) => {
            if let Some((key, inner)) =
                object.iter().next().filter(|(key, _)| object.len() == 1 && key.starts_with('$'))
            {
                return unwrapped(key, inner);
            }
            let entries = object.iter().map(|(key, item)| Ok((key.as_str(), to_value(item)?)));
            Value::Map(entries.collect::<Result<Vec<_>, String>>()?.into_iter().collect())
        }
    })
}

/// JSON as it is written. An integer is exact, or refused: a reader of JSON would take one of more than 64 bits for the
/// float that is near it.
pub(crate) fn read(text: &str) -> Result<Json, String> {
    let json = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    match integers(text).find(|digits| digits.parse::<i64>().is_err() && digits.parse::<u64>().is_err()) {
        None => Ok(json),
        Some(digits) => Err(format!(
            "the integer {digits} has more than 64 bits; write it as {{\"$decimal\":\"{digits}\"}}, or as text"
        )),
    }
}

/// The numbers of JSON without a point and without an exponent.
fn integers(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|sign: char| sign == '"' || sign == '-' || sign.is_ascii_digit())?;
            rest = rest.get(start..)?;
            if let Some(text) = rest.strip_prefix('"') {
                let mut is_escaped = false;
                let end = text.find(|sign| {
                    let ends = sign == '"' && !is_escaped;
                    is_escaped = sign == '\\' && !is_escaped;
                    ends
                })?;
                rest = text.get(end + 1..)?;
                continue;
            }
            let is_part = |sign: char| sign.is_ascii_digit() || matches!(sign, '-' | '+' | '.' | 'e' | 'E');
            let end = rest.find(|sign| !is_part(sign)).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            rest = after;
            if !number.contains(['.', 'e', 'E']) {
                return Some(number);
            }
        }
    })
}

fn wrapped(key: &str, value: impl Into<Json>) -> Json {
    Json::Object([(key.to_owned(), value.into())].into_iter().collect())
}

fn encoded(value: &Value) -> Json {
    wrapped("$cbor", hex(&entidb_core::encode(value)))
}

fn float(number: f64) -> Json {
    let name = if number.is_nan() {
        "NaN"
    } else if number == f64::INFINITY {
        "Infinity"
    } else if number == f64::NEG_INFINITY {
        "-Infinity"
    } else if number == 0.0 && number.is_sign_negative() {
        "-0"
    } else {
        return Json::from(number);
    };
    wrapped("$float", name)
}

fn unwrapped(key: &str, inner: &Json) -> Result<Value, String> {
    let text = || inner.as_str().ok_or_else(|| format!("{key} takes a text"));
    let id = || <[u8; 16]>::try_from(unhex(text()?)?).map_err(|_| format!("{key} takes 32 hexadecimal digits"));
    match key {
        "$bytes" => Ok(Value::Bytes(unhex(text()?)?)),
        "$uuid" => Ok(Value::Uuid(id()?)),
        "$id" => Ok(Value::EntityId(id()?)),
        "$timestamp" => {
            let moment =
                match inner.as_str() {
                    Some(text) => text.parse().map_err(|error: entidb_core::codec::Error| error.to_string())?,
                    None => Timestamp::from_micros(inner.as_i64().ok_or(
                        "$timestamp takes a time such as \"2023-11-14T22:13:20Z\", or microseconds since 1970",
                    )?),
                };
            Ok(Value::Timestamp(moment))
        }
        "$decimal" => Ok(Value::Decimal(text()?.parse::<Decimal>().map_err(|error| error.to_string())?)),
        "$float" => match text()? {
            "NaN" => Ok(Value::Float(f64::NAN)),
            "Infinity" => Ok(Value::Float(f64::INFINITY)),
            "-Infinity" => Ok(Value::Float(f64::NEG_INFINITY)),
            "-0" => Ok(Value::Float(-0.0)),
            other => Err(format!("$float takes NaN, Infinity, -Infinity or -0, not {other:?}")),
        },
        "$cbor" => entidb_core::decode(&unhex(text()?)?).map_err(|error| error.to_string()),
        other => Err(format!(
            "there is no {other}; keys that begin with $ are $bytes, $uuid, $id, $timestamp, $decimal, $float, $cbor"
        )),
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let refuse = || "hexadecimal digits come in pairs of 0-9 and a-f".to_owned();
    let digits: Vec<u8> = text
        .chars()
        .map(|letter| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(refuse))
        .collect::<Result<_, _>>()?;
    if !digits.len().is_multiple_of(2) {
        return Err(refuse());
    }
    Ok(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use entidb_core::doc;

    #[test]
    fn every_kind_of_value_survives_json() {
        let mut value = doc! { "a": [1, (-5), 2.0, true, null, "text"], "b": { "c": (u64::MAX) } };
        let fields = value.as_map_mut().unwrap();
        fields.insert("bytes", Value::Bytes(vec![0, 255]));
        fields.insert("nan", Value::Float(f64::NAN));
        fields.insert("zero", Value::Float(-0.0));
        fields.insert("far", Value::Float(f64::NEG_INFINITY));
        fields.insert("at", Value::Timestamp(Timestamp::from_micros(-7)));
        fields.insert("uuid", Value::Uuid([3; 16]));
        fields.insert("id", Value::EntityId([4; 16]));
        fields.insert("price", Value::Decimal("12.50".parse().unwrap()));
        fields.insert("low", Value::Integer(Integer::MIN));
        fields.insert("dollar", doc! { "$x": 1 });
        let text = from_value(&value).to_string();
        assert_eq!(to_value(&serde_json::from_str(&text).unwrap()).unwrap(), value, "{text}");
    }

    #[test]
    fn integers_are_exact_or_refused() {
        for text in ["18446744073709551615", "-9223372036854775808", "0", "-1", r#"["a\\\"99999999999999999999",1]"#] {
            assert_eq!(from_value(&to_value(&read(text).unwrap()).unwrap()).to_string(), text);
        }
        for text in
            ["18446744073709551616", "[1,-9223372036854775809]", r#"{"a\\\\":123456789012345678901234567890}"#, "1e400"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(to_value(&read("18446744073709551616.0").unwrap()), Ok(Value::Float(18_446_744_073_709_551_616.0)));
        let moment = |text| to_value(&read(text).unwrap()).unwrap();
        assert_eq!(moment(r#"{"$timestamp":5}"#), moment(r#"{"$timestamp":"1970-01-01T00:00:00.000005Z"}"#));
    }

    #[test]
    fn what_stands_for_nothing_is_refused() {
        for text in [r#"{"$nope":1}"#, r#"{"$bytes":"abc"}"#, r#"{"$bytes":5}"#, r#"{"$float":"1"}"#, r#"{"$id":"00"}"#]
        {
            assert!(to_value(&serde_json::from_str(text).unwrap()).is_err(), "{text}");
        }
    }
}
