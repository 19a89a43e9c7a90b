//! What the thread of a test allocates: bytes held, the most held at once, and bytes asked for altogether.
//!
//! Always: every call is the system allocator's; each thread has counts of its own, so tests may run side by side.
//! Does not know: what other threads allocate for the test.

#![expect(unsafe_code, reason = "a test that counts what is allocated has to be the allocator")]
#![allow(dead_code, reason = "each test uses the counts it needs")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TOTAL: Cell<u64> = const { Cell::new(0) };
}

fn grown(bytes: usize) {
    // A thread that ends frees memory after its counts are gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes as isize);
        PEAK.with(|peak| peak.set(peak.get().max(held.get())));
        TOTAL.with(|total| total.set(total.get() + bytes as u64));
    });
}

fn shrunk(bytes: usize) {
    let _ = HELD.try_with(|held| held.set(held.get() - bytes as isize));
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps `alloc`'s contract, which is the system allocator's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: the pointer came from `alloc` above, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks may live at once, so the new one is counted before the old one is given up.
        grown(size);
        shrunk(layout.size());
        // SAFETY: as for `dealloc`, and the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes this thread holds, counted from its start.
pub(crate) fn held() -> isize {
    HELD.get()
}

/// Bytes this thread has asked for since its start, whether it still holds them or not.
pub(crate) fn total() -> u64 {
    TOTAL.get()
}

/// Runs `call`; the most bytes held at once beyond what was held before.
pub(crate) fn peak_of<T>(call: impl FnOnce() -> T) -> (T, isize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = call();
    (result, PEAK.get() - before)
}
