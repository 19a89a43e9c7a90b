//! Layer 23: databases of every released format open, hold what they held, take writes, and survive a crash.
//!
//! The files under `tests/fixtures` are frozen. They are never opened themselves, only copies.
#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "reads the fixtures from the real file system"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use entidb_engine::{AesGcmProvider, Engine, VerifyLevel};
use entidb_storage::simulated::{Personality, Simulation, Variant};
use entidb_storage::{Backend, SystemRandom};
use entidb_testkit::sample::{self, Content, Flavour, read_all};

const FIXTURES: [(&str, Flavour); 3] = [
    ("format-v1-plain", Flavour::Plain),
    ("format-v1-compressed", Flavour::Compressed),
    ("format-v1-encrypted", Flavour::Encrypted),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

/// A machine with a copy of the fixture on it.
fn copy_of(name: &str) -> Simulation {
    let world = Simulation::new(Personality::PosixStrict, 60);
    let root = fixtures().join(name);
    let mut count = 0;
    for entry in std::fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            for inner in std::fs::read_dir(&path).unwrap() {
                let path = inner.unwrap().path();
                let inner = path.file_name().unwrap().to_str().unwrap();
                world.put_file(&format!("{name}/{inner}"), &std::fs::read(&path).unwrap());
                count += 1;
            }
        } else {
            world.put_file(&name, &std::fs::read(&path).unwrap());
            count += 1;
        }
    }
    assert!(count >= 5, "{name} has {count} files");
    world
}

fn backend(world: &Simulation) -> Backend {
    Backend { random: Arc::new(SystemRandom), ..world.backend() }
}

fn content_of(name: &str) -> Content {
    let unhex = |text: &str| -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    };
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.content"))).unwrap();
    text.lines().filter_map(|line| line.split_once(' ')).map(|(key, value)| (unhex(key), unhex(value))).collect()
}

#[test]
fn a_database_of_every_format_holds_what_it_held() {
    for (name, flavour) in FIXTURES {
        let (world, content) = (copy_of(name), content_of(name));
        assert!(content.len() > 100, "{name}");
        let before: Vec<_> = world.file_names().iter().map(|file| world.file_bytes(file)).collect();
        let engine = Engine::open(backend(&world), sample::read_only(flavour)).unwrap();
        assert_eq!(read_all(&engine, &content).unwrap(), content, "{name}");
        let report = engine.verify(VerifyLevel::Full).unwrap();
        assert!(report.problems.is_empty(), "{name}: {:?}", report.problems);
        drop(engine);
        world.lose_file("LOCK");
        let after: Vec<_> = world.file_names().iter().map(|file| world.file_bytes(file)).collect();
        assert_eq!(before, after, "{name}: reading wrote");
    }
}

#[test]
fn a_database_of_every_format_takes_writes_and_survives_a_crash() {
    for (name, flavour) in FIXTURES {
        for variant in 0..24 {
            let (world, mut content) = (copy_of(name), content_of(name));
            let options = || sample::options(flavour, Arc::new(AesGcmProvider));
            let engine = Engine::open(backend(&world), options()).unwrap();
            for number in 0..8_u8 {
                let mut transaction = engine.begin_write().unwrap();
                transaction.put(&[b'e', number], &[number; 400]).unwrap();
                transaction.delete(b"e001").unwrap();
                transaction.commit().unwrap();
                content.insert(vec![b'e', number], vec![number; 400]);
                content.remove(b"e001".as_slice());
                if number == variant as u8 % 8 {
                    engine.checkpoint().unwrap();
                    engine.compact().unwrap();
                }
            }
            let after = world.crash(Variant(variant));
            let engine = Engine::open(backend(&after), options()).unwrap();
            assert_eq!(read_all(&engine, &content).unwrap(), content, "{name} variant {variant}");
            engine.close().unwrap();
            let engine = Engine::open(backend(&after), options()).unwrap();
            assert_eq!(read_all(&engine, &content).unwrap(), content, "{name} variant {variant}, closed");
        }
    }
}
