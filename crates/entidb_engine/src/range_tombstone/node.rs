//! The nodes of a map of deleted ranges: a B-tree of which every version shares with the one before what did not change.
//!
//! Always: a node that more than one version holds is copied before it is changed, so a version never changes. Leaves
//! are equally deep. Of a child its parent knows the exact bounds, the newest sequence, and whether it has a gap, so
//! what a search does not need is not touched. Every node is in the meter for as long as somebody holds it.
//! Does not know: which versions there are, or why a range is there (`map`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pairs::Pairs;
use super::{Cover, Stretch};
use crate::format::Sequence;

/// Ranges in a leaf, and children of an inner node. A copied leaf of usual keys is about 3 KB. Copying an inner node counts a
/// reference for each child, and that is what a change of a large map waits for: leaves are large and inner nodes are not.
const RANGES_MAX: usize = 64;
const CHILDREN_MAX: usize = 16;
/// Inner nodes on the way to a leaf, at most; each has at least two children.
const DEPTH_MAX: usize = 64;

/// The way to a gap: in each node on it, how many pairs start at the gap or before it.
pub(super) struct Way {
    after: [u8; DEPTH_MAX],
}
/// What a node costs beside what it points to: itself, its counts, and what the allocator keeps for four pieces of memory.
const NODE_BYTES: usize = size_of::<Node>() + 16 + 4 * 8;

/// Bytes of the nodes that are held, by whichever version.
#[derive(Debug, Default)]
pub(super) struct Meter(AtomicUsize);

impl Meter {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A leaf with ranges, or an inner node with children.
#[derive(Debug)]
pub(super) struct Node {
    /// The ranges, or the bounds of the children.
    pub(super) pairs: Pairs,
    /// How many of them do not start where the one before ends.
    pub(super) gaps: usize,
    pub(super) content: Content,
    pub(super) meter: Arc<Meter>,
    /// What is in the meter for this node.
    metered: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// The commit that deleted each range.
    Leaf(Vec<Sequence>),
    Inner(Vec<Child>),
}

#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) node: Arc<Node>,
    /// The newest sequence below.
    pub(super) newest: Sequence,
    /// True when there is no gap between the ranges below.
    pub(super) whole: bool,
}

impl Child {
    pub(super) fn of(node: Arc<Node>) -> Self {
        let (newest, whole) = (node.newest(), node.is_whole());
        Self { node, newest, whole }
    }
}

impl Clone for Node {
    fn clone(&self) -> Self {
        Self::new(self.pairs.clone(), self.gaps, self.content.clone(), &self.meter)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.meter.0.fetch_sub(self.metered, Ordering::Relaxed);
    }
}

impl Node {
    pub(super) fn new(pairs: Pairs, gaps: usize, content: Content, meter: &Arc<Meter>) -> Self {
        let mut node = Self { pairs, gaps, content, meter: Arc::clone(meter), metered: 0 };
        node.measure();
        node
    }

    /// A leaf with one range.
    pub(super) fn leaf(range: (&[u8], &[u8]), sequence: Sequence, meter: &Arc<Meter>) -> Self {
        let mut pairs = Pairs::default();
        pairs.splice(0..0, &[range]);
        Self::new(pairs, 0, Content::Leaf(vec![sequence]), meter)
    }

    /// A node over others of equal depth, in order.
    pub(super) fn over(nodes: impl IntoIterator<Item = Arc<Self>>, meter: &Arc<Meter>) -> Self {
        let children: Vec<Child> = nodes.into_iter().map(Child::of).collect();
        let mut pairs = Pairs::default();
        pairs.splice(0..0, &bounds_of(&children));
        let gaps = pairs.gaps(0..=pairs.len());
        Self::new(pairs, gaps, Content::Inner(children), meter)
    }

