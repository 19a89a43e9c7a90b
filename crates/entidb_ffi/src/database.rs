//! Opening, closing and looking after a database.
//!
//! Always: a handle may be used by any number of threads; freeing it leaves collections, transactions and cursors made
//! from it alive. Does not know: entities.

use std::time::Duration;

use entidb_core::{Database, Error, ErrorCode, Sequence, Since, Value, VerifyLevel};

use crate::boundary::{call_unit, clear, give, need};
use crate::bytes::{self, entidb_buffer};
use crate::change_feed::{self, entidb_change_feed};
use crate::collection::{self, entidb_collection};
use crate::error::entidb_error;
use crate::handle::{self, Noun, Touched};
use crate::modes::{ENTIDB_VERIFY_FULL, ENTIDB_VERIFY_QUICK};
use crate::options::{self, ENTIDB_DEFAULT};
use crate::sharing;
use crate::status::entidb_status;
use crate::transaction::{self, entidb_transaction};

/// An open database. Shareable: any number of threads at once. Free with `entidb_database_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_database {
    _private: [u8; 0],
}

struct Open {
    database: Database,
    /// The place in the table of open databases.
    token: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        sharing::leave(self.token);
    }
}

/// Makes a handle that `sharing` has counted.
fn make(database: Database, token: u64) -> *mut entidb_database {
    handle::make(Open { database, token })
}

impl Noun for Open {
    type Opaque = entidb_database;
    const TAG: u32 = 0x4442_4153;
    const NAME: &'static str = "database";
}

pub(crate) fn with<T>(
    touched: &mut Touched,
    database: *const entidb_database,
    run: impl FnOnce(&Database) -> Result<T, Error>,
) -> Result<T, Error> {
    run(&touched.get::<Open>(database)?.database)
}

/// Gives the handle of the database that `open` returns.
pub(crate) fn give_opened(
    out_database: *mut *mut entidb_database,
    out_error: *mut *mut entidb_error,
    open: impl FnOnce() -> Result<Database, Error>,
) -> entidb_status {
    clear(out_database);
    call_unit(out_error, |_| {
        need(out_database, "out_database")?;
        let database = open()?;
        let token = sharing::enter(&database);
        give(out_database, make(database, token), "out_database")
    })
}

/// Empties the place for a report that a caller may leave out.
pub(crate) fn clear_report(out_report: *mut entidb_buffer) {
    if !out_report.is_null() {
        // A place that is not NULL takes it.
        let _ = give(out_report, entidb_buffer::EMPTY, "out_report");
    }
}

/// Gives a report where the caller wants one.
pub(crate) fn give_report(out_report: *mut entidb_buffer, report: &Value) -> Result<(), Error> {
    if out_report.is_null() {
        return Ok(());
    }
    give(out_report, entidb_buffer::of(entidb_core::encode(report)), "out_report")
}

/// Opens the database in a folder, and creates it if the options allow. `options` is a CBOR map of names and values, as
/// `entidb_options_encode` returns it; with length 0 all options have their defaults.
///
/// Threads: any. Blocks: for recovery.
/// Owns: `*out_database` on success; free with `entidb_database_free`.
/// Errors: DATABASE_LOCKED, DATABASE_NOT_FOUND, ALREADY_EXISTS, NOT_A_DATABASE, FORMAT_TOO_NEW, CORRUPT, TAMPERED,
/// WRONG_KEY, ENCRYPTION_REQUIRED, NOT_ENCRYPTED, PERMISSION_DENIED, NOT_A_DIRECTORY, UNKNOWN_OPTION for an unknown name,
/// INVALID_ARGUMENT, encoding errors with the offset for options that are not CBOR, IO.
///
/// # Safety
/// `database` handles are live ones of this library; texts and bytes are readable for their lengths; out-pointers are
/// NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_open(
    path: *const u8,
    path_len: usize,
    options: *const u8,
    options_len: usize,
    out_database: *mut *mut entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    give_opened(out_database, out_error, || {
        let path = bytes::text(path, path_len, "path")?;
        Database::open_with(path, options::read(options, options_len)?)
    })
}

