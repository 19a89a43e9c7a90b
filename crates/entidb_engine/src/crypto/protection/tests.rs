//! What sealing promises: the same bytes back from the right place, an error with file and offset from any other.

use std::sync::Arc;

use entidb_storage::SeededRandom;
use zeroize::Zeroizing;

use super::*;
use crate::crypto::key::Secret;
use crate::crypto::keys::{DataKeys, Keys};
use crate::crypto::provider::AesGcmProvider;
use crate::error::Damage;
use crate::format::FileNumber;
use crate::format::file_header::{DatabaseId, FileKind};

const ID: DatabaseId = DatabaseId([5; 16]);

fn secret(byte: u8) -> Arc<Secret> {
    Arc::new(Secret::new(Zeroizing::new([byte; 32])))
}

fn encrypted() -> Keys {
    Keys::encrypted(ID, Arc::new(AesGcmProvider), DataKeys::from([(1, secret(1))]))
}

fn unit(number: u64) -> Unit<'static> {
    Unit { stream: Stream::Data, number, offset: 128 + number * 64, header: b"clear", previous_tag: [3; 16] }
}

/// A writer's and a reader's protection of one file.
fn pair(keys: &Keys, kind: FileKind, number: u64, seed: u64) -> (Protection, Protection) {
    let (header, writer) = keys.new_file(kind, FileNumber(number), &SeededRandom::new(seed)).unwrap();
    let header = FileHeader::decode("x", &header.encode()).unwrap();
    (writer, keys.open_file(&header).unwrap())
}

fn damage(result: Result<(usize, Tag)>) -> (Damage, String, u64) {
    match result.unwrap_err() {
        Error::Corrupt { damage, file, offset, .. } => (damage, file, offset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sealed_unit_opens_to_what_was_sealed() {
    for keys in [Keys::plain(ID), encrypted()] {
        let (writer, reader) = pair(&keys, FileKind::Wal, 9, 1);
        for (number, len) in [0, 1, 15, 16, 17, 4096, 70_000].into_iter().enumerate() {
            let body: Vec<u8> = (0..len).map(|index| index as u8).collect();
            let mut bytes = b"framing".to_vec();
            bytes.extend_from_slice(&body);
            let tag = writer.seal(unit(number as u64), &mut bytes, 7).unwrap();
            assert_eq!(&bytes[..7], b"framing");
            assert_eq!(bytes.len(), 7 + len + writer.overhead());
            assert_eq!(reader.check(unit(number as u64), &bytes[7..]).unwrap(), tag);
            let (plain, found) = reader.open(unit(number as u64), &mut bytes[7..]).unwrap();
            assert_eq!((&bytes[7..7 + plain], found), (body.as_slice(), tag));
        }
    }
}

#[test]
fn every_changed_bit_is_damage_with_file_and_offset() {
    for keys in [Keys::plain(ID), encrypted()] {
        let (writer, reader) = pair(&keys, FileKind::Segment, 4, 2);
        let mut sealed = b"some bytes to protect".to_vec();
        writer.seal(unit(6), &mut sealed, 0).unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut bytes = sealed.clone();
                bytes[at] ^= 1 << bit;
                assert_eq!(damage(reader.open(unit(6), &mut bytes)), (Damage::Damaged, "seg/4".to_owned(), 512));
            }
        }
        for len in 0..sealed.len() {
            let mut bytes = sealed[..len].to_vec();
            assert_eq!(damage(reader.open(unit(6), &mut bytes)).0, Damage::Damaged);
        }
    }
}

/// The checksum needs no key, so an attacker who changes an encrypted file can correct it. The tag still says no.
#[test]
fn a_change_with_the_checksum_put_right_is_tampering() {
    let (writer, reader) = pair(&encrypted(), FileKind::Segment, 4, 2);
    let mut sealed = b"some bytes to protect".to_vec();
    writer.seal(unit(6), &mut sealed, 0).unwrap();
    let put_right = |bytes: &mut Vec<u8>, unit: &Unit<'_>| {
        let at = bytes.len() - 4;
        let (body, tag) = bytes[..at].split_at(at - TAG_BYTES);
        let checksum = unit.encrypted_checksum(reader.seed, body, tag);
        bytes[at..].copy_from_slice(&checksum.to_le_bytes());
    };
    for at in 0..sealed.len() - 4 {
        for bit in 0..8 {
            let mut bytes = sealed.clone();
            bytes[at] ^= 1 << bit;
            put_right(&mut bytes, &unit(6));
            assert_eq!(damage(reader.open(unit(6), &mut bytes)), (Damage::Tampered, "seg/4".to_owned(), 512));
        }
    }
    let elsewhere = [
        Unit { stream: Stream::Footer, ..unit(6) },
        Unit { number: 7, ..unit(6) },
        Unit { offset: 0, ..unit(6) },
        Unit { header: b"clean", ..unit(6) },
        Unit { header: b"", ..unit(6) },
        Unit { previous_tag: [4; 16], ..unit(6) },
    ];
    for unit in elsewhere {
        let mut bytes = sealed.clone();
        put_right(&mut bytes, &unit);
        assert_eq!(damage(reader.open(unit, &mut bytes)).0, Damage::Tampered, "{unit:?}");
    }
}

