//! A tour: what EntiDB does, shown on a database made for it.
//!
//! Always: every step checks what it shows; a step that does not hold fails the tour. The folder is removed at the end.
//! Does not know: the layers below; it is written as a user would write it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use entidb_core::{
    Database, Durability, EntityId, Error, ErrorCode, IndexDefinition, Options, Sequence, Since, Value, VerifyLevel,
    desc, doc, field, patch,
};
use entidb_storage::{Clock, SystemClock};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::output::Output;

/// Commits the child acknowledges before it is killed.
const ACKNOWLEDGED_MIN: u64 = 200;

struct Tour<'a> {
    output: &'a Output,
    step: u32,
    steps: Vec<serde_json::Value>,
}

impl Tour<'_> {
    /// Runs a step, says what it showed and how long it took.
    fn step<T>(&mut self, title: &str, run: impl FnOnce() -> Result<(T, String)>) -> Result<T> {
        self.step += 1;
        let start = SystemClock.monotonic_nanos();
        let (value, shown) = run()?;
        let millis = (SystemClock.monotonic_nanos() - start) / 1_000_000;
        if self.output.is_json() {
            self.steps.push(json!({ "step": title, "shown": shown, "millis": millis }));
        } else {
            self.output.line(&format!("{:>2}. {title} ({millis} ms)\n    {shown}", self.step))?;
        }
        Ok(value)
    }
}

fn check(holds: bool, claim: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::System(format!("the tour found that this does not hold: {claim}"))) }
}

pub(super) fn run(entities: u64, keep: bool, output: &Output) -> Result<u8> {
    let folder = std::env::temp_dir().join(format!("entidb-tour-{}", std::process::id()));
    let mut tour = Tour { output, step: 0, steps: Vec::new() };
    let result = walk(&mut tour, entities, &folder);
    if keep {
        output.line(&format!("the folder is {}", folder.display()))?;
    } else {
        remove(&folder);
    }
    result?;
    let steps = std::mem::take(&mut tour.steps);
    output.result(|| "Everything shown was checked.".to_owned(), || json!({ "steps": steps }))?;
    Ok(0)
}

#[expect(clippy::disallowed_methods, reason = "the folder of the tour is its own")]
fn remove(folder: &Path) {
    // A folder left behind in the system's temporary place harms nobody.
    let _ = std::fs::remove_dir_all(folder);
}

#[expect(clippy::disallowed_methods, reason = "the folder of the tour is its own")]
fn walk(tour: &mut Tour<'_>, entities: u64, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::system("make a folder for the tour", &error))?;
    let path = folder.join("library.entidb");
    let db = tour.step("Open a database", || {
        let db = Database::open(&path)?;
        let shown = format!("created {}", path.display());
        Ok((db, shown))
    })?;
    let first = tour.step("Write entities, 1,000 in a transaction", || write(&db, entities))?;
    tour.step("Get entities by id", || gets(&db, first, entities))?;
    tour.step("Create indexes on existing entities", || {
        let books = db.collection("books")?;
        books.create_index(IndexDefinition::on(["isbn"])?.unique())?;
        books.create_index(IndexDefinition::on(["tags"])?.multi())?;
        books.create_index(IndexDefinition::on(["genre", "-year"])?)?;
        Ok(((), "isbn (unique), tags (one row per element), genre with year descending".to_owned()))
    })?;
    tour.step("Find by index, in order, a page at a time", || finds(&db))?;
    tour.step("A transaction that fails leaves nothing", || failing(&db))?;
    tour.step("Follow the changes", || feed(&db))?;
    tour.step("Close, and open again", || {
        let sequence = db.last_sequence();
        db.close()?;
        let again = Database::open(&path)?;
        check(again.last_sequence() == sequence && again.open_report().clean, "a closed database opens clean")?;
        again.close()?;
        Ok(((), "clean close: nothing to recover".to_owned()))
    })?;
    tour.step("Kill a writer while it writes, and recover", || kill(&path))?;
    tour.step("Back up, and open the copy", || backup(&path, folder))?;
    tour.step("Verify every block, entity and index row", || {
        let db = Database::open(&path)?;
        let report = db.verify(VerifyLevel::Full)?;
        check(report.is_ok(), "the database verifies")?;
        let shown = format!("{} entities and {} index rows agree", report.entities, report.index_rows);
        db.close()?;
        Ok(((), shown))
    })
}

