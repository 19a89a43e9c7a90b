//! What requests do: a function of the library each.
//!
//! Always: arguments are read in the order in which JavaScript writes them. Does not know: which thread it is on.

use std::sync::Arc;

use entidb_abi::{Collection, Cursor, Database, Error, Id, Key, Result, VerifyLevel, WriteMode, code, codec, modes};

use super::feed_wait::FeedWait;
use super::reply::Given;
use super::request::{Arguments, Job};
use crate::cursor::first;
use crate::table::count;

/// How a request is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It takes microseconds, so several are taken at once.
    Short,
    /// It may take long.
    Long,
    /// It stores a document, which it may do together with others.
    Put,
}

/// A request that can be made.
pub(crate) struct Operation {
    /// What JavaScript calls it.
    name: &'static str,
    /// How it is run.
    pub(crate) form: Form,
    /// Runs it.
    pub(crate) run: for<'a> fn(&'a Job, &mut Arguments<'a>) -> Result<Given>,
}

/// The operation of a number.
pub(crate) fn find(number: usize) -> Result<&'static Operation> {
    OPERATIONS.get(number).ok_or_else(|| Error::new(code::INTERNAL, "there is no such request; the package is damaged"))
}

/// The names of all, in the order of their numbers.
pub(crate) fn names() -> Vec<String> {
    OPERATIONS.iter().map(|operation| operation.name.to_owned()).collect()
}

fn done<T>(result: Result<T>) -> Result<Given> {
    result.map(|_| Given::Nothing)
}

fn flag(result: Result<bool>) -> Result<Given> {
    result.map(Given::Flag)
}

fn number(result: Result<u64>) -> Result<Given> {
    result.map(|number| Given::Number(count(number)))
}

fn bytes(result: Result<entidb_abi::Buffer>) -> Result<Given> {
    result.map(Given::Bytes)
}

fn text(result: Result<String>) -> Result<Given> {
    result.map(|text| Given::Made(text.into_bytes()))
}

fn key<'a>(arguments: &mut Arguments<'a>) -> Result<Key<'a>> {
    let bytes = arguments.bytes()?;
    Ok(if arguments.flag()? { Key::Password(bytes) } else { Key::Raw(bytes) })
}

fn opened(database: Database) -> Result<Given> {
    let config = codec::decode(&database.config()?)?;
    let timeout = config.get("lock_timeout_ms").and_then(codec::Value::as_u64);
    Ok(Given::Opened(Arc::new(database), timeout.unwrap_or(u64::MAX)))
}

/// The mode of a write, and the version it asks for.
fn mode(arguments: &mut Arguments<'_>) -> Result<WriteMode> {
    let mode = u32::try_from(arguments.number()?).unwrap_or(u32::MAX);
    Ok(match (mode, arguments.maybe_number()?) {
        (modes::WRITE_MODE_INSERT, _) => WriteMode::Insert,
        (modes::WRITE_MODE_REPLACE, None) => WriteMode::Replace,
        (modes::WRITE_MODE_REPLACE, Some(version)) => WriteMode::ReplaceVersion(version),
        _ => WriteMode::Put,
    })
}

/// The id of a put, where it has one, and its frame among many. None for one that nobody else may be with: it can be cancelled, or it is
/// an insert or a replace.
pub(crate) fn frame_of(job: &Job) -> Option<(Option<Id>, Vec<u8>)> {
    if job.control.is_some() {
        return None;
    }
    let mut arguments = job.arguments();
    let id = arguments.maybe_id().ok()?;
    let document = arguments.bytes().ok()?;
    if !matches!(mode(&mut arguments).ok()?, WriteMode::Put) {
        return None;
    }
    let len = u32::try_from(document.len()).ok()?;
    let mut frame = Vec::with_capacity(21 + document.len());
    frame.extend_from_slice(&len.to_le_bytes());
    frame.push(u8::from(id.is_some()));
    frame.extend_from_slice(id.map_or(&[], |id| &id[..]));
    frame.extend_from_slice(document);
    Some((id.copied(), frame))
}

/// Whether a failure of several puts is one of a single document, so that the others may be stored. Nothing was stored then. After
/// any other failure that is not known, or each of them would fail the same way.
pub(crate) fn is_of_one(failure: i32) -> bool {
    matches!(
        failure,
        code::UNIQUE_VIOLATION
            | code::TOO_LARGE
            | code::DOCUMENT_TOO_LARGE
            | code::INVALID_ARGUMENT
            | code::TRUNCATED
            | code::NOT_CANONICAL
            | code::TOO_DEEP
            | code::DUPLICATE_KEY
            | code::INVALID_UTF8
            | code::TRAILING_BYTES
            | code::UNSUPPORTED_ITEM
            | code::INVALID_TAG_CONTENT
            | code::INVALID_KEY
            | code::NUMBER_OUT_OF_RANGE
            | code::WRONG_TYPE
            | code::MALFORMED
            | code::UNREPRESENTABLE
    )
}

