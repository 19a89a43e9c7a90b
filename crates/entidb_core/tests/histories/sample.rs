//! Random values, documents, conditions and indexes, small enough to meet each other often.

use entidb_core::codec::{Decimal, Timestamp};
use entidb_core::{Column, Comparison, EntityId, Expression, IndexDefinition, Path, Value, asc, desc};
use entidb_storage::SeededRandom;

pub(crate) struct Sample {
    random: SeededRandom,
}

const FIELDS: [&str; 4] = ["a", "b", "t", "in.x"];

impl Sample {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: SeededRandom::new(seed) }
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    pub(crate) fn one_in(&self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn id(&self) -> EntityId {
        EntityId::from_bytes(u128::from(self.below(30)).to_be_bytes())
    }

    pub(crate) fn collection(&self) -> &'static str {
        if self.one_in(4) { "other" } else { "main" }
    }

    pub(crate) fn field(&self) -> Path {
        Path::dotted(FIELDS[self.below(4) as usize]).unwrap()
    }

    fn scalar(&self) -> Value {
        match self.below(14) {
            0 => Value::Null,
            1 => Value::Bool(self.one_in(2)),
            2..=5 => Value::from(self.below(7) as i64 - 2),
            6 => Value::Float(self.below(9) as f64 / 2.0 - 1.0),
            7..=9 => Value::from(["", "x", "xy", "y", "é", "a\0b"][self.below(6) as usize]),
            10 => Value::Bytes(vec![self.below(3) as u8]),
            11 => Value::Timestamp(Timestamp::from_micros(self.below(3) as i64)),
            12 => Value::Decimal(Decimal::new(i128::from(self.below(30)), -1).unwrap()),
            _ => [Value::Float(f64::NAN), Value::Float(-0.0), Value::from(u64::MAX), Value::from(i64::MIN)]
                [self.below(4) as usize]
                .clone(),
        }
    }

    pub(crate) fn value(&self) -> Value {
        if self.one_in(5) {
            return Value::Array((0..self.below(4)).map(|_| self.scalar()).collect());
        }
        self.scalar()
    }

    pub(crate) fn document(&self) -> Value {
        let mut document = Value::Map(entidb_core::codec::Map::default());
        let map = document.as_map_mut().unwrap();
        for field in ["a", "b", "t"] {
            if !self.one_in(4) {
                map.insert(field, self.value());
            }
        }
        if self.one_in(2) {
            map.insert("in", Value::Map([("x", self.value())].into_iter().collect()));
        }
        if self.one_in(20) {
            map.insert("big", Value::Text("z".repeat(self.below(20_000) as usize)));
        }
        document
    }

    pub(crate) fn condition(&self, depth: u64) -> Expression {
        let field = self.field();
        match self.below(if depth == 0 { 10 } else { 14 }) {
            0..=3 => {
                let comparisons =
                    [Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge];
                Expression::Compare(field, comparisons[self.below(6) as usize], self.value())
            }
            4 => Expression::In(field, (0..self.below(4)).map(|_| self.value()).collect()),
            5 => Expression::Between(field, self.value(), self.value()),
            6 => Expression::Exists(field),
            7 => Expression::IsNull(field),
            8 => Expression::Contains(field, self.scalar()),
            9 => Expression::StartsWith(field, ["", "x", "a", "é"][self.below(4) as usize].to_owned()),
            10 | 11 => Expression::And((0..self.below(4)).map(|_| self.condition(depth - 1)).collect()),
            12 => Expression::Or((0..self.below(4)).map(|_| self.condition(depth - 1)).collect()),
            _ => Expression::Not(Box::new(self.condition(depth - 1))),
        }
    }

    pub(crate) fn order(&self) -> Vec<Column> {
        let mut order: Vec<Column> = Vec::new();
        for _ in 0..self.below(3) {
            let name = FIELDS[self.below(4) as usize];
            let column = if self.one_in(2) { asc(name) } else { desc(name) };
            if order.iter().all(|known| known.path != column.path) {
                order.push(column);
            }
        }
        order
    }

    pub(crate) fn index(&self) -> IndexDefinition {
        let columns: Vec<String> = {
            let mut columns = self.order();
            if columns.is_empty() {
                columns.push(asc(FIELDS[self.below(4) as usize]));
            }
            columns.iter().map(ToString::to_string).collect()
        };
        let mut definition = IndexDefinition::on(columns.iter().map(String::as_str)).unwrap();
        definition.unique = self.one_in(5);
        definition.multi = self.one_in(3);
        definition.name = format!(
            "{}{}{}",
            definition.name,
            if definition.unique { "!" } else { "" },
            if definition.multi { "*" } else { "" }
        );
        definition
    }
}
