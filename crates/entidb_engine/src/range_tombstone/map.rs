//! Which ranges of keys are deleted, and by which commit last: a map that changes while older states of it stay readable.
//!
//! Always: a clone costs two counts and never changes; it shares with its origin what neither changed. Setting a range
//! costs the logarithm of how many ranges there are, whatever it replaces: each range is removed once.
//! Does not know: which states somebody still reads (`versions`), or how ranges are stored in files (`list`).

use std::convert::Infallible;
use std::sync::Arc;

use super::node::{Meter, Node};
use super::{Cover, Stretch};
use crate::format::Sequence;

/// Disjoint ranges of keys, each with the commit that deleted it last.
#[derive(Debug, Clone, Default)]
pub(crate) struct RangeMap {
    root: Option<Arc<Node>>,
    /// None until something is deleted, so that a map that stays empty takes no memory.
    meter: Option<Arc<Meter>>,
}

impl RangeMap {
    /// True when nothing is deleted.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// How many ranges there are; walks over their nodes.
    pub(crate) fn len(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.len())
    }

    /// Bytes of this map and of all states of it that somebody holds.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.meter.as_ref().map_or(0, |meter| meter.bytes())
    }

    /// The commit that deleted `key` last.
    #[inline]
    pub(crate) fn covering(&self, key: &[u8]) -> Option<Sequence> {
        match self.stretch(key) {
            Stretch::Deleted(cover) => Some(cover.sequence),
            Stretch::Kept { .. } => None,
        }
    }

    /// The deleted range that `key` is in, or the gap between two of them.
    pub(crate) fn stretch(&self, key: &[u8]) -> Stretch<'_> {
        self.root.as_ref().map_or(Stretch::Kept { start: &[], end: None }, |root| root.stretch(key))
    }

    /// Where the ranges that touch each other end, from the one with `key` on.
    pub(crate) fn reach(&self, key: &[u8]) -> Option<&[u8]> {
        self.root.as_ref()?.reach(key)
    }

    /// Where the ranges that touch each other start, up to the one with `key`.
    pub(crate) fn reach_back(&self, key: &[u8]) -> Option<&[u8]> {
        self.root.as_ref()?.reach_back(key)
    }

    /// Shows every range in order, or only those deleted after `than`: what was not is passed over unseen.
    pub(crate) fn visit<E>(
        &self,
        than: Option<Sequence>,
        mut show: impl FnMut(Cover<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.root.as_ref().map_or(Ok(()), |root| root.visit(than, &mut show))
    }

    /// As [`visit`](Self::visit), where nothing fails.
    pub(crate) fn for_each(&self, than: Option<Sequence>, mut show: impl FnMut(Cover<'_>)) {
        let Ok(()) = self.visit(than, |cover| {
            show(cover);
            Ok::<(), Infallible>(())
        });
    }

    /// Makes `sequence` the last commit that deleted `start..end`. Of what it deleted besides, what touches the range
    /// becomes one with it. An empty range changes nothing.
    pub(crate) fn set(&mut self, start: &[u8], end: &[u8], sequence: Sequence) {
        if start >= end {
            return;
        }
        let (left, right) = self.touching(start, end, sequence);
        let (start, end) = (left.as_deref().unwrap_or(start), right.as_deref().unwrap_or(end));
        let mut way = self.root.as_ref().map(|root| root.way(start, end));
        if matches!(way, Some((_, false))) {
            self.remove(start, end);
            way = self.root.as_ref().map(|root| root.way(start, end));
        }
        let meter = self.meter.get_or_insert_default();
        let (Some(root), Some((way, is_free))) = (&mut self.root, way) else {
            self.root = Some(Arc::new(Node::leaf((start, end), sequence, meter)));
            return;
        };
        debug_assert!(is_free, "nothing is left of what was removed");
        if let Some(right) = Node::insert(root, (start, end), sequence, &mut way.steps()) {
            *root = Arc::new(Node::over([Arc::clone(root), right], meter));
        }
    }

    /// Of the ranges of the same commit, where the one starts that reaches up to `start`, and where the one at `end` ends.
    fn touching(&self, start: &[u8], end: &[u8], sequence: Sequence) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let Some(root) = self.root.as_ref().filter(|root| root.newest() >= sequence) else { return (None, None) };
        let before = root.starting_before(start).filter(|before| before.end >= start && before.sequence == sequence);
        let after = match root.stretch(end) {
            Stretch::Deleted(after) if after.sequence == sequence => Some(after),
            _ => None,
        };
        (before.map(|before| before.start.to_vec()), after.map(|after| after.end.to_vec()))
    }

    /// Takes `start..end` out of all ranges.
    fn remove(&mut self, start: &[u8], end: &[u8]) {
        let (Some(root), Some(meter)) = (&mut self.root, &self.meter) else { return };
        if let Some(right) = Node::remove(root, start, end) {
            *root = Arc::new(Node::over([Arc::clone(root), right], meter));
        }
        while let Some(only) = root.only_child() {
            *root = Arc::clone(only);
        }
        if root.is_empty() {
            self.root = None;
        }
    }

    #[cfg(test)]
    pub(crate) fn check(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.check())
    }
}
