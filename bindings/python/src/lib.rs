//! The native half of the Python package: classes of PyO3 over `entidb_abi`.
//!
//! Always: every call that can wait or touch the disk releases the GIL; documents are encoded from and decoded to
//! Python objects directly. Does not know: the engine; it is reached through the C functions alone.
//! Format: docs/spec/encoding.md for documents, docs/spec/query.md for queries.
#![forbid(unsafe_code)]

mod argument;
mod cancel;
mod cbor;
mod change_feed;
mod collection;
mod cursor;
mod database;
mod decode;
mod encode;
mod entity;
mod error;
mod gil;
mod interpreter;
mod keys;
mod moment;
mod path;
mod shape;
mod signals;
mod transaction;
mod value;

use pyo3::prelude::*;

/// The native half of `entidb`; use the package, not this module.
#[pymodule]
fn _entidb(module: &Bound<'_, PyModule>) -> PyResult<()> {
    interpreter::take(module.py())?;
    module.add_class::<database::Database>()?;
    module.add_class::<transaction::Transaction>()?;
    module.add_class::<transaction::Savepoint>()?;
    module.add_class::<collection::Collection>()?;
    module.add_class::<cursor::Cursor>()?;
    module.add_class::<cursor::KeyCursor>()?;
    module.add_class::<change_feed::ChangeFeed>()?;
    module.add_class::<cancel::Cancel>()?;
    module.add_class::<value::EntityId>()?;
    module.add_class::<value::Timestamp>()?;
    module.add_class::<value::Vector>()?;
    module.add_class::<value::Tag>()?;
    module.add_function(wrap_pyfunction!(database::open, module)?)?;
    module.add_function(wrap_pyfunction!(database::open_memory, module)?)?;
    module.add_function(wrap_pyfunction!(database::validate_backup, module)?)?;
    module.add_function(wrap_pyfunction!(database::restore, module)?)?;
    module.add_function(wrap_pyfunction!(database::restore_memory, module)?)?;
    module.add_function(wrap_pyfunction!(cancel::deadline, module)?)?;
    module.add_function(wrap_pyfunction!(change_feed::_take_wakes, module)?)?;
    module.add_function(wrap_pyfunction!(argument::whole, module)?)?;
    module.add_function(wrap_pyfunction!(cbor::dumps, module)?)?;
    module.add_function(wrap_pyfunction!(cbor::loads, module)?)?;
    module.add_function(wrap_pyfunction!(cbor::canonicalise, module)?)?;
    module.add_function(wrap_pyfunction!(path::parse_path, module)?)?;
    module.add_function(wrap_pyfunction!(path::write_path, module)?)?;
    module.add_function(wrap_pyfunction!(database::has_feature, module)?)?;
    module.add_function(wrap_pyfunction!(database::abi_version, module)?)?;
    module.add_function(wrap_pyfunction!(database::format_version, module)?)?;
    module.add("version", entidb_abi::version())?;
    Ok(())
}
