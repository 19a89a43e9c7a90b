//! Numbers in one order: integers, floats and decimals interleaved by exact value.
//!
//! Always: eight bytes order as the greatest double not above the number; where doubles are more
//! than one apart, two more bytes hold what the double leaves over, in whole numbers. What only a
//! decimal can have, a value between those, is told by the byte after it. So no two numbers share a
//! key unless they are equal. NaN is eight zero bytes, before −∞. −0.0 is written as 0.
//! Does not know: how a decimal is written; see `encode`.
//! Format: docs/spec/encoding.md, "Ordered numbers".

use std::cmp::Ordering;

use super::Number;
use crate::value::{Decimal, Integer};

/// From this magnitude to 2^64, a double may stand for several integers.
const WIDE_MIN: f64 = 9_007_199_254_740_992.0;
const WIDE_MAX: f64 = 18_446_744_073_709_551_616.0;

/// The byte after a number that its key holds whole.
pub(super) const EXACT: u8 = 0;
/// The byte after one that lies beyond what comes before: the decimal follows.
pub(super) const BEYOND: u8 = 1;

fn is_wide(double: f64) -> bool {
    (WIDE_MIN..=WIDE_MAX).contains(&double.abs())
}

const SIGN: u64 = 1 << 63;

/// The bits of a double, so changed that unsigned order is numeric order.
pub(super) fn flip(double: f64) -> u64 {
    let bits = double.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn unflip(flipped: u64) -> f64 {
    f64::from_bits(if flipped & SIGN == 0 { !flipped } else { flipped & !SIGN })
}

/// The greatest double not above a whole number of at most 66 bits, and the difference.
fn split(exact: i128) -> (f64, u16) {
    // What is lost is the residual.
    let nearest = exact as f64;
    // A double made from 66 bits fits in 128.
    let whole = |double: f64| double as i128;
    let floor = if whole(nearest) > exact { nearest.next_down() } else { nearest };
    // Doubles up to 2^65 are at most 4096 apart.
    (floor, u16::try_from(exact - whole(floor)).unwrap_or(u16::MAX))
}

/// Where a number stands: the double, what it leaves over, and the number itself if it lies beyond both.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) flipped: u64,
    pub(super) residual: u16,
    pub(super) beyond: Option<Decimal>,
}

impl Place {
    fn exact(double: f64, residual: u16) -> Self {
        // Adding 0 turns −0.0 into 0.
        Self { flipped: flip(double + 0.0), residual, beyond: None }
    }

    pub(super) fn of(number: Number) -> Self {
        match number {
            Number::Integer(integer) => {
                let (floor, residual) = split(integer.as_i128());
                Self::exact(floor, residual)
            }
            Number::Float(float) if float.is_nan() => Self { flipped: 0, residual: 0, beyond: None },
            Number::Float(float) => Self::exact(float, 0),
            Number::Decimal(decimal) => Self::of_decimal(decimal.normalised()),
        }
    }

    /// Of a decimal without trailing zeros.
    fn of_decimal(decimal: Decimal) -> Self {
        match whole_below(decimal) {
            // An integer, and equal to it.
            Some((whole, true)) if Integer::try_from(whole).is_ok() => {
                let (floor, residual) = split(whole);
                return Self::exact(floor, residual);
            }
            Some((whole, _)) if is_wide(split(whole).0) => {
                let (floor, residual) = split(whole);
                // 2^64 is a double, and the integers end before it.
                let is_exact = residual == 0 && compare_magnitude(decimal, floor).is_eq();
                return Self { beyond: (!is_exact).then_some(decimal), ..Self::exact(floor, residual) };
            }
            _ => {}
        }
        let (floor, is_exact) = double_below(decimal);
        Self { beyond: (!is_exact).then_some(decimal), ..Self::exact(floor, 0) }
    }

