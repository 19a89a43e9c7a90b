//! Reads and writes ROOT, the one file with a fixed name that everything else hangs from.
//!
//! Always: the newer slot is never changed by a write, and is on stable storage before the other one is; a slot counts
//! only when it verifies.
//! Does not know: the manifest's content.
//! Format: docs/spec/file-format.md, "ROOT".

use entidb_storage::{Backend, File, OpenMode};

use crate::crypto::{Keys, Protection};
use crate::error::{Error, Result};
use crate::format::{
    Cipher, ENCRYPTED_TRAILER_BYTES, FILE_HEADER_BYTES, FileHeader, FileKind, FileNumber, PLAIN_TRAILER_BYTES,
    ROOT_SLOT_BYTES, Root, Stream, TAG_BYTES, Unit,
};
use crate::planted::{Mistake, makes};
use crate::space::Space;
use crate::value::copy_of;
use crate::window::Window;

const PATH: &str = "ROOT";

/// ROOT as it is, before its content can be read: what it says about itself in the clear.
pub(crate) struct RootFile {
    bytes: Vec<u8>,
    /// The header of a slot that is whole.
    pub(crate) header: FileHeader,
}

/// Reads ROOT's bytes and a header of it.
///
/// `NotADatabase` when no slot begins as ours do; `FormatTooNew` and `Corrupt` as the better slot says.
pub(crate) fn read_root_file(backend: &Backend) -> Result<RootFile> {
    let file = backend.directory.open(PATH, OpenMode::Read)?;
    let len = file.len()?;
    if len > ROOT_SLOT_BYTES.saturating_mul(2) {
        let mut start = vec![0; FILE_HEADER_BYTES];
        file.read_exact_at(0, &mut start)?;
        FileHeader::decode_first(backend.directory.location(), PATH, &start)?;
        return Err(Error::damaged(PATH, 0, format!("it has {len} bytes, ROOT has {}", ROOT_SLOT_BYTES * 2)));
    }
    let bytes = copy_of(Window::new(file)?.rest(0)?, "reading a file")?;
    let location = backend.directory.location();
    let mut failure = None;
    for slot in 0..2 {
        match FileHeader::decode_first(location, PATH, slot_bytes(&bytes, slot)) {
            Ok(header) => return Ok(RootFile { bytes, header }),
            // A foreign or empty slot says less than one that is ours and newer or damaged.
            Err(error @ Error::NotADatabase { .. }) => failure = failure.or(Some(error)),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::damaged(PATH, 0, "it has no slots")))
}

impl RootFile {
    /// True when the checksum of some slot is right, which needs no key to tell.
    pub(crate) fn has_whole_slot(&self) -> bool {
        (0..2).any(|slot| self.is_whole(slot))
    }

    /// True when no crash tore it while it was written first: each slot is whole, or was never written.
    pub(crate) fn is_untorn(&self) -> bool {
        let is_as_written = |slot| {
            let bytes = slot_bytes(&self.bytes, slot);
            let end = if self.is_whole(slot) { unit_end(bytes).unwrap_or_default() } else { 0 };
            bytes.iter().skip(end).all(|byte| *byte == 0)
        };
        self.is_full_length() && (0..2).all(is_as_written)
    }

    fn is_whole(&self, slot: u64) -> bool {
        let bytes = slot_bytes(&self.bytes, slot);
        let Ok(header) = FileHeader::decode(PATH, bytes) else { return false };
        let Some((length, rest)) = bytes.get(FILE_HEADER_BYTES..).and_then(|rest| rest.split_first_chunk::<4>()) else {
            return false;
        };
        let trailer = if header.cipher == Cipher::Plain { PLAIN_TRAILER_BYTES } else { ENCRYPTED_TRAILER_BYTES };
        let end = (u32::from_le_bytes(*length) as usize).saturating_add(trailer);
        let unit = unit_of(slot.saturating_mul(ROOT_SLOT_BYTES), length);
        rest.get(..end).is_some_and(|stored| Protection::verifies(&header, unit, stored))
    }

