//! The laws of real file systems: what each keeps, loses and reorders when the power fails.
//!
//! Always: a personality only forbids; where the documents of a system are silent, everything may happen.
//! Does not know: what is pending (`disk`), or how an image is made of it (`crash`).

use std::fmt;
use std::str::FromStr;

/// A file system to behave like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Personality {
    /// Only what POSIX promises: a flushed file may have no name, and anything unflushed may be anything.
    PosixStrict,
    /// ext4, `data=ordered`: one journal of names in order; a length survives only with its bytes.
    Ext4Ordered,
    /// XFS: one log of names in order; a grown length may survive with zeros.
    Xfs,
    /// btrfs: copy on write by 4 KiB blocks; the cache goes back to the disk's bytes after a failed flush.
    Btrfs,
    /// APFS: copy on write; names in checkpoints, in order.
    Apfs,
    /// NTFS: no flush of folders; names follow the next flush of any file; grown lengths read as zeros.
    Ntfs,
    /// The browser's origin-private file system: no rename, a name is durable with its file.
    Opfs,
    /// Files kept in `IndexedDB`: each write is a transaction, so a file goes back to an earlier whole state.
    IndexedDb,
}

impl Personality {
    /// Every personality.
    pub const ALL: [Self; 8] = [
        Self::PosixStrict,
        Self::Ext4Ordered,
        Self::Xfs,
        Self::Btrfs,
        Self::Apfs,
        Self::Ntfs,
        Self::Opfs,
        Self::IndexedDb,
    ];

    /// The name used on command lines and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PosixStrict => "posix-strict",
            Self::Ext4Ordered => "ext4-ordered",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Apfs => "apfs",
            Self::Ntfs => "ntfs",
            Self::Opfs => "opfs",
            Self::IndexedDb => "indexeddb",
        }
    }

    pub(super) const fn laws(self) -> Laws {
        let strict = Laws {
            names_need_flush: true,
            rename: true,
            hard_link: true,
            flush_names_too: NamesWithFile::Nothing,
            names_in_order: false,
            data: DataOrder::AnyWrite,
            tear_bytes_min: 1,
            growth: Growth::Garbage,
            set_len_needs_flush_all: true,
            after_failed_flush: CacheLaw::MarkedClean,
        };
        match self {
            Self::PosixStrict => strict,
            Self::Ext4Ordered => Laws {
                flush_names_too: NamesWithFile::AllEarlier,
                names_in_order: true,
                data: DataOrder::PageVersions,
                tear_bytes_min: 512,
                growth: Growth::WithBytes,
                set_len_needs_flush_all: false,
                ..strict
            },
            Self::Xfs => Laws {
                flush_names_too: NamesWithFile::AllEarlier,
                names_in_order: true,
                data: DataOrder::PageVersions,
                tear_bytes_min: 512,
                growth: Growth::Zeros,
                ..strict
            },
            Self::Btrfs => Laws {
                flush_names_too: NamesWithFile::Own,
                names_in_order: true,
                data: DataOrder::PageVersions,
                tear_bytes_min: 4096,
                growth: Growth::Zeros,
                set_len_needs_flush_all: false,
                after_failed_flush: CacheLaw::Reverted,
                ..strict
            },
            Self::Apfs => Laws {
                flush_names_too: NamesWithFile::Own,
                names_in_order: true,
                data: DataOrder::PageVersions,
                tear_bytes_min: 4096,
                growth: Growth::Zeros,
                after_failed_flush: CacheLaw::StaysDirty,
                ..strict
            },
            Self::Ntfs => Laws {
                names_need_flush: false,
                flush_names_too: NamesWithFile::AllEarlier,
                names_in_order: true,
                data: DataOrder::PageVersions,
                tear_bytes_min: 512,
                growth: Growth::Zeros,
                set_len_needs_flush_all: false,
                after_failed_flush: CacheLaw::StaysDirty,
                ..strict
            },
            Self::Opfs => Laws {
                names_need_flush: false,
                rename: false,
                hard_link: false,
                flush_names_too: NamesWithFile::Own,
                data: DataOrder::PageVersions,
                tear_bytes_min: 512,
                growth: Growth::Zeros,
                set_len_needs_flush_all: false,
                ..strict
            },
            Self::IndexedDb => Laws {
                names_need_flush: false,
                rename: false,
                hard_link: false,
                flush_names_too: NamesWithFile::Own,
                names_in_order: true,
                data: DataOrder::InOrder,
                tear_bytes_min: u64::MAX,
                growth: Growth::WithBytes,
                set_len_needs_flush_all: false,
                after_failed_flush: CacheLaw::Reverted,
            },
        }
    }
}

impl fmt::Display for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No personality has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no file system personality is called {0:?}; see Personality::ALL")]
pub struct UnknownPersonality(pub String);

impl FromStr for Personality {
    type Err = UnknownPersonality;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.name() == text).ok_or_else(|| UnknownPersonality(text.to_owned()))
    }
}

/// What the cache holds after a flush failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheLaw {
    /// Reads still see the new bytes, but they count as written: the next flush succeeds and they are gone
    /// after a crash (ext4, XFS).
    MarkedClean,
    /// The cache goes back to what the disk holds: reads see the old bytes (btrfs).
    Reverted,
    /// The bytes stay to be written: the next flush may truly succeed.
    StaysDirty,
}

impl CacheLaw {
    /// Every law.
    pub const ALL: [Self; 3] = [Self::MarkedClean, Self::Reverted, Self::StaysDirty];
}

/// Which names become durable when a file is flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamesWithFile {
    Nothing,
    Own,
    AllEarlier,
}

/// Which unflushed bytes may survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataOrder {
    /// Any subset of the writes.
    AnyWrite,
    /// Each page, or each sector of a torn one, as it was after some number of the writes.
    PageVersions,
    /// The file as it was after some number of the writes.
    InOrder,
}

/// What a grown length may survive with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Growth {
    /// Its bytes only.
    WithBytes,
    /// Zeros where the bytes were lost.
    Zeros,
    /// Anything where the bytes were lost.
    Garbage,
}

/// The laws of one personality.
#[derive(Debug, Clone, Copy)]
pub(super) struct Laws {
    pub(super) names_need_flush: bool,
    pub(super) rename: bool,
    pub(super) hard_link: bool,
    pub(super) flush_names_too: NamesWithFile,
    pub(super) names_in_order: bool,
    pub(super) data: DataOrder,
    pub(super) tear_bytes_min: u64,
    pub(super) growth: Growth,
    pub(super) set_len_needs_flush_all: bool,
    pub(super) after_failed_flush: CacheLaw,
}
