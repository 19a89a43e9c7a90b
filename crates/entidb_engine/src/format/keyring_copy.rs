//! One copy of the keyring: the layout of its 8 KiB, of its key slots and of the wrapped list of data keys.
//!
//! Always: a copy is whole or damaged, by its checksum; everything in it but that checksum takes part in the tag over
//! the list of data keys, so a slot or a cost cannot be changed alone.
//! Does not know: how keys are derived, or which copy counts (`crypto::keyring`).
//! Format: docs/spec/encryption.md, "KEYRING".

use crate::error::{Error, Result};
use crate::format::file_header::{Cipher, FILE_HEADER_BYTES, FileHeader, FileKind};
use crate::options::KdfParameters;

/// The name of the file.
pub(crate) const KEYRING_FILE: &str = "KEYRING";
/// The length of one copy; the file is two of them, A then B.
pub(crate) const COPY_BYTES: usize = 8192;
/// The most slots a keyring has.
pub(crate) const SLOTS_MAX: usize = 8;
/// The most data keys a keyring holds: what fits behind the slots.
pub(crate) const DATA_KEYS_MAX: usize = 180;
/// One data key in the list: generation, then key.
pub(crate) const DATA_KEY_BYTES: usize = 4 + 32;
/// Where the list of data keys begins; what stands between the file header and here is bound to it.
pub(crate) const LIST_AT: usize = SLOTS_AT + SLOTS_MAX * SLOT_BYTES;
/// The wrapped root key: 32 bytes and a tag.
pub(crate) const WRAPPED_KEY_BYTES: usize = 48;

const GENERATION_AT: usize = 128;
const LIST_BYTES_AT: usize = 136;
const SLOTS_AT: usize = 144;
const SLOT_BYTES: usize = 192;
const SLOT_USED_BYTES: usize = 144;
const CHECKSUM_AT: usize = COPY_BYTES - 4;

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotKind {
    /// A key of 32 random bytes.
    Raw,
    /// A password, at this cost of one guess.
    Password(KdfParameters),
}

/// One way to open the keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) kind: SlotKind,
    /// For the derivation of the user's key.
    pub(crate) kdf_salt: [u8; 16],
    /// For the keys of this slot.
    pub(crate) slot_salt: [u8; 32],
    /// Tells a wrong key before anything is decrypted.
    pub(crate) commitment: [u8; 32],
    /// The root key under this slot's key.
    pub(crate) wrapped: [u8; WRAPPED_KEY_BYTES],
}

impl Slot {
    /// What the wrapped root key is bound to: the slot up to it.
    pub(crate) fn bound(&self) -> Vec<u8> {
        let mut bytes = self.encode();
        bytes.truncate(SLOT_USED_BYTES - WRAPPED_KEY_BYTES);
        bytes
    }

    fn encode(&self) -> Vec<u8> {
        let (tag, costs) = match self.kind {
            SlotKind::Raw => (1_u32, [0; 3]),
            SlotKind::Password(kdf) => (2, [kdf.memory_kib, kdf.iterations, kdf.parallelism]),
        };
        let mut bytes = Vec::with_capacity(SLOT_BYTES);
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend(costs.into_iter().flat_map(u32::to_le_bytes));
        bytes.extend_from_slice(&self.kdf_salt);
        bytes.extend_from_slice(&self.slot_salt);
        bytes.extend_from_slice(&self.commitment);
        bytes.extend_from_slice(&self.wrapped);
        bytes.resize(SLOT_BYTES, 0);
        bytes
    }

    /// The slot in these bytes, `None` for an empty one.
    fn decode(bytes: &[u8]) -> std::result::Result<Option<Self>, String> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let [tag, memory_kib, iterations, parallelism] = [0, 4, 8, 12].map(|at| u32::from_le_bytes(field(bytes, at)));
        let kdf = KdfParameters { memory_kib, iterations, parallelism };
        let kind = match tag {
            1 => SlotKind::Raw,
            2 if kdf.is_bearable() => SlotKind::Password(kdf),
            2 => {
                return Err(format!(
                    "a password slot asks for {memory_kib} KiB, {iterations} passes and {parallelism} lanes, \
                     the most is 262144 KiB, 16 passes and 8 lanes"
                ));
            }
            _ => return Err(format!("a slot has kind {tag}")),
        };
        let slot = Self {
            kind,
            kdf_salt: field(bytes, 16),
            slot_salt: field(bytes, 32),
            commitment: field(bytes, 64),
            wrapped: field(bytes, 96),
        };
        if slot.encode() == bytes { Ok(Some(slot)) } else { Err("a slot has bytes that mean nothing".to_owned()) }
    }
}

