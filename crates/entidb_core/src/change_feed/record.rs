//! The bytes of the changes of one commit.
//!
//! Always: a part decodes by itself: it names the collections its changes speak of, as they were called at that commit.
//! Does not know: where parts are kept (`keyspace`) or how long (`retention`).
//! Format: docs/spec/keyspace.md, "Change feed".
//!
//! Part: entries until the end. A name: `0 | u32 number | u8 name length | name`, the next in the part's list of collections.
//! A change: `u8 kind | u16 place in the list of collections | 16 bytes id | u32 length | payload`. Integers are little-endian.

use std::collections::HashMap;
use std::sync::Arc;

use entidb_engine::{ChangeSize, Sequence, WriteTransaction};

use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, EntityId};
use crate::keyspace;

/// What happened to an entity, a collection or an index.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// use entidb_core::{ChangeKind, Since};
/// use std::time::Duration;
/// let batch = db.changes(Since::Oldest)?.next_batch(Duration::ZERO)?.expect("one");
/// assert_eq!(batch.changes.last().map(|change| change.kind), Some(ChangeKind::Insert));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum ChangeKind {
    /// An entity that was not there before. The payload is its document.
    Insert = 1,
    /// An entity that was there before. The payload is its new document.
    Update = 2,
    /// An entity that is no more.
    Delete = 3,
    /// A collection came into being.
    CollectionCreated = 4,
    /// A collection has a new name, which is the payload.
    CollectionRenamed = 5,
    /// A collection and all that was in it is no more.
    CollectionDropped = 6,
    /// An index came into being. The payload is its definition, CBOR.
    IndexCreated = 7,
    /// An index is no more. The payload is its name.
    IndexDropped = 8,
}

impl ChangeKind {
    const ALL: [Self; 8] = [
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::CollectionCreated,
        Self::CollectionRenamed,
        Self::CollectionDropped,
        Self::IndexCreated,
        Self::IndexDropped,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The name used in every language: `insert`, `update`, `delete`, `collection_created`, ...
    ///
    /// ```
    /// use entidb_core::ChangeKind;
    /// assert_eq!(ChangeKind::CollectionCreated.name(), "collection_created");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::CollectionCreated => "collection_created",
            Self::CollectionRenamed => "collection_renamed",
            Self::CollectionDropped => "collection_dropped",
            Self::IndexCreated => "index_created",
            Self::IndexDropped => "index_dropped",
        }
    }

    /// True for changes of entities, false for changes of the catalog.
    ///
    /// ```
    /// use entidb_core::ChangeKind;
    /// assert!(ChangeKind::Update.is_entity() && !ChangeKind::IndexCreated.is_entity());
    /// ```
    #[must_use]
    pub const fn is_entity(self) -> bool {
        matches!(self, Self::Insert | Self::Update | Self::Delete)
    }
}

/// One committed change.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// use entidb_core::{decode, doc, Since};
/// use std::time::Duration;
/// let batch = db.changes(Since::Oldest)?.next_batch(Duration::ZERO)?.expect("one");
/// let change = batch.changes.last().expect("one");
/// assert_eq!((&*change.collection, change.id), ("notes", id));
/// assert_eq!(decode(&change.payload)?, doc! { "n": 1 });
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The collection, as it was called at that commit.
    pub collection: Arc<str>,
    /// The entity; all zeros for a change of the catalog.
    pub id: EntityId,
    /// The document after the change, or what [`ChangeKind`] says.
    pub payload: Vec<u8>,
}

/// Changes of the transaction being written. Parts that are full are in the transaction already; what is not is here, so
/// that a change is held once.
#[derive(Debug, Default)]
pub(crate) struct ChangeBuffer {
    /// How many parts are in the transaction.
    parts: u32,
    /// The part that is being filled.
    open: Vec<u8>,
    /// The collections it names, with their places.
    names: HashMap<CollectionId, (u16, String)>,
    /// The place of its next name.
    next_name: u16,
}

