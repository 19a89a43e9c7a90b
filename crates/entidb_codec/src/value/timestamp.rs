//! A moment: microseconds since 1970-01-01T00:00:00 UTC, leap seconds not counted.
//!
//! Always: exact; every `i64` is a valid moment.
//! Does not know: calendars, time zones, or what time it is now.
//! Format: docs/spec/encoding.md, "Tags".

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// Microseconds since the Unix epoch, UTC.
///
/// ```
/// use entidb_codec::Timestamp;
/// assert_eq!(Timestamp::from_micros(1_700_000_000_000_000).to_string(), "2023-11-14T22:13:20Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment this many milliseconds after the epoch, if it is in range.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Option<Self> {
        match millis.checked_mul(1000) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(86_400_000_000);
        let micros = self.0.rem_euclid(86_400_000_000);
        // Days to a date of the Gregorian calendar, counted from 1 March of year 0 in eras of 400 years.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let seconds = micros / 1_000_000;
        let sign = if year < 0 { "-" } else { "" };
        write!(f, "{sign}{:04}-{month:02}-{day:02}T", year.unsigned_abs())?;
        write!(f, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
        let fraction = micros % 1_000_000;
        if fraction != 0 {
            write!(f, ".{fraction:06}")?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads what `Display` writes: a date and a time of UTC, with up to six digits of a second.
    fn from_str(text: &str) -> Result<Self, Error> {
        read(text).ok_or_else(|| {
            let wanted = "a moment is written as 2023-11-14T22:13:20Z or 2023-11-14T22:13:20.000001Z";
            Error::new(ErrorKind::OutOfRange, 0).with_detail(wanted)
        })
    }
}

fn read(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (sign, date) = date.strip_prefix('-').map_or((1, date), |rest| (-1, rest));
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let year = sign * number(year, 4, 6)?;
    let (month, day) = (number(month, 2, 2)?, number(day, 2, 2)?);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = time.split(':');
    let (hours, minutes, seconds) = (clock.next()?, clock.next()?, clock.next()?);
    let (hours, minutes, seconds) = (number(hours, 2, 2)?, number(minutes, 2, 2)?, number(seconds, 2, 2)?);
    let micros = number(fraction, 1, 6)? * 10_i64.pow(6_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?);
    let is_leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let days_of_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let is_there = (1..=days_of_month).contains(&day) && hours < 24 && minutes < 60 && seconds < 60;
    if !is_there || parts.next().is_some() || clock.next().is_some() {
        return None;
    }
    // The other way round than `Display`: years begin in March, so that a leap day is the last of its year.
    let year = year - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let year_of_era = year.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = year.div_euclid(400) * 146_097 + day_of_era - 719_468;
    let seconds = (hours * 60 + minutes) * 60 + seconds;
    // In 128 bits, because the first moment lies within its day.
    let all = (i128::from(days) * 86_400 + i128::from(seconds)) * 1_000_000 + i128::from(micros);
    i64::try_from(all).ok().map(Timestamp)
}

/// Digits, with bounds on their number.
fn number(text: &str, least: usize, most: usize) -> Option<i64> {
    let fits = (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_as_dates() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (4_102_444_800_000_000, "2100-01-01T00:00:00Z"),
            (-62_198_755_200_000_000, "-0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        let mut micros = 1_i64;
        let some = (0..2_000).map(|_| {
            micros = micros.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            micros >> (micros.unsigned_abs() % 40)
        });
        for micros in some.chain([i64::MIN, i64::MIN + 1, -1, 0, i64::MAX]) {
            let text = Timestamp(micros).to_string();
            assert_eq!(text.parse::<Timestamp>().unwrap(), Timestamp(micros), "{text}");
        }
        assert_eq!("2000-02-29T00:00:00.5Z".parse::<Timestamp>().unwrap().micros(), 951_782_400_500_000);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "Z",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-01-00T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:60:00Z",
            "2023-01-01T00:00:60Z",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00.0000001Z",
            "2023-01-01T00:00:00+01:00",
            "2023-1-1T0:0:0Z",
            "999999-01-01T00:00:00Z",
            "2023-01-01T00:00:00:00Z",
            "2023-01-01-01T00:00:00Z",
            "+2023-01-01T00:00:00Z",
            "2023-01-01T00:00:00.5.5Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
