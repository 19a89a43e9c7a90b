//! Comparing the rows of an ordered index with the documents of its collection.
//!
//! Always: every row of every document is looked for, and rows beyond them are found by their number.
//! Does not know: how to repair.

use std::collections::BTreeSet;

use entidb_engine::Direction;

use super::Ordered;
use super::rows::{row_id, rows};
use crate::database::Findings;
use crate::error::Result;
use crate::id::StorageId;
use crate::index::kind::{Verification, Verified};
use crate::keyspace;
use crate::transaction::View;

pub(super) struct RowCheck<'a> {
    index: &'a Ordered,
    /// Rows that the documents so far give.
    expected: u64,
}

impl<'a> RowCheck<'a> {
    pub(super) fn new(index: &'a Ordered) -> Self {
        Self { index, expected: 0 }
    }
}

impl Verification for RowCheck<'_> {
    fn entity(&mut self, view: &View, entity: &Verified<'_>, findings: &mut Findings) -> Result<()> {
        for row in rows(self.index, entity.document, entity.ordinal)? {
            self.expected += 1;
            let holder = view.get(&row.key)?.as_deref().map(row_id).transpose()?;
            if holder != Some(entity.id) {
                findings.problem("the index lacks a row of the entity", Some(entity.id));
            }
        }
        Ok(())
    }

    /// An index has no more rows than its entities give.
    fn finish(&mut self, view: &View, storage: StorageId, findings: &mut Findings) -> Result<()> {
        let (index, expected) = (self.index, self.expected);
        let (start, end) =
            (keyspace::index_prefix(index.id, index.unique), keyspace::index_end(index.id, index.unique));
        let mut found = view.range(&start, &end, Direction::Forward)?;
        let mut seen = 0_u64;
        let mut strays = BTreeSet::new();
        while found.advance()? {
            seen += 1;
            findings.row();
            let id = row_id(found.value())?;
            if seen > expected && view.get(&keyspace::entity(storage, &id))?.is_none() {
                strays.insert(id);
            }
        }
        if seen != expected {
            let problem = format!("the index has {seen} rows, its entities give {expected}");
            findings.problem(&problem, strays.first().copied());
        }
        Ok(())
    }
}
