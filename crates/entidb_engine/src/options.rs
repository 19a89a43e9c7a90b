//! The settings of an engine, their defaults and what they may be.
//!
//! Always: a setting that makes no sense is refused by name before anything is touched.
//! Does not know: where the files are (`Backend`).

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::{AesGcmProvider, Provider};
use crate::error::{Error, Result};
use crate::open_files::FILES_MIN;

/// The longest key in bytes; the shortest is one byte, because the first byte is the zone.
pub const KEY_BYTES_MAX: usize = 4096;
/// The longest value in bytes.
pub const VALUE_BYTES_MAX: usize = 256 * 1024 * 1024 - 1;

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// The commit is on stable storage when it returns. Survives a power failure.
    #[default]
    Durable,
    /// The bytes are with the operating system when it returns, and on stable storage at most `interval_ms`
    /// later. Survives the end of the process; a power failure may lose the last interval.
    Grouped {
        /// The longest time between the commit and its flush.
        interval_ms: u32,
    },
    /// The commit is in memory when it returns, and on its way soon. A crash may lose the last commits, up to about 32 MiB of
    /// them where the device is slow, never part of one and never one out of order.
    None,
}

/// The secret that opens an encrypted database. Wiped from memory when dropped.
pub enum KeySource {
    /// 32 random bytes, for example from the keystore of the system.
    Raw(Zeroizing<[u8; 32]>),
    /// A password of any length; a key is derived from it with Argon2id.
    Password(Zeroizing<Vec<u8>>),
}

impl KeySource {
    /// A key made of 32 random bytes.
    #[must_use]
    pub fn raw(key: [u8; 32]) -> Self {
        Self::Raw(Zeroizing::new(key))
    }

    /// A key derived from a password.
    #[must_use]
    pub fn password(password: impl Into<Vec<u8>>) -> Self {
        Self::Password(Zeroizing::new(password.into()))
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw(_) => "KeySource::Raw(hidden)",
            Self::Password(_) => "KeySource::Password(hidden)",
        })
    }
}

/// What deriving a key from a password costs. Used when a database is made or its password changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParameters {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Default for KdfParameters {
    /// 64 MiB, three passes, one lane: 0.6 s on a 2-core machine (2026-11).
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, iterations: 3, parallelism: 1 }
    }
}

/// How the blocks of a zone are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As they are.
    None,
    /// LZ4 where it saves enough.
    Lz4,
}

/// How the keys under one first byte are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZonePolicy {
    /// True for zones read by exact key: a hash index makes that one step.
    pub point_index: bool,
    /// The size of a block before compression.
    pub block_bytes: u32,
    /// How blocks are compressed.
    pub compression: Compression,
    /// True for zones whose entries may go once they were committed before the watermark, which is the number under
    /// [`ZonePolicies::watermark_key`]. Merging removes them; whether a read still finds one is not defined, so readers
    /// compare with the watermark themselves.
    pub expires: bool,
}

impl Default for ZonePolicy {
    fn default() -> Self {
        Self { point_index: true, block_bytes: 8 * 1024, compression: Compression::Lz4, expires: false }
    }
}

/// One policy for each first byte of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonePolicies {
    zones: Box<[ZonePolicy; 256]>,
    watermark_key: Option<&'static [u8]>,
}

impl ZonePolicies {
    /// The same policy for every zone.
    #[must_use]
    pub fn uniform(policy: ZonePolicy) -> Self {
        Self { zones: Box::new([policy; 256]), watermark_key: None }
    }

    /// The policy of the zone.
    #[must_use]
    pub fn policy(&self, zone: u8) -> ZonePolicy {
        self.zones.get(usize::from(zone)).copied().unwrap_or_default()
    }

    /// Gives a zone another policy.
    #[must_use]
    pub fn with(mut self, zone: u8, policy: ZonePolicy) -> Self {
        if let Some(slot) = self.zones.get_mut(usize::from(zone)) {
            *slot = policy;
        }
        self
    }

    /// Names the key under which the watermark is: 8 bytes, big-endian, the oldest commit whose entries stay in the zones
    /// that expire. It is a key like others, so it is in snapshots and backups and survives crashes like others. It must
    /// never be made less, and must not be in a zone that expires.
    #[must_use]
    pub const fn watermark_at(mut self, key: &'static [u8]) -> Self {
        self.watermark_key = Some(key);
        self
    }

    /// The key of the watermark; without one nothing expires.
    #[must_use]
    pub const fn watermark_key(&self) -> Option<&'static [u8]> {
        self.watermark_key
    }

    /// The zones whose entries expire.
    pub(crate) fn expiring(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|zone| self.policy(*zone).expires)
    }

    /// For every zone, whether it has a point index.
    #[must_use]
    pub fn point_zones(&self) -> [bool; 256] {
        self.zones.map(|policy| policy.point_index)
    }
}

impl Default for ZonePolicies {
    fn default() -> Self {
        Self::uniform(ZonePolicy::default())
    }
}

/// A memtable has this part of `memory_bytes` unless it is told otherwise.
const MEMTABLE_PART: u64 = 8;
const MEMTABLE_BYTES_MIN: u64 = 16 * 1024;
/// A larger one makes no fewer merges worth having, and is slower to search.
const MEMTABLE_BYTES_USUAL: u64 = 32 * 1024 * 1024;

