//! What every engine must offer to be compared, and the engines by name.
//!
//! Always: a write returns once it is as durable as was asked. Does not know: what is measured.

mod entidb;
mod fjall;
mod lmdb;
mod redb;
mod sqlite;

use std::path::Path;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One change.
pub(crate) enum Change {
    Put([u8; 24], [u8; 150]),
    Delete([u8; 24]),
}

/// How durable a commit is when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// It survives a power failure.
    Durable,
    /// It may be lost with the process or the power.
    Unflushed,
}

/// An open engine.
pub(crate) trait Engine: Send + Sync {
    /// Commits the changes in one transaction.
    fn write(&self, changes: &mut dyn Iterator<Item = Change>, level: Level) -> Result<(), Failure>;
    /// Hands one consistent state to `body`.
    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<(), Failure>) -> Result<(), Failure>;
}

/// One consistent state.
pub(crate) trait Reader {
    /// The first byte of a value.
    fn get(&self, key: &[u8]) -> Result<Option<u8>, Failure>;
    /// Reads up to `count` pairs from a key on and returns how many there were and the sum of their first bytes.
    fn range(&self, from: &[u8], count: usize) -> Result<(usize, u64), Failure>;
}

/// How each engine is set up, for the table.
pub(crate) fn setup(name: &str) -> &'static str {
    match name {
        "entidb" => "default sizes (32 MiB memtable), all zones point-indexed, no compression",
        "lmdb" => "heed, 64 GiB map; unflushed: NO_SYNC",
        "redb" => "4 GiB cache; unflushed: Durability::None",
        "fjall" => "2 GiB cache; durable: PersistMode::SyncAll; unflushed: Buffer",
        "sqlite" => "WAL journal, WITHOUT ROWID, 1 GiB cache; durable: synchronous=FULL; unflushed: OFF",
        _ => "unknown",
    }
}

/// Opens an engine in a folder.
pub(crate) fn open(name: &str, folder: &Path, encrypted: bool) -> Result<Box<dyn Engine>, Failure> {
    Ok(match name {
        "entidb" => Box::new(entidb::open(folder, encrypted)?),
        "lmdb" => Box::new(lmdb::open(folder)?),
        "redb" => Box::new(redb::open(folder)?),
        "fjall" => Box::new(fjall::open(folder)?),
        "sqlite" => Box::new(sqlite::open(folder)?),
        _ => return Err(format!("no engine is called {name:?}; choose from entidb, lmdb, redb, fjall, sqlite").into()),
    })
}
