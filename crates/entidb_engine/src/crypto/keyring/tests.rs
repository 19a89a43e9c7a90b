//! What the keyring promises: a key opens the database, nothing else does, and no crash or fault locks an owner of a key out.

use entidb_storage::simulated::{Fault, FaultKind, Personality, Simulation, Variant};

use super::*;
use crate::crypto::provider::AesGcmProvider;
use crate::format::file_header::Cipher;
use crate::format::keyring_copy::DATA_KEYS_MAX;
use crate::format::keyring_copy::LIST_AT;
use crate::format::unit::ENCRYPTED_TRAILER_BYTES;

const ID: DatabaseId = DatabaseId([5; 16]);
const WEAK: KdfParameters = KdfParameters { memory_kib: 8, iterations: 1, parallelism: 1 };

fn around(world: &Simulation) -> Surroundings {
    let backend = world.backend();
    Surroundings { directory: backend.directory, random: backend.random, provider: Arc::new(AesGcmProvider) }
}

fn raw(byte: u8) -> KeySource {
    KeySource::raw([byte; 32])
}

fn created(key: &KeySource) -> (Simulation, Keyring) {
    let world = Simulation::new(Personality::PosixStrict, 1);
    let keyring = Keyring::create(around(&world), ID, key, WEAK).unwrap();
    (world, keyring)
}

fn open(world: &Simulation, key: &KeySource) -> Result<Keyring> {
    Keyring::open(around(world), ID, key)
}

fn with_file(bytes: &[u8]) -> Simulation {
    let world = Simulation::new(Personality::PosixStrict, 2);
    world.put_file(KEYRING_FILE, bytes);
    world
}

/// The data keys as bytes, to compare.
fn secrets(keyring: &Keyring) -> Vec<(u32, [u8; 32])> {
    keyring.data_keys.iter().map(|(generation, key)| (*generation, *key.bytes())).collect()
}

fn damage(result: Result<Keyring>) -> Damage {
    match result {
        Err(Error::Corrupt { damage, file, .. }) if file == KEYRING_FILE => damage,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it opened"),
    }
}

/// The bytes of a copy to change: all of them at the full tier; otherwise of the unused rest, zeros, every 31st.
fn places(range: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
    let all = std::env::var("ENTIDB_TIER").is_ok_and(|tier| tier != "quick");
    range.filter(move |at| all || at % COPY_BYTES < LIST_AT + 100 && at % 3 == 0 || at % 31 == 0)
}

/// Puts every checksum of a copy right, as someone who changed it on purpose would.
fn put_right(copy: &mut [u8]) {
    let header = crc32fast::hash(&copy[..124]);
    copy[124..128].copy_from_slice(&header.to_le_bytes());
    let seed = xxhash_rust::xxh3::xxh3_64(&copy[..124]);
    let list_bytes = u32::from_le_bytes(copy[136..140].try_into().unwrap()) as usize;
    let end = LIST_AT.saturating_add(list_bytes);
    if list_bytes > ENCRYPTED_TRAILER_BYTES && end < COPY_BYTES {
        let (clear, list) = copy[128..end].split_at(LIST_AT - 128);
        let (body, trailer) = list.split_at(list_bytes - ENCRYPTED_TRAILER_BYTES);
        let checksum = list_unit(clear).encrypted_checksum(seed, body, &trailer[..16]);
        copy[end - 4..end].copy_from_slice(&checksum.to_le_bytes());
    }
    let whole = crc32fast::hash(&copy[..COPY_BYTES - 4]);
    copy[COPY_BYTES - 4..].copy_from_slice(&whole.to_le_bytes());
}

#[test]
fn a_keyring_opens_with_its_key_and_no_other() {
    for (key, wrong) in [
        (raw(1), [raw(2), KeySource::password([1; 32])]),
        (KeySource::password("right"), [KeySource::password("Right"), raw(1)]),
    ] {
        let (world, keyring) = created(&key);
        assert_eq!(secrets(&open(&world, &key).unwrap()), secrets(&keyring));
        for wrong in &wrong {
            assert!(matches!(open(&world, wrong), Err(Error::WrongKey)));
        }
    }
}

