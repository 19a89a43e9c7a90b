//! Buffers of whole pages for what comes and goes by the thousand: blocks, and the bytes they are read from.
//!
//! Always: a buffer is its holder's alone until it is dropped. What no buffer has serves the next one of its size, or is
//! given back to the system when that is asked, wherever it lies. The process's allocator cannot promise that: it keeps
//! what is freed in parts of its own for each thread, and had 422 MB resident for 134 when eight threads read through a
//! cache of 8 KiB blocks, 185 when it was made to keep one part for all (2026-11-30, glibc). Unsafe because buffers are
//! parts of larger mappings.
//! Does not know: budgets, or what the bytes mean.

#![expect(unsafe_code, reason = "a mapping is lent out in parts, each with one holder, which no safe container does")]

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use entidb_storage::Process;

use super::mapped::{self, HAS_SYSTEM, Mapped, ask_for_huge_pages};
use crate::error::{Error, Result};
use crate::sync::Mutex;

/// What buffers are whole multiples of.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Pages of the sizes that are parts of larger mappings: of a buffer a fifth is lost at most, where it is just too long
/// for one of them.
const CLASS_PAGES: [usize; 32] = [
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    384, 448, 512,
];
/// Larger ones are a mapping of their own.
const CLASSES: usize = CLASS_PAGES.len();
/// What is mapped at once for parts of one size, unless they are larger. Only what was touched takes memory.
const SPAN_BYTES: usize = 1 << 20;

/// Memory in pages.
pub(crate) struct Pages {
    state: Mutex<State>,
    /// A child of this process may drop buffers, and must not wait for the lock: a thread that it does not have may hold it.
    process: Process,
    /// Bytes that are in the process: in use, or ready to be.
    resident: AtomicUsize,
    /// Bytes of buffers.
    in_use: AtomicUsize,
}

/// Bytes of whole pages, with one holder. They are what the last holder left, or zeros.
pub(crate) struct PageBuffer {
    /// Said once more than its source does: every read of a block asks.
    start: NonNull<u8>,
    len: usize,
    source: Source,
    pages: Arc<Pages>,
}

// SAFETY: the memory is the buffer's alone, like that of a vector, and is reached through it only.
unsafe impl Send for PageBuffer {}
// SAFETY: a shared reference reads only.
unsafe impl Sync for PageBuffer {}

enum Source {
    /// A part of this class.
    Part(u8),
    Whole {
        _mapped: Mapped,
    },
}

/// Part of a span that no buffer has.
type Part = NonNull<u8>;

#[derive(Default)]
struct State {
    classes: [Class; CLASSES],
    /// The mappings whose parts are lent. They end with the last holder of a buffer, each of which holds the `Pages`.
    spans: Vec<Mapped>,
    /// False where pages are larger than parts are, which shows when the first is given back.
    is_whole: bool,
}

#[derive(Default)]
struct Class {
    /// In no use, and in memory.
    free: Vec<Part>,
    /// Given back: touched again, they are zeros.
    cold: Vec<Part>,
    /// Never lent: where they begin, and how many there are.
    fresh: Option<(NonNull<u8>, usize)>,
}

// SAFETY: nobody has what is in the lists but the state they belong to.
unsafe impl Send for Class {}

/// The class of a size in bytes; nothing for a mapping of its own.
fn class_of(len: usize) -> Option<u8> {
    let pages = len.div_ceil(PAGE_BYTES).max(1);
    let class = CLASS_PAGES.partition_point(|class| *class < pages);
    if HAS_SYSTEM && class < CLASSES { u8::try_from(class).ok() } else { None }
}

fn class_bytes(class: u8) -> usize {
    CLASS_PAGES.get(usize::from(class)).map_or(0, |pages| pages * PAGE_BYTES)
}

