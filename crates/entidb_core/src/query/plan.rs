//! How a query is answered: by which index, in which order, or by looking at every entity.
//!
//! Always: planning reads no entity. Every plan gives the same answers; the cheapest known is taken.
//! Does not know: how rows become entities (`source`).

use std::sync::Arc;

use entidb_codec::Direction;
use entidb_codec::ordered::Bounds;
use entidb_engine::{Direction as Walk, Sequence};

use super::ranges::{Narrowed, conjuncts, narrow, sort_and_merge};
use super::token::Place;
use super::{Expression, Query};
use crate::catalog::{CollectionRecord, Column, IndexRecord};
use crate::error::{Error, ErrorCode, Result};
use crate::transaction::View;

/// Where rows come from.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    /// Every entity, in the order of ids.
    Scan,
    /// Rows of an index.
    Index { index: Arc<IndexRecord>, ranges: Vec<Bounds>, walk: Walk },
}

/// A way to answer a query.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) access: Access,
    /// Whether rows must be gathered and sorted.
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

/// Chooses the way. A page token binds the choice to the way its page was found.
pub(crate) fn plan(query: &Query, record: &CollectionRecord, view: &View, place: Option<&Place>) -> Result<Plan> {
    let terms = conjuncts(&query.filter);
    let mut best: Option<(u32, Plan)> = None;
    for index in &record.indexes {
        if let Some(Place::Row { index: wanted, .. }) = place
            && *wanted != index.id
        {
            continue;
        }
        let Some((score, plan)) = consider(query, index, &terms, view)? else { continue };
        let fits = match place {
            None => true,
            Some(Place::Row { .. }) => !plan.sorts,
            Some(Place::Sorted { .. }) => plan.sorts,
            Some(Place::Entity { .. }) => false,
        };
        if fits && best.as_ref().is_none_or(|(found, _)| score > *found) {
            best = Some((score, plan));
        }
    }
    if let Some((_, plan)) = best {
        return Ok(plan);
    }
    let scan = Plan { access: Access::Scan, sorts: !query.order.is_empty(), used_columns: 0, exact: false };
    let fits = match place {
        None => true,
        Some(Place::Entity { .. }) => !scan.sorts,
        Some(Place::Sorted { .. }) => scan.sorts,
        Some(Place::Row { .. }) => false,
    };
    if fits {
        return Ok(scan);
    }
    let problem = "the page token belongs to another query, or to an index that is gone; begin again without it";
    Err(Error::new(ErrorCode::PageTokenInvalid, problem))
}

/// What an index can do for the query, with a score to compare; `None` when it can do nothing.
fn consider(
    query: &Query,
    index: &Arc<IndexRecord>,
    terms: &[&Expression],
    view: &View,
) -> Result<Option<(u32, Plan)>> {
    let at = view.sequence()?;
    let mut narrowed = narrow(index, terms, at);
    let used_columns = narrowed.point_columns + usize::from(narrowed.bounds_next);
    // An index that spreads arrays has several rows for an entity, and no order of entities: it only serves what narrows it.
    if used_columns == 0 && (query.order.is_empty() || index.definition.multi) {
        return Ok(None);
    }
    let has_arrays = keep_arrays(&mut narrowed, index, view, at)?;
    let order = if index.definition.multi || has_arrays {
        None
    } else {
        walk_for(&query.order, &index.definition.columns, narrowed.fixed_columns)
    };
    let sorts = !query.order.is_empty() && order.is_none();
    if used_columns == 0 && sorts {
        return Ok(None);
    }
    let whole_key = narrowed.point_columns == index.definition.columns.len();
    let points = u32::try_from(narrowed.point_columns).unwrap_or(u32::MAX).saturating_mul(8);
    let score = 1_u32
        .saturating_add(points)
        .saturating_add(if narrowed.bounds_next { 4 } else { 0 })
        .saturating_add(if sorts { 0 } else { 2 })
        .saturating_add(if whole_key && index.definition.unique { 16 } else { 0 })
        // Rows of an index that spreads arrays may repeat an entity; all else equal, prefer the other.
        .saturating_add(u32::from(!index.definition.multi));
    let exact = narrowed.answered == terms.len() && !has_arrays;
    let walk = order.unwrap_or(Walk::Forward);
    let access = Access::Index { index: Arc::clone(index), ranges: narrowed.ranges, walk };
    Ok(Some((score, Plan { access, sorts, used_columns, exact })))
}

/// Adds the ranges of whole arrays that hold any row; true when there was one.
fn keep_arrays(narrowed: &mut Narrowed, index: &IndexRecord, view: &View, at: Sequence) -> Result<bool> {
    let mut found = false;
    for (column, range) in std::mem::take(&mut narrowed.arrays) {
        let end = range.end.as_deref().unwrap_or(&[0xff]);
        if view.range(&range.start, end, Walk::Forward)?.advance()? {
            found = true;
            narrowed.ranges.push(range);
        } else if column == 0 && matches!(view, View::Read(_)) {
            // Nothing stands before the first column, so this was the whole index. A write transaction may have removed
            // rows that others still see.
            index.whole_arrays.were_absent(column, at);
        }
    }
    if found {
        sort_and_merge(&mut narrowed.ranges);
    }
    Ok(found)
}

/// The direction in which walking the index gives the order asked for, if one does.
///
/// The order must name all columns that are not fixed to one value, so that ties come in the order of ordinals, exactly
/// as sorting leaves them.
fn walk_for(order: &[Column], columns: &[Column], fixed: usize) -> Option<Walk> {
    if order.is_empty() {
        return None;
    }
    let serves = |flip: bool| {
        (0..=fixed).any(|skip| {
            let rest = columns.get(skip..).unwrap_or(&[]);
            rest.len() == order.len()
                && rest.iter().zip(order).all(|(column, wanted)| {
                    column.path == wanted.path && (column.direction == wanted.direction) != flip
                })
        })
    };
    if serves(false) {
        Some(Walk::Forward)
    } else if serves(true) {
        Some(Walk::Reverse)
    } else {
        None
    }
}

/// The direction of ties under an order: that of its last column.
pub(crate) fn ties_descend(order: &[Column]) -> bool {
    order.last().is_some_and(|column| column.direction == Direction::Descending)
}
