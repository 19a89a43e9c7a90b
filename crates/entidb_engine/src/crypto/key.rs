//! Secrets in memory, and how dear a password is made to guess.
//!
//! Always: secrets are wiped when dropped, and neither printed nor copied.
//! Does not know: how keys are derived (`derive`) or where they are kept (`keyring`).

use zeroize::Zeroizing;

use crate::error::Result;
use crate::options::{KdfParameters, KeySource, invalid};

/// A 32-byte secret in memory that is wiped when dropped. Has neither `Debug` nor `Clone`, on purpose.
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    pub(crate) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A password is hashed as a whole, so one without a bound could hold up an open.
const PASSWORD_BYTES_MAX: usize = 1 << 20;

impl KeySource {
    /// Refuses what cannot protect anything.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty password, one over 1 MiB, or a key of zeros.
    pub(crate) fn validate(&self) -> Result<()> {
        let problem = match self {
            Self::Raw(key) if key.iter().all(|byte| *byte == 0) => "is 32 zeros; give 32 random bytes",
            Self::Password(password) if password.is_empty() => "is an empty password; give one of at least one byte",
            Self::Password(password) if password.len() > PASSWORD_BYTES_MAX => {
                "is a password of over 1 MiB; give a shorter one"
            }
            Self::Raw(_) | Self::Password(_) => return Ok(()),
        };
        Err(invalid("key", problem))
    }
}

impl KdfParameters {
    /// The least that is accepted for a new password: 19 MiB and two passes, for phones and browsers.
    pub const FLOOR: Self = Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 };
    /// The most that is accepted, also from a file: a keyring must not be able to eat the host's memory.
    pub const CAP: Self = Self { memory_kib: 256 * 1024, iterations: 16, parallelism: 8 };

    /// Judges the costs of a new password.
    ///
    /// # Errors
    /// `InvalidArgument` below [`FLOOR`](Self::FLOOR), unless `weak` ones will do, or above [`CAP`](Self::CAP).
    pub(crate) fn validate(&self, weak: bool) -> Result<()> {
        let floor = Self::FLOOR;
        let enough = weak || (self.memory_kib >= floor.memory_kib && self.iterations >= floor.iterations);
        if enough && self.is_bearable() {
            return Ok(());
        }
        let problem = format!(
            "asks for {} KiB, {} passes and {} lanes; give 19456 to 262144 KiB, 2 to 16 passes and 1 to 8 lanes",
            self.memory_kib, self.iterations, self.parallelism
        );
        Err(invalid("kdf", problem))
    }

    /// True when no cost is above the cap and Argon2 can run with these at all.
    pub(crate) fn is_bearable(&self) -> bool {
        let cap = Self::CAP;
        (1..=cap.parallelism).contains(&self.parallelism)
            && (1..=cap.iterations).contains(&self.iterations)
            && (8 * self.parallelism..=cap.memory_kib).contains(&self.memory_kib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn costs_outside_floor_and_cap_are_refused() {
        let (floor, cap) = (KdfParameters::FLOOR, KdfParameters::CAP);
        floor.validate(false).unwrap();
        cap.validate(false).unwrap();
        KdfParameters::default().validate(false).unwrap();
        for wrong in [
            KdfParameters { memory_kib: floor.memory_kib - 1, ..floor },
            KdfParameters { iterations: 1, ..floor },
            KdfParameters { parallelism: 0, ..floor },
            KdfParameters { memory_kib: cap.memory_kib + 1, ..floor },
            KdfParameters { iterations: 17, ..floor },
            KdfParameters { parallelism: 9, ..floor },
        ] {
            let error = wrong.validate(false).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument { what: "kdf", .. }), "{error:?}");
        }
        let weak = KdfParameters { memory_kib: 16, iterations: 1, parallelism: 1 };
        assert!(weak.validate(false).is_err());
        weak.validate(true).unwrap();
        assert!(KdfParameters { memory_kib: 7, ..weak }.validate(true).is_err());
    }

    #[test]
    fn keys_that_protect_nothing_are_refused() {
        for source in [KeySource::raw([0; 32]), KeySource::password(""), KeySource::password(vec![1; (1 << 20) + 1])] {
            assert!(matches!(source.validate().unwrap_err(), Error::InvalidArgument { what: "key", .. }));
        }
        KeySource::raw([1; 32]).validate().unwrap();
        KeySource::password("p").validate().unwrap();
    }
}
