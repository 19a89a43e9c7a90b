//! Key slots: wrapping the root key for one key or password, and finding the slot that one opens.
//!
//! Always: the commitment is compared, in constant time, before anything is decrypted; no error says which slot came
//! how far. Does not know: the list of data keys.
//! Format: docs/spec/encryption.md, "Key slots".

use zeroize::Zeroizing;

use super::Surroundings;
use crate::crypto::derive::{self, SlotKeys};
use crate::crypto::key::Secret;
use crate::error::{Error, Result};
use crate::format::file_header::DatabaseId;
use crate::format::keyring_copy::{Slot, SlotKind, WRAPPED_KEY_BYTES};
use crate::format::unit::TAG_BYTES;
use crate::options::{KdfParameters, KeySource};

/// A new slot that gives the root key to holders of `key`.
pub(super) fn wrap(
    around: &Surroundings,
    database_id: DatabaseId,
    key: &KeySource,
    kdf: KdfParameters,
    root_key: &Secret,
) -> Result<Slot> {
    let kind = match key {
        KeySource::Raw(_) => SlotKind::Raw,
        KeySource::Password(_) => SlotKind::Password(kdf),
    };
    let mut kdf_salt = [0; 16];
    around.random.fill(&mut kdf_salt)?;
    let mut slot_salt = [0; 32];
    around.random.fill(&mut slot_salt)?;
    let SlotKeys { wrap, commitment } = derive::slot_keys(key, kdf, &kdf_salt, &slot_salt)?;
    let mut slot = Slot { kind, kdf_salt, slot_salt, commitment, wrapped: [0; WRAPPED_KEY_BYTES] };
    let mut wrapped = Zeroizing::new(*root_key.bytes());
    let tag = around
        .provider
        .aes_256_gcm(wrap.bytes())
        .seal(&NONCE, &aad(database_id, &slot), wrapped.as_mut())
        .map_err(|_| Error::Internal { detail: "the cipher refused to wrap 32 bytes".to_owned() })?;
    for (to, from) in slot.wrapped.iter_mut().zip(wrapped.iter().chain(&tag)) {
        *to = *from;
    }
    Ok(slot)
}

/// The root key, from whichever slot this key opens.
///
/// # Errors
/// `WrongKey` when it opens none; `OutOfMemory`.
pub(super) fn unwrap_any(
    around: &Surroundings,
    database_id: DatabaseId,
    key: &KeySource,
    slots: &[Option<Slot>],
) -> Result<Secret> {
    find(around, database_id, key, slots)?.map(|(_, root_key)| root_key).ok_or(Error::WrongKey)
}

/// The first slot this key opens, by its place, and the root key.
pub(super) fn find(
    around: &Surroundings,
    database_id: DatabaseId,
    key: &KeySource,
    slots: &[Option<Slot>],
) -> Result<Option<(usize, Secret)>> {
    opened(around, database_id, key, slots).next().transpose()
}

/// The places of all slots this key opens. Each slot of a password costs a derivation.
pub(super) fn find_all(
    around: &Surroundings,
    database_id: DatabaseId,
    key: &KeySource,
    slots: &[Option<Slot>],
) -> Result<Vec<usize>> {
    opened(around, database_id, key, slots).map(|found| found.map(|(place, _)| place)).collect()
}

/// The slots this key opens, each tried when it is asked for.
fn opened(
    around: &Surroundings,
    database_id: DatabaseId,
    key: &KeySource,
    slots: &[Option<Slot>],
) -> impl Iterator<Item = Result<(usize, Secret)>> {
    slots.iter().enumerate().filter_map(move |(place, slot)| {
        let root_key = unwrap(around, database_id, key, slot.as_ref()?).transpose()?;
        Some(root_key.map(|root_key| (place, root_key)))
    })
}

fn unwrap(around: &Surroundings, database_id: DatabaseId, key: &KeySource, slot: &Slot) -> Result<Option<Secret>> {
    let kdf = match (key, slot.kind) {
        (KeySource::Raw(_), SlotKind::Raw) => KdfParameters::default(),
        (KeySource::Password(_), SlotKind::Password(kdf)) => kdf,
        (KeySource::Raw(_), SlotKind::Password(_)) | (KeySource::Password(_), SlotKind::Raw) => return Ok(None),
    };
    let SlotKeys { wrap, commitment } = derive::slot_keys(key, kdf, &slot.kdf_salt, &slot.slot_salt)?;
    if !derive::equal_in_constant_time(&commitment, &slot.commitment) {
        return Ok(None);
    }
    let (Some(wrapped), Some(tag)) = (slot.wrapped.first_chunk::<32>(), slot.wrapped.last_chunk::<TAG_BYTES>()) else {
        return Err(Error::Internal { detail: "a wrapped key is not a key and a tag long".to_owned() });
    };
    let mut root_key = Zeroizing::new(*wrapped);
    let opened =
        around.provider.aes_256_gcm(wrap.bytes()).open(&NONCE, &aad(database_id, slot), root_key.as_mut(), tag);
    Ok(opened.is_ok().then(|| Secret::new(root_key)))
}

/// All zeros: the key of a slot is made from a fresh salt and used once.
const NONCE: [u8; 12] = [0; 12];

fn aad(database_id: DatabaseId, slot: &Slot) -> Vec<u8> {
    let mut aad = b"entidb/v1/slot".to_vec();
    aad.extend_from_slice(&database_id.0);
    aad.extend_from_slice(&slot.bound());
    aad
}