/// A place among the changes to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangePlace {
    parts: u32,
    bytes: usize,
}

/// A part is closed before it has more bytes than this, unless a single change has more.
const PART_BYTES: usize = 64 << 10;
/// The kind of an entry that names a collection.
const NAME: u8 = 0;
/// What a change takes in a part beside its payload.
const ENTRY_BYTES: usize = 23;
/// The most that the name of a collection takes in a part.
const NAME_BYTES: usize = 6 + 255;
/// The key of a part.
const KEY_BYTES: u64 = 13;

impl ChangeBuffer {
    /// Adds a change to those of the commit with this sequence.
    pub(crate) fn push(
        &mut self,
        tx: &mut WriteTransaction,
        kind: ChangeKind,
        collection: (CollectionId, &str),
        id: EntityId,
        payload: &[u8],
    ) -> Result<()> {
        if !self.open.is_empty() && self.open.len() + NAME_BYTES + ENTRY_BYTES + payload.len() > PART_BYTES {
            self.close(tx)?;
        }
        let len = u32::try_from(payload.len()).map_err(|_| Error::internal("a change is too large"))?;
        let needed = NAME_BYTES + ENTRY_BYTES + payload.len();
        let reserved =
            if needed > PART_BYTES { self.open.try_reserve_exact(needed) } else { self.open.try_reserve(needed) };
        reserved.map_err(|_| no_memory(payload.len()))?;
        let place = self.place_of(collection.0, collection.1)?;
        self.open.push(kind as u8);
        self.open.extend_from_slice(&place.to_le_bytes());
        self.open.extend_from_slice(id.as_bytes());
        self.open.extend_from_slice(&len.to_le_bytes());
        self.open.extend_from_slice(payload);
        if self.open.len() > PART_BYTES { self.close(tx) } else { Ok(()) }
    }

    /// The place of a collection under this name in the part being filled.
    fn place_of(&mut self, collection: CollectionId, name: &str) -> Result<u16> {
        if let Some((place, known)) = self.names.get(&collection)
            && known == name
        {
            return Ok(*place);
        }
        let len = u8::try_from(name.len()).map_err(|_| Error::internal("a collection name is too long"))?;
        self.open.push(NAME);
        self.open.extend_from_slice(&collection.0.to_le_bytes());
        self.open.push(len);
        self.open.extend_from_slice(name.as_bytes());
        Ok(self.note_name(collection, name.to_owned()))
    }

    fn note_name(&mut self, collection: CollectionId, name: String) -> u16 {
        let place = self.next_name;
        // A part is too small for so many names that this ends.
        self.next_name = place.saturating_add(1);
        self.names.insert(collection, (place, name));
        place
    }

    /// Puts the part being filled into the transaction.
    fn close(&mut self, tx: &mut WriteTransaction) -> Result<()> {
        let next = self.parts.checked_add(1).ok_or_else(|| Error::internal("a commit has too many feed parts"))?;
        tx.put(&keyspace::feed(tx.next_sequence(), self.parts), &self.open)?;
        self.parts = next;
        self.reopen(Vec::new());
        Ok(())
    }

    /// Fills a part that begins with these bytes.
    fn reopen(&mut self, bytes: Vec<u8>) {
        // The memory of a part serves the next one; that of a large change does not stay.
        if bytes.is_empty() && self.open.capacity() <= 2 * PART_BYTES {
            self.open.clear();
        } else {
            self.open = bytes;
        }
        self.names.clear();
        self.next_name = 0;
    }

    /// Puts what is left into the transaction, which is about to be committed.
    pub(crate) fn finish(&mut self, tx: &mut WriteTransaction) -> Result<()> {
        if self.open.is_empty() { Ok(()) } else { self.close(tx) }
    }

    /// The place of the next change.
    pub(crate) fn place(&self) -> ChangePlace {
        ChangePlace { parts: self.parts, bytes: self.open.len() }
    }

