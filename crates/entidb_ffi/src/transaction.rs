//! Transactions: one type of handle for reading and for writing.
//!
//! Always: commit and abort end a transaction either way; it still needs to be freed. Freeing an open one aborts it.
//! Does not know: what is changed; the collections taken from it do that.

use entidb_core::{Durability, Error, ErrorCode, Options, ReadTransaction, Savepoint, Value, WriteTransaction};
use entidb_storage::sync::Mutex;

use crate::boundary::{call_unit, clear, give, need};
use crate::bytes::{self, entidb_buffer};
use crate::collection::{self, entidb_collection};
use crate::error::entidb_error;
use crate::handle::{self, Noun, Touched};
use crate::modes::{
    ENTIDB_DURABILITY_DEFAULT, ENTIDB_DURABILITY_DURABLE, ENTIDB_DURABILITY_GROUPED, ENTIDB_DURABILITY_NONE,
};
use crate::status::entidb_status;

/// A transaction. Movable: any thread, one call at a time. Free with `entidb_transaction_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_transaction {
    _private: [u8; 0],
}

enum Kind {
    /// None once it was ended, so that the handle holds nothing of its snapshot.
    Read(Option<ReadTransaction>),
    Write(WriteTransaction),
}

struct Transaction(Mutex<Kind>);

impl Noun for Transaction {
    type Opaque = entidb_transaction;
    const TAG: u32 = 0x5452_414e;
    const NAME: &'static str = "transaction";
}

pub(crate) fn make_read(transaction: ReadTransaction) -> *mut entidb_transaction {
    handle::make(Transaction(Mutex::new(Kind::Read(Some(transaction)))))
}

pub(crate) fn make_write(transaction: WriteTransaction) -> *mut entidb_transaction {
    handle::make(Transaction(Mutex::new(Kind::Write(transaction))))
}

fn ended_already() -> Error {
    Error::new(ErrorCode::TransactionEnded, "the read transaction has ended; begin another")
}

fn read_only() -> Error {
    Error::new(ErrorCode::ReadOnly, "this is a read transaction; begin a write transaction to change the database")
}

/// Runs something on a transaction that nobody else is using.
fn with<T>(
    touched: &mut Touched,
    transaction: *const entidb_transaction,
    run: impl FnOnce(&mut Kind) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut kind = touched.get::<Transaction>(transaction)?.0.try_lock().ok_or_else(|| {
        Error::new(ErrorCode::ConcurrentUse, "another thread is using this transaction; give each thread its own")
    })?;
    run(&mut kind)
}

fn writing<T>(
    touched: &mut Touched,
    transaction: *const entidb_transaction,
    run: impl FnOnce(&WriteTransaction) -> Result<T, Error>,
) -> Result<T, Error> {
    with(touched, transaction, |kind| match kind {
        Kind::Read(_) => Err(read_only()),
        Kind::Write(write) => run(write),
    })
}

/// What a commit promises, given the options of its database; none for what these say.
type Promise = fn(&Options) -> Durability;

fn promise(durability: u32) -> Result<Option<Promise>, Error> {
    Ok(match durability {
        ENTIDB_DURABILITY_DEFAULT => None,
        ENTIDB_DURABILITY_DURABLE => Some(|_| Durability::Durable),
        ENTIDB_DURABILITY_GROUPED => Some(Options::grouped),
        ENTIDB_DURABILITY_NONE => Some(|_| Durability::None),
        other => {
            let problem = format!("durability is {other}; give one of ENTIDB_DURABILITY_...");
            return Err(Error::new(ErrorCode::InvalidArgument, problem));
        }
    })
}

/// Returns a handle of the collection as this transaction sees it. The handle stays valid after the transaction; its
/// calls then fail with TRANSACTION_ENDED.
///
/// Threads: any, one call at a time.
/// Owns: `*out_collection` on success; free with `entidb_collection_free`.
/// Errors: INVALID_ARGUMENT, TRANSACTION_ENDED, CLOSED, CONCURRENT_USE.
///
/// # Safety
/// `transaction` is a live transaction of this library; texts are readable; out-pointers are NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_collection(
    transaction: *const entidb_transaction,
    name: *const u8,
    name_len: usize,
    out_collection: *mut *mut entidb_collection,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_collection);
    call_unit(out_error, |touched| {
        need(out_collection, "out_collection")?;
        let name = bytes::text(name, name_len, "name")?;
        let found = with(touched, transaction, |kind| match kind {
            Kind::Read(Some(read)) => Ok(collection::make(read.collection(name)?)),
            Kind::Read(None) => Err(ended_already()),
            Kind::Write(write) => {
                write.check_open()?;
                Ok(collection::make(write.collection(name)?))
            }
        })?;
        give(out_collection, found, "out_collection")
    })
}

