//! Conditions of the command line as expressions.
//!
//! Always: each is a field, an operator and a value, given apart; nothing is parsed out of one text.
//! Does not know: collections.

use entidb_core::{Column, Expression, Field, Path, Query, Value};

use crate::args::Selection;
use crate::failure::{Failure, Result};
use crate::json;

impl Selection {
    /// The query the selection stands for.
    pub(crate) fn query(&self) -> Result<Query> {
        let mut terms = Vec::new();
        for condition in self.conditions.chunks(3) {
            let [path, operator, value] = condition else {
                return Err(Failure::Usage("a condition is a field, an operator and a value".into()));
            };
            terms.push(condition_of(path, operator, value)?);
        }
        let order = self.order_by.iter().map(|text| Column::parse(text)).collect::<entidb_core::Result<Vec<_>>>()?;
        let filter = Expression::And(terms);
        Ok(Query { filter, order, limit: self.limit, offset: self.offset, ..Query::default() })
    }
}

fn condition_of(path: &str, operator: &str, text: &str) -> Result<Expression> {
    let value = parse(text)?;
    let path = Path::dotted(path).map_err(entidb_core::Error::from)?;
    let at = || Field::at(path.clone());
    let list = || match &value {
        Value::Array(items) => Ok(items.clone()),
        _ => Err(Failure::Usage(format!("{operator} takes a JSON array, such as [1, 2], not {text}"))),
    };
    let flag = |expression: Expression| match &value {
        Value::Bool(true) => Ok(expression),
        Value::Bool(false) => Ok(!expression),
        _ => Err(Failure::Usage(format!("{operator} takes true or false, not {text}"))),
    };
    match operator {
        "eq" => Ok(at().eq(value)),
        "ne" => Ok(at().ne(value)),
        "lt" => Ok(at().lt(value)),
        "le" => Ok(at().le(value)),
        "gt" => Ok(at().gt(value)),
        "ge" => Ok(at().ge(value)),
        "contains" => Ok(at().contains(value)),
        "in" => Ok(at().is_in(list()?)),
        "between" => match list()?.as_slice() {
            [low, high] => Ok(at().between(low.clone(), high.clone())),
            _ => Err(Failure::Usage(format!("between takes an array of two values, not {text}"))),
        },
        "starts-with" => match value {
            Value::Text(start) => Ok(at().starts_with(start)),
            _ => Ok(at().starts_with(text)),
        },
        "exists" => flag(at().exists()),
        "is-null" => flag(at().is_null()),
        other => Err(Failure::Usage(format!(
            "there is no operator {other}; use eq ne lt le gt ge in contains starts-with between exists is-null"
        ))),
    }
}

/// A value as JSON, or as the text itself when it is not JSON.
pub(crate) fn parse(text: &str) -> Result<Value> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => json::read(text).and_then(|parsed| json::to_value(&parsed)).map_err(Failure::Usage),
        Err(_) => Ok(Value::from(text)),
    }
}
