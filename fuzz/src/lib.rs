//! The bodies of all fuzz targets, one module for each crate under test.
//!
//! Always: a body is a plain function of bytes, so that ordinary tests can run it too.
//! Does not know: the fuzzer.
#![forbid(unsafe_code)]

pub mod codec;
pub mod typed;
