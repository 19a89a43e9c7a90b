//! Who writes and reads: durable commits, grouped ones, single reads, ranges, and snapshots that stay.
//!
//! Always: a value tells its key and its version, so every read can be judged.
//! Does not know: how long anything may take.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use entidb_engine::{Direction, Durability, KeyRange, Snapshot};

use super::{Failure, Pace, Run, locked};
use crate::{Pairs, SEED, VALUE_BYTES};

/// The zone of the pairs that grouped commits write, and the first of the zones of durable writers.
const GROUPED_ZONE: u8 = 1;
const DURABLE_ZONE: u8 = 16;
/// Keys of each durable writer.
const OWN_KEYS: u64 = 1_000;
/// Keys of which a snapshot remembers what it saw.
const REMEMBERED: u64 = 50;

fn pairs() -> Pairs {
    Pairs::new(SEED).in_zone(GROUPED_ZONE)
}

/// The value of a key's version: the version, then bytes that no other key and version has.
fn value(number: u64, version: u64) -> [u8; VALUE_BYTES] {
    let mut value = pairs().value(number ^ version.rotate_right(20));
    value.iter_mut().zip(version.to_le_bytes()).for_each(|(to, from)| *to = from);
    value
}

/// The version a value says it is of.
fn version(number: u64, found: &[u8]) -> Result<u64, Failure> {
    let version = found.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    if found == value(number, version) {
        Ok(version)
    } else {
        Err(format!("the value of key {number} is none that was written to it").into())
    }
}

fn own_key(writer: u8, number: u64) -> [u8; 9] {
    let mut key = [DURABLE_ZONE.saturating_add(writer); 9];
    key.iter_mut().skip(1).zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    key
}