    /// What the part at a place had there, to go back to it with [`go_back`](Self::go_back) once the transaction, which still
    /// has the whole of that part, went back.
    pub(crate) fn part_at(&self, tx: &WriteTransaction, sequence: Sequence, place: ChangePlace) -> Result<Vec<u8>> {
        let stored = if place.parts == self.parts { None } else { tx.get(&keyspace::feed(sequence, place.parts))? };
        let part = stored.as_deref().unwrap_or(&self.open).get(..place.bytes);
        part.map(<[u8]>::to_vec).ok_or_else(|| Error::internal("changes of the feed to go back to are gone"))
    }

    /// Forgets every change from a place on.
    pub(crate) fn go_back(&mut self, place: ChangePlace, part: Vec<u8>) -> Result<()> {
        self.parts = place.parts;
        self.reopen(part);
        let open = std::mem::take(&mut self.open);
        let mut reader = Reader(&open);
        while let Some(entry) = reader.entry()? {
            if let Entry::Name(collection, name) = entry {
                self.note_name(collection, name.to_owned());
            }
        }
        self.open = open;
        Ok(())
    }

    /// The most that is still to be put into the transaction once one change more is there.
    pub(crate) fn owed(&self, payload: u64) -> ChangeSize {
        let bytes = (self.open.len() + NAME_BYTES + ENTRY_BYTES) as u64;
        ChangeSize { changes: 2, key_bytes: 2 * KEY_BYTES, value_bytes: bytes + payload }
    }
}

fn no_memory(bytes: usize) -> Error {
    let problem = format!("memory for a change of {bytes} bytes in the feed could not be had; change less at once");
    Error::new(ErrorCode::OutOfMemory, problem)
}

/// Adds the changes of one part to others.
pub(crate) fn decode_part(bytes: &[u8], changes: &mut Vec<Change>) -> Result<()> {
    let mut reader = Reader(bytes);
    let mut names: Vec<Arc<str>> = Vec::new();
    while let Some(entry) = reader.entry()? {
        match entry {
            Entry::Name(_, name) => names.push(Arc::from(name)),
            Entry::Change { kind, place, id, payload } => {
                let collection = names.get(usize::from(place)).cloned().ok_or_else(damaged)?;
                changes.push(Change { kind, collection, id, payload: payload.to_vec() });
            }
        }
    }
    Ok(())
}

