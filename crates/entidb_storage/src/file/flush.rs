//! Flushing a file, and remembering that a flush failed.
//!
//! Always: once a flush of a handle failed, every later flush of it fails the same way. Systems mark the pages clean
//! after a failed flush and forget them, so a later success would prove nothing about them.
//! Does not know: names; those are flushed by the folder.

use std::fs::File;
use std::sync::OnceLock;

use crate::error::ErrorKind;

/// The flushes of one handle.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    failed: OnceLock<ErrorKind>,
}

impl Flushes {
    /// Bytes, and the length needed to read them back. `fdatasync`, `F_FULLFSYNC` or `FlushFileBuffers`: the standard
    /// library picks the one that means stable storage, and makes the call again after a signal.
    pub(super) fn flush_data(&self, file: &File) -> Result<(), ErrorKind> {
        self.flush(|| file.sync_data())
    }

    /// Bytes and all metadata.
    pub(super) fn flush_all(&self, file: &File) -> Result<(), ErrorKind> {
        self.flush(|| file.sync_all())
    }

    fn flush(&self, call: impl FnOnce() -> std::io::Result<()>) -> Result<(), ErrorKind> {
        if let Some(kind) = self.failed.get() {
            return Err(kind.clone());
        }
        call().map_err(|error| self.failed.get_or_init(|| ErrorKind::from_os(&error)).clone())
    }
}

/// Asks the system to begin writing a range back. On Linux `POSIX_FADV_DONTNEED` begins it for dirty pages, keeps
/// those until they are on the device, and needs no unsafe call as `sync_file_range` would; elsewhere nothing.
pub(super) fn start_writeback(file: &File, offset: u64, len: u64) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(len) = std::num::NonZero::new(len) {
        let _hint = rustix::fs::fadvise(file, offset, Some(len), rustix::fs::Advice::DontNeed);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (file, offset, len);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_after_a_failed_one_fails_the_same_way() {
        let flushes = Flushes::default();
        assert_eq!(flushes.flush(|| Ok(())), Ok(()));
        let failed = flushes.flush(|| Err(std::io::Error::from(std::io::ErrorKind::StorageFull)));
        assert_eq!(failed, Err(ErrorKind::NoSpace));
        assert_eq!(flushes.flush(|| Ok(())), Err(ErrorKind::NoSpace), "the pages are gone; yes would be a lie");
    }
}
