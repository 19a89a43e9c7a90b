//! Several lists of deleted ranges as one.
//!
//! Always: one pass over the bounds of all lists, in key order; what is written depends on how many bounds there are and
//! how many sequences a reader can tell apart, not on how many sequences deleted the same keys.
//! Does not know: where the lists are from.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Fragment, RangeTombstones};
use crate::compaction::LiveSnapshots;
use crate::format::Sequence;

/// One list on the way.
struct Walk<'a> {
    list: &'a RangeTombstones,
    /// The fragment the sweep is in, or the next.
    index: usize,
    is_inside: bool,
}

impl<'a> Walk<'a> {
    fn fragment(&self) -> Option<Fragment<'a>> {
        self.list.fragment(self.index)
    }

    /// The next key at which something changes.
    fn bound(&self) -> Option<&'a [u8]> {
        self.fragment().map(|fragment| if self.is_inside { fragment.end } else { fragment.start })
    }
}

impl RangeTombstones {
    /// One list that deletes what any of `lists` deletes; of the sequences of a fragment only the newest of each stripe,
    /// when it is known who reads.
    pub(crate) fn merged(lists: &[&Self], live: Option<&LiveSnapshots>) -> Self {
        let mut merged = Self::default();
        let mut walks: Vec<Walk<'_>> = lists.iter().map(|list| Walk { list, index: 0, is_inside: false }).collect();
        let mut bounds: BinaryHeap<Reverse<(&[u8], usize)>> =
            walks.iter().enumerate().filter_map(|(number, walk)| Some(Reverse((walk.bound()?, number)))).collect();
        let mut inside: Vec<usize> = Vec::new();
        let mut sequences: Vec<Sequence> = Vec::new();
        let mut start: &[u8] = &[];
        while let Some(Reverse((bound, number))) = bounds.pop() {
            #[cfg(test)]
            super::count_node();
            if start < bound && !inside.is_empty() {
                let fragments = inside.iter().filter_map(|number| walks.get(*number).and_then(Walk::fragment));
                sequences.clear();
                sequences.extend(fragments.flat_map(|fragment| fragment.sequences));
                sequences.sort_unstable_by_key(|sequence| Reverse(*sequence));
                sequences.dedup();
                if let Some(live) = live {
                    live.keep_newest_of_stripes(&mut sequences);
                }
                merged.push(Fragment { start, end: bound, sequences: &sequences });
            }
            start = bound;
            let Some(walk) = walks.get_mut(number) else { continue };
            walk.is_inside = !walk.is_inside;
            if walk.is_inside {
                inside.push(number);
            } else {
                inside.retain(|other| *other != number);
                walk.index += 1;
            }
            if let Some(bound) = walk.bound() {
                bounds.push(Reverse((bound, number)));
            }
        }
        merged.shrink();
        merged
    }
}
