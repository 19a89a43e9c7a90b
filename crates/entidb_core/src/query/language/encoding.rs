//! Queries as bytes: the one published form in which they cross the C ABI and travel between languages.
//!
//! Always: encoding and decoding are inverse; an unknown node, field or version is refused with its name. Depth is bounded,
//! so hostile bytes cannot overflow the stack. Does not know: what the query means.
//! Format: docs/spec/query.md.

use entidb_codec::{Direction, Path, Value};

use super::conditions::CONDITIONS;
use super::{Comparison, Expression};
use crate::catalog::Column;
use crate::error::{Error, ErrorCode, Result, did_you_mean, quoted};
use crate::query::Query;

/// The version of the form.
const VERSION: u64 = 1;
/// How deeply `and`, `or` and `not` may nest, in bytes and in Rust alike: a query that runs can be sent. A group within a group
/// of its kind is no level of its own.
const DEPTH_MAX: usize = 50;
/// How deeply they may nest with groups in groups of their kind, each of which is joined with the one around it.
const GROUPS_MAX: usize = 200;

fn invalid(problem: impl Into<String>) -> Error {
    Error::new(ErrorCode::QueryInvalid, problem)
}

fn too_deep() -> Error {
    invalid(format!("the query nests conditions more than {DEPTH_MAX} deep; give each group all of its conditions"))
}

impl Query {
    /// Refuses what nests too deeply for those who walk over the filter, paths that cannot be read, and pages without answers,
    /// which would never end.
    pub(in crate::query) fn check(&self) -> Result<()> {
        if self.page == Some(0) {
            return Err(invalid("a page of 0 answers was asked for; give it a size of at least 1"));
        }
        if !self.filter.nests_within(DEPTH_MAX, GROUPS_MAX) {
            return Err(too_deep());
        }
        for column in &self.order {
            column.path.check()?;
        }
        self.filter.check_paths()
    }

    /// The query as bytes, to be stored or run by another language.
    ///
    /// ```
    /// use entidb_core::{desc, field, Query};
    /// let query = Query { filter: field("n").gt(1), order: vec![desc("n")], ..Query::default() };
    /// assert_eq!(Query::from_bytes(&query.to_bytes()?)?, query);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `QueryInvalid` when conditions nest more than 50 deep, or a page has size 0; `InvalidArgument` for a path that cannot be
    /// read.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        let mut fields = vec![("v", Value::from(VERSION)), ("filter", self.filter.to_value())];
        if !self.order.is_empty() {
            let order = self.order.iter().map(|column| {
                Value::Array(vec![column.path.to_value(), Value::Bool(column.direction == Direction::Descending)])
            });
            fields.push(("order", Value::Array(order.collect())));
        }
        if let Some(limit) = self.limit {
            fields.push(("limit", Value::from(limit)));
        }
        if self.offset > 0 {
            fields.push(("offset", Value::from(self.offset)));
        }
        if let Some(page) = self.page {
            fields.push(("page", Value::from(page)));
        }
        if let Some(after) = &self.after {
            fields.push(("after", Value::Bytes(after.clone())));
        }
        Ok(entidb_codec::encode(&Value::Map(fields.into_iter().collect())))
    }

    /// Reads a query from its bytes.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::{doc, encode, Query};
    /// let bytes = encode(&doc! { "v": 1, "filter": ["gt", ["n"], 0] });
    /// notes.put(&doc! { "n": 1 })?;
    /// assert_eq!(notes.query(Query::from_bytes(&bytes)?).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `QueryInvalid` when a node, field or version is not known; `Encoding` errors when the bytes are no document.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let value = entidb_codec::decode(bytes)?;
        let Value::Map(map) = &value else {
            return Err(invalid("a query is a map with the fields v, filter, order, limit, offset, page and after"));
        };
        let mut query = Self::default();
        let mut version = None;
        for (key, value) in map.iter() {
            let key = key.as_text().ok_or_else(|| invalid("a query has a field whose name is not text"))?;
            match key {
                "v" => version = value.as_u64(),
                "filter" => query.filter = Expression::from_value(value)?,
                "order" => query.order = order_from(value)?,
                "limit" => query.limit = Some(number(key, value)?),
                "offset" => query.offset = number(key, value)?,
                "page" => query.page = Some(number(key, value)?),
                "after" => match value {
                    Value::Bytes(token) => query.after = Some(token.clone()),
                    _ => return Err(invalid("the query field after takes the bytes of a page token")),
                },
                other => return Err(invalid(format!("a query has no field {}", quoted(other)))),
            }
        }
        match version {
            Some(VERSION) => Ok(query),
            Some(found) => {
                Err(invalid(format!("the query has version {found}, this library reads {VERSION}; use a newer EntiDB")))
            }
            None => Err(invalid("the query has no version; set the field v to 1")),
        }
    }
}

fn number(name: &str, value: &Value) -> Result<u64> {
    value.as_u64().ok_or_else(|| invalid(format!("the query field {name} takes a whole number of at least 0")))
}

