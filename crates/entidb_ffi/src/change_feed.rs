//! Reading the change feed.
//!
//! Always: whole commits in order; a wait ends with its time. Does not know: who reads.

use std::time::Duration;

use entidb_core::{ChangeCursor, ChangeKind, Commit, Error, ErrorCode, Value};
use parking_lot::Mutex;

use crate::boundary::{call, give};
use crate::bytes::entidb_buffer;
use crate::error::entidb_error;
use crate::handle::{self, Noun, Touched};
use crate::status::{ENTIDB_OK, ENTIDB_TIMEOUT, entidb_status};

/// A reader of the change feed. Movable: any thread, one call at a time. Free with `entidb_change_feed_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_change_feed {
    _private: [u8; 0],
}

struct Feed(Mutex<ChangeCursor>);

impl Noun for Feed {
    type Opaque = entidb_change_feed;
    const TAG: u32 = 0x4645_4544;
    const NAME: &'static str = "change feed";
}

pub(crate) fn make(cursor: ChangeCursor) -> *mut entidb_change_feed {
    handle::make(Feed(Mutex::new(cursor)))
}

/// Gives the next commit, waiting up to `timeout_ms` for one, or `ENTIDB_TIMEOUT`.
///
/// The commit is a CBOR map: `sequence`, and `changes`, an array of maps with `kind` (`insert`, `update`, `delete`,
/// `collection_created`, ...), `collection`, and where they apply `id`, `document`, `name` or `index`.
///
/// Threads: any, one call at a time. Blocks: up to `timeout_ms`; 0 never.
/// Owns: `*out_commit` on success; free with `entidb_buffer_free`.
/// Errors: GAP when changes were removed by retention before they were read; CLOSED, CONCURRENT_USE, CORRUPT, UNSUPPORTED.
///
/// # Safety
/// `feed` is a live feed of this library; out-pointers are NULL or may be written. So for every function here.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_next(
    feed: *mut entidb_change_feed,
    timeout_ms: u64,
    out_commit: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call(out_error, |touched| {
        give(out_commit, entidb_buffer::EMPTY, "out_commit")?;
        let mut cursor = touched.get::<Feed>(feed)?.0.try_lock().ok_or_else(|| {
            Error::new(ErrorCode::ConcurrentUse, "another thread is using this change feed; give each thread its own")
        })?;
        match cursor.next_commit(Duration::from_millis(timeout_ms))? {
            Some(commit) => {
                give(out_commit, entidb_buffer::of(entidb_core::encode(&describe(&commit)?)), "out_commit")?;
                Ok(ENTIDB_OK)
            }
            None => Ok(ENTIDB_TIMEOUT),
        }
    })
}

fn describe(commit: &Commit) -> Result<Value, Error> {
    let mut changes = Vec::with_capacity(commit.changes.len());
    for change in &commit.changes {
        let mut fields =
            vec![("kind", Value::from(change.kind.name())), ("collection", Value::from(&*change.collection))];
        if change.kind.is_entity() {
            fields.push(("id", Value::EntityId(*change.id.as_bytes())));
        }
        match change.kind {
            ChangeKind::Insert | ChangeKind::Update => fields.push(("document", entidb_core::decode(&change.payload)?)),
            ChangeKind::IndexCreated => fields.push(("index", entidb_core::decode(&change.payload)?)),
            ChangeKind::CollectionRenamed | ChangeKind::IndexDropped => {
                fields.push(("name", Value::from(String::from_utf8_lossy(&change.payload).into_owned())));
            }
            _ => {}
        }
        changes.push(Value::Map(fields.into_iter().collect()));
    }
    let fields = [("sequence", Value::from(commit.sequence.0)), ("changes", Value::Array(changes))];
    Ok(Value::Map(fields.into_iter().collect()))
}

/// The sequence of the last commit given; 0 for NULL or while another thread waits on the feed.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_change_feed_next`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_position(feed: *const entidb_change_feed) -> u64 {
    crate::boundary::quiet(0, || {
        let mut touched = Touched::default();
        let cursor = touched.get::<Feed>(feed).ok().and_then(|feed| feed.0.try_lock());
        cursor.map_or(0, |cursor| cursor.position().0)
    })
}

/// Frees a change feed reader. NULL is fine.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_change_feed_next`; the feed is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_free(feed: *mut entidb_change_feed) {
    handle::free::<Feed>(feed);
}