    pub(super) fn measure(&mut self) {
        let content = match &self.content {
            Content::Leaf(sequences) => sequences.capacity() * size_of::<Sequence>(),
            Content::Inner(children) => children.capacity() * size_of::<Child>(),
        };
        let bytes = NODE_BYTES + self.pairs.memory() + content;
        if bytes != self.metered {
            self.meter.0.fetch_add(bytes, Ordering::Relaxed);
            self.meter.0.fetch_sub(self.metered, Ordering::Relaxed);
            self.metered = bytes;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.len() == 0
    }

    /// The only child, when there is just one.
    pub(super) fn only_child(&self) -> Option<&Arc<Self>> {
        match &self.content {
            Content::Inner(children) => match children.as_slice() {
                [only] => Some(&only.node),
                _ => None,
            },
            Content::Leaf(_) => None,
        }
    }

    /// The newest sequence of all ranges.
    pub(super) fn newest(&self) -> Sequence {
        let newest = match &self.content {
            Content::Leaf(sequences) => sequences.iter().copied().max(),
            Content::Inner(children) => children.iter().map(|child| child.newest).max(),
        };
        newest.unwrap_or(Sequence::ZERO)
    }

    pub(super) fn is_whole(&self) -> bool {
        let children_are = || match &self.content {
            Content::Leaf(_) => true,
            Content::Inner(children) => children.iter().all(|child| child.whole),
        };
        self.gaps == 0 && children_are()
    }

    fn child(&self, index: usize) -> Option<&Child> {
        match &self.content {
            Content::Inner(children) => children.get(index),
            Content::Leaf(_) => None,
        }
    }

    pub(super) fn first(&self) -> &[u8] {
        self.pairs.start(0).unwrap_or_default()
    }

    pub(super) fn last(&self) -> &[u8] {
        self.pairs.len().checked_sub(1).and_then(|last| self.pairs.end(last)).unwrap_or_default()
    }

    /// The range `key` is in, or the gap.
    pub(super) fn stretch(&self, key: &[u8]) -> Stretch<'_> {
        let (mut node, mut gap_end) = (self, None);
        loop {
            #[cfg(test)]
            super::count_node();
            let after = node.pairs.starting_at_or_before(key);
            gap_end = node.pairs.start(after).or(gap_end);
            let index = after.checked_sub(1);
            let found = index.and_then(|index| Some((index, node.pairs.start(index)?, node.pairs.end(index)?)));
            let Some((index, start, end)) = found else { return Stretch::Kept { start: &[], end: gap_end } };
            if key >= end {
                return Stretch::Kept { start: end, end: gap_end };
            }
            match &node.content {
                Content::Leaf(sequences) => {
                    let sequence = sequences.get(index).copied().unwrap_or(Sequence::ZERO);
                    return Stretch::Deleted(Cover { start, end, sequence });
                }
                Content::Inner(children) => match children.get(index) {
                    Some(child) => node = &child.node,
                    None => return Stretch::Kept { start: end, end: gap_end },
                },
            }
        }
    }

    /// The way to where `start..end` would be added, and whether nothing of it is in a range.
    pub(super) fn way(&self, start: &[u8], end: &[u8]) -> (Way, bool) {
        let mut way = Way { after: [0; DEPTH_MAX] };
        let (mut node, mut gap_end, mut is_behind) = (self, None, false);
        for step in &mut way.after {
            #[cfg(test)]
            super::count_node();
            // Behind the last key of a node it is behind all of its children.
            let after = if is_behind { node.pairs.len() } else { node.pairs.starting_at_or_before(start) };
            gap_end = node.pairs.start(after).or(gap_end);
            *step = after as u8;
            let index = after.saturating_sub(1);
            is_behind = after > 0 && node.pairs.end(index).is_some_and(|end| end <= start);
            match &node.content {
                Content::Leaf(_) => {
                    let is_free = (after == 0 || is_behind) && gap_end.is_none_or(|gap_end| gap_end >= end);
                    return (way, is_free);
                }
                Content::Inner(children) => match children.get(index) {
                    Some(child) => node = &child.node,
                    None => break,
                },
            }
        }
        (way, false)
    }

