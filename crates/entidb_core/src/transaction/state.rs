//! The changes of one write transaction: entities, their index rows, counts and the feed, kept in step.
//!
//! Always: everything a change may be refused for is checked before anything of it is written, so a refused change leaves
//! the transaction as it was. Does not know: who else holds the transaction, or queries.

use std::collections::HashMap;
use std::sync::Arc;

use entidb_engine::{Direction, Durability, Iter, Sequence, Value, WriteSnapshot};

use super::Savepoint;
use crate::catalog::{Catalog, CollectionRecord};
use crate::change_feed::{ChangeBuffer, ChangeKind, trim_by_age, trim_unrecorded};
use crate::collection::envelope::Envelope;
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, EntityId, Ordinal};
use crate::index;
use crate::keyspace;

/// When a write is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteMode {
    /// Always.
    Put,
    /// Only when the entity is not there.
    Insert,
    /// Only when it is there.
    Replace,
    /// Only when it is there with this version.
    IfVersion(u64),
}

/// What a savepoint must bring back.
struct Mark {
    savepoint: Savepoint,
    engine: entidb_engine::Savepoint,
    catalog: Arc<Catalog>,
    changes: usize,
    counts: HashMap<CollectionId, i64>,
    /// Dropping a collection forgets its ordinals; the entities that come back still hold theirs.
    ordinals: HashMap<CollectionId, u64>,
    doomed: Option<Error>,
}

/// An open write transaction.
pub(crate) struct State {
    engine: entidb_engine::WriteTransaction,
    shared_limits: Limits,
    catalog: Arc<Catalog>,
    catalog_before: Arc<Catalog>,
    changes: ChangeBuffer,
    /// Something was changed that the feed does not keep.
    unrecorded: bool,
    counts: HashMap<CollectionId, i64>,
    ordinals: HashMap<CollectionId, u64>,
    next_number: Option<u32>,
    /// Memory for what a change does to indexes; empty while one is under way.
    row_changes: index::RowChanges,
    marks: Vec<Mark>,
    savepoints_made: u64,
    /// Set when a change was half written: the transaction can then only be aborted.
    doomed: Option<Error>,
}

/// The limits a transaction checks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) entity_bytes_max: u64,
    pub(crate) feed_commits_max: u64,
}

impl State {
    pub(crate) fn new(engine: entidb_engine::WriteTransaction, catalog: Arc<Catalog>, limits: Limits) -> Self {
        Self {
            engine,
            shared_limits: limits,
            catalog_before: Arc::clone(&catalog),
            catalog,
            changes: ChangeBuffer::default(),
            unrecorded: false,
            counts: HashMap::new(),
            ordinals: HashMap::new(),
            next_number: None,
            row_changes: index::RowChanges::default(),
            marks: Vec::new(),
            savepoints_made: 0,
            doomed: None,
        }
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
        &self.catalog
    }

    pub(crate) fn base_sequence(&self) -> Sequence {
        self.engine.sequence()
    }

    pub(crate) fn next_sequence(&self) -> Sequence {
        self.engine.next_sequence()
    }

    pub(crate) fn entity_count(&self, collection: CollectionId) -> Result<i64> {
        let pending = self.counts.get(&collection).copied().unwrap_or(0);
        Ok(self.engine.counter(&keyspace::entity_count(collection))?.saturating_add(pending))
    }

    pub(super) fn engine(&mut self) -> &mut entidb_engine::WriteTransaction {
        &mut self.engine
    }

    pub(super) fn set_catalog(&mut self, catalog: Catalog) {
        self.catalog = Arc::new(catalog);
    }

    pub(super) fn record(&mut self, kind: ChangeKind, collection: &CollectionRecord, id: EntityId, payload: Vec<u8>) {
        if self.shared_limits.feed_commits_max == 0 {
            self.unrecorded = true;
            return;
        }
        self.changes.push(kind, (collection.id, &collection.name), id, payload);
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
        self.counts.remove(&collection);
        self.ordinals.remove(&collection);
        self.engine.delete(&keyspace::entity_count(collection))?;
        Ok(self.engine.delete(&keyspace::next_ordinal(collection))?)
    }

    fn take_ordinal(&mut self, collection: CollectionId) -> Result<Ordinal> {
        let next = match self.ordinals.get(&collection) {
            Some(next) => *next,
            None => match self.engine.get(&keyspace::next_ordinal(collection))? {
                Some(bytes) => keyspace::trailing_u64(&bytes).ok_or_else(|| Error::corrupt("a next ordinal"))?,
                None => 1,
            },
        };
        self.ordinals.insert(collection, next.saturating_add(1));
        Ok(Ordinal(next))
    }

