//! What the process has from the system: memory and descriptors; and what a folder takes on the disk.
//!
//! Always: what a system does not tell is nothing, never zero.
//! Does not know: who uses it.
#![expect(clippy::disallowed_methods, reason = "a bench looks at its process and at the real disk")]

use std::fs;
use std::path::Path;

/// Resident memory in bytes.
#[must_use]
pub(super) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Open descriptors.
#[must_use]
pub(super) fn descriptors() -> Option<u64> {
    // The listing itself has one open.
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

/// How many descriptors the process may have.
#[must_use]
pub(super) fn descriptors_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes of the files in a folder and in the folders of it.
#[must_use]
pub(super) fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        // Removed since the folder was read.
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