/// Durable commits of one pair. `acknowledged` gets the version of each key that is promised.
pub(super) fn durable(run: &Run<'_>, writer: u8, acknowledged: &mut Vec<u64>) -> Result<(), Failure> {
    acknowledged.resize(usize::try_from(OWN_KEYS)?, 0);
    let mut pace = Pace::per_second(run.plan.commits_per_second);
    let mut turn = 0_u64;
    while !run.is_over() {
        if run.is_quiet() {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        pace.wait();
        turn += 1;
        let number = pairs().pick(turn ^ u64::from(writer) << 48, OWN_KEYS);
        let Some(promised) = acknowledged.get_mut(usize::try_from(number)?) else { continue };
        let begun = Instant::now();
        let mut transaction = run.engine.begin_write()?;
        transaction.put(&own_key(writer, number), &value(number, *promised + 1))?;
        transaction.commit_with(Durability::Durable)?;
        locked(&run.durable_now).add(begun.elapsed());
        *promised += 1;
    }
    Ok(())
}

/// Commits of many pairs that are flushed in their interval.
pub(super) fn grouped(run: &Run<'_>) -> Result<(), Failure> {
    let interval_ms = u32::try_from(run.plan.interval.as_millis())?;
    let mut pace = Pace::per_second(run.plan.batches_per_second);
    let mut step = 0_u64;
    while !run.is_over() {
        pace.wait();
        let mut transaction = run.engine.begin_write()?;
        for _ in 0..run.plan.batch {
            step += 1;
            let number = pairs().pick(step, run.plan.keys);
            if step.is_multiple_of(50) {
                transaction.delete(&pairs().key(number))?;
            } else {
                transaction.put(&pairs().key(number), &value(number, step))?;
            }
        }
        let sequence = transaction.commit_with(Durability::Grouped { interval_ms })?;
        locked(&run.unflushed).push_back((sequence, Instant::now()));
        run.counts.batches.fetch_add(1, Ordering::Relaxed);
        run.counts.pairs.fetch_add(run.plan.batch, Ordering::Relaxed);
    }
    Ok(())
}

/// Looks when grouped commits become durable.
pub(super) fn watch_grouped(run: &Run<'_>) -> Result<(), Failure> {
    while !run.is_over() {
        std::thread::sleep(Duration::from_micros(500));
        let durable = run.engine.durable_sequence();
        let now = Instant::now();
        let mut unflushed = locked(&run.unflushed);
        while let Some((_, made)) = unflushed.pop_front_if(|(sequence, _)| *sequence <= durable) {
            locked(&run.lag).add(now.saturating_duration_since(made));
        }
    }
    Ok(())
}

/// Reads of one key, and of ranges.
pub(super) fn reads(run: &Run<'_>) -> Result<(), Failure> {
    let mut pace = Pace::per_second(run.plan.reads_per_second);
    let mut step = 0_u64;
    while !run.is_over() {
        pace.wait();
        step += 1;
        let snapshot = run.engine.snapshot()?;
        let number = pairs().pick(step ^ 1 << 40, run.plan.keys);
        if let Some(found) = snapshot.get(&pairs().key(number))? {
            version(number, &found)?;
        }
        if step.is_multiple_of(10) {
            let mut range = snapshot.range(KeyRange::from(pairs().key(number).to_vec()..), Direction::Forward)?;
            let mut last = Vec::new();
            for _ in 0..20 {
                if !range.advance()? {
                    break;
                }
                if range.key() <= last.as_slice() {
                    return Err("a range is out of order".into());
                }
                last = range.key().to_vec();
            }
        }
        run.counts.reads.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// A snapshot, and what it answered when it was made.
struct Kept {
    snapshot: Snapshot,
    answers: Vec<(u64, Option<u64>)>,
}

fn answers(snapshot: &Snapshot, run: &Run<'_>, salt: u64) -> Result<Vec<(u64, Option<u64>)>, Failure> {
    let numbers = (0..REMEMBERED).map(|step| pairs().pick(step ^ salt << 32, run.plan.keys));
    let answer = |number| {
        let found = snapshot.get(&pairs().key(number))?;
        Ok((number, found.map(|found| version(number, &found)).transpose()?))
    };
    numbers.map(answer).collect()
}

/// Snapshots that stay open for a good part of the run and must answer at its end as they did at its beginning.
pub(super) fn snapshots(run: &Run<'_>) -> Result<(), Failure> {
    let mut kept: VecDeque<(u64, Kept)> = VecDeque::new();
    let life = run.plan.time / 6;
    for number in 0_u64.. {
        let snapshot = run.engine.snapshot()?;
        let answers_now = answers(&snapshot, run, number)?;
        kept.push_back((number, Kept { snapshot, answers: answers_now }));
        run.counts.snapshots.fetch_add(1, Ordering::Relaxed);
        let until = Instant::now() + life / u32::try_from(run.plan.snapshots.max(1))?;
        while Instant::now() < until && !run.is_over() {
            std::thread::sleep(Duration::from_millis(5));
        }
        while kept.len() > run.plan.snapshots || (run.is_over() && !kept.is_empty()) {
            let Some((number, old)) = kept.pop_front() else { break };
            if answers(&old.snapshot, run, number)? != old.answers {
                return Err("a snapshot answers another thing than when it was made".into());
            }
        }
        if run.is_over() {
            break;
        }
    }
    Ok(())
}

/// Looks whether every promise was kept and every value is one that was written. Returns the bytes of keys and values.
pub(super) fn check(run: &Run<'_>, acknowledged: &[Mutex<Vec<u64>>]) -> Result<u64, Failure> {
    let snapshot = run.engine.snapshot()?;
    for (writer, promised) in (0..).zip(acknowledged) {
        for (number, promised) in (0..).zip(locked(promised).iter()).filter(|(_, promised)| **promised > 0) {
            let found = snapshot.get(&own_key(writer, number))?.ok_or("a durable commit is gone")?;
            if version(number, &found)? != *promised {
                return Err(format!("key {number} of writer {writer} is not as its last durable commit left it").into());
            }
        }
    }
    let mut range = snapshot.range(KeyRange::all(), Direction::Forward)?;
    let mut bytes = 0;
    while range.advance()? {
        bytes += (range.key().len() + range.value().len()) as u64;
    }
    Ok(bytes)
}
