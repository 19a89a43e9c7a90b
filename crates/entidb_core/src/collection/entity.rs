//! An entity as it was read: its id, its version and its document, borrowed from the engine's memory.
//!
//! Always: an entity never changes after it was read. Does not know: its collection.

use entidb_codec::{Limits, Path};
use entidb_engine::Value as Pinned;
use serde::de::DeserializeOwned;

use super::envelope::{Envelope, HEADER_BYTES};
use crate::error::Result;
use crate::id::{EntityId, Ordinal};

/// One entity of a collection.
///
/// ```
/// use entidb_core::{doc, Database};
/// let db = Database::open_memory()?;
/// let notes = db.collection("notes")?;
/// let id = notes.put(&doc! { "title": "Hello", "at": { "x": 3 } })?;
/// let note = notes.get(id)?.expect("just put");
/// assert_eq!(note.id(), id);
/// assert_eq!(note.field("at.x")?, Some(3.into()));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Entity {
    id: EntityId,
    version: u64,
    ordinal: Ordinal,
    stored: Pinned,
}

impl Entity {
    pub(crate) fn new(id: EntityId, stored: Pinned) -> Result<Self> {
        let envelope = Envelope::decode(&stored)?;
        Ok(Self { id, version: envelope.version, ordinal: envelope.ordinal, stored })
    }

    /// Its id.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// # let note = notes.get(id)?.expect("just put");
    /// assert_eq!(note.id(), id);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn id(&self) -> EntityId {
        self.id
    }

    /// The bytes of its id.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// # let note = notes.get(id)?.expect("just put");
    /// assert_eq!(note.id_bytes(), id.as_bytes());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn id_bytes(&self) -> &[u8; 16] {
        self.id.as_bytes()
    }

    /// The sequence of the commit that wrote it; changes with every write. For compare-and-set.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// # let note = notes.get(id)?.expect("just put");
    /// notes.put_at(id, &entidb_core::doc! { "n": 2 })?;
    /// assert!(notes.get(id)?.expect("still there").version() > note.version());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) const fn ordinal(&self) -> Ordinal {
        self.ordinal
    }

    /// The document as canonical CBOR, without a copy.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// # let note = notes.get(id)?.expect("just put");
    /// assert_eq!(note.bytes(), entidb_core::encode(&entidb_core::doc! { "n": 1 }));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.stored.as_bytes().get(HEADER_BYTES..).unwrap_or(&[])
    }

    /// The whole document as a value.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// # let note = notes.get(id)?.expect("just put");
    /// assert_eq!(note.value()?, entidb_core::doc! { "n": 1 });
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// An `Encoding` error when the stored bytes are no document.
    pub fn value(&self) -> Result<entidb_codec::Value> {
        Ok(entidb_codec::decode_within(self.bytes(), &Limits::STORED)?)
    }

    /// The document as a type of yours.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// # let note = notes.get(id)?.expect("just put");
    /// #[derive(serde::Deserialize)]
    /// struct Note { n: u32 }
    /// assert_eq!(note.to::<Note>()?.n, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// An `Encoding` error when the document does not have the shape of the type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(entidb_codec::from_slice_within(self.bytes(), &Limits::STORED)?)
    }

    /// One field by its dotted path, without decoding the rest.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// # let note = notes.get(id)?.expect("just put");
    /// assert_eq!(note.field("n")?, Some(1.into()));
    /// assert_eq!(note.field("deep.er")?, None);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for a path that cannot be read; an `Encoding` error for damaged bytes.
    pub fn field(&self, path: &str) -> Result<Option<entidb_codec::Value>> {
        let path = Path::dotted(path)?;
        Ok(entidb_codec::lookup(self.bytes(), &path)?.map(|value| value.to_value()))
    }
}

impl std::fmt::Debug for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entity")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("bytes", &self.bytes().len())
            .finish_non_exhaustive()
    }
}
