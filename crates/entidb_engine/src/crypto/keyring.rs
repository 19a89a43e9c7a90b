//! The keyring: the file that gives the data keys to holders of a key or password of the database.
//!
//! Always: two copies, and at every moment of a change at least one of them is whole on stable storage, also where the
//! copies that were found are in the cache only; a wrong key changes nothing and is told apart from damage. Each slot wraps the root key, the root key wraps the list of data
//! keys: so one key of several can change the list without knowing the others.
//! Does not know: which files use which data key.
//! Format: docs/spec/encryption.md, "KEYRING".

mod change;
mod slot;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use entidb_storage::{Directory, ErrorKind, File, OpenMode, Random};
use zeroize::Zeroizing;

use crate::crypto::derive;
use crate::crypto::key::Secret;
use crate::crypto::keys::{DataKeys, Keys};
use crate::crypto::protection::Protection;
use crate::crypto::provider::Provider;
use crate::error::{Damage, Error, Result};
use crate::format::FileNumber;
use crate::format::file_header::{DatabaseId, FileHeader, FileKind};
use crate::format::keyring_copy::{COPY_BYTES, DATA_KEY_BYTES, KEYRING_FILE, KeyringCopy, SLOTS_MAX, Slot, SlotKind};
use crate::format::unit::{Stream, Unit};
use crate::options::{KdfParameters, KeySource};
use crate::space::Space;
use crate::verify::VerifyReport;

/// One key or password that opens a database. Nothing says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySlot {
    /// The number of its slot, from 0.
    pub number: u64,
    /// What one guess at a password costs; none for a key of 32 bytes.
    pub password: Option<KdfParameters>,
}

/// What a keyring needs from outside.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) provider: Arc<dyn Provider>,
}

/// The keyring of an open database. Holds the root key, so that data keys can be added without asking again.
pub(crate) struct Keyring {
    around: Surroundings,
    database_id: DatabaseId,
    generation: u64,
    slots: [Option<Slot>; SLOTS_MAX],
    root_key: Arc<Secret>,
    data_keys: DataKeys,
    copies_damaged: u32,
    /// True when the two copies that were read are not the same: a change ended in the middle of it.
    copies_differ: bool,
    /// The copy that counts: always written last.
    whole: Place,
    /// The bytes of that copy when it was read and not written by this session. A flush that failed before may have left
    /// them in the cache alone, so they are written once more before the other copy is touched.
    unsettled: Option<Vec<u8>>,
    /// Gives room for copies that find none in their place.
    space: Option<Arc<Space>>,
}

/// One of the two copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    A,
    B,
}

