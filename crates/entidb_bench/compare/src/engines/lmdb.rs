//! LMDB through heed.

use std::path::Path;

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, RoTxn, WithoutTls};

use super::{Change, Engine, Failure, Level, Reader};

pub(super) struct Lmdb {
    env: Env<WithoutTls>,
    pairs: Database<Bytes, Bytes>,
}

pub(super) fn open(folder: &Path) -> Result<Lmdb, Failure> {
    // SAFETY: the folder is ours alone while this program runs, as LMDB's map requires.
    let env = unsafe { EnvOpenOptions::new().read_txn_without_tls().map_size(64 << 30).open(folder)? };
    let mut transaction = env.write_txn()?;
    let pairs = env.create_database(&mut transaction, None)?;
    transaction.commit()?;
    Ok(Lmdb { env, pairs })
}

impl Engine for Lmdb {
    fn write(&self, changes: &mut dyn Iterator<Item = Change>, level: Level) -> Result<(), Failure> {
        let mut transaction = self.env.write_txn()?;
        let mode = if level == Level::Durable { FlagSetMode::Disable } else { FlagSetMode::Enable };
        // SAFETY: set while the only writer is in its transaction; nobody else writes at another level meanwhile.
        unsafe { self.env.set_flags(EnvFlags::NO_SYNC, mode)? };
        for change in changes {
            match change {
                Change::Put(key, value) => self.pairs.put(&mut transaction, &key, &value)?,
                Change::Delete(key) => drop(self.pairs.delete(&mut transaction, &key)?),
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<(), Failure>) -> Result<(), Failure> {
        let transaction = self.env.read_txn()?;
        body(&(self, transaction))
    }
}

impl Drop for Lmdb {
    fn drop(&mut self) {
        self.env.clone().prepare_for_closing();
    }
}

impl Reader for (&Lmdb, RoTxn<'_, WithoutTls>) {
    fn get(&self, key: &[u8]) -> Result<Option<u8>, Failure> {
        Ok(self.0.pairs.get(&self.1, key)?.and_then(|value| value.first().copied()))
    }

    fn range(&self, from: &[u8], count: usize) -> Result<(usize, u64), Failure> {
        let range = (std::ops::Bound::Included(from), std::ops::Bound::Unbounded);
        let (mut found, mut sum) = (0, 0);
        for pair in self.0.pairs.range(&self.1, &range)?.take(count) {
            let (key, value) = pair?;
            found += 1;
            sum += u64::from(key[0]) + u64::from(value[0]);
        }
        Ok((found, sum))
    }
}
