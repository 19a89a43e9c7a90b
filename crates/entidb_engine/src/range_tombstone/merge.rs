//! Several sources of deleted ranges as one, a fragment after the other.
//!
//! Always: one pass over the bounds of all sources, in key order, with one list of each in hand; what it costs and gives
//! depends on how many bounds there are and how many sequences a reader can tell apart, not on how many sequences
//! deleted the same keys. No fragment reaches over the end of a zone (the first byte of a key), because each zone has
//! files of its own.
//! Does not know: where the lists are from, or which fragments are still needed.

use std::cmp::Reverse;
use std::convert::Infallible;
use std::sync::Arc;

use super::{Fragment, RangeTombstones};
use crate::format::Sequence;

/// Lists in key order that do not overlap, each made or read when it is its turn.
type Lists<E> = Box<dyn Iterator<Item = Result<Arc<RangeTombstones>, E>> + Send>;

/// One source on the way.
struct Walk<E> {
    lists: Lists<E>,
    list: Arc<RangeTombstones>,
    /// The fragment the sweep is in, or the next.
    index: usize,
    is_inside: bool,
    /// The first bytes of the next bound as a number: comparing them settles most questions.
    head: u128,
}

impl<E> Walk<E> {
    fn fragment(&self) -> Option<Fragment<'_>> {
        self.list.fragment(self.index)
    }

    /// The next key at which something changes.
    fn bound(&self) -> Option<&[u8]> {
        self.fragment().map(|fragment| if self.is_inside { fragment.end } else { fragment.start })
    }

    /// Goes over the bound.
    fn pass(&mut self) -> Result<(), E> {
        self.index += usize::from(self.is_inside);
        self.is_inside = !self.is_inside;
        self.settle()
    }

    /// Takes the next list when this one is done.
    fn settle(&mut self) -> Result<(), E> {
        while self.index >= self.list.fragment_count()
            && let Some(next) = self.lists.next()
        {
            (self.list, self.index) = (next?, 0);
        }
        self.head = self.bound().map_or(u128::MAX, crate::iterator::head_of);
        Ok(())
    }
}

/// A walk over several sources at once.
pub(crate) struct Sweep<E> {
    walks: Vec<Walk<E>>,
    /// Everything before this key was given.
    at: Vec<u8>,
    start: Vec<u8>,
    end: Vec<u8>,
    sequences: Vec<Sequence>,
    is_begun: bool,
}

impl<E> Sweep<E> {
    /// A walk over these sources.
    pub(crate) fn new(sources: impl IntoIterator<Item = Lists<E>>) -> Self {
        let walk = |lists| Walk { lists, list: Arc::default(), index: 0, is_inside: false, head: 0 };
        let walks = sources.into_iter().map(walk).collect();
        let (start, end, at) = (Vec::new(), Vec::new(), Vec::new());
        Self { walks, at, start, end, sequences: Vec::new(), is_begun: false }
    }

    /// Goes to the next fragment; false behind the last.
    pub(crate) fn advance(&mut self) -> Result<bool, E> {
        if !self.is_begun {
            self.walks.iter_mut().try_for_each(Walk::settle)?;
            self.is_begun = true;
        }
        loop {
            #[cfg(test)]
            super::count_node();
            let next = self.walks.iter().filter_map(|walk| Some((walk.head, walk.bound()?))).min();
            let Some((_, bound)) = next else { return Ok(false) };
            let is_fragment = *bound > *self.at && self.walks.iter().any(|walk| walk.is_inside);
            if is_fragment {
                self.start.clone_from(&self.at);
                self.end.clear();
                // Up to the end of the zone; what is behind it comes next.
                match self.start.first().map_or(Some(1), |zone| zone.checked_add(1)) {
                    Some(zone) if [zone].as_slice() < bound => self.end.push(zone),
                    _ => self.end.extend_from_slice(bound),
                }
                self.at.clone_from(&self.end);
                self.sequences.clear();
                let inside = self.walks.iter().filter(|walk| walk.is_inside);
                self.sequences.extend(inside.filter_map(Walk::fragment).flat_map(|fragment| fragment.sequences));
                self.sequences.sort_unstable_by_key(|sequence| Reverse(*sequence));
                self.sequences.dedup();
            } else {
                self.at.clear();
                self.at.extend_from_slice(bound);
            }
            let at = &self.at;
            self.walks.iter_mut().filter(|walk| walk.bound() == Some(at)).try_for_each(Walk::pass)?;
            if is_fragment {
                return Ok(true);
            }
        }
    }

    /// The fragment here.
    pub(crate) fn fragment(&self) -> Fragment<'_> {
        Fragment { start: &self.start, end: &self.end, sequences: &self.sequences }
    }
}

impl RangeTombstones {
    /// One list that deletes what any of `lists` deletes.
    pub(crate) fn merged(lists: impl IntoIterator<Item = Arc<Self>>) -> Self {
        let source = |list| -> Lists<Infallible> { Box::new(std::iter::once(Ok(list))) };
        let mut sweep = Sweep::new(lists.into_iter().map(source));
        let mut merged = Self::default();
        while let Ok(true) = sweep.advance() {
            merged.push(sweep.fragment());
        }
        merged.shrink();
        merged
    }
}
