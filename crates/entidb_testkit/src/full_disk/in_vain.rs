//! What a full disk is written for nothing, and what must work on it without any room.
//!
//! Always: time passes only where a test says so, so work that rests is told from work that does not.
//! Does not know: what the database does to make room.

use std::sync::Arc;

use entidb_engine::Options;
use entidb_storage::simulated::Simulation;
use entidb_storage::{Call, Error, ErrorKind, Operation, Watcher};
use parking_lot::Mutex;

use super::{Change, Filling, FullDisk, SmallDisk, Wrong, small_disk_options};
use crate::meter::Reading;

/// Writes to segments that may be in vain in one rest: with and without the reserve, by a flush and by a merge.
pub const IN_VAIN_MAX: usize = 8;
/// Bytes that may be written for each commit that is refused while nothing frees room, taken over many of them.
const REFUSED_BYTES_MAX: u64 = 4096;
/// Bytes that may be written until no more can be merged: the disk four times over. What is left is merged once, and some
/// commits are taken with the room that makes.
const FIRST_BYTES_MAX: u64 = 4 * DISK_BYTES;
/// The size of the disk.
const DISK_BYTES: u64 = 3 << 20;
/// So many commits are refused one after the other, in a minute and a half of the disk's time.
const REFUSED: u64 = 300;
/// After so many refused commits what was still to be merged is merged, or rests.
const REFUSED_FIRST: u64 = 40;
/// Commits in which a full disk must have come to take none.
const TAKEN_MAX: u64 = 2_000;

/// After so many rests of the disk every rest of the database is over.
const REST_ENDS: u64 = 200;

/// More than the reserve takes, and less than the log does.
const STUCK_BYTES: u64 = 300_000;

/// How a disk came to be full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scarcity {
    /// By what the database has.
    Filled,
    /// Others took all that was free at once.
    TakenAtOnce,
    /// Others take what the reserve gives back, and a part of the data is deleted.
    DeletedAndTaken,
    /// Others took at once what was left for writing the memtables, and next to nothing of these is deleted.
    Stuck,
    /// What is deleted here and there wants a merge of a third of the data, and there is less room than that writes.
    MergeTooLarge,
    /// The disk says that it has room, and has little, as for a user with a quota.
    Overstated,
}

impl Scarcity {
    /// Every way.
    pub const ALL: [Self; 6] =
        [Self::Filled, Self::TakenAtOnce, Self::DeletedAndTaken, Self::Stuck, Self::MergeTooLarge, Self::Overstated];

    fn filling(self) -> Filling {
        let large = || Options { memtable_bytes: 1 << 20, wal_bytes: 1 << 20, ..small_disk_options() };
        if self == Self::Stuck { Filling { options: large, ..Filling::SMALL } } else { Filling::SMALL }
    }

    fn bring_about(self, full: &mut FullDisk<'_>, world: &Simulation) -> Result<(), Wrong> {
        let bytes = full.disk.bytes;
        match self {
            Self::Filled => full.fill(),
            Self::TakenAtOnce => {
                full.fill_up_to(bytes / 3)?;
                (full.disk.squeeze)(true);
                Ok(())
            }
            Self::DeletedAndTaken => full.delete_without_room(world).map(drop),
            Self::Stuck => {
                full.settle()?;
                full.fill_up_to(STUCK_BYTES)?;
                (full.disk.squeeze)(true);
                // Something of it is deleted, so that writing it might make room.
                let first = full.model.keys().next().cloned().map(Change::Delete);
                full.free(first.into_iter().collect())
            }
            Self::MergeTooLarge => {
                full.fill()?;
                world.set_capacity_bytes(Some(world.used_bytes() + 700_000));
                full.engine()?.compact().map_err(|error| error.to_string())?;
                full.settle()?;
                world.set_capacity_bytes(Some(world.used_bytes() + 500_000));
                let spread = full.model.keys().filter(|key| key.first() == Some(&1)).step_by(20).cloned();
                let spread = spread.map(Change::Delete).collect();
                full.free(spread)?;
                full.engine()?.checkpoint().map(drop).map_err(|error| error.to_string())
            }
            Self::Overstated => {
                full.fill_up_to(bytes / 3)?;
                world.set_overstated_bytes(64 << 20);
                world.set_capacity_bytes(Some(world.used_bytes() + 80_000));
                Ok(())
            }
        }
    }
}

