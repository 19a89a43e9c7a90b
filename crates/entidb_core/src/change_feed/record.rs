//! The bytes of the changes of one commit.
//!
//! Always: a part decodes by itself: it names the collections its changes speak of, as they were called at that commit.
//! Does not know: where parts are kept (`keyspace`) or how long (`retention`).
//! Format: docs/spec/keyspace.md, "Change feed".
//!
//! Part: `u16 collection count`, each `u32 number | u8 name length | name`; then changes until the end:
//! `u8 kind | u16 place in the list of collections | 16 bytes id | u32 length | payload`. Integers are little-endian.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id::{CollectionId, EntityId};

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

/// A change waiting for its commit.
#[derive(Debug)]
struct Pending {
    kind: ChangeKind,
    /// Place in the buffer's list of names.
    name: usize,
    id: EntityId,
    payload: Vec<u8>,
}

/// Changes of the transaction being written, in parts of bounded size.
#[derive(Debug, Default)]
pub(crate) struct ChangeBuffer {
    entries: Vec<Pending>,
    /// Every collection spoken of, once for each name it had.
    names: Vec<(CollectionId, Arc<str>)>,
    /// The place of the last name of each.
    latest: HashMap<CollectionId, usize>,
    /// The most bytes the entries take in parts, with the names of collections.
    bytes: u64,
}

/// A part is closed when it has this many bytes.
const PART_BYTES: usize = 64 << 10;
/// What a change takes in a part beside its payload.
const ENTRY_BYTES: u64 = 24;
/// The most that a collection takes in the head of a part.
const NAME_BYTES: u64 = 5 + 255;
/// The key of a part and the length of its list of names.
const PART_HEAD_BYTES: u64 = 13 + 2;

impl ChangeBuffer {
    pub(crate) fn push(&mut self, kind: ChangeKind, collection: (CollectionId, &str), id: EntityId, payload: Vec<u8>) {
        let known = self.latest.get(&collection.0).copied();
        let known = known.filter(|place| self.names.get(*place).is_some_and(|(_, name)| **name == *collection.1));
        let name = known.unwrap_or_else(|| {
            self.names.push((collection.0, Arc::from(collection.1)));
            self.latest.insert(collection.0, self.names.len() - 1);
            self.names.len() - 1
        });
        let entry = Pending { kind, name, id, payload };
        self.bytes += self.bytes_after(&entry, self.entries.len());
        self.entries.push(entry);
    }

    /// The most bytes that an entry adds behind the first so many: it may bring a name into its part.
    fn bytes_after(&self, entry: &Pending, entries: usize) -> u64 {
        let before = entries.checked_sub(1).and_then(|last| self.entries.get(last));
        let is_same = before.is_some_and(|before| before.name == entry.name);
        entry.payload.len() as u64 + ENTRY_BYTES + if is_same { 0 } else { NAME_BYTES }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        while self.entries.len() > len
            && let Some(entry) = self.entries.pop()
        {
            self.bytes = self.bytes.saturating_sub(self.bytes_after(&entry, self.entries.len()));
        }
    }

    /// The most keys, and bytes of keys and values, that the parts have once one entry more is there.
    pub(crate) fn owed(&self, payload: u64) -> (u64, u64) {
        let bytes = self.bytes + payload + ENTRY_BYTES + NAME_BYTES;
        // Two parts behind each other are more than one full one together.
        let parts = 2 * bytes / PART_BYTES as u64 + 1;
        (parts, bytes + parts * (PART_HEAD_BYTES + NAME_BYTES))
    }