const GENRES: [&str; 5] = ["essay", "novel", "poetry", "science", "travel"];

fn book(number: u64) -> Value {
    let genre = usize::try_from(number % 5).ok().and_then(|place| GENRES.get(place)).copied().unwrap_or("novel");
    doc! {
        "title": (format!("Book {number}")),
        "isbn": (format!("978-{number:010}")),
        "genre": (genre),
        "year": (1900 + i64::try_from(number % 125).unwrap_or(0)),
        "tags": [(format!("shelf-{}", number % 40)), (genre)],
        "price": (5.0 + f64::from(u32::try_from(number % 300).unwrap_or(0)) / 10.0),
    }
}

fn write(db: &Database, entities: u64) -> Result<(EntityId, String)> {
    let mut first = None;
    let mut number = 0;
    while number < entities {
        let until = (number + 1000).min(entities);
        let batch: Vec<Value> = (number..until).map(book).collect();
        let ids = db.collection("books")?.put_many(&batch)?;
        first = first.or(ids.first().copied());
        number = until;
    }
    check(db.collection("books")?.count()? == entities, "the count is exact")?;
    let first = first.ok_or_else(|| Failure::System("the tour wrote nothing".into()))?;
    Ok((first, format!("{entities} books, each commit on stable storage before it was acknowledged")))
}

fn gets(db: &Database, first: EntityId, entities: u64) -> Result<((), String)> {
    let books = db.collection("books")?;
    let one = books.get(first)?;
    check(
        one.is_some_and(|book| book.field("title").is_ok_and(|title| title == Some("Book 0".into()))),
        "a get finds it",
    )?;
    let ids: Vec<EntityId> = books.iter()?.map(|book| Ok(book?.id())).collect::<Result<_>>()?;
    check(ids.len() as u64 == entities, "iteration gives every entity once")?;
    let start = SystemClock.monotonic_nanos();
    for id in &ids {
        check(books.get(*id)?.is_some(), "every id is found")?;
    }
    let nanos = (SystemClock.monotonic_nanos() - start) / entities.max(1);
    Ok(((), format!("{entities} gets, {:.1} µs each", nanos as f64 / 1000.0)))
}

fn finds(db: &Database) -> Result<((), String)> {
    let books = db.collection("books")?;
    let query = || books.find(field("genre").eq("novel").and(field("year").ge(2000))).order_by(desc("year"));
    let explanation = query().explain()?;
    check(!explanation.scan && !explanation.sort, "the index serves filter and order")?;
    let page = query().page(10)?;
    let years: Vec<Option<Value>> = page.entities.iter().map(|book| Ok(book.field("year")?)).collect::<Result<_>>()?;
    check(years.len() == 10 && years.first() == Some(&Some(2021.into())), "the newest come first")?;
    let next = query().after(page.token.unwrap_or_default()).page(10)?;
    check(next.entities.len() == 10, "the next page begins after the last")?;
    let tagged = books.find(field("tags").eq("shelf-7")).count()?;
    check(tagged > 0 && books.find(field("isbn").eq("978-0000000042")).count()? == 1, "indexes find")?;
    Ok(((), format!("{explanation}; {tagged} books on shelf 7")))
}

fn failing(db: &Database) -> Result<((), String)> {
    let before = db.collection("books")?.count()?;
    let failed = db.transaction(|tx| {
        let books = tx.collection("books")?;
        books.put(&doc! { "title": "fine by itself", "isbn": "978-new" })?;
        books.put(&doc! { "title": "a duplicate", "isbn": "978-0000000042" })
    });
    let error = match failed {
        Err(error) if error.code() == ErrorCode::UniqueViolation => error,
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(Failure::System("the tour stored a duplicate".into())),
    };
    check(db.collection("books")?.count()? == before, "nothing of it stayed")?;
    Ok(((), error.message().to_owned()))
}

