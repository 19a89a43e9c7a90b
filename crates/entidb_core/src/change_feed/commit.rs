//! The commits of one snapshot, read change by change from a place on.
//!
//! Always: changes are counted, so a part that is missing is damage, and so are entities that a clear speaks of and that
//! are not there. Does not know: batches, or how long a reader waits.

use std::sync::Arc;

use entidb_codec::decode_ordered;
use entidb_engine::{Direction, Iter, Sequence, Value};

use super::change::{Change, ChangeKind};
use super::position::Position;
use super::record::{Entry, Header, Reader};
use super::session::{SessionId, Sessions};
use crate::collection::envelope::Envelope;
use crate::error::{Error, Result};
use crate::history::{document_after, stored_before};
use crate::id::{EntityId, StorageId};
use crate::keyspace::{self, ZONE_ENTITY};
use crate::transaction::View;

/// What a commit as a whole is told with.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommitHead {
    pub(super) sequence: Sequence,
    pub(super) session: SessionId,
    pub(super) time_micros: i64,
}

/// A walk over commits.
pub(super) struct Commits {
    view: View,
    /// Stands on the next part that is not read yet, if there is one.
    parts: Iter,
    has_part: bool,
    sessions: Sessions,
    open: Option<OpenCommit>,
    with_before: bool,
}

/// A commit of which changes are left.
struct OpenCommit {
    head: CommitHead,
    /// How many changes it has, and the number of the next.
    changes: u32,
    next: u32,
    part: Reader<Vec<u8>>,
    named: Option<(StorageId, Arc<str>)>,
    cleared: Option<Cleared>,
}

/// Entities that were deleted by emptying their collection.
struct Cleared {
    entities: Iter,
    left: u32,
}

/// A change without its documents.
pub(super) struct Bare {
    pub(super) kind: ChangeKind,
    pub(super) collection: Arc<str>,
    pub(super) storage: StorageId,
    pub(super) id: EntityId,
    payload: Vec<u8>,
    /// What was there before, where that is known already: of an entity that went with all others of its collection.
    pub(super) before: Option<Value>,
}

impl Commits {
    pub(super) fn after(view: &View, position: &Position, with_before: bool) -> Result<Self> {
        let (sequence, number) = position.next();
        let mut start = keyspace::feed(sequence, 0).to_vec();
        if number > 0 {
            // The part that begins last before the change.
            let end = keyspace::feed(sequence, number.saturating_add(1));
            let mut parts = view.range(&start, &end, Direction::Reverse)?;
            if parts.advance()? {
                start = parts.key().to_vec();
            }
        }
        let mut parts = view.range(&start, &[keyspace::ZONE_FEED + 1], Direction::Forward)?;
        let has_part = parts.advance()?;
        let sessions = Sessions::after(view, position.whole())?;
        let mut commits = Self { view: view.clone(), parts, has_part, sessions, open: None, with_before };
        if number > 0 {
            commits.go_to(sequence, number)?;
        }
        Ok(commits)
    }

    /// Goes to a change inside a commit, from the part in which it is.
    fn go_to(&mut self, sequence: Sequence, number: u32) -> Result<()> {
        let first = self.view.get(&keyspace::feed(sequence, 0))?.ok_or_else(|| lacks_a_part(sequence))?;
        let header = Header::decode(&first)?;
        let (found, begin) = self.place()?;
        if !self.has_part || found != sequence {
            return Err(lacks_a_part(sequence));
        }
        let head = CommitHead { sequence, session: self.sessions.of(sequence)?, time_micros: header.time_micros };
        let part = self.take_part(begin == 0)?;
        let changes = header.changes;
        self.open = Some(OpenCommit { head, changes, next: begin, part, named: None, cleared: None });
        while self.open.as_ref().is_some_and(|open| open.next < number) {
            if self.next_bare()?.is_none() {
                return Err(lacks_a_part(sequence));
            }
        }
        Ok(())
    }

    /// The commit of the next change; none at the end.
    pub(super) fn head(&mut self) -> Result<Option<CommitHead>> {
        if let Some(open) = &self.open {
            return Ok(Some(open.head));
        }
        if !self.has_part {
            return Ok(None);
        }
        let (sequence, first) = self.place()?;
        if first != 0 {
            return Err(lacks_a_part(sequence));
        }
        let header = Header::decode(self.parts.value())?;
        let head = CommitHead { sequence, session: self.sessions.of(sequence)?, time_micros: header.time_micros };
        let part = self.take_part(true)?;
        let changes = header.changes;
        self.open = Some(OpenCommit { head, changes, next: 0, part, named: None, cleared: None });
        Ok(Some(head))
    }

    /// True when something is left to be read.
    pub(super) fn has_more(&self) -> bool {
        self.open.is_some() || self.has_part
    }

