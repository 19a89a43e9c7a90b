//! Keys from other keys and from passwords: HKDF-SHA-256 and Argon2id.
//!
//! Always: each use has a label of its own, so no two uses can come to the same key. Every result is wiped when dropped.
//! Does not know: where salts come from or are kept.
//! Format: docs/spec/encryption.md, "Keys".

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::key::Secret;
use crate::error::{Error, Result};
use crate::options::{KdfParameters, KeySource};

/// What a key slot derives from the user's key.
pub(crate) struct SlotKeys {
    /// Wraps the root key.
    pub(crate) wrap: Secret,
    /// Stored, to tell a wrong key before anything is decrypted: AES-GCM alone does not commit to its key.
    pub(crate) commitment: [u8; 32],
}

/// The key of one file.
///
/// # Errors
/// Never for these lengths; a failure of the library is `Internal`.
pub(crate) fn file_key(data_key: &Secret, salt: &[u8; 32], header: &[u8]) -> Result<Secret> {
    let mut key = Zeroizing::new([0; 32]);
    expand(data_key.bytes(), salt, &[b"entidb/v1/file", header], key.as_mut())?;
    Ok(Secret::new(key))
}

/// The keys of a slot from what the user gave.
///
/// # Errors
/// `OutOfMemory` when the memory a password costs cannot be had.
pub(crate) fn slot_keys(
    source: &KeySource,
    params: KdfParameters,
    kdf_salt: &[u8; 16],
    slot_salt: &[u8; 32],
) -> Result<SlotKeys> {
    let key = match source {
        KeySource::Raw(key) => {
            let mut derived = Zeroizing::new([0; 32]);
            expand(key.as_ref(), kdf_salt, &[b"entidb/v1/raw"], derived.as_mut())?;
            Secret::new(derived)
        }
        KeySource::Password(password) => password_key(password, params, kdf_salt)?,
    };
    let mut wrap = Zeroizing::new([0; 32]);
    expand(key.bytes(), slot_salt, &[b"entidb/v1/slot/wrap"], wrap.as_mut())?;
    let mut commitment = [0; 32];
    expand(key.bytes(), slot_salt, &[b"entidb/v1/slot/commitment"], &mut commitment)?;
    Ok(SlotKeys { wrap: Secret::new(wrap), commitment })
}

/// True when both are equal; takes as long when they differ early as when they differ late.
pub(crate) fn equal_in_constant_time(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let difference = one.iter().zip(other).fold(0_u8, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// HKDF-SHA-256, extract then expand.
pub(super) fn expand(secret: &[u8], salt: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<()> {
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand_multi_info(info, out)
        .map_err(|_| Error::Internal { detail: "HKDF refused the length of a key".to_owned() })
}

fn password_key(password: &[u8], params: KdfParameters, salt: &[u8; 16]) -> Result<Secret> {
    let internal = |error: argon2::Error| Error::Internal { detail: format!("Argon2 refused its input: {error}") };
    let costs =
        argon2::Params::new(params.memory_kib, params.iterations, params.parallelism, Some(32)).map_err(internal)?;
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, costs);
    let mut key = Zeroizing::new([0; 32]);
    argon.hash_password_into(password, salt, key.as_mut()).map_err(|error| match error {
        argon2::Error::OutOfMemory => {
            Error::OutOfMemory { what: "deriving a key from the password", bytes: u64::from(params.memory_kib) << 10 }
        }
        other => internal(other),
    })?;
    Ok(Secret::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// RFC 5869, appendix A.1 to A.3.
    #[test]
    fn hkdf_agrees_with_the_test_cases_of_rfc_5869() {
        let long = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
        let cases = [
            (
                hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
                hex("000102030405060708090a0b0c"),
                hex("f0f1f2f3f4f5f6f7f8f9"),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            ),
            (
                long(0, 0x4f),
                long(0x60, 0xaf),
                long(0xb0, 0xff),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c\
                 59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71\
                 cc30c58179ec3e87c14c01d5c1f3434f1d87",
            ),
            (
                hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
                Vec::new(),
                Vec::new(),
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
            ),
        ];
        for (secret, salt, info, expected) in cases {
            let expected = hex(expected);
            let mut out = vec![0; expected.len()];
            expand(&secret, &salt, &[&info], &mut out).unwrap();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn the_password_key_depends_on_password_salt_and_costs() {
        let weak = KdfParameters { memory_kib: 16, iterations: 1, parallelism: 1 };
        let one = password_key(b"password", weak, &[1; 16]).unwrap();
        assert_eq!(one.bytes(), password_key(b"password", weak, &[1; 16]).unwrap().bytes());
        assert_ne!(one.bytes(), password_key(b"passwore", weak, &[1; 16]).unwrap().bytes());
        assert_ne!(one.bytes(), password_key(b"password", weak, &[2; 16]).unwrap().bytes());
        assert_ne!(
            one.bytes(),
            password_key(b"password", KdfParameters { memory_kib: 24, ..weak }, &[1; 16]).unwrap().bytes()
        );
        assert_ne!(
            one.bytes(),
            password_key(b"password", KdfParameters { iterations: 2, ..weak }, &[1; 16]).unwrap().bytes()
        );
    }

    #[test]
    fn a_comparison_in_constant_time_is_still_right() {
        let one = [7; 32];
        assert!(equal_in_constant_time(&one, &[7; 32]));
        for at in 0..32 {
            let mut other = one;
            other[at] ^= 0x80;
            assert!(!equal_in_constant_time(&one, &other));
        }
    }
}
