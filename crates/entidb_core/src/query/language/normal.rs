//! Brings a filter into the form that is planned and evaluated.
//!
//! Always: the normal form holds for exactly the same documents. Groups of one kind within each other are one group;
//! alternatives for one field are one `in`; the values of an `in` are sorted, each once, so that one is found by halving.
//! Does not know: indexes.

use std::collections::BTreeMap;

use entidb_codec::{Path, Value, compare};

use super::{Comparison, Expression};

/// The normal form. The filter was checked not to nest too deeply.
pub(crate) fn normalize(filter: Expression) -> Expression {
    match filter {
        Expression::In(path, values) => Expression::In(path, sorted(values)),
        Expression::And(terms) => {
            let mut all = Vec::with_capacity(terms.len());
            for term in terms {
                match normalize(term) {
                    Expression::And(inner) => all.extend(inner),
                    other => all.push(other),
                }
            }
            one_or(all, Expression::And)
        }
        Expression::Or(terms) => {
            let mut all = Vec::with_capacity(terms.len());
            for term in terms {
                match normalize(term) {
                    Expression::Or(inner) => all.extend(inner),
                    other => all.push(other),
                }
            }
            one_or(gathered(all), Expression::Or)
        }
        Expression::Not(term) => match normalize(*term) {
            Expression::Not(inner) => *inner,
            other => Expression::Not(Box::new(other)),
        },
        other => other,
    }
}

/// A group of one is that one.
fn one_or(mut terms: Vec<Expression>, group: fn(Vec<Expression>) -> Expression) -> Expression {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        Some(last) => {
            terms.push(last);
            group(terms)
        }
        None => group(terms),
    }
}

fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by(|a, b| compare(a, b));
    values.dedup_by(|a, b| compare(&*a, &*b).is_eq());
    values
}

/// Alternatives of which several ask whether one field equals something: those become one `in`.
fn gathered(terms: Vec<Expression>) -> Vec<Expression> {
    let is_one = |term: &Expression| matches!(term, Expression::Compare(_, Comparison::Eq, _) | Expression::In(..));
    if terms.iter().filter(|term| is_one(term)).count() < 2 {
        return terms;
    }
    let mut wanted: BTreeMap<Path, Vec<Value>> = BTreeMap::new();
    let mut rest = Vec::new();
    for term in terms {
        match term {
            Expression::Compare(path, Comparison::Eq, value) => wanted.entry(path).or_default().push(value),
            Expression::In(path, values) => wanted.entry(path).or_default().extend(values),
            other => rest.push(other),
        }
    }
    let ins = wanted.into_iter().map(|(path, values)| Expression::In(path, sorted(values)));
    ins.chain(rest).collect()
}

/// The terms that must all hold.
pub(crate) fn conjuncts(filter: &Expression) -> Vec<&Expression> {
    match filter {
        Expression::And(terms) => terms.iter().flat_map(conjuncts).collect(),
        Expression::Constant(true) => Vec::new(),
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::field;

    #[test]
    fn groups_melt_and_alternatives_for_one_field_become_one() {
        let nested = Expression::Or(vec![
            field("a").eq(3),
            Expression::Or(vec![field("b").gt(1), field("a").is_in([1, 3])]),
            Expression::And(vec![Expression::Or(vec![field("a").eq(1.0)])]),
        ]);
        let normal = Expression::Or(vec![field("a").is_in([1, 3]), field("b").gt(1)]);
        assert_eq!(normalize(nested), normal);
        assert_eq!(normalize(Expression::And(vec![])), Expression::And(vec![]));
        assert_eq!(normalize(Expression::Or(vec![])), Expression::Or(vec![]));
        assert_eq!(normalize(field("a").eq(1) | field("a").eq(2)), field("a").is_in([1, 2]));
        let double = Expression::Not(Box::new(Expression::And(vec![!field("a").eq(1)])));
        assert_eq!(normalize(double), field("a").eq(1));
    }
}
