//! Something in memory that changes with a commit, such as the caller's own view of what a commit wrote.
//!
//! Always: told of a commit before anyone can see it, and told when the commit is refused after all before anyone else can
//! write. Does not know: what it is.

use crate::format::Sequence;

/// Something beside the database that changes with a commit.
///
/// Both functions run while the commit holds locks of the engine: they must be short and must not call the engine.
pub trait Companion {
    /// The commit is about to get this sequence. It is not visible yet, and never will be to readers of an earlier sequence.
    fn prepare(&mut self, sequence: Sequence);

    /// The commit was refused and another one will get its sequence. Only called after `prepare`, or instead of it.
    ///
    /// A commit that was not refused and fails while it waits for the disk keeps its sequence: nobody else gets it, and it is
    /// seen or not as the log says ([`Engine::last_sequence`](crate::Engine::last_sequence)).
    fn withdraw(&mut self);
}

impl Companion for () {
    fn prepare(&mut self, _: Sequence) {}

    fn withdraw(&mut self) {}
}
