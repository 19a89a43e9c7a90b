//! Calls on a transaction.
//!
//! Always: one that ended is let go of with the collections taken from it. Letting go of an open one aborts it.
//! Does not know: what is changed.

use entidb_abi::Transaction;
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::failure::{given, refused};
use crate::table::{count, table, take, with};

/// The collection of a name as the transaction sees it.
#[napi]
pub fn transaction_collection(handle: f64, name: String) -> Result<f64> {
    take(handle, |transaction: &Transaction| transaction.collection(&name))
}

/// The names of the collections, CBOR.
#[napi]
pub fn transaction_collections(handle: f64) -> Result<Buffer> {
    with(handle, |transaction: &Transaction| transaction.collections()).map(|names| Buffer::from(names.to_vec()))
}

/// Creates an empty collection.
#[napi]
pub fn transaction_create_collection(handle: f64, name: String) -> Result<()> {
    with(handle, |transaction: &Transaction| transaction.create_collection(&name))
}

/// Gives a collection another name.
#[napi]
pub fn transaction_rename_collection(handle: f64, from: String, to: String) -> Result<()> {
    with(handle, |transaction: &Transaction| transaction.rename_collection(&from, &to))
}

/// Removes a collection.
#[napi]
pub fn transaction_drop_collection(handle: f64, name: String) -> Result<()> {
    with(handle, |transaction: &Transaction| transaction.drop_collection(&name))
}

/// Marks this place.
#[napi]
pub fn transaction_savepoint(handle: f64) -> Result<f64> {
    with(handle, |transaction: &Transaction| transaction.savepoint()).map(count)
}

/// Undoes everything since a savepoint.
#[napi]
pub fn transaction_rollback_to(handle: f64, number: i64) -> Result<()> {
    let savepoint = u64::try_from(number).map_err(|_| refused("a savepoint is a number this transaction gave"))?;
    with(handle, |transaction: &Transaction| transaction.rollback_to(savepoint))
}

/// The commit it sees, or becomes.
#[napi]
pub fn transaction_sequence(handle: f64) -> Result<f64> {
    with(handle, |transaction: &Transaction| transaction.sequence()).map(count)
}

/// The position in the feed after the commit a snapshot sees.
#[napi]
pub fn transaction_position(handle: f64) -> Result<String> {
    with(handle, |transaction: &Transaction| transaction.position())
}

/// Commits, and gives the sequence. It is let go of when it has ended, also by a failure.
#[napi]
pub fn transaction_commit(handle: f64, durability: u32) -> Result<f64> {
    table(|table| {
        let transaction = table.handles.get::<Transaction>(handle)?;
        let result = given(transaction.commit(durability)).map(count);
        if !transaction.is_open().unwrap_or(false) {
            table.handles.release(handle);
        }
        result
    })
}

/// Forgets the changes, and lets go of it.
#[napi]
pub fn transaction_abort(handle: f64) -> Result<()> {
    table(|table| {
        let result = given(table.handles.get::<Transaction>(handle)?.abort());
        table.handles.release(handle);
        result
    })
}

/// True until it is committed, aborted or let go of.
#[napi]
pub fn transaction_is_open(handle: f64) -> bool {
    with(handle, |transaction: &Transaction| transaction.is_open()).unwrap_or(false)
}
