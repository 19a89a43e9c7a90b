//! A unit: the smallest piece of a file that is written, verified and encrypted as one. A group of commits in the
//! log, a block of a segment, a record of the manifest.
//!
//! Always: a unit's checksum is seeded with its file's header and its own place, so a unit read from the wrong place,
//! or left over in a recycled file, does not pass. No key is needed to check it.
//! Does not know: keys (`crypto`), or what the bytes mean.
//! Format: docs/spec/file-format.md, "Units".

/// The longest file that may be written under one key.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 30;
/// Units of one stream in one file.
pub(crate) const UNIT_COUNT_MAX: u64 = 1 << 32;
/// Bytes after the body of a unit in a plain file: XXH3-64.
pub(crate) const PLAIN_TRAILER_BYTES: usize = 8;
/// Bytes after the body of a unit in an encrypted file: the tag, then CRC-32.
pub(crate) const ENCRYPTED_TRAILER_BYTES: usize = TAG_BYTES + 4;
/// The length of an authentication tag.
pub(crate) const TAG_BYTES: usize = 16;

/// What identifies a unit's content: the authentication tag, or in a plain file the checksum and eight zero bytes.
pub(crate) type Tag = [u8; TAG_BYTES];

/// Which counter of the file a unit's number belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub(crate) enum Stream {
    /// A unit that proves the header, where a file has nothing else to prove it with.
    HeaderCheck = 0,
    /// The units of the file in order.
    Data = 1,
    /// The last unit of a file that is complete.
    Footer = 2,
}

/// Where a unit stands and what is stored in the clear before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a> {
    /// Which counter `number` belongs to.
    pub(crate) stream: Stream,
    /// The place in that stream; never used twice for writing in one file.
    pub(crate) number: u64,
    /// The byte of the file at which the unit begins.
    pub(crate) offset: u64,
    /// What is stored in the clear in front of the body: bound to it, so it cannot be changed alone.
    pub(crate) header: &'a [u8],
    /// The tag of the unit before this one where units form a chain, zeros where they do not. Only encryption binds
    /// it: a checksum must be checkable when the unit before is damaged, or a tear could not be told from damage.
    pub(crate) previous_tag: Tag,
}

impl Unit<'_> {
    /// The place of the unit as bytes, for seeding checksums.
    fn place(&self) -> [u8; 20] {
        let mut place = [0; 20];
        let (stream, rest) = place.split_at_mut(4);
        stream.copy_from_slice(&(self.stream as u32).to_le_bytes());
        let (number, offset) = rest.split_at_mut(8);
        number.copy_from_slice(&self.number.to_le_bytes());
        offset.copy_from_slice(&self.offset.to_le_bytes());
        place
    }

    /// The checksum of a unit in a plain file.
    pub(crate) fn plain_checksum(&self, file_seed: u64, body: &[u8]) -> u64 {
        use xxhash_rust::xxh3::xxh3_64_with_seed as hash;
        hash(body, hash(self.header, hash(&self.place(), file_seed)))
    }

    /// The checksum of a unit in an encrypted file: over what is stored, so that no key is needed.
    pub(crate) fn encrypted_checksum(&self, file_seed: u64, stored: &[u8], tag: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&file_seed.to_le_bytes());
        hasher.update(&self.place());
        hasher.update(self.header);
        hasher.update(stored);
        hasher.update(tag);
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(header: &[u8]) -> Unit<'_> {
        Unit { stream: Stream::Data, number: 3, offset: 4096, header, previous_tag: [0; 16] }
    }

    #[test]
    fn a_checksum_depends_on_everything_but_the_tag_before() {
        let one = unit(b"head");
        let others = [
            Unit { stream: Stream::Footer, ..one },
            Unit { number: 4, ..one },
            Unit { offset: 4097, ..one },
            Unit { header: b"heae", ..one },
        ];
        let (plain, encrypted) = (one.plain_checksum(7, b"body"), one.encrypted_checksum(7, b"body", &[1; 16]));
        for other in others {
            assert_ne!(other.plain_checksum(7, b"body"), plain, "{other:?}");
            assert_ne!(other.encrypted_checksum(7, b"body", &[1; 16]), encrypted, "{other:?}");
        }
        assert_ne!(one.plain_checksum(8, b"body"), plain);
        assert_ne!(one.plain_checksum(7, b"bodz"), plain);
        assert_ne!(one.encrypted_checksum(8, b"body", &[1; 16]), encrypted);
        assert_ne!(one.encrypted_checksum(7, b"body", &[2; 16]), encrypted);
        let chained = Unit { previous_tag: [9; 16], ..one };
        assert_eq!(chained.plain_checksum(7, b"body"), plain);
        assert_eq!(chained.encrypted_checksum(7, b"body", &[1; 16]), encrypted);
    }
}
