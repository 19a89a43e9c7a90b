//! The changes of the database in commit order, kept in the same commits.
//!
//! Always: only committed changes, in the order of their sequences; a commit may be given in several batches, the last of
//! which says so. What retention removed, or another history never had, is reported as a gap, never skipped.
//! Does not know: who reads, or where documents are found (`history`).

mod change;
mod commit;
mod cursor;
mod pending;
mod position;
mod record;
mod retention;
mod session;
mod verify;
#[cfg(test)]
mod verify_tests;
mod waker;
mod write;

pub use change::{Change, ChangeKind};
pub use cursor::{ChangeBatch, ChangeCursor, FeedCloser};
pub(crate) use pending::{Pending, PendingPlace};
pub use position::{Position, Since};
pub(crate) use retention::{
    FeedMark, Retention, check_readable, decode_oldest, newest_mark, oldest_kept, trim_through, trim_unrecorded,
};
pub(crate) use session::Session;
pub(crate) use verify::verify_feed;
pub use waker::Wake;
pub(crate) use waker::Wakers;
pub(crate) use write::{CommitNote, write_changes};