fn get(collection: &Collection, id: &Id) -> Result<Given> {
    let Some(entity) = collection.get(id)? else { return Ok(Given::Nothing) };
    let document = entity.bytes();
    let mut bytes = Vec::with_capacity(8 + document.len());
    bytes.extend_from_slice(&entity.version().to_le_bytes());
    bytes.extend_from_slice(document);
    Ok(Given::Made(bytes))
}

fn get_as_of(collection: &Collection, id: &Id, sequence: u64) -> Result<Given> {
    let Some(entity) = collection.get_as_of(id, sequence)? else { return Ok(Given::Nothing) };
    let document = entity.bytes();
    Ok(Given::Made([&entity.version().to_le_bytes()[..], document].concat()))
}

/// The first batch of a cursor.
fn begin(cursor: Cursor, arguments: &mut Arguments<'_>) -> Result<Given> {
    let (count_max, bytes_max, is_kept) = (arguments.count()?, arguments.count()?, arguments.flag()?);
    let (cursor, parts) = first(cursor, count_max, bytes_max, is_kept)?;
    Ok(Given::Batch(cursor.map(Arc::new), parts))
}

fn changes(job: &Job) -> Result<Given> {
    let mut arguments = job.arguments();
    let (since, before) = (arguments.maybe_text()?, arguments.flag()?);
    let feed = job.database()?.changes(since)?;
    if before {
        feed.give_before()?;
    }
    let wait = Arc::<FeedWait>::default();
    let waker = Arc::clone(&wait);
    feed.set_waker(Some(Box::new(move || waker.wake())))?;
    let position = feed.position()?;
    Ok(Given::Feed(Arc::new(feed), wait, position))
}

fn feed_next(job: &Job) -> Result<Given> {
    let waits = job.arguments().flag()?;
    match job.feed()?.next_batch(0)? {
        Some(batch) => Ok(Given::Made(batch.as_bytes().to_vec())),
        None => Ok(if waits { Given::Later } else { Given::Nothing }),
    }
}

fn begin_write(job: &Job) -> Result<Given> {
    // What it waited behind others counts.
    let left = job.arguments().maybe_number()?.map(|timeout| timeout.saturating_sub(job.waited_ms()));
    let transaction = job.database()?.begin_write(left)?;
    // Its calls come from another thread than this, which waits for the next one.
    transaction.detach()?;
    let about = transaction.sequence()?.to_le_bytes().to_vec();
    Ok(Given::Begun(Arc::new(transaction), about))
}

fn begin_read(job: &Job) -> Result<Given> {
    let database = job.database()?;
    let transaction = match job.arguments().maybe_number()? {
        None => database.begin_read()?,
        Some(sequence) => database.begin_read_at(sequence)?,
    };
    let mut about = transaction.sequence()?.to_le_bytes().to_vec();
    // Where there is none, JavaScript asks and is told why.
    about.extend_from_slice(transaction.position().unwrap_or_default().as_bytes());
    Ok(Given::Begun(Arc::new(transaction), about))
}

fn next_batch(job: &Job) -> Result<Given> {
    let mut arguments = job.arguments();
    let batch = job.cursor()?.next_batch(arguments.count()?, arguments.count()?)?;
    Ok(batch.map_or(Given::Nothing, |frames| Given::Bytes(frames.into_bytes())))
}

macro_rules! operations {
    ($($name:literal $form:ident |$job:ident, $arguments:ident| $run:expr;)*) => {
        /// All of them.
        static OPERATIONS: &[Operation] = &[$(Operation {
            name: $name,
            form: Form::$form,
            run: |$job, $arguments| $run,
        }),*];
    };
}

