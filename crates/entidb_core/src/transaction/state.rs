//! The changes of one write transaction: entities, their index rows, counts and the feed, kept in step.
//!
//! Always: a refused change leaves the transaction as it was. What commit adds of its own is part of the transaction's size
//! from the first change on, so that what was accepted can be committed. Does not know: who else holds the transaction, or
//! queries.

use std::sync::Arc;

use entidb_engine::{
    ChangeSize, Companion, Direction, Durability, Iter, Sequence, Value, WriteSnapshot, WriteTransaction, interrupt,
};

use super::Savepoint;
use super::catalog_edit::{CatalogEdit, CatalogPlace};
use super::journal::Journal;
use crate::catalog::{Catalog, CollectionRecord, IndexRecord};
use crate::change_feed::{
    ChangeKind, CommitNote, FeedMark, Pending, PendingPlace, Retention, Session, trim_unrecorded, write_changes,
};
use crate::collection::Target;
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, IndexId, Ordinal};
use crate::index::memory::{CommittedRows, staged};
use crate::index::{self, Changes, Told};
use crate::keyspace;

/// What a savepoint must bring back.
struct Mark {
    savepoint: Savepoint,
    engine: entidb_engine::Savepoint,
    catalog: CatalogPlace,
    pending: PendingPlace,
    doomed: Option<Error>,
}

/// An open write transaction.
pub(crate) struct State {
    engine: entidb_engine::WriteTransaction,
    shared_limits: Limits,
    catalog: CatalogEdit,
    /// What the feed will be told.
    pub(super) pending: Pending,
    /// Something was changed that the feed does not keep.
    unrecorded: bool,
    /// Something was deleted, and something was written. What is taken back still counts.
    deletes: bool,
    writes: bool,
    /// By the number of a collection or an index.
    counts: Journal<u32, i64>,
    ordinals: Journal<CollectionId, u64>,
    /// Indexes that keep something in memory and lost all rows at once.
    emptied: Journal<IndexId, ()>,
    /// Never goes back, so that a handle of what was taken back cannot mean something else.
    next_number: Option<u32>,
    /// Memory for what a change does to indexes; empty while one is under way.
    pub(super) row_changes: index::Changes,
    /// And for the stored form of a document.
    pub(super) stored: Vec<u8>,
    marks: Vec<Mark>,
    savepoints_made: u64,
    /// Set when a change was half written: the transaction can then only be aborted.
    doomed: Option<Error>,
    /// A call ended in a panic: nothing is known of what is here.
    panicked: bool,
}

/// What a savepoint keeps beside the engine's: a mark, and three small maps with the counts, ordinals and records it changes.
const MARK_BYTES: u64 = 640;

/// The limits a transaction checks, and whether its errors may show unique keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) entity_bytes_max: u64,
    pub(crate) retention: Retention,
    pub(crate) show_unique_keys: bool,
}

/// Keys and values that commit adds for a collection whose entities changed: its count and its next ordinal.
const OWED_CHANGES: u64 = 2;
const OWED_BYTES: u64 = 28;
/// And once for all: the version of the catalog, the removal of old changes from the feed, and the id of the session with the
/// removal of old ones.
const OWED_ONCE_CHANGES: u64 = 5;
const OWED_ONCE_BYTES: u64 = 112;

impl State {
    pub(crate) fn new(engine: entidb_engine::WriteTransaction, catalog: Arc<Catalog>, limits: Limits) -> Self {
        Self {
            engine,
            shared_limits: limits,
            catalog: CatalogEdit::new(catalog),
            pending: Pending::default(),
            unrecorded: false,
            deletes: false,
            writes: false,
            counts: Journal::default(),
            ordinals: Journal::default(),
            emptied: Journal::default(),
            next_number: None,
            row_changes: index::Changes::default(),
            stored: Vec::new(),
            marks: Vec::new(),
            savepoints_made: 0,
            doomed: None,
            panicked: false,
        }
    }

    pub(super) fn note_panic(&mut self) {
        self.panicked = true;
    }

