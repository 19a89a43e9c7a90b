//! Switches the database from one set of files to the next.
//!
//! Always: the switch is one record in the manifest, or one slot of ROOT when the manifest is new; both are on stable
//! storage before the old files may go.
//! Does not know: who made the new files, or who still reads the old ones.

use entidb_storage::Backend;

use crate::crypto::Keys;
use crate::error::Result;
use crate::format::{FileNumber, ManifestRecord, ManifestRecordKind, Root, Sequence};
use crate::version::{FileNumbers, ManifestWriter, WalRef, write_root};

/// The manifest and ROOT of a session.
pub(crate) struct Installer {
    writer: ManifestWriter,
    root_generation: u64,
    record_generation: u64,
    floor: Sequence,
}

impl Installer {
    /// Begins a session: a fresh manifest with `record` as its first, and ROOT pointing at it. The caller removes
    /// what is no longer named.
    pub(crate) fn begin(
        backend: &Backend,
        keys: &Keys,
        numbers: &FileNumbers,
        root_generation: u64,
        mut record: ManifestRecord,
    ) -> Result<Self> {
        let number = numbers.next();
        record.generation = record.generation.saturating_add(1);
        record.next_file = numbers.peek();
        let writer = ManifestWriter::create(backend, keys, number, &record)?;
        let generation = root_generation.saturating_add(1);
        let root = Root { generation, manifest: number, manifest_len: None };
        write_root(backend, keys, &root, root_generation == 0)?;
        Ok(Self { writer, root_generation: generation, record_generation: record.generation, floor: record.floor })
    }

    pub(crate) fn manifest_number(&self) -> FileNumber {
        self.writer.number()
    }

    /// Ends the session in order: `wals` have all ended.
    pub(crate) fn close(
        &mut self,
        backend: &Backend,
        keys: &Keys,
        numbers: &FileNumbers,
        wals: Vec<WalRef>,
    ) -> Result<()> {
        self.record_generation = self.record_generation.saturating_add(1);
        let record = ManifestRecord {
            generation: self.record_generation,
            next_file: numbers.peek(),
            floor: self.floor,
            wals,
            edit: Vec::new(),
        };
        self.writer.append(ManifestRecordKind::Closed, &record)?;
        self.root_generation = self.root_generation.saturating_add(1);
        let root = Root {
            generation: self.root_generation,
            manifest: self.writer.number(),
            manifest_len: Some(self.writer.len()),
        };
        write_root(backend, keys, &root, false)
    }
}
