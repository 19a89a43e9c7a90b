//! What a reader of the change feed is told.
//!
//! Always: names of kinds are the same in every language. Does not know: how changes are stored (`record`).

use std::sync::Arc;

use crate::id::EntityId;

/// What happened to an entity, a key of a manual index, a collection or an index. Of an entity and of a key it is the difference
/// that its commit made, whatever was done to it on the way.
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
    /// An entity was given a key in a manual index. The payload is a CBOR map of `index`, its name, and `key`.
    KeyInserted = 9,
    /// A key was taken from an entity that is still there. The payload is as for a key that was inserted. Keys of a
    /// deleted entity go with it, and the feed does not list them.
    KeyRemoved = 10,
}

impl ChangeKind {
    const ALL: [Self; 10] = [
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::CollectionCreated,
        Self::CollectionRenamed,
        Self::CollectionDropped,
        Self::IndexCreated,
        Self::IndexDropped,
        Self::KeyInserted,
        Self::KeyRemoved,
    ];

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
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
            Self::KeyInserted => "key_inserted",
            Self::KeyRemoved => "key_removed",
        }
    }

    /// True for inserts, updates and deletes of entities, false for changes of keys and of the catalog.
    ///
    /// ```
    /// use entidb_core::ChangeKind;
    /// assert!(ChangeKind::Update.is_entity() && !ChangeKind::IndexCreated.is_entity());
    /// ```
    #[must_use]
    pub const fn is_entity(self) -> bool {
        matches!(self, Self::Insert | Self::Update | Self::Delete)
    }

    /// True for changes of keys of manual indexes.
    ///
    /// ```
    /// use entidb_core::ChangeKind;
    /// assert!(ChangeKind::KeyInserted.is_key() && !ChangeKind::Insert.is_key());
    /// ```
    #[must_use]
    pub const fn is_key(self) -> bool {
        matches!(self, Self::KeyInserted | Self::KeyRemoved)
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
    /// The document before an update or a delete, where the reader [asks for it](super::ChangeCursor::with_before).
    pub before: Option<Vec<u8>>,
}