    /// Refuses a transaction in which a call ended in a panic.
    pub(super) fn check_no_panic(&self) -> Result<()> {
        if self.panicked {
            let problem =
                "a defect stopped an earlier call of this transaction; abort it, and report the message of that call";
            return Err(Error::new(ErrorCode::Panic, problem));
        }
        Ok(())
    }

    /// What is here now, to be read while changes go on.
    pub(crate) fn snapshot(&self) -> WriteSnapshot {
        self.engine.snapshot()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        Ok(self.engine.get(key)?)
    }

    pub(crate) fn range(&self, start: &[u8], end: &[u8], direction: Direction) -> Result<Iter> {
        Ok(self.engine.range(start..end, direction)?)
    }

    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        self.catalog.now()
    }

    pub(super) fn limits(&self) -> Limits {
        self.shared_limits
    }

    pub(crate) fn base_sequence(&self) -> Sequence {
        self.engine.sequence()
    }

    pub(crate) fn next_sequence(&self) -> Sequence {
        self.engine.next_sequence()
    }

    pub(crate) fn entity_count(&self, collection: CollectionId) -> Result<i64> {
        self.count_of(collection.0)
    }

    /// What is counted under the number of a collection or an index.
    pub(crate) fn count_of(&self, number: u32) -> Result<i64> {
        let pending = self.counts.get(number).unwrap_or(0);
        Ok(self.engine.counter(&keyspace::count(number))?.saturating_add(pending))
    }

    /// How many entities a collection has without the changes of this transaction.
    pub(super) fn committed_count(&self, collection: CollectionId) -> Result<i64> {
        Ok(self.engine.counter(&keyspace::count(collection.0))?)
    }

    /// The collection a handle means; none when there is none yet.
    pub(crate) fn resolve(&self, target: &Target<'_>) -> Result<Option<Arc<CollectionRecord>>> {
        let Some(id) = target.id else { return Ok(self.catalog().by_name(target.name).cloned()) };
        match self.catalog().by_id(id) {
            Some(record) => Ok(Some(Arc::clone(record))),
            None if target.is_committed || self.catalog.was_dropped(id) => Err(target.dropped()),
            // It was made in this transaction and taken back: it never was.
            None => Ok(self.catalog().by_name(target.name).cloned()),
        }
    }

    pub(super) fn engine(&mut self) -> &mut entidb_engine::WriteTransaction {
        &mut self.engine
    }

    pub(super) fn put_in_catalog(&mut self, record: CollectionRecord) {
        self.catalog.put(record);
    }

    pub(super) fn drop_from_catalog(&mut self, id: CollectionId) {
        self.catalog.drop(id);
    }

    /// Something was written that the feed is not told of.
    pub(super) fn note_write(&mut self) {
        self.writes = true;
    }

    pub(super) fn keeps_feed(&self) -> bool {
        self.shared_limits.retention.commits_max > 0
    }

    /// Notes a change for the feed. Of an entity it is found again in the transaction when that commits; what it was before is
    /// in the history already.
    pub(super) fn record(&mut self, kind: ChangeKind, collection: &CollectionRecord, payload: &[u8]) {
        match kind {
            ChangeKind::Delete | ChangeKind::CollectionDropped | ChangeKind::IndexDropped => self.deletes = true,
            _ => self.writes = true,
        }
        if !self.keeps_feed() {
            self.unrecorded = true;
        } else if kind.is_entity() {
            self.pending.note_entity(collection.storage, &collection.name);
        } else {
            self.pending.note_catalog(kind, (collection.id, collection.storage, &collection.name), payload);
        }
    }

    /// Notes changes of keys for the feed, which finds them again in the transaction when that commits.
    pub(super) fn note_keys(&mut self, collection: &CollectionRecord, changes: &Changes) {
        let told = changes.told();
        if told.keys == 0 {
            return;
        }
        if self.keeps_feed() {
            self.pending.note_keys(collection, told);
        } else {
            self.unrecorded = true;
        }
    }

    /// Whether the entities of a collection were there before the transaction, and must stay as history when they go at once.
    pub(super) fn keeps_storage(&self, record: &CollectionRecord) -> bool {
        self.keeps_feed() && self.catalog.base().by_id(record.id).is_some_and(|base| base.storage == record.storage)
    }

    /// Refuses changes that would not fit the transaction together with what commit adds, one more entity in the feed among it.
    /// What is not refused can be written and committed.
    pub(super) fn check_room(&mut self, changes: ChangeSize) -> Result<()> {
        self.check_room_and_owed(changes, 0, Told::default())
    }

    /// As [`check_room`](Self::check_room), for changes that these of indexes belong to.
    pub(super) fn check_room_for(&mut self, changes: ChangeSize, of_indexes: &Changes) -> Result<()> {
        self.check_room_and_owed(changes, of_indexes.counts().len(), of_indexes.told())
    }

    fn check_room_and_owed(&mut self, changes: ChangeSize, counts: usize, told: Told) -> Result<()> {
        let collections = (self.counts.len().max(self.ordinals.len()) + counts) as u64 + 1;
        let mut owed = ChangeSize {
            changes: OWED_ONCE_CHANGES + collections * OWED_CHANGES,
            key_bytes: OWED_ONCE_BYTES + collections * OWED_BYTES,
            value_bytes: 0,
        };
        if self.keeps_feed() {
            let feed = self.pending.owed(told);
            owed.changes += feed.changes;
            owed.key_bytes += feed.key_bytes;
            owed.value_bytes += feed.value_bytes;
        }
        Ok(self.engine.check_room(changes, owed)?)
    }

    /// The next number for a collection or an index.
    pub(super) fn take_number(&mut self) -> Result<u32> {
        let number = match self.next_number {
            Some(number) => number,
            None => match self.engine.get(&keyspace::next_number())? {
                Some(bytes) => read_u32(&bytes)?,
                None => 1,
            },
        };
        let next = number.checked_add(1).ok_or_else(|| {
            Error::new(
                ErrorCode::LimitReached,
                "every number for collections and indexes is used; export into a new database",
            )
        })?;
        self.engine.put(&keyspace::next_number(), &next.to_be_bytes())?;
        self.next_number = Some(next);
        Ok(number)
    }

    /// Forgets the count and ordinals of a dropped collection.
    pub(super) fn forget_collection(&mut self, collection: CollectionId) -> Result<()> {
        self.ordinals.set(collection, None);
        self.forget_count(collection.0)?;
        Ok(self.engine.delete(&keyspace::next_ordinal(collection))?)
    }

    /// Forgets what was counted under the number of a dropped collection or index.
    pub(super) fn forget_count(&mut self, number: u32) -> Result<()> {
        self.counts.set(number, None);
        Ok(self.engine.delete(&keyspace::count(number))?)
    }

    /// The ordinal the next entity of a collection gets.
    pub(super) fn next_ordinal(&self, collection: CollectionId) -> Result<Ordinal> {
        if let Some(next) = self.ordinals.get(collection) {
            return Ok(Ordinal(next));
        }
        match self.engine.get(&keyspace::next_ordinal(collection))? {
            Some(bytes) => keyspace::trailing_u64(&bytes).map(Ordinal).ok_or_else(|| Error::corrupt("a next ordinal")),
            None => Ok(Ordinal(1)),
        }
    }

    /// Counts an entity that came with this ordinal.
    pub(super) fn count_new(&mut self, collection: CollectionId, ordinal: Ordinal) {
        self.ordinals.set(collection, Some(ordinal.0.saturating_add(1)));
        self.count(collection.0, 1);
    }

    /// Counts what came under the number of a collection or an index or, below zero, went.
    pub(super) fn count(&mut self, number: u32, delta: i64) {
        let count = self.counts.get(number).unwrap_or(0).saturating_add(delta);
        self.counts.set(number, Some(count));
    }

    /// Writes the first key of several that belong together. Where that fails nothing was written.
    pub(super) fn put_first(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.engine.put(key, value)?)
    }

    /// As [`put_first`](Self::put_first), with a row of the history before it.
    pub(super) fn put_first_two(&mut self, history: (&[u8], &[u8]), first: (&[u8], &[u8])) -> Result<()> {
        self.put_history(history.0, history.1)?;
        let result = self.put_first(first.0, first.1);
        if result.is_err() {
            // It would speak of a change that was not made.
            let taken_back = self.engine.delete(history.0).map_err(Error::from);
            self.doom(taken_back)?;
        }
        result
    }

    /// Writes a row of the history. Where that fails nothing was written.
    pub(super) fn put_history(&mut self, key: &[u8], stored: &[u8]) -> Result<()> {
        self.put_first(key, stored)?;
        self.pending.note_before((key.len() + stored.len()) as u64);
        Ok(())
    }

    /// Writes several keys that belong together and were checked to fit. Where that fails in spite of it, for want of memory,
    /// what was written must never be committed.
    pub(super) fn all_or_doom(
        &mut self,
        write: impl FnOnce(&mut entidb_engine::WriteTransaction) -> Result<()>,
    ) -> Result<()> {
        let result = write(&mut self.engine);
        self.doom(result)
    }

    fn doom<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.doomed.get_or_insert_with(|| error.clone());
        }
        result
    }

    /// A place to go back to. Refused when there is no room for it, or none would be left for what commit adds.
    pub(crate) fn savepoint(&mut self) -> Result<Savepoint> {
        let engine = self.engine.savepoint_with(MARK_BYTES)?;
        if let Err(error) = self.check_room(ChangeSize::default()) {
            self.engine.release(&engine)?;
            return Err(error);
        }
        self.savepoints_made += 1;
        let savepoint = Savepoint(self.savepoints_made);
        self.counts.mark();
        self.ordinals.mark();
        self.emptied.mark();
        self.marks.push(Mark {
            savepoint,
            engine,
            catalog: self.catalog.mark(),
            pending: self.pending.place(),
            doomed: self.doomed.clone(),
        });
        Ok(savepoint)
    }

    pub(crate) fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        let position = self.marks.iter().position(|mark| mark.savepoint == savepoint).ok_or_else(|| {
            Error::new(
                ErrorCode::SavepointNotFound,
                "the savepoint is not of this transaction, or was undone; take another",
            )
        })?;
        self.marks.truncate(position + 1);
        if let Some(mark) = self.marks.last() {
            self.engine.rollback_to(&mark.engine)?;
            self.catalog.go_back(position, mark.catalog);
            self.pending.go_back(mark.pending);
            self.counts.go_back(position);
            self.ordinals.go_back(position);
            self.emptied.go_back(position);
            // What was half written is undone with the rest.
            self.doomed.clone_from(&mark.doomed);
        }
        Ok(())
    }

    /// Forgets the savepoint at a position and later ones; what was changed since stays.
    fn release(&mut self, position: usize) -> Result<()> {
        if let Some(mark) = self.marks.get(position) {
            self.engine.release(&mark.engine)?;
            self.marks.truncate(position);
            self.catalog.release(position);
            self.counts.release(position);
            self.ordinals.release(position);
            self.emptied.release(position);
        }
        Ok(())
    }

    /// Runs several changes as one: when one is refused, or they are too much to be committed, none of them stays.
    pub(crate) fn atomically<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let savepoint = self.savepoint()?;
        let result = run(self);
        self.settle(savepoint, result)
    }

    /// Ends what began with a savepoint: after an error it is undone, and the savepoint is given back with those after it.
    pub(crate) fn settle<T>(&mut self, savepoint: Savepoint, result: Result<T>) -> Result<T> {
        let result = result.and_then(|value| self.check_room(ChangeSize::default()).map(|()| value));
        if result.is_err() {
            self.rollback_to(savepoint)?;
        }
        if let Some(position) = self.marks.iter().position(|mark| mark.savepoint == savepoint) {
            // Given back, so that a long transaction does not remember how to undo all of itself.
            self.release(position)?;
        }
        result
    }

    pub(crate) fn commit(mut self, shared: &Shared, durability: Option<Durability>) -> Result<Sequence> {
        self.check_no_panic()?;
        // Dropped here, the transaction is aborted.
        interrupt::check()?;
        if let Some(error) = self.doomed.take() {
            self.engine.abort();
            return Err(error);
        }
        let catalog_changed = self.catalog.is_changed();
        if self.engine.is_empty() && !catalog_changed {
            let sequence = self.engine.sequence();
            self.engine.abort();
            return Ok(sequence);
        }
        if self.writes {
            shared.check_size(self.engine.bytes())?;
        }
        // From here on nothing is taken back, and what commit adds need not be remembered.
        self.release(0)?;
        // The feed and the counts are written too, but on a full disk this is what makes room. What goes into the history
        // makes none, and gives way when there is no room for it.
        let frees = self.deletes && !self.writes;
        let gives_way = frees && self.pending.has_before();
        if frees && !gives_way {
            self.engine.frees_room();
        }
        let sequence = self.engine.next_sequence();
        let mark = self.write_feed(shared)?;
        for (number, delta) in std::mem::take(&mut self.counts).into_iter() {
            if delta != 0 {
                self.engine.add(&keyspace::count(number), delta)?;
            }
        }
        for (collection, next) in std::mem::take(&mut self.ordinals).into_iter() {
            self.engine.put(&keyspace::next_ordinal(collection), &next.to_be_bytes())?;
        }
        if catalog_changed {
            self.engine.put(&keyspace::catalog_version(), &sequence.0.to_be_bytes())?;
        }
        let session = shared.session()?;
        match self.shared_limits.retention {
            Retention { commits_max: 0, .. } if self.unrecorded => trim_unrecorded(&mut self.engine, sequence)?,
            Retention { commits_max: 0, .. } => {}
            retention => retention.trim(&mut self.engine, sequence, session.mark(), mark)?,
        }
        let (catalog, emptied) = (Arc::clone(self.catalog.now()), self.emptied);
        let beside = |tx: &WriteTransaction| Beside {
            shared,
            session,
            sequence,
            mark,
            before: session.mark(),
            staged: staged(&catalog, tx, |index| emptied.get(index).is_some()),
            catalog: catalog_changed.then_some(catalog),
        };
        let committed = session.commit_beside(self.engine, durability, beside, gives_way);
        // Visible, or refused: both are news to a reader that waits.
        shared.wakers().wake();
        let committed = committed?;
        if committed != sequence {
            return Err(Error::internal(format!("commit {committed} was promised sequence {sequence}")));
        }
        shared.watch().show(committed);
        Ok(committed)
    }

    /// An index loses all rows at once.
    pub(super) fn note_emptied(&mut self, index: &IndexRecord) {
        if index.memory().is_some() {
            self.emptied.set(index.id, Some(()));
        }
    }

    /// Tells the feed what changed, and says what it has come to.
    fn write_feed(&mut self, shared: &Shared) -> Result<FeedMark> {
        let before = shared.session()?.mark();
        if !self.keeps_feed() {
            return Ok(before);
        }
        let time_micros = shared.clock().wall_micros();
        let (base, now) = (self.catalog.base(), self.catalog.now());
        let note = CommitNote { base, now, time_micros, before };
        Ok(write_changes(&mut self.engine, &self.pending, &note)?.unwrap_or(before))
    }

    pub(crate) fn abort(self) {
        self.engine.abort();
    }
}

