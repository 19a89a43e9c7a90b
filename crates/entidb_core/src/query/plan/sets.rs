//! Ways that combine what several indexes offer: alternatives of which each has an index, and terms of which several have one.
//!
//! Always: nothing is combined where one index alone, or a scan, seems to cost less. Does not know: how sets are combined
//! (`operators::sets`).

use std::sync::Arc;

use super::cost::Choice;
use super::{Asked, Offer, Offered, Plan, offers};
use crate::catalog::IndexRecord;
use crate::error::Result;
use crate::index::kind::RowCount;
use crate::query::Expression;
use crate::query::language::conjuncts;
use crate::query::operators::{Combination, SetAccess};
use crate::query::results::Order;
use crate::query::sources::Access;

/// Alternatives of one term, at most.
const ALTERNATIVES_MAX: usize = 64;
/// Indexes that are intersected, at most.
const INTERSECTED_MAX: usize = 3;

/// Whether there is more than one way.
pub(super) fn needs_costs(terms: &[&Expression], offers: &[Offered<'_>]) -> bool {
    let has_alternatives = terms.iter().any(|term| matches!(term, Expression::Or(_)));
    has_alternatives || offers.iter().filter(|(_, offer)| offer.narrows).nth(1).is_some()
}

/// A combination, with its cost.
pub(super) struct Set {
    cost: u64,
    parts: Parts,
}

enum Parts {
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
}

/// The combinations there are.
pub(super) struct Sets {
    any: Option<Set>,
    all: Option<Set>,
    /// About how many answers there are.
    answers: u64,
}

impl Sets {
    /// The combinations for a query, of whose narrowing offers the candidates were counted.
    pub(super) fn of(choice: &Choice<'_>, union: Option<Union>, rows: &[RowCount], entities: u64) -> Result<Self> {
        let sorts = choice.sorts_sets();
        // As if terms had nothing to do with each other.
        let share = |answers: u64, rows: &RowCount| answers.saturating_mul(rows.rows) / entities.max(1);
        let mut answers = rows.iter().fold(entities, share);
        let any = match union {
            None => None,
            Some(Union { parts, is_exact }) => {
                let rows: Vec<u64> =
                    parts.iter().map(|(_, access)| choice.rows(&**access).map(|it| it.rows)).collect::<Result<_>>()?;
                let sum = rows.iter().fold(0_u64, |sum, rows| sum.saturating_add(*rows));
                let candidates = sum.min(entities);
                answers = answers.min(candidates);
                let cost = choice.of_set(sum, candidates, answers, sorts);
                Some(Set { cost, parts: Parts::Any(Union { parts, is_exact }) })
            }
        };
        // An estimate may be far off. Counted rows are not, and if terms have to do with each other the intersection stops
        // when it does not pay.
        let mut places: Vec<usize> =
            (0..rows.len()).filter(|place| rows.get(*place).is_some_and(|it| it.is_exact)).collect();
        places.sort_by_key(|place| rows.get(*place).map_or(0, |rows| rows.rows));
        places.truncate(INTERSECTED_MAX);
        let all = (places.len() > 1).then(|| {
            let rows = places.iter().filter_map(|place| rows.get(*place));
            let read = rows.clone().fold(0_u64, |sum, rows| sum.saturating_add(rows.rows));
            let candidates = rows.fold(entities, share);
            let cost = choice.of_set(read, candidates, candidates, sorts);
            Set { cost: cost.saturating_add(cost / 3), parts: Parts::All(places) }
        });
        Ok(Self { any, all, answers })
    }

    /// About how many answers there are.
    pub(super) fn answers(&self) -> u64 {
        self.answers
    }

    /// The cheapest combination, where it is cheaper than another way.
    pub(super) fn cheaper_than(self, others: u64) -> Option<Set> {
        self.any.into_iter().chain(self.all).min_by_key(|set| set.cost).filter(|set| set.cost < others)
    }
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
            return Ok(Some(Union { parts, is_exact }));
        }
    }
    Ok(None)
}

/// The plan of a combination.
pub(super) fn combined(choice: &Choice<'_>, set: Set, offers: Vec<Offered<'_>>) -> Plan {
    let (how, parts, exact) = match set.parts {
        Parts::Any(Union { parts, is_exact }) => (Combination::Any, parts, is_exact),
        Parts::All(places) => {
            let mut offers: Vec<Option<Offered<'_>>> = offers.into_iter().map(Some).collect();
            let taken = places.iter().filter_map(|place| offers.get_mut(*place).and_then(Option::take));
            // What is left where an intersection stops is of the first alone.
            (Combination::All, taken.map(|(index, offer)| (Arc::clone(index), offer.access)).collect(), false)
        }
    };
    let (indexes, parts): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let order = choice.order.cloned().unwrap_or(Order::Ids);
    let access = Box::new(SetAccess { how, parts, may_scan: choice.may_scan });
    let (score, sorts, narrows, continues) = (0, choice.sorts_sets(), true, false);
    Plan { indexes, combination: Some(how), offer: Offer { score, order, sorts, narrows, exact, continues, access } }
}
