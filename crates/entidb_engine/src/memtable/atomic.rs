//! The atomics of the memtable: the processor's, or loom's when every interleaving is to be tried (`--cfg loom`).
//!
//! Always: both sides have the same names, so the code under test is the code that ships.
//! Does not know: what is stored in them.

#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// A capacity, made tiny under loom, where every atomic is an object of the model.
pub(super) const fn scaled_down(count: usize) -> usize {
    if cfg!(loom) { 4 } else { count }
}

/// Tells loom which units of plain memory are read and written, so that it finds a race on them. Costs nothing
/// in the real build.
#[cfg(not(loom))]
#[derive(Default)]
pub(super) struct Touched;

#[cfg(not(loom))]
impl Touched {
    #[inline]
    #[expect(clippy::unused_self, reason = "loom's twin uses it")]
    pub(super) fn resize(&self, _units: usize) {}
    #[inline]
    #[expect(clippy::unused_self, reason = "loom's twin uses it")]
    pub(super) fn read(&self, _units: std::ops::Range<usize>) {}
    #[inline]
    #[expect(clippy::unused_self, reason = "loom's twin uses it")]
    pub(super) fn write(&self, _units: std::ops::Range<usize>) {}
}

#[cfg(loom)]
#[derive(Default)]
pub(super) struct Touched(std::sync::Mutex<Vec<std::sync::Arc<loom::cell::UnsafeCell<()>>>>);

#[cfg(loom)]
impl Touched {
    pub(super) fn resize(&self, units: usize) {
        let cells = (0..units).map(|_| std::sync::Arc::new(loom::cell::UnsafeCell::new(()))).collect();
        *self.0.lock().unwrap() = cells;
    }
    pub(super) fn read(&self, units: std::ops::Range<usize>) {
        let cells = self.0.lock().unwrap().get(units).unwrap().to_vec();
        cells.iter().for_each(|cell| cell.with(|_| ()));
    }
    pub(super) fn write(&self, units: std::ops::Range<usize>) {
        let cells = self.0.lock().unwrap().get(units).unwrap().to_vec();
        cells.iter().for_each(|cell| cell.with_mut(|_| ()));
    }
}
