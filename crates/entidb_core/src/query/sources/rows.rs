//! Rows of an ordered index, as candidates for answers.
//!
//! Always: each entity comes once, at the first of its rows in the ranges, however many it has; what is remembered of an
//! entity goes with the last of them. Rows of tuples that were cut come in the order of the whole tuples where that is the
//! order asked for. Does not know: whether an entity satisfies the filter, beyond what the ranges say.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use entidb_codec::ordered::{Bounds, successor};
use entidb_engine::{Direction, Iter};

use super::{Access, Candidate, Opening, Postings, RowPostings, Scored, Source, Walked, Who};
use crate::collection::Entity;
use crate::error::{Error, Result};
use crate::id::{CollectionId, EntityId, StorageId};
use crate::index::kind::RowCount;
use crate::index::ordered::{Ordered, TUPLE_BYTES_MAX, cut_start, inside, ordinal_bytes, row_id, rows};
use crate::keyspace::{self, PREFIX_BYTES};
use crate::query::operators::{Sorter, by_ids};
use crate::query::results::{Order, column_key};
use crate::transaction::View;

/// Entities with several rows in the ranges that are remembered between their rows. Of more, each row is looked at anew.
const OPEN_MAX: usize = 1 << 20;
/// The most ranges whose rows are counted or estimated.
const RANGES_ASKED: usize = 64;
/// How many entities of rows that were cut are read at once.
const GROUP_READ: usize = 64;

/// Ranges of rows of an index.
#[derive(Debug)]
pub(crate) struct RowAccess {
    pub(crate) index: Arc<Ordered>,
    /// Sorted, not overlapping.
    pub(crate) ranges: Arc<[Bounds]>,
    pub(crate) walk: Direction,
    /// What each row begins with, where the rows have the order: the number of the index, and the leading columns that
    /// are fixed and not in the order. The rest of a row is a key of the order, inverted where the walk is reversed.
    pub(crate) head: Vec<u8>,
    /// Whether all rows are of one tuple, so that they come in the order of ordinals.
    pub(crate) is_point: bool,
}

impl Access for RowAccess {
    fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Source>> {
        let resume = opening
            .order
            .zip(opening.after)
            .map(|(order, place)| Resume::after(&self.index, order, &self.head, &place.key, self.walk));
        Ok(Box::new(RowWalk::new(self, opening, resume)?))
    }

    fn walked(&self) -> Walked {
        Walked { ranges: self.ranges.len(), reverse: self.walk == Direction::Reverse }
    }

    fn estimate(&self, view: &View, _: CollectionId, counted_max: u64) -> Result<RowCount> {
        let index_end = keyspace::index_end(self.index.id, self.index.unique);
        let (mut sum, mut is_exact, mut asked) = (0_u64, true, 0);
        for range in self.ranges.iter().take(RANGES_ASKED) {
            let left = counted_max.saturating_sub(sum);
            let rows = view.about_range(&range.start, range.end.as_deref().unwrap_or(&index_end), left)?;
            sum = sum.saturating_add(rows.rows);
            is_exact &= rows.is_exact;
            asked += 1;
            if sum >= counted_max {
                break;
            }
        }
        // The others are taken to be like those.
        let others = (self.ranges.len() as u64).saturating_sub(asked);
        let rows = sum.saturating_add(sum.saturating_mul(others) / asked.max(1));
        Ok(RowCount { rows, is_exact: is_exact && others == 0 })
    }

    fn has_postings(&self) -> bool {
        self.is_point
    }

    fn postings(&self, view: &View) -> Result<Option<Box<dyn Postings>>> {
        let Some(range) = self.ranges.first().filter(|_| self.is_point) else { return Ok(None) };
        let index_end = keyspace::index_end(self.index.id, self.index.unique);
        let end = range.end.as_deref().unwrap_or(&index_end);
        Ok(Some(Box::new(RowPostings::new(view, &range.start, end, true)?)))
    }
}