/// Returns the names of the collections as a sorted CBOR array of texts.
///
/// Threads: any, one call at a time.
/// Owns: `*out_names` on success; free with `entidb_buffer_free`.
/// Errors: TRANSACTION_ENDED, CLOSED, CONCURRENT_USE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_collections(
    transaction: *const entidb_transaction,
    out_names: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_names, entidb_buffer::EMPTY, "out_names")?;
        let names = with(touched, transaction, |kind| match kind {
            Kind::Read(Some(read)) => read.collections(),
            Kind::Read(None) => Err(ended_already()),
            Kind::Write(write) => write.collections(),
        })?;
        give(out_names, names_buffer(&names), "out_names")
    })
}

pub(crate) fn names_buffer(names: &[String]) -> entidb_buffer {
    let list = Value::Array(names.iter().map(|name| Value::from(name.as_str())).collect());
    entidb_buffer::of(entidb_core::encode(&list))
}

/// Creates an empty collection.
///
/// Threads: any, one call at a time.
/// Errors: COLLECTION_EXISTS, INVALID_ARGUMENT, TOO_LARGE, READ_ONLY, TRANSACTION_ENDED, CLOSED, CONCURRENT_USE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_create_collection(
    transaction: *const entidb_transaction,
    name: *const u8,
    name_len: usize,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let name = bytes::text(name, name_len, "name")?;
        writing(touched, transaction, |write| write.create_collection(name))
    })
}

/// Renames a collection.
///
/// Threads: any, one call at a time.
/// Errors: COLLECTION_NOT_FOUND, and those of `entidb_transaction_create_collection`.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_rename_collection(
    transaction: *const entidb_transaction,
    from: *const u8,
    from_len: usize,
    to: *const u8,
    to_len: usize,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let (from, to) = (bytes::text(from, from_len, "from")?, bytes::text(to, to_len, "to")?);
        writing(touched, transaction, |write| write.rename_collection(from, to))
    })
}

/// Drops a collection with its entities and indexes.
///
/// Threads: any, one call at a time.
/// Errors: COLLECTION_NOT_FOUND, TOO_LARGE, READ_ONLY, TRANSACTION_ENDED, CLOSED, CONCURRENT_USE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_drop_collection(
    transaction: *const entidb_transaction,
    name: *const u8,
    name_len: usize,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let name = bytes::text(name, name_len, "name")?;
        writing(touched, transaction, |write| write.drop_collection(name))
    })
}

/// Sets a savepoint in a write transaction. While it exists, each changed key counts twice against
/// `transaction_bytes_max`: its new and its old value.
///
/// Threads: any, one call at a time.
/// Errors: TOO_LARGE, READ_ONLY, TRANSACTION_ENDED, CLOSED, CONCURRENT_USE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_savepoint(
    transaction: *const entidb_transaction,
    out_savepoint: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_savepoint, 0, "out_savepoint")?;
        let savepoint = writing(touched, transaction, WriteTransaction::savepoint)?;
        give(out_savepoint, savepoint.number(), "out_savepoint")
    })
}

/// Undoes all changes since a savepoint. The savepoint stays valid; later ones are released.
///
/// Threads: any, one call at a time.
/// Errors: SAVEPOINT_NOT_FOUND, READ_ONLY, TRANSACTION_ENDED, CLOSED, CONCURRENT_USE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_rollback_to(
    transaction: *const entidb_transaction,
    savepoint: u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        writing(touched, transaction, |write| write.rollback_to(Savepoint::from_number(savepoint)))
    })
}

/// Returns the sequence of the commit that a read transaction sees, or that a write transaction will have if it
/// changes anything.
///
/// Threads: any, one call at a time.
/// Errors: TRANSACTION_ENDED, CLOSED, CONCURRENT_USE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_sequence(
    transaction: *const entidb_transaction,
    out_sequence: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_sequence, 0, "out_sequence")?;
        let sequence = with(touched, transaction, |kind| match kind {
            Kind::Read(Some(read)) => read.sequence(),
            Kind::Read(None) => Err(ended_already()),
            Kind::Write(write) => write.next_sequence(),
        })?;
        give(out_sequence, sequence.0, "out_sequence")
    })
}