#[test]
fn ten_thousand_wrong_keys_change_nothing() {
    let (world, _keyring) = created(&raw(1));
    let before = world.file_bytes(KEYRING_FILE).unwrap();
    for number in 0..10_000_u32 {
        let mut key = [1; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        assert!(matches!(open(&world, &KeySource::raw(key)), Err(Error::WrongKey)));
    }
    assert_eq!(world.file_bytes(KEYRING_FILE).unwrap(), before);
}

#[test]
fn a_key_that_is_not_needed_and_one_that_is_are_told_apart() {
    let (world, _keyring) = created(&raw(1));
    let open = |cipher, key: Option<&KeySource>| crate::crypto::open(around(&world), cipher, ID, key);
    assert!(matches!(open(Cipher::Plain, Some(&raw(1))), Err(Error::NotEncrypted)));
    assert!(matches!(open(Cipher::Aes256Gcm, None), Err(Error::EncryptionRequired)));
    assert!(matches!(open(Cipher::Aes256Gcm, Some(&raw(2))), Err(Error::WrongKey)));
    assert!(open(Cipher::Aes256Gcm, Some(&raw(1))).unwrap().keys.is_encrypted());
    assert!(!open(Cipher::Plain, None).unwrap().keys.is_encrypted());
}

#[test]
fn either_copy_may_be_destroyed_at_every_byte() {
    let key = raw(1);
    let (world, keyring) = created(&key);
    let good = world.file_bytes(KEYRING_FILE).unwrap();
    assert_eq!(good.len(), 2 * COPY_BYTES);
    for at in places(0..good.len()) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        let world = with_file(&bytes);
        let mut opened = open(&world, &key).unwrap();
        assert_eq!((secrets(&opened), opened.copies_damaged), (secrets(&keyring), 1), "byte {at}");
        if at % 997 == 0 {
            assert!(opened.repair().unwrap());
            assert_eq!(open(&world, &key).unwrap().copies_damaged, 0);
        }
    }
}

#[test]
fn damage_to_both_copies_is_damage_and_not_a_wrong_key() {
    let (world, _keyring) = created(&raw(1));
    let good = world.file_bytes(KEYRING_FILE).unwrap();
    for at in (0..COPY_BYTES).step_by(7) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes[COPY_BYTES + (at * 31) % COPY_BYTES] ^= 1;
        assert_eq!(damage(open(&with_file(&bytes), &raw(1))), Damage::Damaged, "byte {at}");
    }
    for len in [0, 1, 127, 128, COPY_BYTES - 1] {
        assert_eq!(damage(open(&with_file(&good[..len]), &raw(1))), Damage::Damaged, "{len} bytes");
    }
    let opened = open(&with_file(&good[..2 * COPY_BYTES - 1]), &raw(1)).unwrap();
    assert_eq!(opened.copies_damaged, 1);
    let world = Simulation::new(Personality::PosixStrict, 3);
    assert_eq!(damage(open(&world, &raw(1))), Damage::Missing);
}

/// With all checksums put right. A changed slot no longer opens, which looks like a wrong key; everything else is
/// tampering. What must never happen is that it opens.
#[test]
fn no_change_on_purpose_goes_unnoticed() {
    let (world, mut keyring) = created(&KeySource::password("one"));
    keyring.add_slot(&KeySource::password("one"), &raw(2), WEAK).unwrap();
    let good = world.file_bytes(KEYRING_FILE).unwrap();
    let (mut wrong_key, mut tampered) = (0, 0);
    // The magic is not among them: bytes without it are simply not ours, which is damage.
    for at in places(8..COPY_BYTES - 4) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        put_right(&mut bytes[..COPY_BYTES]);
        if bytes == good {
            continue;
        }
        let copy = bytes[..COPY_BYTES].to_vec();
        bytes[COPY_BYTES..].copy_from_slice(&copy);
        match open(&with_file(&bytes), &raw(2)) {
            Err(Error::WrongKey) => wrong_key += 1,
            Err(
                Error::Corrupt { damage: Damage::Tampered, .. }
                | Error::FormatTooNew { .. }
                | Error::FeaturesUnknown { .. },
            ) => tampered += 1,
            Err(other) => panic!("byte {at}: {other:?}"),
            Ok(_) => panic!("byte {at}: it opened"),
        }
        // One copy alone, changed on purpose, disagrees with the other or is refused outright.
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        put_right(&mut bytes[..COPY_BYTES]);
        assert!(open(&with_file(&bytes), &raw(2)).is_err(), "byte {at}: it opened with one changed copy");
    }
    assert!(wrong_key > 30 && tampered > 500, "{wrong_key} {tampered}");
}

