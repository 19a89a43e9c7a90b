//! A sorted list of keys laid out for searching: what all share once, the next eight bytes of each as a number, the rest.
//!
//! Always: searching touches the array of numbers, and a key's remaining bytes only where numbers are equal.
//! Does not know: what the keys delimit.

use crate::format::block::{head_of, shared_len};

/// Sorted keys, equal ones allowed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fences {
    prefix: Vec<u8>,
    heads: Vec<u64>,
    tails: Vec<u8>,
    tail_ends: Vec<u32>,
}

impl Fences {
    /// The fences at `keys`, which must be sorted; `None` when they are not, or are too many bytes.
    pub(crate) fn new<K: AsRef<[u8]>>(keys: &[K]) -> Option<Self> {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Some(Self::default()) };
        let shared = shared_len(first.as_ref(), last.as_ref());
        let prefix = first.as_ref().get(..shared)?.to_vec();
        let mut fences = Self { prefix, ..Self::default() };
        fences.heads.reserve_exact(keys.len());
        fences.tail_ends.reserve_exact(keys.len());
        let mut before: Option<&[u8]> = None;
        for key in keys {
            let key = key.as_ref();
            if before.is_some_and(|before| before > key) {
                return None;
            }
            before = Some(key);
            let rest = key.strip_prefix(fences.prefix.as_slice())?;
            fences.heads.push(head_of(rest));
            // The whole rest is kept, not only what follows the number: zero padding makes "a" and "a\0" equal numbers.
            fences.tails.extend_from_slice(rest);
            fences.tail_ends.push(u32::try_from(fences.tails.len()).ok()?);
        }
        fences.tails.shrink_to_fit();
        Some(fences)
    }

    /// How many fences there are.
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.prefix.capacity() + self.heads.capacity() * 8 + self.tails.capacity() + self.tail_ends.capacity() * 4
    }

    /// How many fences are below `key`.
    #[inline]
    pub(crate) fn below(&self, key: &[u8]) -> usize {
        self.search(key, |fence, rest| fence < rest)
    }

    /// How many fences are at `key` or below it.
    #[inline]
    pub(crate) fn not_above(&self, key: &[u8]) -> usize {
        self.search(key, |fence, rest| fence <= rest)
    }

    /// As [`not_above`](Self::not_above), when the answer for another key, which may lie nearby, was `near`.
    #[inline]
    pub(crate) fn not_above_near(&self, key: &[u8], near: usize) -> usize {
        if let Some(rest) = key.strip_prefix(self.prefix.as_slice())
            && let Some(before) = near.checked_sub(1).and_then(|before| self.heads.get(before))
        {
            let sought = head_of(rest);
            // Equal numbers say nothing.
            if *before < sought && self.heads.get(near).is_none_or(|next| sought < *next) {
                return near;
            }
        }
        self.not_above(key)
    }

    #[inline]
    fn search(&self, key: &[u8], comes_first: impl Fn(&[u8], &[u8]) -> bool) -> usize {
        let Some(rest) = key.strip_prefix(self.prefix.as_slice()) else {
            let before = key.get(..self.prefix.len()).unwrap_or(key) < self.prefix.as_slice();
            return if before { 0 } else { self.heads.len() };
        };
        let sought = head_of(rest);
        let mut low = self.heads.partition_point(|head| *head < sought);
        // Mostly there is none like it, and one look tells.
        let from = self.heads.get(low..).unwrap_or_default();
        let equal = if from.first() == Some(&sought) { from.partition_point(|head| *head == sought) } else { 0 };
        let mut high = low + equal;
        while low < high {
            let middle = low + (high - low) / 2;
            if comes_first(self.rest(middle), rest) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The fence without the prefix.
    fn rest(&self, index: usize) -> &[u8] {
        let end = self.tail_ends.get(index).map_or(0, |end| *end as usize);
        let start = index.checked_sub(1).and_then(|before| self.tail_ends.get(before)).map_or(0, |end| *end as usize);
        self.tails.get(start..end).unwrap_or_default()
    }

    /// The fence itself.
    pub(crate) fn key(&self, index: usize) -> Vec<u8> {
        let mut key = self.prefix.clone();
        key.extend_from_slice(self.rest(index));
        key
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0_u8..3, 0..12).prop_map(|mut tail| {
            let mut key = vec![7, 7];
            key.append(&mut tail);
            key
        })
    }

    proptest! {
        #[test]
        fn searching_fences_is_searching_the_sorted_list(
            mut list in prop::collection::vec(keys(), 0..40),
            sought in prop::collection::vec(keys(), 1..20),
        ) {
            list.sort();
            let fences = Fences::new(&list).unwrap();
            let outside = [vec![], vec![7], vec![6], vec![8], vec![7, 8]];
            for key in sought.iter().chain(&list).chain(&outside) {
                prop_assert_eq!(fences.below(key), list.partition_point(|fence| fence < key));
                prop_assert_eq!(fences.not_above(key), list.partition_point(|fence| fence <= key));
                for near in 0..=list.len() + 1 {
                    prop_assert_eq!(fences.not_above_near(key, near), fences.not_above(key));
                }
            }
            for (index, key) in list.iter().enumerate() {
                prop_assert_eq!(&fences.key(index), key);
            }
        }
    }

    #[test]
    fn keys_out_of_order_are_refused() {
        assert!(Fences::new(&[b"ab", b"aa"]).is_none());
        assert!(Fences::new(&[b"aa", b"ac", b"ab", b"ad"]).is_none());
    }
}
