//! Writing and removing entities in an open write transaction, with their index rows, counts and changes of the feed.
//!
//! Always: everything a change may be refused for, its size among it, is checked before anything of it is written.
//! Does not know: savepoints and commits (`state`).

use std::sync::Arc;

use entidb_engine::{ChangeSize, interrupt};

use super::State;
use crate::catalog::CollectionRecord;
use crate::change_feed::ChangeKind;
use crate::collection::Target;
use crate::collection::envelope::{Envelope, HEADER_BYTES};
use crate::error::{Error, ErrorCode, Result};
use crate::id::EntityId;
use crate::index::kind::Change;
use crate::index::{self, Changes};
use crate::keyspace;
use crate::options::Options;

/// Memory for the stored form of a document that is kept for the next one.
const STORED_KEPT_MAX: usize = 64 << 10;

/// When a write is allowed.
///
/// ```
/// use entidb_core::{doc, encode, Database, WriteMode};
/// let db = Database::open_memory()?;
/// let notes = db.collection("notes")?;
/// let id = notes.write(None, &encode(&doc! { "n": 1 }), WriteMode::Put)?;
/// notes.write(Some(id), &encode(&doc! { "n": 2 }), WriteMode::Replace)?;
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Always.
    Put,
    /// Only when there is no entity with the id.
    Insert,
    /// Only when there is one.
    Replace,
    /// Only when there is one of this version.
    ReplaceVersion(u64),
}

impl State {
    /// Writes a document under an id.
    pub(crate) fn write_entity(
        &mut self,
        target: &Target<'_>,
        id: EntityId,
        document: &[u8],
        mode: WriteMode,
    ) -> Result<()> {
        interrupt::check()?;
        let limit = self.limits().entity_bytes_max;
        if document.len() as u64 > limit {
            let remedy = if limit < Options::ENTITY_BYTES_MOST {
                "store less or raise the limit"
            } else {
                "which is the most there is; split the document"
            };
            let problem = format!("the document has {} bytes, entity_bytes_max is {limit}; {remedy}", document.len());
            return Err(Error::new(ErrorCode::TooLarge, problem).with_collection(target.name).with_id(id));
        }
        judge_document(document).map_err(|error| error.with_collection(target.name).with_id(id))?;
        match self.resolve(target)? {
            Some(record) => self.write_into(&record, id, document, mode),
            None if matches!(mode, WriteMode::Put | WriteMode::Insert) => self.atomically(|state| {
                let record = state.create_collection(target.name)?;
                state.write_into(&record, id, document, mode)
            }),
            None => Err(not_found(target.name, id)),
        }
    }

    fn write_into(
        &mut self,
        record: &Arc<CollectionRecord>,
        id: EntityId,
        document: &[u8],
        mode: WriteMode,
    ) -> Result<()> {
        let name = &record.name;
        let key = keyspace::entity(record.storage, &id);
        let old = self.get(&key)?;
        let before = old.as_deref().map(Envelope::decode).transpose()?;
        check_mode(name, id, mode, before.as_ref())?;
        let ordinal = match &before {
            Some(before) => before.ordinal,
            None => self.next_ordinal(record.id)?,
        };
        let old_document = before.as_ref().map(|before| before.document);
        let change = Change {
            storage: record.storage,
            id,
            ordinal,
            old: old_document,
            new: Some(document),
            is_building: false,
            shows_keys: self.limits().show_unique_keys,
        };
        let mut changes = std::mem::take(&mut self.row_changes);
        let planned = index::plan_changes(record, self.engine(), &change, &mut changes);
        let is_new = before.is_none();
        let ordinal_key = keyspace::ordinal(record.id, ordinal);
        let mut size = ChangeSize {
            changes: changes.keys() + 1,
            key_bytes: changes.bytes() + key.len() as u64,
            value_bytes: (HEADER_BYTES + document.len()) as u64,
        };
        if is_new {
            size.changes += 1;
            size.key_bytes += ordinal_key.len() as u64;
            size.value_bytes += id.as_bytes().len() as u64;
        }
        let version = self.next_sequence().0;
        let leaves = old.as_ref().filter(|_| self.leaves_history(before.as_ref()));
        let history_key = keyspace::history(record.storage, &id, self.next_sequence());
        if let Some(old) = leaves {
            size.changes += 1;
            size.key_bytes += history_key.len() as u64;
            size.value_bytes += old.len() as u64;
        }
        // All memory whose size follows the document is asked for before anything small is written.
        let mut stored = std::mem::take(&mut self.stored);
        let written = planned
            .and_then(|()| self.check_room_for(size, &changes))
            .and_then(|()| {
                Envelope::write(version, ordinal, document, &mut stored)?;
                match leaves {
                    Some(old) => self.put_first_two((&history_key, old), (&key, &stored)),
                    None => self.put_first(&key, &stored),
                }
            })
            .map_err(|error| error.with_collection(name).with_id(id));
        if stored.capacity() <= STORED_KEPT_MAX {
            self.stored = stored;
        }
        let done = written.and_then(|()| {
            self.all_or_doom(|engine| {
                if is_new {
                    engine.put(&ordinal_key, id.as_bytes())?;
                }
                changes.apply(engine, id)
            })
        });
        if done.is_ok() {
            self.count_rows(&changes);
        }
        self.row_changes = changes;
        done?;
        if is_new {
            self.count_new(record.id, ordinal);
        }
        let kind = if is_new { ChangeKind::Insert } else { ChangeKind::Update };
        self.record(kind, record, &[]);
        Ok(())
    }

