//! Many ordered sources as one.
//!
//! Always: entries of all sources, in entry order, both ways; of two equal entries the one from the earlier source comes
//! first. The source with the current entry is kept out of the heap and compared with its top alone, so a run of entries
//! from one source costs one comparison each, mostly of the numbers that the first bytes of keys make. After an error the merge keeps failing.
//! Does not know: which versions a snapshot may see.

use std::cmp::Ordering;

use super::cursor::{EntryCursor, Here};
use crate::error::{Error, Result};
use crate::format::{EntryKind, Sequence};
use crate::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heading {
    Forward,
    Backward,
}

/// A source, with the first bytes of its key as a number: asking it for the key costs more than comparing.
struct Source<C> {
    cursor: C,
    /// Of no meaning while the cursor is not valid.
    head: u128,
}

impl<C: EntryCursor> Source<C> {
    /// Takes the head of where the cursor is; false when it is nowhere.
    #[inline]
    fn look(&mut self) -> bool {
        let Some(here) = self.cursor.here() else { return false };
        self.head = head_of(here.key);
        true
    }
}

/// Equal heads say nothing: keys may differ later, or in how many zeros they end.
#[inline]
pub(crate) fn head_of(key: &[u8]) -> u128 {
    if let Some(head) = key.first_chunk::<16>() {
        return u128::from_be_bytes(*head);
    }
    let mut head = [0; 16];
    head.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    u128::from_be_bytes(head)
}

/// A merge of ordered sources, newest source first.
pub(crate) struct Merge<C> {
    sources: Vec<Source<C>>,
    /// Valid sources other than the current one, the next to come at the top.
    heap: Vec<usize>,
    current: Option<usize>,
    heading: Heading,
    failed: Option<Error>,
}

impl<C: EntryCursor> Merge<C> {
    /// A merge over `sources`; not valid until a seek.
    pub(crate) fn new(sources: impl IntoIterator<Item = C>) -> Self {
        let sources = sources.into_iter().map(|cursor| Source { cursor, head: 0 }).collect();
        Self { sources, ..Self::empty() }
    }

    /// A merge without sources.
    pub(crate) const fn empty() -> Self {
        Self { sources: Vec::new(), heap: Vec::new(), current: None, heading: Heading::Forward, failed: None }
    }

    /// Makes room for some sources.
    pub(crate) fn reserve(&mut self, sources: usize) {
        self.sources.reserve(sources);
    }

    /// Adds a source behind the others; the next move must be a seek.
    pub(crate) fn push(&mut self, cursor: C) {
        self.sources.push(Source { cursor, head: 0 });
    }

