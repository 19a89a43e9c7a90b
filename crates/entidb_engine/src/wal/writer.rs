//! Writes one file of the log.
//!
//! Always: the file has all its bytes, is flushed and named before its first unit, so a commit's flush changes no metadata.
//! It is zero-written for that, or it was a log file of this session before and lies under its new name with a new
//! header: then what its former life left behind the header fails by number and checksum, and by key where there is one.
//! A unit number is used once, whether or not its write succeeded.
//! Does not know: who waits for the units (`group`).
//! Format: docs/spec/file-format.md, "Write-ahead log".

use std::sync::Arc;

use entidb_storage::{Backend, File, OpenMode};

use crate::crypto::{Keys, Protection};
use crate::error::{Error, Result};
use crate::format::{
    FILE_HEADER_BYTES, FileKind, FileNumber, RECYCLED, Sequence, Stream, TAG_BYTES, Tag, Unit, WAL_UNIT_HEADER_BYTES,
    WAL_UNITS_AT, WalSuccessor, WalUnitHeader, WalUnitKind, wal_unit_bytes,
};
use crate::planted::{Mistake, makes};
use crate::space::Space;

/// The size of the first log file of a database, kept small so that a fresh database is.
pub(crate) const WAL_FILE_BYTES_MIN: u64 = 256 * 1024;
/// The size at which log files stop growing.
pub(crate) const WAL_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where a log file ended for good, as the manifest remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WalSeal {
    pub(crate) len: u64,
    pub(crate) tag: Tag,
    pub(crate) last: Sequence,
}

/// A log file whose commits are all in segments and that no manifest names, made by this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpentFile {
    pub(crate) number: FileNumber,
    pub(crate) capacity: u64,
}

/// A log file open for writing.
pub(crate) struct WalFile {
    number: FileNumber,
    salt: [u8; 32],
    key_generation: u32,
    file: Arc<dyn File>,
    protection: Protection,
    capacity: u64,
    offset: u64,
    unit_number: u32,
    previous_tag: Tag,
    last: Sequence,
    /// Gives room for writes that need some although the file has it.
    space: Option<Arc<Space>>,
}

impl WalFile {
    /// Makes a file of `capacity` bytes, zero-written, with its name and content on stable storage.
    pub(crate) fn create(backend: &Backend, keys: &Keys, number: FileNumber, capacity: u64) -> Result<Self> {
        let path = FileKind::Wal.path(number);
        let file = backend.directory.open(&path, OpenMode::CreateNew)?;
        let made = Self::fill(backend, keys, number, capacity, file);
        if made.is_err() {
            // Half a file must not eat the space the next attempt needs; a failure to remove it is found at open.
            let _ = backend.directory.remove(&path);
        }
        made
    }

    fn fill(backend: &Backend, keys: &Keys, number: FileNumber, capacity: u64, file: Arc<dyn File>) -> Result<Self> {
        let made = Self::begin(backend, keys, number, capacity, 0, file)?;
        made.file.preallocate(WAL_UNITS_AT, capacity.saturating_sub(WAL_UNITS_AT))?;
        made.file.flush_all()?;
        if !makes(Mistake::LogNameNotFlushed) {
            backend.directory.flush_names(FileKind::Wal.folder())?;
        }
        Ok(made)
    }

    /// Makes a file of a spent one: a new name, a new header, all of it on stable storage. Nothing else is written.
    pub(crate) fn recycle(backend: &Backend, keys: &Keys, number: FileNumber, spent: &SpentFile) -> Result<Self> {
        let (old, path) = (FileKind::Wal.path(spent.number), FileKind::Wal.path(number));
        let renamed = backend.directory.rename(&old, &path).map_err(Error::from);
        let made = renamed.and_then(|()| Self::begin_anew(backend, keys, number, spent.capacity, &path));
        if made.is_err() {
            // Under which of its names it is then is not known everywhere: a server may have done what it did not answer.
            for name in [&old, &path] {
                let _ = backend.directory.remove(name);
            }
        }
        made
    }

    fn begin_anew(backend: &Backend, keys: &Keys, number: FileNumber, capacity: u64, path: &str) -> Result<Self> {
        let file = backend.directory.open(path, OpenMode::Write)?;
        let made = Self::begin(backend, keys, number, capacity, RECYCLED, file)?;
        if !makes(Mistake::RecycledHeaderNotFlushed) {
            made.file.flush_all()?;
        }
        if !makes(Mistake::RecycledNameNotFlushed) {
            backend.directory.flush_names(FileKind::Wal.folder())?;
        }
        Ok(made)
    }

