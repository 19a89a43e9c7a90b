//! Orders of answers, and the key of an entity in each: what sorting compares and what a page token remembers.
//!
//! Always: a key depends on the order and the entity alone, and on the score where the order is by scores, never on the way the
//! entity was found; so an answer goes on after a key whatever indexes there are by then. No two entities of a collection have the same key. Does not know: which
//! order a way gives by itself (`plan`).

use std::sync::Arc;

use entidb_codec::ordered::Bounds;
use entidb_codec::{encode_ordered, lookup};
use entidb_engine::Sequence;

use crate::catalog::{Column, IndexDefinition};
use crate::collection::Entity;
use crate::error::{Error, Result};
use crate::id::IndexId;
use crate::index::kind::Origin;
use crate::index::ordered::{Claim, Ordered, inside, narrow, ordinal_bytes, rows_of_any};
use crate::keyspace::PREFIX_BYTES;
use crate::query::Expression;
use crate::query::sources::Scored;

/// No index has this number.
const NO_INDEX: IndexId = IndexId(0);

/// An order of the answers of a query.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// By id: that of a scan without an order asked for.
    Ids,
    /// By columns, ties by ordinal in the direction of the last: the order asked for.
    Columns(Arc<[Column]>),
    /// By the rows of an index, each entity at the first of its rows that the filter asks for.
    Rows(RowOrder),
    /// By ordinal: that of sources that are merged.
    Ordinals,
    /// By score, the best first, ties by ordinal: that of a source that ranks.
    Scores,
}

/// The order of the rows of an index, which need not exist any more.
#[derive(Debug, Clone)]
pub(crate) struct RowOrder {
    index: Arc<Ordered>,
    /// Where the rows are that the filter asks for.
    ranges: Arc<[Bounds]>,
}

impl RowOrder {
    /// The order of the rows of an index in these ranges.
    pub(crate) fn of(index: &Arc<Ordered>, ranges: &Arc<[Bounds]>) -> Self {
        Self { index: Arc::clone(index), ranges: Arc::clone(ranges) }
    }

    /// The order that the rows of an index like this would have, for a filter taken apart.
    pub(crate) fn like(definition: &IndexDefinition, terms: &[&Expression]) -> Self {
        let index = Ordered::new(NO_INDEX, definition, Origin::New);
        // Only of several rows of an entity it matters which of them the filter asks for, and those are of no whole arrays.
        let ranges = if index.multi { narrow(&index, terms, Sequence::ZERO).ranges } else { Vec::new() };
        Self { index: Arc::new(index), ranges: ranges.into() }
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.index.columns
    }

    pub(crate) fn is_multi(&self) -> bool {
        self.index.multi
    }

    /// True when the rows of this index come in this order. Whether they are unique makes no difference.
    pub(crate) fn is_of(&self, other: &Ordered) -> bool {
        let own = &self.index;
        (own.multi, &own.columns) == (other.multi, &other.columns)
    }

    /// The first row of an entity, without the number of the index, and always with the ordinal.
    fn key(&self, entity: &Entity) -> Result<Vec<u8>> {
        let all = rows_of_any(&self.index, entity.bytes(), entity.ordinal())?;
        let first = all.iter().find(|row| inside(&self.ranges, &row.key)).or(all.first());
        let Some(row) = first else { return Ok(Vec::new()) };
        let mut key = row.key.get(PREFIX_BYTES..).unwrap_or_default().to_vec();
        if row.claim == Claim::Key {
            key.extend_from_slice(&ordinal_bytes(&self.index.columns, entity.ordinal()));
        }
        Ok(key)
    }
}

impl Order {
    /// The key of an entity.
    pub(crate) fn key(&self, Scored { entity, score }: &Scored) -> Result<Vec<u8>> {
        match self {
            Self::Ordinals => Ok(entity.ordinal().0.to_be_bytes().to_vec()),
            Self::Scores => {
                let score = score.ok_or_else(|| Error::internal("an answer of a source that ranks has no score"))?;
                Ok(score.key(entity.ordinal()))
            }
            Self::Ids => Ok(entity.id().as_bytes().to_vec()),
            Self::Columns(columns) => column_key(columns, entity),
            Self::Rows(rows) => rows.key(entity),
        }
    }
}

/// The columns, then the ordinal in the direction of the last of them.
pub(crate) fn column_key(columns: &[Column], entity: &Entity) -> Result<Vec<u8>> {
    let mut key = Vec::with_capacity(32);
    for column in columns {
        encode_ordered(lookup(entity.bytes(), &column.path)?, column.direction, &mut key);
    }
    key.extend_from_slice(&ordinal_bytes(columns, entity.ordinal()));
    Ok(key)
}