#[test]
fn a_keyring_cannot_eat_the_memory_of_its_host() {
    let (world, _keyring) = created(&KeySource::password("one"));
    let good = world.file_bytes(KEYRING_FILE).unwrap();
    for (at, value) in [(148, 256 * 1024 + 1), (148, u32::MAX), (148, 0), (152, 17), (152, 0), (156, 9), (156, 0)] {
        let mut bytes = good[..COPY_BYTES].to_vec();
        bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
        put_right(&mut bytes);
        let world = with_file(&[bytes.as_slice(), bytes.as_slice()].concat());
        assert_eq!(damage(open(&world, &KeySource::password("one"))), Damage::Tampered, "{at} {value}");
    }
}

#[test]
fn every_slot_opens_the_same_data_keys() {
    let (world, mut keyring) = created(&raw(1));
    for number in 2..=8 {
        keyring.add_slot(&raw(1), &raw(number), WEAK).unwrap();
    }
    assert!(matches!(keyring.add_slot(&raw(1), &raw(9), WEAK), Err(Error::TooMany { limit: 8, .. })));
    for number in 1..=8 {
        assert_eq!(secrets(&open(&world, &raw(number)).unwrap()), secrets(&keyring));
    }
    keyring.remove_slot(&raw(3)).unwrap();
    assert!(matches!(open(&world, &raw(3)), Err(Error::WrongKey)));
    assert!(matches!(keyring.remove_slot(&raw(3)), Err(Error::WrongKey)));
    keyring.add_slot(&raw(8), &KeySource::password("nine"), WEAK).unwrap();
    open(&world, &KeySource::password("nine")).unwrap();
    for number in [1, 2, 4, 5, 6, 7, 8] {
        keyring.remove_slot(&raw(number)).unwrap();
    }
    let error = keyring.remove_slot(&KeySource::password("nine")).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { what: "key", .. }), "{error:?}");
    open(&world, &KeySource::password("nine")).unwrap();
}

/// A second slot of one key stayed when the key was changed or removed, so the old key opened the database for ever.
#[test]
fn no_key_gets_a_second_slot() {
    let refused = |result: Result<()>| match result {
        Err(Error::InvalidArgument { problem, .. }) => assert!(problem.contains("opens the database already")),
        other => panic!("{other:?}"),
    };
    for (one, two) in [(raw(1), raw(2)), (KeySource::password("one"), KeySource::password("two"))] {
        let (world, mut keyring) = created(&one);
        refused(keyring.add_slot(&one, &one, WEAK));
        keyring.add_slot(&one, &two, WEAK).unwrap();
        refused(keyring.add_slot(&one, &two, WEAK));
        refused(keyring.add_slot(&two, &one, WEAK));
        refused(keyring.change_key(&two, &one, WEAK));
        assert_eq!(keyring.describe().len(), 2);
        // The same one again renews its slot.
        keyring.change_key(&two, &two, WEAK).unwrap();
        assert_eq!(keyring.describe().len(), 2);
        keyring.remove_slot(&one).unwrap();
        assert!(matches!(open(&world, &one), Err(Error::WrongKey)));
        open(&world, &two).unwrap();
    }
}