struct RowWalk {
    view: View,
    storage: StorageId,
    index: Arc<Ordered>,
    ranges: Arc<[Bounds]>,
    /// The next range to walk, counted in the direction of the walk.
    next_range: usize,
    direction: Direction,
    current: Option<Iter>,
    /// The order the rows have, unless they are sorted afterwards.
    order: Option<Order>,
    resume: Option<Resume>,
    /// Of entities that came, how many of their rows are still ahead.
    open: HashMap<EntityId, u32>,
    /// The next candidates, from rows that were cut.
    group: VecDeque<EntityId>,
    /// Whether the row at which the walk stands was not looked at yet.
    unread: bool,
    /// The rows of the batch that was read last.
    met: Vec<Met>,
    sort_bytes_max: u64,
}

/// Where a walk goes on.
struct Resume {
    /// The row of the last answer, with its ordinal.
    row: Vec<u8>,
    /// The same without, where a unique index may have it so.
    claim: Option<Vec<u8>>,
    /// The row as far as rows of cut tuples have it, when it is one of those.
    cut: Option<Vec<u8>>,
    /// The key of the last answer in the order.
    key: Vec<u8>,
}

/// A row that was met, of an entity that may be an answer.
struct Met {
    id: EntityId,
    /// Of an index in which entities have several rows.
    row: Option<Vec<u8>>,
    /// Rows of the same entity that came right after.
    repeats: u32,
    /// Whether it stands where the last answer stood, and the ordinal decides.
    is_claim: bool,
}

impl Resume {
    /// After the answer with this key. Each row begins with `head`; the rest is the key, inverted in a reversed walk.
    fn after(index: &Ordered, order: &Order, head: &[u8], key: &[u8], direction: Direction) -> Self {
        let mut row = head.to_vec();
        match direction {
            Direction::Forward => row.extend_from_slice(key),
            Direction::Reverse => row.extend(key.iter().map(|byte| !byte)),
        }
        let without_ordinal = row.len().saturating_sub(size_of::<u64>());
        let is_cut = matches!(order, Order::Columns(_)) && without_ordinal > PREFIX_BYTES + TUPLE_BYTES_MAX;
        let cut = if is_cut { row.get(..PREFIX_BYTES + TUPLE_BYTES_MAX).map(<[u8]>::to_vec) } else { None };
        let claim = if index.unique { row.get(..without_ordinal).map(<[u8]>::to_vec) } else { None };
        Self { row, claim, cut, key: key.to_vec() }
    }

    /// The part of a range that is left; none when nothing is.
    fn rest(&self, range: &Bounds, direction: Direction) -> Option<Bounds> {
        let mut rest = range.clone();
        match direction {
            Direction::Forward => {
                // Behind the row itself; of cut rows from the first that begins like it, for the whole tuples decide.
                let from = self.cut.clone().unwrap_or_else(|| [self.row.as_slice(), &[0]].concat());
                rest.start = rest.start.max(from);
            }
            Direction::Reverse => {
                let to = match &self.cut {
                    Some(cut) => successor(cut),
                    None => Some(self.row.clone()),
                };
                rest.end = match (rest.end.take(), to) {
                    (Some(end), Some(to)) => Some(end.min(to)),
                    (end, to) => end.or(to),
                };
            }
        }
        (!rest.is_empty()).then_some(rest)
    }
}

impl RowWalk {
    fn new(access: &RowAccess, opening: &Opening<'_>, resume: Option<Resume>) -> Result<Self> {
        let direction = access.walk;
        let mut walk = Self {
            view: opening.view.clone(),
            storage: opening.home.storage,
            index: Arc::clone(&access.index),
            ranges: Arc::clone(&access.ranges),
            next_range: 0,
            direction,
            current: None,
            order: opening.order.cloned(),
            resume,
            open: HashMap::new(),
            group: VecDeque::new(),
            unread: false,
            met: Vec::new(),
            sort_bytes_max: opening.sort_bytes_max,
        };
        if direction == Direction::Forward
            && let Some(claim) = walk.resume.as_ref().and_then(|resume| resume.claim.as_deref())
            && inside(&walk.ranges, claim)
        {
            // A row without an ordinal stands before those with one, and its entity may come after the last answer.
            walk.current = Some(walk.view.range(claim, &[claim, &[0]].concat(), direction)?);
        }
        Ok(walk)
    }