/// Returns the position after the commit that a read transaction sees, as text. A program that copies the data of the
/// transaction and reads the feed from there misses no change and gets none twice.
///
/// Threads: any, one call at a time. Blocks: for disk access.
/// Owns: `*out_position` on success; free with `entidb_buffer_free`.
/// Errors: UNSUPPORTED for a write transaction, TRANSACTION_ENDED, CLOSED, CONCURRENT_USE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_position(
    transaction: *const entidb_transaction,
    out_position: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_position, entidb_buffer::EMPTY, "out_position")?;
        let position = with(touched, transaction, |kind| match kind {
            Kind::Read(Some(read)) => read.position(),
            Kind::Read(None) => Err(ended_already()),
            Kind::Write(_) => {
                let problem = "a write transaction has no position before its commit; ask the database after it";
                Err(Error::new(ErrorCode::Unsupported, problem))
            }
        })?;
        give(out_position, entidb_buffer::of(position.to_string().into_bytes()), "out_position")
    })
}

/// Makes a write transaction belong to no thread, for a program whose transactions belong to tasks that share threads.
/// A call that waits for it then waits its time, also on the thread that called the transaction last, where it would
/// otherwise fail at once with DEADLOCK. Does nothing for a read transaction.
///
/// Threads: any, one call at a time.
/// Errors: CONCURRENT_USE, INVALID_HANDLE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_detach(
    transaction: *const entidb_transaction,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        with(touched, transaction, |kind| {
            if let Kind::Write(write) = kind {
                write.detach();
            }
            Ok(())
        })
    })
}

/// Commits and ends a write transaction, or ends a read transaction. `durability` is one of `ENTIDB_DURABILITY_...`;
/// `out_sequence` may be NULL.
///
/// Threads: any, one call at a time. Blocks: for the flush that the durability asks for.
/// Errors: COMMIT_UNKNOWN when the commit may or may not be durable; WRITES_STOPPED, NO_SPACE, IO, TOO_LARGE,
/// TRANSACTION_ENDED, CLOSED, CONCURRENT_USE. After any error the transaction has ended and none of its changes is
/// visible.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_commit(
    transaction: *const entidb_transaction,
    durability: u32,
    out_sequence: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let promise = promise(durability)?;
        let sequence = with(touched, transaction, |kind| match kind {
            Kind::Read(read) => {
                let read = read.take().ok_or_else(ended_already)?;
                let sequence = read.sequence();
                read.end();
                sequence
            }
            Kind::Write(write) => write.finish(promise.map(|promise| promise(write.options()))),
        })?;
        if out_sequence.is_null() { Ok(()) } else { give(out_sequence, sequence.0, "out_sequence") }
    })
}

/// Aborts the transaction: its changes are lost. Does nothing if it has ended.
///
/// Threads: any, one call at a time.
/// Errors: CONCURRENT_USE, INVALID_HANDLE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_abort(
    transaction: *const entidb_transaction,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        with(touched, transaction, |kind| {
            match kind {
                Kind::Read(read) => {
                    if let Some(read) = read.take() {
                        read.end();
                    }
                }
                Kind::Write(write) => {
                    write.cancel();
                }
            }
            Ok(())
        })
    })
}

/// Sets `*out_open` to 1 while the transaction is open, to 0 after its end.
///
/// Threads: any, one call at a time.
/// Errors: CONCURRENT_USE, FORKED, INVALID_HANDLE.
///
/// # Safety
/// As `entidb_transaction_collection`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_is_open(
    transaction: *const entidb_transaction,
    out_open: *mut i32,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let open = with(touched, transaction, |kind| {
            Ok(match kind {
                Kind::Read(read) => read.is_some(),
                Kind::Write(write) => write.is_open(),
            })
        })?;
        give(out_open, i32::from(open), "out_open")
    })
}

/// Frees a transaction, and aborts it if it is open. Accepts NULL.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_transaction_collection`; the handle is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_transaction_free(transaction: *mut entidb_transaction) {
    handle::free::<Transaction>(transaction);
}