#[test]
fn a_unit_of_another_file_does_not_open() {
    for keys in [Keys::plain(ID), encrypted()] {
        let (writer, _) = pair(&keys, FileKind::Wal, 4, 2);
        let mut sealed = b"some bytes to protect".to_vec();
        writer.seal(unit(6), &mut sealed, 0).unwrap();
        let others = [(FileKind::Wal, 4, 3), (FileKind::Wal, 5, 2), (FileKind::Manifest, 4, 2)];
        for (kind, number, seed) in others {
            let (_, reader) = pair(&keys, kind, number, seed);
            assert_eq!(damage(reader.open(unit(6), &mut sealed.clone())).0, Damage::Damaged);
        }
    }
}

#[test]
fn units_of_a_chain_open_with_their_predecessor_only() {
    let (writer, reader) = pair(&encrypted(), FileKind::Wal, 4, 2);
    let mut sealed = b"body".to_vec();
    writer.seal(unit(6), &mut sealed, 0).unwrap();
    let other = Unit { previous_tag: [0; 16], ..unit(6) };
    assert_eq!(damage(reader.open(other, &mut sealed)).0, Damage::Tampered);
}

#[test]
fn a_unit_number_is_never_sealed_twice() {
    for keys in [Keys::plain(ID), encrypted()] {
        let (writer, reader) = pair(&keys, FileKind::Wal, 4, 2);
        let seal = |unit| writer.seal(unit, &mut b"body".to_vec(), 0);
        seal(unit(0)).unwrap();
        seal(unit(5)).unwrap();
        for number in 0..=5 {
            assert!(matches!(seal(unit(number)).unwrap_err(), Error::Internal { .. }), "{number}");
        }
        seal(unit(6)).unwrap();
        seal(Unit { stream: Stream::Footer, ..unit(0) }).unwrap();
        seal(Unit { stream: Stream::HeaderCheck, ..unit(0) }).unwrap();
        assert!(matches!(reader.seal(unit(9), &mut Vec::new(), 0).unwrap_err(), Error::Internal { .. }));
    }
}

#[test]
fn the_limits_of_a_file_hold() {
    let (writer, _) = pair(&encrypted(), FileKind::Wal, 4, 2);
    let far = [
        Unit { number: UNIT_COUNT_MAX, ..unit(0) },
        Unit { offset: FILE_BYTES_MAX, ..unit(1) },
        Unit { offset: u64::MAX, ..unit(2) },
        Unit { number: u64::MAX, ..unit(0) },
    ];
    for unit in far {
        let error = writer.seal(unit, &mut b"body".to_vec(), 0).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{unit:?}: {error:?}");
    }
    // A number that was claimed by an attempt that failed is gone all the same.
    assert!(matches!(writer.seal(unit(2), &mut b"body".to_vec(), 0).unwrap_err(), Error::Internal { .. }));
    writer.seal(Unit { number: UNIT_COUNT_MAX - 1, ..unit(3) }, &mut b"body".to_vec(), 0).unwrap();
}

#[test]
fn a_file_of_another_kind_of_database_is_refused() {
    let (plain, encrypted) = (Keys::plain(ID), encrypted());
    let random = SeededRandom::new(1);
    let (clear, _) = plain.new_file(FileKind::Wal, FileNumber(1), &random).unwrap();
    let (sealed, _) = encrypted.new_file(FileKind::Wal, FileNumber(1), &random).unwrap();
    let tampered =
        |result: Result<Protection>| matches!(result, Err(Error::Corrupt { damage: Damage::Tampered, offset: 0, .. }));
    assert!(tampered(encrypted.open_file(&clear)));
    assert!(matches!(plain.open_file(&sealed), Err(Error::EncryptionRequired)));
    let foreign = Keys::plain(DatabaseId([6; 16]));
    assert!(tampered(foreign.open_file(&clear)));
    let generation = FileHeader { key_generation: 2, ..sealed };
    assert!(tampered(encrypted.open_file(&generation)));
}

#[test]
fn new_files_use_the_newest_data_key_and_old_ones_stay_readable() {
    let keys = encrypted();
    let (old, writer) = keys.new_file(FileKind::Wal, FileNumber(1), &SeededRandom::new(1)).unwrap();
    let mut sealed = b"body".to_vec();
    writer.seal(unit(0), &mut sealed, 0).unwrap();
    keys.replace(DataKeys::from([(1, secret(1)), (2, secret(2))]));
    let (new, _) = keys.new_file(FileKind::Wal, FileNumber(2), &SeededRandom::new(1)).unwrap();
    assert_eq!((old.key_generation, new.key_generation), (1, 2));
    keys.open_file(&old).unwrap().open(unit(0), &mut sealed).unwrap();
}

#[test]
fn every_field_of_a_header_changes_the_key_of_its_file() {
    let keys = encrypted();
    let (header, writer) = keys.new_file(FileKind::Wal, FileNumber(1), &SeededRandom::new(1)).unwrap();
    let mut sealed = b"body".to_vec();
    writer.seal(unit(0), &mut sealed, 0).unwrap();
    let mut other_salt = header.salt;
    other_salt[31] ^= 1;
    for changed in [
        FileHeader { compatible: 1, ..header.clone() },
        FileHeader { read_only: 1, ..header.clone() },
        FileHeader { kind: FileKind::Manifest, ..header.clone() },
        FileHeader { number: FileNumber(2), ..header.clone() },
        FileHeader { salt: other_salt, ..header.clone() },
    ] {
        let reader = keys.open_file(&changed).unwrap();
        let mut bytes = sealed.clone();
        let at = bytes.len() - 4;
        let (body, tag) = bytes[..at].split_at(at - TAG_BYTES);
        let checksum = unit(0).encrypted_checksum(reader.seed, body, tag);
        bytes[at..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(damage(reader.open(unit(0), &mut bytes)).0, Damage::Tampered, "{changed:?}");
    }
}
