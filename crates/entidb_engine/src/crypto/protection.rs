//! Seals and opens the units of one file.
//!
//! Always: a unit number is used for sealing once at most, also when the write that followed failed; a file opened for
//! reading seals nothing. A unit opens only in its own place of its own file, with its own header and predecessor.
//! Does not know: how units are framed in the file, or which of them is the last.
//! Format: docs/spec/encryption.md, "Units".

use std::sync::atomic::{AtomicU64, Ordering};

use crate::crypto::provider::Aead;
use crate::error::{Error, Result};
use crate::format::file_header::{Cipher, FileHeader};
use crate::format::unit::{
    ENCRYPTED_TRAILER_BYTES, FILE_BYTES_MAX, PLAIN_TRAILER_BYTES, Stream, TAG_BYTES, Tag, UNIT_COUNT_MAX, Unit,
};
use crate::planted::{Mistake, makes};

/// The protection of one file: its key or its checksum seed, and the counters of its writer.
pub(crate) struct Protection {
    path: String,
    seed: u64,
    prefix: [u8; PREFIX_BYTES],
    aead: Option<Box<dyn Aead>>,
    writer: Option<Counters>,
}

/// The next free number of each stream, and the bytes sealed so far.
#[derive(Default)]
struct Counters {
    next: [AtomicU64; 3],
    bytes: AtomicU64,
}

/// "entidb/v1", database id, kind, file number, key generation.
const PREFIX_BYTES: usize = 9 + 16 + 1 + 8 + 4;

impl Protection {
    /// The protection of a file with this header; `writing` only for a header that was made just now.
    pub(crate) fn new(header: &FileHeader, aead: Option<Box<dyn Aead>>, writing: bool) -> Self {
        let mut prefix = [0; PREFIX_BYTES];
        let fields: [&[u8]; 5] = [
            b"entidb/v1",
            &header.database_id.0,
            &[header.kind as u8],
            &header.number.0.to_be_bytes(),
            &header.key_generation.to_be_bytes(),
        ];
        for (to, from) in prefix.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        Self { path: header.path(), seed: seed_of(header), prefix, aead, writer: writing.then(Counters::default) }
    }

    /// Bytes that follow the body of every unit.
    pub(crate) fn overhead(&self) -> usize {
        if self.aead.is_some() { ENCRYPTED_TRAILER_BYTES } else { PLAIN_TRAILER_BYTES }
    }

    /// The file, for messages.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Encrypts `body[start..]` in place, puts the trailer behind it and returns the tag. The unit's number is used up
    /// whatever happens next: after a failed write, go on with the next number.
    ///
    /// # Errors
    /// `TooLarge` at the limits of a file; `Internal` when a number comes twice or the file was opened for reading.
    pub(crate) fn seal(&self, unit: Unit<'_>, body: &mut Vec<u8>, start: usize) -> Result<Tag> {
        self.claim(&unit, body.len().saturating_sub(start))?;
        body.try_reserve(ENCRYPTED_TRAILER_BYTES).map_err(|_| out_of_memory(body.len()))?;
        let Some(plain) = body.get_mut(start..) else {
            return Err(Error::Internal { detail: format!("a unit of {} starts behind its end", self.path) });
        };
        let mut tag = [0; TAG_BYTES];
        if let Some(aead) = &self.aead {
            tag = aead.seal(&nonce(&unit), &self.aad(&unit), plain).map_err(|_| Error::TooLarge {
                what: "unit",
                size: plain.len() as u64,
                limit: FILE_BYTES_MAX,
            })?;
            let checksum = unit.encrypted_checksum(self.seed, plain, &tag);
            body.extend_from_slice(&tag);
            body.extend_from_slice(&checksum.to_le_bytes());
        } else {
            let checksum = unit.plain_checksum(self.seed, plain).to_le_bytes();
            body.extend_from_slice(&checksum);
            tag_of_checksum(&mut tag, &checksum);
        }
        Ok(tag)
    }

    /// Verifies `bytes` (the stored body and its trailer), decrypts the body in place and returns its length and tag.
    ///
    /// # Errors
    /// `Corrupt`: damaged when the checksum is wrong, tampered when only the tag is. `bytes` mean nothing then.
    pub(crate) fn open(&self, unit: Unit<'_>, bytes: &mut [u8]) -> Result<(usize, Tag)> {
        let tag = self.check(unit, bytes)?;
        let len = bytes.len().saturating_sub(self.overhead());
        if let (Some(aead), Some(body)) = (&self.aead, bytes.get_mut(..len)) {
            aead.open(&nonce(&unit), &self.aad(&unit), body, &tag).map_err(|_| {
                let detail =
                    format!("the checksum of unit {} is right but its authentication tag is wrong", unit.number);
                Error::tampered(self.path.as_str(), unit.offset, detail)
            })?;
        }
        Ok((len, tag))
    }

