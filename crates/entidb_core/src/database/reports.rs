//! What upkeep did: checkpoints, compactions, backups, and the keys of an encrypted database.
//!
//! Always: a report has the fields of docs/spec/api.toml, in every language. Does not know: how any of it is done.

use entidb_codec::Value;
use entidb_engine::Sequence;

/// What a checkpoint did.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # db.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
/// let report = db.checkpoint()?;
/// assert!(report.wal_bytes_before > report.wal_bytes);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointReport {
    /// The last commit that is in segments.
    pub sequence: Sequence,
    /// Commits in the log that were not in segments before, in bytes.
    pub wal_bytes_before: u64,
    /// As many after it.
    pub wal_bytes: u64,
}

impl CheckpointReport {
    /// The report as a document, the same in every language.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// let report = db.checkpoint()?.to_value();
    /// assert_eq!(report.as_map().and_then(|map| map.get("wal_bytes")), Some(&0.into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        numbers([
            ("sequence", self.sequence.0),
            ("wal_bytes_before", self.wal_bytes_before),
            ("wal_bytes", self.wal_bytes),
        ])
    }
}

/// What a compaction did.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # db.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
/// assert!(db.compact()?.segments > 0);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactReport {
    /// Segments before it.
    pub segments_before: u64,
    /// Segments after it.
    pub segments: u64,
    /// Their size before it.
    pub segment_bytes_before: u64,
    /// Their size after it.
    pub segment_bytes: u64,
}

impl CompactReport {
    /// The report as a document, the same in every language.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// let report = db.compact()?.to_value();
    /// assert!(report.as_map().is_some_and(|map| map.get("segment_bytes").is_some()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        numbers([
            ("segments_before", self.segments_before),
            ("segments", self.segments),
            ("segment_bytes_before", self.segment_bytes_before),
            ("segment_bytes", self.segment_bytes),
        ])
    }
}

/// What a backup or a restore copied.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # db.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
/// let report = db.backup_to(&entidb_storage::Backend::memory())?;
/// assert_eq!(report.sequence, db.last_sequence());
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The last commit in the copy.
    pub sequence: Sequence,
    /// Files copied.
    pub files: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// Damaged copies in the KEYRING and ROOT of a backup that was restored. Each has another copy that is whole, from which the new
    /// database has both.
    pub spares_repaired: u64,
}

impl BackupReport {
    /// The report as a document, the same in every language.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// let report = db.backup_to(&entidb_storage::Backend::memory())?.to_value();
    /// assert!(report.as_map().is_some_and(|map| map.get("bytes").is_some()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        numbers([
            ("sequence", self.sequence.0),
            ("files", self.files),
            ("bytes", self.bytes),
            ("spares_repaired", self.spares_repaired),
        ])
    }
}

impl From<entidb_engine::BackupReport> for BackupReport {
    fn from(report: entidb_engine::BackupReport) -> Self {
        Self { sequence: report.sequence, files: report.files, bytes: report.bytes, spares_repaired: 0 }
    }
}

/// One key or password that opens an encrypted database. Nothing says which.
///
/// ```
/// use entidb_core::{Database, Key, Options};
/// let db = Database::open_memory_with(Options { key: Some(Key::Raw([1; 32])), ..Options::default() })?;
/// assert_eq!(db.keys()?[0].password_memory_kib, None);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySlot {
    /// The number of its slot, 0 to 7.
    pub slot: u64,
    /// Memory that one guess at a password takes; none for a key of 32 bytes.
    pub password_memory_kib: Option<u64>,
}

impl KeySlot {
    /// The slot as a document, the same in every language.
    ///
    /// ```
    /// use entidb_core::{Database, Key, Options};
    /// let db = Database::open_memory_with(Options { key: Some(Key::Raw([1; 32])), ..Options::default() })?;
    /// let slot = db.keys()?[0].to_value();
    /// assert_eq!(slot.as_map().and_then(|map| map.get("kind")), Some(&"key".into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        let kind = if self.password_memory_kib.is_some() { "password" } else { "key" };
        let fields = [("slot", Value::from(self.slot)), ("kind", Value::from(kind))];
        let cost = self.password_memory_kib.map(|kib| ("password_memory_kib", Value::from(kib)));
        Value::Map(fields.into_iter().chain(cost).collect())
    }
}

impl From<entidb_engine::KeySlot> for KeySlot {
    fn from(found: entidb_engine::KeySlot) -> Self {
        let password_memory_kib = found.password.map(|cost| u64::from(cost.memory_kib));
        Self { slot: found.number, password_memory_kib }
    }
}

fn numbers<const N: usize>(fields: [(&'static str, u64); N]) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name, Value::from(value))).collect())
}
