//! How a query is answered: by which index, in which order, or by looking at every entity.
//!
//! Always: planning reads no entity. Every plan gives the same answers; the cheapest known is taken.
//! Does not know: how rows become entities (`source`).

mod explain;

use std::sync::Arc;

use entidb_codec::ordered::Bounds;
use entidb_engine::{Direction as Walk, Sequence};

pub use explain::Explanation;

use crate::catalog::{CollectionRecord, Column, IndexRecord};
use crate::error::Result;
use crate::index::ordered::ranges::{Narrowed, fixed_head, narrow, sort_and_merge};
use crate::query::results::{Order, Place, RowOrder};
use crate::query::{Expression, Query};
use crate::transaction::View;

/// Where rows come from.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    /// Every entity, in the order of ids.
    Scan,
    /// Rows of an index.
    Index {
        index: Arc<IndexRecord>,
        /// Sorted, not overlapping.
        ranges: Arc<[Bounds]>,
        walk: Walk,
        /// What each row begins with, where the rows have the order: the number of the index, and the leading columns that
        /// are fixed and not in the order. The rest of a row is a key of the order, inverted where the walk is reversed.
        head: Vec<u8>,
    },
}

/// A way to answer a query.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) access: Access,
    /// The order of the answers.
    pub(crate) order: Order,
    /// Whether rows must be gathered and sorted to have it.
    pub(crate) sorts: bool,
    /// Columns the index fixes or bounds.
    pub(crate) used_columns: usize,
    /// Whether every entity that has a row in the ranges satisfies the filter, so that nothing is left to check.
    pub(crate) exact: bool,
}

impl Plan {
    /// True when every entity of the collection is looked at.
    pub(crate) fn is_scan(&self) -> bool {
        match &self.access {
            Access::Scan => true,
            Access::Index { .. } => self.used_columns == 0,
        }
    }
}

/// Chooses the way. After a page token the order is the one its page had, and any way may give it: the way of that page is
/// preferred where it can be gone again, and `may_scan` says whether looking at every entity can.
pub(crate) fn plan(
    query: &Query,
    terms: &[&Expression],
    record: &CollectionRecord,
    view: &View,
    place: Option<&Place>,
    may_scan: bool,
) -> Result<Plan> {
    let order = match place {
        Some(place) => Some(place.order.clone()),
        None => (!query.order.is_empty()).then(|| Order::Columns(query.order.clone())),
    };
    let scan_sorts = matches!(order, Some(Order::Columns(_) | Order::Rows(_)));
    let scan = |order: Option<Order>| Plan {
        access: Access::Scan,
        order: order.unwrap_or(Order::Ids),
        sorts: scan_sorts,
        used_columns: 0,
        exact: false,
    };
    if may_scan && matches!(order, Some(Order::Ids)) {
        return Ok(scan(order));
    }
    let mut best: Option<(u32, Plan)> = None;
    for index in &record.indexes {
        let Some((score, plan)) = consider(index, terms, order.as_ref(), view)? else { continue };
        if best.as_ref().is_none_or(|(found, _)| score > *found) {
            best = Some((score, plan));
        }
    }
    Ok(best.map_or_else(|| scan(order), |(_, plan)| plan))
}

/// What an index can do for the query, with a score to compare; `None` when it can do nothing.
fn consider(
    index: &Arc<IndexRecord>,
    terms: &[&Expression],
    order: Option<&Order>,
    view: &View,
) -> Result<Option<(u32, Plan)>> {
    let at = view.sequence()?;
    let definition = &index.definition;
    let mut narrowed = narrow(index, terms, at);
    let used_columns = narrowed.point_columns + usize::from(narrowed.bounds_next);
    // An index that spreads arrays has several rows for an entity, and no order of entities: it only serves what narrows it.
    if used_columns == 0 && (order.is_none() || definition.multi) {
        return Ok(None);
    }
    let arrays_from = keep_arrays(&mut narrowed, index, view, at)?;
    let is_way_of_page = matches!(order, Some(Order::Rows(rows)) if rows.is_of(index));
    let (walk, skip) = match order {
        None => (Some(Walk::Forward), 0),
        Some(Order::Rows(_)) if is_way_of_page => (Some(Walk::Forward), 0),
        Some(Order::Columns(columns)) if !definition.multi => {
            // Behind a column in which whole arrays are walked, rows are in no order of the columns after it.
            let fixed = narrowed.fixed_columns.min(arrays_from.unwrap_or(usize::MAX));
            walk_for(columns, &definition.columns, fixed).map_or((None, 0), |(walk, skip)| (Some(walk), skip))
        }
        _ => (None, 0),
    };
    let sorts = walk.is_none();
    if used_columns == 0 && sorts {
        return Ok(None);
    }
    let whole_key = narrowed.point_columns == definition.columns.len();
    let points = u32::try_from(narrowed.point_columns).unwrap_or(u32::MAX).saturating_mul(8);
    let score = 1_u32
        .saturating_add(points)
        .saturating_add(if narrowed.bounds_next { 4 } else { 0 })
        .saturating_add(if sorts { 0 } else { 2 })
        .saturating_add(if whole_key && definition.unique { 16 } else { 0 })
        .saturating_add(if is_way_of_page { 1 << 16 } else { 0 })
        // Rows of an index that spreads arrays may repeat an entity; all else equal, prefer the other.
        .saturating_add(u32::from(!definition.multi));
    let exact = narrowed.answered == terms.len() && arrays_from.is_none() && !narrowed.cut;
    let ranges: Arc<[Bounds]> = narrowed.ranges.into();
    let order = order.cloned().unwrap_or_else(|| Order::Rows(RowOrder::of(index, &ranges)));
    let head = fixed_head(index, terms, skip);
    let access = Access::Index { index: Arc::clone(index), ranges, walk: walk.unwrap_or(Walk::Forward), head };
    Ok(Some((score, Plan { access, order, sorts, used_columns, exact })))
}

/// Adds the ranges of whole arrays that hold any row. The first column that has one.
fn keep_arrays(narrowed: &mut Narrowed, index: &IndexRecord, view: &View, at: Sequence) -> Result<Option<usize>> {
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
