//! No nonce is ever used twice under one key: not across crashes, recoveries of recoveries, or copies.

use std::sync::Arc;

use entidb_engine::{Engine, Options};
use entidb_storage::simulated::{Frozen, Personality, Simulation, Variant};
use entidb_storage::{Backend, Random, SeededRandom};
use entidb_testkit::oracle::NonceOracle;
use entidb_testkit::sample::{self, Flavour};

/// Randomness that is never repeated, whatever crashes: as on a real machine.
fn backend(world: &Simulation, random: &Arc<SeededRandom>) -> Backend {
    let random: Arc<dyn Random> = Arc::clone(random) as _;
    Backend { random, ..world.backend() }
}

fn options(oracle: &NonceOracle) -> Options {
    sample::options(Flavour::Encrypted, Arc::new(oracle.clone()))
}

/// A little of everything that seals. Errors are fine: what counts is what was sealed before them.
fn work(
    world: &Simulation,
    random: &Arc<SeededRandom>,
    oracle: &NonceOracle,
    close: bool,
) -> entidb_engine::Result<()> {
    let engine = Engine::open(backend(world, random), options(oracle))?;
    for number in 0..6_u8 {
        let mut transaction = engine.begin_write()?;
        transaction.put(&[b'e', number], &[number; 200])?;
        transaction.put(&[b's', number], &[number; 50])?;
        transaction.commit()?;
        if number % 3 == 2 {
            engine.checkpoint()?;
        }
    }
    if close { engine.close() } else { Ok(()) }
}

/// Every moment of a session, with how many seals had been made by then.
fn moments(world: &Simulation, random: &Arc<SeededRandom>, oracle: &NonceOracle, close: bool) -> Vec<(Frozen, usize)> {
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let (log, watched) = (Arc::clone(&seen), oracle.clone());
    world.observe(move |point| log.lock().push((point.freeze(), watched.seal_count())));
    let _ = work(world, random, oracle, close);
    world.stop_observing();
    seen.lock().clone()
}

#[test]
fn no_nonce_is_used_twice_across_crashes_and_recoveries() {
    let full = std::env::var("ENTIDB_TIER").is_ok_and(|tier| tier == "full" || tier == "release");
    let (step, variants) = if full { (1, 16) } else { (5, 3) };
    let random = Arc::new(SeededRandom::new(31));
    let (mut branches, mut seals) = (0_u64, 0_usize);
    for personality in [Personality::PosixStrict, Personality::Btrfs] {
        let world = Simulation::new(personality, 32);
        let oracle = NonceOracle::new();
        let first = moments(&world, &random, &oracle, true);
        oracle.assert_no_repeat();
        for (moment, (frozen, count)) in first.iter().enumerate().step_by(step) {
            for variant in 0..variants {
                let branch = oracle.branch(*count);
                let after = frozen.crash(Variant(variant * 5 + moment as u32 % 5));
                let second = moments(&after, &random, &branch, false);
                branch.assert_no_repeat();
                // And a crash inside what followed the crash.
                if let Some((frozen, count)) = second.get(second.len().saturating_sub(1) * (moment % 7) / 7) {
                    let twig = branch.branch(*count);
                    let _ = work(&frozen.crash(Variant(variant)), &random, &twig, true);
                    twig.assert_no_repeat();
                    seals += twig.seal_count() - count;
                }
                branches += 1;
                seals += branch.seal_count() - count;
            }
        }
        seals += oracle.seal_count();
    }
    println!("nonce oracle: {branches} crashes, {seals} seals, no repeat");
    assert!(branches > 50 && seals > 2000, "{branches} {seals}");
}

/// Two copies of one folder go on, each by itself: a restored backup, a cloned disk.
#[test]
fn no_nonce_is_used_twice_by_two_copies_of_a_folder() {
    let random = Arc::new(SeededRandom::new(33));
    let world = Simulation::new(Personality::PosixStrict, 34);
    let oracle = NonceOracle::new();
    work(&world, &random, &oracle, true).unwrap();
    let copies = [world.freeze().resume(), world.freeze().resume(), world];
    for world in &copies {
        // One history: a thief has the bytes of all copies.
        work(world, &random, &oracle, false).unwrap();
        work(world, &random, &oracle, true).unwrap();
    }
    let target = Simulation::new(Personality::PosixStrict, 35);
    let engine = Engine::open(backend(&copies[0], &random), options(&oracle)).unwrap();
    engine.backup(&backend(&target, &random)).unwrap();
    engine.close().unwrap();
    work(&target, &random, &oracle, true).unwrap();
    oracle.assert_no_repeat();
}
