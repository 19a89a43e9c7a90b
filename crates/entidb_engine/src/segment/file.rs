//! The file of a segment: opened when it is read and closed when others are read more, and the same one each time.
//!
//! Always: the file is the one the manifest means, by its length, its header and the tag of its footer, before anything
//! in it is used; when it is opened again, that is looked at again. A unit is verified before a byte of it is believed.
//! Does not know: what the units hold.

use std::sync::Arc;

use entidb_storage::{ErrorKind, File, OpenMode};

use super::SegmentContext;
use crate::crypto::Protection;
use crate::error::{Damage, Error, Result};
use crate::format::file_header::{FILE_HEADER_BYTES, FileHeader};
use crate::format::segment_footer::{SEGMENT_FOOTER_BYTES, SegmentPart, UNIT_FRAME_BYTES, UnitFrame, UnitPlace};
use crate::format::unit::{Stream, TAG_BYTES, Tag, Unit};
use crate::format::{FileKind, FileNumber};
use crate::open_files::FileSlot;
use crate::version::SegmentMeta;

/// A file whose units are verified as they are read.
pub(super) struct SealedFile {
    context: Arc<SegmentContext>,
    slot: Arc<FileSlot>,
    identity: Identity,
    header: FileHeader,
    pub(super) path: String,
    pub(super) protection: Protection,
    /// The length of the file; no part may reach past it.
    pub(super) len: u64,
}

/// What the manifest says about the file.
struct Identity {
    number: FileNumber,
    bytes: u64,
    salt: [u8; 32],
    tag: Tag,
}

/// A unit that was read and verified: where its body is in the bytes read.
pub(super) struct OpenUnit {
    pub(super) frame: UnitFrame,
    pub(super) tag: Tag,
}

impl SealedFile {
    /// Opens the file of a segment and checks that it is the one the manifest means, but for the footer.
    ///
    /// # Errors
    /// `Corrupt` (missing, damaged or tampered with) and those of the storage.
    pub(super) fn open(context: &Arc<SegmentContext>, meta: &SegmentMeta) -> Result<Self> {
        let identity = Identity { number: meta.number, bytes: meta.bytes, salt: meta.salt, tag: meta.tag };
        let path = FileKind::Segment.path(meta.number);
        let slot = Arc::<FileSlot>::default();
        let mut found = None;
        context.open_files.get(&slot, || {
            let (file, header) = identity.open(context, &path)?;
            found = Some(header);
            Ok(file)
        })?;
        let Some(header) = found else {
            return Err(Error::Internal { detail: format!("{path} was open before it was opened") });
        };
        let protection = context.keys.open_file(&header)?;
        Ok(Self { context: Arc::clone(context), slot, identity, header, path, protection, len: meta.bytes })
    }

