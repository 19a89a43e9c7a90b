//! Calls on a database.
//!
//! Always: sequences cross as numbers, which are exact to 2^53. Does not know: options, which are CBOR here.

use entidb_abi::{Database, VerifyLevel};
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::collection::text_of;
use crate::failure::given;
use crate::table::{count, table, take, with};

/// Opens the database in a folder, or in memory when there is no path.
#[napi]
pub fn open_native(path: Option<String>, options: &[u8]) -> Result<f64> {
    let opened = given(match path {
        Some(path) => Database::open(&path, options),
        None => Database::open_memory(options),
    })?;
    table(|table| table.handles.hold(opened, None))
}

/// Checks a backup; the report is CBOR.
#[napi]
pub fn validate_backup(backup: String, options: &[u8]) -> Result<Buffer> {
    given(Database::validate_backup(&backup, options)).map(|report| bytes(&report))
}

/// Makes a database in a new folder of a backup; the report is CBOR.
#[napi]
pub fn restore(backup: String, path: String, options: &[u8]) -> Result<Buffer> {
    given(Database::restore(&backup, &path, options)).map(|report| bytes(&report))
}

/// Makes a database in memory of a backup, and opens it.
#[napi]
pub fn restore_memory(backup: String, options: &[u8]) -> Result<f64> {
    let opened = given(Database::restore_memory(&backup, options))?;
    table(|table| table.handles.hold(opened, None))
}

fn bytes(buffer: &entidb_abi::Buffer) -> Buffer {
    Buffer::from(buffer.to_vec())
}

/// Closes it, and lets go of it and all that came from it; also when closing fails after it has begun.
#[napi]
pub fn database_close(handle: f64) -> Result<()> {
    table(|table| {
        let database = table.handles.get::<Database>(handle)?;
        let result = given(database.close());
        if database.is_closed().unwrap_or(true) {
            table.handles.release(handle);
        }
        result
    })
}

/// True when it was closed or let go of.
#[napi]
pub fn database_is_closed(handle: f64) -> bool {
    with(handle, |database: &Database| database.is_closed()).unwrap_or(true)
}

/// The collection of a name.
#[napi]
pub fn database_collection(handle: f64, name: String) -> Result<f64> {
    take(handle, |database: &Database| database.collection(&name))
}

/// The names of the collections, CBOR.
#[napi]
pub fn database_collections(handle: f64) -> Result<Buffer> {
    with(handle, |database: &Database| database.collections()).map(|names| bytes(&names))
}

/// Creates an empty collection.
#[napi]
pub fn database_create_collection(handle: f64, name: String) -> Result<()> {
    with(handle, |database: &Database| database.create_collection(&name))
}

/// Gives a collection another name.
#[napi]
pub fn database_rename_collection(handle: f64, from: String, to: String) -> Result<()> {
    with(handle, |database: &Database| database.rename_collection(&from, &to))
}

/// Removes a collection.
#[napi]
pub fn database_drop_collection(handle: f64, name: String) -> Result<()> {
    with(handle, |database: &Database| database.drop_collection(&name))
}

/// Begins to read.
#[napi]
pub fn database_begin_read(handle: f64) -> Result<f64> {
    take(handle, |database: &Database| database.begin_read())
}

/// Begins to read the database as it was after an earlier commit.
#[napi]
pub fn database_begin_read_at(handle: f64, sequence: i64) -> Result<f64> {
    let sequence = u64::try_from(sequence).unwrap_or(0);
    take(handle, |database: &Database| database.begin_read_at(sequence))
}

/// Begins to change, waiting up to the given milliseconds for another write transaction; negative means the default of the options.
#[napi]
pub fn database_begin_write(handle: f64, timeout_ms: i64) -> Result<f64> {
    take(handle, |database: &Database| database.begin_write(u64::try_from(timeout_ms).ok()))
}

/// Reads the changes after a position, or from the oldest that are kept.
#[napi]
pub fn database_changes(handle: f64, since: Option<String>) -> Result<f64> {
    take(handle, |database: &Database| database.changes(since.as_deref()))
}

/// The position in the feed after the newest commit.
#[napi]
pub fn database_position(handle: f64) -> Result<String> {
    with(handle, |database: &Database| database.position())
}

/// An id that no other call makes, in the order of time.
#[napi]
pub fn database_new_id(handle: f64) -> Result<String> {
    with(handle, |database: &Database| database.new_id()).map(|id| text_of(&id))
}

/// Removes changes up to a sequence from the feed.
#[napi]
pub fn database_trim_changes(handle: f64, through: i64) -> Result<()> {
    with(handle, |database: &Database| database.trim_changes(u64::try_from(through).unwrap_or(0)))
}

/// The sequence of the newest commit.
#[napi]
pub fn database_last_sequence(handle: f64) -> Result<f64> {
    with(handle, |database: &Database| database.last_sequence()).map(count)
}

/// Waits until a commit is on stable storage.
#[napi]
pub fn database_wait_durable(handle: f64, sequence: i64, timeout_ms: u32) -> Result<()> {
    with(handle, |database: &Database| {
        database.wait_durable(u64::try_from(sequence).unwrap_or(0), u64::from(timeout_ms))
    })
}

/// Puts the newest writes into segments; the report is CBOR.
#[napi]
pub fn database_checkpoint(handle: f64) -> Result<Buffer> {
    with(handle, |database: &Database| database.checkpoint()).map(|report| bytes(&report))
}

/// Merges all segments; the report is CBOR.
#[napi]
pub fn database_compact(handle: f64) -> Result<Buffer> {
    with(handle, |database: &Database| database.compact()).map(|report| bytes(&report))
}

/// Checks the database; the report is CBOR.
#[napi]
pub fn database_verify(handle: f64, full: bool) -> Result<Buffer> {
    let level = if full { VerifyLevel::Full } else { VerifyLevel::Quick };
    with(handle, |database: &Database| database.verify(level)).map(|report| bytes(&report))
}

/// Copies the database into a new folder; the report is CBOR.
#[napi]
pub fn database_backup(handle: f64, path: String) -> Result<Buffer> {
    with(handle, |database: &Database| database.backup(&path)).map(|report| bytes(&report))
}

/// Counters and sizes, CBOR.
#[napi]
pub fn database_stats(handle: f64) -> Result<Buffer> {
    with(handle, |database: &Database| database.stats()).map(|stats| bytes(&stats))
}

/// The options in force, CBOR.
#[napi]
pub fn database_config(handle: f64) -> Result<Buffer> {
    with(handle, |database: &Database| database.config()).map(|config| bytes(&config))
}

/// The report of opening, CBOR.
#[napi]
pub fn database_open_report(handle: f64) -> Result<Buffer> {
    with(handle, |database: &Database| database.open_report()).map(|report| bytes(&report))
}
