//! Flushing a file of the operating system, and hinting at a coming flush.
//!
//! Always: what returns `Ok` is on stable storage as far as the system can tell. The standard library picks the call
//! that means it (`fdatasync`, `F_FULLFSYNC`, `FlushFileBuffers`) and makes it again after a signal.
//! Does not know: names; those are flushed by the folder. That a flush failed before: see `flushes`.

use std::fs::File;

use crate::error::ErrorKind;

/// Bytes, and the length needed to read them back.
pub(super) fn data(file: &File) -> Result<(), ErrorKind> {
    file.sync_data().map_err(|error| ErrorKind::from_os(&error))
}

/// Bytes and all metadata.
pub(super) fn all(file: &File) -> Result<(), ErrorKind> {
    file.sync_all().map_err(|error| ErrorKind::from_os(&error))
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
