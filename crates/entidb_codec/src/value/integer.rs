//! An integer of the whole CBOR range, −2^64 to 2^64 − 1.
//!
//! Always: every `i64` and every `u64` is one; order and equality are those of the number.
//! Does not know: how it is written; see `canonical`.

use std::cmp::Ordering;
use std::fmt;

use crate::error::{Error, ErrorKind};

/// An integer from −2^64 to 2^64 − 1, so that `i64` and `u64` both fit.
///
/// ```
/// use entidb_codec::Integer;
/// assert!(Integer::from(-1_i64) < Integer::from(u64::MAX));
/// assert_eq!(Integer::from(7_u8).as_i64(), Some(7));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Integer {
    // The form CBOR itself uses: the number is `argument`, or −1 − `argument` when negative.
    negative: bool,
    argument: u64,
}

impl Integer {
    /// The least: −2^64.
    pub const MIN: Self = Self { negative: true, argument: u64::MAX };
    /// The greatest: 2^64 − 1.
    pub const MAX: Self = Self { negative: false, argument: u64::MAX };

    pub(crate) const fn unsigned(argument: u64) -> Self {
        Self { negative: false, argument }
    }

    pub(crate) const fn negative(argument: u64) -> Self {
        Self { negative: true, argument }
    }

    /// Whether it is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.negative
    }

    /// The CBOR argument: the number itself, or −1 minus it.
    pub(crate) const fn argument(self) -> u64 {
        self.argument
    }

    /// The number, if it fits in an `i64`.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        let magnitude = i64::try_from(self.argument).ok()?;
        Some(if self.negative { !magnitude } else { magnitude })
    }

    /// The number, if it fits in a `u64`.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        (!self.negative).then_some(self.argument)
    }

    /// The number.
    #[must_use]
    pub fn as_i128(self) -> i128 {
        let magnitude = i128::from(self.argument);
        if self.negative { -1 - magnitude } else { magnitude }
    }

    /// The sum, if it is in range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::try_from(self.as_i128() + other.as_i128()).ok()
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.argument.cmp(&other.argument),
            (true, true) => other.argument.cmp(&self.argument),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_i128().fmt(f)
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<i64> for Integer {
    fn from(value: i64) -> Self {
        if value < 0 {
            Self { negative: true, argument: (!value).unsigned_abs() }
        } else {
            Self { negative: false, argument: value.unsigned_abs() }
        }
    }
}

impl From<u64> for Integer {
    fn from(value: u64) -> Self {
        Self::unsigned(value)
    }
}

macro_rules! from_small {
    ($($from:ty => $through:ty),*) => { $(
        impl From<$from> for Integer {
            fn from(value: $from) -> Self {
                Self::from(<$through>::from(value))
            }
        }
    )* };
}
from_small!(i8 => i64, i16 => i64, i32 => i64, u8 => u64, u16 => u64, u32 => u64);

impl From<usize> for Integer {
    fn from(value: usize) -> Self {
        Self::unsigned(value as u64)
    }
}

impl From<isize> for Integer {
    fn from(value: isize) -> Self {
        Self::from(value as i64)
    }
}

impl TryFrom<i128> for Integer {
    type Error = Error;

    fn try_from(value: i128) -> Result<Self, Error> {
        let (negative, magnitude) = if value < 0 { (true, !value) } else { (false, value) };
        u64::try_from(magnitude)
            .map(|argument| Self { negative, argument })
            .map_err(|_| Error::new(ErrorKind::OutOfRange, 0).with_detail("an integer is outside -2^64 to 2^64-1"))
    }
}