fn order_from(value: &Value) -> Result<Vec<Column>> {
    let refuse = || invalid("the query field order takes an array of pairs [path, descending]");
    let Value::Array(items) = value else { return Err(refuse()) };
    let mut order = Vec::with_capacity(items.len());
    for item in items {
        let Value::Array(pair) = item else { return Err(refuse()) };
        let [path, Value::Bool(descending)] = pair.as_slice() else { return Err(refuse()) };
        let direction = if *descending { Direction::Descending } else { Direction::Ascending };
        order.push(Column { path: path_from(path)?, direction });
    }
    Ok(order)
}

fn path_from(value: &Value) -> Result<Path> {
    Path::from_value(value).map_err(|error| invalid(format!("a query names a field badly: {error}")))
}

impl Expression {
    /// The expression as a value: an array whose first element names the node.
    ///
    /// ```
    /// use entidb_core::{field, Expression};
    /// let filter = field("n").gt(1) & field("t").exists();
    /// assert_eq!(Expression::from_value(&filter.to_value())?, filter);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        let node = |name: &str, rest: Vec<Value>| {
            let mut items = vec![Value::from(name)];
            items.extend(rest);
            Value::Array(items)
        };
        match self {
            Self::Constant(holds) => node(if *holds { "true" } else { "false" }, vec![]),
            Self::Compare(path, comparison, value) => node(comparison.name(), vec![path.to_value(), value.clone()]),
            Self::In(path, values) => node("in", vec![path.to_value(), Value::Array(values.clone())]),
            Self::Between(path, low, high) => node("between", vec![path.to_value(), low.clone(), high.clone()]),
            Self::Exists(path) => node("exists", vec![path.to_value()]),
            Self::IsNull(path) => node("is_null", vec![path.to_value()]),
            Self::Contains(path, value) => node("contains", vec![path.to_value(), value.clone()]),
            Self::StartsWith(path, text) => node("starts_with", vec![path.to_value(), Value::from(text.as_str())]),
            Self::And(_) | Self::Or(_) => {
                let mut terms = Vec::new();
                self.terms(&mut |term| terms.push(term.to_value()));
                node(if matches!(self, Self::And(_)) { "and" } else { "or" }, terms)
            }
            Self::Not(term) => node("not", vec![term.to_value()]),
        }
    }

    /// Reads an expression from its value.
    ///
    /// ```
    /// use entidb_core::{doc, field, Expression};
    /// assert!(Expression::from_value(&doc! { "x": 1 }).is_err());
    /// assert_eq!(Expression::from_value(&field("n").eq(1).to_value())?, field("n").eq(1));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `QueryInvalid` naming the node that is not known or has the wrong operands.
    pub fn from_value(value: &Value) -> Result<Self> {
        Self::from_value_at(value, 0, 0)
    }

    /// Shows the terms of a group, and in their places those of groups of the same kind.
    fn terms(&self, show: &mut impl FnMut(&Self)) {
        let (Self::And(terms) | Self::Or(terms)) = self else { return };
        for term in terms {
            if self.is_group_like(term) { term.terms(show) } else { show(term) }
        }
    }

    fn is_group_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::And(_), Self::And(_)) | (Self::Or(_), Self::Or(_)))
    }

    /// Refuses paths that cannot be read.
    fn check_paths(&self) -> Result<()> {
        match self {
            Self::Constant(_) => Ok(()),
            Self::Compare(path, ..)
            | Self::In(path, _)
            | Self::Between(path, ..)
            | Self::Exists(path)
            | Self::IsNull(path)
            | Self::Contains(path, _)
            | Self::StartsWith(path, _) => Ok(path.check()?),
            Self::And(terms) | Self::Or(terms) => terms.iter().try_for_each(Self::check_paths),
            Self::Not(term) => term.check_paths(),
        }
    }

    /// Whether no condition nests deeper than `depth` levels and `groups` groups. Looks no deeper than that.
    fn nests_within(&self, depth: usize, groups: usize) -> bool {
        let within = |term: &Self| {
            let depth = if self.is_group_like(term) { Some(depth) } else { depth.checked_sub(1) };
            depth.zip(groups.checked_sub(1)).is_some_and(|(depth, groups)| term.nests_within(depth, groups))
        };
        match self {
            Self::And(terms) | Self::Or(terms) => terms.iter().all(within),
            Self::Not(term) => within(term),
            _ => true,
        }
    }

    fn from_value_at(value: &Value, depth: usize, groups: usize) -> Result<Self> {
        if depth > DEPTH_MAX || groups > GROUPS_MAX {
            return Err(too_deep());
        }
        let Value::Array(items) = value else {
            return Err(invalid("a condition is an array whose first element names it"));
        };
        let Some((Value::Text(name), operands)) = items.split_first() else {
            return Err(invalid("a condition is an array whose first element names it"));
        };
        let Some((name, takes)) = CONDITIONS.iter().find(|(known, _)| known == name) else {
            let hint = did_you_mean(name, CONDITIONS.iter().map(|(known, _)| *known));
            return Err(invalid(format!("no condition is called {}{hint}", quoted(name))));
        };
        let wrong = || invalid(format!("the condition {name} takes {takes}"));
        let terms = || -> Result<Vec<Self>> {
            let mut terms = Vec::with_capacity(operands.len());
            for operand in operands {
                let is_like = operand.as_array().and_then(<[Value]>::first).and_then(Value::as_text) == Some(*name);
                let depth = if is_like { depth } else { depth + 1 };
                match (*name, Self::from_value_at(operand, depth, groups + 1)?) {
                    ("and", Self::And(inner)) | ("or", Self::Or(inner)) => terms.extend(inner),
                    (_, term) => terms.push(term),
                }
            }
            Ok(terms)
        };
        if let Some(comparison) = Comparison::from_name(name) {
            let [path, value] = operands else { return Err(wrong()) };
            return Ok(Self::Compare(path_from(path)?, comparison, value.clone()));
        }
        match (*name, operands) {
            ("true", []) => Ok(Self::Constant(true)),
            ("false", []) => Ok(Self::Constant(false)),
            ("in", [path, Value::Array(values)]) => Ok(Self::In(path_from(path)?, values.clone())),
            ("between", [path, low, high]) => Ok(Self::Between(path_from(path)?, low.clone(), high.clone())),
            ("exists", [path]) => Ok(Self::Exists(path_from(path)?)),
            ("is_null", [path]) => Ok(Self::IsNull(path_from(path)?)),
            ("contains", [path, value]) => Ok(Self::Contains(path_from(path)?, value.clone())),
            ("starts_with", [path, Value::Text(text)]) => Ok(Self::StartsWith(path_from(path)?, text.clone())),
            ("and", _) => Ok(Self::And(terms()?)),
            ("or", _) => Ok(Self::Or(terms()?)),
            ("not", [term]) => Ok(Self::Not(Box::new(Self::from_value_at(term, depth + 1, groups + 1)?))),
            _ => Err(wrong()),
        }
    }
}

