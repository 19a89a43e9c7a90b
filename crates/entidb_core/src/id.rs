//! The identifiers of the database as distinct types.
//!
//! Always: a generated `EntityId` is unique, and later ones from one generator sort after earlier ones. Ids given by a
//! caller are taken as they are. Does not know: whether an id exists.

use std::fmt;
use std::str::FromStr;

use entidb_storage::sync::Mutex;
use entidb_storage::{Clock, Random};

use crate::error::{Error, ErrorCode, Result};

/// The identity of an entity: 16 bytes, unique in its collection.
///
/// Generated ids follow the layout of UUID version 7, so they sort by time of creation and read as UUIDs.
///
/// ```
/// use entidb_core::EntityId;
/// let id: EntityId = "0190163d-8694-739b-aea5-966c26f8ad91".parse()?;
/// assert_eq!(id.to_string(), "0190163d-8694-739b-aea5-966c26f8ad91");
/// assert_eq!(EntityId::from_bytes(*id.as_bytes()), id);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId([u8; 16]);

impl EntityId {
    /// The id with these bytes.
    ///
    /// ```
    /// use entidb_core::EntityId;
    /// assert_eq!(EntityId::from_bytes([7; 16]).as_bytes(), &[7; 16]);
    /// ```
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id in a slice, which must have 16 bytes.
    ///
    /// ```
    /// use entidb_core::EntityId;
    /// assert_eq!(EntityId::from_slice(&[7; 16])?, EntityId::from_bytes([7; 16]));
    /// assert!(EntityId::from_slice(&[7; 15]).is_err());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        let found = bytes.len();
        <[u8; 16]>::try_from(bytes).map(Self).map_err(|_| {
            Error::new(ErrorCode::InvalidArgument, format!("an entity id has 16 bytes, this one has {found}"))
        })
    }

    /// The bytes.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(entidb_core::EntityId::from_slice(id.as_bytes())?, id);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntityId({self})")
    }
}

impl FromStr for EntityId {
    type Err = Error;

    /// Reads 32 hexadecimal digits, with or without the hyphens of a UUID.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            let found: String = text.chars().take(40).collect();
            Error::new(
                ErrorCode::InvalidArgument,
                format!(
                    "{found:?} is not an entity id; give 32 hexadecimal digits, with or without the hyphens of a UUID"
                ),
            )
        };
        let hyphenated = text.len() == 36;
        let mut bytes = [0_u8; 16];
        let mut digits = 0_usize;
        for (position, letter) in text.char_indices() {
            if hyphenated && matches!(position, 8 | 13 | 18 | 23) {
                if letter != '-' {
                    return Err(refuse());
                }
                continue;
            }
            let digit = letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(refuse)?;
            let byte = bytes.get_mut(digits / 2).ok_or_else(refuse)?;
            *byte = (*byte << 4) | digit;
            digits += 1;
        }
        if digits == 32 { Ok(Self(bytes)) } else { Err(refuse()) }
    }
}

/// The number of a collection; never used twice in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId(pub u32);

/// The number under which the entities of a collection lie. A collection that is emptied at once takes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StorageId(pub(crate) u32);

/// Where what belongs to a collection lies: its entities, and all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) collection: CollectionId,
    pub(crate) storage: StorageId,
}

/// The number of an index; never used twice in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexId(pub u32);

/// The dense number of an entity inside its collection; it puts equal index rows in order. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ordinal(pub(crate) u64);

impl Ordinal {
    /// The least ordinal after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Makes ids that sort by time of creation, even when the clock stands still or goes back.
#[derive(Debug, Default)]
pub(crate) struct IdGenerator {
    last: Mutex<u128>,
}

const TIME_SHIFT: u32 = 80;
const VERSION_AND_VARIANT: u128 = 0x0000_0000_0000_7000_8000_0000_0000_0000;
const RANDOM_BITS: u128 = 0x0000_0000_0000_0fff_3fff_ffff_ffff_ffff;

impl IdGenerator {
    /// The next id: later than every earlier one of this generator.
    pub(crate) fn next(&self, clock: &dyn Clock, random: &dyn Random) -> Result<EntityId> {
        let millis = u128::try_from(clock.wall_micros().max(0) / 1000).unwrap_or(0) & 0xffff_ffff_ffff;
        let mut last = self.last.lock();
        let last_millis = *last >> TIME_SHIFT;
        let next = if millis > last_millis {
            let mut bytes = [0_u8; 16];
            random.fill(&mut bytes)?;
            // The top random bit starts at zero, so that a burst within one millisecond has room to count up.
            (millis << TIME_SHIFT)
                | VERSION_AND_VARIANT
                | (u128::from_be_bytes(bytes) & (RANDOM_BITS >> 1) & RANDOM_BITS)
        } else {
            successor(*last)
        };
        *last = next;
        Ok(EntityId(next.to_be_bytes()))
    }
}

/// The next id value with the same fixed bits: counts in the low 62 bits, then in the 12 above, then in the time.
fn successor(id: u128) -> u128 {
    let low = id & 0x3fff_ffff_ffff_ffff;
    let high = (id >> 64) & 0x0fff;
    let time = id >> TIME_SHIFT;
    let (low, carry) = if low == 0x3fff_ffff_ffff_ffff { (0, 1) } else { (low + 1, 0) };
    let (high, carry) = if high + carry > 0x0fff { (0, 1) } else { (high + carry, 0) };
    ((time + carry) << TIME_SHIFT) | VERSION_AND_VARIANT | (high << 64) | low
}

#[cfg(test)]
mod tests {
    use super::*;
    use entidb_storage::SeededRandom;

    struct Frozen(i64);
    impl Clock for Frozen {
        fn wall_micros(&self) -> i64 {
            self.0
        }
        fn monotonic_nanos(&self) -> u64 {
            0
        }
    }

    #[test]
    fn ids_sort_in_the_order_they_were_made_whatever_the_clock_does() {
        let (generator, random) = (IdGenerator::default(), SeededRandom::new(7));
        let mut last = generator.next(&Frozen(5_000_000), &random).unwrap();
        for micros in [5_000_000, 5_000_000, 1, -7, 5_001_000, 4_000_000, i64::MAX, 0] {
            let next = generator.next(&Frozen(micros), &random).unwrap();
            assert!(next > last, "{next} after {last}");
            assert_eq!(next.0[6] >> 4, 7, "version");
            assert_eq!(next.0[8] >> 6, 2, "variant");
            last = next;
        }
    }

    #[test]
    fn the_successor_carries_over_the_fixed_bits() {
        let full = (5_u128 << 80) | VERSION_AND_VARIANT | RANDOM_BITS;
        assert_eq!(successor(full), (6_u128 << 80) | VERSION_AND_VARIANT);
    }

    #[test]
    fn only_whole_ids_are_read() {
        for text in [
            "",
            "0190163d",
            "0190163d-8694-739b-aea5-966c26f8ad9",
            "0190163d-8694-739b-aea5-966c26f8ad911",
            "zz90163d8694739baea5966c26f8ad91",
            "0190163d8694-739b-aea5-966c26f8ad91x",
            "é190163d8694739baea5966c26f8ad9",
        ] {
            assert!(text.parse::<EntityId>().is_err(), "{text:?}");
        }
        let id: EntityId = "0190163d8694739baea5966c26f8ad91".parse().unwrap();
        assert_eq!(id.to_string().parse::<EntityId>().unwrap(), id);
    }
}
