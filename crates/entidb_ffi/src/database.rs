//! Opening, closing and looking after a database.
//!
//! Always: a handle may be used by any number of threads; freeing it leaves collections, transactions and cursors made
//! from it alive. Does not know: entities.

use std::time::Duration;

use entidb_core::{Database, Error, ErrorCode, Sequence, Since, VerifyLevel};

use crate::boundary::{call_unit, clear, give, need};
use crate::bytes::{self, entidb_buffer};
use crate::change_feed::{self, entidb_change_feed};
use crate::collection::{self, entidb_collection};
use crate::error::entidb_error;
use crate::handle::{self, Noun, Touched};
use crate::options::{self, ENTIDB_DEFAULT, entidb_open_options};
use crate::status::entidb_status;
use crate::transaction::{self, entidb_transaction};

/// An open database. Shareable: any number of threads at once. Free with `entidb_database_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_database {
    _private: [u8; 0],
}

struct Open(Database);

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
    run(&touched.get::<Open>(database)?.0)
}

/// Opens the database in a folder, making it when the options say so. `options` may be NULL.
///
/// Threads: any. Blocks: on recovery.
/// Owns: `*out_database` on success; free with `entidb_database_free`.
/// Errors: DATABASE_LOCKED, DATABASE_NOT_FOUND, ALREADY_EXISTS, NOT_A_DATABASE, FORMAT_TOO_NEW, CORRUPT, TAMPERED, WRONG_KEY,
/// ENCRYPTION_REQUIRED, NOT_ENCRYPTED, PERMISSION_DENIED, NOT_A_DIRECTORY, INVALID_ARGUMENT, UNKNOWN_OPTION, IO.
///
/// # Safety
/// `database` handles are live ones of this library; texts and bytes are readable for their lengths; `options` is NULL or
/// readable for its `struct_size`; out-pointers are NULL or may be written. So for every function here.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_open(
    path: *const u8,
    path_len: usize,
    options: *const entidb_open_options,
    out_database: *mut *mut entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_database);
    call_unit(out_error, |_| {
        need(out_database, "out_database")?;
        let path = bytes::text(path, path_len, "path")?;
        let database = Database::open_with(path, options::read(options)?)?;
        give(out_database, handle::make(Open(database)), "out_database")
    })
}

/// As `entidb_database_open`, with the options as a CBOR map of names and values; a name that is not known is refused with
/// the nearest that is. No bytes are the defaults.
///
/// Threads: any. Blocks: on recovery.
/// Owns: `*out_database` on success; free with `entidb_database_free`.
/// Errors: as `entidb_database_open`, and encoding errors with the offset for options that are no CBOR.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_open_named(
    path: *const u8,
    path_len: usize,
    options: *const u8,
    options_len: usize,
    out_database: *mut *mut entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_database);
    call_unit(out_error, |_| {
        need(out_database, "out_database")?;
        let path = bytes::text(path, path_len, "path")?;
        let options = options::read_named(bytes::slice(options, options_len, "options")?)?;
        give(out_database, handle::make(Open(Database::open_with(path, options)?)), "out_database")
    })
}

/// Opens a database in memory, gone when its last handle is. The options are as for `entidb_database_open_named`.
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
    clear(out_database);
    call_unit(out_error, |_| {
        need(out_database, "out_database")?;
        let options = options::read_named(bytes::slice(options, options_len, "options")?)?;
        give(out_database, handle::make(Open(Database::open_memory_with(options)?)), "out_database")
    })
}

/// Closes the database for every handle on it: flushes what is not durable yet and marks a clean end. Closing twice is
/// fine. The handle still needs to be freed.
///
/// Threads: any. Blocks: on the disk, and for calls of other threads that write, at most `lock_timeout_ms`.
/// Errors: IN_USE while a write transaction is open, which stays as it is (at once when it is this thread's); IO, NO_SPACE:
/// closed all the same.
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

/// As `entidb_database_close`, and waits for nobody: what other threads have under way ends with CLOSED, and nothing of their
/// open write transaction stays. Their handles still need to be freed.
///
/// Threads: any. Blocks: on the disk.
/// Errors: IO, NO_SPACE: closed all the same.
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

/// Gives 1 when the database was closed, 0 while it is open.
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

/// Frees a database handle. Without a close before it, the next open recovers. NULL is fine.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_database_open`; the handle is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_free(database: *mut entidb_database) {
    handle::free::<Open>(database);
}

/// Gives the collection of a name; it comes into being with its first entity.
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

