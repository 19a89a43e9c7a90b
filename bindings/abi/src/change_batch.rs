//! Changes of one commit, read from one buffer.
//!
//! Always: read in place; a batch that is not as the library writes it is an error, never a shorter one.
//! Does not know: feeds. Format: crates/entidb_ffi/src/change_batch.rs.

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::{Error, Result};
use crate::{Id, modes};

/// Changes of one commit.
#[derive(Debug)]
pub struct ChangeBatch {
    buffer: Buffer,
    /// The commit.
    pub sequence: u64,
    /// When it was made: microseconds since 1970-01-01 UTC.
    pub time_micros: i64,
    /// Whether the commit ends with this batch.
    pub ends_commit: bool,
    /// Where to go on after it.
    pub position: String,
    count: u32,
    /// Where the changes begin.
    start: usize,
}

/// One change.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// One of `ENTIDB_CHANGE_...`.
    pub kind: u32,
    /// The collection, as it was called at that commit.
    pub collection: &'a str,
    /// The entity, also for a change of its keys; zeros for a change of a collection or an index.
    pub id: Id,
    /// A document, a definition or a name.
    pub payload: &'a [u8],
    /// The document before, where the feed gives it.
    pub before: Option<&'a [u8]>,
}

impl Change<'_> {
    /// The name of what happened: `insert`, `update`, ...
    ///
    /// # Errors
    /// For a kind this version does not know.
    pub fn kind_name(&self) -> Result<&'static str> {
        let other = self.kind;
        modes::change_kind_word(other)
            .ok_or_else(|| Error::new(ffi::ENTIDB_ERROR_INTERNAL, format!("a change has the kind {other}")))
    }

    /// Whether it is of an entity.
    #[must_use]
    pub fn is_entity(&self) -> bool {
        (ffi::ENTIDB_CHANGE_INSERT..=ffi::ENTIDB_CHANGE_DELETE).contains(&self.kind)
    }

    /// Whether it is of a key of an entity.
    #[must_use]
    pub fn is_key(&self) -> bool {
        (ffi::ENTIDB_CHANGE_KEY_INSERTED..=ffi::ENTIDB_CHANGE_KEY_REMOVED).contains(&self.kind)
    }

    /// The name of the manual index and the key, as a CBOR map of `index` and `key`, for a change of a key.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.is_key().then_some(self.payload)
    }

    /// The document after the change.
    #[must_use]
    pub fn document(&self) -> Option<&[u8]> {
        matches!(self.kind, ffi::ENTIDB_CHANGE_INSERT | ffi::ENTIDB_CHANGE_UPDATE).then_some(self.payload)
    }

    /// The definition of an index that came into being, CBOR.
    #[must_use]
    pub fn index(&self) -> Option<&[u8]> {
        (self.kind == ffi::ENTIDB_CHANGE_INDEX_CREATED).then_some(self.payload)
    }

    /// The new name of a collection, or the name of an index that is no more.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let is_name = matches!(self.kind, ffi::ENTIDB_CHANGE_COLLECTION_RENAMED | ffi::ENTIDB_CHANGE_INDEX_DROPPED);
        std::str::from_utf8(self.payload).ok().filter(|_| is_name)
    }
}

fn wrong() -> Error {
    Error::new(ffi::ENTIDB_ERROR_INTERNAL, "a batch of changes is not as the library writes it")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len).ok_or_else(wrong)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| wrong())
    }

    fn short_text(&mut self) -> Result<&'a str> {
        let [len] = self.array()?;
        std::str::from_utf8(self.take(usize::from(len))?).map_err(|_| wrong())
    }

    fn long(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| wrong())?;
        self.take(len)
    }

    fn change(&mut self) -> Result<Change<'a>> {
        let [kind] = self.array()?;
        let collection = self.short_text()?;
        let id = self.array()?;
        let payload = self.long()?;
        let before = if kind & modes::CHANGE_HAS_BEFORE == 0 { None } else { Some(self.long()?) };
        Ok(Change { kind: u32::from(kind & !modes::CHANGE_HAS_BEFORE), collection, id, payload, before })
    }
}

impl ChangeBatch {
    pub(crate) fn read(buffer: Buffer) -> Result<Self> {
        let mut reader = Reader(&buffer);
        let (sequence, time_micros) = (u64::from_le_bytes(reader.array()?), i64::from_le_bytes(reader.array()?));
        let count = u32::from_le_bytes(reader.array()?);
        let [flags] = reader.array()?;
        let position = reader.short_text()?.to_owned();
        let start = buffer.len() - reader.0.len();
        Ok(Self {
            sequence,
            time_micros,
            ends_commit: flags & modes::CHANGE_BATCH_ENDS_COMMIT != 0,
            position,
            count,
            start,
            buffer,
        })
    }

    /// The whole batch, for a host that reads it itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Shows every change, in order.
    ///
    /// # Errors
    /// What showing one fails with, and a batch that is not as the library writes it.
    pub fn each<E: From<Error>>(
        &self,
        mut show: impl FnMut(Change<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut reader = Reader(self.buffer.get(self.start..).unwrap_or_default());
        for _ in 0..self.count {
            show(reader.change()?)?;
        }
        if reader.0.is_empty() { Ok(()) } else { Err(wrong().into()) }
    }
}
