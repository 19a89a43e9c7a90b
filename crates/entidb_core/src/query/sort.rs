//! Putting answers in the order asked for, when no index has them in it.
//!
//! Always: with a limit only that many are held; what is held is a sort key and an id, never a document. Over the memory
//! bound the query is refused, not cut short. Does not know: where candidates come from.

use std::collections::BinaryHeap;

use entidb_codec::{encode_ordered, lookup};

use super::plan::ties_descend;
use crate::catalog::Column;
use crate::collection::Entity;
use crate::error::{Error, ErrorCode, Result};
use crate::id::EntityId;

/// What one held answer costs beside its key.
const ENTRY_BYTES: u64 = 64;

/// Gathers sort keys and keeps the first so many.
pub(crate) struct Sorter<'a> {
    order: &'a [Column],
    keep: Option<usize>,
    after: Option<&'a [u8]>,
    bytes_max: u64,
    bytes: u64,
    held: BinaryHeap<(Vec<u8>, EntityId)>,
}

impl<'a> Sorter<'a> {
    /// Keeps the first `keep` answers whose key is greater than `after`.
    pub(crate) fn new(order: &'a [Column], keep: Option<usize>, after: Option<&'a [u8]>, bytes_max: u64) -> Self {
        Self { order, keep, after, bytes_max, bytes: 0, held: BinaryHeap::new() }
    }

    pub(crate) fn push(&mut self, entity: &Entity) -> Result<()> {
        let key = sort_key(self.order, entity)?;
        if self.after.is_some_and(|after| key.as_slice() <= after) {
            return Ok(());
        }
        if let Some(keep) = self.keep
            && self.held.len() >= keep
        {
            // The heap has the last answer on top: only an earlier one may take its place.
            if self.held.peek().is_none_or(|(last, _)| key >= *last) {
                return Ok(());
            }
            if let Some((last, _)) = self.held.pop() {
                self.bytes = self.bytes.saturating_sub(last.len() as u64 + ENTRY_BYTES);
            }
        }
        self.bytes += key.len() as u64 + ENTRY_BYTES;
        if self.bytes > self.bytes_max {
            let problem = format!(
                "sorting the answer needs more than sort_bytes_max ({}); set a limit, declare an index in this order, or raise the bound",
                self.bytes_max
            );
            return Err(Error::new(ErrorCode::QueryTooLarge, problem));
        }
        self.held.push((key, entity.id()));
        Ok(())
    }

    /// The answers in order.
    pub(crate) fn finish(self) -> Vec<(Vec<u8>, EntityId)> {
        self.held.into_sorted_vec()
    }
}

/// The key an entity sorts by: its columns, then its ordinal in the direction of the last column.
fn sort_key(order: &[Column], entity: &Entity) -> Result<Vec<u8>> {
    let mut key = Vec::with_capacity(32);
    for column in order {
        encode_ordered(lookup(entity.bytes(), &column.path)?, column.direction, &mut key);
    }
    let ordinal = entity.ordinal().0;
    let ordinal = if ties_descend(order) { !ordinal } else { ordinal };
    key.extend_from_slice(&ordinal.to_be_bytes());
    Ok(key)
}
