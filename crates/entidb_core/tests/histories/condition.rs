//! What a condition means, written as plainly as can be.

use entidb_core::codec::Path;
use entidb_core::{Comparison, Expression, Value};

use crate::model::{at, equal};

fn class(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Integer(_) | Value::Float(_) | Value::Decimal(_) => 2,
        Value::Text(_) => 4,
        Value::Bytes(_) => 5,
        Value::Timestamp(_) => 6,
        Value::Uuid(_) => 7,
        Value::EntityId(_) => 8,
        Value::Array(_) => 9,
        Value::Map(_) => 10,
        Value::Vector(_) => 11,
        Value::Tagged(_) => 12,
    }
}

fn compares(value: &Value, comparison: Comparison, operand: &Value) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = entidb_core::codec::compare(value, operand);
    class(value) == class(operand)
        && match comparison {
            Comparison::Eq => order == Equal,
            Comparison::Ne => order != Equal,
            Comparison::Lt => order == Less,
            Comparison::Le => order != Greater,
            Comparison::Gt => order == Greater,
            Comparison::Ge => order != Less,
        }
}

fn any(document: &Value, path: &Path, test: impl Fn(&Value) -> bool) -> bool {
    match at(document, path) {
        None => false,
        Some(value) => test(value) || value.as_array().is_some_and(|elements| elements.iter().any(test)),
    }
}

/// Whether a document satisfies a condition.
pub(crate) fn holds(expression: &Expression, document: &Value) -> bool {
    match expression {
        Expression::Constant(holds) => *holds,
        Expression::Compare(path, Comparison::Ne, operand) => !any(document, path, |value| equal(value, operand)),
        Expression::Compare(path, comparison, operand) => {
            any(document, path, |value| compares(value, *comparison, operand))
        }
        Expression::In(path, operands) => {
            any(document, path, |value| operands.iter().any(|operand| equal(value, operand)))
        }
        Expression::Between(path, low, high) => {
            any(document, path, |value| compares(value, Comparison::Ge, low) && compares(value, Comparison::Le, high))
        }
        Expression::Exists(path) => at(document, path).is_some(),
        Expression::IsNull(path) => at(document, path).is_some_and(Value::is_null),
        Expression::Contains(path, operand) => {
            let array = at(document, path).and_then(Value::as_array);
            array.is_some_and(|elements| elements.iter().any(|element| equal(element, operand)))
        }
        Expression::StartsWith(path, start) => {
            any(document, path, |value| value.as_text().is_some_and(|text| text.starts_with(start)))
        }
        Expression::And(terms) => terms.iter().all(|term| holds(term, document)),
        Expression::Or(terms) => terms.iter().any(|term| holds(term, document)),
        Expression::Not(term) => !holds(term, document),
        _ => panic!("a condition the model does not know"),
    }
}
