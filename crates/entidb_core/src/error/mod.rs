//! The errors of the public API.
//!
//! Always: every error has one code of the table all languages share.
//! Does not know: how bytes are stored or encoded; lower crates have small enums of their own.
//! Specified in: docs/spec/errors.toml, listed in docs/reference/errors.md.

mod code;

pub use code::{ErrorCode, Family, Retry};
