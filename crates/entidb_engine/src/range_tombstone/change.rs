//! Changing the map of deleted ranges, node by node from the root down.
//!
//! Always: what another version holds is left alone and copied. Of each node on the way the parent is told its new
//! bounds, so what does not lie on the way is not touched. Small neighbours are joined, and full nodes split.
//! Does not know: what a change is for (`map`).

use std::ops::Range;
use std::sync::Arc;

use super::node::{Child, Content, Node, bounds_of};
use super::pairs::Pairs;
use crate::format::Sequence;

/// A node with more bytes of keys than this is split, unless it has fewer than four pairs.
const KEY_BYTES_MAX: usize = 4096;

/// Ranges for which a leaf gets room at once when it grows in place.
pub(super) const GROWTH: usize = 8;

impl Node {
    /// Takes `start..end` out of all ranges. Returns the right half when the node had to be split; it may be empty after.
    pub(super) fn remove(node: &mut Arc<Self>, start: &[u8], end: &[u8]) -> Option<Arc<Self>> {
        let from = node.pairs.ending_at_or_before(start);
        let to = node.pairs.starting_before(end);
        if from >= to {
            return None;
        }
        if let Content::Leaf(sequences) = &node.content {
            let last = to.saturating_sub(1);
            let left = node.pairs.start(from).filter(|left| *left < start).map(|left| (left, start));
            let right = node.pairs.end(last).filter(|right| *right > end).map(|right| (end, right));
            let of = |index: usize| sequences.get(index).copied().unwrap_or(Sequence::ZERO);
            let (left_of, right_of) = (of(from), of(last));
            let changed = match (left, right) {
                (None, None) => node.replaced(sequences, from..to, &[], &[]),
                (Some(left), None) => node.replaced(sequences, from..to, &[left], &[left_of]),
                (None, Some(right)) => node.replaced(sequences, from..to, &[right], &[right_of]),
                (Some(left), Some(right)) => node.replaced(sequences, from..to, &[left, right], &[left_of, right_of]),
            };
            return Self::put(node, changed).split_at_end_if(false);
        }
        let own = Self::own(node);
        let is_inside = own.pairs.start(from).is_some_and(|first| first >= start)
            && own.pairs.end(from).is_some_and(|last| last <= end);
        if from + 1 == to && !is_inside {
            own.change_child(from, None, |child| Self::remove(child, start, end));
            own.join(from);
            own.join(from.saturating_sub(1));
        } else {
            own.remove_from_children(from..to, start, end);
        }
        own.split_at_end_if(false)
    }

    /// The node for changing: a copy when another version holds it too.
    fn own(node: &mut Arc<Self>) -> &mut Self {
        #[cfg(test)]
        super::count_node();
        Arc::make_mut(node)
    }

    /// What a leaf has when these ranges come in the place of some.
    fn replaced(
        &self,
        sequences: &[Sequence],
        range: Range<usize>,
        pairs: &[(&[u8], &[u8])],
        of: &[Sequence],
    ) -> (Pairs, usize, Vec<Sequence>) {
        let mut changed = Vec::with_capacity(sequences.len() + of.len() - range.len());
        changed.extend_from_slice(sequences.get(..range.start).unwrap_or_default());
        changed.extend_from_slice(of);
        changed.extend_from_slice(sequences.get(range.end..).unwrap_or_default());
        let gaps_before = self.pairs.gaps(range.start..=range.end);
        let around = range.start..=range.start + pairs.len();
        let pairs = self.pairs.replaced(range, pairs);
        let gaps = self.gaps + pairs.gaps(around) - gaps_before;
        (pairs, gaps, changed)
    }

    /// Puts other ranges into a leaf, or a leaf with them into its place when another version holds it too.
    fn put(node: &mut Arc<Self>, (pairs, gaps, sequences): (Pairs, usize, Vec<Sequence>)) -> &mut Self {
        #[cfg(test)]
        super::count_node();
        let content = Content::Leaf(sequences);
        match Arc::get_mut(node) {
            Some(own) => (own.pairs, own.gaps, own.content) = (pairs, gaps, content),
            None => *node = Arc::new(Self::new(pairs, gaps, content, &node.meter)),
        }
        Arc::make_mut(node)
    }

    fn remove_from_children(&mut self, range: Range<usize>, start: &[u8], end: &[u8]) {
        let Content::Inner(children) = &mut self.content else { return };
        let is_inside = |index: usize| {
            let (first, last) = (self.pairs.start(index), self.pairs.end(index));
            first.is_some_and(|first| first >= start) && last.is_some_and(|last| last <= end)
        };
        let inside: Vec<bool> = range.clone().map(is_inside).collect();
        let mut kept: Vec<Child> = Vec::new();
        for (child, inside) in children.splice(range.clone(), []).zip(inside) {
            if !inside {
                let mut node = child.node;
                let other = Self::remove(&mut node, start, end);
                kept.extend([Some(node), other].into_iter().flatten().filter(|node| !node.is_empty()).map(Child::of));
            }
        }
        splice(&mut self.pairs, &mut self.gaps, range.clone(), &bounds_of(&kept));
        let touched = range.start.saturating_sub(1)..(range.start + kept.len() + 1);
        children.splice(range.start..range.start, kept);
        for index in touched.rev() {
            self.join(index);
        }
    }