/// Opens a database in memory. It is lost when its last handle is freed. The options are those of
/// `entidb_database_open`.
///
/// Threads: any.
/// Owns: `*out_database` on success; free with `entidb_database_free`.
/// Errors: INVALID_ARGUMENT, UNKNOWN_OPTION, encoding errors with the offset, OUT_OF_MEMORY.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_open_memory(
    options: *const u8,
    options_len: usize,
    out_database: *mut *mut entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    give_opened(out_database, out_error, || Database::open_memory_with(options::read(options, options_len)?))
}

/// Returns the token of an open database: a number that no other database of this process gets. It is not secret and owns
/// nothing. Another thread, worker or isolate passes it to `entidb_database_attach`.
///
/// Threads: any.
/// Errors: FORKED, INVALID_HANDLE.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_token(
    database: *const entidb_database,
    out_token: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let token = touched.get::<Open>(database)?.token;
        give(out_token, token, "out_token")
    })
}

/// Returns another handle of the database with this token, which must be open and have a handle. The database stays until its last handle
/// is freed, so each user of a database has a handle of its own.
///
/// Threads: any.
/// Owns: `*out_database` on success; free with `entidb_database_free`.
/// Errors: CLOSED when no open database of this process has the token, INVALID_ARGUMENT.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_attach(
    token: u64,
    out_database: *mut *mut entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_database);
    call_unit(out_error, |_| {
        need(out_database, "out_database")?;
        let database = sharing::attach(token)?;
        give(out_database, make(database, token), "out_database")
    })
}

/// Closes the database for all of its handles: flushes every commit and marks a clean end. Closing again does
/// nothing. The handle must still be freed.
///
/// Threads: any. Blocks: for disk writes, and at most `lock_timeout_ms` for writing calls of other threads.
/// Errors: IN_USE while a write transaction is open, which stays open (without waiting if this thread has it open);
/// IO, NO_SPACE: the database is closed all the same.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_close(
    database: *const entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| with(touched, database, Database::close))
}

/// Like `entidb_database_close`, without waiting: calls of other threads end with CLOSED, and an open write
/// transaction is aborted. Their handles must still be freed.
///
/// Threads: any. Blocks: for disk access.
/// Errors: IO, NO_SPACE: the database is closed all the same.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_close_now(
    database: *const entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| with(touched, database, Database::close_now))
}

/// Sets `*out_closed` to 1 if the database is closed, to 0 if it is open.
///
/// Threads: any.
/// Errors: FORKED, INVALID_HANDLE.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_is_closed(
    database: *const entidb_database,
    out_closed: *mut i32,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let closed = with(touched, database, |open| Ok(open.is_closed()))?;
        give(out_closed, i32::from(closed), "out_closed")
    })
}

/// Frees a handle of a database. If the database was not closed, the next open recovers it. Accepts NULL.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_database_open`; the handle is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_free(database: *mut entidb_database) {
    handle::free::<Open>(database);
}

/// Returns a handle of the collection with this name. The collection is created with its first entity.
///
/// Threads: any.
/// Owns: `*out_collection` on success; free with `entidb_collection_free`.
/// Errors: INVALID_ARGUMENT, CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_collection(
    database: *const entidb_database,
    name: *const u8,
    name_len: usize,
    out_collection: *mut *mut entidb_collection,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_collection);
    call_unit(out_error, |touched| {
        need(out_collection, "out_collection")?;
        let name = bytes::text(name, name_len, "name")?;
        let found = with(touched, database, |open| open.collection(name))?;
        give(out_collection, collection::make(found), "out_collection")
    })
}

/// Returns the names of the collections as a sorted CBOR array of texts.
///
/// Threads: any.
/// Owns: `*out_names` on success; free with `entidb_buffer_free`.
/// Errors: CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_collections(
    database: *const entidb_database,
    out_names: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_names, entidb_buffer::EMPTY, "out_names")?;
        let names = with(touched, database, Database::collections)?;
        give(out_names, transaction::names_buffer(&names), "out_names")
    })
}

