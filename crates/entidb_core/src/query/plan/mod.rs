//! How a query is answered: by what an index offers, in which order, or by looking at every entity.
//!
//! Always: planning reads no entity. Every plan gives the same answers; the cheapest known is taken.
//! Does not know: what kinds of indexes there are, or how candidates become entities (`operators`).

mod explain;

use std::sync::Arc;

pub use explain::Explanation;

use crate::catalog::{CollectionRecord, IndexRecord};
use crate::error::Result;
use crate::query::results::{Order, Place};
use crate::query::sources::{Access, ScanAccess};
use crate::query::{Expression, Query};
use crate::transaction::View;

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
    /// The greatest is taken.
    pub(crate) score: u32,
    /// The order of the answers: the one asked for, or else the one the candidates come in.
    pub(crate) order: Order,
    /// Whether the candidates must be sorted to have it.
    pub(crate) sorts: bool,
    /// Whether a term narrows the candidates; otherwise they are all entities.
    pub(crate) narrows: bool,
    /// Whether every candidate satisfies all terms, so that nothing is left to check.
    pub(crate) exact: bool,
    pub(crate) access: Box<dyn Access>,
}

/// A way to answer a query.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The index whose offer was taken; none for a scan.
    pub(crate) index: Option<Arc<IndexRecord>>,
    pub(crate) offer: Offer,
}

impl Plan {
    /// True when every entity of the collection may be looked at: nothing narrows the candidates, and they are not read in the
    /// order of the answers up to a limit.
    pub(crate) fn is_scan(&self, query: &Query) -> bool {
        !(self.offer.narrows || self.gives_order() && query.is_bounded())
    }

    /// True when an index gives the answers one after the other, in the order asked for, with nothing left to check.
    pub(crate) fn gives_order(&self) -> bool {
        self.index.is_some() && self.offer.exact && !self.offer.sorts
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
        None => (!query.order.is_empty()).then(|| Order::Columns(query.order.as_slice().into())),
    };
    if may_scan && matches!(order, Some(Order::Ids)) {
        return Ok(scan(order));
    }
    let asked = Asked { terms, order: order.as_ref(), view };
    let mut best: Option<(&Arc<IndexRecord>, Offer)> = None;
    for index in &record.indexes {
        let Some(offer) = index.offer(&asked)? else { continue };
        if best.as_ref().is_none_or(|(_, found)| offer.score > found.score) {
            best = Some((index, offer));
        }
    }
    Ok(match best {
        Some((index, offer)) => Plan { index: Some(Arc::clone(index)), offer },
        None => scan(order),
    })
}

fn scan(order: Option<Order>) -> Plan {
    let sorts = matches!(order, Some(Order::Columns(_) | Order::Rows(_)));
    let order = order.unwrap_or(Order::Ids);
    let offer = Offer { score: 0, order, sorts, narrows: false, exact: false, access: Box::new(ScanAccess) };
    Plan { index: None, offer }
}
