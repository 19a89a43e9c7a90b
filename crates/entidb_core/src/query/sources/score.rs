//! How well an entity answers a query, for sources that can say so.
//!
//! Always: scores are ordered, the best first, and equal ones by ordinal. Does not know: how a score is made.

use crate::error::{Error, Result};
use crate::id::Ordinal;

/// More is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Score(f32);

const SIGN: u32 = 1 << 31;

impl Score {
    /// A score. NaN is the least.
    #[cfg_attr(not(test), expect(dead_code, reason = "no kind ranks yet but that of tests"))]
    pub(crate) fn new(value: f32) -> Self {
        // Zero has one sign, so that equal scores have one key.
        Self(if value.is_nan() { f32::NEG_INFINITY } else { value + 0.0 })
    }

    /// The key of an entity with this score: in ascending order the best come first.
    pub(crate) fn key(self, ordinal: Ordinal) -> Vec<u8> {
        let bits = self.0.to_bits();
        let ascending = if bits & SIGN == 0 { bits | SIGN } else { !bits };
        [&(!ascending).to_be_bytes()[..], &ordinal.0.to_be_bytes()[..]].concat()
    }

    /// The score in a key.
    pub(crate) fn of_key(key: &[u8]) -> Result<Self> {
        let Some((descending, _)) = key.split_first_chunk::<4>() else {
            return Err(Error::internal("a key has no score"));
        };
        let ascending = !u32::from_be_bytes(*descending);
        let bits = if ascending & SIGN == 0 { !ascending } else { ascending & !SIGN };
        Ok(Self(f32::from_bits(bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_the_order_of_scores_the_best_first_and_give_them_back() {
        let values = [f32::INFINITY, 3.5, 1.0, f32::MIN_POSITIVE, 0.0, -0.25, -7.0, f32::NEG_INFINITY];
        let keys: Vec<_> = values.iter().map(|value| Score::new(*value).key(Ordinal(1))).collect();
        assert!(keys.is_sorted());
        for (value, key) in values.iter().zip(&keys) {
            assert_eq!(Score::of_key(key).unwrap(), Score::new(*value));
        }
        assert!(Score::new(1.0).key(Ordinal(1)) < Score::new(1.0).key(Ordinal(2)));
        assert_eq!(Score::new(-0.0).key(Ordinal(1)), Score::new(0.0).key(Ordinal(1)));
        assert_eq!(Score::new(f32::NAN), Score::new(f32::NEG_INFINITY));
        assert!(Score::of_key(b"abc").is_err());
    }
}
