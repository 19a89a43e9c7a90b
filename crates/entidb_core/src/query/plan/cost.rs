//! What ways cost, by how many candidates they have.
//!
//! Always: costs are counted in rows of an index that are read. Counting stops where it would cost more than it can save.
//! Does not know: kinds of indexes.

use super::merge::{Merged, excluded, merge_of};
use super::sets::{Set, combined, sets_of, union_of};
use super::{Asked, Instead, Offered, Plan};
use crate::catalog::CollectionRecord;
use crate::error::Result;
use crate::index::kind::RowCount;
use crate::query::operators::FETCH_COST;
use crate::query::results::Order;
use crate::query::sources::Access;
use crate::query::{Expression, Query};
use crate::transaction::View;

/// A way with at most this number of candidates is taken without a look at the others.
const FEW: u64 = 8;
/// Candidates that are counted for each way. Beyond, they are estimated.
const COUNTED: u64 = 32;
/// Candidates that are counted for each way where a set of ids is gathered, and an estimate is not good enough for that.
const COUNTED_FOR_SETS: u64 = 2048;
/// They are not counted where at most this number of answers is wanted.
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

/// What a way costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// Up to the last answer that is wanted, if those are spread evenly over the candidates.
    pub(super) likely: u64,
    /// With all candidates.
    pub(super) most: u64,
}

impl Choice<'_> {
    /// About how many candidates a way has.
    pub(super) fn rows(&self, access: &dyn Access) -> Result<RowCount> {
        access.estimate(self.view, self.record.id, COUNTED)
    }

    /// How many candidates a way has whose ids are to be gathered, which an estimate is not good enough for; none where
    /// that is not counted.
    pub(super) fn counted(&self, access: &dyn Access, rows: RowCount) -> Result<Option<u64>> {
        if rows.is_exact {
            return Ok(Some(rows.rows));
        }
        // Postings are merged without being gathered.
        let is_few = self.wanted().is_some_and(|wanted| wanted <= FEW_ANSWERS);
        if is_few || access.has_postings() || rows.rows > 2 * COUNTED_FOR_SETS {
            return Ok(None);
        }
        let counted = access.estimate(self.view, self.record.id, COUNTED_FOR_SETS)?;
        Ok(counted.is_exact.then_some(counted.rows))
    }

    /// Whether the answers are to come in the order of ids, in which a scan has them.
    pub(super) fn is_scan_by_id(&self) -> bool {
        self.may_scan && matches!(self.order, Some(Order::Ids))
    }

    /// Whether candidates that come in an order of their own must be sorted.
    pub(super) fn sorts(&self, own: &Order) -> bool {
        match (self.order, own) {
            (None, _) | (Some(Order::Ids), Order::Ids) | (Some(Order::Ordinals), Order::Ordinals) => false,
            (Some(_), _) => true,
        }
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

    /// The cost of `each` for every candidate, and of sorting the answers among them.
    fn of_candidates(&self, each: u64, candidates: u64, answers: u64, sorts: bool) -> Cost {
        let all = candidates.saturating_mul(each);
        match self.wanted() {
            Some(wanted) if !sorts => {
                let looked_at = candidates.min(wanted.saturating_mul(candidates.div_ceil(answers.max(1))));
                Cost { likely: looked_at.saturating_mul(each), most: all }
            }
            wanted => {
                // What was sorted is read once more, as far as it is wanted.
                let read_again = if sorts { answers.min(wanted.unwrap_or(answers)) } else { 0 };
                let most = all.saturating_add(read_again.saturating_mul(FETCH_COST));
                Cost { likely: most, most }
            }
        }
    }

    /// The cost of reading rows, and their entities one by one.
    pub(super) fn of_index(&self, rows: u64, answers: u64, sorts: bool) -> Cost {
        self.of_candidates(1 + FETCH_COST, rows, answers, sorts)
    }

    /// The cost of reading all rows first, and then the candidates among them as entities.
    pub(super) fn of_set(&self, rows: u64, candidates: u64, answers: u64, sorts: bool) -> Cost {
        let Cost { likely, most } = self.of_candidates(FETCH_COST, candidates, answers, sorts);
        Cost { likely: rows.saturating_add(likely), most: rows.saturating_add(most) }
    }

    /// The cost of candidates that come one by one. `looking` is the cost of finding all of them, without reading them.
    pub(super) fn of_merge(&self, looking: u64, candidates: u64, answers: u64, sorts: bool) -> Cost {
        let each = FETCH_COST.saturating_add(looking / candidates.max(1));
        self.of_candidates(each, candidates, answers, sorts)
    }

    /// The cost of looking at every entity until the answers are found.
    fn of_scan(&self, entities: u64, answers: u64) -> Cost {
        self.of_candidates(SCAN_COST, entities, answers, self.sorts(&Order::Ids))
    }
}

/// A way, before it is a plan.
enum Way {
    /// The index at this place.
    Index(usize),
    Set(Set),
    Merge(Merged),
    Scan,
}

impl Way {
    /// Whether it needs the index at this place.
    fn uses(&self, place: usize) -> bool {
        match self {
            Self::Index(used) => *used == place,
            Self::Set(Set::All(places)) => places.contains(&place),
            Self::Merge(merged) => merged.all.contains(&place),
            Self::Set(Set::Any(_)) | Self::Scan => false,
        }
    }
}

