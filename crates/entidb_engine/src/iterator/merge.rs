//! Many ordered sources as one.
//!
//! Always: entries of all sources, in entry order, both ways; of two equal entries the one from the earlier source comes
//! first. The source with the current entry is kept out of the heap and compared with its top alone, so a run of entries
//! from one source costs one comparison each. After an error the merge keeps failing.
//! Does not know: which versions a snapshot may see.

use std::cmp::Ordering;

use super::cursor::EntryCursor;
use crate::error::{Error, Result};
use crate::format::{EntryKind, Sequence};
use crate::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heading {
    Forward,
    Backward,
}

/// A merge of ordered sources, newest source first.
pub(crate) struct Merge {
    sources: Vec<Box<dyn EntryCursor>>,
    /// Valid sources other than the current one, the next to come at the top.
    heap: Vec<usize>,
    current: Option<usize>,
    heading: Heading,
    failed: Option<Error>,
}

impl Merge {
    /// A merge over `sources`; not valid until a seek.
    pub(crate) fn new(sources: Vec<Box<dyn EntryCursor>>) -> Self {
        let heap = Vec::with_capacity(sources.len());
        Self { sources, heap, current: None, heading: Heading::Forward, failed: None }
    }

    /// The source of the current entry.
    pub(crate) const fn current_source(&self) -> Option<usize> {
        self.current
    }

    /// Moves every source from number `from` on that stands before `key` to it. Only while going forward.
    pub(crate) fn skip_to(&mut self, from: usize, key: &[u8]) -> Result<()> {
        self.guarded(|merge| {
            for source in merge.sources.iter_mut().skip(from) {
                if source.is_valid() && source.key() < key {
                    source.seek(key)?;
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
                if source.is_valid() && source.key() >= key {
                    source.seek_before(key)?;
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

    fn all(&mut self, heading: Heading, mut seek: impl FnMut(&mut dyn EntryCursor) -> Result<()>) -> Result<()> {
        self.guarded(|merge| {
            for source in &mut merge.sources {
                seek(source.as_mut())?;
            }
            merge.rebuild(heading);
            Ok(())
        })
    }

    fn rebuild(&mut self, heading: Heading) {
        self.heading = heading;
        self.heap.clear();
        self.heap
            .extend(self.sources.iter().enumerate().filter(|(_, source)| source.is_valid()).map(|(index, _)| index));
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
        let order = entry_order(x.key(), x.sequence(), y.key(), y.sequence()).then(a.cmp(&b));
        order == if self.heading == Heading::Forward { Ordering::Less } else { Ordering::Greater }
    }

    fn step(&mut self) -> Result<()> {
        let Some(current) = self.current else { return Err(moved_while_invalid()) };
        let heading = self.heading;
        let source = self.sources.get_mut(current).ok_or_else(moved_while_invalid)?;
        match heading {
            Heading::Forward => source.next()?,
            Heading::Backward => source.previous()?,
        }
        if !source.is_valid() {
            self.current = self.pop();
            return Ok(());
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
        Ok(())
    }

    /// Puts every source but the current one on the other side of the current entry.
    fn turn(&mut self, heading: Heading) -> Result<()> {
        let Some(current) = self.current else { return Err(moved_while_invalid()) };
        let (key, sequence) = match self.sources.get(current) {
            Some(source) => (source.key().to_vec(), source.sequence()),
            None => return Err(moved_while_invalid()),
        };
        for (index, source) in self.sources.iter_mut().enumerate().filter(|(index, _)| *index != current) {
            // To the first entry after the current one; of equal entries the earlier source's comes first.
            source.seek(&key)?;
            while source.is_valid() {
                let order = entry_order(source.key(), source.sequence(), &key, sequence).then(index.cmp(&current));
                if order == Ordering::Greater {
                    break;
                }
                source.next()?;
            }
            if heading == Heading::Backward {
                if source.is_valid() {
                    source.previous()?;
                } else {
                    source.seek_last()?;
                }
            }
        }
        self.heading = heading;
        self.heap.clear();
        let valid = self.sources.iter().enumerate().filter(|(index, source)| *index != current && source.is_valid());
        self.heap.extend(valid.map(|(index, _)| index));
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

    fn here(&self) -> Option<&dyn EntryCursor> {
        self.current.and_then(|current| self.sources.get(current)).map(AsRef::as_ref)
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

impl EntryCursor for Merge {
    fn seek_first(&mut self) -> Result<()> {
        self.all(Heading::Forward, |source| source.seek_first())
    }
    fn seek_last(&mut self) -> Result<()> {
        self.all(Heading::Backward, |source| source.seek_last())
    }
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.all(Heading::Forward, |source| source.seek(key))
    }
    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.all(Heading::Backward, |source| source.seek_before(key))
    }
    #[inline]
    fn next(&mut self) -> Result<()> {
        self.advance(Heading::Forward)
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
        self.here().map_or(&[], |source| source.key())
    }
    #[inline]
    fn sequence(&self) -> Sequence {
        self.here().map_or(Sequence::ZERO, |source| source.sequence())
    }
    #[inline]
    fn kind(&self) -> EntryKind {
        self.here().map_or(EntryKind::Delete, |source| source.kind())
    }
    #[inline]
    fn value(&self) -> &[u8] {
        self.here().map_or(&[], |source| source.value())
    }
    fn pin_value(&self) -> Value {
        self.here().map_or_else(|| Value::owned([].as_slice()), |source| source.pin_value())
    }
}
