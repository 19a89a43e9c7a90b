//! What a file must do: positional reads and writes, and flushes with an exact promise; and in the modules below,
//! the operating system's files.
//!
//! Always: every call names its offset; there is no cursor. A file is written through one handle at a time.
//! Does not know: what the bytes mean, or what the file is called by others.

#[cfg(any(unix, windows))]
mod directory;
#[cfg(any(unix, windows))]
mod flush;
#[cfg(any(unix, windows))]
mod handle;
#[cfg(any(unix, windows))]
mod held;
#[cfg(any(unix, windows))]
mod lock;
#[cfg(any(unix, windows))]
mod open;
#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

use crate::error::{Error, ErrorKind, Operation, Result};

#[cfg(any(unix, windows))]
pub use directory::FileDirectory;
#[cfg(any(unix, windows))]
pub use open::RootMode;

/// What the caller is about to do, as a hint the backend may ignore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// The whole range will be read in order.
    Sequential,
    /// Single places will be read.
    Random,
    /// The range will be needed soon.
    WillNeed,
    /// The range will not be needed again.
    DontNeed,
}

/// An open regular file.
///
/// ```
/// use entidb_storage::{Backend, OpenMode};
/// let file = Backend::memory().directory.open("note", OpenMode::CreateNew)?;
/// file.write_all_at(5, b"far")?;
/// assert_eq!(file.append(&[b"ther", b" on"])?, 8);
/// let mut found = [0; 10];
/// file.read_exact_at(5, &mut found)?;
/// assert_eq!(&found, b"farther on");
/// # Ok::<(), entidb_storage::Error>(())
/// ```
///
/// # Durability, per platform
///
/// A write is *nothing* until a flush returned: after a crash each 512-byte sector of it may be old, new or,
/// where the file grew, zeros or garbage, in any order. `flush_data` returning `Ok` promises that every byte
/// written before it through this handle, and the length needed to read them back, survive a power failure:
/// `fdatasync` on Linux and Android, `F_FULLFSYNC` on macOS and iOS, `FlushFileBuffers` on Windows, the access
/// handle's `flush` in a browser. It promises nothing about the file's *name*: see
/// [`Directory::flush_names`](crate::Directory::flush_names). A drive that lies about its cache breaks the promise.
///
/// A flush that fails says that **any** byte written since the last good flush may be lost, even if a later flush
/// succeeds: systems mark the pages clean and forget them. Never retry a flush to make an earlier write durable.
pub trait File: Send + Sync {
    /// The name for messages, relative to the root of its directory.
    fn path(&self) -> &str;

    /// Reads at `offset` into `buffer` and returns how many bytes were read: possibly fewer than asked, 0 only
    /// at the end of the file or for an empty buffer.
    ///
    /// # Errors
    /// `Interrupted` when a signal came first, `Device` when the device failed.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Writes `bytes` at `offset`, growing the file when needed, and returns how many were written: possibly fewer.
    /// A gap between the old end and `offset` reads as zeros. No bytes grow nothing.
    ///
    /// # Errors
    /// `NoSpace`, also for an offset no file can have, `ReadOnly` on a handle for reading, `Interrupted`, `Device`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize>;

    /// Writes the parts one after the other at the end of the file and returns the offset of the first byte.
    /// All of it is written or an error returned; after an error any prefix may be there.
    ///
    /// # Errors
    /// As [`write_at`](File::write_at).
    fn append(&self, parts: &[&[u8]]) -> Result<u64>;

    /// The length in bytes.
    ///
    /// # Errors
    /// `Device` when the system cannot say.
    fn len(&self) -> Result<u64>;

    /// True when the file has no bytes.
    ///
    /// # Errors
    /// As [`len`](File::len).
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file or grows it with zeros. Durable after [`flush_all`](File::flush_all).
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, `Device`.
    fn set_len(&self, len: u64) -> Result<()>;

    /// Writes zeros over `offset..offset + len`, so that later writes there change no metadata and their
    /// flush costs one device write. Durable after [`flush_all`](File::flush_all).
    ///
    /// # Errors
    /// `NoSpace` before any byte counts as preallocated, `ReadOnly`, `Device`.
    fn preallocate(&self, offset: u64, len: u64) -> Result<()>;

    /// Makes every byte written through this handle durable. See the trait for what that means per platform.
    ///
    /// # Errors
    /// `NoSpace` or `Device`; then nothing written since the last good flush can be trusted.
    fn flush_data(&self) -> Result<()>;

    /// As [`flush_data`](File::flush_data), and the file's length and other metadata too.
    ///
    /// # Errors
    /// As [`flush_data`](File::flush_data).
    fn flush_all(&self) -> Result<()>;

    /// Starts writing the range back without waiting for durability, so that a later flush has less to do.
    /// A hint: it promises nothing.
    ///
    /// # Errors
    /// `Device` when the write-back failed at once; treat it as a failed flush.
    fn start_writeback(&self, offset: u64, len: u64) -> Result<()> {
        let _ = (offset, len);
        Ok(())
    }

    /// A hint about the coming use of a range (`len` 0 means to the end).
    fn advise(&self, offset: u64, len: u64, advice: Advice) {
        let _ = (offset, len, advice);
    }

    /// Fills the whole buffer from `offset`, taking short reads and interruptions in its stride.
    ///
    /// # Errors
    /// `UnexpectedEnd` when the file is shorter, or as [`read_at`](File::read_at).
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let wanted = buffer.len();
        let mut found = 0_usize;
        while let Some(rest) = buffer.get_mut(found..).filter(|rest| !rest.is_empty()) {
            match self.read_at(offset.saturating_add(found as u64), rest) {
                Ok(0) => {
                    let kind = ErrorKind::UnexpectedEnd { wanted: wanted as u64, found: found as u64 };
                    return Err(Error::new(Operation::Read, self.path(), kind).at(offset));
                }
                Ok(count) => found = found.saturating_add(count),
                Err(error) if error.is_interrupted() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`, taking short writes and interruptions in its stride.
    ///
    /// # Errors
    /// `WroteNothing` when the device makes no progress, or as [`write_at`](File::write_at).
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut written = 0_usize;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.write_at(offset.saturating_add(written as u64), rest) {
                Ok(0) => {
                    return Err(Error::new(Operation::Write, self.path(), ErrorKind::WroteNothing).at(offset));
                }
                Ok(count) => written = written.saturating_add(count),
                Err(error) if error.is_interrupted() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Preallocates by writing: the portable way, and the only one after which a write changes no metadata. (`fallocate`
/// leaves extents marked unwritten, and turning them into written ones is a journal commit at every flush.)
pub(crate) fn write_zeros(file: &dyn File, offset: u64, len: u64) -> Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut done = 0;
    while done < len {
        let step = usize::try_from(len - done).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        let zeros = ZEROS.get(..step).unwrap_or(&ZEROS);
        file.write_all_at(offset.saturating_add(done), zeros)
            .map_err(|error| Error { operation: Operation::Preallocate, ..error })?;
        done = done.saturating_add(step as u64);
    }
    Ok(())
}

/// The first `len_max` bytes of a buffer, or all of it.
pub(crate) fn clip(buffer: &mut [u8], len_max: u64) -> &mut [u8] {
    let len = usize::try_from(len_max).map_or(buffer.len(), |max| max.min(buffer.len()));
    buffer.get_mut(..len).unwrap_or_default()
}
