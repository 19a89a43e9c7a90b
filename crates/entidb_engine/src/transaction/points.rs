//! The last change of each key of a write transaction.
//!
//! Always: one change per key, in key order. A clone stays as it is while the transaction goes on, and costs little:
//! few changes are copied, many lie in a tree of their own in which each change is a version, and a clone sees those
//! that were there. Does not know: range deletes, savepoints, or what the database holds.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::Arc;

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::{EntryCursor, Here, moved_while_invalid};
use crate::memtable::{Memtable, MemtableConfig, MemtableCursor};
use crate::transaction::short_key::ShortKey;
use crate::value::Value;

/// Up to this size changes are kept one by one: a tree in an arena costs some 150 KB to begin with, and moving a thousand
/// documents of an ordinary transaction into one cost a ninth of writing them (2026-11-30).
pub(super) const FEW_BYTES_MAX: u64 = 1 << 20;
/// Of this many, a part of that size is kept one by one where a reader still uses them and they are copied.
const COPIED_PART: u64 = 4;
/// Replaced changes are given back once they are this many bytes, and more than those that are left.
const STALE_BYTES_MIN: u64 = 1 << 20;

/// What an entry costs beside its bytes: tree node share, lengths, reference counts.
pub(super) const ENTRY_BYTES: u64 = 64;

/// The last change of one key.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) kind: EntryKind,
    pub(crate) value: Option<Value>,
}

impl Change {
    fn new(kind: EntryKind, value: &[u8]) -> Result<Self> {
        let value = if kind == EntryKind::Delete { None } else { Some(Value::copied(value)?) };
        Ok(Self { kind, value })
    }

    pub(crate) fn value_bytes(&self) -> &[u8] {
        self.value.as_ref().map_or(&[], Value::as_bytes)
    }
}

/// What a key had before a change.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// The kind of its change and the length of its value, when it had one.
    pub(super) had: Option<(EntryKind, usize)>,
    /// The change itself, when it was asked for.
    pub(super) change: Option<Change>,
}

impl Before {
    fn of(change: Option<Change>) -> Self {
        Self { had: change.as_ref().map(|change| (change.kind, change.value_bytes().len())), change }
    }
}

/// Changes that are kept each by itself.
pub(super) type Few = BTreeMap<ShortKey, Change>;

/// The changes of single keys.
#[derive(Debug, Clone)]
pub(super) enum Points {
    /// Each by itself.
    Few(Few),
    /// In an arena.
    Many(Many),
}

/// Changes as versions of a tree of their own.
#[derive(Clone)]
pub(super) struct Many {
    memtable: Arc<Memtable>,
    /// The version of the last change.
    version: Sequence,
    /// Keys that have a change.
    count: u64,
    /// Bytes of versions that were replaced, and of those that say that a change was taken away.
    stale_bytes: u64,
}

impl Default for Points {
    fn default() -> Self {
        Self::Few(Few::new())
    }
}

