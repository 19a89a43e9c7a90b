//! Layer 8 for encrypted databases: changed files with correct checksums are detected all the same.
//!
//! The places of all units come from watching the cipher, the formulas from docs/spec/encryption.md.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test asserts by panicking, and says what it did")]

use std::collections::BTreeMap;
use std::sync::Arc;

use entidb_engine::{Damage, Engine, Error, Provider};
use entidb_storage::Clock as _;
use entidb_storage::simulated::Simulation;
use entidb_testkit::oracle::{NonceOracle, UnitPlace};
use entidb_testkit::sample::{self, Content, Ending, Flavour, Sample, read_all};

const TAG_BYTES: usize = 16;

fn sampled() -> (Sample, Vec<UnitPlace>) {
    let oracle = NonceOracle::new();
    let provider: Arc<dyn Provider> = Arc::new(oracle.clone());
    let sample = sample::build(Flavour::Encrypted, Ending::Closed, &provider).unwrap();
    oracle.assert_no_repeat();
    let units = oracle.seals().iter().filter_map(|seal| seal.place()).collect();
    (sample, units)
}

fn path(unit: &UnitPlace) -> Option<String> {
    let folder = match unit.kind {
        2 => "manifest",
        3 => "wal",
        4 => "seg",
        _ => return None,
    };
    Some(format!("{folder}/{}", unit.file))
}

/// The units of each live file.
fn live_units(sample: &Sample, units: &[UnitPlace]) -> BTreeMap<String, Vec<UnitPlace>> {
    let world = sample.world();
    let mut live: BTreeMap<String, Vec<UnitPlace>> = BTreeMap::new();
    for unit in units {
        if let Some(path) = path(unit)
            && let Some(bytes) = world.file_bytes(&path)
        {
            assert_eq!(stored_checksum(&bytes, unit), checksum(&bytes, unit), "our map of {path} is wrong: {unit:?}");
            live.entry(path).or_default().push(*unit);
        }
    }
    live
}

fn end_of_tag(unit: &UnitPlace) -> usize {
    unit.offset as usize + unit.clear_bytes + unit.body_bytes + TAG_BYTES
}

fn stored_checksum(bytes: &[u8], unit: &UnitPlace) -> [u8; 4] {
    bytes[end_of_tag(unit)..][..4].try_into().unwrap()
}

fn checksum(bytes: &[u8], unit: &UnitPlace) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&xxhash_rust::xxh3::xxh3_64(&bytes[..124]).to_le_bytes());
    hasher.update(&unit.stream.to_le_bytes());
    hasher.update(&unit.number.to_le_bytes());
    hasher.update(&unit.offset.to_le_bytes());
    hasher.update(&bytes[unit.offset as usize..end_of_tag(unit)]);
    hasher.finalize().to_le_bytes()
}

fn put_right(bytes: &mut [u8], unit: &UnitPlace) {
    let checksum = checksum(bytes, unit);
    bytes[end_of_tag(unit)..][..4].copy_from_slice(&checksum);
}

fn read(sample: &Sample, world: &Simulation) -> Result<Content, Error> {
    let engine = Engine::open(sample.backend(world), sample::read_only(Flavour::Encrypted))?;
    read_all(&engine, sample.content())
}

fn with(sample: &Sample, path: &str, bytes: &[u8]) -> Simulation {
    let world = sample.world();
    world.put_file(path, bytes);
    world
}

fn step(quick: usize) -> usize {
    if std::env::var("ENTIDB_TIER").is_ok_and(|tier| tier == "full" || tier == "release") { 1 } else { quick }
}

#[test]
fn a_changed_byte_with_its_checksum_put_right_is_tampering() {
    let start = entidb_storage::SystemClock.monotonic_nanos();
    let (sample, units) = sampled();
    let mut cases = 0;
    let mut damaged = 0;
    for (path, units) in live_units(&sample, &units) {
        let good = sample.world().file_bytes(&path).unwrap();
        for unit in units {
            let clear_end = unit.offset as usize + unit.clear_bytes;
            for at in (unit.offset as usize..end_of_tag(&unit)).step_by(step(13)) {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << (at % 8);
                put_right(&mut bytes, &unit);
                let result = read(&sample, &with(&sample, &path, &bytes));
                cases += 1;
                match result {
                    Err(Error::Corrupt { damage: Damage::Tampered, file, .. }) if file == path => {}
                    // A changed length moves the place where the checksum is looked for: that is damage.
                    Err(Error::Corrupt { damage: Damage::Damaged, file, .. }) if file == path && at < clear_end => {
                        damaged += 1;
                    }
                    Err(other) => panic!("{path} byte {at} of {unit:?}: {other:?}"),
                    Ok(_) => panic!("{path} byte {at} of {unit:?}: it opened"),
                }
            }
        }
    }
    let seconds = (entidb_storage::SystemClock.monotonic_nanos() - start) as f64 / 1e9;
    println!("8 tamper bytes: {cases} cases ({damaged} in lengths), {seconds:.1} s");
    assert!(cases > 500, "{cases}");
}