/// How a database is opened.
///
/// ```
/// use entidb_engine::{Durability, Options};
/// let options = Options { durability: Durability::Grouped { interval_ms: 20 }, ..Options::default() };
/// assert!(options.create);
/// ```
#[derive(Debug)]
pub struct Options {
    /// Makes the database when there is none. Default true.
    pub create: bool,
    /// Refuses a database that is there already. Default false.
    pub create_new: bool,
    /// Opens for reading only: nothing is written, not even by recovery. Default false.
    pub read_only: bool,
    /// The secret of an encrypted database; a new one is encrypted when it is given.
    pub key: Option<KeySource>,
    /// What deriving a key from a password costs, for new databases and password changes.
    pub kdf: KdfParameters,
    /// Accepts costs below [`KdfParameters::FLOOR`], so that tests of other things take milliseconds.
    #[doc(hidden)]
    pub allow_weak_kdf: bool,
    /// Who does the arithmetic of encryption. Default: AES-256-GCM in portable Rust.
    pub provider: Arc<dyn Provider>,
    /// What a commit waits for when it does not say.
    pub durability: Durability,
    /// Memory for the newest writes, decoded blocks and indexes: all that [`MemoryUse`](crate::MemoryUse) tells of. Beside
    /// it are transactions that are not committed yet, each up to `transaction_bytes_max`.
    pub memory_bytes: u64,
    /// The size at which the newest writes are frozen and written to segments; 0 for an eighth of `memory_bytes`, at most
    /// 32 MiB. Up to four times as much is in memory while they are written, and a quarter of it more; with more than that
    /// eighth it may be more than `memory_bytes`. A transaction of more than a quarter of it goes to segments directly and
    /// is durable when it returns, whatever durability it asked for.
    pub memtable_bytes: u64,
    /// The log size at which a checkpoint is made by itself.
    pub wal_bytes: u64,
    /// Whether a checkpoint is made by itself when the log has `wal_bytes`. Default true.
    pub auto_checkpoint: bool,
    /// Files of segments that may be open at once, from 4 on; 0 for a quarter of what the process may have. About a dozen
    /// other files are open beside them.
    pub open_files_max: u64,
    /// The size of one transaction's changes in bytes.
    pub transaction_bytes_max: u64,
    /// The target size of a segment.
    pub segment_bytes: u64,
    /// How the keys under each first byte are stored.
    pub zones: ZonePolicies,
    /// Runs background work on threads where the backend has any. Default true. Without it the log has a thread all the
    /// same, so that the interval of grouped commits is kept; memtables and merges wait for commits or `maintain`.
    pub background: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            create_new: false,
            read_only: false,
            key: None,
            kdf: KdfParameters::default(),
            allow_weak_kdf: false,
            provider: Arc::new(AesGcmProvider),
            durability: Durability::Durable,
            memory_bytes: 256 * 1024 * 1024,
            memtable_bytes: 0,
            wal_bytes: 256 * 1024 * 1024,
            auto_checkpoint: true,
            open_files_max: 0,
            transaction_bytes_max: 256 * 1024 * 1024,
            segment_bytes: 64 * 1024 * 1024,
            zones: ZonePolicies::default(),
            background: true,
        }
    }
}

impl Options {
    /// Replaces what is left to the engine by what it chooses.
    pub(crate) fn settle(&mut self) {
        if self.memtable_bytes == 0 {
            self.memtable_bytes = (self.memory_bytes / MEMTABLE_PART).clamp(MEMTABLE_BYTES_MIN, MEMTABLE_BYTES_USUAL);
        }
    }

    /// Judges every setting.
    ///
    /// # Errors
    /// `InvalidArgument` that names the first setting that makes no sense and what would.
    pub fn validate(&self) -> Result<()> {
        if self.read_only && self.create_new {
            return Err(invalid("create_new", "cannot be had together with read_only; drop one"));
        }
        between("memory_bytes", self.memory_bytes, 1 << 20, 1 << 44)?;
        if self.memtable_bytes != 0 {
            between("memtable_bytes", self.memtable_bytes, MEMTABLE_BYTES_MIN, 1 << 30)?;
        }
        between("wal_bytes", self.wal_bytes, 64 * 1024, 1 << 40)?;
        between("transaction_bytes_max", self.transaction_bytes_max, 1024, 1 << 32)?;
        if self.open_files_max != 0 {
            between("open_files_max", self.open_files_max, FILES_MIN, 1 << 20)?;
        }
        between("segment_bytes", self.segment_bytes, 16 * 1024, 1 << 30)?;
        if let Durability::Grouped { interval_ms } = self.durability {
            between("durability.interval_ms", u64::from(interval_ms), 1, 60_000)?;
        }
        for zone in 0..=u8::MAX {
            between("zones.block_bytes", u64::from(self.zones.policy(zone).block_bytes), 512, 1 << 20)?;
        }
        if let Some(key) = &self.key {
            key.validate()?;
        }
        self.kdf.validate(self.allow_weak_kdf)
    }
}

fn between(what: &'static str, found: u64, min: u64, max: u64) -> Result<()> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(invalid(what, format!("is {found}; give {min} to {max}")))
}

pub(crate) fn invalid(what: &'static str, problem: impl Into<String>) -> Error {
    Error::InvalidArgument { what, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Options::default().validate().unwrap();
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_named() {
        let options = Options { memtable_bytes: 3, ..Options::default() };
        let text = options.validate().unwrap_err().to_string();
        assert!(text.starts_with("memtable_bytes is 3; give"), "{text}");
        let options = Options { read_only: true, create_new: true, ..Options::default() };
        assert!(matches!(options.validate(), Err(Error::InvalidArgument { what: "create_new", .. })));
    }

    #[test]
    fn a_key_is_never_printed() {
        let options = Options { key: Some(KeySource::password("swordfish")), ..Options::default() };
        assert!(!format!("{options:?}").contains("swordfish"));
    }
}