    /// Writes a document under an id. True when the entity was not there before.
    pub(crate) fn write_entity(&mut self, name: &str, id: EntityId, document: &[u8], mode: WriteMode) -> Result<bool> {
        let limit = self.shared_limits.entity_bytes_max;
        if document.len() as u64 > limit {
            let problem = format!(
                "the document has {} bytes, entity_bytes_max is {limit}; store less or raise the limit",
                document.len()
            );
            return Err(Error::new(ErrorCode::TooLarge, problem).with_collection(name).with_id(id));
        }
        judge_document(document).map_err(|error| error.with_collection(name).with_id(id))?;
        let record = match self.catalog.by_name(name) {
            Some(record) => Arc::clone(record),
            None if matches!(mode, WriteMode::Put | WriteMode::Insert) => {
                self.create_collection(name)?;
                self.catalog
                    .by_name(name)
                    .cloned()
                    .ok_or_else(|| Error::internal("a new collection is not in the catalog"))?
            }
            None => return Err(not_found(name, id)),
        };
        let key = keyspace::entity(record.id, &id);
        let old = self.engine.get(&key)?;
        let before = old.as_deref().map(Envelope::decode).transpose()?;
        check_mode(name, id, mode, before.as_ref())?;
        let ordinal = match &before {
            Some(before) => before.ordinal,
            None => self.take_ordinal(record.id)?,
        };
        let old_document = before.as_ref().map(|before| before.document);
        let mut changes = std::mem::take(&mut self.row_changes);
        index::plan_changes(&record, &self.engine, (id, ordinal), old_document, Some(document), &mut changes)
            .map_err(|error| error.with_collection(name))?;
        let version = self.engine.next_sequence().0;
        let is_new = before.is_none();
        self.all_or_doom(|engine| {
            engine.put(&key, &Envelope::encode(version, ordinal, document))?;
            if is_new {
                engine.put(&keyspace::ordinal(record.id, ordinal), id.as_bytes())?;
            }
            changes.apply(engine, id)
        })?;
        self.row_changes = changes;
        if is_new {
            *self.counts.entry(record.id).or_insert(0) += 1;
        }
        let kind = if is_new { ChangeKind::Insert } else { ChangeKind::Update };
        self.record(kind, &record, id, document.to_vec());
        Ok(is_new)
    }

    /// Removes an entity. True when it was there.
    pub(crate) fn delete_entity(&mut self, name: &str, id: EntityId, version: Option<u64>) -> Result<bool> {
        let Some(record) = self.catalog.by_name(name).cloned() else {
            return Ok(false);
        };
        let key = keyspace::entity(record.id, &id);
        let Some(old) = self.engine.get(&key)? else {
            return Ok(false);
        };
        let before = Envelope::decode(&old)?;
        if let Some(version) = version {
            check_mode(name, id, WriteMode::IfVersion(version), Some(&before))?;
        }
        let mut changes = std::mem::take(&mut self.row_changes);
        let entity = (id, before.ordinal);
        index::plan_changes(&record, &self.engine, entity, Some(before.document), None, &mut changes)
            .map_err(|error| error.with_collection(name))?;
        self.all_or_doom(|engine| {
            engine.delete(&key)?;
            engine.delete(&keyspace::ordinal(record.id, before.ordinal))?;
            changes.apply(engine, id)
        })?;
        self.row_changes = changes;
        *self.counts.entry(record.id).or_insert(0) -= 1;
        self.record(ChangeKind::Delete, &record, id, Vec::new());
        Ok(true)
    }

    /// Writes several keys that belong together. The engine refuses a write only when the transaction is over its limit;
    /// what was written before that must never be committed.
    fn all_or_doom(&mut self, write: impl FnOnce(&mut entidb_engine::WriteTransaction) -> Result<()>) -> Result<()> {
        let result = write(&mut self.engine);
        if let Err(error) = &result {
            self.doomed.get_or_insert_with(|| error.clone());
        }
        result
    }

