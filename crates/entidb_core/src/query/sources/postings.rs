//! Candidates by their ordinals, which can be merged with others without being gathered; and rows of one value as such.
//!
//! Always: in ascending order of ordinals, each once. Does not know: what they are merged with (`operators::merge`).

use entidb_engine::{Direction, Iter};

use crate::error::{Error, Result};
use crate::id::{EntityId, Ordinal};
use crate::index::ordered::row_id;
use crate::keyspace;
use crate::transaction::View;

/// How many rows are walked before the walk jumps.
const STEPS: usize = 8;

/// A candidate, by its ordinal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Posting {
    pub(crate) ordinal: Ordinal,
    /// Its id, where the source has it.
    pub(crate) id: Option<EntityId>,
}

/// Candidates in ascending order of ordinals, each once.
pub(crate) trait Postings: Send {
    /// Goes to the first candidate at or after an ordinal, never back. None when there is none.
    fn seek(&mut self, ordinal: Ordinal) -> Result<Option<Posting>>;
}

/// Rows of an index that begin alike, and differ by the ordinals they end with.
pub(crate) struct RowPostings {
    rows: Iter,
    head: Vec<u8>,
    /// Whether values of rows are ids.
    has_ids: bool,
    here: Option<Posting>,
    is_over: bool,
}

impl RowPostings {
    /// The rows from `head` up to `end`. All of them begin with `head`.
    pub(crate) fn new(view: &View, head: &[u8], end: &[u8], has_ids: bool) -> Result<Self> {
        let rows = view.range(head, end, Direction::Forward)?;
        Ok(Self { rows, head: head.to_vec(), has_ids, here: None, is_over: false })
    }

    fn step(&mut self) -> Result<()> {
        self.is_over = self.is_over || !self.rows.advance()?;
        self.here = if self.is_over {
            None
        } else {
            let ordinal = keyspace::trailing_u64(self.rows.key()).ok_or_else(|| Error::corrupt("an index row"))?;
            let id = if self.has_ids { Some(row_id(self.rows.value())?) } else { None };
            Some(Posting { ordinal: Ordinal(ordinal), id })
        };
        Ok(())
    }
}

impl Postings for RowPostings {
    fn seek(&mut self, ordinal: Ordinal) -> Result<Option<Posting>> {
        let is_there = |here: &Option<Posting>| here.is_some_and(|here| here.ordinal >= ordinal);
        for _ in 0..STEPS {
            if self.is_over || is_there(&self.here) {
                return Ok(self.here);
            }
            self.step()?;
        }
        if !self.is_over && !is_there(&self.here) {
            self.rows.seek(&[self.head.as_slice(), &ordinal.0.to_be_bytes()].concat())?;
            self.step()?;
        }
        Ok(self.here)
    }
}
