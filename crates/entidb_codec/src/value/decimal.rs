//! Decimal fractions: an integer times a power of ten.
//!
//! Always: the exponent is within ±10^18 and the mantissa within `i128`; trailing zeros are kept,
//! so 1.0 and 1.00 are different values that compare as equal in `ordered`.
//! Does not know: arithmetic beyond exact addition.
//! Format: docs/spec/encoding.md, "Tags", tag 4.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// `mantissa × 10^exponent`, kept exactly as written.
///
/// ```
/// use entidb_codec::Decimal;
/// let price: Decimal = "12.50".parse()?;
/// assert_eq!((price.mantissa(), price.exponent()), (1250, -2));
/// assert_eq!(price.to_string(), "12.50");
/// # Ok::<(), entidb_codec::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    // Halves of the mantissa, because an `i128` field would align every `Value` to 16 bytes.
    high: i64,
    low: u64,
    exponent: i64,
}

impl Decimal {
    /// The greatest exponent, and the negative of the least.
    pub const EXPONENT_MAX: i64 = 1_000_000_000_000_000_000;

    /// Makes a decimal from its parts.
    ///
    /// # Errors
    /// `OutOfRange` when the exponent is beyond ±10^18.
    pub fn new(mantissa: i128, exponent: i64) -> Result<Self, Error> {
        if exponent.unsigned_abs() > Self::EXPONENT_MAX.unsigned_abs() {
            return Err(Error::new(ErrorKind::OutOfRange, 0).with_detail("a decimal's exponent is beyond 10^18"));
        }
        Ok(Self::from_parts(mantissa, exponent))
    }

    // The two halves of an i128.
    fn from_parts(mantissa: i128, exponent: i64) -> Self {
        Self { high: (mantissa >> 64) as i64, low: mantissa as u64, exponent }
    }

    /// The integer part of the pair.
    #[must_use]
    pub fn mantissa(self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }

    /// The power of ten.
    #[must_use]
    pub fn exponent(self) -> i64 {
        self.exponent
    }

    /// The same number without trailing zeros in its mantissa; zero has exponent 0.
    #[must_use]
    pub fn normalised(self) -> Self {
        let (mut mantissa, mut exponent) = (self.mantissa(), self.exponent);
        if mantissa == 0 {
            return Self::from_parts(0, 0);
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        Self::from_parts(mantissa, exponent)
    }

    /// The exact sum, if it fits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |part: Self| {
            let power = u32::try_from(part.exponent - exponent).ok()?;
            if part.mantissa() == 0 {
                return Some(0);
            }
            part.mantissa().checked_mul(10_i128.checked_pow(power)?)
        };
        Some(Self::from_parts(scaled(self)?.checked_add(scaled(other)?)?, exponent))
    }

    /// Order by number: 1.0 and 1.00 are equal.
    #[must_use]
    pub fn compare(self, other: Self) -> Ordering {
        let (a, b) = (self.normalised(), other.normalised());
        let (a_mantissa, b_mantissa) = (a.mantissa(), b.mantissa());
        let by_sign = a_mantissa.signum().cmp(&b_mantissa.signum());
        if by_sign != Ordering::Equal || a_mantissa == 0 {
            return by_sign;
        }
        let by_magnitude = a.leading_exponent().cmp(&b.leading_exponent()).then_with(|| {
            // Same place of the first digit: the digits decide, as in a dictionary.
            let digits = |m: i128| m.unsigned_abs().to_string();
            digits(a_mantissa).cmp(&digits(b_mantissa))
        });
        if a_mantissa < 0 { by_magnitude.reverse() } else { by_magnitude }
    }

    /// The power of ten of the first digit; meaningless for zero.
    pub(crate) fn leading_exponent(self) -> i64 {
        self.exponent + i64::from(self.mantissa().unsigned_abs().checked_ilog10().unwrap_or(0))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mantissa = self.mantissa();
        let sign = if mantissa < 0 { "-" } else { "" };
        let digits = mantissa.unsigned_abs().to_string();
        // Plain notation where it is short, as people write prices; else an exponent.
        let places = usize::try_from(self.exponent.unsigned_abs()).unwrap_or(usize::MAX);
        if self.exponent == 0 {
            write!(f, "{sign}{digits}")
        } else if self.exponent < 0 && places <= 40 {
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at(padded.len() - places);
            write!(f, "{sign}{whole}.{fraction}")
        } else {
            write!(f, "{sign}{digits}e{}", self.exponent)
        }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Decimal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse =
            || Error::new(ErrorKind::OutOfRange, 0).with_detail("the text is not a decimal such as -12.50 or 3e7");
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i64>().map_err(|_| refuse())?),
            None => (text, 0),
        };
        let (sign, number) = match number.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !digits_only(whole) || !digits_only(fraction) {
            return Err(refuse());
        }
        let mantissa = format!("{sign}{whole}{fraction}").parse::<i128>().map_err(|_| refuse())?;
        let places = i64::try_from(fraction.len()).map_err(|_| refuse())?;
        Self::new(mantissa, exponent.checked_sub(places).ok_or_else(refuse)?)
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::from_parts(i128::from(value), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_decimal_are_inverse() {
        for text in ["0", "-0.5", "12.50", "1e7", "-3e-41", "0.000", "123456789012345678901234567890.12"] {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), text);
        }
        for text in ["", ".", "e5", "1.2.3", "--1", "+-1", "1e", "0x5", "1e99999999999999999999"] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn order_is_that_of_the_number() {
        let sorted = ["-1e30", "-2", "-1.5", "-1e-9", "0", "1e-30", "0.1", "1", "1.05", "1.1", "9", "10", "1e18"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                let found = a.parse::<Decimal>().unwrap().compare(b.parse().unwrap());
                assert_eq!(found, i.cmp(&j), "{a} {b}");
            }
        }
        let one = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(one("1.0").compare(one("1.00")), Ordering::Equal);
        assert_ne!(one("1.0"), one("1.00"));
    }

    #[test]
    fn addition_is_exact_or_refused() {
        let sum = |a: &str, b: &str| a.parse::<Decimal>().unwrap().checked_add(b.parse().unwrap());
        assert_eq!(sum("0.1", "0.2").unwrap().to_string(), "0.3");
        assert_eq!(sum("1e40", "1"), None);
        assert_eq!(sum("0e99", "1").unwrap().to_string(), "1");
    }
}
