//! The bytes under an entity's key: its version and ordinal, then its document.
//!
//! Always: the document is what the caller gave, byte for byte. Does not know: what is in it.
//! Format: docs/spec/keyspace.md, "Entities": `u64 version | u64 ordinal | document`, little-endian.

use crate::error::{Error, ErrorCode, Result};
use crate::id::Ordinal;

/// Bytes before the document.
pub(crate) const HEADER_BYTES: usize = 16;

/// A stored entity, read in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    /// The sequence of the commit that wrote it.
    pub(crate) version: u64,
    pub(crate) ordinal: Ordinal,
    pub(crate) document: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Writes the stored form of a document in place of what is in `out`.
    pub(crate) fn write(version: u64, ordinal: Ordinal, document: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        reserve(out, HEADER_BYTES + document.len())?;
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&ordinal.0.to_le_bytes());
        out.extend_from_slice(document);
        Ok(())
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self> {
        let read = || {
            let (version, rest) = bytes.split_first_chunk::<8>()?;
            let (ordinal, document) = rest.split_first_chunk::<8>()?;
            Some(Self {
                version: u64::from_le_bytes(*version),
                ordinal: Ordinal(u64::from_le_bytes(*ordinal)),
                document,
            })
        };
        read().ok_or_else(|| Error::corrupt(format!("an entity of {} bytes", bytes.len())))
    }
}

/// Reserves memory in an empty vector. It can fail, because the caller of the database chooses the size.
fn reserve(out: &mut Vec<u8>, bytes: usize) -> Result<()> {
    out.try_reserve_exact(bytes).map_err(|_| {
        let problem = format!("no memory for {bytes} bytes of a document; store less at once, or free memory");
        Error::new(ErrorCode::OutOfMemory, problem)
    })
}