    /// Fills the buffer from the file, which is opened when it is not.
    ///
    /// # Errors
    /// As [`open`](Self::open); `Corrupt` where it ends early.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let open = self.context.open_files.get(&self.slot, || self.open_again())?;
        read_exact(open.file(), &self.path, offset, buffer)
    }

    /// The file as it was opened before, and not another that has its name now.
    fn open_again(&self) -> Result<Arc<dyn File>> {
        let (file, header) = self.identity.open(&self.context, &self.path)?;
        if header != self.header {
            return Err(self.wrong(0, "the file header is not the one it had before"));
        }
        let place = self.footer_place()?;
        let mut bytes = vec![0; place.len as usize];
        read_exact(file.as_ref(), &self.path, place.offset, &mut bytes)?;
        self.judge_footer(place, &mut bytes)?;
        Ok(file)
    }

    /// The body of the footer, and where the footer begins.
    ///
    /// # Errors
    /// `Corrupt` when it is not the one the manifest lists, and those of the storage.
    pub(super) fn read_footer(&self) -> Result<(Vec<u8>, u64)> {
        let place = self.footer_place()?;
        let mut bytes = zeroed(place.len as usize)?;
        self.read(place.offset, &mut bytes)?;
        let unit = self.judge_footer(place, &mut bytes)?;
        Ok((self.body_of(place, &unit, bytes)?, place.offset))
    }

    fn footer_place(&self) -> Result<UnitPlace> {
        let len = (UNIT_FRAME_BYTES + SEGMENT_FOOTER_BYTES + self.protection.overhead()) as u32;
        match self.len.checked_sub(u64::from(len)) {
            Some(offset) => Ok(UnitPlace { offset, len }),
            None => Err(self.wrong(0, "the file is too short for a footer")),
        }
    }

    fn judge_footer(&self, place: UnitPlace, bytes: &mut [u8]) -> Result<OpenUnit> {
        let unit = self.open_unit(Stream::Footer, 0, place.offset, SegmentPart::Footer, bytes)?;
        if unit.tag != self.identity.tag {
            return Err(self.wrong(place.offset, "the footer is not the one the manifest lists"));
        }
        Ok(unit)
    }

    /// Verifies the unit in `bytes`, which were read from `offset`, and decrypts its body in place.
    pub(super) fn open_unit(
        &self,
        stream: Stream,
        number: u64,
        offset: u64,
        part: SegmentPart,
        bytes: &mut [u8],
    ) -> Result<OpenUnit> {
        let Some((frame_bytes, rest)) = bytes.split_first_chunk_mut::<UNIT_FRAME_BYTES>() else {
            return Err(Error::damaged(self.path.as_str(), offset, "a unit is shorter than its frame"));
        };
        let unit = Unit { stream, number, offset, header: frame_bytes, previous_tag: [0; TAG_BYTES] };
        let (len, tag) = self.protection.open(unit, rest)?;
        let frame =
            UnitFrame::decode(frame_bytes).filter(|frame| frame.part == part && frame.stored_len as usize == len);
        match frame {
            Some(frame) => Ok(OpenUnit { frame, tag }),
            None => Err(self.wrong(offset, format!("the frame of the unit is not that of a {part:?} unit"))),
        }
    }

    /// Reads a unit of the data stream that is never compressed and returns its body.
    pub(super) fn read_whole(&self, number: u64, place: UnitPlace, part: SegmentPart) -> Result<(Vec<u8>, Tag)> {
        // Judged before memory is taken for it.
        if place.end() > self.len {
            return Err(
                self.wrong(place.offset, format!("a {part:?} unit of {} bytes reaches past the end", place.len))
            );
        }
        let mut bytes = zeroed(place.len as usize)?;
        self.read(place.offset, &mut bytes)?;
        let unit = self.open_unit(Stream::Data, number, place.offset, part, &mut bytes)?;
        let tag = unit.tag;
        Ok((self.body_of(place, &unit, bytes)?, tag))
    }

    /// As [`read_whole`](Self::read_whole), by way of a buffer that is at least as long as the unit.
    pub(super) fn read_unit<'a>(
        &self,
        number: u64,
        place: UnitPlace,
        part: SegmentPart,
        buffer: &'a mut [u8],
    ) -> Result<&'a [u8]> {
        let bytes = buffer.get_mut(..place.len as usize).unwrap_or_default();
        self.read(place.offset, bytes)?;
        let unit = self.open_unit(Stream::Data, number, place.offset, part, bytes)?;
        if unit.frame.compressed {
            return Err(self.wrong(place.offset, "a part is compressed that never is"));
        }
        Ok(bytes.get(UNIT_FRAME_BYTES..UNIT_FRAME_BYTES + unit.frame.body_len as usize).unwrap_or_default())
    }

    fn body_of(&self, place: UnitPlace, unit: &OpenUnit, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        if unit.frame.compressed {
            return Err(self.wrong(place.offset, "a part is compressed that never is"));
        }
        bytes.truncate(UNIT_FRAME_BYTES + unit.frame.body_len as usize);
        bytes.drain(..UNIT_FRAME_BYTES);
        Ok(bytes)
    }

    /// Bytes whose checksum is right and that still are not what a segment has there.
    pub(super) fn wrong(&self, offset: u64, detail: impl Into<String>) -> Error {
        Error::tampered(self.path.as_str(), offset, detail)
    }
}

impl Identity {
    /// Opens the file and checks its length and its header.
    fn open(&self, context: &SegmentContext, path: &str) -> Result<(Arc<dyn File>, FileHeader)> {
        let file = context.directory.open(path, OpenMode::Read).map_err(|error| match error.kind {
            ErrorKind::NotFound => Error::Corrupt {
                damage: Damage::Missing,
                file: path.to_owned(),
                offset: 0,
                detail: "the manifest lists it and it is not there".to_owned(),
            },
            _ => error.into(),
        })?;
        let found = file.len()?;
        if found != self.bytes {
            let detail = format!("the file has {found} bytes, the manifest lists {}", self.bytes);
            return Err(Error::damaged(path, found.min(self.bytes), detail));
        }
        let mut bytes = [0; FILE_HEADER_BYTES];
        read_exact(file.as_ref(), path, 0, &mut bytes)?;
        let header = FileHeader::decode(path, &bytes)?;
        header.expect(FileKind::Segment, self.number, context.keys.database_id())?;
        if header.salt != self.salt {
            return Err(Error::tampered(path, 0, "the salt in the file header is not the one the manifest lists"));
        }
        Ok((file, header))
    }
}

/// Fills the buffer; a file that ends early is damage, because its length was checked when it was opened.
fn read_exact(file: &dyn File, path: &str, offset: u64, buffer: &mut [u8]) -> Result<()> {
    file.read_exact_at(offset, buffer).map_err(|error| match error.kind {
        ErrorKind::UnexpectedEnd { wanted, found } => {
            Error::damaged(path, offset, format!("the file ends after {found} of {wanted} bytes"))
        }
        _ => error.into(),
    })
}

/// A buffer of zeros, or the statement that there is no memory for it.
pub(super) fn zeroed(len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { what: "a unit of a segment", bytes: len as u64 })?;
    bytes.resize(len, 0);
    Ok(bytes)
}
