//! Layer 8: whatever happens to one file, the database gives its exact content or an exact error, and writes nothing.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test asserts by panicking, and prints its row of the table"
)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use entidb_engine::{AesGcmProvider, Damage, Engine, Error, Options, Provider};
use entidb_storage::Clock as _;
use entidb_storage::simulated::Simulation;
use entidb_testkit::corrupt::Harm;
use entidb_testkit::sample::{self, Ending, Flavour, Sample, read_all};
use entidb_testkit::{Row, Tier};

fn provider() -> Arc<dyn Provider> {
    Arc::new(AesGcmProvider)
}

/// How a damaged database answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Exact,
    /// The end of a log that was not closed is missing: an earlier state, whole.
    Shorter,
    Damaged,
    Tampered,
    Missing,
    NotADatabase,
    WrongKey,
}

/// Opens and reads everything. Anything but right content or an error that names a file is a failure of the test.
/// `unclean` says that the end of the log may be torn.
fn judge(sample: &Sample, world: &Simulation, options: Options, unclean: bool, what: &str) -> Answer {
    let before: BTreeMap<String, Option<Vec<u8>>> =
        world.file_names().into_iter().map(|name| (name.clone(), world.file_bytes(&name))).collect();
    let mut may_write = false;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let read_only = options.read_only;
        let engine = Engine::open(sample.backend(world), options)?;
        may_write = !read_only;
        read_all(&engine, sample.content())
    }));
    let outcome = outcome.unwrap_or_else(|_| panic!("{what}: it panicked"));
    for (name, bytes) in &before {
        // Opening for writing writes, but not when it fails on what it found.
        let unchanged = may_write || name == "LOCK" || world.file_bytes(name) == *bytes;
        assert!(unchanged, "{what}: {name} was written");
    }
    match outcome {
        Ok(content) if &content == sample.content() => Answer::Exact,
        // Each commit says that the one before it is on stable storage, so only the last can pass for torn.
        Ok(content) if unclean && sample.states.iter().nth_back(1) == Some(&content) => Answer::Shorter,
        // A sector can hold the end of one commit and the beginning of the next, which would bear witness to it.
        Ok(content) if unclean && what.contains("sector") && sample.states.contains(&content) => Answer::Shorter,
        Ok(content) => {
            let state = sample.states.iter().position(|state| *state == content);
            panic!("{what}: it opened with {} of {} entries, state {state:?}", content.len(), sample.content().len())
        }
        Err(Error::Corrupt { damage, file, offset, detail }) => {
            assert!(!file.is_empty() && !detail.is_empty(), "{what}: an error without a place");
            let len = before.get(&file).and_then(|bytes| bytes.as_ref()).map_or(0, Vec::len) as u64;
            assert!(offset <= len.max(1 << 20), "{what}: byte {offset} of {file}");
            match damage {
                Damage::Damaged => Answer::Damaged,
                Damage::Tampered => Answer::Tampered,
                Damage::Missing => Answer::Missing,
            }
        }
        Err(Error::NotADatabase { .. }) => Answer::NotADatabase,
        Err(Error::WrongKey) => Answer::WrongKey,
        Err(other) => panic!("{what}: {other:?}"),
    }
}

/// The length of a file up to its last byte that is not zero, and a little more: the rest is unused log.
fn used(bytes: &[u8]) -> usize {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    bytes.len().min(end + 100)
}

fn matrix(flavour: Flavour, ending: Ending) {
    let all = Tier::from_environment() > Tier::Quick;
    let start = entidb_storage::SystemClock.monotonic_nanos();
    let sample = sample::build(flavour, ending, &provider()).unwrap();
    let answer = judge(&sample, &sample.world(), sample::read_only(flavour), false, "unharmed");
    assert_eq!(answer, Answer::Exact);
    let mut answers: BTreeMap<(String, Answer), u64> = BTreeMap::new();
    let mut cases = 0_u64;
    for name in sample.world().file_names().iter().filter(|name| *name != "LOCK") {
        let bytes = sample.world().file_bytes(name).unwrap();
        let used = used(&bytes);
        let fine = Harm::bytes(0..used, if all { 1 } else { 7 }, all);
        let unused = Harm::bytes(used..bytes.len(), if all { 61 } else { 4001 }, false);
        let coarse = Harm::coarse(used, if all { 1 } else { 97 });
        let unclean = ending == Ending::Dropped && name.starts_with("wal/");
        for harm in fine.chain(unused).chain(coarse) {
            let Some(harmed) = harm.apply(&bytes) else { continue };
            let what = format!("{flavour:?} {ending:?}: {name}: {harm}");
            let world = sample.world();
            world.put_file(name, &harmed);
            let answer = judge(&sample, &world, sample::read_only(flavour), unclean, &what);
            cases += 1;
            *answers.entry((kind_of(name), answer)).or_default() += 1;
            // Opening for writing takes other paths; one in a few will do.
            if cases.is_multiple_of(11) {
                let options = Options { create: false, ..sample::options(flavour, provider()) };
                let world = sample.world();
                world.put_file(name, &harmed);
                judge(&sample, &world, options, unclean, &format!("{what}, opened for writing"));
                cases += 1;
            }
        }
    }
    for ((file, answer), count) in &answers {
        println!("{flavour:?} {ending:?} {file:10} {answer:?}: {count}");
    }
    let refused: u64 = answers.iter().filter(|((_, answer), _)| *answer != Answer::Exact).map(|(_, count)| count).sum();
    assert!(refused > cases / 4, "damage goes unnoticed: {refused} of {cases}");
    let seconds = (entidb_storage::SystemClock.monotonic_nanos() - start) as f64 / 1e9;
    let layer = format!("8 damage {flavour:?} {ending:?}");
    Row { layer, cases, states: cases, faults: 0, seconds, failures: 0 }.print();
}

