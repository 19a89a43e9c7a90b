//! Queries of the cases as expressions.

use entidb_core::codec::Path;
use entidb_core::{Column, Comparison, Expression, Query};
use serde_json::Value as Json;

use crate::diagnostic::from_json;

pub(crate) fn query(json: &Json) -> Query {
    let order = json["order"].as_array().into_iter().flatten();
    Query {
        filter: condition(&json["where"]),
        order: order.map(|field| Column::parse(field.as_str().unwrap()).unwrap()).collect(),
        limit: json["limit"].as_u64(),
        offset: json["offset"].as_u64().unwrap_or(0),
        after: None,
        page: None,
    }
}

fn condition(json: &Json) -> Expression {
    let parts = json.as_array().unwrap();
    let name = parts[0].as_str().unwrap();
    let path = || Path::dotted(parts[1].as_str().unwrap()).unwrap();
    let value = |at: usize| from_json(&parts[at]);
    let terms = || parts[1..].iter().map(condition).collect();
    let compare = |comparison| Expression::Compare(path(), comparison, value(2));
    match name {
        "all" => Expression::all(),
        "eq" => compare(Comparison::Eq),
        "ne" => compare(Comparison::Ne),
        "lt" => compare(Comparison::Lt),
        "le" => compare(Comparison::Le),
        "gt" => compare(Comparison::Gt),
        "ge" => compare(Comparison::Ge),
        "in" => Expression::In(path(), parts[2].as_array().unwrap().iter().map(from_json).collect()),
        "between" => Expression::Between(path(), value(2), value(3)),
        "exists" => Expression::Exists(path()),
        "is_null" => Expression::IsNull(path()),
        "contains" => Expression::Contains(path(), value(2)),
        "starts_with" => Expression::StartsWith(path(), parts[2].as_str().unwrap().to_owned()),
        "and" => Expression::And(terms()),
        "or" => Expression::Or(terms()),
        "not" => Expression::Not(Box::new(condition(&parts[1]))),
        other => panic!("no condition {other}"),
    }
}