enum Entry<'a> {
    Name(CollectionId, &'a str),
    Change { kind: ChangeKind, place: u16, id: EntityId, payload: &'a [u8] },
}

fn damaged() -> Error {
    Error::corrupt("a part of the change feed")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| damaged())
    }

    fn entry(&mut self) -> Result<Option<Entry<'a>>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let [kind] = self.array()?;
        if kind == NAME {
            let collection = CollectionId(u32::from_le_bytes(self.array()?));
            let [len] = self.array()?;
            let name = std::str::from_utf8(self.take(usize::from(len))?).map_err(|_| damaged())?;
            return Ok(Some(Entry::Name(collection, name)));
        }
        let kind = ChangeKind::from_byte(kind).ok_or_else(damaged)?;
        let place = u16::from_le_bytes(self.array()?);
        let id = EntityId::from_bytes(self.array()?);
        let len = usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| damaged())?;
        Ok(Some(Entry::Change { kind, place, id, payload: self.take(len)? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> EntityId {
        EntityId::from_bytes(u128::from(number).to_be_bytes())
    }

    fn engine() -> entidb_engine::Engine {
        let backend = entidb_storage::Backend::memory();
        entidb_engine::Engine::open(backend, entidb_engine::Options::default()).unwrap()
    }

    /// The parts in the transaction.
    fn parts(tx: &WriteTransaction) -> Vec<Vec<u8>> {
        let numbered = |part| tx.get(&keyspace::feed(tx.next_sequence(), part)).unwrap();
        (0..).map_while(numbered).map(|part| part.to_vec()).collect()
    }

    fn read(tx: &WriteTransaction) -> Vec<Change> {
        let mut changes = Vec::new();
        for part in parts(tx) {
            decode_part(&part, &mut changes).unwrap();
        }
        changes
    }

    #[test]
    fn changes_survive_their_parts_in_order() {
        let engine = engine();
        let mut tx = engine.begin_write().unwrap();
        let mut buffer = ChangeBuffer::default();
        for number in 0..50 {
            let name = if number % 2 == 0 { (CollectionId(1), "a") } else { (CollectionId(2), "b") };
            buffer.push(&mut tx, ChangeKind::Insert, name, id(number), &[7; 5000]).unwrap();
        }
        buffer.finish(&mut tx).unwrap();
        let parts = parts(&tx);
        assert!(parts.len() > 3 && parts.iter().all(|part| part.len() <= PART_BYTES), "{} parts", parts.len());
        let back = read(&tx);
        assert_eq!(back.len(), 50);
        for (number, change) in back.iter().enumerate() {
            assert_eq!((change.id, change.payload.len()), (id(number as u64), 5000));
            assert_eq!(&*change.collection, if number % 2 == 0 { "a" } else { "b" });
        }
    }

    #[test]
    fn going_back_brings_back_the_part_whatever_was_closed_since() {
        let random = entidb_storage::SeededRandom::new(7);
        for round in 0..60 {
            let engine = engine();
            let mut tx = engine.begin_write().unwrap();
            let mut buffer = ChangeBuffer::default();
            let mut model: Vec<(String, EntityId, usize)> = Vec::new();
            let mut marks = Vec::new();
            for step in 0..200 {
                match random.below(12) {
                    0 => marks.push((tx.savepoint().unwrap(), buffer.place(), model.len())),
                    1 if !marks.is_empty() => {
                        let at = usize::try_from(random.below(marks.len() as u64)).unwrap();
                        let (savepoint, place, len) = marks[at].clone();
                        marks.truncate(at + 1);
                        let part = buffer.part_at(&tx, tx.next_sequence(), place).unwrap();
                        tx.rollback_to(&savepoint).unwrap();
                        buffer.go_back(place, part).unwrap();
                        model.truncate(len);
                    }
                    _ => {
                        let number = u32::try_from(random.below(3)).unwrap();
                        // A collection may change its name on the way.
                        let name = format!("c{number}{}", random.below(2));
                        let size = [0, 10, 3000, 40_000, 70_000][usize::try_from(random.below(5)).unwrap()];
                        let id = id(step);
                        let collection = (CollectionId(number), name.as_str());
                        let payload = vec![1; size];
                        let before = tx.bytes();
                        let owed = buffer.owed(size as u64);
                        buffer.push(&mut tx, ChangeKind::Update, collection, id, &payload).unwrap();
                        let written = tx.bytes().saturating_sub(before);
                        let most = owed.changes * 64 + owed.key_bytes + owed.value_bytes;
                        // Beside them a savepoint may keep that the parts were not there.
                        assert!(written <= most + 256, "{written} bytes were written, {most} were announced");
                        model.push((name, id, size));
                    }
                }
            }
            buffer.finish(&mut tx).unwrap();
            let back: Vec<_> =
                read(&tx).into_iter().map(|c| (c.collection.to_string(), c.id, c.payload.len())).collect();
            assert_eq!(back, model, "round {round}");
        }
    }

    #[test]
    fn every_cut_of_a_part_is_damage_or_a_whole_prefix() {
        let engine = engine();
        let mut tx = engine.begin_write().unwrap();
        let mut buffer = ChangeBuffer::default();
        let collection = (CollectionId(1), "abc");
        buffer.push(&mut tx, ChangeKind::Delete, collection, id(1), &[]).unwrap();
        buffer.push(&mut tx, ChangeKind::Update, collection, id(2), &[1, 2, 3]).unwrap();
        buffer.finish(&mut tx).unwrap();
        let part = parts(&tx).remove(0);
        for cut in 0..part.len() {
            let mut changes = Vec::new();
            assert!(decode_part(&part[..cut], &mut changes).is_err() || changes.len() < 2);
        }
    }
}
