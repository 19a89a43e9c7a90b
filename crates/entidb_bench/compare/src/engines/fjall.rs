//! fjall, one keyspace.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};

use super::{Change, Engine, Failure, Level, Reader};

pub(super) struct Fjall {
    database: Database,
    pairs: Keyspace,
}

pub(super) fn open(folder: &Path) -> Result<Fjall, Failure> {
    let database = Database::builder(folder.join("fjall")).cache_size(2 << 30).open()?;
    let pairs = database.keyspace("pairs", KeyspaceCreateOptions::default)?;
    Ok(Fjall { database, pairs })
}

impl Engine for Fjall {
    fn write(&self, changes: &mut dyn Iterator<Item = Change>, level: Level) -> Result<(), Failure> {
        let mode = if level == Level::Durable { PersistMode::SyncAll } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        for change in changes {
            match change {
                Change::Put(key, value) => batch.insert(&self.pairs, key, value),
                Change::Delete(key) => batch.remove(&self.pairs, key),
            }
        }
        Ok(batch.commit()?)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<(), Failure>) -> Result<(), Failure> {
        body(&(self, self.database.snapshot()))
    }
}

impl Reader for (&Fjall, Snapshot) {
    fn get(&self, key: &[u8]) -> Result<Option<u8>, Failure> {
        Ok(self.1.get(&self.0.pairs, key)?.and_then(|value| value.first().copied()))
    }

    fn range(&self, from: &[u8], count: usize) -> Result<(usize, u64), Failure> {
        let (mut found, mut sum) = (0, 0);
        for pair in self.1.range(&self.0.pairs, from..).take(count) {
            let (key, value) = pair.into_inner()?;
            found += 1;
            sum += u64::from(key[0]) + u64::from(value[0]);
        }
        Ok((found, sum))
    }
}
