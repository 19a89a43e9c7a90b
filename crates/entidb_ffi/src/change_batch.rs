//! Changes of a commit as bytes, and reading them from C one by one.
//!
//! Always: nothing is copied by reading; what is lent lives as long as the caller's batch. Documents stand in it as they
//! were stored, so whatever could be written can be read.
//! Does not know: feeds, or what a document holds.
//!
//! A batch: `u64 sequence | i64 time | u32 count of changes | u8 flags | u8 n | n bytes of position, text`, then for each
//! change `u8 kind | u8 n | n bytes of the collection's name | 16 bytes id | u32 n | n bytes of payload`. Integers are
//! little-endian. Flag 1: the batch ends its commit. A kind plus 128: `u32 n | n bytes of the document before` follow.

use entidb_core::{Change, ChangeBatch, Error, ErrorCode};

use crate::boundary::{call, call_unit, give, need, read};
use crate::bytes::{self, entidb_bytes};
use crate::error::entidb_error;
use crate::status::{ENTIDB_END, ENTIDB_OK, entidb_status};

/// The head of a batch of changes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct entidb_change_batch_head {
    /// The commit.
    pub sequence: u64,
    /// The time of the commit: microseconds since 1970-01-01 UTC by the clock of the system.
    pub time_micros: i64,
    /// Number of changes in the batch.
    pub count: u32,
    /// 1 if the batch ends its commit, 0 if more batches of the commit follow.
    pub ends_commit: u32,
    /// The position after the batch, text. Valid as long as the batch.
    pub position: entidb_bytes,
}

/// One change.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct entidb_change {
    /// One of `ENTIDB_CHANGE_...`.
    pub kind: u32,
    /// Always 0.
    pub reserved: u32,
    /// The id of the entity; zeros for a change of a collection or an index.
    pub id: [u8; 16],
    /// The name of the collection at that commit. Valid as long as the batch.
    pub collection: entidb_bytes,
    /// The payload that the kind names, otherwise empty. Valid as long as the batch.
    pub payload: entidb_bytes,
    /// The document before an update or delete, after `entidb_change_feed_with_before`; otherwise empty. Valid as long as
    /// the batch.
    pub before: entidb_bytes,
}

const ENDS_COMMIT: u8 = 1;
/// Added to a kind when the document before follows.
const HAS_BEFORE: u8 = 128;

/// The bytes of a batch.
pub(crate) fn encode(batch: &ChangeBatch) -> Result<Vec<u8>, Error> {
    let position = batch.position.to_string();
    let before = |change: &Change| change.before.as_ref().map_or(0, |before| 4 + before.len());
    let size = |change: &Change| 22 + change.collection.len() + change.payload.len() + before(change);
    let mut out = Vec::with_capacity(22 + position.len() + batch.changes.iter().map(size).sum::<usize>());
    out.extend_from_slice(&batch.sequence.0.to_le_bytes());
    out.extend_from_slice(&batch.time_micros.to_le_bytes());
    out.extend_from_slice(&length(batch.changes.len())?.to_le_bytes());
    out.push(if batch.ends_commit() { ENDS_COMMIT } else { 0 });
    put_short(&mut out, position.as_bytes())?;
    for change in &batch.changes {
        out.push(change.kind as u8 | if change.before.is_some() { HAS_BEFORE } else { 0 });
        put_short(&mut out, change.collection.as_bytes())?;
        out.extend_from_slice(change.id.as_bytes());
        out.extend_from_slice(&length(change.payload.len())?.to_le_bytes());
        out.extend_from_slice(&change.payload);
        if let Some(before) = &change.before {
            out.extend_from_slice(&length(before.len())?.to_le_bytes());
            out.extend_from_slice(before);
        }
    }
    Ok(out)
}

fn length(len: usize) -> Result<u32, Error> {
    u32::try_from(len).map_err(|_| Error::new(ErrorCode::TooLarge, "a batch of changes is limited to 4 GiB"))
}

fn put_short(out: &mut Vec<u8>, text: &[u8]) -> Result<(), Error> {
    let len = u8::try_from(text.len());
    out.push(len.map_err(|_| Error::new(ErrorCode::Internal, "a name in a batch of changes is too long"))?);
    out.extend_from_slice(text);
    Ok(())
}

struct Reader<'a> {
    batch: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let found = self.batch.get(self.at..).and_then(|rest| rest.get(..len)).ok_or_else(|| {
            let problem = "the bytes are no batch of changes, or the offset is none a call gave; begin with 0";
            Error::new(ErrorCode::InvalidArgument, problem)
        })?;
        self.at += len;
        Ok(found)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let found = self.take(N)?;
        found.try_into().map_err(|_| Error::new(ErrorCode::Internal, "a slice has another length than asked for"))
    }

    fn short(&mut self) -> Result<&'a [u8], Error> {
        let [len] = self.array()?;
        self.take(usize::from(len))
    }

    fn long(&mut self) -> Result<&'a [u8], Error> {
        let len = u32::from_le_bytes(self.array()?);
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn head(&mut self) -> Result<entidb_change_batch_head, Error> {
        let (sequence, time_micros) = (u64::from_le_bytes(self.array()?), i64::from_le_bytes(self.array()?));
        let count = u32::from_le_bytes(self.array()?);
        let [flags] = self.array()?;
        let position = entidb_bytes::of(self.short()?);
        let ends_commit = u32::from(flags & ENDS_COMMIT);
        Ok(entidb_change_batch_head { sequence, time_micros, count, ends_commit, position })
    }

    fn change(&mut self) -> Result<entidb_change, Error> {
        let [kind] = self.array()?;
        let collection = entidb_bytes::of(self.short()?);
        let id = self.array()?;
        let payload = entidb_bytes::of(self.long()?);
        let before = entidb_bytes::of(if kind & HAS_BEFORE == 0 { &[] } else { self.long()? });
        Ok(entidb_change { kind: u32::from(kind & !HAS_BEFORE), reserved: 0, id, collection, payload, before })
    }
}

/// Reads the head of a batch of `entidb_change_feed_next`.
///
/// Threads: any.
/// Errors: INVALID_ARGUMENT for bytes that are not a batch.
///
/// # Safety
/// `batch` is readable for its length; out-pointers are NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_batch_read(
    batch: *const u8,
    batch_len: usize,
    out_head: *mut entidb_change_batch_head,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |_| {
        need(out_head, "out_head")?;
        let batch = bytes::slice(batch, batch_len, "batch")?;
        give(out_head, Reader { batch, at: 0 }.head()?, "out_head")
    })
}

/// Reads the next change of a batch, or returns `ENTIDB_END`.
///
/// Set `*offset` to 0 before the first call; each call advances it. Do not interpret its value.
///
/// Threads: any.
/// Errors: INVALID_ARGUMENT for bytes that are not a batch, or an offset that no call returned.
///
/// # Safety
/// `batch` is readable for its length; `offset` may be read and written; the others are NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_batch_next(
    batch: *const u8,
    batch_len: usize,
    offset: *mut usize,
    out_change: *mut entidb_change,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call(out_error, |_| {
        need(out_change, "out_change")?;
        let mut reader = Reader { batch: bytes::slice(batch, batch_len, "batch")?, at: read(offset, "offset")? };
        if reader.at == 0 {
            reader.head()?;
        }
        if reader.at == reader.batch.len() {
            return Ok(ENTIDB_END);
        }
        give(out_change, reader.change()?, "out_change")?;
        give(offset, reader.at, "offset")?;
        Ok(ENTIDB_OK)
    })
}