    /// Writes the page with the header and its proof.
    fn begin(
        backend: &Backend,
        keys: &Keys,
        number: FileNumber,
        capacity: u64,
        compatible: u32,
        file: Arc<dyn File>,
    ) -> Result<Self> {
        let (header, protection) = keys.new_file_with(FileKind::Wal, number, compatible, backend.random.as_ref())?;
        let mut page = header.encode().to_vec();
        let proof = Unit {
            stream: Stream::HeaderCheck,
            number: 0,
            offset: FILE_HEADER_BYTES as u64,
            header: &[],
            previous_tag: [0; TAG_BYTES],
        };
        let start = page.len();
        // The length the file has from birth: one that was cut later cannot pass for one that was torn.
        page.extend_from_slice(&capacity.to_le_bytes());
        let previous_tag = protection.seal(proof, &mut page, start)?;
        page.resize(usize::try_from(WAL_UNITS_AT).unwrap_or(page.len()), 0);
        if !(compatible == RECYCLED && makes(Mistake::RecycledHeaderKept)) {
            file.write_all_at(0, &page)?;
        }
        Ok(Self {
            number,
            salt: header.salt,
            key_generation: header.key_generation,
            file,
            protection,
            capacity,
            offset: WAL_UNITS_AT,
            unit_number: 0,
            previous_tag,
            last: Sequence::ZERO,
            space: None,
        })
    }

    /// The file, with the reserve for writes that find no room on a file system that copies on write.
    pub(crate) fn with_reserve(self, space: &Arc<Space>) -> Self {
        Self { space: Some(Arc::clone(space)), ..self }
    }

    pub(crate) fn number(&self) -> FileNumber {
        self.number
    }

    /// The generation of the data key it is under.
    pub(crate) fn key_generation(&self) -> u32 {
        self.key_generation
    }

    pub(crate) fn successor_mark(&self) -> WalSuccessor {
        WalSuccessor { number: self.number, salt: self.salt }
    }

    pub(crate) fn file(&self) -> Arc<dyn File> {
        Arc::clone(&self.file)
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(crate) fn overhead(&self) -> usize {
        self.protection.overhead()
    }

    /// Bytes still free, the room for the end not taken off.
    pub(crate) fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.offset)
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> u64 {
        self.offset
    }

    /// Writes commits `first..=last`. `body` begins with room for the clear header. One write.
    pub(crate) fn write_commits(
        &mut self,
        mut body: Vec<u8>,
        first: Sequence,
        last: Sequence,
        durable: Sequence,
    ) -> Result<Vec<u8>> {
        self.write_unit(WalUnitKind::Commits, &mut body, first, last, durable)?;
        self.last = last;
        Ok(body)
    }

    /// As [`end`](Self::end), and flushes.
    pub(crate) fn finish(
        &mut self,
        successor: Option<&WalSuccessor>,
        last: Sequence,
        durable: Sequence,
    ) -> Result<WalSeal> {
        let seal = self.end(successor, last, durable)?;
        if !makes(Mistake::LogEndNotFlushed) {
            self.file.flush_data()?;
        }
        Ok(seal)
    }

    /// Ends the file: the log goes on in `successor`, or with none it was closed in order.
    pub(crate) fn end(
        &mut self,
        successor: Option<&WalSuccessor>,
        last: Sequence,
        durable: Sequence,
    ) -> Result<WalSeal> {
        let mut body = vec![0; WAL_UNIT_HEADER_BYTES];
        let kind = match successor {
            Some(successor) => {
                body.extend_from_slice(&successor.encode());
                WalUnitKind::Continued
            }
            None => WalUnitKind::Closed,
        };
        self.write_unit(kind, &mut body, last, last, durable)?;
        Ok(WalSeal { len: self.offset, tag: self.previous_tag, last })
    }

    fn write_unit(
        &mut self,
        kind: WalUnitKind,
        body: &mut Vec<u8>,
        first: Sequence,
        last: Sequence,
        durable: Sequence,
    ) -> Result<()> {
        let plain = body.len().saturating_sub(WAL_UNIT_HEADER_BYTES);
        let Ok(body_len) = u32::try_from(plain) else {
            return Err(Error::TooLarge { what: "commit group", size: plain as u64, limit: u64::from(u32::MAX) });
        };
        let number = self.unit_number;
        self.unit_number = self.unit_number.saturating_add(1);
        let header = WalUnitHeader { body_len, file: self.number, number, kind, first, last, durable }.encode();
        for (to, from) in body.iter_mut().zip(header) {
            *to = from;
        }
        let (stream, number) = match kind {
            WalUnitKind::Commits => (Stream::Data, u64::from(number)),
            WalUnitKind::Continued | WalUnitKind::Closed => (Stream::Footer, u64::from(number)),
        };
        let unit = Unit { stream, number, offset: self.offset, header: &header, previous_tag: self.previous_tag };
        let tag = self.protection.seal(unit, body, WAL_UNIT_HEADER_BYTES)?;
        let len = wal_unit_bytes(u64::from(body_len), self.protection.overhead());
        body.resize(usize::try_from(len).unwrap_or(body.len()), 0);
        let write = || self.file.write_all_at(self.offset, body);
        self.space.as_ref().map_or_else(write, |space| space.overwrite(body.len(), write))?;
        self.offset = self.offset.saturating_add(len);
        self.previous_tag = tag;
        Ok(())
    }
}
