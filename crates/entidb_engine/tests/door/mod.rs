//! A door at which threads can be held.
//!
//! Always: who comes by while it is shut waits until it is opened; one that is open costs a look. Does not know: who comes by.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};

/// Holds threads that come by.
#[derive(Default)]
pub(crate) struct Door {
    is_shut: AtomicBool,
    state: Mutex<(u64, bool)>,
    changed: Condvar,
}

impl Door {
    pub(crate) fn pass(&self) {
        if !self.is_shut.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.1).unwrap());
    }

    pub(crate) fn shut(&self) {
        self.is_shut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn wait_for_one(&self) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |state| state.0 == 0).unwrap());
    }

    pub(crate) fn open(&self) {
        self.is_shut.store(false, Ordering::Relaxed);
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}
