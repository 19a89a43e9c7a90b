//! SQLite through rusqlite, bundled.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Change, Engine, Failure, Level, Reader};

/// One connection at a time for writing, as SQLite has it; each reader has its own.
pub(super) struct Sqlite {
    path: PathBuf,
    writer: Mutex<(Connection, Option<Level>)>,
}

pub(super) fn open(folder: &Path) -> Result<Sqlite, Failure> {
    let path = folder.join("sqlite");
    let writer = connect(&path)?;
    writer.execute_batch("CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")?;
    Ok(Sqlite { path, writer: Mutex::new((writer, None)) })
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA cache_size=-1000000; PRAGMA busy_timeout=60000")?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(connection)
}

impl Engine for Sqlite {
    fn write(&self, changes: &mut dyn Iterator<Item = Change>, level: Level) -> Result<(), Failure> {
        let mut guard = self.writer.lock().map_err(|_| "another thread failed while it wrote")?;
        let (connection, now) = &mut *guard;
        if *now != Some(level) {
            let synchronous = if level == Level::Durable { "FULL" } else { "OFF" };
            connection.execute_batch(&format!("PRAGMA synchronous={synchronous}"))?;
            *now = Some(level);
        }
        let transaction = connection.transaction()?;
        {
            let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO pairs VALUES (?1, ?2)")?;
            let mut delete = transaction.prepare_cached("DELETE FROM pairs WHERE key = ?1")?;
            for change in changes {
                match change {
                    Change::Put(key, value) => put.execute(params![&key[..], &value[..]])?,
                    Change::Delete(key) => delete.execute(params![&key[..]])?,
                };
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<(), Failure>) -> Result<(), Failure> {
        let connection = connect(&self.path)?;
        connection.execute_batch("BEGIN")?;
        body(&connection)
    }
}

impl Reader for Connection {
    fn get(&self, key: &[u8]) -> Result<Option<u8>, Failure> {
        let mut statement = self.prepare_cached("SELECT value FROM pairs WHERE key = ?1")?;
        let first =
            statement.query_row(params![key], |row| Ok(row.get_ref(0)?.as_blob()?.first().copied())).optional()?;
        Ok(first.flatten())
    }

    fn range(&self, from: &[u8], count: usize) -> Result<(usize, u64), Failure> {
        let mut statement =
            self.prepare_cached("SELECT key, value FROM pairs WHERE key >= ?1 ORDER BY key LIMIT ?2")?;
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![from, limit])?;
        let (mut found, mut sum) = (0, 0);
        while let Some(row) = rows.next()? {
            found += 1;
            sum += u64::from(row.get_ref(0)?.as_blob()?[0]) + u64::from(row.get_ref(1)?.as_blob()?[0]);
        }
        Ok((found, sum))
    }
}