/// Creates an empty collection.
///
/// Threads: any. Blocks: while another write transaction is open, and for the commit.
/// Errors: COLLECTION_EXISTS, INVALID_ARGUMENT, TOO_LARGE, BUSY, DEADLOCK, READ_ONLY, NO_SPACE, WRITES_STOPPED,
/// CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_create_collection(
    database: *const entidb_database,
    name: *const u8,
    name_len: usize,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let name = bytes::text(name, name_len, "name")?;
        with(touched, database, |open| open.create_collection(name))
    })
}

/// Renames a collection.
///
/// Threads: any. Blocks: while another write transaction is open, and for the commit.
/// Errors: COLLECTION_NOT_FOUND, and those of `entidb_database_create_collection`.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_rename_collection(
    database: *const entidb_database,
    from: *const u8,
    from_len: usize,
    to: *const u8,
    to_len: usize,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let (from, to) = (bytes::text(from, from_len, "from")?, bytes::text(to, to_len, "to")?);
        with(touched, database, |open| open.rename_collection(from, to))
    })
}

/// Drops a collection with its entities and indexes.
///
/// Threads: any. Blocks: while another write transaction is open, and for the commit.
/// Errors: COLLECTION_NOT_FOUND, and those of `entidb_database_create_collection`.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_drop_collection(
    database: *const entidb_database,
    name: *const u8,
    name_len: usize,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let name = bytes::text(name, name_len, "name")?;
        with(touched, database, |open| open.drop_collection(name))
    })
}

/// Begins a read transaction: a snapshot of the database as it is now.
///
/// Threads: any.
/// Owns: `*out_transaction` on success; free with `entidb_transaction_free`.
/// Errors: CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_begin_read(
    database: *const entidb_database,
    out_transaction: *mut *mut entidb_transaction,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_transaction);
    call_unit(out_error, |touched| {
        need(out_transaction, "out_transaction")?;
        let begun = with(touched, database, Database::begin_read)?;
        give(out_transaction, transaction::make_read(begun), "out_transaction")
    })
}

/// Begins a read transaction on the database as it was after an earlier commit, given by its sequence. Queries in it scan
/// all entities, because indexes hold the newest commit only.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_transaction` on success; free with `entidb_transaction_free`.
/// Errors: SNAPSHOT_EXPIRED when retention removed what is needed; INVALID_ARGUMENT for a commit that does not exist; UNSUPPORTED when
/// the database keeps no change feed; CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_begin_read_at(
    database: *const entidb_database,
    sequence: u64,
    out_transaction: *mut *mut entidb_transaction,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_transaction);
    call_unit(out_error, |touched| {
        need(out_transaction, "out_transaction")?;
        let begun = with(touched, database, |open| open.begin_read_at(Sequence(sequence)))?;
        give(out_transaction, transaction::make_read(begun), "out_transaction")
    })
}

/// Begins a write transaction. Waits up to `timeout_ms` while another one is open: 0 does not wait, `ENTIDB_DEFAULT`
/// waits for `lock_timeout_ms` of the options, `ENTIDB_NO_LIMIT` without end.
///
/// Threads: any. Blocks: while another write transaction is open.
/// Owns: `*out_transaction` on success; free with `entidb_transaction_free`.
/// Errors: BUSY when the wait ends without success; DEADLOCK at once when the open transaction is one that this
/// thread began or used last; READ_ONLY, WRITES_STOPPED, CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_begin_write(
    database: *const entidb_database,
    timeout_ms: u64,
    out_transaction: *mut *mut entidb_transaction,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_transaction);
    call_unit(out_error, |touched| {
        need(out_transaction, "out_transaction")?;
        let timeout = (timeout_ms != ENTIDB_DEFAULT).then(|| Duration::from_millis(timeout_ms));
        let begun = with(touched, database, |open| open.begin_write_within(timeout))?;
        give(out_transaction, transaction::make_write(begun), "out_transaction")
    })
}

