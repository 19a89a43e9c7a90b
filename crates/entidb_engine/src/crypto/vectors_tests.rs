//! Golden bytes: files and a keyring that an independent reader (`tests/vectors/crypto_check.py`) reads too.
//!
//! `ENTIDB_PRINT_VECTORS=1 cargo test -p entidb_engine --lib vectors -- --nocapture` prints what the file should hold.

use std::fmt::Write as _;

use entidb_storage::SeededRandom;
use entidb_storage::simulated::{Personality, Simulation};
use zeroize::Zeroizing;

use super::keys::DataKeys;
use super::*;
use crate::format::FileNumber;
use crate::format::file_header::FileKind;
use crate::format::unit::{Stream, Unit};

const GOLDEN: &str = include_str!("../../../../tests/vectors/crypto.json");
const ID: DatabaseId = DatabaseId(*b"\x00\x01\x02\x03database id!");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One file with three units, the third chained to the second and in the footer stream.
fn file(keys: &Keys, data_key: &[u8], kind: FileKind, number: u64, random: &SeededRandom) -> String {
    let (header, protection) = keys.new_file(kind, FileNumber(number), random).unwrap();
    let mut units = String::new();
    let mut previous_tag = [0; 16];
    for (index, stream) in [Stream::Data, Stream::Data, Stream::Footer].into_iter().enumerate() {
        let mut clear = vec![0; random.below(40) as usize];
        entidb_storage::Random::fill(random, &mut clear).unwrap();
        let mut body = vec![0; random.below(60) as usize];
        entidb_storage::Random::fill(random, &mut body).unwrap();
        let text = body.clone();
        let unit = Unit {
            stream,
            number: random.below(1 << 20) | (index as u64) << 20,
            offset: random.below(1 << 33),
            header: &clear,
            previous_tag,
        };
        let tag = protection.seal(unit, &mut body, 0).unwrap();
        let separator = if index == 0 { "" } else { "," };
        let _ = write!(
            units,
            "{separator}\n   {{\"stream\":{},\"number\":{},\"offset\":{},\"clear\":\"{}\",\"previous_tag\":\"{}\",\"body\":\"{}\",\"stored\":\"{}\",\"tag\":\"{}\"}}",
            stream as u32,
            unit.number,
            unit.offset,
            hex(&clear),
            hex(&previous_tag),
            hex(&text),
            hex(&body),
            hex(&tag)
        );
        previous_tag = tag;
    }
    format!("  {{\"header\":\"{}\",\"data_key\":\"{}\",\"units\":[{units}]}}", hex(&header.encode()), hex(data_key))
}

fn vectors() -> String {
    let random = SeededRandom::new(40);
    let mut files = Vec::new();
    for number in 0..24_u64 {
        let mut key = [0; 32];
        entidb_storage::Random::fill(&random, &mut key).unwrap();
        let generation = number as u32 % 3 + 1;
        let data_keys = DataKeys::from([(generation, Arc::new(Secret::new(Zeroizing::new(key))))]);
        let keys = Keys::encrypted(ID, Arc::new(AesGcmProvider), data_keys);
        let kind = FileKind::from_byte(number as u8 % 7 + 1).unwrap();
        files.push(file(&keys, &key, kind, number * number * 1_000_003, &random));
    }
    for number in 0..8_u64 {
        let kind = FileKind::from_byte(number as u8 % 7 + 1).unwrap();
        files.push(file(&Keys::plain(ID), b"", kind, number + 7, &random));
    }
    let world = Simulation::new(Personality::PosixStrict, 41);
    let backend = world.backend();
    let around = Surroundings {
        directory: backend.directory,
        random: Arc::new(SeededRandom::new(41)),
        provider: Arc::new(AesGcmProvider),
    };
    let (raw, password) = (KeySource::raw([0x42; 32]), KeySource::password("correct horse battery staple"));
    let kdf = KdfParameters { memory_kib: 64, iterations: 2, parallelism: 2 };
    let mut keyring = Keyring::create(around, ID, &raw, kdf).unwrap();
    keyring.add_slot(&raw, &password, kdf).unwrap();
    keyring.rotate().unwrap();
    let data_keys: Vec<String> = keyring
        .data_keys()
        .iter()
        .map(|(generation, key)| format!("{{\"generation\":{generation},\"key\":\"{}\"}}", hex(key.bytes())))
        .collect();
    let bytes = world.file_bytes("KEYRING").unwrap();
    format!(
        "{{\n \"files\":[\n{}\n ],\n \"keyring\":{{\n  \"raw\":\"{}\",\n  \"password\":\"correct horse battery staple\",\n  \"data_keys\":[{}],\n  \"file\":\"{}\"\n }}\n}}\n",
        files.join(",\n"),
        hex(&[0x42; 32]),
        data_keys.join(","),
        hex(&bytes)
    )
}

#[test]
fn sealed_bytes_are_what_they_always_were() {
    let found = vectors();
    if std::env::var_os("ENTIDB_PRINT_VECTORS").is_some() {
        println!("{found}");
    }
    for (line, (found, golden)) in found.lines().zip(GOLDEN.lines()).enumerate() {
        assert_eq!(found, golden, "line {} of tests/vectors/crypto.json", line + 1);
    }
    assert_eq!(found.lines().count(), GOLDEN.lines().count());
}
