//! The public error: a code from the one table, a sentence, and what it is about.
//!
//! Always: the message says what was asked, what was found and what to do. Context names things (collection, id, index),
//! never payloads. Does not know: how a language shows it.

mod code;
mod convert;

use std::fmt;

pub use code::{ErrorCode, Family, Retry};

use crate::catalog::NAME_BYTES_MAX;
use crate::id::EntityId;

/// The result of a database operation.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// fn titles(db: &entidb_core::Database) -> entidb_core::Result<u64> {
///     db.collection("titles")?.count()
/// }
/// assert_eq!(titles(&db)?, 0);
/// # Ok::<(), entidb_core::Error>(())
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// What an error is about, as far as that is known.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let error = notes.replace(entidb_core::EntityId::from_bytes([0; 16]), &entidb_core::doc! {}).unwrap_err();
/// assert_eq!(error.context().collection.as_deref(), Some("notes"));
/// assert!(error.context().id.is_some());
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorContext {
    /// The path of the database, or a file inside it.
    pub path: Option<String>,
    /// The collection.
    pub collection: Option<String>,
    /// The entity, or for a unique violation the entity that holds the key already.
    pub id: Option<EntityId>,
    /// The index.
    pub index: Option<String>,
    /// The byte offset in a file or in the bytes given.
    pub offset: Option<u64>,
    /// The operating system's error number.
    pub os_code: Option<i32>,
}

/// A failure of the database.
///
/// ```
/// let error = entidb_core::Database::open_memory()?.collection("no/slashes?\0").unwrap_err();
/// assert_eq!(error.code(), entidb_core::ErrorCode::InvalidArgument);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: ErrorCode,
    message: String,
    context: ErrorContext,
}

impl Error {
    /// An error with this code and sentence, for layers above that refuse a call themselves.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), context: ErrorContext::default() }))
    }

    pub(crate) fn internal(detail: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Internal, format!("internal error: {detail}; please report it"))
    }

    pub(crate) fn corrupt(detail: impl fmt::Display) -> Self {
        Self::new(
            ErrorCode::Corrupt,
            format!("the database holds bytes that nothing of ours writes: {detail}; run verify"),
        )
    }

    /// Says before the message which of many documents it is about, where it is about a document.
    pub(crate) fn at_document(mut self, position: usize) -> Self {
        if matches!(self.code().family(), Family::Usage | Family::Encoding | Family::Transaction) {
            self.0.message.insert_str(0, &format!("the document at [{position}]: "));
        }
        self
    }

    /// A name longer than any collection has is none that it is about.
    pub(crate) fn with_collection(mut self, name: &str) -> Self {
        if name.len() <= NAME_BYTES_MAX {
            self.0.context.collection.get_or_insert_with(|| name.to_owned());
        }
        self
    }

    pub(crate) fn with_id(mut self, id: EntityId) -> Self {
        self.0.context.id.get_or_insert(id);
        self
    }

    pub(crate) fn with_index(mut self, name: &str) -> Self {
        if name.len() <= NAME_BYTES_MAX {
            self.0.context.index.get_or_insert_with(|| name.to_owned());
        }
        self
    }

    pub(crate) fn with_path(mut self, path: &str) -> Self {
        self.0.context.path.get_or_insert_with(|| path.to_owned());
        self
    }

    pub(crate) fn with_offset(mut self, offset: u64) -> Self {
        self.0.context.offset.get_or_insert(offset);
        self
    }

    pub(crate) fn with_os_code(mut self, os_code: Option<i32>) -> Self {
        self.0.context.os_code = os_code;
        self
    }

    /// The code of the error table.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let error = notes.replace(entidb_core::EntityId::from_bytes([0; 16]), &entidb_core::doc! {}).unwrap_err();
    /// assert_eq!(error.code(), entidb_core::ErrorCode::EntityNotFound);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// One sentence: what was asked, what was found, what to do.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let error = notes.replace(entidb_core::EntityId::from_bytes([0; 16]), &entidb_core::doc! {}).unwrap_err();
    /// assert!(error.message().contains("notes"));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the error is about.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let error = notes.replace(entidb_core::EntityId::from_bytes([0; 16]), &entidb_core::doc! {}).unwrap_err();
    /// assert_eq!(error.context().path, None);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn context(&self) -> &ErrorContext {
        &self.0.context
    }
}

/// A name as messages show it. One that a caller made up is of any length, and a message is to be read: only its start is shown.
pub(crate) fn quoted(name: &str) -> String {
    const SHOWN: usize = 300;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}... ({} bytes)", name.get(..end).unwrap_or_default(), name.len()),
        None => format!("{name:?}"),
    }
}

/// The end of a message about a name that does not exist: the nearest that does.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.min_by_key(|known| distance(name, known));
    nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}

/// How many letters must be changed, added or removed to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().take(64).enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (other, above) in b.iter().zip(row.iter().skip(1)) {
            let changed = corner + usize::from(letter != *other);
            left = changed.min(left + 1).min(above + 1);
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("context", &self.0.context)
            .finish()
    }
}

impl std::error::Error for Error {}
