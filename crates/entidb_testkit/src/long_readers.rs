//! Readers that stay while a history goes on: snapshots held for long, and iterators that are moved now and then.
//!
//! Always: each shows the state of its commit, whatever was flushed, merged or removed since; and nobody keeps more files
//! than those an iterator stands in. Does not know: what the history does meanwhile.

use entidb_engine::{Direction, Engine, Error, Iter, KeyRange, Snapshot};
use entidb_storage::Backend;
use entidb_storage::simulated::Dice;

use crate::model::{Bytes, Contents, Key};
use crate::subject::Stop;

/// How many of each kind are held at once.
const READERS_MAX: usize = 3;

/// A walk under way, and what it is to show.
struct Walk {
    iter: Iter,
    /// In the order of the walk.
    entries: Vec<(Key, Bytes)>,
    /// How many of these were shown.
    at: usize,
    direction: Direction,
}

impl Walk {
    fn begin(snapshot: &Snapshot, seen: &Contents, dice: &mut Dice) -> Result<Self, Stop> {
        let direction = if dice.coin() { Direction::Forward } else { Direction::Reverse };
        let mut entries: Vec<(Key, Bytes)> = seen.0.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        if direction == Direction::Reverse {
            entries.reverse();
        }
        Ok(Self { iter: snapshot.range(KeyRange::all(), direction)?, entries, at: 0, direction })
    }

    /// Moves a few times and compares. False when it has come to its end.
    fn go_on(&mut self, dice: &mut Dice) -> Result<bool, Stop> {
        if dice.once_in(6) {
            self.seek(dice)?;
        }
        for _ in 0..=dice.below(4) {
            let moved = self.iter.advance()?;
            let expected = self.entries.get(self.at);
            let found = moved.then(|| (Key(self.iter.key().to_vec()), Bytes(self.iter.value().to_vec())));
            if found.as_ref() != expected {
                return Err(Stop::Wrong(format!("a long walk shows {found:?}, expected {expected:?}")));
            }
            if !moved {
                return Ok(false);
            }
            self.at += 1;
        }
        Ok(true)
    }

    fn seek(&mut self, dice: &mut Dice) -> Result<(), Stop> {
        let to = usize::try_from(dice.below(self.entries.len() as u64 + 1)).unwrap_or(0);
        if let Some((key, _)) = self.entries.get(to) {
            // Before its key in the order of the walk.
            let mut key = key.0.clone();
            if self.direction == Direction::Reverse && dice.coin() {
                key.push(0);
            }
            self.iter.seek(&key)?;
            self.at = to;
        }
        Ok(())
    }
}

/// The readers of a history.
#[derive(Default)]
pub struct LongReaders {
    snapshots: Vec<(Snapshot, Contents)>,
    walks: Vec<Walk>,
}

impl std::fmt::Debug for LongReaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LongReaders({} snapshots, {} walks)", self.snapshots.len(), self.walks.len())
    }
}

impl LongReaders {
    /// The snapshots that are held, and what each sees.
    #[must_use]
    pub fn snapshots(&self) -> &[(Snapshot, Contents)] {
        &self.snapshots
    }

    /// Lets some come, some go on and some leave. The first snapshot stays.
    ///
    /// # Errors
    /// `Stop::Wrong` when a walk shows something else than its commit.
    pub fn step(&mut self, engine: &Engine, now: &Contents, dice: &mut Dice) -> Result<(), Stop> {
        if self.snapshots.is_empty() || dice.once_in(6) {
            if self.snapshots.len() >= READERS_MAX {
                drop(self.snapshots.remove(1 + usize::try_from(dice.below(READERS_MAX as u64 - 1)).unwrap_or(0)));
            }
            self.snapshots.push((engine.snapshot()?, now.clone()));
        }
        if dice.once_in(8) {
            if self.walks.len() >= READERS_MAX {
                self.walks.swap_remove(usize::try_from(dice.below(READERS_MAX as u64)).unwrap_or(0));
            }
            let which = usize::try_from(dice.below(self.snapshots.len() as u64)).unwrap_or(0);
            if let Some((snapshot, seen)) = self.snapshots.get(which) {
                self.walks.push(Walk::begin(snapshot, seen, dice)?);
            }
        }
        let mut walks = Vec::new();
        for mut walk in self.walks.drain(..) {
            // One that stands still for a while meets more changes at once.
            if !dice.once_in(3) || walk.go_on(dice)? || dice.coin() {
                walks.push(walk);
            }
        }
        self.walks = walks;
        Ok(())
    }

    /// Brings the database to rest, and compares the files there are with those that are needed.
    ///
    /// # Errors
    /// `Stop::Wrong` when files are left that nobody needs, or memory.
    pub fn check_files(&self, engine: &Engine, backend: &Backend) -> Result<(), Stop> {
        while engine.maintain(1000)? {}
        let (stats, files) = (engine.stats(), backend.directory.list("seg")?.len() as u64);
        let expected = stats.segments + stats.obsolete_files;
        if files != expected || stats.obsolete_files != stats.obsolete_files_held {
            return Err(Stop::Wrong(format!("{files} files, {expected} are known of: {stats:?}")));
        }
        let held = stats.obsolete_files + stats.memtable_bytes_held;
        if stats.iterators > self.walks.len() as u64 || (self.walks.is_empty() && held > 0) {
            return Err(Stop::Wrong(format!("{} walks hold files or memory: {stats:?}", self.walks.len())));
        }
        Ok(())
    }

    /// After the database was closed: all say so.
    ///
    /// # Errors
    /// `Stop::Wrong` when one still reads.
    pub fn check_closed(&mut self) -> Result<(), Stop> {
        let snapshots = self.snapshots.iter().map(|(snapshot, _)| snapshot.get(b"a").map(drop));
        let walks = self.walks.iter_mut().map(|walk| walk.iter.advance().map(drop));
        match snapshots.chain(walks).find(|read| !matches!(read, Err(Error::Closed))) {
            Some(read) => Err(Stop::Wrong(format!("a reader of a closed database gives {read:?}"))),
            None => Ok(()),
        }
    }

    /// All leave.
    pub fn clear(&mut self) {
        self.snapshots.clear();
        self.walks.clear();
    }
}
