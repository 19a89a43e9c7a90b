//! Random work for the engine: steps as data, from a seed.
//!
//! Always: the same seed and profile give the same steps. Counters and plain values never share a key.
//! Does not know: how a step is done (`engine_subject`), or what it leads to (`model`).

use entidb_engine::Durability;
use entidb_storage::simulated::Dice;

use crate::model::{Bytes, Change, Contents, Key};

/// One step of a workload.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A transaction with these changes, waiting for this much.
    Commit(Vec<Change>, Durability),
    /// Everything so far becomes durable.
    Flush,
    /// The newest writes go to segments and the log is cut.
    Checkpoint,
    /// Everything is merged.
    Compact,
    /// A few steps of background work.
    Maintain,
    /// A new data key for new files, in an encrypted database.
    Rotate,
    /// A new data key for everything, in an encrypted database.
    Rekey,
    /// The database is closed and opened again.
    Reopen,
    /// The handle is dropped without closing, and opened again.
    Drop,
}

/// What the steps of a workload are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// How many steps.
    pub steps: u64,
    /// How many different keys a zone has.
    pub keys: u64,
    /// The largest value in bytes.
    pub value_bytes_max: u64,
    /// Whether every commit waits for stable storage.
    pub durable_only: bool,
    /// One step in this number is not a commit; 0 for none.
    pub upkeep_one_in: u64,
    /// Whether every such step is a checkpoint, so that one log file after the other is done with.
    pub checkpoints_only: bool,
    /// Whether data keys are changed too; for encrypted databases.
    pub keys_change: bool,
    /// One change in this number deletes a range of a shape that comes up in practice, besides the few random ones; 0 for none.
    pub range_deletes_one_in: u64,
}

impl Profile {
    /// Few and small: for walking every call.
    pub const SMALL: Self = Self {
        steps: 8,
        keys: 6,
        value_bytes_max: 300,
        durable_only: false,
        upkeep_one_in: 4,
        checkpoints_only: false,
        keys_change: false,
        range_deletes_one_in: 0,
    };
    /// Few and small, with a new data key at every other step that is not a commit.
    pub const REKEYING: Self =
        Self { steps: 10, upkeep_one_in: 2, durable_only: true, keys_change: true, ..Self::SMALL };
    /// Few and small, in a log that is cut every other step: its files are made of those before.
    pub const CUTTING: Self = Self { steps: 10, upkeep_one_in: 2, checkpoints_only: true, ..Self::SMALL };
    /// So many, of which half wait for nothing or little, that the log goes on in its next files by itself.
    pub const GROWING: Self = Self { steps: 90, keys: 40, value_bytes_max: 900, upkeep_one_in: 0, ..Self::SMALL };
    /// Few and small, of which half delete ranges.
    pub const RANGES: Self = Self { steps: 10, keys: 12, range_deletes_one_in: 2, ..Self::SMALL };
    /// Long, of which half delete ranges.
    pub const LONG_RANGES: Self = Self { range_deletes_one_in: 2, keys: 60, value_bytes_max: 100, ..Self::LONG };
    /// Long: for histories.
    pub const LONG: Self = Self { steps: 200, keys: 24, value_bytes_max: 2000, upkeep_one_in: 12, ..Self::SMALL };
}

/// The contents after these steps.
#[must_use]
pub fn contents_after(steps: &[Step]) -> Contents {
    let mut contents = Contents::default();
    for step in steps {
        if let Step::Commit(changes, _) = step {
            contents.apply(changes);
        }
    }
    contents
}

/// The steps of a seed.
#[must_use]
pub fn steps(seed: u64, profile: Profile) -> Vec<Step> {
    let mut dice = Dice::new(entidb_storage::simulated::mix(seed, 77));
    (0..profile.steps).map(|_| step(&mut dice, profile)).collect()
}

fn step(dice: &mut Dice, profile: Profile) -> Step {
    if profile.upkeep_one_in > 0 && dice.once_in(profile.upkeep_one_in) {
        if profile.keys_change && dice.coin() {
            return if dice.once_in(3) { Step::Rotate } else { Step::Rekey };
        }
        return match dice.below(8) {
            _ if profile.checkpoints_only => Step::Checkpoint,
            0 => Step::Flush,
            1 | 2 => Step::Checkpoint,
            3 => Step::Compact,
            4 => Step::Maintain,
            5 => Step::Drop,
            _ => Step::Reopen,
        };
    }
    let durability = match dice.below(4) {
        _ if profile.durable_only => Durability::Durable,
        0 => Durability::Grouped { interval_ms: 20 },
        1 => Durability::None,
        _ => Durability::Durable,
    };
    Step::Commit(changes(dice, profile), durability)
}