/// One copy of the keyring, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyringCopy {
    /// Its salt is new with every write, so the list of data keys is sealed under a new key each time.
    pub(crate) header: FileHeader,
    /// Grows with every write; the higher valid copy counts.
    pub(crate) generation: u64,
    /// The slots in use, at the places they have.
    pub(crate) slots: [Option<Slot>; SLOTS_MAX],
    /// The sealed list of data keys, with its trailer.
    pub(crate) list: Vec<u8>,
}

impl KeyringCopy {
    /// What stands in the clear between the file header and the list: bound to the list by its tag.
    pub(crate) fn clear_part(generation: u64, slots: &[Option<Slot>; SLOTS_MAX], list_bytes: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LIST_AT - FILE_HEADER_BYTES);
        bytes.extend_from_slice(&generation.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(list_bytes).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&[0; SLOTS_AT - LIST_BYTES_AT - 4]);
        for slot in slots {
            bytes.extend_from_slice(&slot.as_ref().map_or_else(|| vec![0; SLOT_BYTES], Slot::encode));
        }
        bytes
    }

    /// The bytes on disk.
    ///
    /// # Errors
    /// `TooLarge` when there are more data keys than fit.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(COPY_BYTES);
        bytes.extend_from_slice(&self.header.encode());
        bytes.extend_from_slice(&Self::clear_part(self.generation, &self.slots, self.list.len()));
        bytes.extend_from_slice(&self.list);
        if bytes.len() > CHECKSUM_AT {
            let limit = (CHECKSUM_AT - LIST_AT) as u64;
            return Err(Error::TooLarge { what: "list of data keys", size: self.list.len() as u64, limit });
        }
        bytes.resize(CHECKSUM_AT, 0);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    /// Reads the copy that begins at byte `offset` of the file.
    ///
    /// # Errors
    /// `Corrupt`: damaged when the checksum is wrong, tampered when it is right and the content is not of ours;
    /// `FormatTooNew`, `FeaturesUnknown`.
    pub(crate) fn decode(bytes: &[u8], offset: u64) -> Result<Self> {
        let damaged = |detail: String| Error::damaged(KEYRING_FILE, offset, detail);
        let tampered = |detail: String| Error::tampered(KEYRING_FILE, offset, detail);
        let Some((content, checksum)) = bytes.split_at_checked(CHECKSUM_AT).filter(|_| bytes.len() == COPY_BYTES)
        else {
            return Err(damaged(format!("this copy has {} of {COPY_BYTES} bytes", bytes.len())));
        };
        if crc32fast::hash(content).to_le_bytes() != checksum {
            return Err(damaged("the checksum of this copy is wrong".to_owned()));
        }
        let header = FileHeader::decode(KEYRING_FILE, content)?;
        if (header.kind, header.cipher) != (FileKind::Keyring, Cipher::Aes256Gcm) {
            return Err(tampered(format!("it is a {:?} file with cipher {:?}", header.kind, header.cipher)));
        }
        let list_bytes = u32::from_le_bytes(field(content, LIST_BYTES_AT)) as usize;
        let list = content.get(LIST_AT..LIST_AT.saturating_add(list_bytes)).map(<[u8]>::to_vec);
        let Some(list) = list else {
            return Err(tampered(format!("the list of data keys is said to have {list_bytes} bytes")));
        };
        let mut slots = [const { None }; SLOTS_MAX];
        let stored = content.get(SLOTS_AT..LIST_AT).unwrap_or_default().chunks_exact(SLOT_BYTES);
        for (slot, bytes) in slots.iter_mut().zip(stored) {
            *slot = Slot::decode(bytes).map_err(tampered)?;
        }
        let copy = Self { header, generation: u64::from_le_bytes(field(content, GENERATION_AT)), slots, list };
        if copy.encode()? != bytes {
            return Err(tampered("bytes that should be zero are not".to_owned()));
        }
        Ok(copy)
    }
}

/// The field at a place; every place here is a constant inside the copy.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk::<N>).copied().unwrap_or([0; N])
}