    /// The next change of the commit, with its number; none behind its last.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Change)>> {
        let Some(open) = &self.open else { return Ok(None) };
        let (number, at) = (open.next, open.head.sequence);
        let Some(bare) = self.next_bare()? else { return Ok(None) };
        self.with_documents(bare, at).map(|change| Some((number, change)))
    }

    fn with_documents(&self, bare: Bare, at: Sequence) -> Result<Change> {
        let Bare { kind, collection, storage, id, mut payload, before } = bare;
        let of_collection = |error: Error| error.with_collection(&collection);
        if matches!(kind, ChangeKind::Insert | ChangeKind::Update) {
            let stored = document_after(&self.view, storage, id, at).map_err(of_collection)?;
            payload = Envelope::decode(&stored)?.document.to_vec();
        }
        let has_before = matches!(kind, ChangeKind::Update | ChangeKind::Delete);
        let before = match before {
            _ if !self.with_before || !has_before => None,
            Some(known) => Some(known),
            None => Some(stored_before(&self.view, storage, id, at).map_err(of_collection)?),
        };
        let before = before.map(|stored| Envelope::decode(&stored).map(|it| it.document.to_vec())).transpose()?;
        Ok(Change { kind, collection, id, payload, before })
    }

    /// The next change of the commit without its documents; none behind its last.
    pub(super) fn next_bare(&mut self) -> Result<Option<Bare>> {
        loop {
            let Some(open) = &mut self.open else { return Ok(None) };
            let sequence = open.head.sequence;
            let name = || open.named.clone().ok_or_else(|| Error::corrupt("a part of the change feed"));
            if let Some(cleared) = &mut open.cleared {
                if let Some((id, before)) = cleared.next(sequence)? {
                    open.next = open.next.wrapping_add(1);
                    let (storage, collection) = name()?;
                    let (kind, payload) = (ChangeKind::Delete, Vec::new());
                    return Ok(Some(Bare { kind, collection, storage, id, payload, before: Some(before) }));
                }
                open.cleared = None;
            }
            let (kind, id, payload) = match open.part.next()? {
                Some(Entry::Name(storage, name)) => {
                    open.named = Some((storage, name));
                    continue;
                }
                Some(Entry::Cleared(left)) => {
                    let (storage, _) = name()?;
                    let start = keyspace::prefix(ZONE_ENTITY, storage.0);
                    let end = keyspace::prefix_end(ZONE_ENTITY, storage.0);
                    let entities = self.view.range(&start, &end, Direction::Forward)?;
                    open.cleared = Some(Cleared { entities, left });
                    continue;
                }
                Some(Entry::Entity(kind, id)) => (kind, id, Vec::new()),
                Some(Entry::Key(kind, id, index, tuple)) => (kind, id, key_payload(&index, &tuple)?),
                Some(Entry::Catalog(kind, payload)) => (kind, EntityId::from_bytes([0; 16]), payload),
                None => {
                    let next = open.next;
                    let is_whole = next == open.changes;
                    if self.has_part && self.place()? == (sequence, next) && !is_whole {
                        let part = self.take_part(false)?;
                        if let Some(open) = &mut self.open {
                            (open.part, open.named) = (part, None);
                        }
                        continue;
                    }
                    if !is_whole {
                        return Err(lacks_a_part(sequence));
                    }
                    self.open = None;
                    return Ok(None);
                }
            };
            let (storage, collection) = name()?;
            open.next = open.next.wrapping_add(1);
            return Ok(Some(Bare { kind, collection, storage, id, payload, before: None }));
        }
    }

    /// Takes the part there is, and goes on to the next.
    fn take_part(&mut self, is_first: bool) -> Result<Reader<Vec<u8>>> {
        let part = Reader::new(self.parts.value().to_vec(), is_first);
        self.has_part = self.parts.advance()?;
        Ok(part)
    }

    fn place(&self) -> Result<(Sequence, u32)> {
        keyspace::feed_place(self.parts.key()).ok_or_else(|| Error::corrupt("a feed key"))
    }
}

impl Cleared {
    /// The next entity that was there before the commit and was not written by it.
    fn next(&mut self, sequence: Sequence) -> Result<Option<(EntityId, Value)>> {
        if self.left == 0 {
            return Ok(None);
        }
        while self.entities.advance()? {
            if Envelope::decode(self.entities.value())?.version >= sequence.0 {
                continue;
            }
            let id = keyspace::entity_id(self.entities.key()).ok_or_else(|| Error::corrupt("an entity key"))?;
            self.left -= 1;
            return Ok(Some((id, self.entities.value_owned())));
        }
        let problem = format!("the entities that commit {sequence} cleared, of which {} are missing,", self.left);
        Err(Error::corrupt(problem))
    }
}

/// The payload of a change of a key.
fn key_payload(index: &str, tuple: &[u8]) -> Result<Vec<u8>> {
    let key = decode_ordered(tuple, entidb_codec::Direction::Ascending).ok().and_then(|decoded| decoded.value);
    let key = key.ok_or_else(|| Error::corrupt("a key in the change feed"))?;
    let fields = [("index", entidb_codec::Value::from(index)), ("key", key)];
    Ok(entidb_codec::encode(&entidb_codec::Value::Map(fields.into_iter().collect())))
}

fn lacks_a_part(sequence: Sequence) -> Error {
    Error::corrupt(format!("the changes of commit {sequence}, a part of which is missing,"))
}
