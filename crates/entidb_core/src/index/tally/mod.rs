//! A kind of index that is there in tests alone, to prove what all kinds answer: this folder and a line in `kind` are all of
//! it.
//!
//! An index of it has a row for each entity: the hash of the value of its one column, then the ordinal. So it finds entities
//! by their ordinals alone, in no order of answers, and some that are none; so it can be merged with others. One that is called
//! `ranked` gives each a score, and answers come by those. It keeps in memory how many rows each commit added, to prove what a
//! kind that keeps something there learns.

mod memory_tests;
mod query_tests;
mod tests;

use entidb_codec::{Direction, Value, encode_ordered, lookup};
use entidb_engine::{Direction as Walk, Iter, Sequence, WriteTransaction};
use entidb_storage::sync::Mutex;

use super::changes::Changes;
use super::fnv;
use super::kind::{Change, Index, Kind, Origin, RowCount, Verification, Verified};
use super::memory::{CommittedRows, Memory};
use crate::catalog::{Column, IndexDefinition};
use crate::database::Findings;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, IndexId, Ordinal, StorageId};
use crate::keyspace;
use crate::query::sources::{Access, Candidate, Opening, Postings, RowPostings, Score, Source, Walked, Who};
use crate::query::{Asked, Comparison, Expression, Offer, Order};
use crate::transaction::View;

const ZONE: u8 = 0x7f;

/// Few, so that different values meet.
const HASHES: u64 = 7;

pub(super) static KIND: TallyKind = TallyKind;

pub(super) struct TallyKind;

impl Kind for TallyKind {
    fn name(&self) -> &'static str {
        "tally"
    }

    fn since(&self, _: &IndexDefinition) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn zones(&self) -> &'static [u8] {
        &[ZONE]
    }

    fn check(&self, definition: &IndexDefinition) -> Result<()> {
        if definition.columns.len() == 1 {
            return Ok(());
        }
        Err(Error::new(ErrorCode::InvalidArgument, "a tally has one column"))
    }

    fn index(&self, id: IndexId, definition: &IndexDefinition, _: Origin) -> Box<dyn Index> {
        let ranks = definition.name == "ranked";
        Box::new(Tally { id, column: definition.columns[0].clone(), ranks, heard: Heard::default() })
    }
}

#[derive(Debug)]
struct Tally {
    id: IndexId,
    column: Column,
    /// Whether it says how well entities answer.
    ranks: bool,
    heard: Heard,
}

/// What the index has heard of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Commit {
    sequence: Sequence,
    is_emptied: bool,
    added: usize,
    removed: usize,
}

/// The commits the index has heard of.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Commit>>);

impl Memory for Heard {
    fn committed(&self, commit: &CommittedRows) {
        let (mut added, mut removed) = (0, 0);
        let read = commit.each(|_, value| *(if value.is_some() { &mut added } else { &mut removed }) += 1);
        read.unwrap();
        self.0.lock().push(Commit { sequence: commit.sequence, is_emptied: commit.is_emptied, added, removed });
    }
}

impl Tally {
    fn row(&self, document: &[u8], ordinal: Ordinal) -> Result<Vec<u8>> {
        let mut tuple = Vec::new();
        encode_ordered(lookup(document, &self.column.path)?, Direction::Ascending, &mut tuple);
        Ok([self.head(&tuple).as_slice(), &ordinal.0.to_be_bytes()].concat())
    }

    fn head(&self, tuple: &[u8]) -> Vec<u8> {
        let hash = fnv(tuple) % HASHES;
        [keyspace::prefix(ZONE, self.id.0).as_slice(), &hash.to_be_bytes()].concat()
    }
}

impl Index for Tally {
    fn zones(&self) -> &[u8] {
        &[ZONE]
    }

    fn plan(&self, tx: &WriteTransaction, change: &Change<'_>, changes: &mut Changes) -> Result<()> {
        let mut counted = 0;
        if let Some(old) = change.old {
            let row = self.row(old, change.ordinal)?;
            if !change.is_building || tx.get(&row)?.is_some() {
                changes.remove(&row);
                counted -= 1;
            }
        }
        if let Some(new) = change.new {
            let row = self.row(new, change.ordinal)?;
            if !change.is_building || change.old.is_some() || tx.get(&row)?.is_none() {
                changes.mark(&row);
                counted += 1;
            }
        }
        changes.count(self.id, counted);
        Ok(())
    }

