//! Random pairs, made again rather than kept.
//!
//! Always: pair `n` of a seed is the same for every caller and in every order. Does not know: engines.

/// Bytes of a key.
pub const KEY_BYTES: usize = 24;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 150;
/// The seed of the public benchmark.
pub const SEED: u64 = 3;

/// A sequence of pairs, each computed from its number.
#[derive(Debug, Clone, Copy)]
pub struct Pairs {
    seed: u64,
    zone: Option<u8>,
}

impl Pairs {
    /// Pairs of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, zone: None }
    }

    /// The same pairs, with this first key byte.
    #[must_use]
    pub const fn in_zone(self, zone: u8) -> Self {
        Self { zone: Some(zone), ..self }
    }

    /// The key of pair `number`.
    #[must_use]
    pub fn key(&self, number: u64) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        fill(self.seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93), &mut key);
        if let (Some(zone), Some(first)) = (self.zone, key.first_mut()) {
            *first = zone;
        }
        key
    }

    /// The value of pair `number`.
    #[must_use]
    pub fn value(&self, number: u64) -> [u8; VALUE_BYTES] {
        let mut value = [0; VALUE_BYTES];
        fill(!self.seed ^ number.wrapping_mul(0xa076_1d64_78bd_642f), &mut value);
        value
    }

    /// A number below `bound` that looks random, for the `step`-th random access.
    #[must_use]
    pub fn pick(&self, step: u64, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        fill(self.seed.wrapping_add(77) ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15), &mut bytes);
        u64::from_le_bytes(bytes) % bound.max(1)
    }
}

/// SplitMix64 from a state.
fn fill(mut state: u64, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        for (to, from) in chunk.iter_mut().zip(z.to_le_bytes()) {
            *to = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_the_same_whenever_it_is_asked_for() {
        let pairs = Pairs::new(SEED);
        assert_eq!(pairs.key(7), Pairs::new(SEED).key(7));
        assert_ne!(pairs.key(7), pairs.key(8));
        assert_ne!(pairs.value(7), pairs.value(8));
        assert_ne!(pairs.key(7), Pairs::new(4).key(7));
        assert_eq!(pairs.in_zone(9).key(7)[0], 9);
    }
}