/// Returns a reader of the changes after a position of a feed, a transaction or `entidb_database_position`; with
/// length 0, of all changes that are kept.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_feed` on success; free with `entidb_change_feed_free`.
/// Errors: GAP when retention removed changes after the position, or the position is of another history;
/// INVALID_ARGUMENT for text that is not a position; UNSUPPORTED when the database keeps no feed; CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_changes(
    database: *const entidb_database,
    since: *const u8,
    since_len: usize,
    out_feed: *mut *mut entidb_change_feed,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_feed);
    call_unit(out_error, |touched| {
        need(out_feed, "out_feed")?;
        let since = match bytes::text(since, since_len, "since")? {
            "" => Since::Oldest,
            position => Since::After(position.parse()?),
        };
        let cursor = with(touched, database, |open| open.changes(since))?;
        give(out_feed, change_feed::make(cursor), "out_feed")
    })
}

/// Returns the position after the newest visible commit, as text: `entidb_database_changes` from there reads later
/// commits only. To copy the data and then follow it, use the position of the transaction that reads the copy.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_position` on success; free with `entidb_buffer_free`.
/// Errors: CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_position(
    database: *const entidb_database,
    out_position: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_position, entidb_buffer::EMPTY, "out_position")?;
        let position = with(touched, database, Database::position)?.to_string();
        give(out_position, entidb_buffer::of(position.into_bytes()), "out_position")
    })
}

/// Removes the changes up to and including a sequence from the change feed.
///
/// Threads: any. Blocks: while another write transaction is open, and for the commit.
/// Errors: BUSY, DEADLOCK, READ_ONLY, NO_SPACE, WRITES_STOPPED, CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_trim_changes(
    database: *const entidb_database,
    through: u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| with(touched, database, |open| open.trim_changes(Sequence(through))))
}

/// Returns the sequence of the newest visible commit, also after the database was closed.
///
/// Threads: any.
/// Errors: FORKED, INVALID_HANDLE.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_last_sequence(
    database: *const entidb_database,
    out_sequence: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let sequence = with(touched, database, |open| Ok(open.last_sequence().0))?;
        give(out_sequence, sequence, "out_sequence")
    })
}

/// Waits until a commit is on stable storage.
///
/// Threads: any. Blocks: up to `timeout_ms`; `ENTIDB_NO_LIMIT` waits without end.
/// Errors: TIMEOUT, WRITES_STOPPED, CLOSED; INVALID_ARGUMENT for `ENTIDB_DEFAULT`, since this wait has no default.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_wait_durable(
    database: *const entidb_database,
    sequence: u64,
    timeout_ms: u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let wait = options::wait(timeout_ms)?;
        with(touched, database, |open| open.wait_durable(Sequence(sequence), wait))
    })
}

/// Writes the data in the log to segments, and shortens the log. `out_report` may be NULL; otherwise it receives a CBOR map
/// of `sequence` (the last commit in segments), `wal_bytes_before` and `wal_bytes` (commits that are in the log only).
///
/// Threads: any. Blocks: for disk reads and writes; other reads and writes continue.
/// Owns: `*out_report` on success; free with `entidb_buffer_free`.
/// Errors: READ_ONLY, NO_SPACE, WRITES_STOPPED, CLOSED, IO.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_checkpoint(
    database: *const entidb_database,
    out_report: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        clear_report(out_report);
        let report = with(touched, database, Database::checkpoint)?;
        give_report(out_report, &report.to_value())
    })
}

/// Merges all segments and removes old versions and deleted data. `out_report` may be NULL; otherwise it receives a CBOR map
/// of `segments_before`, `segments`, `segment_bytes_before` and `segment_bytes`.
///
/// Threads: any. Blocks: for disk reads and writes; other reads and writes continue.
/// Owns: `*out_report` on success; free with `entidb_buffer_free`.
/// Errors: as `entidb_database_checkpoint`.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_compact(
    database: *const entidb_database,
    out_report: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        clear_report(out_report);
        let report = with(touched, database, Database::compact)?;
        give_report(out_report, &report.to_value())
    })
}

