//! The changes of the database in commit order, kept in the same commits.
//!
//! Always: only committed changes, in the order of their sequences; a commit may be given in several batches, the last of
//! which says so. What retention removed, or another history never had, is reported as a gap, never skipped.
//! Does not know: who reads.

mod cursor;
mod history;
mod position;
mod record;
mod retention;

pub use cursor::{ChangeBatch, ChangeCursor, FeedCloser};
pub(crate) use history::Session;
pub use position::{Position, Since};
pub use record::{Change, ChangeKind};
pub(crate) use record::{ChangeBuffer, ChangePlace};
pub(crate) use retention::{trim_by_age, trim_through, trim_unrecorded};
