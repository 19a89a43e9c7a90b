//! Indexes over fields of documents, in the order of their values.
//!
//! Always: an entity has exactly the rows its document gives; a unique key is checked before anything is written.
//! Does not know: other kinds. Format: docs/spec/keyspace.md, "Ordered indexes".

mod arrays;
mod offer;
mod plan;
mod ranges;
mod rows;
#[cfg(test)]
pub(crate) use rows::tests::ROWS_CALLS;
mod verify;

use std::sync::Arc;

use entidb_engine::WriteTransaction;

use super::changes::Changes;
use super::kind::{Change, Index, Kind, Origin, RowCount, Verification};
use crate::catalog::{Column, IndexDefinition};
use crate::error::{Error, ErrorCode, Result};
use crate::id::IndexId;
use crate::keyspace::{self, ZONE_INDEX, ZONE_UNIQUE};
use crate::query::{Asked, Offer};
use crate::transaction::View;

use arrays::WholeArrays;
pub(crate) use ranges::{inside, narrow};
pub(crate) use rows::{Claim, TUPLE_BYTES_MAX, cut_start, ordinal_bytes, row_id, rows, rows_of_any};

/// The name of the kind.
pub(crate) const ORDERED: &str = "ordered";

/// The kind.
pub(super) static KIND: OrderedKind = OrderedKind;

/// The most columns an index may have.
const COLUMNS_MAX: usize = 16;

pub(super) struct OrderedKind;

impl Kind for OrderedKind {
    fn name(&self) -> &'static str {
        ORDERED
    }

    fn since(&self, _: &IndexDefinition) -> &'static str {
        "0.1.0"
    }

    fn zones(&self) -> &'static [u8] {
        &[ZONE_UNIQUE, ZONE_INDEX]
    }

    /// A unique key is looked for before it is written.
    fn walked_zones(&self) -> &'static [u8] {
        &[ZONE_INDEX]
    }

    fn check(&self, definition: &IndexDefinition) -> Result<()> {
        let refuse =
            |problem: String| Err(Error::new(ErrorCode::InvalidArgument, problem).with_index(&definition.name));
        let columns = &definition.columns;
        if !definition.options.is_empty() {
            return refuse("an index of the kind ordered takes no options; leave them out".into());
        }
        if columns.is_empty() {
            return refuse("an index needs at least one field".into());
        }
        if columns.len() > COLUMNS_MAX {
            return refuse(format!("an index has at most {COLUMNS_MAX} fields, this one names {}", columns.len()));
        }
        for (position, column) in columns.iter().enumerate() {
            column.path.check()?;
            if columns.iter().skip(position + 1).any(|other| other.path == column.path) {
                return refuse(format!("the index names the field {} twice", column.path));
            }
        }
        Ok(())
    }

    fn index(&self, id: IndexId, definition: &IndexDefinition, origin: Origin) -> Box<dyn Index> {
        Box::new(Arc::new(Ordered::new(id, definition, origin)))
    }
}

/// An index of this kind, with what this process knows of its rows.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) id: IndexId,
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) unique: bool,
    pub(crate) multi: bool,
    whole_arrays: WholeArrays,
}

impl Ordered {
    pub(crate) fn new(id: IndexId, definition: &IndexDefinition, origin: Origin) -> Self {
        let columns = definition.columns.clone();
        let whole_arrays = match origin {
            Origin::New => WholeArrays::none(columns.len()),
            Origin::Stored => WholeArrays::unknown(columns.len()),
        };
        let IndexDefinition { unique, multi, .. } = *definition;
        Self { id, name: definition.name.clone(), columns, unique, multi, whole_arrays }
    }

    const fn zone(&self) -> u8 {
        keyspace::index_zone(self.unique)
    }
}

impl Index for Arc<Ordered> {
    fn zones(&self) -> &[u8] {
        if self.unique { &[ZONE_UNIQUE] } else { &[ZONE_INDEX] }
    }

    fn plan(&self, tx: &WriteTransaction, change: &Change<'_>, changes: &mut Changes) -> Result<()> {
        plan::plan(self, tx, change, changes)
    }

    fn verification(&self) -> Option<Box<dyn Verification + '_>> {
        Some(Box::new(verify::RowCheck::new(self)))
    }

    fn rows(&self, view: &View) -> Result<RowCount> {
        view.about(self.zone(), self.id.0)
    }

    fn offer(&self, asked: &Asked<'_>) -> Result<Option<Offer>> {
        offer::offer(self, asked)
    }
}