operations! {
    "open" Long |_job, a| match a.maybe_text()? {
        Some(path) => opened(Database::open(path, a.bytes()?)?),
        None => opened(Database::open_memory(a.bytes()?)?),
    };
    "validateBackup" Long |_job, a| bytes(Database::validate_backup(a.text()?, a.bytes()?));
    "restore" Long |_job, a| bytes(Database::restore(a.text()?, a.text()?, a.bytes()?));
    "restoreMemory" Long |_job, a| opened(Database::restore_memory(a.text()?, a.bytes()?)?);

    "databaseClose" Long |job, _a| done(job.database()?.close());
    "databaseCollections" Short |job, _a| bytes(job.database()?.collections());
    "databaseCreateCollection" Long |job, a| done(job.database()?.create_collection(a.text()?));
    "databaseRenameCollection" Long |job, a| done(job.database()?.rename_collection(a.text()?, a.text()?));
    "databaseDropCollection" Long |job, a| done(job.database()?.drop_collection(a.text()?));
    "databaseBeginWrite" Long |job, _a| begin_write(job);
    "databaseBeginRead" Long |job, _a| begin_read(job);
    "databaseChanges" Long |job, _a| changes(job);
    "databasePosition" Short |job, _a| text(job.database()?.position());
    "databaseTrimChanges" Long |job, a| done(job.database()?.trim_changes(a.number()?));
    "databaseWaitDurable" Long |job, a| done(job.database()?.wait_durable(a.number()?, a.number()?));
    "databaseCheckpoint" Long |job, _a| bytes(job.database()?.checkpoint());
    "databaseCompact" Long |job, _a| bytes(job.database()?.compact());
    "databaseVerify" Long |job, a| {
        let level = if a.flag()? { VerifyLevel::Full } else { VerifyLevel::Quick };
        bytes(job.database()?.verify(level))
    };
    "databaseBackup" Long |job, a| bytes(job.database()?.backup(a.text()?));
    "databaseKeys" Short |job, _a| bytes(job.database()?.keys());
    "databaseChangeKey" Long |job, a| done(job.database()?.change_key(key(a)?, key(a)?));
    "databaseAddKey" Long |job, a| done(job.database()?.add_key(key(a)?, key(a)?));
    "databaseRemoveKey" Long |job, a| done(job.database()?.remove_key(key(a)?));
    "databaseRotateKey" Long |job, _a| done(job.database()?.rotate_key());
    "databaseRekey" Long |job, _a| flag(job.database()?.rekey());
    "databaseStats" Short |job, _a| bytes(job.database()?.stats());

    "transactionCollections" Short |job, _a| bytes(job.transaction()?.collections());
    "transactionCreateCollection" Long |job, a| done(job.transaction()?.create_collection(a.text()?));
    "transactionRenameCollection" Long |job, a| done(job.transaction()?.rename_collection(a.text()?, a.text()?));
    "transactionDropCollection" Long |job, a| done(job.transaction()?.drop_collection(a.text()?));
    "transactionSavepoint" Short |job, _a| number(job.transaction()?.savepoint());
    "transactionRollbackTo" Long |job, a| done(job.transaction()?.rollback_to(a.number()?));
    "transactionCommit" Long |job, a| number(job.transaction()?.commit(u32::try_from(a.number()?).unwrap_or(u32::MAX)));
    "transactionAbort" Long |job, _a| done(job.transaction()?.abort());

    "collectionPut" Put |job, a| {
        let (id, document) = (a.maybe_id()?, a.bytes()?);
        job.collection()?.put(id, document, mode(a)?).map(|id| Given::Made(id.to_vec()))
    };
    "collectionUpdate" Long |job, a| done(job.collection()?.update(a.id()?, a.bytes()?));
    "collectionGet" Short |job, a| get(&*job.collection()?, a.id()?);
    "collectionGetAsOf" Short |job, a| get_as_of(&*job.collection()?, a.id()?, a.number()?);
    "collectionHistory" Long |job, a| {
        job.collection()?.history(a.id()?, a.number()?).map(|frames| Given::Bytes(frames.into_bytes()))
    };
    "collectionGetMany" Long |job, a| job.collection()?.get_many(&a.ids()?).map(|frames| Given::Bytes(frames.into_bytes()));
    "collectionExists" Short |job, a| flag(job.collection()?.exists(a.id()?));
    "collectionCount" Long |job, _a| number(job.collection()?.count());
    "collectionDelete" Long |job, a| flag(job.collection()?.delete(a.id()?, a.maybe_number()?));
    "collectionDeleteMany" Long |job, a| number(job.collection()?.delete_many(&a.ids()?));
    "collectionPutMany" Long |job, a| job.collection()?.put_many(a.bytes()?).map(|ids| Given::Made(ids.concat()));
    "collectionCreateIndex" Long |job, a| flag(job.collection()?.create_index(a.bytes()?));
    "collectionDropIndex" Long |job, a| done(job.collection()?.drop_index(a.text()?));
    "collectionIndexes" Short |job, _a| bytes(job.collection()?.indexes());
    "collectionStats" Long |job, _a| bytes(job.collection()?.stats());
    "collectionScan" Long |job, a| {
        begin(job.collection()?.scan(a.maybe_id()?, a.flag()?, a.maybe_number()?)?, a)
    };
    "collectionFind" Long |job, a| begin(job.collection()?.find(a.bytes()?)?, a);
    "collectionFindCount" Long |job, a| number(job.collection()?.find_count(a.bytes()?));
    "collectionFindDelete" Long |job, a| number(job.collection()?.find_delete(a.bytes()?));
    "collectionFindExplain" Long |job, a| bytes(job.collection()?.find_explain(a.bytes()?));
    "collectionInsertKey" Long |job, a| flag(job.collection()?.insert_key(a.text()?, a.bytes()?, a.id()?));
    "collectionRemoveKey" Long |job, a| flag(job.collection()?.remove_key(a.text()?, a.bytes()?, a.id()?));
    "collectionLookupKey" Long |job, a| job.collection()?.lookup_key(a.text()?, a.bytes()?).map(|ids| Given::Made(ids.concat()));
    "collectionScanKeys" Long |job, a| begin(job.collection()?.scan_keys(a.text()?, a.bytes()?)?, a);
    "collectionCountKeys" Long |job, a| number(job.collection()?.count_keys(a.text()?));

    "cursorNextBatch" Long |job, _a| next_batch(job);
    "feedNext" Long |job, _a| feed_next(job);
    "feedUnread" Long |job, _a| done(job.feed()?.unread());
}
