//! Nothing of what an encrypted database holds is ever written in the clear: not for a moment, not to any file.

use std::sync::Arc;

use entidb_engine::{AesGcmProvider, Engine, KeyRange, Options, Result};
use entidb_storage::simulated::{Personality, Simulation};
use entidb_testkit::sample::{self, Flavour};
use entidb_testkit::watch::Watch;

/// Neither text nor zeros, so that compression leaves it as it is.
const MARKER: [u8; 32] =
    *b"\x91\x07Xq\xe3\x55k\xf0\x1d\x8a\xc4\x2e\x99\x60Zb\x13\xfe\xa7T\x0c\xd6\x3b\x82\xb5G\x68\xdf\x21\xee\x74\x9c";

fn options(flavour: Flavour) -> Options {
    Options {
        memtable_bytes: 16 * 1024,
        segment_bytes: 16 * 1024,
        ..sample::options(flavour, Arc::new(AesGcmProvider))
    }
}

/// The marker in keys and values, through everything that writes: log, memtable flush, compaction, recovery, backup.
fn live(watch: &Watch, flavour: Flavour) -> Result<()> {
    let (world, target) =
        (Simulation::new(Personality::PosixStrict, 50), Simulation::new(Personality::PosixStrict, 51));
    for session in 0..3_u8 {
        let engine = Engine::open(watch.watched(&world.backend()), options(flavour))?;
        for number in 0..40_u8 {
            let mut transaction = engine.begin_write()?;
            for zone in *b"es" {
                let key = [&[zone, number % 16, session], MARKER.as_slice()].concat();
                let value = [MARKER.as_slice(), &[number; 100], MARKER.as_slice()].concat();
                transaction.put(&key, &value)?;
            }
            if number % 8 == 7 {
                transaction.delete_range(&[&[b's', 3], MARKER.as_slice()].concat(), b"s\x04")?;
            }
            transaction.commit()?;
            while engine.maintain(8)? {}
            if number % 16 == 15 {
                engine.checkpoint()?;
            }
        }
        engine.compact()?;
        if session == 1 {
            engine.backup(&watch.watched(&target.backend()))?;
        }
        let found = engine.snapshot()?.range(KeyRange::all(), entidb_engine::Direction::Forward)?.count();
        assert!(found > 10, "{found}");
        if session > 0 {
            engine.close()?;
        }
    }
    for world in [&world, &target] {
        for name in world.file_names() {
            let bytes = world.file_bytes(&name).unwrap_or_default();
            let found = bytes.windows(MARKER.len()).any(|window| window == MARKER);
            assert!(!found || flavour != Flavour::Encrypted, "the marker is in {name}");
        }
    }
    Ok(())
}

#[test]
fn an_encrypted_database_never_writes_its_content_in_the_clear() {
    let watch = Watch::for_needle(&MARKER);
    live(&watch, Flavour::Encrypted).unwrap();
    let (bytes, found) = watch.seen();
    println!("marker: {bytes} bytes looked at");
    assert_eq!(found, Vec::<String>::new());
    assert!(bytes > 100_000, "{bytes}");
}

/// The same with a database that is not encrypted finds it, so the test above can fail.
#[test]
fn the_watch_finds_the_marker_where_it_is() {
    let watch = Watch::for_needle(&MARKER);
    live(&watch, Flavour::Plain).unwrap();
    let (_, found) = watch.seen();
    for file in ["wal/", "seg/", "manifest/"] {
        assert!(found.iter().any(|place| place.starts_with(file)), "not in {file}");
    }
}
