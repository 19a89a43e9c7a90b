//! The bytes of the changes of one commit: which entities changed, and changes of the catalog in full.
//!
//! Always: a part reads by itself: it names the collections its changes speak of, as they were called when the commit was
//! made. No documents are in it.
//! Does not know: where parts are kept (`keyspace`), how long (`retention`), or what the documents are (`history`).
//! Format: docs/spec/keyspace.md, "Change feed".

use std::sync::Arc;

use super::change::ChangeKind;
use crate::error::{Error, Result};
use crate::id::{CollectionId, EntityId, StorageId};

/// A part is closed before it has more bytes than this, unless a single entry has more.
pub(super) const PART_BYTES: usize = 64 << 10;
/// What an entity takes in a part.
pub(super) const ENTITY_BYTES: usize = 17;
/// What naming a collection takes in a part beside its name, and at most with it.
pub(super) const NAME_HEAD: usize = 10;
pub(super) const NAME_BYTES: usize = NAME_HEAD + 255;
/// What a change of the catalog takes beside its payload and the name of its collection.
pub(super) const CATALOG_BYTES: usize = 5;

/// What a change of a key takes beside the name of its index and the key in its ordered form.
pub(super) const KEY_HEAD: usize = 20;

/// An entry that names the collection of those behind it.
const NAME: u8 = 0;
/// An entry that stands for a delete of each entity of a storage that the commit itself has not written.
const CLEARED: u8 = 0x20;

/// What the first part of a commit begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// When the commit was made: microseconds since 1970-01-01 UTC, by the clock of the system.
    pub(crate) time_micros: i64,
    /// How many changes the commit has.
    pub(crate) changes: u32,
    /// Bytes that the feed and the history have taken, this commit included, since the feed began.
    pub(crate) bytes: u64,
    /// Commits with changes, this one included, since the feed began.
    pub(crate) commits: u64,
}

impl Header {
    pub(super) const BYTES: usize = 28;

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        let (time, rest) = out.split_at_mut(8);
        let (changes, rest) = rest.split_at_mut(4);
        let (bytes, commits) = rest.split_at_mut(8);
        time.copy_from_slice(&self.time_micros.to_le_bytes());
        changes.copy_from_slice(&self.changes.to_le_bytes());
        bytes.copy_from_slice(&self.bytes.to_le_bytes());
        commits.copy_from_slice(&self.commits.to_le_bytes());
        out
    }

    /// The header at the beginning of the first part of a commit.
    pub(crate) fn decode(part: &[u8]) -> Result<Self> {
        let mut reader = Reader { bytes: part, at: 0 };
        Ok(Self {
            time_micros: i64::from_le_bytes(reader.array()?),
            changes: u32::from_le_bytes(reader.array()?),
            bytes: u64::from_le_bytes(reader.array()?),
            commits: u64::from_le_bytes(reader.array()?),
        })
    }
}

pub(super) fn push_name(out: &mut Vec<u8>, collection: CollectionId, storage: StorageId, name: &str) -> Result<()> {
    let len = u8::try_from(name.len()).map_err(|_| Error::internal("a collection name is too long"))?;
    out.push(NAME);
    out.extend_from_slice(&collection.0.to_le_bytes());
    out.extend_from_slice(&storage.0.to_le_bytes());
    out.push(len);
    out.extend_from_slice(name.as_bytes());
    Ok(())
}

pub(super) fn push_entity(out: &mut Vec<u8>, kind: ChangeKind, id: EntityId) {
    out.push(kind as u8);
    out.extend_from_slice(id.as_bytes());
}

pub(super) fn push_key(out: &mut Vec<u8>, kind: ChangeKind, id: EntityId, index: &str, tuple: &[u8]) -> Result<()> {
    let name_len = u8::try_from(index.len()).map_err(|_| Error::internal("an index name is too long"))?;
    let len = u16::try_from(tuple.len()).map_err(|_| Error::internal("a key is too long"))?;
    push_entity(out, kind, id);
    out.push(name_len);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(index.as_bytes());
    out.extend_from_slice(tuple);
    Ok(())
}

pub(super) fn push_catalog(out: &mut Vec<u8>, kind: ChangeKind, payload: &[u8]) -> Result<()> {
    let len = u32::try_from(payload.len()).map_err(|_| Error::internal("a change is too large"))?;
    out.push(kind as u8);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(payload);
    Ok(())
}