    /// Goes to the next row, over the ends of ranges; false when there is none.
    fn advance(&mut self) -> Result<bool> {
        if std::mem::take(&mut self.unread) {
            return Ok(true);
        }
        loop {
            if let Some(iter) = &mut self.current
                && iter.advance()?
            {
                return Ok(true);
            }
            self.current = None;
            let place = match self.direction {
                Direction::Forward => Some(self.next_range),
                Direction::Reverse => self.ranges.len().checked_sub(self.next_range + 1),
            };
            let Some(range) = place.and_then(|place| self.ranges.get(place)) else { return Ok(false) };
            self.next_range += 1;
            let index_end = keyspace::index_end(self.index.id, self.index.unique);
            let open = |range: &Bounds| {
                let end = range.end.as_deref().unwrap_or(&index_end);
                self.view.range(&range.start, end, self.direction)
            };
            self.current = match &self.resume {
                None => Some(open(range)?),
                Some(resume) => resume.rest(range, self.direction).as_ref().map(open).transpose()?,
            };
        }
    }

    /// The next candidates, each entity once.
    fn collect(&mut self, most: usize) -> Result<()> {
        let mut places: HashMap<EntityId, usize> = HashMap::new();
        while self.met.len() < most {
            if let Some(id) = self.group.pop_front() {
                self.met.push(Met { id, row: None, repeats: 0, is_claim: false });
                continue;
            }
            if !self.advance()? {
                break;
            }
            if self.read_group()? {
                continue;
            }
            let Some(iter) = &self.current else { break };
            let id = row_id(iter.value())?;
            let claim = self.resume.as_ref().and_then(|resume| resume.claim.as_deref());
            let is_claim = claim.is_some_and(|claim| claim == iter.key());
            if !self.index.multi {
                self.met.push(Met { id, row: None, repeats: 0, is_claim });
                continue;
            }
            if let Some(ahead) = self.open.get_mut(&id) {
                *ahead = ahead.saturating_sub(1);
                if *ahead == 0 {
                    self.open.remove(&id);
                }
            } else if let Some(before) = places.get(&id).and_then(|place| self.met.get_mut(*place)) {
                before.repeats = before.repeats.saturating_add(1);
            } else {
                places.insert(id, self.met.len());
                self.met.push(Met { id, row: Some(iter.key().to_vec()), repeats: 0, is_claim });
            }
        }
        Ok(())
    }

    /// Whether a candidate comes at its row: at the first it has in the ranges, and after the last answer.
    fn comes_here(&mut self, met: &Met, entity: &Entity) -> Result<bool> {
        if let Some(resume) = self.resume.as_ref().filter(|_| met.is_claim) {
            let ordinal = ordinal_bytes(&self.index.columns, entity.ordinal());
            let row = [resume.claim.as_deref().unwrap_or_default(), &ordinal].concat();
            let is_after = match self.direction {
                Direction::Forward => row > resume.row,
                Direction::Reverse => row < resume.row,
            };
            if !is_after {
                return Ok(false);
            }
        }
        let Some(row) = &met.row else { return Ok(true) };
        let all = rows(&self.index, entity.bytes(), entity.ordinal())?;
        let (mut before, mut after) = (0_u32, 0_u32);
        for other in all.iter().filter(|other| inside(&self.ranges, &other.key)) {
            match other.key.cmp(row) {
                Ordering::Less => before += 1,
                Ordering::Greater => after += 1,
                Ordering::Equal => {}
            }
        }
        if self.direction == Direction::Reverse {
            (before, after) = (after, before);
        }
        let ahead = after.saturating_sub(met.repeats);
        if ahead > 0 && self.open.len() < OPEN_MAX {
            self.open.insert(met.id, ahead);
        }
        Ok(before == 0)
    }

