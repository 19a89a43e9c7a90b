//! Our engine, with its defaults but for a transaction large enough for the bulk load.

use std::path::Path;

use entidb_engine::{
    Compression, Direction, Durability, Engine as Database, KeyRange, KeySource, Options, Snapshot, ZonePolicies,
    ZonePolicy,
};

use super::{Change, Engine, Failure, Level, Reader};

pub(super) struct Entidb(Database);

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
                Change::Put(key, value) => transaction.put(&key, &value)?,
                Change::Delete(key) => transaction.delete(&key)?,
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
        Ok(Snapshot::get(self, key)?.and_then(|value| value.first().copied()))
    }

    fn range(&self, from: &[u8], count: usize) -> Result<(usize, u64), Failure> {
        let range = KeyRange { start: std::ops::Bound::Included(from.to_vec()), end: std::ops::Bound::Unbounded };
        let mut iter = Snapshot::range(self, range, Direction::Forward)?;
        let (mut found, mut sum) = (0, 0);
        while found < count && iter.advance()? {
            found += 1;
            sum += u64::from(iter.key()[0]) + u64::from(iter.value()[0]);
        }
        Ok((found, sum))
    }
}
