//! The ranges of index rows that hold every answer to a filter.
//!
//! Always: a document that satisfies the filter has a row inside the ranges. Terms are counted as answered when the opposite
//! holds too; unless all are, and no whole array is in the ranges, the filter is still checked on each document.
//! Does not know: which index is best (`query::plan`).
//!
//! A comparison also holds for an array with an element that satisfies it. An index that spreads arrays has a row for
//! each element; one that does not has one row for the whole array, so its ranges take in all arrays as well.

use std::borrow::Cow;
use std::ops::Bound;

use entidb_codec::ordered::{Bounds, prefix_bounds, range_bounds, successor, text_prefix_bounds};
use entidb_codec::{Direction, Element, Value, encode_ordered};

use entidb_engine::Sequence;

use super::Ordered;
use super::rows::TUPLE_BYTES_MAX;
use crate::catalog::Column;
use crate::keyspace;
use crate::query::{Comparison, Expression, class_of};

/// Beyond this many combined values the columns after them narrow no more. The values of one column alone are never too many:
/// they came with the query, and there are no more ranges than values.
const POINTS_MAX: usize = 1000;

/// What an index can do for a filter.
#[derive(Debug, Clone)]
pub(crate) struct Narrowed {
    /// Row ranges, sorted, not overlapping.
    pub(crate) ranges: Vec<Bounds>,
    /// Ranges of whole arrays with the column these stand in, to be dropped when they turn out empty. Columns that are known
    /// to have none are left out.
    pub(crate) arrays: Vec<(usize, Bounds)>,
    /// Leading columns fixed to one value each.
    pub(crate) fixed_columns: usize,
    /// Leading columns fixed to one or a few values.
    pub(crate) point_columns: usize,
    /// Whether the column after those is bounded.
    pub(crate) bounds_next: bool,
    /// How many terms hold for every document with a row in the ranges, whole arrays left aside.
    pub(crate) answered: usize,
    /// Whether an operand is longer than rows are, so that rows of other values are in the ranges too.
    pub(crate) cut: bool,
}

/// The longest start of a row that says something about values.
const HEAD_BYTES_MAX: usize = keyspace::PREFIX_BYTES + TUPLE_BYTES_MAX;

/// The ranges of one index for the terms, for a reader at this sequence.
pub(crate) fn narrow(index: &Ordered, terms: &[&Expression], at: Sequence) -> Narrowed {
    let mut narrowed = Narrowed {
        ranges: Vec::new(),
        arrays: Vec::new(),
        fixed_columns: 0,
        point_columns: 0,
        bounds_next: false,
        answered: 0,
        cut: false,
    };
    let mut prefixes = vec![keyspace::index_prefix(index.id, index.unique).to_vec()];
    for (position, column) in index.columns.iter().enumerate() {
        if prefixes.len() > POINTS_MAX {
            break;
        }
        let has_arrays = !index.multi && !index.whole_arrays.are_absent(position, at);
        let Some((points, answers)) = points(terms, column, index.multi) else {
            let before = has_arrays.then(|| prefixes.clone());
            narrowed.bounds_next = bound_next(&mut prefixes, terms, column, index.multi, &mut narrowed);
            if narrowed.bounds_next {
                add_arrays(&mut narrowed, before.as_deref().unwrap_or_default(), position, column);
            }
            break;
        };
        if prefixes.len() > 1 && points.len() > 1 && prefixes.len().saturating_mul(points.len()) > POINTS_MAX {
            break;
        }
        if has_arrays {
            add_arrays(&mut narrowed, &prefixes, position, column);
        }
        prefixes = prefixes
            .iter()
            .flat_map(|prefix| points.iter().map(|point| extended(prefix, point, column.direction)))
            .collect();
        narrowed.point_columns += 1;
        narrowed.answered += usize::from(answers);
        for prefix in prefixes.iter_mut().filter(|prefix| prefix.len() > HEAD_BYTES_MAX) {
            prefix.truncate(HEAD_BYTES_MAX);
            narrowed.cut = true;
        }
        if narrowed.cut {
            break;
        }
        if points.len() == 1 && narrowed.fixed_columns + 1 == narrowed.point_columns {
            narrowed.fixed_columns += 1;
        }
    }
    narrowed.ranges.extend(prefixes.iter().map(|prefix| prefix_bounds(prefix)));
    sort_and_merge(&mut narrowed.ranges);
    narrowed
}

/// The start of every row in the ranges when the first `columns` columns are fixed to one value each.
pub(crate) fn fixed_head(index: &Ordered, terms: &[&Expression], columns: usize) -> Vec<u8> {
    let mut head = keyspace::index_prefix(index.id, index.unique).to_vec();
    for column in index.columns.iter().take(columns) {
        if let Some(point) = points(terms, column, index.multi).and_then(|(points, _)| points.first().cloned()) {
            encode_ordered(&point, column.direction, &mut head);
        }
    }
    head
}

/// True when a key is in one of the ranges, which are sorted and do not overlap.
pub(crate) fn inside(ranges: &[Bounds], key: &[u8]) -> bool {
    let after = ranges.partition_point(|range| range.start.as_slice() <= key);
    after.checked_sub(1).and_then(|before| ranges.get(before)).is_some_and(|range| range.contains(key))
}

/// A range as wide as rows can tell.
fn cut(mut range: Bounds, is_cut: &mut bool) -> Bounds {
    if range.start.len() > HEAD_BYTES_MAX {
        range.start.truncate(HEAD_BYTES_MAX);
        *is_cut = true;
    }
    if let Some(end) = range.end.take_if(|end| end.len() > HEAD_BYTES_MAX) {
        range.end = end.get(..HEAD_BYTES_MAX).and_then(successor);
        *is_cut = true;
    }
    range
}

