//! Memory that one owner takes from the system and gives back to it whole.
//!
//! Always: zeros when it is new, and gone from the process when it is dropped. Where the system's mappings are not at
//! hand it is the allocator's, which decides by itself what it gives back. Unsafe because it is a pointer and a length.
//! Does not know: what the bytes mean.

#![expect(unsafe_code, reason = "memory mapped by the system is a pointer and a length, which no safe container holds")]

use std::alloc::Layout;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

/// True where parts of a mapping can be given back to the system.
pub(super) const HAS_SYSTEM: bool = cfg!(all(target_os = "linux", not(miri), not(loom)));

/// The smallest and the largest page of the systems we know.
const PAGE_BYTES_LEAST: usize = 4096;
const PAGE_BYTES_MOST: usize = 64 * 1024;

/// Bytes that nobody else has.
#[derive(Debug)]
pub(crate) struct Mapped {
    start: NonNull<u8>,
    len: usize,
    align: usize,
}

// SAFETY: the memory is the value's alone, like that of a vector, and is reached through it only.
unsafe impl Send for Mapped {}
// SAFETY: a shared reference gives out the address and nothing else.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Memory of at least `len` zeros, which is not 0, at a multiple of `align`, which is a power of two.
    pub(crate) fn new(len: usize, align: usize) -> Option<Self> {
        // What is moved to its place has its ends cut off, which the system does by the page.
        let len = if align > PAGE_BYTES_LEAST { len.checked_next_multiple_of(PAGE_BYTES_MOST)? } else { len };
        Some(Self { start: place::take(len, align)?, len, align })
    }

    /// The memory without its owner: nobody gives it back until [`from_raw`](Self::from_raw).
    pub(crate) const fn into_raw(self) -> NonNull<u8> {
        let start = self.start;
        std::mem::forget(self);
        start
    }

    /// The owner again.
    ///
    /// # Safety
    /// `start` came from [`into_raw`](Self::into_raw) of memory with this very length and alignment, for the first time
    /// since, and nobody uses the memory otherwise.
    pub(crate) const unsafe fn from_raw(start: NonNull<u8>, len: usize, align: usize) -> Self {
        Self { start, len, align }
    }

    /// The first byte. Who writes to the memory through it must be the only one who uses what is written.
    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

/// Values behind one another in memory of their own.
pub(crate) struct MappedSlice<T> {
    memory: Mapped,
    count: usize,
    values: PhantomData<T>,
}

impl<T> MappedSlice<T> {
    /// `count` values, each made by `make`; nothing when there is no memory, or none is to be made.
    pub(crate) fn new(count: usize, mut make: impl FnMut() -> T) -> Option<Self> {
        let layout = Layout::array::<T>(count).ok().filter(|layout| layout.size() > 0)?;
        let memory = Mapped::new(layout.size(), layout.align().max(PAGE_BYTES_LEAST))?;
        let mut made = Self { memory, count: 0, values: PhantomData };
        let start = made.memory.start().cast::<T>();
        for place in 0..count {
            let value = make();
            // SAFETY: `place < count`, and there is room for `count` values.
            let to = unsafe { start.add(place) };
            // SAFETY: inside the memory, aligned as it must be, and nobody else's.
            unsafe { to.write(value) };
            // One by one: should making the next one panic, those that are made are dropped.
            made.count = place + 1;
        }
        Some(made)
    }
}

impl<T> Deref for MappedSlice<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `count` values were written from the start on, and live as long as this does.
        unsafe { std::slice::from_raw_parts(self.memory.start().cast::<T>().as_ptr(), self.count) }
    }
}

impl<T> Drop for MappedSlice<T> {
    fn drop(&mut self) {
        let values = std::ptr::slice_from_raw_parts_mut(self.memory.start().cast::<T>().as_ptr(), self.count);
        // SAFETY: these values were written, nobody borrows them any more, and they are dropped this once.
        unsafe { std::ptr::drop_in_place(values) };
    }
}

// SAFETY: it owns its values, as a box of a slice does.
unsafe impl<T: Send> Send for MappedSlice<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MappedSlice<T> {}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: this is what `take` gave for these numbers, nobody has given it back, and the value that was its only
        // holder is being dropped.
        unsafe { place::give_back(self.start, self.len, self.align) };
    }
}

/// Lets the system have these pages of a mapping, which is still there and has zeros in their place. True when it did.
///
/// # Safety
/// The range lies in one [`Mapped`], nobody uses what is in it, and no reference to it is held.
pub(super) unsafe fn let_go(start: NonNull<u8>, len: usize) -> bool {
    // SAFETY: as the caller promises.
    unsafe { place::let_go(start, len) }
}

