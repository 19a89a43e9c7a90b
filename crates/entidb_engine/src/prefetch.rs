//! Asks the processor to fetch memory that will be read soon.
//!
//! Always: a hint that changes no value; where the processor has none, nothing happens. Unsafe because the
//! instruction takes an address.
//! Does not know: what lies there.

#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the prefetch instruction takes a raw address"))]

const LINE_BYTES: usize = 64;

/// Fetches every cache line of a node.
#[inline(always)]
pub(crate) fn whole<T>(node: &T) {
    let start = std::ptr::from_ref(node).cast::<i8>();
    for line in 0..size_of::<T>().div_ceil(LINE_BYTES) {
        address(start.wrapping_add(line * LINE_BYTES));
    }
}

/// Fetches the cache lines these bytes lie in, up to `lines_max` of them.
#[inline]
pub(crate) fn lines(bytes: &[u8], lines_max: usize) {
    let start = bytes.as_ptr().cast::<i8>();
    for line in 0..bytes.len().div_ceil(LINE_BYTES).min(lines_max) {
        address(start.wrapping_add(line * LINE_BYTES));
    }
}

/// Fetches `lines` cache lines from a place that was remembered as a number. There may be nothing any more.
#[inline(always)]
pub(crate) fn remembered(place: usize, lines: usize) {
    let start = std::ptr::without_provenance::<i8>(place);
    for line in 0..lines {
        address(start.wrapping_add(line * LINE_BYTES));
    }
}

/// Fetches the cache line with the first of these bytes.
#[inline(always)]
pub(crate) fn first_line(bytes: &[u8]) {
    address(bytes.as_ptr().cast());
}

#[inline(always)]
fn address(address: *const i8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults on nothing, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
