//! The bytes of ROOT: two slots that say which manifest is the newest.
//!
//! Always: a slot is complete in itself, with a header of its own and so a key of its own; it is written into the place
//! of the older of the two, so a torn write leaves the newer one.
//! Does not know: what the manifest says.
//! Format: docs/spec/file-format.md, "ROOT".

use crate::format::{FileNumber, Reader, put_varint};

/// The length of a slot; ROOT has two.
pub(crate) const ROOT_SLOT_BYTES: u64 = 4096;

/// The length of the number that tells sessions apart.
pub(crate) const OWNER_BYTES: usize = 16;

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    /// Grows with every slot written; the greater one counts.
    pub(crate) generation: u64,
    /// The manifest to read.
    pub(crate) manifest: FileNumber,
    /// Drawn at random by the session that wrote the slot; zeros in a copy that nobody has opened yet.
    pub(crate) owner: [u8; OWNER_BYTES],
    /// When the database was closed in order: the length of the manifest. Then nothing may be missing from it.
    pub(crate) manifest_len: Option<u64>,
}

impl Root {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.manifest.0.to_le_bytes());
        out.extend_from_slice(&self.owner);
        put_varint(out, self.manifest_len.unwrap_or(0));
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (generation, manifest) = (reader.u64()?, FileNumber(reader.u64()?));
        let owner = reader.array()?;
        let manifest_len = Some(reader.varint()?).filter(|len| *len != 0);
        reader.is_done().then_some(Self { generation, manifest, owner, manifest_len })
    }

    /// Which of the two places this slot belongs in.
    pub(crate) fn slot(&self) -> u64 {
        self.generation % 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_reads_back_as_it_was_written() {
        for manifest_len in [None, Some(4096)] {
            let root = Root { generation: 7, manifest: FileNumber(5), owner: [9; OWNER_BYTES], manifest_len };
            let mut bytes = Vec::new();
            root.encode(&mut bytes);
            assert_eq!(Root::decode(&bytes), Some(root));
        }
    }
}
