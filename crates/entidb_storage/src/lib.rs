//! Byte stores, clocks, randomness and threads behind one seam.
//!
//! Always: everything above does all its input and output through [`Backend`]; every failure names the operation and
//! the path. Does not know: records, keys, transactions, or anything else the bytes mean.

#![deny(unsafe_code)]

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod backend;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod directory;
mod error;
mod file;
mod flushes;
#[expect(unsafe_code, reason = "only the C library tells of a fork")]
mod fork;
mod host;
mod memory;
mod name;
mod random;
#[cfg(feature = "simulated")]
pub mod simulated;
pub mod sync;
mod threads;
#[cfg(feature = "simulated")]
mod watched;

pub use backend::Backend;
pub use clock::{Clock, ManualClock, SystemClock};
pub use directory::{Abilities, Directory, Entry, Lock, LockKind, OpenMode, Whereabouts};
pub use error::{Error, ErrorKind, Operation, Result};
pub use file::{Advice, File};
#[cfg(any(unix, windows))]
pub use file::{FileDirectory, RootMode};
pub use fork::Process;
pub use host::{HostDirectory, HostError, HostFunctions, HostHandle, HostResult};
pub use memory::MemoryDirectory;
pub use name::{NAME_BYTES_MAX, Name};
pub use random::{Random, SeededRandom, SystemRandom};
pub use threads::{NoThreads, Running, SystemThreads, Threads};
#[cfg(feature = "simulated")]
pub use watched::{Call, Watcher};
