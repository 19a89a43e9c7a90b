//! Questions: the database's answer, with whatever indexes it has, against the model's.

use entidb_core::codec::Path;
use entidb_core::{Collection, Comparison, EntityId, Expression, Query, Value};

use crate::model::{Entities, at, equal};
use crate::sample::Sample;

fn class(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Integer(_) | Value::Float(_) => 2,
        Value::Decimal(_) => 3,
        Value::Text(_) => 4,
        Value::Bytes(_) => 5,
        Value::Timestamp(_) => 6,
        Value::Array(_) => 7,
        Value::Map(_) => 8,
        _ => 9,
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

/// Questions asked, and how many of them an index answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) all: u64,
    pub(crate) by_index: u64,
}

impl std::ops::AddAssign for Asked {
    fn add_assign(&mut self, more: Self) {
        self.all += more.all;
        self.by_index += more.by_index;
    }
}

/// Asks a few questions.
pub(crate) fn questions(collection: &Collection, model: &Entities, sample: &Sample) -> Asked {
    let mut asked = Asked::default();
    for _ in 0..4 {
        let (filter, order) = (sample.condition(2), sample.order());
        let wanted = model.sorted(&order, |document| holds(&filter, document));
        let query = Query { filter, order, ..Query::default() };
        let explain = || format!("{query:?}: {}", collection.query(query.clone()).explain().unwrap());
        let found: Vec<EntityId> =
            collection.query(query.clone()).run().unwrap().map(|entity| entity.unwrap().id()).collect();
        if query.order.is_empty() {
            let (mut found, mut wanted) = (found, wanted.clone());
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{}", explain());
        } else {
            assert_eq!(found, wanted, "{}", explain());
        }
        assert_eq!(collection.query(query.clone()).count().unwrap(), wanted.len() as u64, "{}", explain());
        pages(collection, &query, &wanted, sample);
        asked.all += 1;
        asked.by_index += u64::from(collection.query(query).explain().unwrap().index.is_some());
    }
    asked
}

/// The same answer a page at a time.
fn pages(collection: &Collection, query: &Query, wanted: &[EntityId], sample: &Sample) {
    let mut query = query.clone();
    query.limit = Some(1 + sample.below(5));
    let mut all = Vec::new();
    loop {
        let mut found = collection.query(query.clone()).run().unwrap();
        let before = all.len();
        all.extend(found.by_ref().map(|entity| entity.unwrap().id()));
        if all.len() == before {
            break;
        }
        assert!(all.len() <= wanted.len(), "pages of {query:?} repeat");
        query.after = found.token().unwrap();
    }
    let mut wanted = wanted.to_vec();
    if query.order.is_empty() {
        all.sort();
        wanted.sort();
    }
    assert_eq!(all, wanted, "pages of {query:?}");
}