#[test]
fn a_change_and_a_removal_take_every_slot_of_their_key() {
    let two_slots = || {
        let (world, mut keyring) = created(&raw(1));
        keyring.change(|keyring| keyring.fill_slot(5, &raw(1), WEAK)).unwrap();
        (world, keyring)
    };
    let (world, mut keyring) = two_slots();
    let before = *keyring.root_key.bytes();
    assert!(
        matches!(keyring.remove_slot(&raw(1)), Err(Error::InvalidArgument { what: "key", .. })),
        "none would be left"
    );
    keyring.change_key(&raw(1), &raw(2), WEAK).unwrap();
    assert!(matches!(open(&world, &raw(1)), Err(Error::WrongKey)));
    assert_eq!(open(&world, &raw(2)).unwrap().describe().len(), 1);
    assert_ne!(*keyring.root_key.bytes(), before, "nobody else has a slot");
    let (world, mut keyring) = two_slots();
    keyring.add_slot(&raw(1), &raw(2), WEAK).unwrap();
    keyring.remove_slot(&raw(1)).unwrap();
    assert!(matches!(open(&world, &raw(1)), Err(Error::WrongKey)));
    open(&world, &raw(2)).unwrap();
}

#[test]
fn a_change_asks_for_a_key_that_opens_now() {
    let (world, mut keyring) = created(&raw(1));
    assert!(matches!(keyring.change_key(&raw(2), &raw(3), WEAK), Err(Error::WrongKey)));
    assert!(matches!(keyring.add_slot(&raw(2), &raw(3), WEAK), Err(Error::WrongKey)));
    assert!(matches!(keyring.change_key(&raw(1), &raw(0), WEAK), Err(Error::InvalidArgument { .. })));
    open(&world, &raw(1)).unwrap();
}

#[test]
fn a_rotation_under_one_key_reaches_the_holders_of_the_others() {
    let (world, mut keyring) = created(&raw(1));
    keyring.add_slot(&raw(1), &raw(2), WEAK).unwrap();
    let mut one = open(&world, &raw(1)).unwrap();
    assert_eq!(one.rotate().unwrap(), 2);
    assert_eq!(one.rotate().unwrap(), 3);
    let two = open(&world, &raw(2)).unwrap();
    assert_eq!(secrets(&two), secrets(&one));
    assert_eq!(two.keys().generation(), 3);
    assert_eq!(one.forget_unused(&[2]).unwrap(), 1);
    assert_eq!(one.forget_unused(&[2]).unwrap(), 0);
    let left: Vec<u32> = open(&world, &raw(2)).unwrap().data_keys().into_keys().collect();
    assert_eq!(left, [2, 3]);
}

#[test]
fn a_full_list_of_data_keys_is_refused_and_still_opens() {
    let (world, mut keyring) = created(&raw(1));
    for _ in 1..DATA_KEYS_MAX {
        keyring.rotate().unwrap();
    }
    assert!(matches!(keyring.rotate(), Err(Error::TooMany { .. })));
    assert_eq!(secrets(&open(&world, &raw(1)).unwrap()), secrets(&keyring));
}

/// A new password for the only slot makes a new root key, so the wrapped one in an old copy opens nothing new.
#[test]
fn the_only_key_that_changes_takes_the_root_key_with_it() {
    let (_world, mut keyring) = created(&raw(1));
    let before = *keyring.root_key.bytes();
    keyring.add_slot(&raw(1), &raw(2), WEAK).unwrap();
    keyring.change_key(&raw(2), &raw(3), WEAK).unwrap();
    assert_eq!(*keyring.root_key.bytes(), before, "the holder of the other slot would be locked out");
    keyring.remove_slot(&raw(3)).unwrap();
    keyring.change_key(&raw(1), &raw(4), WEAK).unwrap();
    assert_ne!(*keyring.root_key.bytes(), before);
}

/// The changes that are tried with crashes and faults: what they do, and the keys that may open afterwards.
type Change = fn(&mut Keyring) -> Result<()>;
const CHANGES: [(&str, Change, [u8; 2]); 5] = [
    ("change key", |keyring| keyring.change_key(&raw(1), &raw(3), WEAK), [1, 3]),
    ("add slot", |keyring| keyring.add_slot(&raw(1), &raw(3), WEAK), [1, 1]),
    ("remove slot", |keyring| keyring.remove_slot(&raw(2)), [1, 1]),
    ("rotate", |keyring| keyring.rotate().map(|_| ()), [1, 2]),
    ("repair", |keyring| keyring.repair().map(|_| ()), [1, 2]),
];