/// The way that costs least; none for a scan.
pub(super) fn cheapest(choice: &Choice<'_>, asked: &Asked<'_>, mut offers: Vec<Offered<'_>>) -> Result<Option<Plan>> {
    // Those that narrow come first, and of those the greatest score.
    let narrowing = offers.iter().filter(|(_, offer)| offer.narrows).count();
    let walk = walk(choice, &offers, narrowing);
    let is_alone = offers.len() < 2 || narrowing < 2 && walk.is_none();
    // Where there is one way only, nothing is counted.
    if is_alone && !may_combine(asked.terms) {
        // A scan gives ids in their order, and goes on where the page before ended.
        let only = offers.into_iter().next().filter(|_| !choice.is_scan_by_id());
        return Ok(only.map(Plan::of));
    }
    let entities = choice.view.entity_count(choice.record.id)?;
    let mut rows = Vec::with_capacity(narrowing);
    for place in 0..narrowing {
        let Some((_, offer)) = offers.get(place) else { break };
        let RowCount { rows: found, is_exact } = choice.rows(&*offer.access)?;
        if is_exact && found <= FEW && !choice.is_scan_by_id() {
            return Ok(Some(Plan::of(offers.swap_remove(place))));
        }
        rows.push(RowCount { rows: found.min(entities), is_exact });
    }
    let mut ways = ways(choice, asked, &offers, &rows, entities, walk)?;
    let least = ways.iter().enumerate().min_by_key(|(_, (cost, _))| cost.likely);
    let Some(place) = least.map(|(place, _)| place) else { return Ok(None) };
    let (cost, way) = ways.swap_remove(place);
    let mut offers: Vec<Option<Offered<'_>>> = offers.into_iter().map(Some).collect();
    let walked = if let Way::Index(place) = way { Some(place) } else { None };
    let Some(mut plan) = planned(choice, way, &mut offers) else { return Ok(None) };
    // A walk in the order of the answers may meet none for long. Then it is left for the way that costs least to its end.
    if let Some(walked) = walked
        && choice.order.is_some()
        && !plan.offer.sorts
        && cost.likely < cost.most
    {
        let others = ways.into_iter().filter(|(other, way)| other.most < cost.most && !way.uses(walked));
        if let Some((other, way)) = others.min_by_key(|(other, _)| other.most)
            && let Some(other_plan) = planned(choice, way, &mut offers)
        {
            plan.instead = Some(Box::new(Instead { misses: other.most / (1 + FETCH_COST), plan: other_plan }));
        }
    }
    Ok(Some(plan))
}

/// Whether terms may be served by several indexes, or rule out what one has.
fn may_combine(terms: &[&Expression]) -> bool {
    terms.iter().any(|term| matches!(term, Expression::Or(_) | Expression::Not(_)))
}

/// The ways that may be the cheapest, with what they cost. Of equal ones the first is taken.
fn ways(
    choice: &Choice<'_>,
    asked: &Asked<'_>,
    offers: &[Offered<'_>],
    rows: &[RowCount],
    entities: u64,
    walk: Option<usize>,
) -> Result<Vec<(Cost, Way)>> {
    let narrowing = rows.len();
    let union = union_of(choice, asked)?;
    let excluded = excluded(choice, asked)?;
    let none = Cost { likely: 0, most: 0 };
    if union.is_none() && narrowing < 2 && (narrowing == 0 || excluded.is_empty() && walk.is_none()) {
        let only = if choice.is_scan_by_id() || offers.is_empty() { Way::Scan } else { Way::Index(0) };
        return Ok(vec![(none, only)]);
    }
    // As if terms had nothing to do with each other.
    let mut answers = rows.iter().fold(entities, |answers, rows| share(answers, rows.rows, entities));
    for excluded in &excluded {
        answers = share(answers, entities.saturating_sub(excluded.rows), entities);
    }
    if let Some(union) = &union {
        answers = answers.min(union.rows);
    }
    let mut ways = Vec::new();
    if !choice.is_scan_by_id() {
        for (place, ((_, offer), rows)) in offers.iter().zip(rows).enumerate() {
            ways.push((choice.of_index(rows.rows, answers, offer.sorts), Way::Index(place)));
        }
        if let Some(place) = walk {
            ways.push((choice.of_index(entities, answers, false), Way::Index(place)));
        } else if narrowing == 0 && !offers.is_empty() {
            // What narrows nothing gives the order.
            ways.push((choice.of_index(entities, answers, false), Way::Index(0)));
        }
    }
    if ways.is_empty() && choice.may_scan {
        ways.push((choice.of_scan(entities, answers), Way::Scan));
    }
    if let Some((cost, merged)) = merge_of(choice, offers, rows, excluded, entities, answers) {
        ways.push((cost, Way::Merge(merged)));
    }
    let sets = sets_of(choice, offers, union, rows, entities, answers)?;
    ways.extend(sets.map(|(cost, set)| (cost, Way::Set(set))));
    Ok(ways)
}

/// How many of the answers are left by a term that holds for `holding` of all entities.
pub(super) fn share(answers: u64, holding: u64, entities: u64) -> u64 {
    answers.saturating_mul(holding) / entities.max(1)
}

/// The index that gives the answers in their order, with a filter, where a few of them are asked for.
fn walk(choice: &Choice<'_>, offers: &[Offered<'_>], narrowing: usize) -> Option<usize> {
    let is_wanted = choice.may_scan && choice.order.is_some() && choice.wanted().is_some();
    let gives_order = |(_, (_, offer)): &(usize, &Offered<'_>)| !offer.narrows && !offer.sorts;
    offers.iter().enumerate().skip(narrowing).find(gives_order).map(|(place, _)| place).filter(|_| is_wanted)
}

/// The plan of a way; none for a scan.
fn planned(choice: &Choice<'_>, way: Way, offers: &mut [Option<Offered<'_>>]) -> Option<Plan> {
    match way {
        Way::Index(place) => offers.get_mut(place).and_then(Option::take).map(Plan::of),
        Way::Set(set) => Some(combined(choice, set, offers)),
        Way::Merge(merged) => Some(merged.plan(choice, offers)),
        Way::Scan => None,
    }
}