    /// When the row just read is of a tuple that was cut, and the order is that of whole tuples, reads all rows that begin
    /// like it and puts their entities in order.
    fn read_group(&mut self) -> Result<bool> {
        let Some(Order::Columns(columns)) = &self.order else { return Ok(false) };
        let start = self.current.as_ref().and_then(|iter| cut_start(iter.key())).map(<[u8]>::to_vec);
        let Some(start) = start else { return Ok(false) };
        let columns = Arc::clone(columns);
        let resume = self.resume.as_ref().filter(|resume| resume.cut.as_ref() == Some(&start));
        let after = resume.map(|resume| resume.key.clone());
        let mut sorter = Sorter::new(None, after.as_deref(), self.sort_bytes_max);
        let mut ids = Vec::new();
        loop {
            let alike = self.current.as_ref().filter(|iter| iter.key().starts_with(&start));
            let id = alike.map(|iter| row_id(iter.value())).transpose()?;
            ids.extend(id);
            self.unread = id.is_none();
            let is_last = self.unread || !self.advance()?;
            if is_last || ids.len() >= GROUP_READ {
                let ids = std::mem::take(&mut ids);
                for (id, entity) in ids.iter().zip(by_ids(&self.view, self.storage, &ids)?) {
                    let entity = entity.ok_or_else(|| self.missing(Who::Id(*id)))?;
                    sorter.push(column_key(&columns, &entity)?, entity.id())?;
                }
            }
            if is_last {
                break;
            }
        }
        self.group.extend(sorter.finish().into_iter().map(|(_, id)| id));
        Ok(true)
    }
}

impl Source for RowWalk {
    fn read(&mut self, most: usize, batch: &mut Vec<Candidate>) -> Result<()> {
        self.met.clear();
        self.collect(most)?;
        batch.extend(self.met.iter().map(|met| Candidate::of(Who::Id(met.id))));
        Ok(())
    }

    fn settle(&mut self, entities: &mut VecDeque<Scored>) -> Result<()> {
        if !self.index.multi && self.resume.is_none() {
            return Ok(());
        }
        let met = std::mem::take(&mut self.met);
        let mut kept = VecDeque::with_capacity(entities.len());
        for (met, scored) in met.iter().zip(entities.drain(..)) {
            if self.comes_here(met, &scored.entity)? {
                kept.push_back(scored);
            }
        }
        self.met = met;
        *entities = kept;
        Ok(())
    }

    /// How many rows there are, where each is a candidate: an index that spreads arrays may have several of an entity.
    fn count(&mut self) -> Result<Option<u64>> {
        if self.index.multi || self.resume.is_some() {
            return Ok(None);
        }
        let mut count = 0_u64;
        while self.advance()? {
            count += 1;
        }
        Ok(Some(count))
    }

    fn missing(&self, who: Who) -> Error {
        let Who::Id(id) = who else { return Error::internal("a row was found by its ordinal") };
        Error::corrupt(format!("an index row for {id}, which does not exist")).with_index(&self.index.name).with_id(id)
    }
}

#[cfg(test)]
mod tests {
    use crate::index::ordered::ROWS_CALLS;
    use crate::{Database, EntityId, IndexDefinition, doc, field};

    #[test]
    fn a_document_is_taken_apart_once_however_many_of_its_rows_are_met() {
        // Each row was compared with all rows of its document: 10,000 elements took 12 seconds.
        let db = Database::open_memory().unwrap();
        let c = db.collection("c").unwrap();
        c.create_index(IndexDefinition::on(["t"]).unwrap().multi()).unwrap();
        for number in 0..4_u64 {
            let elements: Vec<u64> = (0..3000).map(|element| element * 4 + number).collect();
            c.put_at(EntityId::from_bytes(u128::from(number).to_be_bytes()), &doc! { "t": elements }).unwrap();
        }
        let filters = [field("t").ge(0), field("t").lt(100_000), field("t").is_in(0..9000_u64), field("t").ge(5000)];
        for filter in filters {
            let before = ROWS_CALLS.get();
            let found = c.find(filter.clone()).list().unwrap();
            assert_eq!((found.len(), ROWS_CALLS.get() - before), (4, 4), "{filter:?}");
            let mut page = c.find(filter.clone()).page(1).unwrap();
            let mut pages = 1;
            while let Some(token) = page.token {
                page = c.find(filter.clone()).after(token).page(1).unwrap();
                pages += 1;
            }
            assert_eq!(pages, 4);
            // A page looks at those before it again, at each once, and makes a token.
            assert!(ROWS_CALLS.get() - before < 50, "{}", ROWS_CALLS.get() - before);
        }
    }
}
