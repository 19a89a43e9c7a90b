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
    if cfg!(loom) { 16 } else { count }
}

/// Tells loom which units of plain memory are read and written, so that it finds a race on them. Costs nothing
/// in the real build.
#[cfg(not(loom))]
pub(super) struct Touched;

#[cfg(not(loom))]
impl Touched {
    pub(super) fn new() -> Self {
        Self
    }
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
pub(super) use watched::Touched;

#[cfg(loom)]
mod watched {
    #![expect(unsafe_code, reason = "loom's cell must be shared for loom to see who touches it")]

    use std::ops::Range;
    use std::sync::{Arc, Mutex};

    struct Unit(loom::cell::UnsafeCell<()>);

    // SAFETY: the cell holds nothing; it is there for loom, which fails the test when two threads meet in it.
    unsafe impl Send for Unit {}
    // SAFETY: as above.
    unsafe impl Sync for Unit {}

    pub(in super::super) struct Touched(Mutex<Vec<Arc<Unit>>>);

    impl Touched {
        pub(in super::super) fn new() -> Self {
            Self(Mutex::new(Vec::new()))
        }
        pub(in super::super) fn resize(&self, count: usize) {
            let units = (0..count).map(|_| Arc::new(Unit(loom::cell::UnsafeCell::new(())))).collect();
            *self.0.lock().unwrap() = units;
        }
        pub(in super::super) fn read(&self, range: Range<usize>) {
            self.units(range).iter().for_each(|unit| unit.0.with(|_| ()));
        }
        pub(in super::super) fn write(&self, range: Range<usize>) {
            self.units(range).iter().for_each(|unit| unit.0.with_mut(|_| ()));
        }
        fn units(&self, range: Range<usize>) -> Vec<Arc<Unit>> {
            self.0.lock().unwrap().get(range).unwrap().to_vec()
        }
    }
}