    /// The newest slot that verifies under the keys, and what is wrong with the other where something is.
    pub(crate) fn newest(&self, keys: &Keys) -> Result<(Root, Option<Error>)> {
        let mut newest: Option<Root> = None;
        let mut failure = None;
        for slot in 0..2 {
            match read_slot(keys, &self.bytes, slot) {
                Ok(root)
                    if newest
                        .is_none_or(|found| (found.generation < root.generation) != makes(Mistake::OlderRootWins)) =>
                {
                    newest = Some(root);
                }
                Ok(_) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match (newest, failure) {
            (Some(root), failure) => Ok((root, failure)),
            (None, failure) => Err(failure.unwrap_or_else(|| Error::damaged(PATH, 0, "it has no slots"))),
        }
    }

    /// True when the file has the length of both slots.
    fn is_full_length(&self) -> bool {
        self.bytes.len() as u64 == ROOT_SLOT_BYTES.saturating_mul(2)
    }

    /// What is not as it was written although the newest slot is whole: `other` is what is wrong with the other one. A crash
    /// may have torn that one while it was written; the bytes do not tell, and it is of no use either way. Only before the
    /// second slot was ever written its place is zeros.
    pub(crate) fn lost(&self, newest: &Root, other: Option<Error>) -> Vec<Error> {
        let mut lost = Vec::new();
        let len = self.bytes.len() as u64;
        if !self.is_full_length() {
            lost.push(Error::damaged(PATH, len, format!("it has {len} bytes, ROOT has {}", ROOT_SLOT_BYTES * 2)));
        }
        let older = newest.slot() ^ 1;
        let is_unused = newest.generation == 1 && slot_bytes(&self.bytes, older).iter().all(|byte| *byte == 0);
        let is_older_whole = other.is_none();
        if let Some(error) = other.filter(|_| !is_unused) {
            let detail = format!(
                "the older slot is damaged, or a crash tore it ({error}); the newer one is whole, and opening the database for \
                 writing writes this one anew"
            );
            lost.push(Error::damaged(PATH, older.saturating_mul(ROOT_SLOT_BYTES), detail));
        }
        for slot in [Some(newest.slot()), Some(older).filter(|_| is_older_whole)].into_iter().flatten() {
            let bytes = slot_bytes(&self.bytes, slot);
            let end = unit_end(bytes).unwrap_or(bytes.len());
            if let Some(at) = bytes.iter().skip(end).position(|byte| *byte != 0) {
                let offset = slot.saturating_mul(ROOT_SLOT_BYTES).saturating_add(end.saturating_add(at) as u64);
                lost.push(Error::damaged(PATH, offset, "what follows a slot is not zeros"));
            }
        }
        lost
    }

    /// Puts the slot that was found to be the newest on stable storage, and the name of ROOT, before anything else is
    /// written: a failed flush of the session before may have left them in the cache alone, and the other slot is about
    /// to be overwritten. The same bytes are written to the same place, so a crash in the middle changes nothing.
    pub(crate) fn settle(&self, backend: &Backend, newest: &Root, space: &Space) -> Result<()> {
        if makes(Mistake::RootFoundIsFlushed) {
            return Ok(());
        }
        let file = backend.directory.open(PATH, OpenMode::Write)?;
        let (offset, bytes) = (newest.slot().saturating_mul(ROOT_SLOT_BYTES), slot_bytes(&self.bytes, newest.slot()));
        space.overwrite(bytes.len(), || file.write_all_at(offset, bytes))?;
        file.flush_data()?;
        Ok(backend.directory.flush_names("")?)
    }
}

fn slot_bytes(bytes: &[u8], slot: u64) -> &[u8] {
    let start = usize::try_from(slot.saturating_mul(ROOT_SLOT_BYTES)).unwrap_or(usize::MAX);
    let rest = bytes.get(start..).unwrap_or_default();
    rest.get(..rest.len().min(ROOT_SLOT_BYTES as usize)).unwrap_or_default()
}

/// Where the unit of a slot ends.
fn unit_end(bytes: &[u8]) -> Option<usize> {
    let header = FileHeader::decode(PATH, bytes).ok()?;
    let length = bytes.get(FILE_HEADER_BYTES..)?.first_chunk::<4>()?;
    let trailer = if header.cipher == Cipher::Plain { PLAIN_TRAILER_BYTES } else { ENCRYPTED_TRAILER_BYTES };
    Some((u32::from_le_bytes(*length) as usize).saturating_add(FILE_HEADER_BYTES + 4).saturating_add(trailer))
}

fn read_slot(keys: &Keys, bytes: &[u8], slot: u64) -> Result<Root> {
    let offset = slot.saturating_mul(ROOT_SLOT_BYTES);
    let bytes = slot_bytes(bytes, slot);
    let header = FileHeader::decode(PATH, bytes)?;
    header.expect(FileKind::Root, FileNumber(0), keys.database_id())?;
    let protection = keys.open_file(&header)?;
    let wrong = |detail: &str| Error::damaged(PATH, offset, detail);
    let length = bytes.get(FILE_HEADER_BYTES..FILE_HEADER_BYTES + 4).ok_or_else(|| wrong("a slot is cut"))?;
    let body_len = <[u8; 4]>::try_from(length).map_or(0, u32::from_le_bytes) as usize;
    let start = FILE_HEADER_BYTES + 4;
    let end = start.saturating_add(body_len).saturating_add(protection.overhead());
    let mut body = bytes.get(start..end).ok_or_else(|| wrong("a slot is cut"))?.to_vec();
    let (len, _) = protection.open(unit_of(offset, length), &mut body)?;
    body.truncate(len);
    let root = Root::decode(&body).ok_or_else(|| Error::tampered(PATH, offset, "the slot does not decode"))?;
    if root.slot() != slot {
        return Err(Error::tampered(PATH, offset, "the slot is in the place of the other one"));
    }
    Ok(root)
}

/// Writes a slot in its place and flushes it, with room from the reserve where there is one. `flush_name` when the file may be
/// new.
pub(crate) fn write_root(
    backend: &Backend,
    keys: &Keys,
    root: &Root,
    flush_name: bool,
    space: Option<&Space>,
) -> Result<()> {
    let mode = if flush_name { OpenMode::CreateOrOpen } else { OpenMode::Write };
    let file = backend.directory.open(PATH, mode)?;
    write_slot(backend, keys, root, file.as_ref(), space)?;
    if flush_name && !makes(Mistake::RootNameNotFlushed) {
        backend.directory.flush_names("")?;
    }
    Ok(())
}

fn write_slot(backend: &Backend, keys: &Keys, root: &Root, file: &dyn File, space: Option<&Space>) -> Result<()> {
    let offset = root.slot().saturating_mul(ROOT_SLOT_BYTES);
    let (header, protection) = keys.new_file(FileKind::Root, FileNumber(0), backend.random.as_ref())?;
    let mut bytes = header.encode().to_vec();
    let mut body = Vec::new();
    root.encode(&mut body);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    bytes.extend_from_slice(&length);
    let start = bytes.len();
    bytes.extend_from_slice(&body);
    protection.seal(unit_of(offset, &length), &mut bytes, start)?;
    bytes.resize(ROOT_SLOT_BYTES as usize, 0);
    let write = || file.write_all_at(offset, &bytes);
    space.map_or_else(write, |space| space.overwrite(bytes.len(), write))?;
    if !makes(Mistake::RootNotFlushed) {
        file.flush_data()?;
    }
    Ok(())
}

/// The unit of the slot that begins at `slot_offset`.
fn unit_of(slot_offset: u64, length: &[u8]) -> Unit<'_> {
    let offset = slot_offset.saturating_add(FILE_HEADER_BYTES as u64);
    Unit { stream: Stream::Data, number: 0, offset, header: length, previous_tag: [0; TAG_BYTES] }
}