    /// The parts to store, in order.
    pub(crate) fn parts(&self) -> Result<Vec<Vec<u8>>> {
        let mut parts = Vec::new();
        let mut rest = self.entries.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0_usize;
            let fitting = rest.iter().take_while(|change| {
                let fits = bytes == 0 || bytes + change.payload.len() < PART_BYTES;
                bytes += change.payload.len() + 23;
                fits
            });
            let (part, later) = rest.split_at(fitting.count());
            parts.push(self.encode(part)?);
            rest = later;
        }
        Ok(parts)
    }

    fn encode(&self, entries: &[Pending]) -> Result<Vec<u8>> {
        let mut used: Vec<usize> = entries.iter().map(|change| change.name).collect();
        used.sort_unstable();
        used.dedup();
        let mut out = Vec::new();
        let count = u16::try_from(used.len()).map_err(|_| Error::internal("a feed part names too many collections"))?;
        out.extend_from_slice(&count.to_le_bytes());
        for (id, name) in used.iter().filter_map(|place| self.names.get(*place)) {
            out.extend_from_slice(&id.0.to_le_bytes());
            out.push(u8::try_from(name.len()).map_err(|_| Error::internal("a collection name is too long"))?);
            out.extend_from_slice(name.as_bytes());
        }
        for change in entries {
            let place = used.binary_search(&change.name).ok().and_then(|place| u16::try_from(place).ok());
            let place = place.ok_or_else(|| Error::internal("a change of a collection without a name"))?;
            let len = u32::try_from(change.payload.len()).map_err(|_| Error::internal("a change is too large"))?;
            out.push(change.kind as u8);
            out.extend_from_slice(&place.to_le_bytes());
            out.extend_from_slice(change.id.as_bytes());
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&change.payload);
        }
        Ok(out)
    }
}

/// Adds the changes of one part to others.
pub(crate) fn decode_part(bytes: &[u8], changes: &mut Vec<Change>) -> Result<()> {
    let mut reader = Reader(bytes);
    let count = u16::from_le_bytes(reader.array()?);
    let mut names: Vec<Arc<str>> = Vec::new();
    for _ in 0..count {
        let _collection = u32::from_le_bytes(reader.array()?);
        let [len] = reader.array()?;
        let name = std::str::from_utf8(reader.take(usize::from(len))?).map_err(|_| damaged())?;
        names.push(Arc::from(name));
    }
    while !reader.0.is_empty() {
        let [kind] = reader.array()?;
        let kind = ChangeKind::from_byte(kind).ok_or_else(damaged)?;
        let place = usize::from(u16::from_le_bytes(reader.array()?));
        let collection = names.get(place).cloned().ok_or_else(damaged)?;
        let id = EntityId::from_bytes(reader.array()?);
        let len = usize::try_from(u32::from_le_bytes(reader.array()?)).map_err(|_| damaged())?;
        changes.push(Change { kind, collection, id, payload: reader.take(len)?.to_vec() });
    }
    Ok(())
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_survive_their_parts_in_order() {
        let mut buffer = ChangeBuffer::default();
        for number in 0..50_u8 {
            let name = if number % 2 == 0 { (CollectionId(1), "a") } else { (CollectionId(2), "b") };
            buffer.push(ChangeKind::Insert, name, EntityId::from_bytes([number; 16]), vec![number; 5000]);
        }
        let parts = buffer.parts().unwrap();
        assert!(parts.len() > 3);
        let mut back = Vec::new();
        for part in &parts {
            decode_part(part, &mut back).unwrap();
        }
        assert_eq!(back.len(), 50);
        for (number, change) in back.iter().enumerate() {
            assert_eq!((change.id.as_bytes()[0] as usize, change.payload.len()), (number, 5000));
            assert_eq!(&*change.collection, if number % 2 == 0 { "a" } else { "b" });
        }
    }

    #[test]
    fn every_cut_of_a_part_is_damage_or_a_whole_prefix() {
        let mut buffer = ChangeBuffer::default();
        buffer.push(ChangeKind::Delete, (CollectionId(1), "abc"), EntityId::from_bytes([1; 16]), vec![]);
        buffer.push(ChangeKind::Update, (CollectionId(1), "abc"), EntityId::from_bytes([2; 16]), vec![1, 2, 3]);
        let part = buffer.parts().unwrap().remove(0);
        for cut in 0..part.len() {
            let mut changes = Vec::new();
            assert!(decode_part(&part[..cut], &mut changes).is_err() || changes.len() < 2);
        }
    }
}
