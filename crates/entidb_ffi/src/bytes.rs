//! Bytes across the boundary: views of the caller's, views of ours, and buffers the caller frees.
//!
//! Always: NULL with length 0 is empty; a length over the address space is refused; text is judged as UTF-8.
//! Does not know: what the bytes mean.
//!
//! Unsafe: reading what the caller's pointer and length describe, which it promises to be readable.

use entidb_core::{EntityId, Error, ErrorCode};

use crate::boundary::quiet;

/// Bytes that the library owns. The function that returns them says how long they are valid.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct entidb_bytes {
    /// The first byte, or NULL if there are none.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

impl entidb_bytes {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    pub(crate) const EMPTY: Self = Self { data: std::ptr::null(), len: 0 };
}

/// Bytes owned by the caller, who frees them with `entidb_buffer_free`.
#[repr(C)]
#[derive(Debug)]
pub struct entidb_buffer {
    /// The first byte, or NULL if there are none.
    pub data: *mut u8,
    /// How many.
    pub len: usize,
    /// The size of the allocation, for `entidb_buffer_free` only.
    pub capacity: usize,
}

impl entidb_buffer {
    pub(crate) const EMPTY: Self = Self { data: std::ptr::null_mut(), len: 0, capacity: 0 };

    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        if bytes.capacity() == 0 {
            return Self::EMPTY;
        }
        let mut bytes = std::mem::ManuallyDrop::new(bytes);
        Self { data: bytes.as_mut_ptr(), len: bytes.len(), capacity: bytes.capacity() }
    }
}

/// Frees the memory of a buffer and empties it. Accepts NULL and an empty buffer.
///
/// Threads: any, one call at a time on one buffer.
///
/// # Safety
/// `buffer` is NULL or points at a buffer this library filled, unchanged.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_buffer_free(buffer: *mut entidb_buffer) {
    quiet((), || {
        if buffer.is_null() {
            return;
        }
        // SAFETY: the caller promises a buffer it owns.
        let taken = std::mem::replace(unsafe { &mut *buffer }, entidb_buffer::EMPTY);
        if !taken.data.is_null() && taken.len <= taken.capacity {
            // SAFETY: pointer, length and capacity are those of the vector `of` took apart.
            drop(unsafe { Vec::from_raw_parts(taken.data, taken.len, taken.capacity) });
        }
    });
}

fn refuse(name: &str, problem: &str) -> Error {
    Error::new(ErrorCode::InvalidArgument, format!("{name} {problem}"))
}

/// The caller's bytes.
pub(crate) fn slice<'a>(data: *const u8, len: usize, name: &str) -> Result<&'a [u8], Error> {
    if data.is_null() {
        return if len == 0 { Ok(&[]) } else { Err(refuse(name, "is NULL with a length; pass the bytes or length 0")) };
    }
    if isize::try_from(len).is_err() {
        return Err(refuse(name, "has a length beyond the address space"));
    }
    // SAFETY: the caller promises `len` readable bytes at a non-null pointer.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// The caller's text.
pub(crate) fn text<'a>(data: *const u8, len: usize, name: &str) -> Result<&'a str, Error> {
    std::str::from_utf8(slice(data, len, name)?).map_err(|_| refuse(name, "is not UTF-8"))
}

/// The caller's id: 16 bytes.
pub(crate) fn id(pointer: *const u8, name: &str) -> Result<EntityId, Error> {
    optional_id(pointer)?.ok_or_else(|| refuse(name, "is NULL; pass the 16 bytes of an id"))
}

/// The caller's id, or none where it passes NULL.
pub(crate) fn optional_id(pointer: *const u8) -> Result<Option<EntityId>, Error> {
    if pointer.is_null() {
        return Ok(None);
    }
    EntityId::from_slice(slice(pointer, 16, "id")?).map(Some)
}

/// The caller's ids: 16 bytes each.
pub(crate) fn ids(data: *const u8, count: usize) -> Result<Vec<EntityId>, Error> {
    let len = count.checked_mul(16).ok_or_else(|| refuse("ids", "has a count beyond the address space"))?;
    slice(data, len, "ids")?.chunks_exact(16).map(EntityId::from_slice).collect()
}

/// Writes an id to where the caller wants it: 16 bytes.
pub(crate) fn give_id(out: *mut u8, id: EntityId) {
    if !out.is_null() {
        // SAFETY: the caller promises 16 writable bytes at a non-null pointer.
        unsafe { std::ptr::copy_nonoverlapping(id.as_bytes().as_ptr(), out, 16) };
    }
}