/// A keyring with two slots; for `repair` with copy A or B damaged.
fn before_change(personality: Personality, name: &str, odd: bool) -> Simulation {
    let world = Simulation::new(personality, 4);
    let mut keyring = Keyring::create(around(&world), ID, &raw(1), WEAK).unwrap();
    keyring.add_slot(&raw(1), &raw(2), WEAK).unwrap();
    if name == "repair" {
        let mut bytes = world.file_bytes(KEYRING_FILE).unwrap();
        bytes[if odd { 9 } else { COPY_BYTES + 9 }] ^= 1;
        world.put_file(KEYRING_FILE, &bytes);
    }
    world
}

#[test]
fn no_crash_during_a_change_locks_anyone_out() {
    let mut states = 0;
    for personality in Personality::ALL {
        for (name, change, keys) in CHANGES {
            for odd in [false, true].into_iter().take(if name == "repair" { 2 } else { 1 }) {
                let world = before_change(personality, name, odd);
                let first = secrets(&open(&world, &raw(1)).unwrap())[0];
                let mut keyring = open(&world, &raw(1)).unwrap();
                let frozen = Arc::new(parking_lot::Mutex::new(Vec::new()));
                let seen = Arc::clone(&frozen);
                world.observe(move |point| seen.lock().push(point.freeze()));
                change(&mut keyring).unwrap();
                world.stop_observing();
                frozen.lock().push(world.freeze());
                for (moment, frozen) in frozen.lock().iter().enumerate() {
                    for variant in 0..20 {
                        let after = frozen.crash(Variant(variant));
                        let opened = keys.iter().find_map(|key| open(&after, &raw(*key)).ok());
                        let Some(mut opened) = opened else {
                            panic!("{personality} {name}, before call {moment}, variant {variant}: nobody gets in");
                        };
                        assert_eq!(secrets(&opened)[0], first);
                        // And the next change finds its feet, whatever the crash left.
                        opened.rotate().unwrap();
                        states += 1;
                    }
                }
            }
        }
    }
    assert!(states > 2000, "{states}");
}

#[test]
fn a_finished_change_survives_every_crash() {
    for personality in Personality::ALL {
        for variant in 0..16 {
            let world = before_change(personality, "", false);
            let mut keyring = open(&world, &raw(1)).unwrap();
            keyring.change_key(&raw(1), &raw(3), WEAK).unwrap();
            let after = world.crash(Variant(variant));
            open(&after, &raw(3)).unwrap();
            assert!(matches!(open(&after, &raw(1)), Err(Error::WrongKey)), "the old key still opens");
        }
    }
}

#[test]
fn no_fault_during_a_change_locks_anyone_out() {
    let loud = FaultKind::ALL.into_iter().filter(|kind| !kind.is_silent());
    for kind in loud {
        for (name, change, keys) in CHANGES {
            for call in 0..12 {
                for fault in [Fault::once(kind, call), Fault::onward(kind, call)] {
                    let world = before_change(Personality::PosixStrict, name, call % 2 == 0);
                    let mut keyring = open(&world, &raw(1)).unwrap();
                    let offset = world.calls();
                    let fault = match fault.when {
                        entidb_storage::simulated::When::Once(_) => Fault::once(kind, offset + call),
                        entidb_storage::simulated::When::Onward(_) => Fault::onward(kind, offset + call),
                    };
                    world.inject(fault);
                    let changed = change(&mut keyring);
                    world.clear_faults();
                    let worlds = [world.clone(), world.crash(Variant(0)), world.crash(Variant(17))];
                    for after in worlds {
                        let opens = keys.iter().any(|key| open(&after, &raw(*key)).is_ok());
                        assert!(opens, "{kind:?} at call {call} of {name} ({changed:?}): nobody gets in");
                    }
                }
            }
        }
    }
}