    fn compare(self, other: Self) -> Ordering {
        let by_place = (self.flipped, self.residual).cmp(&(other.flipped, other.residual));
        by_place.then_with(|| match (self.beyond, other.beyond) {
            (Some(a), Some(b)) => a.compare(b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        })
    }
}

/// The greatest whole number not above a decimal that has at most 66 bits, and whether that is all of it.
fn whole_below(decimal: Decimal) -> Option<(i128, bool)> {
    let (mantissa, exponent) = (decimal.mantissa(), decimal.exponent());
    let power = 10_i128.checked_pow(u32::try_from(exponent.unsigned_abs()).ok()?)?;
    let (whole, is_all) = if exponent >= 0 {
        (mantissa.checked_mul(power)?, true)
    } else {
        (mantissa.div_euclid(power), mantissa.rem_euclid(power) == 0)
    };
    (whole.unsigned_abs() <= 1 << 65).then_some((whole, is_all))
}

/// The greatest double not above a decimal that is not zero, and whether it is equal to it.
fn double_below(decimal: Decimal) -> (f64, bool) {
    let is_negative = decimal.mantissa() < 0;
    let nearest = nearest(decimal);
    if nearest.is_infinite() {
        return (if is_negative { f64::NEG_INFINITY } else { f64::MAX }, false);
    }
    match (compare_magnitude(decimal, nearest), is_negative) {
        (Ordering::Equal, _) => (nearest, true),
        // The double is nearer to zero below zero, or farther from it above.
        (Ordering::Greater, true) | (Ordering::Less, false) => (nearest.next_down(), false),
        _ => (nearest, false),
    }
}

/// Powers of ten that are doubles.
const EXACT_POWERS: i64 = 22;
const MANTISSA_MAX: u128 = 1 << 53;

/// The double nearest to a decimal.
fn nearest(decimal: Decimal) -> f64 {
    let (mantissa, exponent) = (decimal.mantissa(), decimal.exponent());
    if mantissa.unsigned_abs() <= MANTISSA_MAX && (-EXACT_POWERS..0).contains(&exponent) {
        // Both are doubles, so their quotient is rounded once.
        let power = u32::try_from(-exponent).ok().and_then(|exponent| 10_u128.checked_pow(exponent));
        return mantissa as f64 / power.map_or(f64::NAN, |power| power as f64);
    }
    // What is beyond doubles anyway needs no digits.
    format!("{mantissa}e{}", exponent.clamp(-2000, 2000)).parse().unwrap_or(f64::NAN)
}

/// A decimal's distance from zero compared with a double's, neither of them zero or infinite unless the double is zero.
fn compare_magnitude(decimal: Decimal, double: f64) -> Ordering {
    if double == 0.0 {
        return Ordering::Greater;
    }
    let (mantissa, exponent) = (decimal.mantissa().unsigned_abs(), decimal.exponent());
    if mantissa <= MANTISSA_MAX && (-EXACT_POWERS..0).contains(&exponent) {
        // double = significand × 2^−shift, and the decimal is mantissa / power: the products have at most 127 bits, for the
        // two numbers are nearly equal.
        let bits = double.abs().to_bits();
        let biased = u32::try_from(bits >> 52).unwrap_or(0);
        let significand = u128::from(bits & ((1 << 52) - 1) | 1 << 52);
        let power = u32::try_from(-exponent).ok().and_then(|exponent| 10_u128.checked_pow(exponent));
        let shift = 1075_u32.checked_sub(biased);
        let theirs = power.and_then(|power| significand.checked_mul(power));
        let ours = shift.and_then(|shift| (shift <= mantissa.leading_zeros()).then(|| mantissa << shift));
        if let (true, Some(ours), Some(theirs)) = (biased > 0, ours, theirs) {
            return ours.cmp(&theirs);
        }
    }
    // No double has more than 767 digits.
    let text = format!("{:.766e}", double.abs());
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let their_digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_digit).collect();
    let their_power = power.parse::<i64>().unwrap_or(0);
    let mut our_digits = mantissa.to_string().into_bytes();
    // 767 are more than a decimal has.
    our_digits.resize(their_digits.len(), b'0');
    decimal.leading_exponent().cmp(&their_power).then_with(|| our_digits.cmp(&their_digits))
}