    /// Adds a range in the gap that `way` leads to. Returns the right half when the node had to be split.
    pub(super) fn insert(
        node: &mut Arc<Self>,
        range: (&[u8], &[u8]),
        sequence: Sequence,
        way: &mut impl Iterator<Item = usize>,
    ) -> Option<Arc<Self>> {
        let after = way.next()?;
        if matches!(node.content, Content::Leaf(_)) {
            if Arc::get_mut(node).is_some_and(|own| own.add(after, range, sequence)) {
                #[cfg(test)]
                super::count_node();
            } else if let Content::Leaf(sequences) = &node.content {
                let changed = node.replaced(sequences, after..after, &[range], &[sequence]);
                Self::put(node, changed);
            }
            let own = Arc::make_mut(node);
            return own.split_at_end_if(after + 1 >= own.pairs.len());
        }
        let own = Self::own(node);
        own.change_child(after.saturating_sub(1), Some(sequence), |child| Self::insert(child, range, sequence, way));
        own.split_at_end_if(after + 1 >= own.pairs.len())
    }

    /// Adds a range to a leaf that no other version holds. False for an inner node.
    fn add(&mut self, at: usize, range: (&[u8], &[u8]), sequence: Sequence) -> bool {
        let Content::Leaf(sequences) = &mut self.content else { return false };
        let gaps_before = self.pairs.gaps(at..=at);
        self.pairs.insert(at, range);
        self.gaps = self.gaps + self.pairs.gaps(at..=at + 1) - gaps_before;
        if sequences.len() == sequences.capacity() {
            sequences.reserve_exact(GROWTH);
        }
        sequences.insert(at, sequence);
        true
    }

    /// Changes a child, which becomes two when it returns another. `added` is the sequence of what is merely added.
    fn change_child(
        &mut self,
        index: usize,
        added: Option<Sequence>,
        change: impl FnOnce(&mut Arc<Self>) -> Option<Arc<Self>>,
    ) {
        let Content::Inner(children) = &mut self.content else { return };
        let Some(child) = children.get_mut(index) else { return };
        let other = change(&mut child.node).map(Child::of);
        child.newest = match added.filter(|_| other.is_none()) {
            Some(added) => child.newest.max(added),
            None => child.node.newest(),
        };
        child.whole = child.node.is_whole();
        let bounds = (child.node.first(), child.node.last());
        match other {
            Some(other) => {
                let bounds = [bounds, (other.node.first(), other.node.last())];
                splice(&mut self.pairs, &mut self.gaps, index..index + 1, &bounds);
                children.insert(index + 1, other);
            }
            None if self.pairs.start(index).zip(self.pairs.end(index)) == Some(bounds) => {}
            None => splice(&mut self.pairs, &mut self.gaps, index..index + 1, &[bounds]),
        }
    }

    /// Makes one of a small child and the next, when they fit into one.
    fn join(&mut self, index: usize) {
        let Content::Inner(children) = &mut self.content else { return };
        let Some([left, right]) = children.get_mut(index..index + 2) else { return };
        let (left_len, right_len) = (left.node.pairs.len(), right.node.pairs.len());
        let most = left.node.len_max();
        let key_bytes = left.node.pairs.key_bytes() + right.node.pairs.key_bytes();
        let is_small = left_len.min(right_len) <= most / 4;
        // A quarter stays free, or the next range would split it again.
        if !is_small || left_len + right_len > most / 4 * 3 || key_bytes > KEY_BYTES_MAX / 4 * 3 {
            return;
        }
        let joined = Self::own(&mut left.node);
        joined.pairs.append(&right.node.pairs);
        match (&mut joined.content, &right.node.content) {
            (Content::Leaf(sequences), Content::Leaf(more)) => sequences.extend_from_slice(more),
            (Content::Inner(children), Content::Inner(more)) => children.extend_from_slice(more),
            _ => {}
        }
        joined.gaps = joined.pairs.gaps(0..=joined.pairs.len());
        joined.measure();
        *left = Child::of(Arc::clone(&left.node));
        splice(&mut self.pairs, &mut self.gaps, index..index + 2, &[(left.node.first(), left.node.last())]);
        children.remove(index + 1);
    }

    /// Splits the node when it has too much. What grows at its end, because keys come in ascending order, keeps its left
    /// part full: nothing will be added there.
    fn split_at_end_if(&mut self, grows_at_end: bool) -> Option<Arc<Self>> {
        let len = self.pairs.len();
        let is_full = len > self.len_max() || (len >= 4 && self.pairs.key_bytes() > KEY_BYTES_MAX);
        let mut right = None;
        if is_full {
            let at = if grows_at_end { len - len / 8 - 1 } else { len / 2 };
            let content = match &mut self.content {
                Content::Leaf(sequences) => Content::Leaf(sequences.split_off(at)),
                Content::Inner(children) => Content::Inner(children.split_off(at)),
            };
            let pairs = self.pairs.split_off(at);
            let gaps = pairs.gaps(0..=pairs.len());
            self.gaps = self.pairs.gaps(0..=at);
            right = Some(Arc::new(Self::new(pairs, gaps, content, &self.meter)));
        }
        self.measure();
        right
    }
}

/// Puts bounds in the place of some, and counts the gaps again where that changes them.
fn splice(pairs: &mut Pairs, gaps: &mut usize, range: Range<usize>, bounds: &[(&[u8], &[u8])]) {
    let before = pairs.gaps(range.start..=range.end);
    pairs.splice(range.clone(), bounds);
    *gaps = *gaps + pairs.gaps(range.start..=range.start + bounds.len()) - before;
}
