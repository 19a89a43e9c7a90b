//! What an ordered index can do for a query: which of its rows, in which order, and whether they answer it all.
//!
//! Always: reads no entity. Every answer is among the entities of the rows offered. Does not know: what other indexes offer.

use std::sync::Arc;

use entidb_codec::Direction;
use entidb_codec::ordered::Bounds;
use entidb_engine::{Direction as Walk, Sequence};

use super::Ordered;
use super::ranges::{Narrowed, fixed_head, narrow, sort_and_merge};
use crate::catalog::Column;
use crate::error::Result;
use crate::query::{Asked, Offer, Order, RowAccess, RowOrder};
use crate::transaction::View;

/// What the index can do for the query; `None` when it can do nothing.
pub(super) fn offer(index: &Arc<Ordered>, asked: &Asked<'_>) -> Result<Option<Offer>> {
    let (view, terms, order) = (asked.view, asked.terms, asked.order);
    let at = view.sequence()?;
    let mut narrowed = narrow(index, terms, at);
    let used_columns = narrowed.point_columns + usize::from(narrowed.bounds_next);
    // An index that spreads arrays has several rows for an entity, and no order of entities: it only serves what narrows it.
    if used_columns == 0 && (order.is_none() || index.multi) {
        return Ok(None);
    }
    let arrays_from = keep_arrays(&mut narrowed, index, view, at)?;
    let is_way_of_page = matches!(order, Some(Order::Rows(rows)) if rows.is_of(index));
    let (walk, skip) = match order {
        None => (Some(Walk::Forward), 0),
        Some(Order::Rows(_)) if is_way_of_page => (Some(Walk::Forward), 0),
        Some(Order::Columns(columns)) if !index.multi => {
            // Behind a column in which whole arrays are walked, rows are in no order of the columns after it.
            let fixed = narrowed.fixed_columns.min(arrays_from.unwrap_or(usize::MAX));
            walk_for(columns, &index.columns, fixed).map_or((None, 0), |(walk, skip)| (Some(walk), skip))
        }
        _ => (None, 0),
    };
    let sorts = walk.is_none();
    if used_columns == 0 && sorts {
        return Ok(None);
    }
    let whole_key = narrowed.point_columns == index.columns.len();
    let points = u32::try_from(narrowed.point_columns).unwrap_or(u32::MAX).saturating_mul(8);
    let score = 1_u32
        .saturating_add(points)
        .saturating_add(if narrowed.bounds_next { 4 } else { 0 })
        .saturating_add(if sorts { 0 } else { 2 })
        .saturating_add(if whole_key && index.unique { 16 } else { 0 })
        // Rows of an index that spreads arrays may repeat an entity; all else equal, prefer the other.
        .saturating_add(u32::from(!index.multi));
    let exact = narrowed.answered == terms.len() && arrays_from.is_none() && !narrowed.cut;
    let ranges: Arc<[Bounds]> = narrowed.ranges.into();
    let order = order.cloned().unwrap_or_else(|| Order::Rows(RowOrder::of(index, &ranges)));
    let head = fixed_head(index, terms, skip);
    let ascends = index.columns.last().is_some_and(|column| column.direction == Direction::Ascending);
    let is_tuple = narrowed.fixed_columns == index.columns.len() && ranges.len() == 1 && !narrowed.cut;
    let is_point = is_tuple && ascends && arrays_from.is_none() && !index.unique;
    let walk = walk.unwrap_or(Walk::Forward);
    let access = RowAccess { index: Arc::clone(index), ranges, walk, head, is_point };
    let (narrows, comes_first) = (used_columns > 0, is_way_of_page);
    Ok(Some(Offer { score, order, sorts, narrows, exact, comes_first, access: Box::new(access) }))
}

/// Adds the ranges of whole arrays that hold any row. The first column that has one.
fn keep_arrays(narrowed: &mut Narrowed, index: &Ordered, view: &View, at: Sequence) -> Result<Option<usize>> {
    let mut first: Option<usize> = None;
    for (column, range) in std::mem::take(&mut narrowed.arrays) {
        let end = range.end.as_deref().unwrap_or(&[0xff]);
        if view.range(&range.start, end, Walk::Forward)?.advance()? {
            first = Some(first.map_or(column, |first| first.min(column)));
            narrowed.ranges.push(range);
        } else if column == 0 && matches!(view, View::Read(_)) {
            // Nothing stands before the first column, so this was the whole index. A write transaction may have removed
            // rows that others still see.
            index.whole_arrays.were_absent(column, at);
        }
    }
    if first.is_some() {
        sort_and_merge(&mut narrowed.ranges);
    }
    Ok(first)
}

/// The direction in which walking the index gives the order asked for, if one does, and how many leading columns are not in
/// the order because they are fixed.
///
/// The order must name all columns that are not fixed to one value, so that ties come in the order of ordinals, exactly
/// as sorting leaves them.
fn walk_for(order: &[Column], columns: &[Column], fixed: usize) -> Option<(Walk, usize)> {
    let serves = |flip: bool| {
        (0..=fixed).find(|skip| {
            let rest = columns.get(*skip..).unwrap_or(&[]);
            rest.len() == order.len()
                && rest.iter().zip(order).all(|(column, wanted)| {
                    column.path == wanted.path && (column.direction == wanted.direction) != flip
                })
        })
    };
    serves(false).map(|skip| (Walk::Forward, skip)).or_else(|| serves(true).map(|skip| (Walk::Reverse, skip)))
}
