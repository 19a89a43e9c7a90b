//! A reader of the change feed that waits for changes without a thread.
//!
//! Always: a request that found nothing rests here until the feed calls, and then goes back to its lane; a call between the look
//! and the rest is not lost. Does not know: what the feed has.

use std::sync::{Mutex, MutexGuard, OnceLock};

use super::lane::Lane;
use super::lock;
use super::request::Job;

/// What waits at a feed.
#[derive(Default)]
pub(crate) struct FeedWait {
    state: Mutex<State>,
    /// Where requests go when the feed calls.
    lane: OnceLock<Lane>,
}

#[derive(Default)]
struct State {
    resting: Option<Job>,
    /// The feed called while nothing rested.
    is_ready: bool,
}

impl FeedWait {
    /// From here on requests go to this lane when the feed calls; before, none rests here.
    pub(crate) fn use_lane(&self, lane: &Lane) {
        self.lane.get_or_init(|| lane.clone());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The feed calls: there may be something to read.
    pub(crate) fn wake(&self) {
        let mut state = self.state();
        let resting = state.resting.take();
        state.is_ready = resting.is_none();
        drop(state);
        if let (Some(job), Some(lane)) = (resting, self.lane.get()) {
            lane.submit(job);
        }
    }

    /// Lets a request rest that found nothing; given back when the feed called meanwhile, or it was cancelled.
    pub(crate) fn rest(&self, job: Job) -> Option<Job> {
        let mut state = self.state();
        if std::mem::take(&mut state.is_ready) || job.is_cancelled() {
            return Some(job);
        }
        // One reader reads at a time, so the place is free; a second one would go back to its lane.
        let before = state.resting.replace(job);
        drop(state);
        before
    }

    /// Takes a request away that rests.
    pub(crate) fn remove(&self, id: u32) -> Option<Job> {
        let mut state = self.state();
        state.resting.take_if(|job| job.id == id)
    }

    /// Takes what rests.
    pub(crate) fn take(&self) -> Option<Job> {
        self.state().resting.take()
    }
}
