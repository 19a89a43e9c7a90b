//! The ways a device, a system or a drive can fail a single call.
//!
//! Always: a fault is chosen by call index, so a run with it replays exactly.
//! Does not know: how each fault is acted out (`directory`, `file`).

use crate::error::{Error, ErrorKind, Operation};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// EIO. At a flush some of the waiting bytes reach the disk and the cache law takes the rest.
    Device,
    /// ENOSPC, at once.
    NoSpace,
    /// EDQUOT.
    Quota,
    /// ENOSPC that shows only when the bytes are flushed.
    NoSpaceAtFlush,
    /// EROFS: the system went read-only under us.
    ReadOnly,
    /// EMFILE.
    TooManyOpenFiles,
    /// EACCES.
    PermissionDenied,
    /// EINTR. From there on it interrupts every second call, since no signal storm is endless.
    Interrupted,
    /// Fewer bytes than asked.
    ShortRead,
    /// Fewer bytes than given; an `append` leaves a prefix and fails.
    ShortWrite,
    /// EIO from a write that some or all of its bytes were taken of.
    TornWrite,
    /// The device takes no bytes and says so.
    ZeroWrite,
    /// The write says yes, the next flush of the file says no, the one after says yes.
    DelayedDevice,
    /// The flush says no and nothing waiting reaches the disk; the next flush says yes.
    FlushLost,
    /// A read returns what the disk held before the unflushed writes.
    StaleRead,
    /// A write says yes and lands a sector further on.
    MisdirectedWrite,
    /// A read returns one flipped bit; the disk is fine.
    FlippedBitOnce,
    /// A bit on the disk flips.
    FlippedBit,
    /// The file is gone.
    LostFile,
    /// A removed file is back.
    ResurrectedFile,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Device,
        Self::NoSpace,
        Self::Quota,
        Self::NoSpaceAtFlush,
        Self::ReadOnly,
        Self::TooManyOpenFiles,
        Self::PermissionDenied,
        Self::Interrupted,
        Self::ShortRead,
        Self::ShortWrite,
        Self::TornWrite,
        Self::ZeroWrite,
        Self::DelayedDevice,
        Self::FlushLost,
        Self::StaleRead,
        Self::MisdirectedWrite,
        Self::FlippedBitOnce,
        Self::FlippedBit,
        Self::LostFile,
        Self::ResurrectedFile,
    ];

    /// True when the kind can happen to this operation.
    #[must_use]
    pub const fn applies_to(self, operation: Operation) -> bool {
        use Operation as O;
        let writes = matches!(operation, O::Write | O::SetLen | O::Preallocate);
        let flushes = matches!(operation, O::FlushData | O::FlushAll);
        let names =
            matches!(operation, O::Open | O::CreateFolder | O::RemoveFolder | O::Remove | O::Rename | O::HardLink);
        match self {
            Self::Device => !matches!(operation, O::OpenRoot | O::Random | O::SpawnThread),
            Self::NoSpace | Self::Quota => writes || matches!(operation, O::Open | O::CreateFolder | O::HardLink),
            Self::NoSpaceAtFlush | Self::FlushLost => flushes,
            Self::ReadOnly => writes || names,
            Self::TooManyOpenFiles => matches!(operation, O::Open | O::List | O::FlushNames | O::Lock),
            Self::PermissionDenied => names || matches!(operation, O::List | O::Lock),
            Self::Interrupted => matches!(operation, O::Read | O::Write),
            Self::ShortRead | Self::StaleRead | Self::FlippedBitOnce | Self::FlippedBit => {
                matches!(operation, O::Read)
            }
            Self::ShortWrite | Self::TornWrite | Self::ZeroWrite | Self::MisdirectedWrite => {
                matches!(operation, O::Write)
            }
            Self::DelayedDevice => writes,
            Self::LostFile | Self::ResurrectedFile => matches!(operation, O::Open | O::List),
        }
    }

    /// True for a kind that no call reports: only checksums and lists can tell.
    #[must_use]
    pub const fn is_silent(self) -> bool {
        matches!(
            self,
            Self::StaleRead
                | Self::MisdirectedWrite
                | Self::FlippedBitOnce
                | Self::FlippedBit
                | Self::LostFile
                | Self::ResurrectedFile
        )
    }

    /// The error the call returns, where the kind is one that makes the call fail at once.
    pub(super) fn error(self, operation: Operation, path: &str) -> Option<Error> {
        let device = |code| ErrorKind::Device { os_code: Some(code) };
        let kind = match self {
            Self::Device => device(EIO),
            Self::NoSpace | Self::Quota => ErrorKind::NoSpace,
            Self::ReadOnly => ErrorKind::ReadOnly,
            Self::TooManyOpenFiles => ErrorKind::TooManyOpenFiles,
            Self::PermissionDenied => ErrorKind::PermissionDenied,
            Self::Interrupted => ErrorKind::Interrupted,
            _ => return None,
        };
        Some(Error::new(operation, path, kind))
    }
}

/// The number of EIO, the same on every system we simulate.
pub(super) const EIO: i32 = 5;

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// At this call only.
    Once(u64),
    /// At this call and every later one it applies to.
    Onward(u64),
}

/// A fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// At which call.
    pub when: When,
}

impl Fault {
    /// A fault at one call.
    #[must_use]
    pub const fn once(kind: FaultKind, call: u64) -> Self {
        Self { kind, when: When::Once(call) }
    }

    /// A fault at a call and every later one it applies to.
    #[must_use]
    pub const fn onward(kind: FaultKind, call: u64) -> Self {
        Self { kind, when: When::Onward(call) }
    }

    pub(super) const fn strikes(&self, call: u64, operation: Operation) -> bool {
        let due = match self.when {
            When::Once(at) => call == at,
            When::Onward(at) => {
                call >= at && (!matches!(self.kind, FaultKind::Interrupted) || (call - at).is_multiple_of(2))
            }
        };
        due && self.kind.applies_to(operation)
    }
}
