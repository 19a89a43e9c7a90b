//! redb.

use std::path::Path;

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::{Change, Engine, Failure, Level, Reader};

const PAIRS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("pairs");

pub(super) struct Redb(Database);

pub(super) fn open(folder: &Path) -> Result<Redb, Failure> {
    let database = Database::builder().set_cache_size(4 << 30).create(folder.join("redb"))?;
    let transaction = database.begin_write()?;
    transaction.open_table(PAIRS)?;
    transaction.commit()?;
    Ok(Redb(database))
}

impl Engine for Redb {
    fn write(&self, changes: &mut dyn Iterator<Item = Change>, level: Level) -> Result<(), Failure> {
        let mut transaction = self.0.begin_write()?;
        let durability = if level == Level::Durable { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability)?;
        {
            let mut table = transaction.open_table(PAIRS)?;
            for change in changes {
                match change {
                    Change::Put(key, value) => drop(table.insert(&key[..], &value[..])?),
                    Change::Delete(key) => drop(table.remove(&key[..])?),
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<(), Failure>) -> Result<(), Failure> {
        body(&self.0.begin_read()?.open_table(PAIRS)?)
    }
}

impl Reader for ReadOnlyTable<&'static [u8], &'static [u8]> {
    fn get(&self, key: &[u8]) -> Result<Option<u8>, Failure> {
        Ok(ReadOnlyTable::get(self, key)?.and_then(|value| value.value().first().copied()))
    }

    fn range(&self, from: &[u8], count: usize) -> Result<(usize, u64), Failure> {
        let (mut found, mut sum) = (0, 0);
        for pair in ReadOnlyTable::range::<&[u8]>(self, from..)?.take(count) {
            let (key, value) = pair?;
            found += 1;
            sum += u64::from(key.value()[0]) + u64::from(value.value()[0]);
        }
        Ok((found, sum))
    }
}