fn feed(db: &Database) -> Result<((), String)> {
    let mut feed = db.changes(Since::Now)?;
    let books = db.collection("books")?;
    let id = books.put(&doc! { "title": "Followed", "isbn": "978-feed" })?;
    books.update(id, &patch! { "title": "Followed, changed" })?;
    db.transaction(|tx| {
        let books = tx.collection("books")?;
        let draft = books.put(&doc! { "title": "A draft", "isbn": "978-draft" })?;
        books.delete(draft)?;
        books.delete(id).map(|_| ())
    })?;
    let mut kinds = Vec::new();
    while let Some(batch) = feed.next_batch(Duration::ZERO)? {
        kinds.extend(batch.changes.iter().map(|change| change.kind.name()));
    }
    check(kinds == ["insert", "update", "delete"], "the feed tells the difference that each commit made, in order")?;
    Ok(((), format!("three commits, in order: {}", kinds.join(", "))))
}

/// The child: commits one entity after the other and says each number once it is durable, until it is killed.
pub(super) fn write_until_killed(folder: &Path) -> Result<u8> {
    let db = Database::open_with(folder, Options { durability: Durability::Durable, ..Options::default() })?;
    let log = db.collection("log")?;
    let mut stdout = std::io::stdout();
    for number in 0_u64.. {
        log.put(&doc! { "number": (number) })?;
        let told = writeln!(stdout, "{number}").and_then(|()| stdout.flush());
        if told.is_err() {
            break;
        }
    }
    Ok(0)
}

fn kill(path: &Path) -> Result<((), String)> {
    let program = std::env::current_exe().map_err(|error| Failure::system("find this program", &error))?;
    let mut child = Command::new(program)
        .args([std::ffi::OsStr::new("tour"), "--child".as_ref(), path.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::system("start the writer", &error))?;
    let mut acknowledged = 0;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { break };
            acknowledged = line.parse::<u64>().map_or(acknowledged, |number| number + 1);
            if acknowledged == ACKNOWLEDGED_MIN {
                child.kill().map_err(|error| Failure::system("kill the writer", &error))?;
            }
        }
    }
    child.wait().map_err(|error| Failure::system("wait for the writer", &error))?;
    check(acknowledged >= ACKNOWLEDGED_MIN, "the writer wrote before it was killed")?;
    let db = Database::open(path)?;
    check(!db.open_report().clean, "the kill is noticed")?;
    let found = db.collection("log")?.count()?;
    let replayed = db.open_report().commits_replayed;
    db.close()?;
    // The one commit in flight may have become durable without being told.
    check(found == acknowledged || found == acknowledged + 1, "no acknowledged commit is lost and none is made up")?;
    Ok((
        (),
        format!("{acknowledged} commits were acknowledged, {found} are there; {replayed} were replayed from the log"),
    ))
}

fn backup(path: &Path, folder: &Path) -> Result<((), String)> {
    let copy: PathBuf = folder.join("copy.entidb");
    let db = Database::open(path)?;
    db.backup(&copy)?;
    let original: Vec<(String, u64)> = counts(&db)?;
    let opened = Database::open(&copy)?;
    check(counts(&opened)? == original, "the copy has every collection with as many entities")?;
    check(opened.last_sequence() >= Sequence(1), "the copy has its history")?;
    opened.close()?;
    db.close()?;
    Ok(((), format!("the copy opens and has {} entities", original.iter().map(|(_, count)| count).sum::<u64>())))
}

fn counts(db: &Database) -> std::result::Result<Vec<(String, u64)>, Error> {
    db.collections()?.into_iter().map(|name| db.collection(&name)?.count().map(|count| (name, count))).collect()
}
