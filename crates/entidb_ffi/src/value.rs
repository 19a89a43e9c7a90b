//! An entity that was read, pinned in the engine's memory.
//!
//! Always: its bytes never change and live until it is freed, even after its database is closed.
//! Does not know: its collection.

use entidb_core::Entity;

use crate::boundary::quiet;
use crate::bytes::entidb_bytes;
use crate::handle::{self, Noun, Touched};

/// An entity as it was read. Free with `entidb_value_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_value {
    _private: [u8; 0],
}

pub(crate) struct Pinned(Entity);

impl Noun for Pinned {
    type Opaque = entidb_value;
    const TAG: u32 = 0x5641_4c55;
    const OF_MEMORY: bool = true;
    const NAME: &'static str = "value";
}

pub(crate) fn make(entity: Entity) -> *mut entidb_value {
    handle::make(Pinned(entity))
}

fn with<T>(value: *const entidb_value, fallback: T, read: impl FnOnce(&'static Entity) -> T) -> T {
    let found = quiet(None, || Touched::default().get::<Pinned>(value).ok().map(|pinned| read(&pinned.0)));
    found.unwrap_or(fallback)
}

/// Returns the document, canonical CBOR, without a copy. Valid until the value is freed.
///
/// Threads: any.
///
/// # Safety
/// `value` is NULL or a live value of this library; `out_bytes` may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_value_bytes(value: *const entidb_value, out_bytes: *mut entidb_bytes) {
    let bytes = with(value, entidb_bytes::EMPTY, |entity| entidb_bytes::of(entity.bytes()));
    if !out_bytes.is_null() {
        // SAFETY: the caller promises that a non-null out-pointer may be written.
        unsafe { out_bytes.write(bytes) };
    }
}

/// The 16 bytes of the id; NULL if `value` is NULL. Valid until the value is freed.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_value_bytes`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_value_id(value: *const entidb_value) -> *const u8 {
    with(value, std::ptr::null(), |entity| entity.id_bytes().as_ptr())
}

/// The version: the sequence of the commit that wrote the entity; 0 if `value` is NULL.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_value_bytes`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_value_version(value: *const entidb_value) -> u64 {
    with(value, 0, Entity::version)
}

/// Frees a value. Accepts NULL.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_value_bytes`; the value is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_value_free(value: *mut entidb_value) {
    handle::free::<Pinned>(value);
}