/// Writes a number as far as its place goes, without the byte that says whether it lies beyond.
pub(super) fn write(place: &Place, out: &mut Vec<u8>) {
    out.extend_from_slice(&place.flipped.to_be_bytes());
    if place.flipped != 0 && is_wide(unflip(place.flipped)) {
        out.extend_from_slice(&place.residual.to_be_bytes());
    }
}

pub(super) fn compare(a: Number, b: Number) -> Ordering {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => a.cmp(&b),
        (Number::Decimal(a), Number::Decimal(b)) => a.compare(b),
        _ => Place::of(a).compare(Place::of(b)),
    }
}

/// The place at the start of some bytes, and how many bytes it takes.
pub(super) fn read(bytes: &[u8]) -> Result<(Place, usize), &'static str> {
    let Some((first, rest)) = bytes.split_first_chunk::<8>() else {
        return Err("a number is cut short");
    };
    let flipped = u64::from_be_bytes(*first);
    let (mut residual, mut size) = (0, 8);
    if flipped != 0 {
        let double = unflip(flipped);
        if double.is_nan() || (double == 0.0 && double.is_sign_negative()) {
            return Err("a number is one that is never written");
        }
        if is_wide(double) {
            let Some(wide) = rest.first_chunk::<2>() else {
                return Err("a number is cut short");
            };
            (residual, size) = (u16::from_be_bytes(*wide), 10);
        }
    }
    Ok((Place { flipped, residual, beyond: None }, size))
}

/// The number at a place that lies not beyond it. Integers come back as integers wherever one of 65 bits has the value.
pub(super) fn at(place: &Place) -> Result<Number, &'static str> {
    if place.flipped == 0 {
        return Ok(Number::Float(f64::NAN));
    }
    let (double, residual) = (unflip(place.flipped), place.residual);
    if double.fract() != 0.0 || double.abs() > WIDE_MAX {
        return Ok(Number::Float(double));
    }
    // Integral and at most 2^64 in magnitude.
    let exact = double as i128 + i128::from(residual);
    match Integer::try_from(exact) {
        Ok(integer) if split(exact) == (double, residual) => Ok(Number::Integer(integer)),
        // 2^64 itself is a double and no integer of ours.
        Err(_) if residual == 0 => Ok(Number::Float(double)),
        _ => Err("a number leaves over more than its double allows"),
    }
}