    fn memory(&self) -> Option<&dyn Memory> {
        Some(&self.heard)
    }

    fn verification(&self) -> Option<Box<dyn Verification + '_>> {
        Some(Box::new(Tallied { index: self, expected: 0 }))
    }

    fn rows(&self, view: &View) -> Result<RowCount> {
        Ok(RowCount { rows: view.count(self.id.0)?, is_exact: true })
    }

    fn offer(&self, asked: &Asked<'_>) -> Result<Option<Offer>> {
        let value = asked.terms.iter().find_map(|term| match term {
            // An array of which an element is equal has another hash.
            Expression::Compare(path, Comparison::Eq, value) if *path == self.column.path => Some(value),
            _ => None,
        });
        let Some(value) = value else { return Ok(None) };
        let ranks = self.ranks && asked.order.is_none_or(|order| matches!(order, Order::Scores));
        let order = asked.order.cloned().unwrap_or(if ranks { Order::Scores } else { Order::Ids });
        let access = Box::new(TallyAccess { head: self.head(&tuple(value)), ranks });
        Ok(Some(Offer { score: 2, order, sorts: true, narrows: true, exact: false, comes_first: ranks, access }))
    }
}

fn tuple(value: &Value) -> Vec<u8> {
    let mut tuple = Vec::new();
    encode_ordered(value, Direction::Ascending, &mut tuple);
    tuple
}

struct Tallied<'a> {
    index: &'a Tally,
    expected: u64,
}

impl Verification for Tallied<'_> {
    fn entity(&mut self, view: &View, entity: &Verified<'_>, findings: &mut Findings) -> Result<()> {
        self.expected += 1;
        if view.get(&self.index.row(entity.document, entity.ordinal)?)?.is_none() {
            findings.problem("the tally lacks an entity", Some(entity.id));
        }
        Ok(())
    }

    fn finish(&mut self, view: &View, _: StorageId, findings: &mut Findings) -> Result<()> {
        let id = self.index.id.0;
        let (start, end) = (keyspace::prefix(ZONE, id), keyspace::prefix_end(ZONE, id));
        let mut rows = view.range(&start, &end, Walk::Forward)?;
        let mut seen = 0;
        while rows.advance()? {
            findings.row();
            seen += 1;
        }
        if (seen, view.count(id)?) != (self.expected, self.expected) {
            findings.problem("the tally counts otherwise", None);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct TallyAccess {
    head: Vec<u8>,
    ranks: bool,
}

impl TallyAccess {
    fn end(&self) -> Vec<u8> {
        [self.head.as_slice(), &[0xff; 9]].concat()
    }
}

impl Access for TallyAccess {
    fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Source>> {
        let rows = opening.view.range(&self.head, &self.end(), Walk::Forward)?;
        Ok(Box::new(Ordinals { rows, ranks: self.ranks }))
    }

    fn has_postings(&self) -> bool {
        true
    }

    fn postings(&self, view: &View) -> Result<Option<Box<dyn Postings>>> {
        Ok(Some(Box::new(RowPostings::new(view, &self.head, &self.end(), false)?)))
    }

    fn walked(&self) -> Walked {
        Walked { ranges: 1, reverse: false }
    }

    fn estimate(&self, view: &View, _: CollectionId, counted_max: u64) -> Result<RowCount> {
        view.about_range(&self.head, &self.end(), counted_max)
    }
}

/// Some score for an ordinal; several have the same.
fn score(ordinal: u64) -> f32 {
    (ordinal * 7 % 5) as f32 - 2.0
}

struct Ordinals {
    rows: Iter,
    ranks: bool,
}

impl Source for Ordinals {
    fn read(&mut self, most: usize, batch: &mut Vec<Candidate>) -> Result<()> {
        while batch.len() < most && self.rows.advance()? {
            let ordinal = keyspace::trailing_u64(self.rows.key()).ok_or_else(|| Error::corrupt("a tally"))?;
            let score = self.ranks.then(|| Score::new(score(ordinal)));
            batch.push(Candidate { score, ..Candidate::of(Who::Ordinal(Ordinal(ordinal))) });
        }
        Ok(())
    }
}