impl Pages {
    /// No memory yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::default()),
            process: Process::current(),
            resident: AtomicUsize::new(0),
            in_use: AtomicUsize::new(0),
        })
    }

    /// Bytes a buffer of at least `len` bytes takes.
    pub(crate) fn bytes_for(len: usize) -> usize {
        class_of(len).map_or_else(|| len.max(1).next_multiple_of(PAGE_BYTES), class_bytes)
    }

    /// Bytes that are in the process for buffers there are or were.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.resident.load(Ordering::Relaxed)
    }

    /// Bytes of the buffers there are.
    pub(crate) fn used_bytes(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    /// A buffer of at least `len` bytes out of what is resident already, when there is one.
    pub(crate) fn take_resident(self: &Arc<Self>, len: usize) -> Option<PageBuffer> {
        let class = class_of(len)?;
        let part = self.state.lock().classes.get_mut(usize::from(class))?.free.pop()?;
        Some(self.lend(part, class_bytes(class), Source::Part(class)))
    }

    /// A buffer of at least `len` bytes.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> Result<PageBuffer> {
        if let Some(buffer) = self.take_resident(len) {
            return Ok(buffer);
        }
        let bytes = Self::bytes_for(len);
        let part = class_of(len).and_then(|class| Some((class, self.state.lock().take_more(class)?)));
        let (start, source) = match part {
            Some((class, part)) => (part, Source::Part(class)),
            None => {
                let mapped = Mapped::new(bytes, PAGE_BYTES);
                let mapped = mapped.ok_or(Error::OutOfMemory { what: "a buffer", bytes: bytes as u64 })?;
                (mapped.start(), Source::Whole { _mapped: mapped })
            }
        };
        self.resident.fetch_add(bytes, Ordering::Relaxed);
        Ok(self.lend(start, bytes, source))
    }

    fn lend(self: &Arc<Self>, start: NonNull<u8>, len: usize, source: Source) -> PageBuffer {
        self.in_use.fetch_add(len, Ordering::Relaxed);
        PageBuffer { start, len, source, pages: Arc::clone(self) }
    }

    /// Gives at least so many bytes of what no buffer has back to the system, as far as there are any.
    pub(crate) fn give_back(&self, bytes: usize) {
        if self.resident_bytes() > self.used_bytes() {
            let given = self.state.lock().give_back(bytes);
            self.resident.fetch_sub(given, Ordering::Relaxed);
        }
    }
}

impl State {
    /// A part that takes no memory yet.
    fn take_more(&mut self, number: u8) -> Option<Part> {
        if self.is_whole {
            return None;
        }
        let bytes = class_bytes(number);
        let class = self.classes.get_mut(usize::from(number))?;
        if let Some(part) = class.cold.pop() {
            return Some(part);
        }
        if class.fresh.is_none() {
            let span = Mapped::new(SPAN_BYTES.max(bytes), PAGE_BYTES)?;
            ask_for_huge_pages(&span, false);
            // SAFETY: a span has more than one page.
            let second = unsafe { span.start().add(PAGE_BYTES) };
            // SAFETY: a page of a mapping that nobody uses yet.
            if self.spans.is_empty() && !unsafe { mapped::let_go(second, PAGE_BYTES) } {
                self.is_whole = true;
                return None;
            }
            class.fresh = Some((span.start(), span.len() / bytes));
            self.spans.push(span);
        }
        let (start, count) = class.fresh.take()?;
        if count > 1 {
            // SAFETY: `count` parts of `bytes` bytes begin at `start`, so the second is inside the span.
            class.fresh = Some((unsafe { start.add(bytes) }, count - 1));
        }
        Some(start)
    }

    fn give_back(&mut self, bytes: usize) -> usize {
        let mut given = 0;
        for (number, class) in (0..).zip(&mut self.classes) {
            let len = class_bytes(number);
            while given < bytes
                && let Some(part) = class.free.pop()
            {
                // SAFETY: the part lies in a span of ours, and it was among those that no buffer has.
                if !unsafe { mapped::let_go(part, len) } {
                    class.free.push(part);
                    break;
                }
                given += len;
                class.cold.push(part);
            }
        }
        given
    }
}

