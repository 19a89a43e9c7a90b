//! Opaque handles: a pointer from C, judged before it is believed.
//!
//! Always: a null pointer, a pointer to another kind of handle and a handle from before a fork are refused,
//! but for what is memory alone. A handle in
//! which a call panicked refuses all further ones. Freeing is best-effort protected: a freed handle's tag is wiped. Where a
//! call may wait, freeing ends it and waits for it.
//! Does not know: what a handle holds.
//!
//! Unsafe: C gives raw pointers. The caller promises that a non-null pointer came from this library and was not freed; the
//! tag catches most, not all, breaches of that promise.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use entidb_core::{Error, ErrorCode};
use entidb_storage::{Process, SystemThreads, Threads};

use crate::boundary::quiet;

/// What a handle of C stands for.
pub(crate) trait Noun: Sized + 'static {
    /// The opaque type C sees.
    type Opaque;
    /// A number no other noun has.
    const TAG: u32;
    /// The word used in messages.
    const NAME: &'static str;
    /// True for what was given out and is memory alone: a child made by `fork` may read it, since it has that memory too.
    const OF_MEMORY: bool = false;
    /// True for what may be freed while another thread waits in a call on it.
    const MAY_WAIT: bool = false;

    /// Ends the calls that wait in it, and every later one. For what may wait.
    fn end(&self) {}
}

/// What a handle points at. The tag comes first, so that it can be read whatever the pointer's kind is.
#[repr(C)]
struct Slot<T> {
    tag: AtomicU32,
    process: Process,
    panicked: AtomicBool,
    /// Calls under way, where one may wait.
    inside: AtomicU32,
    inner: T,
}

const FREED: u32 = 0xdead_beef;
/// How long freeing rests between two looks whether the last call has left.
const LEAVING: Duration = Duration::from_micros(50);

/// Makes a handle.
pub(crate) fn make<T: Noun>(inner: T) -> *mut T::Opaque {
    let slot = Slot {
        tag: AtomicU32::new(T::TAG),
        process: Process::current(),
        panicked: AtomicBool::new(false),
        inside: AtomicU32::new(0),
        inner,
    };
    Box::into_raw(Box::new(slot)).cast()
}

fn refuse<T: Noun>(found: &str) -> Error {
    Error::new(ErrorCode::InvalidHandle, format!("a {} handle was expected, {found} was given", T::NAME))
}

fn slot<'a, T: Noun>(pointer: *const T::Opaque) -> Result<&'a Slot<T>, Error> {
    if pointer.is_null() {
        return Err(refuse::<T>("NULL"));
    }
    if !pointer.cast::<Slot<T>>().is_aligned() {
        return Err(refuse::<T>("a misaligned pointer"));
    }
    // SAFETY: the caller promises a live handle of ours; every handle begins with its tag.
    let tag = unsafe { &*pointer.cast::<AtomicU32>() }.load(Ordering::Acquire);
    if tag == FREED {
        return Err(refuse::<T>("a freed handle"));
    }
    if tag != T::TAG {
        return Err(refuse::<T>("another kind of handle"));
    }
    // SAFETY: the tag says that this is a live slot of this kind, and slots never move.
    Ok(unsafe { &*pointer.cast::<Slot<T>>() })
}

/// The handles a call has touched, so that a panic can close them to further use.
#[derive(Default)]
pub(crate) struct Touched {
    /// A call touches one handle; room for two makes no call allocate.
    flags: [Option<NonNull<AtomicBool>>; 2],
    /// Where the call is counted, on a handle whose freeing waits for it.
    inside: Option<NonNull<AtomicU32>>,
}

impl Drop for Touched {
    fn drop(&mut self) {
        if let Some(inside) = self.inside {
            // SAFETY: the slot lives until its count is 0, and this call is counted in it.
            unsafe { inside.as_ref() }.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Touched {
    /// What a handle holds.
    pub(crate) fn get<'a, T: Noun>(&mut self, pointer: *const T::Opaque) -> Result<&'a T, Error> {
        let slot = slot::<T>(pointer)?;
        if T::MAY_WAIT && self.inside.is_none() {
            slot.inside.fetch_add(1, Ordering::SeqCst);
            self.inside = Some(NonNull::from(&slot.inside));
            // A thread that frees it wipes the tag first and reads the count then.
            if slot.tag.load(Ordering::SeqCst) != T::TAG {
                return Err(refuse::<T>("a freed handle"));
            }
        }
        if !T::OF_MEMORY && !slot.process.is_current() {
            let problem = format!("this {} was opened before the process forked; open it anew in the child", T::NAME);
            return Err(Error::new(ErrorCode::Forked, problem));
        }
        if slot.panicked.load(Ordering::Acquire) {
            let problem = format!("an earlier call on this {} met a defect; close it and open it anew", T::NAME);
            return Err(Error::new(ErrorCode::Panic, problem));
        }
        if let Some(free) = self.flags.iter_mut().find(|flag| flag.is_none()) {
            *free = Some(NonNull::from(&slot.panicked));
        }
        Ok(&slot.inner)
    }

    /// Marks every touched handle after a panic.
    pub(crate) fn mark_panicked(&self) {
        for flag in self.flags.iter().flatten() {
            // SAFETY: the flag is in a slot the caller keeps alive for the whole call.
            unsafe { flag.as_ref() }.store(true, Ordering::Release);
        }
    }
}

/// Frees a handle. NULL is fine; anything that is not a live handle of this kind is left alone.
pub(crate) fn free<T: Noun>(pointer: *mut T::Opaque) {
    let Ok(found) = slot::<T>(pointer) else { return };
    if found.tag.compare_exchange(T::TAG, FREED, Ordering::SeqCst, Ordering::Acquire).is_err() {
        return;
    }
    let foreign = !found.process.is_current();
    if T::MAY_WAIT && !foreign {
        quiet((), || found.inner.end());
        // Woken, they leave at once; one that reads from the disk ends its read first.
        while found.inside.load(Ordering::SeqCst) > 0 {
            SystemThreads.sleep(LEAVING);
        }
    }
    // SAFETY: the tag was ours and is wiped now, so nobody else frees this box that `make` gave out.
    let slot = unsafe { Box::from_raw(pointer.cast::<Slot<T>>()) };
    if foreign {
        // What the parent process owns must not be closed or flushed from a child.
        std::mem::forget(slot);
        return;
    }
    // A defect in dropping must not unwind into C; the memory is gone either way.
    quiet((), move || drop(slot));
}