impl Points {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Few(few) => few.len() as u64,
            Self::Many(many) => many.count,
        }
    }

    /// Bytes of changes that were replaced and are still in memory.
    pub(super) fn stale_bytes(&self) -> u64 {
        match self {
            Self::Few(_) => 0,
            Self::Many(many) => many.stale_bytes,
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Change> {
        match self {
            Self::Few(few) => ShortKey::find(few, key).cloned(),
            Self::Many(many) => {
                let found = many.memtable.get(key, many.version).filter(|found| is_change(found.kind))?;
                let value = (found.kind != EntryKind::Delete).then(|| found.pin());
                Some(Change { kind: found.kind, value })
            }
        }
    }

    /// Gives a key another change. `keep` asks for the one before.
    pub(super) fn set(&mut self, key: &[u8], kind: EntryKind, value: &[u8], keep: bool) -> Result<Before> {
        match self {
            Self::Few(few) => {
                let change = Change::new(kind, value)?;
                // Most keys are new ones: looking first would be looking twice.
                Ok(Before::of(few.insert(ShortKey::new(key), change)))
            }
            Self::Many(many) => many.set(key, kind, value, keep),
        }
    }

    /// Takes a key's change away. `keep` asks for it.
    pub(super) fn remove(&mut self, key: &[u8], keep: bool) -> Result<Before> {
        match self {
            Self::Few(few) => {
                let before = few.remove(key);
                Ok(Before::of(before))
            }
            // What the transaction says nothing of: the kind no single key can have.
            Self::Many(many) => many.set(key, EntryKind::DeleteRange, &[], keep),
        }
    }

    /// Those of a few changes that are in `start..end`.
    pub(super) fn few_in<'a>(few: &'a Few, start: &[u8], end: &[u8]) -> btree_map::Range<'a, ShortKey, Change> {
        few.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end.max(start))))
    }

    /// The first changed keys of `start..end`, up to `count_max` of them.
    pub(super) fn keys_in(&self, start: &[u8], end: &[u8], count_max: usize) -> Result<Vec<Box<[u8]>>> {
        match self {
            Self::Few(few) => {
                Ok(Self::few_in(few, start, end).map(|(key, _)| key.as_bytes().into()).take(count_max).collect())
            }
            Self::Many(many) => {
                let mut keys = Vec::new();
                let mut cursor = many.cursor(Sequence::ZERO);
                cursor.seek(start)?;
                while keys.len() < count_max && cursor.is_valid() && cursor.key() < end {
                    keys.push(cursor.key().into());
                    cursor.next()?;
                }
                Ok(keys)
            }
        }
    }

    /// How many keys of `start..end` are changed.
    pub(super) fn count_in(&self, start: &[u8], end: &[u8]) -> Result<u64> {
        match self {
            Self::Few(few) => Ok(Self::few_in(few, start, end).count() as u64),
            Self::Many(many) => {
                let mut count = 0;
                let mut cursor = many.cursor(Sequence::ZERO);
                cursor.seek(start)?;
                while cursor.is_valid() && cursor.key() < end {
                    count += 1;
                    cursor.next()?;
                }
                Ok(count)
            }
        }
    }

    /// Shows every change in key order.
    pub(super) fn visit(&self, mut show: impl FnMut(&[u8], EntryKind, &[u8]) -> Result<()>) -> Result<()> {
        match self {
            Self::Few(few) => {
                few.iter().try_for_each(|(key, change)| show(key.as_bytes(), change.kind, change.value_bytes()))
            }
            Self::Many(many) => {
                let mut cursor = many.cursor(Sequence::ZERO);
                cursor.seek_first()?;
                while cursor.is_valid() {
                    show(cursor.key(), cursor.kind(), cursor.value())?;
                    cursor.next()?;
                }
                Ok(())
            }
        }
    }

    /// The same changes, of which there are `bytes`, to go on with while somebody looks at these. What would be many to copy
    /// becomes a tree, of which the next copy costs little.
    pub(super) fn copied(&self, bytes: u64, few_bytes_max: u64) -> Result<Self> {
        match self {
            Self::Few(_) if bytes > few_bytes_max / COPIED_PART => Ok(Self::Many(self.gathered()?)),
            Self::Few(_) | Self::Many(_) => Ok(self.clone()),
        }
    }

    /// Makes ready for more than a few changes once their `bytes` pass `few_bytes_max`, and gives back what was replaced.
    pub(super) fn settle(&mut self, bytes: u64, few_bytes_max: u64) -> Result<()> {
        let crowded = match self {
            Self::Few(_) => bytes > few_bytes_max,
            Self::Many(many) => many.stale_bytes > STALE_BYTES_MIN.max(bytes),
        };
        if crowded { self.compact() } else { Ok(()) }
    }

    /// Keeps the changes as many, without those that were replaced.
    pub(super) fn compact(&mut self) -> Result<()> {
        *self = Self::Many(self.gathered()?);
        Ok(())
    }

    fn gathered(&self) -> Result<Many> {
        let mut fresh = Many::new()?;
        self.visit(|key, kind, value| fresh.set(key, kind, value, false).map(drop))?;
        Ok(fresh)
    }
}

impl Many {
    fn new() -> Result<Self> {
        // No hash: a transaction mostly writes, and its reads are found by the tree.
        let memtable = Arc::new(Memtable::new(MemtableConfig::default())?);
        Ok(Self { memtable, version: Sequence::ZERO, count: 0, stale_bytes: 0 })
    }