impl Comparison {
    const ALL: [Self; 6] = [Self::Eq, Self::Ne, Self::Lt, Self::Le, Self::Gt, Self::Ge];

    const fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Gt => "gt",
            Self::Ge => "ge",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|comparison| comparison.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::field;

    #[test]
    fn a_query_survives_its_bytes() {
        let filter = (field("a.b").eq(1) | !field("c").is_in(["x", "y"]))
            & field("d").between(1, 2.5)
            & field("e").exists()
            & field("f").is_null()
            & field("g").contains("t")
            & field("h").starts_with("p")
            & Expression::Constant(false);
        let query = Query {
            filter,
            order: vec![Column::parse("-x").unwrap()],
            limit: Some(5),
            offset: 2,
            page: Some(3),
            after: Some(vec![1, 2]),
        };
        assert_eq!(Query::from_bytes(&query.to_bytes().unwrap()).unwrap(), query);
    }

    #[test]
    fn every_condition_of_the_documents_is_read_back_under_its_name() {
        let path = || Path::field("n").to_value();
        let inner = || Value::Array(vec![Value::from("true")]);
        for (name, takes) in CONDITIONS {
            let mut node = vec![Value::from(*name)];
            for operand in takes.replace(" and ", ", ").split(", ") {
                match operand {
                    "a path" => node.push(path()),
                    "a value" | "a text" => node.push(Value::from("a")),
                    "an array of values" => node.push(Value::Array(vec![Value::from(1)])),
                    "a condition" | "conditions" => node.push(inner()),
                    other => assert_eq!(other, "no operand"),
                }
            }
            let node = Value::Array(node);
            assert_eq!(Expression::from_value(&node).map(|read| read.to_value()).unwrap(), node, "{name}");
        }
    }

    #[test]
    fn unknown_nodes_fields_and_versions_are_refused() {
        let bytes = |value: Value| entidb_codec::encode(&value);
        let map = |fields: Vec<(&str, Value)>| bytes(Value::Map(fields.into_iter().collect()));
        let like = Value::Array(vec![Value::from("like")]);
        let between = Value::Array(vec![Value::from("between"), Path::field("n").to_value(), Value::from(1)]);
        let mut deep = Value::Array(vec![Value::from("true")]);
        for _ in 0..60 {
            deep = Value::Array(vec![Value::from("not"), deep]);
        }
        let one = || Value::from(1_u64);
        for (bytes, says) in [
            (map(vec![("v", one()), ("filter", like)]), "no condition is called \"like\"; did you mean "),
            (map(vec![("v", one()), ("filter", between)]), "the condition between takes a path, a value and a value"),
            (map(vec![("v", one()), ("sort", one())]), "sort"),
            (map(vec![("v", Value::from(2_u64))]), "version 2"),
            (map(vec![]), "no version"),
            (bytes(one()), "is a map"),
            (map(vec![("v", one()), ("filter", deep)]), "deep"),
            (map(vec![("v", one()), ("limit", Value::from(-1_i64))]), "limit"),
        ] {
            let error = Query::from_bytes(&bytes).unwrap_err();
            assert_eq!(error.code(), ErrorCode::QueryInvalid);
            assert!(error.message().contains(says), "{} should say {says}", error.message());
        }
    }
}
