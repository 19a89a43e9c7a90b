//! Ways that merge postings: terms of which several have an index with postings, and terms that rule out what one gives.
//!
//! Always: nothing is merged where it seems to save less than it costs. Does not know: how postings are merged
//! (`operators::merge`).

use std::sync::Arc;

use super::cost::{Choice, Cost, share};
use super::{Asked, Combination, Offer, Offered, Plan, offers, taken};
use crate::catalog::IndexRecord;
use crate::error::Result;
use crate::index::kind::RowCount;
use crate::query::Expression;
use crate::query::operators::{FETCH_COST, MergeAccess, SEEK_COST};
use crate::query::results::Order;
use crate::query::sources::Access;

/// Indexes that are merged, at most, and those that rule out.
const ALL_MAX: usize = 3;
const EXCLUDED_MAX: usize = 2;

/// What an index gives and no answer is among.
pub(super) struct Excluded {
    index: Arc<IndexRecord>,
    access: Box<dyn Access>,
    pub(super) rows: u64,
}

/// What the indexes give that are to be merged.
pub(super) struct Merged {
    /// Places of offers, the one with the fewest candidates first.
    pub(super) all: Vec<usize>,
    none: Vec<Excluded>,
}

/// What terms rule out that an index has exactly, as postings.
pub(super) fn excluded(choice: &Choice<'_>, asked: &Asked<'_>) -> Result<Vec<Excluded>> {
    let mut excluded = Vec::new();
    for term in asked.terms {
        let Expression::Not(inner) = term else { continue };
        let asked = Asked { terms: &[inner], order: None, view: asked.view };
        let serves = |offer: &Offer| offer.narrows && offer.exact && offer.access.has_postings();
        if let Some((index, offer)) = offers(choice.record, &asked)?.into_iter().find(|(_, offer)| serves(offer)) {
            let rows = choice.rows(&*offer.access)?.rows;
            excluded.push(Excluded { index: Arc::clone(index), access: offer.access, rows });
        }
    }
    Ok(excluded)
}

/// The merge that costs least, where there is one.
pub(super) fn merge_of(
    choice: &Choice<'_>,
    offers: &[Offered<'_>],
    rows: &[RowCount],
    excluded: Vec<Excluded>,
    entities: u64,
    answers: u64,
) -> Option<(Cost, Merged)> {
    let has_postings = |place: &usize| offers.get(*place).is_some_and(|(_, offer)| offer.access.has_postings());
    let rows_at = |place: &usize| rows.get(*place).map_or(0, |rows| rows.rows);
    let mut places: Vec<usize> = (0..rows.len()).filter(has_postings).collect();
    places.sort_by_key(rows_at);
    let mut others = places.into_iter();
    let first = others.next()?;
    let mut candidates = rows_at(&first);
    let mut looking = candidates;
    let mut all = vec![first];
    // Walking beside the first, or jumping.
    let asking = |candidates: u64, rows: u64| candidates.saturating_mul(SEEK_COST).min(candidates.saturating_add(rows));
    let mut pays = |rows: u64, kept: u64, candidates: &mut u64| {
        let (cost, saved) = (asking(*candidates, rows), candidates.saturating_sub(kept).saturating_mul(FETCH_COST));
        let pays = saved > cost;
        if pays {
            looking = looking.saturating_add(cost);
            *candidates = kept;
        }
        pays
    };
    for place in others.take(ALL_MAX - 1) {
        let rows = rows_at(&place);
        if pays(rows, share(candidates, rows, entities), &mut candidates) {
            all.push(place);
        }
    }
    let mut none = Vec::new();
    for excluded in excluded.into_iter().take(EXCLUDED_MAX) {
        let kept = share(candidates, entities.saturating_sub(excluded.rows), entities);
        if pays(excluded.rows, kept, &mut candidates) {
            none.push(excluded);
        }
    }
    if all.len() + none.len() < 2 {
        return None;
    }
    let cost = choice.of_merge(looking, candidates, answers, choice.sorts(&Order::Ordinals));
    Some((cost, Merged { all, none }))
}

impl Merged {
    /// The plan of the merge.
    pub(super) fn plan(self, choice: &Choice<'_>, offers: &mut [Option<Offered<'_>>]) -> Plan {
        let (indexes, all) = taken(&self.all, offers);
        let (excluded, none): (Vec<_>, Vec<_>) = self.none.into_iter().map(|it| (it.index, it.access)).unzip();
        let access = Box::new(MergeAccess { all, none });
        Plan { excluded, ..Plan::combined(choice, Combination::All, indexes, Order::Ordinals, false, access) }
    }
}