/// Asks for large pages, or for none: with large pages a page of which a part was given back comes back whole.
pub(crate) fn ask_for_huge_pages(mapped: &Mapped, wanted: bool) {
    place::ask_for_huge_pages(mapped.start, mapped.len, wanted);
}

#[cfg(all(target_os = "linux", not(miri), not(loom)))]
mod place {
    use std::ptr::NonNull;

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    pub(super) fn take(len: usize, align: usize) -> Option<NonNull<u8>> {
        // As much more as the place may have to move.
        let extra = if align > super::PAGE_BYTES_LEAST { align } else { 0 };
        let whole = len.checked_add(extra)?;
        // SAFETY: a new mapping at a place of the system's choice touches no other memory.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), whole, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let start = NonNull::new(start.ok()?.cast::<u8>())?;
        if extra == 0 {
            return Some(start);
        }
        let before = start.as_ptr().addr().next_multiple_of(align) - start.as_ptr().addr();
        // SAFETY: `before < extra`, so this lies inside the mapping.
        let begin = unsafe { start.add(before) };
        // SAFETY: `len` and what was left out before it are within the mapping.
        let end = unsafe { begin.add(len) };
        for (start, len) in [(start, before), (end, extra - before)] {
            if len > 0 {
                // SAFETY: the first and the last bytes of the mapping just made, which nobody uses.
                let _unmapped = unsafe { munmap(start.as_ptr().cast(), len) };
            }
        }
        Some(begin)
    }

    pub(super) unsafe fn give_back(start: NonNull<u8>, len: usize, _align: usize) {
        // SAFETY: the caller's mapping, which nobody uses any more.
        let _unmapped = unsafe { munmap(start.as_ptr().cast(), len) };
    }

    pub(super) unsafe fn let_go(start: NonNull<u8>, len: usize) -> bool {
        // SAFETY: the pages are in use by nobody, and stay mapped.
        unsafe { madvise(start.as_ptr().cast(), len, Advice::LinuxDontNeed) }.is_ok()
    }

    pub(super) fn ask_for_huge_pages(start: NonNull<u8>, len: usize, wanted: bool) {
        let advice = if wanted { Advice::LinuxHugepage } else { Advice::LinuxNoHugepage };
        // SAFETY: the range is one mapping of ours, and the advice does not change what it holds. Refused, it changes
        // nothing else either.
        let _hint = unsafe { madvise(start.as_ptr().cast(), len, advice) };
    }
}

#[cfg(not(all(target_os = "linux", not(miri), not(loom))))]
mod place {
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::ptr::NonNull;

    pub(super) fn take(len: usize, align: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(len, align).ok().filter(|layout| layout.size() > 0)?;
        // SAFETY: the layout's size is not zero.
        NonNull::new(unsafe { alloc_zeroed(layout) })
    }

    pub(super) unsafe fn give_back(start: NonNull<u8>, len: usize, align: usize) {
        if let Ok(layout) = Layout::from_size_align(len, align) {
            // SAFETY: what `take` gave for this very layout.
            unsafe { dealloc(start.as_ptr(), layout) };
        }
    }

    pub(super) unsafe fn let_go(_start: NonNull<u8>, _len: usize) -> bool {
        false
    }

    pub(super) fn ask_for_huge_pages(_start: NonNull<u8>, _len: usize, _wanted: bool) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn memory_is_zeros_at_the_place_asked_for() {
        for (len, align) in [(1, 4096), (4097, 4096), (70_000, 64), (3 << 20, 2 << 20), (2_500_001, 2 << 20)] {
            let mapped = Mapped::new(len, align).unwrap();
            assert!(mapped.len() >= len && mapped.start().as_ptr().addr().is_multiple_of(align.min(4096)));
            assert!(align <= 4096 || mapped.start().as_ptr().addr().is_multiple_of(align));
            // SAFETY: the memory is this test's alone.
            let bytes = unsafe { std::slice::from_raw_parts_mut(mapped.start().as_ptr(), mapped.len()) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(9);
        }
        assert!(Mapped::new(usize::MAX - 4096, 2 << 20).is_none());
    }

    #[test]
    fn values_are_kept_and_each_is_dropped_once() {
        let counted = Arc::new(());
        let slice = MappedSlice::new(1000, || Arc::clone(&counted)).unwrap();
        assert_eq!((slice.len(), Arc::strong_count(&counted)), (1000, 1001));
        drop(slice);
        assert_eq!(Arc::strong_count(&counted), 1);
        assert!(MappedSlice::new(0, || 1_u8).is_none() && MappedSlice::new(usize::MAX, || 1_u64).is_none());
    }
}