    /// Leaves the first `count` sources and stands nowhere; the next move must be a seek.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.sources.truncate(count);
        self.heap.clear();
        self.current = None;
    }

    /// How many sources there are.
    pub(crate) fn source_count(&self) -> usize {
        self.sources.len()
    }

    /// The source of the current entry.
    pub(crate) const fn current_source(&self) -> Option<usize> {
        self.current
    }

    /// Moves every source from number `from` on that stands before `key` to it. Only while going forward.
    pub(crate) fn skip_to(&mut self, from: usize, key: &[u8]) -> Result<()> {
        self.guarded(|merge| {
            for source in merge.sources.iter_mut().skip(from) {
                if source.cursor.is_valid() && source.cursor.key() < key {
                    source.cursor.seek(key)?;
                }
            }
            merge.rebuild(Heading::Forward);
            Ok(())
        })
    }

    /// Moves every source from number `from` on that stands at `key` or after it to before it. Only while going backward.
    pub(crate) fn skip_before(&mut self, from: usize, key: &[u8]) -> Result<()> {
        self.guarded(|merge| {
            for source in merge.sources.iter_mut().skip(from) {
                if source.cursor.is_valid() && source.cursor.key() >= key {
                    source.cursor.seek_before(key)?;
                }
            }
            merge.rebuild(Heading::Backward);
            Ok(())
        })
    }

    fn guarded(&mut self, act: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        act(self).inspect_err(|error| {
            self.failed = Some(error.clone());
            self.current = None;
            self.heap.clear();
        })
    }

    fn all(&mut self, heading: Heading, mut seek: impl FnMut(&mut C) -> Result<()>) -> Result<()> {
        self.guarded(|merge| {
            for source in &mut merge.sources {
                seek(&mut source.cursor)?;
            }
            merge.rebuild(heading);
            Ok(())
        })
    }

    fn rebuild(&mut self, heading: Heading) {
        self.heading = heading;
        self.heap.clear();
        if let [only] = self.sources.as_mut_slice() {
            self.current = only.look().then_some(0);
            return;
        }
        for (index, source) in self.sources.iter_mut().enumerate() {
            if source.look() {
                self.heap.push(index);
            }
        }
        for index in (0..self.heap.len() / 2).rev() {
            self.sift_down(index);
        }
        self.current = self.pop();
    }

    fn pop(&mut self) -> Option<usize> {
        if self.heap.is_empty() {
            return None;
        }
        let top = self.heap.swap_remove(0);
        self.sift_down(0);
        Some(top)
    }

    fn sift_down(&mut self, mut index: usize) {
        loop {
            let left = index * 2 + 1;
            let Some(&left_source) = self.heap.get(left) else { return };
            let mut child = left;
            let mut child_source = left_source;
            if let Some(&right_source) = self.heap.get(left + 1)
                && self.comes_before(right_source, left_source)
            {
                child = left + 1;
                child_source = right_source;
            }
            let Some(&own) = self.heap.get(index) else { return };
            if !self.comes_before(child_source, own) {
                return;
            }
            self.heap.swap(index, child);
            index = child;
        }
    }

    /// True when the entry of source `a` is to be met before that of source `b` on the present heading.
    fn comes_before(&self, a: usize, b: usize) -> bool {
        let (Some(x), Some(y)) = (self.sources.get(a), self.sources.get(b)) else { return false };
        let order = match x.head.cmp(&y.head) {
            Ordering::Equal => self.order_of_equal_heads(a, b),
            order => order,
        };
        order == if self.heading == Heading::Forward { Ordering::Less } else { Ordering::Greater }
    }

    fn order_of_equal_heads(&self, a: usize, b: usize) -> Ordering {
        let here = |source: usize| self.sources.get(source).and_then(|source| source.cursor.here());
        match (here(a), here(b)) {
            (Some(x), Some(y)) => entry_order(x.key, x.sequence, y.key, y.sequence).then(a.cmp(&b)),
            _ => a.cmp(&b),
        }
    }

    fn step(&mut self) -> Result<()> {
        let Some(current) = self.current else { return Err(moved_while_invalid()) };
        let heading = self.heading;
        let source = self.sources.get_mut(current).ok_or_else(moved_while_invalid)?;
        match heading {
            Heading::Forward => source.cursor.next()?,
            Heading::Backward => source.cursor.previous()?,
        }
        self.settle(current);
        Ok(())
    }

    /// Finds the current source again after source `current` was moved on.
    #[inline]
    fn settle(&mut self, current: usize) {
        if let [only] = self.sources.as_slice() {
            self.current = only.cursor.is_valid().then_some(current);
            return;
        }
        if !self.sources.get_mut(current).is_some_and(Source::look) {
            self.current = self.pop();
            return;
        }
        if let Some(&top) = self.heap.first()
            && self.comes_before(top, current)
        {
            if let Some(slot) = self.heap.first_mut() {
                *slot = current;
            }
            self.sift_down(0);
            self.current = Some(top);
        }
    }

    /// Moves every source past the key of the current entry.
    fn step_key(&mut self) -> Result<()> {
        let Some(current) = self.current else { return Err(moved_while_invalid()) };
        // The others first, while the key is there to compare with.
        while let Some(&top) = self.heap.first()
            && self.has_same_key(top, current)
        {
            let source = self.sources.get_mut(top).ok_or_else(moved_while_invalid)?;
            source.cursor.next_key()?;
            if !source.look() {
                self.heap.swap_remove(0);
            }
            self.sift_down(0);
        }
        self.sources.get_mut(current).ok_or_else(moved_while_invalid)?.cursor.next_key()?;
        self.settle(current);
        Ok(())
    }

    #[inline]
    fn has_same_key(&self, a: usize, b: usize) -> bool {
        match (self.sources.get(a), self.sources.get(b)) {
            (Some(a), Some(b)) => a.head == b.head && a.cursor.key() == b.cursor.key(),
            _ => false,
        }
    }

    /// Puts every source but the current one on the other side of the current entry.
    fn turn(&mut self, heading: Heading) -> Result<()> {
        let Some(current) = self.current else { return Err(moved_while_invalid()) };
        let (key, sequence) = match self.sources.get(current) {
            Some(source) => (source.cursor.key().to_vec(), source.cursor.sequence()),
            None => return Err(moved_while_invalid()),
        };
        for (index, source) in self.sources.iter_mut().enumerate().filter(|(index, _)| *index != current) {
            let cursor = &mut source.cursor;
            // To the first entry after the current one; of equal entries the earlier source's comes first.
            cursor.seek(&key)?;
            while cursor.is_valid() {
                let order = entry_order(cursor.key(), cursor.sequence(), &key, sequence).then(index.cmp(&current));
                if order == Ordering::Greater {
                    break;
                }
                cursor.next()?;
            }
            if heading == Heading::Backward {
                if cursor.is_valid() {
                    cursor.previous()?;
                } else {
                    cursor.seek_last()?;
                }
            }
        }
        self.heading = heading;
        self.heap.clear();
        for (index, source) in self.sources.iter_mut().enumerate() {
            if index != current && source.look() {
                self.heap.push(index);
            }
        }
        for index in (0..self.heap.len() / 2).rev() {
            self.sift_down(index);
        }
        Ok(())
    }

    fn advance(&mut self, heading: Heading) -> Result<()> {
        self.guarded(|merge| {
            if merge.heading != heading {
                merge.turn(heading)?;
            }
            merge.step()
        })
    }

    #[inline]
    fn cursor(&self) -> Option<&C> {
        self.current.and_then(|current| self.sources.get(current)).map(|source| &source.cursor)
    }
}

