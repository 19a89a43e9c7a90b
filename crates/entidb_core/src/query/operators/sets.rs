//! Several sources as one: entities that any of them gives, or that all of them give.
//!
//! Always: each entity comes once, in the order of ids. Reading ids costs no document. Where ids would take too much memory
//! all entities come, and where intersecting would cost more than it saves some that are no answers; never fewer than the
//! answers.
//! Does not know: whether an entity is an answer, or what kinds of indexes the sources are of.

use std::collections::VecDeque;

use entidb_engine::interrupt;

use super::fetch::ids_of;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, EntityId, Home};
use crate::index::kind::RowCount;
use crate::query::sources::{Access, Candidate, Opening, ScanAccess, Source, Walked, Who};
use crate::transaction::View;

/// How many candidates are read at once.
const BATCH: usize = 256;

/// What reading an entity costs, counted in candidates of a source that reads none.
pub(crate) const FETCH_COST: u64 = 8;

/// How sources are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combination {
    /// What any of them gives.
    Any,
    /// What all of them give. The first should be the one that gives least.
    All,
}

/// Sources of one collection, combined.
#[derive(Debug)]
pub(crate) struct SetAccess {
    pub(crate) how: Combination,
    pub(crate) parts: Vec<Box<dyn Access>>,
    /// Whether every entity may be looked at, where the ids take too much memory.
    pub(crate) may_scan: bool,
}

impl Access for SetAccess {
    fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Source>> {
        let alone = Opening { order: None, after: None, ..*opening };
        let parts = self.parts.iter().map(|part| part.open(&alone)).collect::<Result<Vec<_>>>()?;
        let instead = if self.may_scan { Some(ScanAccess.open(opening)?) } else { None };
        let after = opening.after.map(|place| EntityId::from_slice(&place.key)).transpose()?;
        Ok(Box::new(Set {
            view: opening.view.clone(),
            home: opening.home,
            how: self.how,
            parts,
            ids: None,
            after,
            instead,
            ids_max: usize::try_from(opening.sort_bytes_max).unwrap_or(usize::MAX) / size_of::<EntityId>(),
            bytes_max: opening.sort_bytes_max,
        }))
    }

    fn walked(&self) -> Walked {
        Walked { ranges: self.parts.iter().map(|part| part.walked().ranges).sum(), reverse: false }
    }

    fn estimate(&self, view: &View, collection: CollectionId, counted_max: u64) -> Result<RowCount> {
        let parts = self.parts.iter().map(|part| part.estimate(view, collection, counted_max));
        let rows = parts.map(|part| part.map(|part| part.rows)).collect::<Result<Vec<u64>>>()?;
        let rows = match self.how {
            Combination::Any => rows.iter().fold(0, |sum: u64, rows| sum.saturating_add(*rows)),
            Combination::All => rows.iter().copied().min().unwrap_or(0),
        };
        Ok(RowCount { rows: rows.min(view.entity_count(collection)?), is_exact: false })
    }
}

struct Set {
    view: View,
    home: Home,
    how: Combination,
    /// Sources that were not read yet.
    parts: Vec<Box<dyn Source>>,
    /// The ids that are left, once they are known.
    ids: Option<VecDeque<EntityId>>,
    /// The last answer before the first candidate.
    after: Option<EntityId>,
    /// All entities in the order of ids. It is read where there are too many ids.
    instead: Option<Box<dyn Source>>,
    ids_max: usize,
    bytes_max: u64,
}

impl Set {
    /// Combines the sources. False where there are too many ids.
    fn combine(&mut self) -> Result<bool> {
        let mut parts = std::mem::take(&mut self.parts).into_iter();
        let mut ids = Vec::new();
        match self.how {
            Combination::Any => {
                for part in parts {
                    if !self.add(part, &mut ids)? {
                        return Ok(false);
                    }
                }
            }
            Combination::All => {
                if let Some(first) = parts.next()
                    && !self.add(first, &mut ids)?
                {
                    return Ok(false);
                }
                for part in parts {
                    if !ids.is_empty() {
                        self.intersect(part, &mut ids)?;
                    }
                }
            }
        }
        if let Some(after) = self.after {
            ids.drain(..ids.partition_point(|id| *id <= after));
        }
        self.ids = Some(ids.into());
        Ok(true)
    }

    /// Adds what a source gives to sorted ids. False where they become too many.
    fn add(&self, source: Box<dyn Source>, ids: &mut Vec<EntityId>) -> Result<bool> {
        let mut is_within = true;
        self.each(source, |found| {
            ids.extend_from_slice(found);
            if ids.len() > self.ids_max {
                sort(ids);
                is_within = ids.len() <= self.ids_max / 2;
            }
            is_within
        })?;
        sort(ids);
        Ok(is_within)
    }

    /// Keeps the ids that a source gives too. All are kept where looking through the source costs more than reading the
    /// entities.
    fn intersect(&self, source: Box<dyn Source>, ids: &mut Vec<EntityId>) -> Result<()> {
        let mut left = (ids.len() as u64).saturating_mul(FETCH_COST);
        let mut is_met = vec![false; ids.len()];
        self.each(source, |found| {
            for id in found {
                if let Ok(place) = ids.binary_search(id)
                    && let Some(is_met) = is_met.get_mut(place)
                {
                    *is_met = true;
                }
            }
            left = left.saturating_sub(found.len() as u64);
            left > 0
        })?;
        if left > 0 {
            let mut is_met = is_met.into_iter();
            ids.retain(|_| is_met.next().unwrap_or(true));
        }
        Ok(())
    }

    /// Passes the ids a source gives to `take`, until that says to stop.
    fn each(&self, mut source: Box<dyn Source>, mut take: impl FnMut(&[EntityId]) -> bool) -> Result<()> {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.view.check()?;
            interrupt::check()?;
            batch.clear();
            source.read(BATCH, &mut batch)?;
            if batch.is_empty() || !take(&ids_of(&self.view, self.home, &batch, &*source)?) {
                return Ok(());
            }
        }
    }

    /// The ids that are left; none where all entities are read instead.
    fn ids(&mut self) -> Result<Option<&mut VecDeque<EntityId>>> {
        if self.ids.is_none() && !self.parts.is_empty() && !self.combine()? && self.instead.is_none() {
            let problem = format!(
                "the ids that indexes give for this query need more than sort_bytes_max ({}), and scan_policy forbids looking \
                 at every entity; narrow the query, or raise the bound",
                self.bytes_max
            );
            return Err(Error::new(ErrorCode::QueryTooLarge, problem));
        }
        Ok(self.ids.as_mut())
    }
}

fn sort(ids: &mut Vec<EntityId>) {
    ids.sort_unstable();
    ids.dedup();
}

impl Source for Set {
    fn read(&mut self, most: usize, batch: &mut Vec<Candidate>) -> Result<()> {
        if let Some(ids) = self.ids()? {
            let count = most.min(ids.len());
            batch.extend(ids.drain(..count).map(|id| Candidate::of(Who::Id(id))));
            return Ok(());
        }
        match &mut self.instead {
            Some(all) => all.read(most, batch),
            None => Ok(()),
        }
    }

    fn is_widened(&self) -> bool {
        self.ids.is_none()
    }

    fn count(&mut self) -> Result<Option<u64>> {
        Ok(self.ids()?.map(|ids| ids.len() as u64))
    }
}
