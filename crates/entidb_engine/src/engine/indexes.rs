//! Indexes of segments leave memory when they have more of it than they may.
//!
//! Always: a segment whose indexes go is in the next view as it was before its first use, so no read waits or looks for
//! it; who reads in an older view keeps what he has. What is used stays before what is not.
//! Does not know: what the indexes hold (`segment`), or what they may have (`memory`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::engine::shared::Shared;
use crate::engine::super_version::SuperVersion;
use crate::memory::Memory;

impl Shared {
    /// The budget.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memtable_config.memory
    }

    /// Lets go of indexes when they have more memory than they may. Costs a look otherwise.
    #[inline]
    pub(crate) fn watch_indexes(&self) {
        if self.memory().indexes_are_over() {
            self.forget_indexes();
        }
    }

    #[cold]
    fn forget_indexes(&self) {
        // The version changes under this lock only. Who has it now may flush files under it; the next read looks again.
        let Some(_installer) = self.installer.try_lock() else { return };
        let version = self.current.load().version.without_indexes(self.memory().indexes_to_forget());
        let Some(version) = version.map(Arc::new) else { return };
        self.swap_view(|old| SuperVersion {
            active: Arc::clone(&old.active),
            frozen: old.frozen.clone(),
            version: Arc::clone(&version),
        });
        // Iterators go on in the new view, and hold the indexes no longer.
        self.view_changes.fetch_add(1, Ordering::Release);
    }
}
