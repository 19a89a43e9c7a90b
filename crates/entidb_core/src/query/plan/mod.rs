//! How a query is answered: by what an index offers, in which order, or by looking at every entity.
//!
//! Always: planning reads no entity. Every plan gives the same answers; the cheapest known is taken. Where there is one way
//! only, or the first gives a few candidates, nothing is counted.
//! Does not know: what kinds of indexes there are, or how candidates become entities (`operators`).

mod cost;
mod explain;
mod merge;
mod sets;

use std::sync::Arc;

pub use explain::Explanation;

use crate::catalog::{CollectionRecord, IndexRecord};
use crate::error::{Error, ErrorCode, Result};
use crate::query::operators::Combination;
use crate::query::results::{Order, Place};
use crate::query::sources::{Access, ScanAccess};
use crate::query::{Expression, Query};
use crate::transaction::View;
use cost::Choice;

/// What an index is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The terms of the filter, all of which must hold.
    pub(crate) terms: &'a [&'a Expression],
    /// The order of the answers, where there is one to keep.
    pub(crate) order: Option<&'a Order>,
    pub(crate) view: &'a View,
}

/// What an index offers: candidates, among which every answer is.
#[derive(Debug)]
pub(crate) struct Offer {
    /// Of offers that seem to cost the same, the one with the greatest is taken.
    pub(crate) score: u32,
    /// The order of the answers: the one asked for, or else the one the candidates come in.
    pub(crate) order: Order,
    /// Whether the candidates must be sorted to have it.
    pub(crate) sorts: bool,
    /// Whether a term narrows the candidates; otherwise they are all entities.
    pub(crate) narrows: bool,
    /// Whether every candidate satisfies all terms, so that nothing is left to check.
    pub(crate) exact: bool,
    /// Whether it is taken before all others: the page before came on it, or it alone knows the scores.
    pub(crate) comes_first: bool,
    pub(crate) access: Box<dyn Access>,
}

/// A way to answer a query.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The indexes whose offers were taken; none for a scan.
    pub(crate) indexes: Vec<Arc<IndexRecord>>,
    /// How several are combined.
    pub(crate) combination: Option<Combination>,
    /// The indexes whose candidates are no answers.
    pub(crate) excluded: Vec<Arc<IndexRecord>>,
    pub(crate) offer: Offer,
    /// The way that is taken instead, where this one meets too few answers.
    pub(crate) instead: Option<Box<Instead>>,
}

/// Another way to the answers in the same order.
#[derive(Debug)]
pub(crate) struct Instead {
    /// How many candidates that are no answers are met before it is taken.
    pub(crate) misses: u64,
    pub(crate) plan: Plan,
}

impl Plan {
    /// True when every entity of the collection may be looked at: nothing narrows the candidates, and they are not read in the
    /// order of the answers up to a limit.
    pub(crate) fn is_scan(&self, query: &Query) -> bool {
        !(self.offer.narrows || self.instead.is_some() || self.gives_order() && query.is_bounded())
    }

    /// True when an index gives the answers one after the other, in the order asked for, with nothing left to check.
    pub(crate) fn gives_order(&self) -> bool {
        !self.indexes.is_empty() && self.offer.exact && !self.offer.sorts
    }
}

/// An offer with its index.
type Offered<'a> = (&'a Arc<IndexRecord>, Offer);

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
        None => (!query.order.is_empty()).then(|| Order::Columns(query.order.as_slice().into())),
    };
    let asked = Asked { terms, order: order.as_ref(), view };
    let mut offers = offers(record, &asked)?;
    if let Some(place) = offers.iter().position(|(_, offer)| offer.comes_first) {
        return Ok(Plan::of(offers.swap_remove(place)));
    }
    if matches!(order, Some(Order::Scores)) {
        let problem = "the page token is of ranked answers, and the index that ranked them is gone; ask anew";
        return Err(Error::new(ErrorCode::PageTokenInvalid, problem));
    }
    let narrows = offers.iter().any(|(_, offer)| offer.narrows);
    let choice = Choice { record, query, order: order.as_ref(), view, may_scan, narrows };
    Ok(cost::cheapest(&choice, &asked, offers)?.unwrap_or_else(|| scan(order)))
}

/// What the indexes offer: those that narrow first, and of those the greatest score.
fn offers<'a>(record: &'a CollectionRecord, asked: &Asked<'_>) -> Result<Vec<Offered<'a>>> {
    let mut offers: Vec<Offered<'a>> = Vec::new();
    for index in &record.indexes {
        if let Some(offer) = index.offer(asked)? {
            offers.push((index, offer));
        }
    }
    offers.sort_by_key(|(_, offer)| std::cmp::Reverse((offer.narrows, offer.score)));
    Ok(offers)
}

impl Plan {
    fn of((index, offer): Offered<'_>) -> Self {
        Self::of_indexes(vec![Arc::clone(index)], offer)
    }

    fn of_indexes(indexes: Vec<Arc<IndexRecord>>, offer: Offer) -> Self {
        Self { indexes, combination: None, excluded: Vec::new(), offer, instead: None }
    }

    /// The plan of indexes whose candidates are combined by `access`, which gives them in an order of its own.
    fn combined(
        choice: &Choice<'_>,
        how: Combination,
        indexes: Vec<Arc<IndexRecord>>,
        own: Order,
        exact: bool,
        access: Box<dyn Access>,
    ) -> Self {
        let sorts = choice.sorts(&own);
        let order = choice.order.cloned().unwrap_or(own);
        let offer = Offer { score: 0, order, sorts, narrows: true, exact, comes_first: false, access };
        Self { combination: Some(how), ..Self::of_indexes(indexes, offer) }
    }
}

/// Takes the offers at these places: their indexes, and the access of each.
fn taken(places: &[usize], offers: &mut [Option<Offered<'_>>]) -> (Vec<Arc<IndexRecord>>, Vec<Box<dyn Access>>) {
    let taken = places.iter().filter_map(|place| offers.get_mut(*place).and_then(Option::take));
    taken.map(|(index, offer)| (Arc::clone(index), offer.access)).unzip()
}

fn scan(order: Option<Order>) -> Plan {
    let sorts = !matches!(order, None | Some(Order::Ids));
    let order = order.unwrap_or(Order::Ids);
    let (narrows, exact, comes_first) = (false, false, false);
    let offer = Offer { score: 0, order, sorts, narrows, exact, comes_first, access: Box::new(ScanAccess) };
    Plan::of_indexes(Vec::new(), offer)
}
