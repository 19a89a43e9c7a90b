//! The changes of the database in commit order, kept in the same commits.
//!
//! Always: only committed changes, whole transactions, in the order of their sequences. What retention removed is reported
//! as a gap, never skipped. Does not know: who reads.

mod cursor;
mod record;
mod retention;

pub use cursor::{ChangeCursor, Commit};
pub(crate) use record::ChangeBuffer;
pub use record::{Change, ChangeKind};
pub(crate) use retention::{check_kept, trim_by_age, trim_through, trim_unrecorded};