/// Gives the names of the collections as a sorted CBOR array of texts.
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
/// Threads: any. Blocks: on the writer's place and the commit.
/// Errors: COLLECTION_EXISTS, INVALID_ARGUMENT, TOO_LARGE, BUSY, DEADLOCK, READ_ONLY, NO_SPACE, WRITES_STOPPED, CLOSED.
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

/// Gives a collection another name.
///
/// Threads: any. Blocks: on the writer's place and the commit.
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

/// Removes a collection with everything in it.
///
/// Threads: any. Blocks: on the writer's place and the commit.
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

/// Begins to read the database as it is now.
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

/// Begins to change the database, waiting up to `timeout_ms` for another writer: 0 not at all, `ENTIDB_DEFAULT` as the
/// options say, `ENTIDB_NO_LIMIT` as long as it takes.
///
/// Threads: any. Blocks: on the writer's place.
/// Owns: `*out_transaction` on success; free with `entidb_transaction_free`.
/// Errors: BUSY when the wait is over, DEADLOCK at once when it would be for a transaction that this thread began or called
/// last, READ_ONLY, WRITES_STOPPED, CLOSED.
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

/// Reads the changes committed after a position that a feed, a transaction or `entidb_database_position` gave; with length 0
/// from the oldest changes that are kept.
///
/// Threads: any. Blocks: on the disk.
/// Owns: `*out_feed` on success; free with `entidb_change_feed_free`.
/// Errors: GAP when changes after the position were removed by retention, or the position is not of the history of this
/// database; INVALID_ARGUMENT for text that is no position, UNSUPPORTED when the database keeps no feed, CLOSED.
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

/// Gives the position in the change feed after the newest commit that is visible, text: `entidb_database_changes` from there
/// gives what is committed from now on. To copy the data and follow it, take the position of the transaction that copied.
///
/// Threads: any. Blocks: on the disk.
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

/// Removes changes up to and including a sequence from the change feed.
///
/// Threads: any. Blocks: on the writer's place and the commit.
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

/// Gives the sequence of the newest commit that is visible, also of a closed database.
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
/// Threads: any. Blocks: up to `timeout_ms`; `ENTIDB_NO_LIMIT` as long as it takes.
/// Errors: TIMEOUT, WRITES_STOPPED, CLOSED; INVALID_ARGUMENT for `ENTIDB_DEFAULT`, which this wait has not.
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

/// Puts the newest writes into segments and cuts the log.
///
/// Threads: any. Blocks: on the disk; readers and the writer go on.
/// Errors: READ_ONLY, NO_SPACE, WRITES_STOPPED, CLOSED, IO.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_checkpoint(
    database: *const entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| with(touched, database, Database::checkpoint))
}

/// Merges all segments, dropping what nobody can see any more.
///
/// Threads: any. Blocks: on the disk; readers and the writer go on.
/// Errors: as `entidb_database_checkpoint`.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_compact(
    database: *const entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| with(touched, database, Database::compact))
}

/// Look at footers, counts and the files listed. For `level` of `entidb_database_verify`.
pub const ENTIDB_VERIFY_QUICK: u32 = 0;
/// Read every block, and compare every index with the entities.
pub const ENTIDB_VERIFY_FULL: u32 = 1;

/// Checks the database and gives a report, a CBOR map: `ok`, `problems` (an array of maps with `what` and where they apply
/// `file`, `offset`, `collection`, `index`, `id`), counts of what was checked, and `bytes_dropped` (at the end of the log,
/// when the database was opened). Damage is reported, not an error.
///
/// Threads: any. Blocks: on the disk; readers and the writer go on.
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

/// Copies the database, as it is at one commit, into a new folder that opens as a database.
///
/// Threads: any. Blocks: on the disk; readers and the writer go on.
/// Errors: TARGET_NOT_EMPTY, NOT_A_DIRECTORY, NO_SPACE, PERMISSION_DENIED, READ_ONLY, CLOSED, IO.
///
/// # Safety
/// As `entidb_database_open`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_backup(
    database: *const entidb_database,
    path: *const u8,
    path_len: usize,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let path = bytes::text(path, path_len, "path")?;
        with(touched, database, |open| open.backup(path))
    })
}

/// Gives counters since opening and sizes of this moment, as a CBOR map of names and numbers.
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

/// Gives the options in force as a CBOR map of names and values; whether there is a key, never which.
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

/// Gives what opening found, as a CBOR map: `created`, `clean`, `commits_replayed`, `bytes_dropped`, `last_sequence`,
/// `ignored` (names in the folder that cannot be files of the database; of very many, some) and `ignored_count`.
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
