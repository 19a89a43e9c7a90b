//! Reads at a sequence, buffered changes, and the handles users hold while they read and write.
//!
//! Always: a snapshot never changes; a write transaction sees its own changes and nobody else does until it commits.
//! Does not know: how commits reach the disk (`wal`), or which files hold what (`version`).

mod buffer;
mod companion;
mod cursor;
mod iter;
mod own_changes;
mod points;
mod savepoints;
mod short_key;
mod snapshot;
mod write;
mod write_snapshot;

pub(crate) use buffer::WriteBuffer;
pub use companion::Companion;
pub(crate) use cursor::source_of;
pub use iter::{Direction, Iter};
pub use own_changes::OwnChanges;
pub use savepoints::Savepoint;
#[cfg(test)]
pub(crate) use savepoints::Savepoints;
pub use snapshot::Snapshot;
pub use write::{ChangeSize, OnFullDisk, WriteTransaction};
pub use write_snapshot::WriteSnapshot;

use crate::error::{Error, Result};
use crate::options::{KEY_BYTES_MAX, VALUE_BYTES_MAX, invalid};

pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    if key.is_empty() {
        return Err(invalid("key", format!("is empty; give 1 to {KEY_BYTES_MAX} bytes")));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::TooLarge { what: "key", size: key.len() as u64, limit: KEY_BYTES_MAX as u64 });
    }
    Ok(())
}

pub(crate) fn check_value(value: &[u8]) -> Result<()> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(Error::TooLarge { what: "value", size: value.len() as u64, limit: VALUE_BYTES_MAX as u64 });
    }
    Ok(())
}
