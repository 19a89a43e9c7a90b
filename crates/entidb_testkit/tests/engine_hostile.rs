//! Layer 21: folders and files made to hurt. The answer is a typed error or the truth, soon, with bounded memory.

#![expect(clippy::panic, reason = "a test asserts by panicking, and says what it did")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use entidb_engine::{AesGcmProvider, Damage, Engine, Error, Options, Provider, VerifyLevel};
use entidb_storage::Clock as _;
use entidb_storage::simulated::Simulation;
use entidb_testkit::oracle::{NonceOracle, Seal};
use entidb_testkit::sample::{self, Ending, Flavour, Sample, read_all};

/// Counts the bytes this thread has in use, and the most there ever were. Nothing here runs on another thread.
struct Counting;

thread_local! {
    static IN_USE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator with the arguments it came with; the counters are beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // The counters are gone while a thread ends; then nobody asks for them.
        let _ = IN_USE.try_with(|in_use| {
            in_use.set(in_use.get().wrapping_add(layout.size()));
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(in_use.get())));
        });
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get().saturating_sub(layout.size())));
        // SAFETY: as above; the memory came from `alloc`, so from the system.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory an open may take beyond what was in use: four times the files and what an empty database takes.
const PEAK_BYTES_MAX: usize = 16 << 20;
const SECONDS_MAX: f64 = 5.0;

/// Opens, reads and verifies under the watch of the allocator and the clock. Any answer will do but a panic.
fn attempt(sample: &Sample, world: &Simulation, what: &str) -> Result<(), Error> {
    let file_bytes: usize = world.file_names().iter().filter_map(|name| world.file_bytes(name)).map(|b| b.len()).sum();
    let start = entidb_storage::SystemClock.monotonic_nanos();
    let base = IN_USE.get();
    PEAK.set(base);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let engine = Engine::open(sample.backend(world), sample::read_only(sample.flavour))?;
        let read = read_all(&engine, sample.content()).map(|_| ());
        engine.verify(VerifyLevel::Full)?;
        read
    }));
    let peak = PEAK.get().saturating_sub(base);
    let seconds = (entidb_storage::SystemClock.monotonic_nanos() - start) as f64 / 1e9;
    let outcome = outcome.unwrap_or_else(|_| panic!("{what}: it panicked"));
    assert!(peak <= 4 * file_bytes + PEAK_BYTES_MAX, "{what}: it took {peak} bytes for {file_bytes} ({outcome:?})");
    assert!(seconds < SECONDS_MAX, "{what}: it took {seconds} s");
    outcome
}

/// Numbers that hurt where a length or a count is expected.
const NASTY: [u64; 7] = [0, 1 << 31, u32::MAX as u64, 1 << 63, u64::MAX, i64::MAX as u64, 0x0fff_ffff];

#[test]
fn no_number_anywhere_in_a_file_hurts() {
    let full = std::env::var("ENTIDB_TIER").is_ok_and(|tier| tier == "full" || tier == "release");
    let mut cases = 0;
    for flavour in [Flavour::Plain, Flavour::Encrypted] {
        let sample = sample::build(flavour, Ending::Closed, &(Arc::new(AesGcmProvider) as _)).unwrap();
        for name in sample.world().file_names().iter().filter(|name| *name != "LOCK") {
            let good = sample.world().file_bytes(name).unwrap();
            let used = good.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            for at in (0..used).step_by(if full { 4 } else { 92 }) {
                let number = NASTY[(at / 4) % NASTY.len()].to_le_bytes();
                let mut bytes = good.clone();
                let end = (at + 8).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
                if bytes == good {
                    continue;
                }
                let world = sample.world();
                world.put_file(name, &bytes);
                let _ = attempt(&sample, &world, &format!("{flavour:?} {name} byte {at}: {number:?}"));
                cases += 1;
            }
        }
    }
    println!("21 hostile numbers: {cases} cases");
    assert!(cases > 200, "{cases}");
}

