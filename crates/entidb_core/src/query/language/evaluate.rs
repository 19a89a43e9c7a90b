//! Whether a document satisfies an expression, read from its bytes without decoding the rest.
//!
//! Always: the answer is the same whether an index found the document or a scan did. Does not know: where documents are.

use std::cmp::Ordering;

use entidb_codec::{Element, Path, Value, ValueRef, compare, lookup};

use super::{Comparison, Expression};
use crate::error::Result;

/// True when the document satisfies the expression, which is in normal form.
pub(crate) fn matches(expression: &Expression, document: &[u8]) -> Result<bool> {
    Ok(match expression {
        Expression::Constant(holds) => *holds,
        Expression::Compare(path, Comparison::Ne, operand) => !any(document, path, |value| equal(value, operand))?,
        Expression::Compare(path, comparison, operand) => {
            any(document, path, |value| compares(value, *comparison, operand))?
        }
        Expression::In(path, operands) => {
            any(document, path, |value| operands.binary_search_by(|operand| compare(operand, value)).is_ok())?
        }
        Expression::Between(path, low, high) => {
            any(document, path, |value| compares(value, Comparison::Ge, low) && compares(value, Comparison::Le, high))?
        }
        Expression::Exists(path) => lookup(document, path)?.is_some(),
        Expression::IsNull(path) => matches!(lookup(document, path)?, Some(ValueRef::Null)),
        Expression::Contains(path, operand) => match lookup(document, path)? {
            Some(ValueRef::Array(array)) => array.iter().any(|element| equal(element, operand)),
            _ => false,
        },
        Expression::StartsWith(path, start) => {
            any(document, path, |value| matches!(value, ValueRef::Text(text) if text.starts_with(start.as_str())))?
        }
        Expression::And(terms) => {
            for term in terms {
                if !matches(term, document)? {
                    return Ok(false);
                }
            }
            true
        }
        Expression::Or(terms) => {
            for term in terms {
                if matches(term, document)? {
                    return Ok(true);
                }
            }
            false
        }
        Expression::Not(term) => !matches(term, document)?,
    })
}

/// True when the test holds for the value under the path or, where that is an array, for one of its elements.
fn any(document: &[u8], path: &Path, test: impl Fn(ValueRef<'_>) -> bool) -> Result<bool> {
    Ok(match lookup(document, path)? {
        None => false,
        Some(ValueRef::Array(array)) => test(ValueRef::Array(array)) || array.iter().any(test),
        Some(value) => test(value),
    })
}

fn equal(value: ValueRef<'_>, operand: &Value) -> bool {
    compare(value, operand) == Ordering::Equal
}

fn compares(value: ValueRef<'_>, comparison: Comparison, operand: &Value) -> bool {
    if class(Element::View(value)) != class(Element::Value(operand)) {
        return false;
    }
    let order = compare(value, operand);
    match comparison {
        Comparison::Eq => order == Ordering::Equal,
        Comparison::Ne => order != Ordering::Equal,
        Comparison::Lt => order == Ordering::Less,
        Comparison::Le => order != Ordering::Greater,
        Comparison::Gt => order == Ordering::Greater,
        Comparison::Ge => order != Ordering::Less,
    }
}

/// The class of a value: comparisons hold within one only.
pub(crate) fn class_of(value: &Value) -> u8 {
    class(Element::Value(value))
}

/// Values of one class are ordered among each other by their content. Integers, floats and decimals are one class.
fn class(element: Element<'_>) -> u8 {
    match element {
        Element::Missing => 0,
        Element::Value(value) => match value {
            Value::Null => 1,
            Value::Bool(_) => 2,
            Value::Integer(_) | Value::Float(_) | Value::Decimal(_) => 3,
            Value::Text(_) => 5,
            Value::Bytes(_) => 6,
            Value::Timestamp(_) => 7,
            Value::Uuid(_) => 8,
            Value::EntityId(_) => 9,
            Value::Array(_) => 10,
            Value::Map(_) => 11,
            Value::Vector(_) => 12,
            Value::Tagged(_) => 13,
        },
        Element::View(value) => match value {
            ValueRef::Null => 1,
            ValueRef::Bool(_) => 2,
            ValueRef::Integer(_) | ValueRef::Float(_) | ValueRef::Decimal(_) => 3,
            ValueRef::Text(_) => 5,
            ValueRef::Bytes(_) => 6,
            ValueRef::Timestamp(_) => 7,
            ValueRef::Uuid(_) => 8,
            ValueRef::EntityId(_) => 9,
            ValueRef::Array(_) => 10,
            ValueRef::Map(_) => 11,
            ValueRef::Vector(_) => 12,
            ValueRef::Tagged(_) => 13,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::field;
    use crate::query::language::normalize;
    use entidb_codec::{doc, encode};

    #[test]
    fn conditions_mean_what_their_documentation_says() {
        let document =
            encode(&doc! { "n": 5, "f": 2.5, "t": "hello", "tags": ["a", 7], "nil": null, "in": { "x": 1 } });
        let holds = |expression: Expression| matches(&normalize(expression), &document).unwrap();
        for yes in [
            field("n").eq(5.0),
            field("n").ge(5),
            field("n").between(4, 5),
            field("f").lt(3),
            field("t").starts_with("he"),
            field("tags").eq("a"),
            field("tags").gt(6),
            field("tags").contains(7),
            field("nil").exists(),
            field("nil").is_null(),
            field("nil").eq(Value::Null),
            field("missing").ne(1),
            field("in.x").eq(1),
            field("n").is_in([1, 5]),
            !field("missing").exists(),
            field("tags").eq(Value::Array(vec!["a".into(), 7.into()])),
            Expression::And(vec![]),
            field("n").eq(9).or(field("t").eq("hello")),
        ] {
            assert!(holds(yes.clone()), "{yes:?}");
        }
        for no in [
            field("n").eq(6),
            field("n").lt("z"),
            field("missing").eq(Value::Null),
            field("missing").lt(5),
            field("t").contains("ell"),
            field("tags").ne("a"),
            field("missing").is_null(),
            field("n").exists().not(),
            Expression::Or(vec![]),
            field("n").contains(5),
        ] {
            assert!(!holds(no.clone()), "{no:?}");
        }
    }

    use std::ops::Not;
}
