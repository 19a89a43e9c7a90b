//! Remembers that a flush failed.
//!
//! Always: once a flush of a handle failed, every later flush of it fails the same way. Systems mark the pages clean
//! after a failed flush and forget them, so a later success would prove nothing about them.
//! Does not know: how a flush is done.

use std::sync::OnceLock;

use crate::error::ErrorKind;

/// The flushes of one handle, or of the names under one root.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    failed: OnceLock<ErrorKind>,
}

impl Flushes {
    /// Does the flush, unless one has failed before.
    pub(crate) fn flush(&self, call: impl FnOnce() -> Result<(), ErrorKind>) -> Result<(), ErrorKind> {
        match self.failed.get() {
            Some(kind) => Err(kind.clone()),
            None => call().map_err(|kind| self.failed.get_or_init(|| kind).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_after_a_failed_one_fails_the_same_way() {
        let flushes = Flushes::default();
        assert_eq!(flushes.flush(|| Ok(())), Ok(()));
        assert_eq!(flushes.flush(|| Err(ErrorKind::NoSpace)), Err(ErrorKind::NoSpace));
        assert_eq!(flushes.flush(|| Ok(())), Err(ErrorKind::NoSpace), "the pages are gone; yes would be a lie");
    }
}