fn changes(dice: &mut Dice, profile: Profile) -> Vec<Change> {
    let count = if dice.once_in(8) { 1 + dice.below(12) } else { 1 + dice.below(3) };
    let mut changes: Vec<Change> = (0..count).map(|_| change(dice, profile, true)).collect();
    if dice.once_in(12) {
        // Over a quarter of the smallest memtable: the transaction becomes segments and never meets the log.
        let at = usize::try_from(dice.below(count + 1)).unwrap_or(0);
        changes.insert(at, Change::Put(key(dice, profile), Bytes(vec![7; 5000])));
    }
    changes
}

/// A range delete as there are many of: from the first key up to a later one each time, a window that moves on, the same
/// range again, everything, or a single key.
fn range_delete(dice: &mut Dice, profile: Profile) -> Change {
    let zone = if dice.coin() { b'a' } else { b'b' };
    let at = |number: u64| Key([&[zone], format!("{number:02}").as_bytes()].concat());
    let numbers = profile.keys / 2 + 1;
    let number = dice.below(numbers);
    match dice.below(8) {
        0..3 => Change::DeleteRange(at(0), at(number + 1)),
        3..5 => Change::DeleteRange(at(number), at(number + 1)),
        5 => Change::DeleteRange(at(1), at(3)),
        6 => Change::DeleteRange(Key(vec![b'a']), Key(vec![b'c'])),
        _ => {
            let key = key(dice, profile);
            let end = Key([key.0.as_slice(), &[0]].concat());
            Change::DeleteRange(key, end)
        }
    }
}

fn change(dice: &mut Dice, profile: Profile, may_nest: bool) -> Change {
    if profile.range_deletes_one_in > 0 && dice.once_in(profile.range_deletes_one_in) {
        return range_delete(dice, profile);
    }
    match dice.below(16) {
        0..8 => Change::Put(key(dice, profile), value(dice, profile)),
        8..10 => Change::Delete(key(dice, profile)),
        10 => {
            let (one, other) = (key(dice, profile), key(dice, profile));
            let (start, mut end) = if one <= other { (one, other) } else { (other, one) };
            end.0.push(0xff);
            Change::DeleteRange(start, end)
        }
        11 if may_nest => Change::Undone((0..=dice.below(2)).map(|_| change(dice, profile, false)).collect()),
        12..14 => {
            let delta = if dice.once_in(10) { i64::MAX } else { 1 + i64::try_from(dice.below(9)).unwrap_or(0) };
            Change::Add(counter(dice, profile), delta)
        }
        14 => Change::Delete(counter(dice, profile)),
        _ => Change::Put(key(dice, profile), Bytes(Vec::new())),
    }
}

fn key(dice: &mut Dice, profile: Profile) -> Key {
    let zone = if dice.coin() { b'a' } else { b'b' };
    let number = dice.below(profile.keys);
    // Some keys are prefixes of others, and one is long.
    let tail = match number % 4 {
        0 => String::new(),
        1 => "x".repeat(1 + usize::try_from(number).unwrap_or(0) % 40),
        _ => format!("-{number}"),
    };
    let mut key = vec![zone];
    key.extend_from_slice(format!("{:02}{tail}", number / 2).as_bytes());
    Key(key)
}

fn counter(dice: &mut Dice, profile: Profile) -> Key {
    Key(format!("c{}", dice.below(profile.keys.div_ceil(4))).into_bytes())
}

fn value(dice: &mut Dice, profile: Profile) -> Bytes {
    let len = match dice.below(8) {
        0 => dice.below(profile.value_bytes_max * 8),
        1..3 => dice.below(profile.value_bytes_max),
        _ => dice.below(40),
    };
    let (first, run) = (dice.below(256), 1 + dice.below(9));
    // Runs, so that compression has something to do and a torn value shows.
    let byte = |at: u64| u8::try_from((first + at / run) % 251).unwrap_or(0);
    Bytes((0..len).map(byte).collect())
}
