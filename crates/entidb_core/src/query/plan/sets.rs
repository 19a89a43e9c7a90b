//! Ways that gather what several indexes offer: alternatives of which each has an index, and terms of which several have one.
//!
//! Always: nothing is gathered where one index alone, or a scan, seems to cost less. Does not know: how sets are combined
//! (`operators::sets`).

use std::sync::Arc;

use super::cost::{Choice, Cost, share};
use super::{Asked, Combination, Offered, Plan, offers, taken};
use crate::catalog::IndexRecord;
use crate::error::Result;
use crate::index::kind::RowCount;
use crate::query::Expression;
use crate::query::language::conjuncts;
use crate::query::operators::SetAccess;
use crate::query::results::Order;
use crate::query::sources::Access;

/// Alternatives of one term, at most.
const ALTERNATIVES_MAX: usize = 64;
/// Indexes that are intersected, at most.
const INTERSECTED_MAX: usize = 3;

/// What is gathered.
pub(super) enum Set {
    /// What any of these gives.
    Any(Union),
    /// What all offers at these places give, the one with the fewest candidates first.
    All(Vec<usize>),
}

/// What indexes offer for each alternative of a term.
pub(super) struct Union {
    parts: Vec<(Arc<IndexRecord>, Box<dyn Access>)>,
    /// Whether each candidate is an answer.
    is_exact: bool,
    /// About how many rows they have together.
    pub(super) rows: u64,
}

/// The sets there are for a query, of whose narrowing offers the candidates were counted.
pub(super) fn sets_of(
    choice: &Choice<'_>,
    offers: &[Offered<'_>],
    union: Option<Union>,
    rows: &[RowCount],
    entities: u64,
    answers: u64,
) -> Result<impl Iterator<Item = (Cost, Set)>> {
    let sorts = choice.sorts(&Order::Ids);
    let any = union.map(|union| (choice.of_set(union.rows, union.rows.min(entities), answers, sorts), Set::Any(union)));
    // An estimate may be far off. Counted rows are not, and if terms have to do with each other the intersection stops
    // when it does not pay.
    let mut counted: Vec<(u64, usize)> = Vec::new();
    // One alone is combined with nothing.
    let several = if rows.len() > 1 { rows } else { &[] };
    for (place, ((_, offer), rows)) in offers.iter().zip(several).enumerate() {
        counted.extend(choice.counted(&*offer.access, *rows)?.map(|rows| (rows, place)));
    }
    counted.sort_unstable();
    counted.truncate(INTERSECTED_MAX);
    let all = (counted.len() > 1).then(|| {
        let rows = counted.iter().map(|(rows, _)| *rows);
        let read = rows.clone().fold(0_u64, u64::saturating_add);
        let candidates = rows.fold(entities, |candidates, rows| share(candidates, rows, entities));
        let Cost { likely, most } = choice.of_set(read, candidates, candidates, sorts);
        // Gathering costs memory too.
        let cost = Cost { likely: likely.saturating_add(likely / 3), most: most.saturating_add(most / 3) };
        (cost, Set::All(counted.iter().map(|(_, place)| *place).collect()))
    });
    Ok(any.into_iter().chain(all))
}

/// What indexes offer for the first term that has alternatives of which each has an index.
pub(super) fn union_of(choice: &Choice<'_>, asked: &Asked<'_>) -> Result<Option<Union>> {
    for (place, term) in asked.terms.iter().enumerate() {
        let Expression::Or(alternatives) = term else { continue };
        if alternatives.is_empty() || alternatives.len() > ALTERNATIVES_MAX {
            continue;
        }
        let others = || asked.terms.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, term)| *term);
        let (mut parts, mut is_exact) = (Vec::with_capacity(alternatives.len()), true);
        for alternative in alternatives {
            let terms: Vec<&Expression> = conjuncts(alternative).into_iter().chain(others()).collect();
            let asked = Asked { terms: &terms, order: None, view: asked.view };
            let Some((index, offer)) = offers(choice.record, &asked)?.into_iter().find(|(_, offer)| offer.narrows)
            else {
                break;
            };
            is_exact &= offer.exact;
            parts.push((Arc::clone(index), offer.access));
        }
        if parts.len() == alternatives.len() {
            let mut rows = 0_u64;
            for (_, access) in &parts {
                rows = rows.saturating_add(choice.rows(&**access)?.rows);
            }
            return Ok(Some(Union { parts, is_exact, rows }));
        }
    }
    Ok(None)
}

/// The plan of a set.
pub(super) fn combined(choice: &Choice<'_>, set: Set, offers: &mut [Option<Offered<'_>>]) -> Plan {
    let (how, (indexes, parts), exact) = match set {
        Set::Any(Union { parts, is_exact, .. }) => (Combination::Any, parts.into_iter().unzip(), is_exact),
        // What is left where an intersection stops is of the first alone.
        Set::All(places) => (Combination::All, taken(&places, offers), false),
    };
    let access = Box::new(SetAccess { how, parts, may_scan: choice.may_scan });
    Plan::combined(choice, how, indexes, Order::Ids, exact, access)
}