/// True when a change is made in what the file has.
fn is_made(world: &Simulation, name: &str) -> bool {
    match name {
        "change key" | "add slot" => open(world, &raw(3)).is_ok(),
        "remove slot" => open(world, &raw(2)).is_err(),
        _ => secrets(&open(world, &raw(1)).unwrap()).len() > 1,
    }
}

/// The second copy failed, the call said that it had failed, and the first one counted from then on: the new password opened the
/// database and the old one did not.
#[test]
fn a_change_that_is_refused_is_not_made_and_one_that_came_to_one_copy_says_so() {
    let mut told = [0; 4];
    let loud = FaultKind::ALL.into_iter().filter(|kind| !kind.is_silent());
    for (kind, (name, change, _)) in loud.flat_map(|kind| CHANGES.into_iter().take(4).map(move |one| (kind, one))) {
        for (call, once) in (0..12).flat_map(|call| [(call, true), (call, false)]) {
            let world = before_change(Personality::PosixStrict, name, false);
            let mut keyring = open(&world, &raw(1)).unwrap();
            let at = world.calls() + call;
            world.inject(if once { Fault::once(kind, at) } else { Fault::onward(kind, at) });
            let changed = change(&mut keyring);
            world.clear_faults();
            let crashes = (0..6).map(|variant| world.crash(Variant(variant)));
            let made: Vec<bool> = [world.clone()].into_iter().chain(crashes).map(|one| is_made(&one, name)).collect();
            let (right, at) = match &changed {
                Ok(()) => (made.iter().all(|made| *made), 0),
                Err(Error::KeyringHalfWritten { is_made: true, .. }) => (made.iter().all(|made| *made), 1),
                // Only where taking it back failed as well.
                Err(Error::KeyringHalfWritten { is_made: false, .. }) => (!once, 2),
                Err(_) => (made.iter().all(|made| !*made), 3),
            };
            told[at] += 1;
            assert!(right, "{kind:?} at call {call} (once: {once}) of {name}: {changed:?}, made: {made:?}");
        }
    }
    assert!(told.iter().all(|count| *count > 0), "{told:?}");
}

#[test]
fn a_keyring_of_another_database_is_mixed_up() {
    let (world, _keyring) = created(&raw(1));
    let result = Keyring::open(around(&world), DatabaseId([6; 16]), &raw(1));
    assert_eq!(damage(result), Damage::Tampered);
}

/// A change fails, and a process that opens the keyring on the same machine finds in the cache what no flush brought to the
/// disk. It overwrote the other copy, which was the only one the disk had whole.
#[test]
fn a_crash_while_a_failed_change_is_put_right_locks_nobody_out() {
    let mut states = 0;
    for kind in [FaultKind::TornWrite, FaultKind::FlushLost, FaultKind::Device] {
        for (name, change, keys) in CHANGES {
            for call in 0..8 {
                let world = before_change(Personality::PosixStrict, name, false);
                let mut keyring = open(&world, &raw(1)).unwrap();
                world.inject(Fault::once(kind, world.calls() + call));
                let changed = change(&mut keyring);
                world.clear_faults();
                drop(keyring);
                let Some(mut again) = keys.iter().find_map(|key| open(&world, &raw(*key)).ok()) else {
                    panic!("{kind:?} at call {call} of {name} ({changed:?}): nobody gets in")
                };
                let moments = Arc::new(parking_lot::Mutex::new(Vec::new()));
                let sink = Arc::clone(&moments);
                world.observe(move |point| sink.lock().push(point.freeze()));
                again.repair().unwrap();
                again.rotate().unwrap();
                world.stop_observing();
                for (moment, number) in moments.lock().iter().zip(0..) {
                    for variant in 0..24 {
                        let after = moment.crash(Variant(variant));
                        states += 1;
                        let opens = keys.iter().any(|key| open(&after, &raw(*key)).is_ok());
                        let what = format!("variant {variant} before call {number} of the repair");
                        assert!(opens, "{kind:?} at call {call} of {name} ({changed:?}), {what}: nobody gets in");
                    }
                }
            }
        }
    }
    assert!(states > 2000, "{states}");
}
