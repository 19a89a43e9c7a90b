//! The locks of the deterministic scheduler, called as those of `entidb_storage` are.
//!
//! Always: a panic under a lock does not poison it. A wait with a time limit may end early, as if the time were over:
//! every caller looks at its condition and its clock again, and the scheduler has no clock of its own.
//! Does not know: which thread is next; shuttle decides that.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

use shuttle::rand::Rng;

/// One in this many waits with a time limit ends with it.
const TIMEOUT_ONE_IN: u32 = 4;
/// A wait whose time limit is to end it lets other threads go on this often first, at most.
const TURNS_MAX: u32 = 8;

/// A lock.
#[derive(Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

/// A held lock.
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only while a wait has given the lock away.
    held: Option<shuttle::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, held: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    #[allow(
        dead_code,
        clippy::allow_attributes,
        reason = "part of the interface, whether or not the engine uses it now"
    )]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(held) => Some(MutexGuard { mutex: self, held: Some(held) }),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => {
                Some(MutexGuard { mutex: self, held: Some(poisoned.into_inner()) })
            }
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex")
    }
}

impl<T> MutexGuard<'_, T> {
    /// Gives the lock away and lets another thread go on before taking it again.
    fn let_go(&mut self, turns: u32) {
        drop(self.held.take());
        for _ in 0..turns {
            shuttle::thread::yield_now();
        }
        self.held = self.mutex.lock().held.take();
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.held {
            Some(held) => held,
            None => unreachable!("a guard is never used while its wait has the lock"),
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.held {
            Some(held) => held,
            None => unreachable!("a guard is never used while its wait has the lock"),
        }
    }
}

/// A condition to wait for.
#[derive(Default)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

/// How a wait with a time limit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    #[allow(
        dead_code,
        clippy::allow_attributes,
        reason = "part of the interface, whether or not the engine uses it now"
    )]
    pub(crate) fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    #[allow(
        dead_code,
        clippy::allow_attributes,
        reason = "part of the interface, whether or not the engine uses it now"
    )]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        if let Some(held) = guard.held.take() {
            guard.held = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }
    }

    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _time: Duration) -> WaitTimeoutResult {
        // Shuttle's own waits never end by time. A wait that nobody would end must end, so every one does, some after
        // one turn of the others and some after several: what a real clock may do, too.
        let mut dice = shuttle::rand::thread_rng();
        let turns = if dice.gen_range(0..TIMEOUT_ONE_IN) == 0 { 1 } else { dice.gen_range(1..=TURNS_MAX) };
        guard.let_go(turns);
        WaitTimeoutResult(true)
    }

    #[allow(
        dead_code,
        clippy::allow_attributes,
        reason = "part of the interface, whether or not the engine uses it now"
    )]
    pub(crate) fn wait_while_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        time: Duration,
    ) -> WaitTimeoutResult {
        let over = !condition(guard) || self.wait_for(guard, time).timed_out() && !condition(guard);
        WaitTimeoutResult(!over)
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condvar")
    }
}

/// A lock that many may read under.
#[derive(Default)]
pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> shuttle::sync::RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> shuttle::sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RwLock")
    }
}