pub(super) fn push_cleared(out: &mut Vec<u8>, count: u32) {
    out.push(CLEARED);
    out.extend_from_slice(&count.to_le_bytes());
}

/// An entry of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Those behind it are of this collection, whose entities lie in this storage.
    Name(StorageId, Arc<str>),
    Entity(ChangeKind, EntityId),
    /// Of a key of an entity: the name of the index, and the key in its ordered form.
    Key(ChangeKind, EntityId, String, Vec<u8>),
    Catalog(ChangeKind, Vec<u8>),
    /// So many deletes.
    Cleared(u32),
}

/// A walk over a part.
pub(super) struct Reader<B> {
    bytes: B,
    at: usize,
}

fn damaged() -> Error {
    Error::corrupt("a part of the change feed")
}

impl<B: AsRef<[u8]>> Reader<B> {
    /// A part, from behind its header if it is the first of its commit.
    pub(super) fn new(bytes: B, is_first: bool) -> Self {
        Self { bytes, at: if is_first { Header::BYTES } else { 0 } }
    }

    fn take(&mut self, len: usize) -> Result<&[u8]> {
        let end = self.at.checked_add(len).ok_or_else(damaged)?;
        let taken = self.bytes.as_ref().get(self.at..end).ok_or_else(damaged)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| damaged())
    }

    fn number(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next entry; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>> {
        if self.at >= self.bytes.as_ref().len() {
            return Ok(None);
        }
        let [kind] = self.array()?;
        Ok(Some(match kind {
            NAME => {
                self.number()?;
                let storage = StorageId(self.number()?);
                let [len] = self.array()?;
                let name = std::str::from_utf8(self.take(usize::from(len))?).map_err(|_| damaged())?;
                Entry::Name(storage, Arc::from(name))
            }
            CLEARED => Entry::Cleared(self.number()?),
            other => {
                let kind = ChangeKind::from_byte(other).ok_or_else(damaged)?;
                if kind.is_entity() {
                    Entry::Entity(kind, EntityId::from_bytes(self.array()?))
                } else if kind.is_key() {
                    let id = EntityId::from_bytes(self.array()?);
                    let [name_len] = self.array()?;
                    let len = usize::from(u16::from_le_bytes(self.array()?));
                    let name =
                        std::str::from_utf8(self.take(usize::from(name_len))?).map_err(|_| damaged())?.to_owned();
                    Entry::Key(kind, id, name, self.take(len)?.to_vec())
                } else {
                    let len = usize::try_from(self.number()?).map_err(|_| damaged())?;
                    Entry::Catalog(kind, self.take(len)?.to_vec())
                }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_and_every_cut_is_damage_or_fewer_of_them() {
        let header = Header { time_micros: -7, changes: 4, bytes: 1 << 40, commits: 1 << 33 };
        let mut part = header.encode().to_vec();
        let id = EntityId::from_bytes([3; 16]);
        push_name(&mut part, CollectionId(1), StorageId(8), "abc").unwrap();
        push_catalog(&mut part, ChangeKind::IndexDropped, b"x").unwrap();
        push_entity(&mut part, ChangeKind::Update, id);
        push_cleared(&mut part, 2);
        push_key(&mut part, ChangeKind::KeyRemoved, id, "by_tag", b"red").unwrap();
        assert_eq!(Header::decode(&part).unwrap(), header);
        let entries = [
            Entry::Name(StorageId(8), "abc".into()),
            Entry::Catalog(ChangeKind::IndexDropped, b"x".to_vec()),
            Entry::Entity(ChangeKind::Update, id),
            Entry::Cleared(2),
            Entry::Key(ChangeKind::KeyRemoved, id, "by_tag".into(), b"red".to_vec()),
        ];
        for cut in 0..=part.len() {
            let mut reader = Reader::new(&part[..cut], true);
            let mut count = 0;
            let end = loop {
                match reader.next() {
                    Ok(Some(entry)) => {
                        assert_eq!(entry, entries[count], "cut at {cut}");
                        count += 1;
                    }
                    end => break end,
                }
            };
            assert!(cut == part.len() || end.is_err() || count < entries.len(), "cut at {cut}");
            assert!(cut < part.len() || (end.is_ok() && count == entries.len()));
        }
    }
}