#[test]
fn a_changed_file_header_with_every_checksum_put_right_is_refused() {
    let (sample, units) = sampled();
    let mut cases = 0;
    for (path, units) in live_units(&sample, &units) {
        let good = sample.world().file_bytes(&path).unwrap();
        for at in (8..124).step_by(step(3)) {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            let header = crc32fast::hash(&bytes[..124]);
            bytes[124..128].copy_from_slice(&header.to_le_bytes());
            for unit in &units {
                put_right(&mut bytes, unit);
            }
            cases += 1;
            match read(&sample, &with(&sample, &path, &bytes)) {
                Err(
                    Error::Corrupt { damage: Damage::Tampered, .. }
                    | Error::FormatTooNew { .. }
                    | Error::FeaturesUnknown { .. },
                ) => {}
                Err(other) => panic!("{path} header byte {at}: {other:?}"),
                Ok(_) => panic!("{path} header byte {at}: it opened"),
            }
        }
    }
    assert!(cases > 100, "{cases}");
}

/// Units of one length trade places, in their file and between files, all checksums right for the new place.
#[test]
fn units_that_trade_places_are_tampering() {
    let (sample, units) = sampled();
    let live = live_units(&sample, &units);
    let all: Vec<(&String, &UnitPlace)> =
        live.iter().flat_map(|(path, units)| units.iter().map(move |unit| (path, unit))).collect();
    let mut cases = 0;
    for (index, (one_path, one)) in all.iter().enumerate() {
        for (other_path, other) in all.iter().skip(index + 1) {
            if (one.clear_bytes, one.body_bytes, one.stream) != (other.clear_bytes, other.body_bytes, other.stream) {
                continue;
            }
            let world = sample.world();
            let (mut first, mut second) = (world.file_bytes(one_path).unwrap(), world.file_bytes(other_path).unwrap());
            let range = |unit: &UnitPlace| unit.offset as usize..end_of_tag(unit);
            let (one_bytes, other_bytes) = (first[range(one)].to_vec(), second[range(other)].to_vec());
            if one_path == other_path {
                first[range(other)].copy_from_slice(&one_bytes);
            } else {
                second[range(other)].copy_from_slice(&one_bytes);
                put_right(&mut second, other);
                world.put_file(other_path, &second);
            }
            first[range(one)].copy_from_slice(&other_bytes);
            put_right(&mut first, one);
            if one_path == other_path {
                put_right(&mut first, other);
            }
            world.put_file(one_path, &first);
            cases += 1;
            match read(&sample, &world) {
                // A clear header can name its place; then the unit is not even looked at as this one.
                Err(Error::Corrupt { damage: Damage::Tampered | Damage::Damaged, .. }) => {}
                Err(error) => panic!("{one_path} {one:?} and {other_path} {other:?}: {error:?}"),
                Ok(_) => panic!("{one_path} {one:?} and {other_path} {other:?}: it opened"),
            }
        }
    }
    println!("8 tamper swaps: {cases} cases");
    assert!(cases > 0, "no two units of one length: the sample tests nothing");
}

#[test]
fn the_wrong_key_is_told_from_damage_and_from_no_key() {
    let (sample, _) = sampled();
    let before = sample.world();
    for (key, expected) in [(Some([1; 32]), "wrong"), (None, "required")] {
        for read_only in [false, true] {
            let world = sample.world();
            let mut options = sample::options(Flavour::Encrypted, Arc::new(entidb_engine::AesGcmProvider));
            options.key = key.map(entidb_engine::KeySource::raw);
            options.read_only = read_only;
            let found = match Engine::open(sample.backend(&world), options) {
                Err(Error::WrongKey) => "wrong",
                Err(Error::EncryptionRequired) => "required",
                Err(other) => panic!("{other:?}"),
                Ok(_) => panic!("it opened"),
            };
            assert_eq!(found, expected);
            for name in before.file_names().iter().filter(|name| *name != "LOCK") {
                assert_eq!(world.file_bytes(name), before.file_bytes(name), "{name} was touched");
            }
        }
    }
    let plain = sample::build(Flavour::Plain, Ending::Closed, &(Arc::new(NonceOracle::new()) as _)).unwrap();
    let options = sample::options(Flavour::Encrypted, Arc::new(NonceOracle::new()));
    let world = plain.world();
    assert!(matches!(Engine::open(plain.backend(&world), options), Err(Error::NotEncrypted)));
}
