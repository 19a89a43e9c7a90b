//! Answers, many at a time.
//!
//! Always: one call fills a buffer; entities are read from it in place. Does not know: what was asked.

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::Result;
use crate::modes::{FRAME_ABSENT_BYTES, FRAME_HEAD_BYTES, VERSION_UNTIL_BYTES};
use crate::{Entity, Id, call};

/// A walk over entities.
#[derive(Debug)]
pub struct Cursor(*mut ffi::entidb_cursor);

// SAFETY: the header says that a cursor may move between threads.
unsafe impl Send for Cursor {}
// SAFETY: two calls at once give CONCURRENT_USE, not a race.
unsafe impl Sync for Cursor {}

impl Cursor {
    pub(crate) fn own(pointer: *mut ffi::entidb_cursor) -> Self {
        Self(pointer)
    }

    /// The next entity.
    ///
    /// # Errors
    /// Those of `entidb_cursor_next`.
    pub fn next_entity(&self) -> Result<Option<Entity>> {
        let mut value = std::ptr::null_mut();
        // SAFETY: the cursor is live and the places may be written.
        let outcome = call::outcome(|error| unsafe { ffi::entidb_cursor_next(self.0, &raw mut value, error) })?;
        Ok((outcome == ffi::ENTIDB_OK).then(|| Entity::own(value)))
    }

    /// The next entities in one buffer; none at the end.
    ///
    /// # Errors
    /// Those of `entidb_cursor_next_batch`.
    pub fn next_batch(&self, count_max: usize, bytes_max: usize) -> Result<Option<Frames>> {
        let (buffer, outcome) = Buffer::fill_outcome(|out, error| {
            // SAFETY: the cursor is live and the places may be written.
            unsafe { ffi::entidb_cursor_next_batch(self.0, count_max, bytes_max, out, error) }
        })?;
        Ok((outcome == ffi::ENTIDB_OK).then(|| Frames::new(buffer)))
    }

    /// The page token of the entity at a position of the last batch; none when no answer follows it.
    ///
    /// # Errors
    /// Those of `entidb_cursor_token`.
    pub fn token(&self, position: usize) -> Result<Option<Buffer>> {
        let (buffer, outcome) = Buffer::fill_outcome(|out, error| {
            // SAFETY: the cursor is live and the places may be written.
            unsafe { ffi::entidb_cursor_token(self.0, position, out, error) }
        })?;
        Ok((outcome == ffi::ENTIDB_OK).then_some(buffer))
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // SAFETY: the cursor is ours and is not used afterwards.
        unsafe { ffi::entidb_cursor_free(self.0) };
    }
}

/// A buffer of framed entities, read one after the other.
#[derive(Debug)]
pub struct Frames {
    buffer: Buffer,
    offset: usize,
}

/// One entity in a buffer.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The id.
    pub id: Id,
    /// Version and document; none for an id that is not there.
    pub found: Option<(u64, &'a [u8])>,
}

impl Frames {
    pub(crate) fn new(buffer: Buffer) -> Self {
        Self { buffer, offset: 0 }
    }

    /// The whole buffer, for a host that reads frames itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The whole buffer, to keep.
    #[must_use]
    pub fn into_bytes(self) -> Buffer {
        self.buffer
    }

    /// How many entities the buffer has, counted no further than this.
    #[must_use]
    pub fn count_up_to(&self, most: usize) -> usize {
        let (mut rest, mut count) = (self.as_bytes(), 0);
        while count < most
            && let Some(len) = rest.first_chunk::<4>()
        {
            let len = match u32::from_le_bytes(*len) {
                u32::MAX => FRAME_ABSENT_BYTES,
                document => FRAME_HEAD_BYTES + document as usize,
            };
            rest = rest.get(len..).unwrap_or_default();
            count += 1;
        }
        count
    }

    /// The next version of an entity, and the sequence of the commit that ended it; none for what is there now.
    pub fn next_version(&mut self) -> Option<(Option<u64>, Frame<'_>)> {
        let (until, _) = self.buffer.get(self.offset..)?.split_first_chunk::<VERSION_UNTIL_BYTES>()?;
        let until = u64::from_le_bytes(*until);
        self.offset += VERSION_UNTIL_BYTES;
        self.next_frame().map(|frame| ((until > 0).then_some(until), frame))
    }

    /// The next entity of the buffer.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let rest = self.buffer.get(self.offset..)?;
        let (len, after) = rest.split_first_chunk::<4>()?;
        let (id, after) = after.split_first_chunk::<16>()?;
        let len = u32::from_le_bytes(*len);
        if len == u32::MAX {
            self.offset += FRAME_ABSENT_BYTES;
            return Some(Frame { id: *id, found: None });
        }
        let (version, after) = after.split_first_chunk::<VERSION_UNTIL_BYTES>()?;
        let len = usize::try_from(len).ok()?;
        let document = after.get(..len)?;
        self.offset += FRAME_HEAD_BYTES + len;
        Some(Frame { id: *id, found: Some((u64::from_le_bytes(*version), document)) })
    }
}