    fn set(&mut self, key: &[u8], kind: EntryKind, value: &[u8], keep: bool) -> Result<Before> {
        let version = self.version.next();
        let found = self.memtable.insert_any(key, version, kind, value)?;
        self.version = version;
        let before = found.filter(|found| is_change(found.kind));
        let mut stale = |value_len: usize| {
            let bytes = key.len().saturating_add(value_len) as u64;
            self.stale_bytes = self.stale_bytes.saturating_add(bytes).saturating_add(ENTRY_BYTES);
        };
        if let Some(before) = &before {
            stale(before.value.len());
        }
        if !is_change(kind) {
            stale(0);
        }
        self.count = self.count.saturating_sub(u64::from(before.is_some())).saturating_add(u64::from(is_change(kind)));
        Ok(Before {
            had: before.as_ref().map(|found| (found.kind, found.value.len())),
            change: before.filter(|_| keep).map(|found| Change {
                kind: found.kind,
                // A copy lets the memory of what was replaced go. Where there is none for it, that memory is kept instead:
                // the change is made, and must not fail any more.
                value: (found.kind != EntryKind::Delete)
                    .then(|| Value::copied(found.value).unwrap_or_else(|_| found.pin())),
            }),
        })
    }

    /// A walk over the changes as they are now, each with this sequence.
    pub(super) fn cursor(&self, sequence: Sequence) -> ManyCursor {
        ManyCursor { cursor: self.memtable.cursor(), version: self.version, sequence }
    }
}

/// False for what stands where a change was taken away.
fn is_change(kind: EntryKind) -> bool {
    kind != EntryKind::DeleteRange
}

/// A position among many changes: of each key the one version that counts.
pub(super) struct ManyCursor {
    cursor: MemtableCursor,
    version: Sequence,
    sequence: Sequence,
}

impl ManyCursor {
    /// True when the key here has a change, at which the cursor now is.
    fn shows(&mut self) -> bool {
        self.cursor.show(self.version).is_some_and(is_change)
    }

    fn settle_forward(&mut self) -> Result<()> {
        while self.cursor.is_valid() && !self.shows() {
            self.cursor.leave_key();
        }
        Ok(())
    }

    fn settle_backward(&mut self) -> Result<()> {
        while self.cursor.is_valid() && !self.shows() {
            self.cursor.previous_key()?;
        }
        Ok(())
    }
}

impl EntryCursor for ManyCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.cursor.seek_first()?;
        self.settle_forward()
    }

    fn seek_last(&mut self) -> Result<()> {
        self.cursor.seek_last()?;
        self.settle_backward()
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.cursor.seek(key)?;
        self.settle_forward()
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.cursor.seek_before(key)?;
        self.settle_backward()
    }

    fn next(&mut self) -> Result<()> {
        if !self.is_valid() {
            return Err(moved_while_invalid());
        }
        self.cursor.leave_key();
        self.settle_forward()
    }

    fn next_key(&mut self) -> Result<()> {
        // One version of each key is all there is.
        self.next()
    }

    fn previous(&mut self) -> Result<()> {
        if !self.is_valid() {
            return Err(moved_while_invalid());
        }
        self.cursor.previous_key()?;
        self.settle_backward()
    }

    fn is_valid(&self) -> bool {
        self.cursor.is_valid()
    }

    fn key(&self) -> &[u8] {
        self.cursor.key()
    }

    #[inline]
    fn here(&self) -> Option<Here<'_>> {
        self.cursor.here().map(|here| Here { sequence: self.sequence, ..here })
    }

    fn sequence(&self) -> Sequence {
        if self.is_valid() { self.sequence } else { Sequence::ZERO }
    }

    fn kind(&self) -> EntryKind {
        self.cursor.kind()
    }

    fn value(&self) -> &[u8] {
        self.cursor.value()
    }

    fn pin_value(&self) -> Value {
        self.cursor.pin_value()
    }
}

impl std::fmt::Debug for Many {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Many({} keys)", self.count)
    }
}