/// Someone with the key writes nonsense: tags and checksums are right, the content is not.
#[test]
fn nonsense_under_a_right_tag_does_not_hurt() {
    let full = std::env::var("ENTIDB_TIER").is_ok_and(|tier| tier == "full" || tier == "release");
    let oracle = NonceOracle::new();
    let provider: Arc<dyn Provider> = Arc::new(oracle.clone());
    let sample = sample::build(Flavour::Encrypted, Ending::Closed, &provider).unwrap();
    let world = sample.world();
    let folders = BTreeMap::from([(2, "manifest"), (3, "wal"), (4, "seg")]);
    let (mut cases, mut opened) = (0, 0);
    for seal in oracle.seals() {
        let Some(place) = seal.place() else { continue };
        let Some(folder) = folders.get(&place.kind) else { continue };
        let path = format!("{folder}/{}", place.file);
        let Some(good) = world.file_bytes(&path) else { continue };
        let steps = if full { 1 } else { (place.body_bytes / 24).max(1) };
        for at in (0..place.body_bytes).step_by(steps) {
            for width in [1_usize, 2, 4, 8] {
                let number = NASTY[(at + width) % NASTY.len()].to_le_bytes();
                let Some(bytes) = rewritten(&good, &seal, |body| {
                    let end = (at + width).min(body.len());
                    body[at..end].copy_from_slice(&number[..end - at]);
                }) else {
                    continue;
                };
                let world = sample.world();
                world.put_file(&path, &bytes);
                let what = format!("{path} unit {} byte {at}: {width} of {number:?}", place.number);
                match attempt(&sample, &world, &what) {
                    Ok(()) => opened += 1,
                    Err(Error::Internal { detail }) if !detail.contains("disagree") => panic!("{what}: {detail}"),
                    Err(_) => {}
                }
                cases += 1;
            }
        }
    }
    println!("21 nonsense under a right tag: {cases} cases, {opened} of them mean something else");
    assert!(cases > 500, "{cases}");
}

/// The file with the body of one unit changed, its tag and checksum made anew; `None` when nothing changed.
fn rewritten(good: &[u8], seal: &Seal, change: impl FnOnce(&mut [u8])) -> Option<Vec<u8>> {
    let place = seal.place()?;
    let start = place.offset as usize + place.clear_bytes;
    let (end, tag_end) = (start + place.body_bytes, start + place.body_bytes + 16);
    let mut bytes = good.to_vec();
    let aead = AesGcmProvider.aes_256_gcm(&seal.key);
    let tag: [u8; 16] = bytes.get(end..tag_end)?.try_into().ok()?;
    aead.open(&seal.nonce, &seal.aad, bytes.get_mut(start..end)?, &tag).ok()?;
    let before = bytes.get(start..end)?.to_vec();
    change(bytes.get_mut(start..end)?);
    if bytes.get(start..end)? == before {
        return None;
    }
    let tag = aead.seal(&seal.nonce, &seal.aad, bytes.get_mut(start..end)?).ok()?;
    bytes.get_mut(end..tag_end)?.copy_from_slice(&tag);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&xxhash_rust::xxh3::xxh3_64(bytes.get(..124)?).to_le_bytes());
    hasher.update(&place.stream.to_le_bytes());
    hasher.update(&place.number.to_le_bytes());
    hasher.update(&place.offset.to_le_bytes());
    hasher.update(bytes.get(place.offset as usize..tag_end)?);
    bytes.get_mut(tag_end..tag_end + 4)?.copy_from_slice(&hasher.finalize().to_le_bytes());
    Some(bytes)
}

