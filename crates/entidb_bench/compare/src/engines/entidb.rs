//! Our engine, with its defaults but for a transaction large enough for the bulk load.
//!
//! Always: every key gets one byte more in front, its zone. The engine keeps zones in separate files, and random first
//! bytes would make 256 of them, which no database of ours has.

use std::path::Path;

use entidb_engine::{
    Compression, Direction, Durability, Engine as Database, KeyRange, KeySource, Options, Snapshot, ZonePolicies,
    ZonePolicy,
};

use super::{Change, Engine, Failure, Level, Reader};

const ZONE: u8 = 1;

pub(super) struct Entidb(Database);

/// A key in our zone, on the stack.
fn zoned(key: &[u8]) -> ([u8; 25], usize) {
    let mut zoned = [ZONE; 25];
    let len = key.len().min(24);
    zoned[1..=len].copy_from_slice(&key[..len]);
    (zoned, len + 1)
}

pub(super) fn open(folder: &Path, encrypted: bool) -> Result<Entidb, Failure> {
    let policy = ZonePolicy { point_index: true, compression: Compression::None, ..ZonePolicy::default() };
    let options = Options {
        transaction_bytes_max: 4 << 30,
        key: encrypted.then(|| KeySource::raw([7; 32])),
        zones: ZonePolicies::uniform(policy),
        ..Options::default()
    };
    Ok(Entidb(Database::open(super::super::phase::backend(folder)?, options)?))
}

impl Engine for Entidb {
    fn write(&self, changes: &mut dyn Iterator<Item = Change>, level: Level) -> Result<(), Failure> {
        let mut transaction = self.0.begin_write()?;
        for change in changes {
            match change {
                Change::Put(key, value) => transaction.put(&zoned(&key).0, &value)?,
                Change::Delete(key) => transaction.delete(&zoned(&key).0)?,
            }
        }
        transaction.commit_with(match level {
            Level::Durable => Durability::Durable,
            Level::Unflushed => Durability::None,
        })?;
        Ok(())
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<(), Failure>) -> Result<(), Failure> {
        body(&self.0.snapshot()?)
    }
}

impl Drop for Entidb {
    fn drop(&mut self) {
        if let Err(error) = self.0.close() {
            eprintln!("entidb could not close: {error}");
        }
    }
}

impl Reader for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<u8>, Failure> {
        let (key, len) = zoned(key);
        Ok(Snapshot::get(self, &key[..len])?.and_then(|value| value.first().copied()))
    }

    fn range(&self, from: &[u8], count: usize) -> Result<(usize, u64), Failure> {
        let (from, len) = zoned(from);
        let from = from[..len].to_vec();
        let range = KeyRange { start: std::ops::Bound::Included(from), end: std::ops::Bound::Unbounded };
        let mut iter = Snapshot::range(self, range, Direction::Forward)?;
        let (mut found, mut sum) = (0, 0);
        while found < count && iter.advance()? {
            found += 1;
            sum += u64::from(iter.key()[1]) + u64::from(iter.value()[0]);
        }
        Ok((found, sum))
    }
}
