//! The list of calls a world has seen, with a hash that two equal runs share.
//!
//! Always: every call through the backend is one entry, in order, whether it failed or not.
//! Does not know: what the calls did to the device.

use std::fmt;
use std::sync::Arc;

use super::dice::{mix, mix_bytes};
use crate::error::Operation;

/// One call through a simulated backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// Of which file or folder.
    pub path: Arc<str>,
    /// At which byte, or 0.
    pub offset: u64,
    /// Of how many bytes, or 0.
    pub len: u64,
    /// Whether it returned an error.
    pub failed: bool,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.operation.phrase(), self.path)?;
        if self.len > 0 || self.offset > 0 {
            write!(f, " {}+{}", self.offset, self.len)?;
        }
        if self.failed { f.write_str(" -> error") } else { Ok(()) }
    }
}

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) calls: Vec<Call>,
    hash: u64,
}

impl Trace {
    pub(super) fn push(&mut self, call: Call) {
        let place = mix_bytes(call.offset, call.path.as_bytes());
        let shape = mix(call.len, call.operation as u64 * 2 + u64::from(call.failed));
        self.hash = mix(self.hash, mix(place, shape));
        self.calls.push(call);
    }

    pub(super) fn add_bytes(&mut self, bytes: &[u8]) {
        self.hash = mix_bytes(self.hash, bytes);
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }
}
