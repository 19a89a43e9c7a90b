//! Persons in SQLite through rusqlite, bundled: a column for each field, the same indexes.

use std::path::Path;

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::person::{CITIES, Person, key};
use crate::{Engine, Failure};

/// What rows are found by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Sixteen bytes, as ids are in EntiDB; the rows lie under them.
    Blob,
    /// SQLite's own kind, the fastest it has.
    Integer,
}

pub(crate) struct Sqlite {
    connection: Connection,
    key: Key,
}

const COLUMNS: &str = "name, email, age, city, score, active, created, note";

pub(crate) fn open(path: &Path, key: Key) -> Result<Sqlite, Failure> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144; PRAGMA mmap_size=1073741824",
    )?;
    connection.set_prepared_statement_cache_capacity(32);
    let (id, kind) = match key {
        Key::Blob => ("BLOB", "WITHOUT ROWID"),
        Key::Integer => ("INTEGER", ""),
    };
    connection.execute_batch(&format!(
        "CREATE TABLE persons (id {id} PRIMARY KEY, name TEXT, email TEXT, age INTEGER, city TEXT, score REAL,
         active INTEGER, created INTEGER, note TEXT) {kind};
         CREATE INDEX by_city ON persons (city); CREATE INDEX by_created ON persons (created)"
    ))?;
    Ok(Sqlite { connection, key })
}

fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person {
        name: row.get(0)?,
        email: row.get(1)?,
        age: row.get(2)?,
        city: row.get(3)?,
        score: row.get(4)?,
        active: row.get(5)?,
        created: row.get(6)?,
        note: row.get(7)?,
    })
}

/// The key of a number, as the table has it.
fn bound(kind: Key, number: u64) -> Box<dyn ToSql> {
    match kind {
        Key::Blob => Box::new(key(number)),
        Key::Integer => Box::new(number as i64),
    }
}

impl Sqlite {
    fn list(&mut self, sql: &str, value: &dyn ToSql) -> Result<Vec<Person>, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_map([value], person)?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
}

impl Engine for Sqlite {
    fn put(&mut self, numbers: std::ops::Range<u64>) -> Result<(), Failure> {
        let transaction = self.connection.transaction()?;
        {
            let sql = format!("INSERT OR REPLACE INTO persons (id, {COLUMNS}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)");
            let mut put = transaction.prepare_cached(&sql)?;
            for number in numbers {
                let person = Person::new(number, CITIES);
                put.execute(params![
                    bound(self.key, number),
                    person.name,
                    person.email,
                    person.age,
                    person.city,
                    person.score,
                    person.active,
                    person.created,
                    person.note
                ])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn update(&mut self, numbers: &[u64]) -> Result<(), Failure> {
        let transaction = self.connection.transaction()?;
        {
            let mut update = transaction.prepare_cached("UPDATE persons SET age = ?2 WHERE id = ?1")?;
            for number in numbers {
                update.execute(params![bound(self.key, *number), (*number % 90) as i64])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn get(&mut self, number: u64) -> Result<Option<Person>, Failure> {
        let sql = "SELECT name, email, age, city, score, active, created, note FROM persons WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(match self.key {
            Key::Blob => statement.query_row([key(number)], person).optional()?,
            Key::Integer => statement.query_row([number as i64], person).optional()?,
        })
    }

    fn of_city(&mut self, city: &str) -> Result<Vec<Person>, Failure> {
        let sql = "SELECT name, email, age, city, score, active, created, note FROM persons WHERE city = ?1";
        self.list(sql, &city)
    }

    fn newest(&mut self, before: i64) -> Result<Vec<Person>, Failure> {
        let sql = "SELECT name, email, age, city, score, active, created, note FROM persons
                   WHERE created < ?1 ORDER BY created DESC LIMIT 20";
        self.list(sql, &before)
    }

    fn count_city(&mut self, city: &str) -> Result<u64, Failure> {
        let mut statement = self.connection.prepare_cached("SELECT count(*) FROM persons WHERE city = ?1")?;
        Ok(statement.query_row([city], |row| row.get::<_, i64>(0))? as u64)
    }

    fn scan(&mut self) -> Result<u64, Failure> {
        let sql = "SELECT name, email, age, city, score, active, created, note FROM persons";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut ages = 0;
        while let Some(row) = rows.next()? {
            ages += u64::from(person(row)?.age);
        }
        Ok(ages)
    }

    fn settle(&mut self) -> Result<(), Failure> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }
}