/// What this process knows of a commit beside its keys: it changes with the commit, or not at all.
struct Beside<'a> {
    shared: &'a Shared,
    session: &'a Session,
    sequence: Sequence,
    /// What the feed comes to with the commit, and what it had come to.
    mark: FeedMark,
    before: FeedMark,
    /// The catalog, where the commit changes it.
    catalog: Option<Arc<Catalog>>,
    /// What indexes learn of the commit.
    staged: Vec<CommittedRows>,
}

impl Companion for Beside<'_> {
    fn prepare(&mut self, sequence: Sequence) {
        self.sequence = sequence;
        if let Some(catalog) = &self.catalog {
            self.shared.catalogs().push(sequence, Arc::clone(catalog));
        }
        // Before the lock is given back, which is before the commit waits for the disk: the next one goes on from there.
        self.before = self.session.set_mark(self.mark);
        self.shared.watch().stage(std::mem::take(&mut self.staged));
    }

    fn withdraw(&mut self) {
        if self.catalog.is_some() {
            self.shared.catalogs().retract(self.sequence);
        }
        self.session.set_mark(self.before);
        self.shared.watch().withdraw(self.sequence);
    }
}

fn read_u32(bytes: &[u8]) -> Result<u32> {
    <[u8; 4]>::try_from(bytes).map(u32::from_be_bytes).map_err(|_| Error::corrupt("the next number"))
}