    /// Verifies the checksum of a stored unit alone, which needs no key, and returns its tag as stored.
    ///
    /// # Errors
    /// `Corrupt` (damaged).
    pub(crate) fn check(&self, unit: Unit<'_>, bytes: &[u8]) -> Result<Tag> {
        let len = bytes.len().checked_sub(self.overhead());
        let Some((body, trailer)) = len.and_then(|len| bytes.split_at_checked(len)) else {
            let detail = format!("unit {} has {} bytes, too few for its trailer", unit.number, bytes.len());
            return Err(Error::damaged(self.path.as_str(), unit.offset, detail));
        };
        if let Some(tag) = verified_tag(self.seed, self.aead.is_some(), unit, body, trailer) {
            return Ok(tag);
        }
        let detail = format!("the checksum of unit {} ({} bytes) is wrong", unit.number, bytes.len());
        Err(Error::damaged(self.path.as_str(), unit.offset, detail))
    }

    /// True when a stored unit of the file with this header has the right checksum. Needs no key.
    pub(crate) fn verifies(header: &FileHeader, unit: Unit<'_>, bytes: &[u8]) -> bool {
        let encrypted = header.cipher != Cipher::Plain;
        let overhead = if encrypted { ENCRYPTED_TRAILER_BYTES } else { PLAIN_TRAILER_BYTES };
        let parts = bytes.len().checked_sub(overhead).and_then(|len| bytes.split_at_checked(len));
        parts.is_some_and(|(body, trailer)| verified_tag(seed_of(header), encrypted, unit, body, trailer).is_some())
    }

    /// Takes a unit number for good. An atomic high-water mark rather than a promise of the caller: under one key a
    /// number used twice gives away the plain text of both units and the key of the tags.
    fn claim(&self, unit: &Unit<'_>, len: usize) -> Result<()> {
        let Some(writer) = &self.writer else {
            let detail = format!("{} was opened for reading, but unit {} is to be sealed", self.path, unit.number);
            return Err(Error::Internal { detail });
        };
        if unit.number >= UNIT_COUNT_MAX {
            return Err(Error::TooLarge { what: "file", size: unit.number, limit: UNIT_COUNT_MAX });
        }
        let [header_check, data, footer] = &writer.next;
        let next = match unit.stream {
            Stream::HeaderCheck => header_check,
            Stream::Data => data,
            Stream::Footer => footer,
        };
        let before = next.fetch_max(unit.number.saturating_add(1), Ordering::Relaxed);
        if unit.number < before {
            let detail = format!("unit {} of {} was sealed before; the next is {before}", unit.number, self.path);
            return Err(Error::Internal { detail });
        }
        let bytes = writer.bytes.fetch_add(len as u64, Ordering::Relaxed).saturating_add(len as u64);
        let end = unit.offset.saturating_add(len as u64).max(bytes);
        if end > FILE_BYTES_MAX {
            return Err(Error::TooLarge { what: "file", size: end, limit: FILE_BYTES_MAX });
        }
        Ok(())
    }

    /// What is authenticated beside the body. All parts but the header have fixed lengths, so no two units share it.
    fn aad(&self, unit: &Unit<'_>) -> Vec<u8> {
        let mut aad = Vec::with_capacity(PREFIX_BYTES + 16 + unit.header.len() + TAG_BYTES);
        aad.extend_from_slice(&self.prefix);
        aad.extend_from_slice(&unit.number.to_be_bytes());
        aad.extend_from_slice(&unit.offset.to_be_bytes());
        aad.extend_from_slice(unit.header);
        aad.extend_from_slice(&unit.previous_tag);
        aad
    }
}

/// Four bytes of stream, eight of number, both big-endian. Not stored: both sides know them.
fn nonce(unit: &Unit<'_>) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (stream, number) = nonce.split_at_mut(4);
    stream.copy_from_slice(&(unit.stream as u32).to_be_bytes());
    number.copy_from_slice(&unit.number.to_be_bytes());
    nonce
}

fn tag_of_checksum(tag: &mut Tag, bytes: &[u8]) {
    for (to, from) in tag.iter_mut().zip(bytes) {
        *to = *from;
    }
}

fn out_of_memory(len: usize) -> Error {
    Error::OutOfMemory { what: "sealing a unit", bytes: len as u64 }
}

fn seed_of(header: &FileHeader) -> u64 {
    xxhash_rust::xxh3::xxh3_64(header.bound(&header.encode()))
}

/// The tag of a unit whose checksum is right.
fn verified_tag(seed: u64, encrypted: bool, unit: Unit<'_>, body: &[u8], trailer: &[u8]) -> Option<Tag> {
    let mut tag = [0; TAG_BYTES];
    let right = if encrypted {
        let (stored_tag, stored) = trailer.split_at_checked(TAG_BYTES)?;
        tag_of_checksum(&mut tag, stored_tag);
        unit.encrypted_checksum(seed, body, stored_tag).to_le_bytes() == stored
    } else {
        tag_of_checksum(&mut tag, trailer);
        unit.plain_checksum(seed, body).to_le_bytes() == trailer || makes(Mistake::ChecksumIgnored)
    };
    right.then_some(tag)
}

#[cfg(test)]
mod tests;
