//! Memory that cannot be had refuses the call that asked for it, and nothing else.
//!
//! Always: every large allocation of a put and its commit is refused once, one run after the other; each time the call says so,
//! nothing of it stays, and the database goes on. An allocation that cannot fail ends the process, as it did;
//! `RUST_BACKTRACE=1` then shows where it was.
//! Does not know: what other threads allocate; small allocations, whose size follows no input.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test asserts by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test needs a folder of its own")]
#![expect(unsafe_code, reason = "a test that refuses memory has to be the allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;

use entidb_core::codec::Encoder;
use entidb_core::{Database, ErrorCode, IndexDefinition, Options, Result, WriteMode, doc, encode};

/// From this size on an allocation follows the input here.
const LARGE: usize = 200 << 10;

thread_local! {
    /// How many large allocations of this thread still succeed.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct Refusing;

fn refuses(size: usize) -> bool {
    if size < LARGE {
        return false;
    }
    let refused = LEFT.try_with(|left| match left.get() {
        usize::MAX => false,
        0 => true,
        count => {
            left.set(count - 1);
            false
        }
    });
    refused.unwrap_or(false)
}

// SAFETY: every call is handed to the system's allocator unchanged, or refused with a null pointer, which is how an
// allocator says that there is no memory.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refuses(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps `alloc`'s contract, which is the system allocator's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, and so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if refuses(size) {
            return std::ptr::null_mut();
        }
        // SAFETY: as for `dealloc`, and the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

/// Runs a call whose large allocations are refused after the first `count`; true when one was.
fn within<T>(count: usize, call: impl FnOnce() -> T) -> (T, bool) {
    let before = LEFT.replace(count);
    let result = call();
    let refused = LEFT.replace(before) == 0;
    (result, refused)
}

/// Runs a call again and again, each time with one large allocation more, until it needs no more; how many that were.
fn refused_one_by_one(mut call: impl FnMut() -> Result<()>) -> usize {
    for count in 0..1_000 {
        let (result, refused) = within(count, &mut call);
        match result {
            Ok(()) => {
                if !refused {
                    return count;
                }
            }
            Err(error) => assert_eq!(error.code(), ErrorCode::OutOfMemory, "after {count}: {error}"),
        }
    }
    panic!("it never succeeds");
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("entidb-no-memory-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Puts of one size until no allocation is refused.
fn puts(name: &str, bytes: usize, durable: bool) {
    let folder = Folder::new(name);
    let options = Options { memtable_bytes: 4 << 20, memory_bytes: 32 << 20, ..Options::default() };
    let db = Database::open_with(&folder.0, options).unwrap();
    let notes = db.collection("notes").unwrap();
    notes.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    let large = encode(&doc! { "n": 1, "x": "y".repeat(bytes) });
    let mut stored = 0_u64;
    let refused = refused_one_by_one(|| {
        let result = if durable {
            notes.write(None, &large, WriteMode::Put).map(drop)
        } else {
            let tx = db.begin_write()?;
            tx.collection("notes")?.write(None, &large, WriteMode::Put)?;
            tx.savepoint()?;
            tx.commit_with(entidb_core::Durability::None).map(drop)
        };
        stored += u64::from(result.is_ok());
        // What was refused left nothing, and the database takes small things.
        let found = within(usize::MAX, || (notes.count(), notes.put(&doc! { "n": 2 }))).0;
        assert_eq!(found.0.unwrap(), stored);
        found.1.unwrap();
        stored += 1;
        result
    });
    assert!(refused > 2, "{refused} large allocations");
    assert_eq!(notes.count().unwrap(), stored);
    db.close().unwrap();
    let db = Database::open(&folder.0).unwrap();
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), stored);
    assert!(db.verify(entidb_core::VerifyLevel::Full).unwrap().problems.is_empty());
}

#[test]
fn a_put_that_goes_to_the_log_is_refused_for_want_of_memory() {
    puts("log", 300 << 10, true);
    puts("lazy", 300 << 10, false);
}

#[test]
fn a_put_that_goes_to_a_segment_is_refused_for_want_of_memory() {
    puts("segment", 3 << 20, true);
}

#[test]
fn a_document_that_is_written_piece_by_piece_is_refused_for_want_of_memory() {
    let text = "y".repeat(300 << 10);
    let count = refused_one_by_one(|| {
        let mut encoder = Encoder::new();
        encoder.begin_map(3);
        encoder.key("numbers");
        encoder.begin_array(300_000);
        (0..300_000_i64).for_each(|n| encoder.integer(n));
        encoder.end();
        encoder.key("map");
        encoder.begin_map(100_000);
        // Against the order of keys, so that they are sorted.
        for n in (0..100_000_i64).rev() {
            encoder.key(n);
            encoder.null();
        }
        encoder.end();
        encoder.key(text.as_str());
        encoder.text(&text);
        encoder.end();
        Ok(encoder.finish().map(drop)?)
    });
    assert!(count > 2, "{count} large allocations");
}

#[test]
fn a_rust_value_is_refused_for_want_of_memory() {
    let folder = Folder::new("serde");
    let db = Database::open(&folder.0).unwrap();
    let notes = db.collection("notes").unwrap();
    let document = doc! {
        "numbers": (0..200_000_i64).collect::<Vec<_>>(),
        "maps": (0..20_000_i64).map(|n| doc! { "b": n, "a": "short" }).collect::<Vec<_>>(),
        "text": "y".repeat(300 << 10),
    };
    let mut stored = 0;
    let count = refused_one_by_one(|| {
        let result = notes.put(&document).map(drop);
        stored += u64::from(result.is_ok());
        result
    });
    assert!(count > 5, "{count} large allocations");
    assert_eq!(within(usize::MAX, || notes.count()).0.unwrap(), stored);
}