/// What is written while commits are refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// Until the last merge that is possible is done, or rests: with the commits that were taken meanwhile.
    pub first: Reading,
    /// Commits that are refused after that.
    pub commits: u64,
    /// What is written for them.
    pub then: Reading,
}

impl Refused {
    /// True when more is written than that could be worth.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        self.first.bytes() > FIRST_BYTES_MAX || self.then.bytes() > self.commits * REFUSED_BYTES_MAX
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} until the disk was full, then {} for {} refused commits", self.first, self.then, self.commits)
    }
}

/// Brings a shortage about and asks for more until that is refused, and then as often again.
///
/// # Errors
/// What went wrong.
pub fn written_for_refused(scarcity: Scarcity, seed: u64) -> Result<Refused, Wrong> {
    let (world, disk) = SmallDisk::simulated(DISK_BYTES, seed);
    let mut full = FullDisk::new(&disk, scarcity.filling(), seed)?;
    scarcity.bring_about(&mut full, &world)?;
    let (mut tries, mut in_a_row) = (0, 0);
    let begun = full.meter.reading();
    while in_a_row < REFUSED_FIRST {
        in_a_row = if full.ask_for_more()? { 0 } else { in_a_row + 1 };
        tries += 1;
        if tries > TAKEN_MAX {
            return Err("the disk never gets full".to_owned());
        }
    }
    let first = full.meter.since(begun);
    let before = full.meter.reading();
    let mut commits = 0;
    for _ in 0..REFUSED {
        commits += u64::from(!full.ask_for_more()?);
    }
    let then = full.meter.since(before);
    full.compare("after commits that were refused")?;
    world.set_overstated_bytes(0);
    world.set_capacity_bytes(Some(2 * disk.bytes));
    // Where the disk does not tell that there is more room, work that rests finds it within a minute.
    (0..REST_ENDS).for_each(|_| (disk.rest)());
    full.settle()?;
    full.free(vec![Change::DeleteRange(vec![0], vec![2])])?;
    full.go_on()?;
    full.compare("with room again")?;
    Ok(Refused { first, commits, then })
}

/// Makes the first segment that is read from some moment on one that cannot be read.
#[derive(Default)]
struct Unreadable(Mutex<Option<String>>);

impl Watcher for Unreadable {
    fn before(&self, call: &Call<'_>) -> entidb_storage::Result<()> {
        let mut bad = self.0.lock();
        if call.operation != Operation::Read || !call.path.starts_with("seg/") {
            return Ok(());
        }
        match bad.as_mut() {
            Some(bad) if bad.is_empty() => call.path.clone_into(bad),
            Some(bad) if bad == call.path => {}
            _ => return Ok(()),
        }
        Err(Error::new(call.operation, call.path, ErrorKind::Device { os_code: None }))
    }
}

/// Asks a full disk for more, and deletes most of what is on it, while the first segment that a merge reads cannot be read.
/// What is refused must be refused for want of room, and no deletion may be.
///
/// # Errors
/// What the engine says.
pub fn ask_beside_unreadable(seed: u64) -> Result<(), Wrong> {
    let (world, disk) = SmallDisk::simulated(DISK_BYTES, seed);
    let unreadable = Arc::new(Unreadable::default());
    let disk = SmallDisk { backend: disk.backend.watched(Arc::clone(&unreadable) as _), ..disk };
    let mut full = FullDisk::new(&disk, Filling::SMALL, seed)?;
    Scarcity::MergeTooLarge.bring_about(&mut full, &world)?;
    // No segment is in memory then.
    full.reopen(true)?;
    *unreadable.0.lock() = Some(String::new());
    let mut refused = 0;
    for _ in 0..TAKEN_MAX {
        let change = full.put();
        refused += u64::from(!full.commit(vec![change])?);
        (disk.rest)();
        if refused == REFUSED_FIRST {
            break;
        }
    }
    let first = unreadable.0.lock().clone();
    ask_while_merges_are_wanted(&mut full, &unreadable)?;
    *unreadable.0.lock() = first;
    let mut keys: Vec<Vec<u8>> = full.model.keys().cloned().collect();
    // Of each zone in turn: that with the segment may have no room to give.
    keys.sort_unstable_by_key(|key| key.get(1..).unwrap_or_default().to_vec());
    for gone in keys.chunks(4).flat_map(|four| four.iter().skip(1)) {
        full.free(vec![Change::Delete(gone.clone())])?;
    }
    if refused < REFUSED_FIRST || full.engine()?.stats().compaction_failures == 0 {
        return Err(format!("{refused} commits were refused, and no merge has met the segment"));
    }
    full.go_on()?;
    *unreadable.0.lock() = None;
    (0..REST_ENDS).for_each(|_| (disk.rest)());
    full.settle()?;
    full.compare("with all segments readable again")
}