/// Checks the database and returns a report, a CBOR map: `ok`, `problems` (an array of maps with `what` and, where
/// they apply, `file`, `offset`, `collection`, `index`, `id`), counts of what was checked, and `bytes_dropped` (at
/// the end of the log, when the database was opened). Damage is reported in it, and is no error of this call.
///
/// Threads: any. Blocks: for disk reads and writes; other reads and writes continue.
/// Owns: `*out_report` on success; free with `entidb_buffer_free`.
/// Errors: INVALID_ARGUMENT, CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_verify(
    database: *const entidb_database,
    level: u32,
    out_report: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_report, entidb_buffer::EMPTY, "out_report")?;
        let level = match level {
            ENTIDB_VERIFY_QUICK => VerifyLevel::Quick,
            ENTIDB_VERIFY_FULL => VerifyLevel::Full,
            other => {
                let problem = format!("level is {other}; give ENTIDB_VERIFY_QUICK or ENTIDB_VERIFY_FULL");
                return Err(Error::new(ErrorCode::InvalidArgument, problem));
            }
        };
        let report = with(touched, database, |open| open.verify(level))?;
        give(out_report, entidb_buffer::of(entidb_core::encode(&report.to_value())), "out_report")
    })
}

/// Copies the database, as of one commit, to a new folder, which is a database of its own. The copy is read back and
/// checked. `out_report` may be NULL; otherwise it receives a CBOR map of `sequence`, `files`, `bytes` and
/// `spares_repaired`.
///
/// Threads: any. Blocks: for disk reads and writes; other reads and writes continue.
/// Owns: `*out_report` on success; free with `entidb_buffer_free`.
/// Errors: TARGET_NOT_EMPTY, DATABASE_LOCKED while the folder is being written by another call, NOT_A_DIRECTORY, NO_SPACE,
/// PERMISSION_DENIED, READ_ONLY, CLOSED, IO.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_backup(
    database: *const entidb_database,
    path: *const u8,
    path_len: usize,
    out_report: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        clear_report(out_report);
        let path = bytes::text(path, path_len, "path")?;
        let report = with(touched, database, |open| open.backup(path))?;
        give_report(out_report, &report.to_value())
    })
}

/// Returns counters since opening, and current sizes, as a CBOR map of names and numbers.
///
/// Threads: any.
/// Owns: `*out_stats` on success; free with `entidb_buffer_free`.
/// Errors: CLOSED.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_stats(
    database: *const entidb_database,
    out_stats: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_stats, entidb_buffer::EMPTY, "out_stats")?;
        let stats = with(touched, database, Database::stats)?;
        give(out_stats, entidb_buffer::of(entidb_core::encode(&stats.to_value())), "out_stats")
    })
}

/// Returns the options in use as a CBOR map of names and values. It says whether there is a key, never which.
///
/// Threads: any.
/// Owns: `*out_config` on success; free with `entidb_buffer_free`.
/// Errors: INVALID_HANDLE.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_config(
    database: *const entidb_database,
    out_config: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_config, entidb_buffer::EMPTY, "out_config")?;
        let config = with(touched, database, |open| Ok(open.options().to_value()))?;
        give(out_config, entidb_buffer::of(entidb_core::encode(&config)), "out_config")
    })
}

/// Returns what opening found, as a CBOR map: `created`, `clean`, `commits_replayed`, `bytes_dropped`,
/// `last_sequence`, `ignored` (names in the folder that are not files of the database, the first of them) and
/// `ignored_count`.
///
/// Threads: any.
/// Owns: `*out_report` on success; free with `entidb_buffer_free`.
/// Errors: INVALID_HANDLE.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_open_report(
    database: *const entidb_database,
    out_report: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_report, entidb_buffer::EMPTY, "out_report")?;
        let report = with(touched, database, |open| Ok(open.open_report_value()))?;
        give(out_report, entidb_buffer::of(entidb_core::encode(&report)), "out_report")
    })
}