fn kind_of(name: &str) -> String {
    name.split('/').next().unwrap_or_default().to_owned()
}

#[test]
fn no_damage_to_a_plain_database_gives_a_wrong_answer() {
    matrix(Flavour::Plain, Ending::Closed);
}

#[test]
fn no_damage_to_a_compressed_database_gives_a_wrong_answer() {
    matrix(Flavour::Compressed, Ending::Closed);
}

#[test]
fn no_damage_to_an_encrypted_database_gives_a_wrong_answer() {
    matrix(Flavour::Encrypted, Ending::Closed);
}

/// The end of a log that was not closed may be a torn write. Then whole commits of its end are missing, nothing else.
#[test]
fn no_damage_to_a_database_that_crashed_gives_a_state_that_never_was() {
    matrix(Flavour::Plain, Ending::Dropped);
    matrix(Flavour::Encrypted, Ending::Dropped);
}

#[test]
fn a_file_that_is_missing_is_named() {
    for flavour in Flavour::ALL {
        let sample = sample::build(flavour, Ending::Closed, &provider()).unwrap();
        for name in sample.world().file_names() {
            for writing in [false, true] {
                let world = sample.world();
                assert!(world.lose_file(&name));
                let options = if writing { sample::options(flavour, provider()) } else { sample::read_only(flavour) };
                let what = format!("{flavour:?}: {name} is missing");
                let answer = judge(&sample, &world, options, false, &what);
                let expected = if name == "LOCK" { Answer::Exact } else { Answer::Missing };
                assert_eq!(answer, expected, "{what}");
            }
        }
    }
}

/// Each file alone goes back to what it was at an earlier moment. The others no longer fit, and that is noticed.
#[test]
fn a_file_exchanged_for_its_older_self_gives_no_older_content() {
    let mut cases = 0;
    for flavour in Flavour::ALL {
        let sample = sample::build(flavour, Ending::Closed, &provider()).unwrap();
        for (moment, older) in sample.older.iter().enumerate() {
            let older = older.resume();
            for name in sample.world().file_names() {
                let (now, then) = (sample.world().file_bytes(&name), older.file_bytes(&name));
                let Some(then) = then.filter(|_| now != older.file_bytes(&name)) else { continue };
                for writing in [false, true] {
                    let world = sample.world();
                    world.put_file(&name, &then);
                    let options =
                        if writing { sample::options(flavour, provider()) } else { sample::read_only(flavour) };
                    let what = format!("{flavour:?}: {name} of moment {moment}");
                    let answer = judge(&sample, &world, options, false, &what);
                    println!("{what}: {answer:?}");
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 20, "{cases}");
}

#[test]
fn files_that_change_places_are_noticed() {
    let mut cases = 0;
    for flavour in Flavour::ALL {
        let sample = sample::build(flavour, Ending::Closed, &provider()).unwrap();
        let mut names = sample.world().file_names();
        names.retain(|name| name != "LOCK");
        for (index, one) in names.iter().enumerate() {
            for other in names.iter().skip(index + 1) {
                let world = sample.world();
                let (first, second) = (world.file_bytes(one).unwrap(), world.file_bytes(other).unwrap());
                world.put_file(one, &second);
                world.put_file(other, &first);
                let what = format!("{flavour:?}: {one} and {other} swapped");
                let answer = judge(&sample, &world, sample::read_only(flavour), false, &what);
                assert_ne!(answer, Answer::Exact, "{what}");
                cases += 1;
            }
        }
    }
    assert!(cases > 20, "{cases}");
}

/// A file of another database with the same content and key, made with other randomness.
#[test]
fn a_file_of_another_database_is_noticed() {
    for flavour in Flavour::ALL {
        let sample = sample::build(flavour, Ending::Closed, &provider()).unwrap();
        let other = sample::build_with_seed(flavour, Ending::Closed, &provider(), 99).unwrap();
        for name in sample.world().file_names().iter().filter(|name| *name != "LOCK") {
            let Some(foreign) = other.world().file_bytes(name) else { continue };
            let world = sample.world();
            world.put_file(name, &foreign);
            let what = format!("{flavour:?}: {name} of another database");
            let answer = judge(&sample, &world, sample::read_only(flavour), false, &what);
            assert_ne!(answer, Answer::Exact, "{what}");
        }
    }
}