    /// Whether what is there goes into the history when it is replaced or removed: it is of an earlier commit.
    fn leaves_history(&self, before: Option<&Envelope<'_>>) -> bool {
        self.keeps_feed() && before.is_some_and(|before| before.version != self.next_sequence().0)
    }

    /// Removes an entity. True when it was there.
    pub(crate) fn delete_entity(&mut self, target: &Target<'_>, id: EntityId, version: Option<u64>) -> Result<bool> {
        interrupt::check()?;
        let Some(record) = self.resolve(target)? else { return Ok(false) };
        let name = &record.name;
        let key = keyspace::entity(record.storage, &id);
        let Some(old) = self.get(&key)? else { return Ok(false) };
        let before = Envelope::decode(&old)?;
        if let Some(version) = version {
            check_mode(name, id, WriteMode::ReplaceVersion(version), Some(&before))?;
        }
        let change = Change {
            storage: record.storage,
            id,
            ordinal: before.ordinal,
            old: Some(before.document),
            new: None,
            is_building: false,
            shows_keys: self.limits().show_unique_keys,
        };
        let mut changes = std::mem::take(&mut self.row_changes);
        let planned = index::plan_changes(&record, self.engine(), &change, &mut changes);
        let ordinal_key = keyspace::ordinal(record.id, before.ordinal);
        let key_bytes = (key.len() + ordinal_key.len()) as u64 + changes.bytes();
        let mut size = ChangeSize { changes: 2 + changes.keys(), key_bytes, value_bytes: 0 };
        let leaves = self.leaves_history(Some(&before));
        let history_key = keyspace::history(record.storage, &id, self.next_sequence());
        if leaves {
            size.changes += 1;
            size.key_bytes += history_key.len() as u64;
            size.value_bytes += old.len() as u64;
        }
        let checked = planned
            .and_then(|()| self.check_room_for(size, &changes))
            .and_then(|()| if leaves { self.put_history(&history_key, &old) } else { Ok(()) })
            .map_err(|error| error.with_collection(name).with_id(id));
        if checked.is_ok() {
            self.all_or_doom(|engine| {
                engine.delete(&key)?;
                engine.delete(&ordinal_key)?;
                changes.apply(engine, id)
            })?;
            self.count_rows(&changes);
            self.note_keys(&record, &changes);
        }
        self.row_changes = changes;
        checked?;
        self.count(record.id.0, -1);
        self.record(ChangeKind::Delete, &record, &[]);
        Ok(true)
    }
}

impl State {
    /// Adds what a change that was written adds to the counts of indexes.
    pub(super) fn count_rows(&mut self, changes: &Changes) {
        for (index, delta) in changes.counts() {
            self.count(index.0, *delta);
        }
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
        (WriteMode::Replace | WriteMode::ReplaceVersion(_), None) => Err(not_found(name, id)),
        (WriteMode::ReplaceVersion(wanted), Some(before)) if before.version != wanted => {
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
