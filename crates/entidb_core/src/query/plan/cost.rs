//! What ways cost, by how many candidates they have.
//!
//! Always: costs are counted in rows of an index that are read. Counting stops where it would cost more than it can save.
//! Does not know: kinds of indexes.

use super::sets::{Sets, combined, union_of};
use super::{Asked, Offered, Plan};
use crate::catalog::CollectionRecord;
use crate::error::Result;
use crate::index::kind::RowCount;
use crate::query::Query;
use crate::query::operators::FETCH_COST;
use crate::query::results::Order;
use crate::query::sources::Access;
use crate::transaction::View;

/// So few candidates are taken without asking whether another way has fewer.
const FEW: u64 = 8;
/// Candidates counted for each way where all answers are wanted, and where a few are.
const COUNTED: u64 = 2048;
const COUNTED_FOR_FEW: u64 = 64;
/// So many answers are a few.
const FEW_ANSWERS: u64 = 100;
/// What an entity costs that is read in the order of ids.
const SCAN_COST: u64 = 3;

/// What ways are chosen for.
pub(super) struct Choice<'a> {
    pub(super) record: &'a CollectionRecord,
    pub(super) query: &'a Query,
    pub(super) order: Option<&'a Order>,
    pub(super) view: &'a View,
    pub(super) may_scan: bool,
    /// Whether an index alone narrows the candidates.
    pub(super) narrows: bool,
}

impl Choice<'_> {
    /// About how many candidates a way has.
    pub(super) fn rows(&self, access: &dyn Access) -> Result<RowCount> {
        let is_few = self.wanted().is_some_and(|wanted| wanted <= FEW_ANSWERS);
        access.estimate(self.view, self.record.id, if is_few { COUNTED_FOR_FEW } else { COUNTED })
    }

    /// Whether a way has few candidates.
    fn has_few(&self, access: &dyn Access) -> Result<bool> {
        let rows = access.estimate(self.view, self.record.id, FEW + 1)?;
        Ok(rows.is_exact)
    }

    /// Whether the answers are to come in the order of ids, in which a scan has them.
    pub(super) fn is_scan_by_id(&self) -> bool {
        self.may_scan && matches!(self.order, Some(Order::Ids))
    }

    /// Whether candidates that come in the order of ids must be sorted.
    pub(super) fn sorts_sets(&self) -> bool {
        !matches!(self.order, None | Some(Order::Ids))
    }

    /// The most answers that are looked for, where that is bounded and may decide. Without an order the answers come in that of
    /// the way, so the first of them must not depend on how many are asked for. A combination and a scan have the same order.
    pub(super) fn wanted(&self) -> Option<u64> {
        if self.order.is_none() && self.narrows {
            return None;
        }
        let Query { limit, page, offset, .. } = self.query;
        let most = match (limit, page) {
            (Some(limit), Some(page)) => Some((*limit).min(*page)),
            (limit, page) => limit.or(*page),
        };
        most.map(|most| most.saturating_add(*offset).saturating_add(1))
    }

    /// About how many of so many candidates are looked at, of which so many are answers.
    fn looked_at(&self, rows: u64, answers: u64, sorts: bool) -> u64 {
        match self.wanted() {
            Some(wanted) if !sorts => rows.min(wanted.saturating_mul(rows.div_ceil(answers.max(1)))),
            _ => rows,
        }
    }

    /// The cost of reading so many candidates as entities, of which so many are answers.
    pub(super) fn of_index(&self, rows: u64, answers: u64, sorts: bool) -> u64 {
        self.looked_at(rows, answers, sorts).saturating_mul(1 + FETCH_COST)
    }

    /// The cost of reading so many rows first, and then so many candidates of them as entities.
    pub(super) fn of_set(&self, rows: u64, candidates: u64, answers: u64, sorts: bool) -> u64 {
        rows.saturating_add(self.looked_at(candidates, answers, sorts).saturating_mul(FETCH_COST))
    }

    /// The cost of looking at every entity until the answers are found.
    pub(super) fn of_scan(&self, entities: u64, answers: u64, sorts: bool) -> u64 {
        self.looked_at(entities, answers, sorts).saturating_mul(SCAN_COST)
    }
}

/// The way that costs least; none for a scan.
pub(super) fn cheapest(choice: &Choice<'_>, asked: &Asked<'_>, mut offers: Vec<Offered<'_>>) -> Result<Option<Plan>> {
    let narrowing = offers.iter().take_while(|(_, offer)| offer.narrows).count();
    if !choice.is_scan_by_id() {
        // Those of greater score come first.
        for place in 0..narrowing {
            if let Some((_, offer)) = offers.get(place)
                && choice.has_few(&*offer.access)?
            {
                return Ok(Some(Plan::of(offers.swap_remove(place))));
            }
        }
    }
    let union = union_of(choice, asked)?;
    if union.is_none() && narrowing < 2 {
        let only = if choice.is_scan_by_id() { None } else { offers.into_iter().next() };
        return Ok(only.map(Plan::of));
    }
    let entities = choice.view.entity_count(choice.record.id)?;
    let mut rows = Vec::with_capacity(narrowing);
    for (_, offer) in offers.iter().take(narrowing) {
        let RowCount { rows: found, is_exact } = choice.rows(&*offer.access)?;
        rows.push(RowCount { rows: found.min(entities), is_exact });
    }
    let sets = Sets::of(choice, union, &rows, entities)?;
    let answers = sets.answers();
    let costs = offers.iter().zip(&rows).map(|((_, offer), rows)| {
        let sorting = if offer.sorts { answers.saturating_mul(FETCH_COST) } else { 0 };
        choice.of_index(rows.rows, answers, offer.sorts).saturating_add(sorting)
    });
    let alone = if choice.is_scan_by_id() { None } else { costs.enumerate().min_by_key(|(_, cost)| *cost) };
    let others = match alone {
        Some((_, cost)) => cost,
        None if !choice.may_scan => u64::MAX,
        // What narrows nothing gives the order.
        None if !choice.is_scan_by_id() && !offers.is_empty() => choice.of_index(entities, answers, false),
        None => choice.of_scan(entities, answers, choice.sorts_sets()),
    };
    if let Some(set) = sets.cheaper_than(others) {
        return Ok(Some(combined(choice, set, offers)));
    }
    let place = alone.map_or(0, |(place, _)| place);
    Ok(if choice.is_scan_by_id() || place >= offers.len() { None } else { Some(Plan::of(offers.swap_remove(place))) })
}
