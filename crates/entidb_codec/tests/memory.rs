//! Bad input never costs more memory than twice its size and 64 KiB, whatever it claims.
//!
//! Always: counts every byte allocated and not yet freed while a call runs, with an allocator that
//! asks the system's. One test, so that no other allocates meanwhile.
//! Does not know: how the bound is kept; `decode` and `canonicalise` say that.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use entidb_codec::{ErrorKind, Result, Value, canonicalise, decode, from_slice, lookup, validate, view};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let now = NOW.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(now, Relaxed);
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps `alloc`'s contract, which is the system allocator's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the pointer came from `alloc` above, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks may live at once, so the new one is counted before the old one is given up.
        grown(size);
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as for `dealloc`, and the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes held at once by a call, beyond what was held before.
fn peak_of<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = call();
    (result, PEAK.load(Relaxed) - before)
}

fn with_head(head: &[u8], body: &[u8], count: usize, tail: &[u8]) -> Vec<u8> {
    [head, &body.repeat(count), tail].concat()
}

/// A way of reading, by name.
type Call = (&'static str, fn(&[u8]) -> Result<()>);

#[test]
fn bad_input_costs_at_most_twice_its_size_and_64_kib() {
    // Above 2^16, so that the heads below are canonical and the mistakes are those at the end.
    const MANY: usize = 70_000;
    let count = u32::try_from(MANY).unwrap().to_be_bytes();
    let array = [&[0x9a], count.as_slice()].concat();
    let map = [&[0xba], count.as_slice()].concat();
    let keys: Vec<u8> = numbers(MANY).flat_map(|key| [&[0x1a], key.as_slice(), &[0x00]].concat()).collect();
    let falling: Vec<u8> = numbers(MANY).rev().flat_map(|key| [&[0x1a], key.as_slice(), &[0x00]].concat()).collect();
    let hostile = [
        ("an array of nothing", vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("a text of nothing", vec![0x7b, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("a map of nothing", vec![0xbb, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff]),
        ("many integers and a break", with_head(&array, &[0x00], MANY - 1, &[0xff])),
        ("many nulls and trailing bytes", with_head(&array, &[0xf6], MANY, &[0x00])),
        ("many empty arrays and bad text", with_head(&array, &[0x80], MANY - 1, &[0x61, 0xff])),
        ("many one-letter texts, one too few", with_head(&array, &[0x61, 0x61], MANY - 1, &[])),
        ("many small maps and a reserved head", with_head(&array, &[0xa1, 0x00, 0x00], MANY - 1, &[0x1c])),
        ("arrays in each other without end", vec![0x81; MANY]),
        ("arrays in each other that claim the same bytes", claiming(&[0x9a], MANY)),
        ("maps in each other that claim the same bytes", claiming(&[0x00, 0xba], MANY)),
        ("maps in each other without end", [0xa1, 0x00].repeat(MANY)),
        ("many keys, the last one twice", [map.as_slice(), &keys, &[0x00]].concat()),
        ("many keys in falling order", [map.as_slice(), &falling].concat()),
        ("one long text and trailing bytes", with_head(&[0x7a, 0, 0x0f, 0x42, 0x40], b"x", 1_000_000, &[0x00])),
        ("indefinite array without end", with_head(&[0x9f], &[0x00], MANY, &[])),
        ("indefinite arrays in each other", vec![0x9f; MANY]),
        ("indefinite map of equal keys", with_head(&[0xbf], &[0x19, 0x01, 0x00, 0x00], MANY, &[0xff])),
        ("indefinite text that ends in bytes", with_head(&[0x7f], &[0x61, 0x61], MANY, &[0x41, 0x00, 0xff])),
    ];
    for (name, bytes) in &hostile {
        let bound = 2 * bytes.len() + 64 * 1024;
        let calls: [Call; 6] = [
            ("validate", validate),
            ("decode", |bytes| decode(bytes).map(drop)),
            ("view", |bytes| view(bytes).map(drop)),
            ("from_slice", |bytes| from_slice::<Value>(bytes).map(drop)),
            ("lookup", |bytes| lookup(bytes, &entidb_codec::Path::root().at(0).child("x")).map(drop)),
            ("canonicalise", |bytes| canonicalise(bytes).map(drop)),
        ];
        for (call, run) in calls {
            let (result, peak) = peak_of(|| run(bytes));
            let is_lenient = matches!(call, "lookup" | "canonicalise");
            assert!(is_lenient || result.is_err(), "{call} accepts {name}");
            // What turns out to be good may cost what its result needs; the bound is for the rest.
            assert!(result.is_ok() || peak <= bound, "{call} took {peak} bytes for {name}, of {} bytes", bytes.len());
        }
    }
    // A type decides itself what its elements cost, and no more of them are made room for than there are bytes.
    let claims = claiming(&[0x9a], MANY);
    let (result, peak) = peak_of(|| from_slice::<Nest>(&claims).map(drop));
    assert!(result.is_err() && peak <= claims.len() * size_of::<Nest>() + 64 * 1024, "{peak} bytes for a type");
    // The bound is worth something: good input of the same shape costs more, and is read.
    let good = with_head(&array, &[0x00], MANY, &[]);
    let (value, peak) = peak_of(|| decode(&good));
    assert!(peak > 2 * good.len() + 64 * 1024 && value.unwrap().as_array().unwrap().len() == MANY);
    assert_eq!(decode(&hostile[4].1).unwrap_err().kind(), ErrorKind::TrailingBytes);
}

/// As many heads in each other as a document may have, each of which announces all the bytes that follow: whoever makes room
/// for what is announced makes it 60 times. The first of the bytes before a head is that of a key, where there is one.
fn claiming(start: &[u8], bytes: usize) -> Vec<u8> {
    const HEADS: usize = 60;
    let mut out = Vec::new();
    for at in 0..HEADS {
        // The outermost map has no key before it.
        out.extend_from_slice(if at == 0 { start.last_chunk::<1>().unwrap() } else { start });
        let left = (HEADS - at - 1) * (start.len() + 4) + bytes;
        out.extend_from_slice(&u32::try_from(left / start.len()).unwrap().to_be_bytes());
    }
    out.resize(out.len() + bytes, 0);
    out
}

/// A type that allocates at each level.
#[derive(serde::Deserialize)]
struct Nest(#[expect(dead_code, reason = "only its size counts")] Vec<Nest>);

/// Different keys, all of five bytes.
fn numbers(count: usize) -> impl DoubleEndedIterator<Item = [u8; 4]> {
    let last = 0x10_0000 + u32::try_from(count).unwrap();
    (0x10_0000..last).map(u32::to_be_bytes)
}