impl Place {
    fn offset(self) -> u64 {
        match self {
            Self::A => 0,
            Self::B => COPY_BYTES as u64,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl Keyring {
    /// Makes the keyring of a new database, with one slot and the first data key, on stable storage.
    ///
    /// # Errors
    /// `InvalidArgument` for a key that protects nothing, `Storage`, `OutOfMemory`.
    pub(crate) fn create(
        around: Surroundings,
        database_id: DatabaseId,
        key: &KeySource,
        kdf: KdfParameters,
    ) -> Result<Self> {
        key.validate()?;
        let root_key = Arc::new(random_secret(&*around.random)?);
        let data_keys = DataKeys::from([(1, Arc::new(random_secret(&*around.random)?))]);
        let mut slots = [const { None }; SLOTS_MAX];
        if let Some(first) = slots.first_mut() {
            *first = Some(slot::wrap(&around, database_id, key, kdf, &root_key)?);
        }
        let mut keyring = Self {
            around,
            database_id,
            generation: 0,
            slots,
            root_key,
            data_keys,
            copies_damaged: 0,
            copies_differ: false,
            whole: Place::A,
            unsettled: None,
            space: None,
        };
        keyring.write()?;
        keyring.around.directory.flush_names("")?;
        Ok(keyring)
    }

    /// Reads the keyring of a database with one of its keys. Writes nothing.
    ///
    /// # Errors
    /// `WrongKey`; `Corrupt`: missing, damaged when neither copy is whole, tampered when a whole copy is not ours;
    /// `FormatTooNew`, `Storage`, `OutOfMemory`.
    pub(crate) fn open(around: Surroundings, database_id: DatabaseId, key: &KeySource) -> Result<Self> {
        let Newest { copy, bytes, whole, copies_damaged, copies_differ } = read_newest(&*around.directory)?;
        copy.header.expect(FileKind::Keyring, FileNumber(0), database_id)?;
        let root_key = slot::unwrap_any(&around, database_id, key, &copy.slots)?;
        let data_keys = open_list(&copy, &root_key, &*around.provider)?;
        let KeyringCopy { generation, slots, .. } = copy;
        let root_key = Arc::new(root_key);
        let unsettled = Some(bytes);
        Ok(Self {
            around,
            database_id,
            generation,
            slots,
            root_key,
            data_keys,
            copies_damaged,
            copies_differ,
            whole,
            unsettled,
            space: None,
        })
    }

    /// The data keys, for the files of the database.
    pub(crate) fn keys(&self) -> Keys {
        Keys::encrypted(self.database_id, Arc::clone(&self.around.provider), self.data_keys.clone())
    }

    /// The data keys that a copy of the keyring in another folder gives to the holders of this one's keys.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn keys_of_copy(&self, directory: &dyn Directory) -> Result<Keys> {
        let Newest { copy, .. } = read_newest(directory)?;
        copy.header.expect(FileKind::Keyring, FileNumber(0), self.database_id)?;
        let data_keys = open_list(&copy, &self.root_key, &*self.around.provider)?;
        Ok(Keys::encrypted(self.database_id, Arc::clone(&self.around.provider), data_keys))
    }

    /// True when one of the two copies was damaged or older when the keyring was read. [`repair`](Self::repair) puts that
    /// right, and must before a file is written under a data key that perhaps only the newer copy has.
    pub(crate) fn needs_repair(&self) -> bool {
        self.copies_damaged > 0 || self.copies_differ
    }

    /// Checks both copies as they are in the file now. One that is older than the other is whole: a crash came between the
    /// two writes of a change.
    pub(crate) fn verify(&self, report: &mut VerifyReport) {
        let read = || {
            let file = open_file(&*self.around.directory)?;
            Ok((read_copy(&*file, Place::A)?, read_copy(&*file, Place::B)?))
        };
        let Some((a, b)) = report.note(2 * COPY_BYTES as u64, read()) else { return };
        match (a, b) {
            (Ok(a), Ok(b)) if a.0.generation == b.0.generation && a.0 != b.0 => report.problems.push(Error::tampered(
                KEYRING_FILE,
                COPY_BYTES as u64,
                "the two copies have one generation but differ",
            )),
            (Ok(_), Ok(_)) => {}
            (Err(error), Ok(_)) => report.note_spare(lost_copy(Place::A, &error)),
            (Ok(_), Err(error)) => report.note_spare(lost_copy(Place::B, &error)),
            (Err(a), Err(b)) => report.problems.extend([a, b]),
        }
    }

    /// What is in the slots that are in use.
    pub(crate) fn describe(&self) -> Vec<KeySlot> {
        let filled = self.slots.iter().enumerate().filter_map(|(number, slot)| Some((number, slot.as_ref()?)));
        filled
            .map(|(number, slot)| KeySlot {
                number: number as u64,
                password: match slot.kind {
                    SlotKind::Raw => None,
                    SlotKind::Password(cost) => Some(cost),
                },
            })
            .collect()
    }
}

/// The copy that counts, which of the two it is, and how many are damaged.
struct Newest {
    copy: KeyringCopy,
    bytes: Vec<u8>,
    whole: Place,
    copies_damaged: u32,
    copies_differ: bool,
}

/// The bytes of the copy that counts.
///
/// # Errors
/// `Corrupt` when neither copy is whole, `Storage`.
pub(crate) fn newest_copy(directory: &dyn Directory) -> Result<Vec<u8>> {
    Ok(read_newest(directory)?.bytes)
}

fn open_file(directory: &dyn Directory) -> Result<Arc<dyn File>> {
    directory.open(KEYRING_FILE, OpenMode::Read).map_err(|error| match error.kind {
        ErrorKind::NotFound => Error::Corrupt {
            damage: Damage::Missing,
            file: KEYRING_FILE.to_owned(),
            offset: 0,
            detail: "without it nobody can read the database".to_owned(),
        },
        _ => error.into(),
    })
}

fn read_newest(directory: &dyn Directory) -> Result<Newest> {
    let file = open_file(directory)?;
    let (a, b) = (read_copy(&*file, Place::A)?, read_copy(&*file, Place::B)?);
    let newest = |(copy, bytes), whole, copies_damaged, copies_differ| {
        Ok(Newest { copy, bytes, whole, copies_damaged, copies_differ })
    };
    match (a, b) {
        // One is written and flushed before the other, so a crash leaves one of them old or torn and the other whole.
        (Ok(a), Ok(b)) if a.0.generation == b.0.generation && a.0 != b.0 => {
            Err(Error::tampered(KEYRING_FILE, COPY_BYTES as u64, "the two copies have one generation but differ"))
        }
        (Ok(a), Ok(b)) if b.0.generation > a.0.generation => newest(b, Place::B, 0, true),
        (Ok(a), Ok(b)) => {
            let differ = a.0.generation != b.0.generation;
            newest(a, Place::A, 0, differ)
        }
        (Ok(a), Err(error)) if is_damage(&error) => newest(a, Place::A, 1, false),
        (Err(error), Ok(b)) if is_damage(&error) => newest(b, Place::B, 1, false),
        // Nothing passes a right checksum by accident: a newer library wrote it, or somebody changed it.
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(a), Err(b)) => Err(if is_damage(&a) { b } else { a }),
    }
}

fn lost_copy(place: Place, error: &Error) -> Error {
    let detail = format!(
        "one of the two copies is damaged ({error}); the other one is whole, and opening the database for writing writes this \
         one anew"
    );
    Error::damaged(KEYRING_FILE, place.offset(), detail)
}

fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Corrupt { damage: Damage::Damaged, .. })
}

