//! A key as the changes of a transaction keep it: in place when it is short, as nearly all are.
//!
//! Always: ordered and equal as its bytes are, so that it is found by them. Two keys are mostly told apart by their first sixteen
//! bytes as a number, which lie in the node of the map: a short key asks for no memory, and finding its place reads none beyond
//! the nodes. Does not know: what is under it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use crate::iterator::head_of;

/// Bytes of a key that is kept in place: a key of an entity has 21, one of an index 13 and those of its values.
const SHORT_BYTES: usize = 38;
const HEAD_BYTES: usize = 16;

#[derive(Clone)]
pub(super) struct ShortKey(Repr);

#[derive(Clone)]
enum Repr {
    /// Bytes from `len` on are zeros.
    Short {
        len: u8,
        bytes: [u8; SHORT_BYTES],
    },
    Long(Box<[u8]>),
}

impl ShortKey {
    pub(super) fn new(key: &[u8]) -> Self {
        Self::in_place(key).unwrap_or_else(|| Self(Repr::Long(key.into())))
    }

    /// A key that is short; nothing for others.
    #[inline]
    fn in_place(key: &[u8]) -> Option<Self> {
        let mut bytes = [0; SHORT_BYTES];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Some(Self(Repr::Short { len: u8::try_from(key.len()).ok()?, bytes }))
    }

    /// What is under a key in a map.
    #[inline]
    pub(super) fn find<'a, T>(map: &'a BTreeMap<Self, T>, key: &[u8]) -> Option<&'a T> {
        match Self::in_place(key) {
            Some(short) => map.get(&short),
            None => map.get(key),
        }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Long(bytes) => bytes,
        }
    }

    #[inline]
    fn head(&self) -> u128 {
        match &self.0 {
            Repr::Short { bytes, .. } => bytes.first_chunk::<HEAD_BYTES>().map_or(0, |head| u128::from_be_bytes(*head)),
            Repr::Long(bytes) => head_of(bytes),
        }
    }
}

impl Ord for ShortKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        // Equal heads say nothing: keys may differ later, or in how many zeros they end.
        match self.head().cmp(&other.head()) {
            Ordering::Equal => self.as_bytes().cmp(other.as_bytes()),
            unequal => unequal,
        }
    }
}

impl PartialOrd for ShortKey {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ShortKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ShortKey {}

impl Borrow<[u8]> for ShortKey {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for ShortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        // Few different bytes and lengths around those that matter, so that keys share what they begin with.
        prop_oneof![0..3_usize, 14..18_usize, 36..41_usize]
            .prop_flat_map(|len| prop::collection::vec(prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(255)], len))
    }

    proptest! {
        #[test]
        fn keys_are_ordered_and_found_as_their_bytes_are(keys in prop::collection::vec(key(), 0..40), sought in key()) {
            for (a, b) in keys.iter().zip(keys.iter().rev()) {
                let (short_a, short_b) = (ShortKey::new(a), ShortKey::new(b));
                prop_assert_eq!(short_a.cmp(&short_b), a.cmp(b));
                prop_assert_eq!(short_a == short_b, a == b);
                prop_assert_eq!(short_a.as_bytes(), a.as_slice());
            }
            let ours: BTreeMap<ShortKey, usize> = keys.iter().enumerate().map(|(at, key)| (ShortKey::new(key), at)).collect();
            let plain: BTreeMap<&[u8], usize> = keys.iter().enumerate().map(|(at, key)| (key.as_slice(), at)).collect();
            prop_assert_eq!(ShortKey::find(&ours, &sought), plain.get(sought.as_slice()));
            prop_assert!(ours.iter().map(|(key, at)| (key.as_bytes(), at)).eq(plain.iter().map(|(key, at)| (*key, at))));
        }
    }

    #[test]
    fn a_key_takes_forty_bytes_in_place() {
        assert_eq!(size_of::<ShortKey>(), 40);
    }
}