    pub(crate) fn savepoint(&mut self) -> Savepoint {
        self.savepoints_made += 1;
        let savepoint = Savepoint(self.savepoints_made);
        self.marks.push(Mark {
            savepoint,
            engine: self.engine.savepoint(),
            catalog: Arc::clone(&self.catalog),
            changes: self.changes.len(),
            counts: self.counts.clone(),
            ordinals: self.ordinals.clone(),
            doomed: self.doomed.clone(),
        });
        savepoint
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
            self.catalog = Arc::clone(&mark.catalog);
            self.changes.truncate(mark.changes);
            self.counts.clone_from(&mark.counts);
            self.ordinals.clone_from(&mark.ordinals);
            // What was half written is undone with the rest.
            self.doomed.clone_from(&mark.doomed);
            // The number may have been taken back with the rest; the keyspace knows.
            self.next_number = None;
        }
        Ok(())
    }

    /// Runs several changes as one: when one is refused, none of them stays.
    pub(crate) fn atomically<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let savepoint = self.savepoint();
        let result = run(self);
        if result.is_err() {
            self.rollback_to(savepoint)?;
        }
        if let Some(position) = self.marks.iter().position(|mark| mark.savepoint == savepoint) {
            // Given back, so that a long transaction does not remember how to undo all of itself.
            let mark = self.marks.remove(position);
            self.engine.release(&mark.engine)?;
        }
        result
    }

    pub(crate) fn commit(mut self, shared: &Shared, durability: Option<Durability>) -> Result<Sequence> {
        if let Some(error) = self.doomed.take() {
            self.engine.abort();
            return Err(error);
        }
        let catalog_changed = !Arc::ptr_eq(&self.catalog, &self.catalog_before);
        if self.engine.is_empty() && !catalog_changed {
            let sequence = self.engine.sequence();
            self.engine.abort();
            return Ok(sequence);
        }
        let sequence = self.engine.next_sequence();
        for (collection, delta) in std::mem::take(&mut self.counts) {
            if delta != 0 {
                self.engine.add(&keyspace::entity_count(collection), delta)?;
            }
        }
        for (collection, next) in std::mem::take(&mut self.ordinals) {
            self.engine.put(&keyspace::next_ordinal(collection), &next.to_be_bytes())?;
        }
        for (part, bytes) in self.changes.parts()?.iter().enumerate() {
            let part = u32::try_from(part).map_err(|_| Error::internal("a commit has too many feed parts"))?;
            self.engine.put(&keyspace::feed(sequence, part), bytes)?;
        }
        match self.shared_limits.feed_commits_max {
            0 if self.unrecorded => trim_unrecorded(&mut self.engine, sequence)?,
            0 => {}
            commits_max => trim_by_age(&mut self.engine, sequence, commits_max)?,
        }
        if catalog_changed {
            self.engine.put(&keyspace::catalog_version(), &sequence.0.to_be_bytes())?;
            shared.catalogs().push(sequence, Arc::clone(&self.catalog));
        }
        let result = match durability {
            Some(durability) => self.engine.commit_with(durability),
            None => self.engine.commit(),
        };
        match result {
            Ok(committed) if committed == sequence => Ok(committed),
            Ok(committed) => Err(Error::internal(format!("commit {committed} was promised sequence {sequence}"))),
            Err(error) => {
                if catalog_changed {
                    shared.catalogs().retract(sequence);
                }
                Err(error.into())
            }
        }
    }

    pub(crate) fn abort(self) {
        self.engine.abort();
    }
}

/// A document is canonical CBOR and a map: so every language has something to give for it, and a field has a name.
fn judge_document(document: &[u8]) -> Result<()> {
    entidb_codec::validate(document)?;
    let found = match document.first().map(|byte| byte >> 5) {
        Some(5) => return Ok(()),
        Some(0 | 1) => "a number",
        Some(2) => "bytes",
        Some(3) => "text",
        Some(4) => "an array",
        _ => "another value",
    };
    let problem = format!("a document is a map of fields, and {found} was given; put it under a field");
    Err(Error::new(ErrorCode::WrongType, problem))
}

fn check_mode(name: &str, id: EntityId, mode: WriteMode, before: Option<&Envelope<'_>>) -> Result<()> {
    match (mode, before) {
        (WriteMode::Insert, Some(_)) => {
            let problem = format!("insert of {id}: an entity with this id is there already; use put or replace");
            Err(Error::new(ErrorCode::AlreadyExists, problem).with_collection(name).with_id(id))
        }
        (WriteMode::Replace | WriteMode::IfVersion(_), None) => Err(not_found(name, id)),
        (WriteMode::IfVersion(wanted), Some(before)) if before.version != wanted => {
            let problem = format!("{id} has version {}, not {wanted}; read it again and decide anew", before.version);
            Err(Error::new(ErrorCode::VersionMismatch, problem).with_collection(name).with_id(id))
        }
        _ => Ok(()),
    }
}

pub(crate) fn not_found(name: &str, id: EntityId) -> Error {
    let problem = format!("there is no entity {id} in the collection {name:?}; use put or insert to make it");
    Error::new(ErrorCode::EntityNotFound, problem).with_collection(name).with_id(id)
}

fn read_u32(bytes: &[u8]) -> Result<u32> {
    <[u8; 4]>::try_from(bytes).map(u32::from_be_bytes).map_err(|_| Error::corrupt("the next number"))
}
