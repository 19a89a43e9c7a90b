//! Numbers in one order: integers and floats interleaved by exact value.
//!
//! Always: eight bytes order as the greatest double not above the number; where doubles are more
//! than one apart, two more bytes hold what the double leaves over, so no two integers share a key.
//! NaN is eight zero bytes, before −∞. −0.0 is written as 0.
//! Does not know: decimals, which are a class of their own.
//! Format: docs/spec/encoding.md, "Ordered numbers".

use std::cmp::Ordering;

use super::Number;
use crate::value::Integer;

/// From this magnitude to 2^64, a double may stand for several integers.
const WIDE_MIN: f64 = 9_007_199_254_740_992.0;
const WIDE_MAX: f64 = 18_446_744_073_709_551_616.0;

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

/// The greatest double not above an integer, and the difference.
fn split(integer: Integer) -> (f64, u16) {
    let exact = integer.as_i128();
    // What is lost is the residual.
    let nearest = exact as f64;
    // A double made from 65 bits fits in 128.
    let whole = |double: f64| double as i128;
    let floor = if whole(nearest) > exact { nearest.next_down() } else { nearest };
    // Doubles up to 2^64 are at most 2048 apart.
    (floor, u16::try_from(exact - whole(floor)).unwrap_or(u16::MAX))
}

fn parts(number: Number) -> (u64, u16) {
    match number {
        Number::Integer(integer) => {
            let (floor, residual) = split(integer);
            (flip(floor), residual)
        }
        Number::Float(float) if float.is_nan() => (0, 0),
        Number::Float(0.0) => (flip(0.0), 0),
        Number::Float(float) => (flip(float), 0),
    }
}

pub(super) fn write(number: Number, out: &mut Vec<u8>) {
    let (flipped, residual) = parts(number);
    out.extend_from_slice(&flipped.to_be_bytes());
    if flipped != 0 && is_wide(unflip(flipped)) {
        out.extend_from_slice(&residual.to_be_bytes());
    }
}

pub(super) fn compare(a: Number, b: Number) -> Ordering {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => a.cmp(&b),
        _ => parts(a).cmp(&parts(b)),
    }
}

/// The number at the start of some bytes, and how many bytes it takes. Integers come back as
/// integers wherever one of 65 bits has the value.
pub(super) fn read(bytes: &[u8]) -> Result<(Number, usize), &'static str> {
    let Some((first, rest)) = bytes.split_first_chunk::<8>() else {
        return Err("a number is cut short");
    };
    let flipped = u64::from_be_bytes(*first);
    if flipped == 0 {
        return Ok((Number::Float(f64::NAN), 8));
    }
    let double = unflip(flipped);
    if double.is_nan() || (double == 0.0 && double.is_sign_negative()) {
        return Err("a number is one that is never written");
    }
    let (residual, size) = if is_wide(double) {
        let Some(residual) = rest.first_chunk::<2>() else {
            return Err("a number is cut short");
        };
        (u16::from_be_bytes(*residual), 10)
    } else {
        (0, 8)
    };
    if double.fract() != 0.0 || double.abs() > WIDE_MAX {
        return Ok((Number::Float(double), size));
    }
    // Integral and at most 2^64 in magnitude.
    let exact = double as i128 + i128::from(residual);
    match Integer::try_from(exact) {
        Ok(integer) if split(integer) == (double, residual) => Ok((Number::Integer(integer), size)),
        // 2^64 itself is a double and no integer of ours.
        Err(_) if residual == 0 => Ok((Number::Float(double), size)),
        _ => Err("a number leaves over more than its double allows"),
    }
}