#[test]
fn a_file_of_a_newer_format_is_refused_by_name_and_nothing_is_touched() {
    for flavour in Flavour::ALL {
        let sample = sample::build(flavour, Ending::Closed, &(Arc::new(AesGcmProvider) as _)).unwrap();
        for name in sample.world().file_names().iter().filter(|name| *name != "LOCK") {
            for (at, features) in [(8, false), (20, true)] {
                for writing in [false, true] {
                    let world = sample.world();
                    let mut bytes = world.file_bytes(name).unwrap();
                    let copies: &[usize] = match name.as_str() {
                        "ROOT" => &[0, 4096],
                        "KEYRING" => &[0, 8192],
                        _ => &[0],
                    };
                    for start in copies {
                        bytes[start + at] = 0x40;
                        let header = crc32fast::hash(&bytes[*start..start + 124]);
                        bytes[start + 124..start + 128].copy_from_slice(&header.to_le_bytes());
                        if name == "KEYRING" {
                            let copy = crc32fast::hash(&bytes[*start..start + 8188]);
                            bytes[start + 8188..start + 8192].copy_from_slice(&copy.to_le_bytes());
                        }
                    }
                    world.put_file(name, &bytes);
                    let options = if writing {
                        sample::options(flavour, Arc::new(AesGcmProvider))
                    } else {
                        sample::read_only(flavour)
                    };
                    let before: Vec<_> = world.file_names().iter().map(|name| world.file_bytes(name)).collect();
                    let opened = Engine::open(sample.backend(&world), options)
                        .and_then(|engine| read_all(&engine, sample.content()));
                    match opened {
                        Err(Error::FormatTooNew { file, found: 0x40, newest: 1 }) if !features => {
                            assert_eq!(&file, name)
                        }
                        Err(Error::FeaturesUnknown { file, unknown: 0x40 }) if features => assert_eq!(&file, name),
                        other => panic!("{flavour:?} {name} features {features}: {other:?}"),
                    }
                    // A segment is looked at when it is first read; a database opened for writing has begun by then.
                    if !writing || !name.starts_with("seg/") {
                        let after: Vec<_> = world.file_names().iter().map(|name| world.file_bytes(name)).collect();
                        assert_eq!(before, after, "{name}");
                    }
                }
            }
        }
    }
}

/// A copy that ended half-way: every first part of the files, in order of their names and the other way round.
#[test]
fn a_folder_copied_half_way_is_no_smaller_database() {
    for flavour in Flavour::ALL {
        let sample = sample::build(flavour, Ending::Closed, &(Arc::new(AesGcmProvider) as _)).unwrap();
        let mut names = sample.world().file_names();
        for _ in 0..2 {
            names.reverse();
            for count in 0..names.len() {
                let world = sample.world();
                for name in names.iter().skip(count) {
                    world.lose_file(name);
                }
                let what = format!("{flavour:?}: {:?}", &names[..count]);
                let only_lock_is_missing = names[count..].iter().all(|name| name == "LOCK");
                match attempt(&sample, &world, &what) {
                    Err(Error::Corrupt { damage: Damage::Missing, .. }) => {}
                    Err(Error::NoDatabase { .. }) if names[..count].iter().all(|name| name == "LOCK") => {}
                    Ok(()) if only_lock_is_missing => {}
                    other => panic!("{what}: {other:?}"),
                }
                // Nor is it made anew over what is there.
                let options = Options { create: true, ..sample::options(flavour, Arc::new(AesGcmProvider)) };
                let there = names[..count].iter().any(|name| name.starts_with("seg/"));
                if there && !only_lock_is_missing {
                    let engine = Engine::open(sample.backend(&world), options);
                    assert!(matches!(engine, Err(Error::Corrupt { damage: Damage::Missing, .. })), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_foreign_folder_is_told_apart_and_left_alone() {
    for (name, bytes) in [
        ("ROOT", b"SQLite format 3\0".as_slice()),
        ("ROOT", &[0; 8192]),
        ("data.mdb", b"\xde\xc0\xef\xbe"),
        ("CURRENT", b"MANIFEST-000001\n"),
        ("photo.jpg", b"\xff\xd8\xff"),
    ] {
        for flavour in [Flavour::Plain, Flavour::Encrypted] {
            let world = Simulation::new(entidb_storage::simulated::Personality::PosixStrict, 1);
            world.put_file(name, bytes);
            let opened = Engine::open(world.backend(), sample::options(flavour, Arc::new(AesGcmProvider)));
            assert!(matches!(opened, Err(Error::NotADatabase { .. })), "{name}: {:?}", opened.err());
            assert_eq!(world.file_names(), [name], "something was made");
            assert_eq!(world.file_bytes(name).as_deref(), Some(bytes));
        }
    }
}
