//! Random values, documents, queries and indexes: few of each kind, so that they meet, and each kind at its edges.

use entidb_core::codec::{Decimal, Map, Timestamp};
use entidb_core::{Column, Comparison, EntityId, Expression, IndexDefinition, Path, Value, asc, desc};
use entidb_storage::SeededRandom;

pub(crate) struct Sample {
    random: SeededRandom,
    /// Whether texts longer than rows of indexes occur.
    pub(crate) is_long: bool,
    /// Whether there are enough entities for several indexes to be worth combining.
    pub(crate) is_large: bool,
}

const FIELDS: [&str; 4] = ["a", "b", "t", "in.x"];

impl Sample {
    pub(crate) fn new(seed: u64) -> Self {
        let random = SeededRandom::new(seed);
        let is_long = random.below(8) == 0;
        let is_large = !is_long && random.below(8) == 0;
        Self { random, is_long, is_large }
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    pub(crate) fn one_in(&self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn one<T: Clone>(&self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    pub(crate) fn id(&self) -> EntityId {
        EntityId::from_bytes(u128::from(self.below(if self.is_large { 80 } else { 14 })).to_be_bytes())
    }

    pub(crate) fn field(&self) -> Path {
        Path::dotted(self.one(&FIELDS)).unwrap()
    }

    fn number(&self) -> Value {
        match self.below(10) {
            0..=4 => Value::from(self.below(5) as i64 - 1),
            5 => Value::Float(self.below(5) as f64 / 2.0 - 1.0),
            6 => self.one(&[Value::Float(f64::NAN), Value::Float(-0.0), Value::Float(0.0)]),
            // Beyond 2^53 a float is not the integer next to it.
            7 => Value::from((1_u64 << 53) + self.below(3)),
            8 => Value::Float(9_007_199_254_740_992.0 + 2.0 * self.below(2) as f64),
            _ => self.one(&[Value::from(u64::MAX), Value::from(i64::MIN), Value::Float(f64::INFINITY)]),
        }
    }

    fn text(&self) -> Value {
        if self.is_long && self.one_in(2) {
            // Equal to far beyond what a row of an index holds, different after it, or just at its edge.
            let end = self.one(&["", "", "a", "b"]);
            return Value::from(format!("{}{end}", "x".repeat(self.one(&[3996, 3997, 4100, 4100]))));
        }
        Value::from(self.one(&["", "x", "xx", "xy", "y", "é", "a\0b"]))
    }

    fn scalar(&self) -> Value {
        // Of few values each has many rows.
        if self.is_large && !self.one_in(3) {
            return Value::from(u64::from(self.one_in(4)));
        }
        match self.below(14) {
            0 => Value::Null,
            1 => Value::Bool(self.one_in(2)),
            2..=6 => self.number(),
            7..=9 => self.text(),
            10 => Value::Bytes(vec![self.below(3) as u8; self.below(3) as usize]),
            11 => self.one(&[
                Value::Timestamp(Timestamp::from_micros(-1)),
                Value::Uuid([7; 16]),
                Value::EntityId([7; 16]),
            ]),
            12 => Value::Decimal(Decimal::new(i128::from(self.below(20)) - 5, -1).unwrap()),
            _ => Value::Map([("k", Value::from(self.below(2)))].into_iter().collect()),
        }
    }

    pub(crate) fn value(&self) -> Value {
        match self.below(10) {
            0 => Value::Array((0..self.below(4)).map(|_| self.scalar()).collect()),
            1 if self.one_in(3) => {
                let inner = Value::Array((0..self.below(3)).map(|_| self.scalar()).collect());
                Value::Array(vec![inner, self.scalar()])
            }
            _ => self.scalar(),
        }
    }

    /// A document; its field `b` never holds an array where `a` or `t` may, so that most indexes over two fields take it in.
    pub(crate) fn document(&self) -> Value {
        let mut map = Map::default();
        for field in ["a", "b", "t"] {
            if !self.one_in(4) {
                map.insert(field, if field == "b" { self.scalar() } else { self.value() });
            }
        }
        if self.one_in(2) {
            map.insert("in", Value::Map([("x", self.scalar())].into_iter().collect()));
        }
        Value::Map(map)
    }

    pub(crate) fn condition(&self, depth: u64) -> Expression {
        let field = self.field();
        match self.below(if depth == 0 { 11 } else { 17 }) {
            0..=4 => {
                let comparisons =
                    [Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge];
                Expression::Compare(field, self.one(&comparisons), self.value())
            }
            5 => Expression::In(field, (0..self.below(5)).map(|_| self.value()).collect()),
            6 => Expression::Between(field, self.value(), self.value()),
            7 => Expression::Exists(field),
            8 => Expression::IsNull(field),
            9 => Expression::Contains(field, self.value()),
            10 => {
                let start = if self.is_long { "x".repeat(self.one(&[1, 3997, 4050])) } else { String::new() };
                Expression::StartsWith(field, self.one(&[start, "x".into(), "a".into(), "é".into()]))
            }
            11..=13 => Expression::And((0..self.below(4)).map(|_| self.condition(depth - 1)).collect()),
            14 | 15 => Expression::Or((0..self.below(4)).map(|_| self.condition(depth - 1)).collect()),
            _ => Expression::Not(Box::new(self.condition(depth - 1))),
        }
    }

    /// A filter that several indexes serve together.
    pub(crate) fn combination(&self) -> Expression {
        let terms = (0..2 + self.below(2)).map(|_| match self.below(3) {
            0 => Expression::Compare(self.field(), Comparison::Ge, self.value()),
            1 if self.one_in(2) => !Expression::Compare(self.field(), Comparison::Eq, self.value()),
            _ => Expression::Compare(self.field(), Comparison::Eq, self.value()),
        });
        let terms = terms.collect();
        if self.one_in(2) { Expression::And(terms) } else { Expression::Or(terms) }
    }

    pub(crate) fn order(&self) -> Vec<Column> {
        let mut order: Vec<Column> = Vec::new();
        for _ in 0..self.below(3) {
            let name = self.one(&FIELDS);
            let column = if self.one_in(2) { asc(name) } else { desc(name) };
            if order.iter().all(|known| known.path != column.path) {
                order.push(column);
            }
        }
        order
    }

    pub(crate) fn index(&self) -> IndexDefinition {
        let mut columns = self.order();
        if columns.is_empty() {
            columns.push(asc(self.one(&FIELDS)));
        }
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let mut definition = IndexDefinition::on(columns.iter().map(String::as_str)).unwrap();
        definition.unique = self.one_in(6);
        definition.multi = self.one_in(3);
        let marks = [("!", definition.unique), ("*", definition.multi)];
        for (mark, _) in marks.iter().filter(|(_, is_set)| *is_set) {
            definition.name.push_str(mark);
        }
        definition
    }
}
