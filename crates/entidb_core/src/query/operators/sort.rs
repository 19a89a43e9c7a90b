//! Putting answers in an order that no index has them in.
//!
//! Always: with a limit only that many are held; what is held is a key and an id, never a document. Over the memory bound the
//! query is refused, not cut short. Does not know: where candidates come from, or what a key is made of (`order`).

use std::collections::BinaryHeap;

use crate::error::{Error, ErrorCode, Result};
use crate::id::EntityId;

/// What one held answer costs beside its key.
const ENTRY_BYTES: u64 = 64;

/// Gathers keys and keeps the first of them.
pub(crate) struct Sorter<'a> {
    keep: Option<usize>,
    after: Option<&'a [u8]>,
    bytes_max: u64,
    bytes: u64,
    held: BinaryHeap<(Vec<u8>, EntityId)>,
}

impl<'a> Sorter<'a> {
    /// Keeps the first `keep` answers whose key is greater than `after`.
    pub(crate) fn new(keep: Option<usize>, after: Option<&'a [u8]>, bytes_max: u64) -> Self {
        Self { keep, after, bytes_max, bytes: 0, held: BinaryHeap::new() }
    }

    pub(crate) fn push(&mut self, key: Vec<u8>, id: EntityId) -> Result<()> {
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
        self.held.push((key, id));
        Ok(())
    }

    /// The answers in order.
    pub(crate) fn finish(self) -> Vec<(Vec<u8>, EntityId)> {
        self.held.into_sorted_vec()
    }
}