/// The decimal that lies beyond a place, if it does.
pub(super) fn beyond(place: &Place, decimal: Decimal) -> Result<Number, &'static str> {
    let of = Place::of_decimal(decimal);
    if decimal.mantissa() != 0 && of.beyond.is_some() && (of.flipped, of.residual) == (place.flipped, place.residual) {
        return Ok(Number::Decimal(decimal));
    }
    Err("a decimal stands beyond another number than the one below it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Number {
        Number::Decimal(text.parse().unwrap())
    }

    #[test]
    fn decimals_stand_among_integers_and_floats_by_value() {
        let float = Number::Float;
        let integer = |value: i128| Number::Integer(Integer::try_from(value).unwrap());
        // Each group is of equal numbers, and the groups ascend.
        let groups: Vec<Vec<Number>> = vec![
            vec![float(f64::NAN)],
            vec![float(f64::NEG_INFINITY)],
            vec![decimal("-1e999999999999999999")],
            vec![decimal("-1e400")],
            vec![float(f64::MIN)],
            vec![decimal("-18446744073709551616.5")],
            vec![integer(-(1 << 64)), float(-18_446_744_073_709_551_616.0), decimal("-18446744073709551616")],
            vec![decimal("-18446744073709551615.5")],
            vec![integer(-(1 << 64) + 1), decimal("-18446744073709551615.0")],
            vec![decimal("-9007199254740993.25")],
            vec![integer(-9_007_199_254_740_993), decimal("-9007199254740993")],
            vec![decimal("-9007199254740992.999")],
            vec![decimal("-1.1")],
            vec![integer(-1), float(-1.0), decimal("-1.000")],
            vec![float(-0.1)],
            vec![decimal("-0.1")],
            vec![float(-5e-324)],
            vec![decimal("-1e-400")],
            vec![integer(0), float(0.0), float(-0.0), decimal("0.00"), decimal("0e99")],
            vec![decimal("1e-999999999999999999")],
            vec![decimal("1e-400")],
            vec![float(5e-324)],
            vec![decimal("0.1")],
            vec![float(0.1)],
            vec![decimal("0.3")],
            vec![float(0.1 + 0.2)],
            vec![float(0.5), decimal("0.50")],
            vec![integer(10), float(10.0), decimal("10"), decimal("1e1")],
            vec![decimal("10.01")],
            vec![integer(9_007_199_254_740_992), float(9_007_199_254_740_992.0), decimal("9007199254740992")],
            vec![decimal("9007199254740992.5")],
            vec![integer(9_007_199_254_740_993), decimal("9007199254740993")],
            vec![decimal("9007199254740993.5")],
            vec![integer(9_007_199_254_740_994), float(9_007_199_254_740_994.0)],
            vec![integer((1 << 64) - 1), decimal("18446744073709551615")],
            vec![decimal("18446744073709551615.9")],
            vec![float(18_446_744_073_709_551_616.0), decimal("18446744073709551616")],
            vec![decimal("18446744073709551616.1")],
            vec![decimal("18446744073709551617")],
            vec![float(18_446_744_073_709_555_712.0), decimal("18446744073709555712")],
            // 10^23 is no double, and the nearest is below it.
            vec![float(1e23)],
            vec![decimal("1e23")],
            vec![float(1e23_f64.next_up())],
            vec![decimal("170141183460469231731687303715884105727")],
            vec![float(2.0_f64.powi(127))],
            vec![float(f64::MAX)],
            vec![decimal("1e309")],
            vec![decimal("1e999999999999999999")],
            vec![float(f64::INFINITY)],
        ];
        let key = |number: Number| {
            let mut out = Vec::new();
            super::super::encode::write_number(number, &mut out);
            out
        };
        for (place, group) in groups.iter().enumerate() {
            for (other_place, other) in groups.iter().enumerate() {
                for (a, b) in group.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
                    let expected = place.cmp(&other_place);
                    assert_eq!(compare(a, b), expected, "{a:?} {b:?}");
                    assert_eq!(key(a).cmp(&key(b)), expected, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn the_short_way_to_a_double_finds_what_digits_say() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..2000 {
            let mantissa = i128::from(next() >> (10 + next() % 50)) * if next() % 2 == 0 { 1 } else { -1 };
            let exponent = -((next() % 30) as i64);
            let decimal = Decimal::new(mantissa, exponent).unwrap();
            if mantissa == 0 {
                continue;
            }
            let (below, is_exact) = double_below(decimal);
            let digits = format!("{below:.800}");
            let exactly = |text: &str| {
                let text = text.trim_start_matches('-');
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                (format!("{whole:0>60}"), fraction.trim_end_matches('0').to_owned())
            };
            let plain = {
                let text = mantissa.unsigned_abs().to_string();
                let places = usize::try_from(-exponent).unwrap();
                let padded = format!("{text:0>width$}", width = places + 1);
                let (whole, fraction) = padded.split_at(padded.len() - places);
                exactly(&format!("{whole}.{fraction}"))
            };
            let order = plain.cmp(&exactly(&digits));
            let order = if mantissa < 0 { order.reverse() } else { order };
            assert_eq!(is_exact, order.is_eq(), "{decimal} {below}");
            assert!(order.is_ge(), "{decimal} is below {below}");
            assert!(is_exact || exactly(&format!("{:.800}", below.next_up())).cmp(&plain).is_ge() == (mantissa > 0));
        }
    }
}