    /// The last range that starts before `key`.
    pub(super) fn starting_before(&self, key: &[u8]) -> Option<Cover<'_>> {
        let mut node = self;
        loop {
            let index = node.pairs.starting_before(key).checked_sub(1)?;
            match &node.content {
                Content::Leaf(sequences) => {
                    let (start, end) = (node.pairs.start(index)?, node.pairs.end(index)?);
                    return Some(Cover { start, end, sequence: *sequences.get(index)? });
                }
                Content::Inner(children) => node = &children.get(index)?.node,
            }
        }
    }

    /// The end of the ranges that touch each other from the one with `key` on; `None` when `key` is in a gap.
    pub(super) fn reach(&self, key: &[u8]) -> Option<&[u8]> {
        #[cfg(test)]
        super::count_node();
        let index = self.pairs.starting_at_or_before(key).checked_sub(1)?;
        let bound = self.pairs.end(index).filter(|end| key < *end)?;
        let mut end = match self.child(index) {
            Some(child) => child.node.reach(key)?,
            None => bound,
        };
        if end != bound {
            return Some(end);
        }
        for next in index + 1..self.pairs.len() {
            let (Some(start), Some(bound)) = (self.pairs.start(next), self.pairs.end(next)) else { break };
            if start != end {
                break;
            }
            match self.child(next).filter(|child| !child.whole) {
                Some(child) => return child.node.reach(start),
                None => end = bound,
            }
        }
        Some(end)
    }

    /// The start of the ranges that touch each other up to the one with `key`; `None` when `key` is in a gap.
    pub(super) fn reach_back(&self, key: &[u8]) -> Option<&[u8]> {
        #[cfg(test)]
        super::count_node();
        let index = self.pairs.starting_at_or_before(key).checked_sub(1)?;
        let bound = self.pairs.end(index).filter(|end| key < *end).and_then(|_| self.pairs.start(index))?;
        let start = match self.child(index) {
            Some(child) => child.node.reach_back(key)?,
            None => bound,
        };
        if start == bound { Some(self.reach_back_before(index)) } else { Some(start) }
    }

    /// As `reach_back`, from the start of the range, or child, `index`.
    fn reach_back_before(&self, index: usize) -> &[u8] {
        let mut reached = self.pairs.start(index).unwrap_or_default();
        for previous in (0..index).rev() {
            let (Some(start), Some(end)) = (self.pairs.start(previous), self.pairs.end(previous)) else { break };
            if end != reached {
                break;
            }
            match self.child(previous).filter(|child| !child.whole) {
                Some(child) => return child.node.reach_back_before(child.node.pairs.len().saturating_sub(1)),
                None => reached = start,
            }
        }
        reached
    }

    /// Shows every range deleted after `than`, in order.
    pub(super) fn visit<E>(
        &self,
        than: Option<Sequence>,
        show: &mut impl FnMut(Cover<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let is_older = |sequence: Sequence| than.is_some_and(|than| sequence <= than);
        match &self.content {
            Content::Leaf(sequences) => {
                for (index, sequence) in sequences.iter().copied().enumerate().filter(|(_, it)| !is_older(*it)) {
                    let (start, end) = (self.pairs.start(index), self.pairs.end(index));
                    show(Cover { start: start.unwrap_or_default(), end: end.unwrap_or_default(), sequence })?;
                }
            }
            Content::Inner(children) => {
                for child in children.iter().filter(|child| !is_older(child.newest)) {
                    child.node.visit(than, show)?;
                }
            }
        }
        Ok(())
    }

    /// How many ranges there are.
    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Leaf(sequences) => sequences.len(),
            Content::Inner(children) => children.iter().map(|child| child.node.len()).sum(),
        }
    }

    /// How many pairs it may have.
    pub(super) fn len_max(&self) -> usize {
        match &self.content {
            Content::Leaf(_) => RANGES_MAX,
            Content::Inner(_) => CHILDREN_MAX,
        }
    }

    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        for index in 0..self.pairs.len() {
            assert!(self.pairs.start(index) < self.pairs.end(index), "a range is not empty");
            let touches_or_after = index == 0 || self.pairs.end(index - 1) <= self.pairs.start(index);
            assert!(touches_or_after, "ranges are in order and do not overlap");
        }
        assert!(self.pairs.len() <= self.len_max(), "a node is not over its size");
        assert_eq!(self.gaps, self.pairs.gaps(0..=self.pairs.len()));
        let depths: Vec<usize> = match &self.content {
            Content::Leaf(sequences) => {
                assert_eq!(sequences.len(), self.pairs.len());
                return 1;
            }
            Content::Inner(children) => {
                assert_eq!(children.len(), self.pairs.len());
                let check = |(index, child): (usize, &Child)| {
                    assert!(!child.node.is_empty());
                    assert_eq!(self.pairs.start(index), Some(child.node.first()));
                    assert_eq!(self.pairs.end(index), Some(child.node.last()));
                    assert_eq!((child.newest, child.whole), (child.node.newest(), child.node.is_whole()));
                    child.node.check()
                };
                children.iter().enumerate().map(check).collect()
            }
        };
        assert!(depths.windows(2).all(|pair| pair[0] == pair[1]), "leaves are equally deep");
        depths[0] + 1
    }
}

pub(super) fn bounds_of(children: &[Child]) -> Vec<(&[u8], &[u8])> {
    children.iter().map(|child| (child.node.first(), child.node.last())).collect()
}

impl Way {
    pub(super) fn steps(&self) -> impl Iterator<Item = usize> {
        self.after.iter().map(|after| usize::from(*after))
    }
}
