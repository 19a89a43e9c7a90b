//! The device's own write and flush, in a file of its own: what a durable commit costs at least on this machine at this moment.
//!
//! Always: the file was written before it is measured, so that a flush finds its blocks and its length as they were.
//! Does not know: what else the device does meanwhile.
#![expect(clippy::disallowed_methods, reason = "a bench wants real time")]

use std::path::Path;
use std::time::{Duration, Instant};

use entidb_storage::{Backend, OpenMode, RootMode};

/// How long the device is left alone between two flushes.
const GAP: Duration = Duration::from_millis(5);
/// The file is written over and over, in pieces.
const FILE_BYTES: u64 = 1 << 20;
const PIECE: [u8; 512] = [0xA5; 512];

/// Writes and flushes the file `name` of a folder until it is over, and gives each time.
///
/// # Errors
/// When the file cannot be made or written; `name` must be free. It is removed at the end.
pub fn probe(
    folder: &Path,
    name: &str,
    is_over: impl Fn() -> bool,
    mut timed: impl FnMut(Duration),
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let directory = Backend::file(folder, RootMode::Existing)?.directory;
    let file = directory.open(name, OpenMode::CreateNew)?;
    file.preallocate(0, FILE_BYTES)?;
    file.flush_all()?;
    directory.flush_names("")?;
    let mut offset = 0;
    while !is_over() {
        let begun = Instant::now();
        file.write_all_at(offset, &PIECE)?;
        file.flush_data()?;
        timed(begun.elapsed());
        offset = (offset + PIECE.len() as u64) % FILE_BYTES;
        std::thread::sleep(GAP);
    }
    directory.remove(name)?;
    Ok(())
}
