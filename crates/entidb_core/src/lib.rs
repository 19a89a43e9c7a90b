//! EntiDB, the entity database. So far: its error codes.
//!
//! Always: what is exported here is what a Rust program may rely on.
//! Does not know: files and clocks, which `entidb_storage` gives it, nor the C ABI on top of it.
#![forbid(unsafe_code)]

pub mod error;