/// Puts ranges in order and makes overlapping ones one.
pub(crate) fn sort_and_merge(ranges: &mut Vec<Bounds>) {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by(|a, b| a.start.cmp(&b.start));
    let mut merged: Vec<Bounds> = Vec::with_capacity(ranges.len());
    for range in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if last.end.as_ref().is_none_or(|end| *end >= range.start) => {
                last.end = match (last.end.take(), range.end) {
                    (Some(a), Some(b)) => Some(a.max(b)),
                    _ => None,
                };
            }
            _ => merged.push(range),
        }
    }
    *ranges = merged;
}

fn extended(prefix: &[u8], point: &Value, direction: Direction) -> Vec<u8> {
    let mut key = prefix.to_vec();
    encode_ordered(point, direction, &mut key);
    key
}

/// Adds the rows that have a whole array in a column, after what the columns before it are fixed to.
fn add_arrays(narrowed: &mut Narrowed, prefixes: &[Vec<u8>], position: usize, column: &Column) {
    let empty = Value::Array(Vec::new());
    let from = Bound::Included(Element::Value(&empty));
    let ranges = prefixes.iter().map(|prefix| range_bounds(prefix, from, Bound::Unbounded, column.direction));
    narrowed.arrays.extend(ranges.filter(|range| !range.is_empty()).map(|range| (position, range)));
}

/// The values a column is fixed to by one of the terms, if any, and whether these rows are all of documents for which the
/// term holds.
fn points<'a>(terms: &[&'a Expression], column: &Column, multi: bool) -> Option<(Cow<'a, [Value]>, bool)> {
    let is_array = |value: &Value| matches!(value, Value::Array(_));
    terms.iter().find_map(|term| match *term {
        // A whole array is no row of an index that spreads arrays.
        Expression::Compare(path, Comparison::Eq, value) if *path == column.path => {
            (!multi || !is_array(value)).then_some((Cow::Borrowed(std::slice::from_ref(value)), true))
        }
        Expression::In(path, values) if *path == column.path => {
            (!multi || !values.iter().any(is_array)).then_some((Cow::Borrowed(values.as_slice()), true))
        }
        // A row of null may be of an array that holds one.
        Expression::IsNull(path) if *path == column.path => Some((Cow::Owned(vec![Value::Null]), !multi)),
        // A row may be of the value alone, which contains nothing.
        Expression::Contains(path, value) if *path == column.path && multi => {
            Some((Cow::Borrowed(std::slice::from_ref(value)), false))
        }
        _ => None,
    })
}

/// One side of a range: the bound, and the value in it.
type Side<'a> = Option<(Bound<Element<'a>>, &'a Value)>;

fn edge<'a>(side: Side<'a>) -> Bound<Element<'a>> {
    side.map_or(Bound::Unbounded, |(bound, _)| bound)
}

/// Bounds the column after the fixed ones; true when a term does.
fn bound_next(
    prefixes: &mut Vec<Vec<u8>>,
    terms: &[&Expression],
    column: &Column,
    multi: bool,
    narrowed: &mut Narrowed,
) -> bool {
    let mut low: Side<'_> = None;
    let mut high: Side<'_> = None;
    let mut text = None;
    // How many terms there are, how many comparisons became a side, and whether one that is a range by itself is that range.
    let (mut touching, mut sides, mut answers) = (0_usize, 0_usize, false);
    for term in terms {
        match term {
            Expression::Compare(path, comparison, value) if *path == column.path => {
                let (side, bound) = match comparison {
                    Comparison::Gt => (&mut low, Bound::Excluded(Element::Value(value))),
                    Comparison::Ge => (&mut low, Bound::Included(Element::Value(value))),
                    Comparison::Lt => (&mut high, Bound::Excluded(Element::Value(value))),
                    Comparison::Le => (&mut high, Bound::Included(Element::Value(value))),
                    Comparison::Eq | Comparison::Ne => continue,
                };
                if side.is_none() {
                    *side = Some((bound, value));
                    sides += 1;
                }
            }
            Expression::Between(path, from, to) if *path == column.path => {
                low = Some((Bound::Included(Element::Value(from)), from));
                high = Some((Bound::Included(Element::Value(to)), to));
                answers = class_of(from) == class_of(to);
            }
            Expression::StartsWith(path, start) if *path == column.path => {
                text = Some(start);
                answers = true;
            }
            _ => continue,
        }
        touching += 1;
        // Of an array, different elements may satisfy different terms: only one term may narrow its rows.
        if multi {
            break;
        }
    }
    // A whole array is no row of an index that spreads arrays.
    if multi && [low, high].into_iter().flatten().any(|(_, value)| value.as_array().is_some()) {
        return false;
    }
    if text.is_none() && low.is_none() && high.is_none() {
        return false;
    }
    // An open side of a range ends with the class of the value on the other side, and a comparison holds within its class
    // only. Between values of two classes there are others, and of several terms for a side the range may be wider than
    // their meeting.
    let is_one_class = match (low, high) {
        (Some((_, low)), Some((_, high))) => class_of(low) == class_of(high),
        _ => true,
    };
    narrowed.answered += match touching {
        1 if answers => 1,
        touching if touching == sides && is_one_class => touching,
        _ => 0,
    };
    for prefix in prefixes.drain(..) {
        let bounds = match text {
            Some(start) => text_prefix_bounds(&prefix, start, column.direction),
            None => range_bounds(&prefix, edge(low), edge(high), column.direction),
        };
        narrowed.ranges.push(cut(bounds, &mut narrowed.cut));
    }
    true
}