impl Deref for PageBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` are mapped for as long as this value lives (it holds the mapping, or the
        // `Pages` whose span the part lies in), were zeros at first, and change only through `&mut self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for PageBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`; no other buffer has any of these bytes.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for PageBuffer {
    fn drop(&mut self) {
        let pages = &*self.pages;
        pages.in_use.fetch_sub(self.len, Ordering::Relaxed);
        match self.source {
            Source::Part(_) if !pages.process.is_current() => {}
            Source::Part(class) => {
                if let Some(class) = pages.state.lock().classes.get_mut(usize::from(class)) {
                    class.free.push(self.start);
                }
            }
            // The mapping ends with this value.
            Source::Whole { .. } => {
                pages.resident.fetch_sub(self.len, Ordering::Relaxed);
            }
        }
    }
}

impl std::fmt::Debug for PageBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PageBuffer({} bytes)", self.len())
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pages({} of {} bytes in use)", self.used_bytes(), self.resident_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_as_long_as_asked_and_loses_a_fifth_at_most() {
        let pages = Pages::new();
        for len in (1..3_000_000).step_by(9973) {
            let buffer = pages.take(len).unwrap();
            assert_eq!(buffer.len(), Pages::bytes_for(len));
            let rounded = len.next_multiple_of(PAGE_BYTES);
            assert!(buffer.len() >= rounded && buffer.len() * 4 <= rounded * 5, "{len}: {}", buffer.len());
        }
    }

    #[test]
    fn no_two_buffers_share_a_byte_and_each_keeps_what_was_written() {
        let pages = Pages::new();
        let mut held: Vec<(usize, PageBuffer)> = Vec::new();
        for step in 0..400_usize {
            let len = 1 + step.wrapping_mul(7919) % 40_000;
            let mut buffer = pages.take(len).unwrap();
            buffer.fill((step % 251) as u8);
            held.push((step, buffer));
            if step % 3 == 0 {
                held.swap_remove(step.wrapping_mul(31) % held.len());
            }
            if step % 50 == 0 {
                pages.give_back(100_000);
            }
        }
        for (step, buffer) in &held {
            assert!(buffer.iter().all(|byte| usize::from(*byte) == step % 251), "buffer {step}");
        }
        assert_eq!(held.iter().map(|(_, buffer)| buffer.len()).sum::<usize>(), pages.used_bytes());
    }

    #[test]
    fn what_is_dropped_serves_again_or_goes_back_and_the_count_is_right() {
        let pages = Pages::new();
        let held: Vec<_> = (0..100).map(|_| pages.take(8000).unwrap()).collect();
        assert_eq!((pages.resident_bytes(), pages.used_bytes()), (819_200, 819_200));
        assert!(pages.take_resident(8000).is_none());
        drop(held);
        if HAS_SYSTEM {
            assert_eq!((pages.resident_bytes(), pages.used_bytes()), (819_200, 0));
            assert!(pages.take_resident(8000).is_some() && pages.take_resident(9000).is_none());
            pages.give_back(400_000);
            assert!(pages.resident_bytes() <= 419_200);
        }
        pages.give_back(usize::MAX);
        assert_eq!((pages.resident_bytes(), pages.used_bytes()), (0, 0));
        let again = pages.take(8192).unwrap();
        assert_eq!((again.len(), pages.resident_bytes()), (8192, 8192));
    }

    #[test]
    fn a_large_buffer_goes_back_with_its_holder() {
        let pages = Pages::new();
        let mut large = pages.take(3 << 20).unwrap();
        large.fill(7);
        assert_eq!(pages.resident_bytes(), 3 << 20);
        drop(large);
        assert_eq!(pages.resident_bytes(), 0);
    }

    /// Another thread of the parent may have held the lock at the moment of the fork: nobody gives it back in the child.
    #[cfg(all(target_os = "linux", not(miri), not(loom), not(shuttle)))]
    #[test]
    fn a_child_of_a_fork_drops_a_buffer_though_the_lock_was_held() {
        let pages = Pages::new();
        let mut buffer = Some(pages.take(8000).unwrap());
        let held = pages.state.lock();
        // SAFETY: the child drops the buffer and leaves by `_exit`; it takes no lock of the harness.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: it only asks for a signal, which ends a child that hangs.
            unsafe { libc::alarm(10) };
            drop(buffer.take());
            // SAFETY: it ends the process and touches no memory.
            unsafe { libc::_exit(0) }
        }
        assert!(child > 0);
        drop(held);
        let mut status = 0;
        // SAFETY: the status is a place that may be written.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert!(waited == child && status == 0, "the child hung");
    }
}