/// Deletes much here and there and asks for more, which merges to make room: for each commit the first segment that is read from then
/// on cannot be read. In between all is merged, because a zone with many runs that cannot be merged takes no more.
fn ask_while_merges_are_wanted(full: &mut FullDisk<'_>, unreadable: &Unreadable) -> Result<(), Wrong> {
    let before = full.engine()?.stats().compaction_failures;
    for part in 0..4 {
        *unreadable.0.lock() = None;
        full.settle()?;
        let spread: Vec<Change> = full.model.keys().skip(part).step_by(8).cloned().map(Change::Delete).collect();
        for some in spread.chunks(40) {
            *unreadable.0.lock() = Some(String::new());
            full.free(some.to_vec())?;
        }
        let mut refused = 0;
        while refused < 4 {
            *unreadable.0.lock() = Some(String::new());
            let change = full.put();
            refused += u64::from(!full.commit(vec![change])?);
            // The rests of segments are over then.
            (0..REST_ENDS).for_each(|_| (full.disk.rest)());
        }
    }
    match full.engine()?.stats().compaction_failures {
        now if now > before => Ok(()),
        _ => Err("no merge has met a segment that cannot be read".to_owned()),
    }
}

/// Lets memtables and merges want room on a disk that says it has some and has none, as for a user with a quota. Returns how
/// often a write to a segment found none while no time passed.
///
/// # Errors
/// What the engine says.
pub fn begun_in_vain(seed: u64) -> Result<usize, Wrong> {
    let (world, disk) = SmallDisk::simulated(3 << 20, seed);
    let mut full = FullDisk::new(&disk, Filling::SMALL, seed)?;
    full.fill_up_to(disk.bytes / 3)?;
    world.set_overstated_bytes(64 << 20);
    world.set_capacity_bytes(Some(world.used_bytes()));
    let in_vain = || world.trace().iter().filter(|call| call.failed && call.path.starts_with("seg/")).count();
    let before = in_vain();
    // The log has room for some more.
    full.fill_up_to(disk.bytes / 3)?;
    for _ in 0..200 {
        full.maintain(1)?;
    }
    let in_vain = in_vain() - before;
    world.set_overstated_bytes(0);
    (disk.squeeze)(false);
    full.settle()?;
    full.go_on()?;
    full.compare("with room again")?;
    Ok(in_vain)
}

/// Closes a database in order on a disk without any room, whose reserve is gone.
///
/// # Errors
/// What the engine says.
pub fn close_without_room(seed: u64) -> Result<(), Wrong> {
    let (world, disk) = SmallDisk::simulated(3 << 20, seed);
    let mut full = FullDisk::new(&disk, Filling::SMALL, seed)?;
    full.fill_up_to(disk.bytes / 4)?;
    full.settle()?;
    full.engine()?.checkpoint().map_err(|error| error.to_string())?;
    world.lose_file("RESERVE");
    (disk.squeeze)(true);
    // The log has room for it.
    full.free(vec![Change::DeleteRange(vec![0], vec![2])])?;
    let engine = full.engine.take();
    engine.map_or(Ok(()), |engine| engine.close()).map_err(|error| format!("closing: {error}"))?;
    (disk.squeeze)(false);
    full.open()?;
    full.compare("after opening with room again")
}
