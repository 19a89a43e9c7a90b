//! Moments between `datetime` and microseconds since 1970, and dates between `date` and their text.
//!
//! Always: aware moments only, exact to the microsecond, given back in UTC; a moment `datetime` cannot hold comes as a
//! `Timestamp`. A date is no moment: it is text under the tag of RFC 8943. Does not know: time zones; their offset is asked
//! of them.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDate, PyDateTime, PyTzInfo};

use crate::value::Timestamp;

/// A date as text, `2026-11-30`, by RFC 8943. Other languages see the tag.
pub(crate) const DATE_TAG: u64 = 1004;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// The first microsecond of year 1, and the last of year 9999.
const HELD: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

static UTC: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn utc(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    let made = UTC
        .get_or_try_init(py, || Ok::<_, PyErr>(py.import("datetime")?.getattr("timezone")?.getattr("utc")?.unbind()))?;
    Ok(made.bind(py))
}

/// Whether a moment of a class like `pandas.Timestamp` is finer than microseconds.
pub(crate) fn has_nanoseconds(moment: &Bound<'_, PyDateTime>) -> PyResult<bool> {
    if moment.is_exact_instance_of::<PyDateTime>() {
        return Ok(false);
    }
    match moment.getattr_opt(intern!(moment.py(), "nanosecond"))? {
        Some(finer) => Ok(!finer.eq(0)?),
        None => Ok(false),
    }
}

/// The text of a date.
pub(crate) fn date_text(date: &Bound<'_, PyDate>) -> PyResult<String> {
    let py = date.py();
    let part = |name| date.getattr(name)?.extract::<u32>();
    let (year, month, day) = (part(intern!(py, "year"))?, part(intern!(py, "month"))?, part(intern!(py, "day"))?);
    Ok(format!("{year:04}-{month:02}-{day:02}"))
}

/// The date of a text that is written as `date_text` does; none for any other.
pub(crate) fn date<'py>(py: Python<'py>, text: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let mut parts = text.splitn(3, '-').map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then_some(part));
    let (Some(Some(year)), Some(Some(month)), Some(Some(day))) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let (Ok(year), Ok(month), Ok(day)) = (year.parse(), month.parse(), day.parse()) else { return Ok(None) };
    // It judges what the calendar has, and the text must be the one that such a date has.
    let Ok(made) = PyDate::new(py, year, month, day) else { return Ok(None) };
    Ok((date_text(&made)? == text).then(|| made.into_any()))
}

/// The microseconds of a `datetime`; none when it is naive.
pub(crate) fn from_host(moment: &Bound<'_, PyDateTime>) -> PyResult<Option<i64>> {
    let py = moment.py();
    let zone = moment.getattr(intern!(py, "tzinfo"))?;
    if zone.is_none() {
        return Ok(None);
    }
    let part = |name| moment.getattr(name)?.extract::<i64>();
    let days = days_from_civil(part(intern!(py, "year"))?, part(intern!(py, "month"))?, part(intern!(py, "day"))?);
    let seconds = part(intern!(py, "hour"))? * 3_600 + part(intern!(py, "minute"))? * 60 + part(intern!(py, "second"))?;
    let local = days * MICROS_PER_DAY + seconds * 1_000_000 + part(intern!(py, "microsecond"))?;
    if zone.is(utc(py)?) {
        return Ok(Some(local));
    }
    let offset = moment.call_method0(intern!(py, "utcoffset"))?;
    if offset.is_none() {
        return Ok(None);
    }
    let part = |name| offset.getattr(name)?.extract::<i64>();
    let ahead = part(intern!(py, "days"))? * MICROS_PER_DAY
        + part(intern!(py, "seconds"))? * 1_000_000
        + part(intern!(py, "microseconds"))?;
    Ok(Some(local - ahead))
}

/// The `datetime` of a number of microseconds, in UTC.
pub(crate) fn to_host(py: Python<'_>, micros: i64) -> PyResult<Bound<'_, PyAny>> {
    if !HELD.contains(&micros) {
        return Ok(Bound::new(py, Timestamp { micros })?.into_any());
    }
    let (year, month, day) = civil_from_days(micros.div_euclid(MICROS_PER_DAY));
    let rest = micros.rem_euclid(MICROS_PER_DAY);
    // Every part is within the range of its field, so no conversion loses anything.
    let (seconds, micros) = (rest / 1_000_000, (rest % 1_000_000) as u32);
    let (hour, minute, second) = ((seconds / 3_600) as u8, (seconds / 60 % 60) as u8, (seconds % 60) as u8);
    let zone = utc(py)?.cast::<PyTzInfo>()?;
    let made = PyDateTime::new(py, year as i32, month as u8, day as u8, hour, minute, second, micros, Some(zone))?;
    Ok(made.into_any())
}

/// Days since 1970 of a date of the Gregorian calendar, counted in eras of 400 years that begin on 1 March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