/// Reads one copy, with its bytes. A storage failure is the outer error: it says nothing about the copy.
fn read_copy(file: &dyn File, place: Place) -> Result<Result<(KeyringCopy, Vec<u8>)>> {
    let offset = place.offset();
    let mut bytes = vec![0; COPY_BYTES];
    match file.read_exact_at(offset, &mut bytes) {
        Ok(()) => Ok(KeyringCopy::decode(&bytes, offset).map(|copy| (copy, bytes))),
        Err(error) => match error.kind {
            ErrorKind::UnexpectedEnd { found, wanted } => {
                let detail = format!("this copy has {found} of {wanted} bytes");
                Ok(Err(Error::damaged(KEYRING_FILE, offset, detail)))
            }
            _ => Err(error.into()),
        },
    }
}

/// Where the sealed list of data keys stands and what it is bound to.
fn list_unit(clear_part: &[u8]) -> Unit<'_> {
    Unit { stream: Stream::Data, number: 0, offset: 0, header: clear_part, previous_tag: [0; 16] }
}

fn list_protection(header: &FileHeader, root_key: &Secret, provider: &dyn Provider, new: bool) -> Result<Protection> {
    let encoded = header.encode();
    let key = derive::file_key(root_key, &header.salt, header.bound(&encoded))?;
    Ok(Protection::new(header, Some(provider.aes_256_gcm(key.bytes())), new))
}

fn open_list(copy: &KeyringCopy, root_key: &Secret, provider: &dyn Provider) -> Result<DataKeys> {
    let protection = list_protection(&copy.header, root_key, provider, false)?;
    let clear = KeyringCopy::clear_part(copy.generation, &copy.slots, copy.list.len());
    let mut list = Zeroizing::new(copy.list.clone());
    let (len, _) = protection.open(list_unit(&clear), &mut list)?;
    let mut keys = BTreeMap::new();
    for entry in list.get(..len).unwrap_or_default().chunks(DATA_KEY_BYTES) {
        let (Some((generation, _)), Some(key)) = (entry.split_first_chunk::<4>(), entry.last_chunk::<32>()) else {
            return Err(Error::tampered(KEYRING_FILE, 0, "the list of data keys ends in the middle of one"));
        };
        keys.insert(u32::from_le_bytes(*generation), Arc::new(Secret::new(Zeroizing::new(*key))));
    }
    if keys.is_empty() {
        return Err(Error::tampered(KEYRING_FILE, 0, "the list of data keys is empty"));
    }
    Ok(keys)
}

fn random_secret(random: &dyn Random) -> Result<Secret> {
    let mut bytes = Zeroizing::new([0; 32]);
    random.fill(bytes.as_mut())?;
    Ok(Secret::new(bytes))
}

#[cfg(test)]
mod tests;