/// The order of entries: key ascending, then sequence descending.
pub(crate) fn entry_order(a_key: &[u8], a: Sequence, b_key: &[u8], b: Sequence) -> Ordering {
    a_key.cmp(b_key).then_with(|| b.cmp(&a))
}

/// The defect of moving a cursor that is nowhere.
pub(crate) fn moved_while_invalid() -> Error {
    Error::Internal { detail: "a cursor was moved while it was not at an entry".to_owned() }
}

impl<C: EntryCursor> EntryCursor for Merge<C> {
    fn seek_first(&mut self) -> Result<()> {
        self.all(Heading::Forward, EntryCursor::seek_first)
    }
    fn seek_last(&mut self) -> Result<()> {
        self.all(Heading::Backward, EntryCursor::seek_last)
    }
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        if self.failed.is_none() {
            self.sources.iter_mut().for_each(|source| source.cursor.aim(key));
        }
        self.all(Heading::Forward, |source| source.land(key))
    }
    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.all(Heading::Backward, |source| source.seek_before(key))
    }
    #[inline]
    fn next(&mut self) -> Result<()> {
        self.advance(Heading::Forward)
    }
    #[inline]
    fn next_key(&mut self) -> Result<()> {
        self.guarded(|merge| {
            if merge.heading != Heading::Forward {
                merge.turn(Heading::Forward)?;
            }
            merge.step_key()
        })
    }
    #[inline]
    fn previous(&mut self) -> Result<()> {
        self.advance(Heading::Backward)
    }
    #[inline]
    fn is_valid(&self) -> bool {
        self.current.is_some()
    }
    #[inline]
    fn key(&self) -> &[u8] {
        self.cursor().map_or(&[], EntryCursor::key)
    }
    #[inline]
    fn here(&self) -> Option<Here<'_>> {
        self.cursor()?.here()
    }
    #[inline]
    fn sequence(&self) -> Sequence {
        self.cursor().map_or(Sequence::ZERO, EntryCursor::sequence)
    }
    #[inline]
    fn kind(&self) -> EntryKind {
        self.cursor().map_or(EntryKind::Delete, EntryCursor::kind)
    }
    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor().map_or(&[], EntryCursor::value)
    }
    fn pin_value(&self) -> Value {
        self.cursor().map_or_else(|| Value::owned([].as_slice()), EntryCursor::pin_value)
    }
}
