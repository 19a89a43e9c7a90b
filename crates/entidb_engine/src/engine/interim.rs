//! Commits kept in plain memory, until log, memtable and segments take over.
//!
//! Always: every version of every key is there, so any sequence can be read.
//! Does not know: files; nothing here survives the process.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::KeyRange;
use crate::transaction::{Direction, Own, WriteBuffer, counter_from};
use crate::value::Value;

type Versions = Vec<(Sequence, Option<Value>)>;

#[derive(Default)]
pub(crate) struct Interim {
    keys: RwLock<BTreeMap<Vec<u8>, Versions>>,
}

impl Interim {
    pub(crate) fn get(&self, key: &[u8], at: Sequence) -> Option<Value> {
        self.keys.read().get(key).and_then(|versions| newest(versions, at))
    }

    pub(crate) fn apply(&self, buffer: &WriteBuffer, sequence: Sequence) -> Result<()> {
        let mut keys = self.keys.write();
        for (start, end) in buffer.ranges() {
            let inside = (Bound::Included(start.as_ref()), Bound::Excluded(end.as_ref()));
            for (_, versions) in keys.range_mut::<[u8], _>(inside) {
                versions.push((sequence, None));
            }
        }
        for (key, change) in buffer.points() {
            let versions = keys.entry(key.to_vec()).or_default();
            let value = match change.kind {
                EntryKind::Put => change.value.clone(),
                EntryKind::Add => {
                    let base = newest(versions, sequence).map_or(Ok(0), |value| counter_from(&value))?;
                    let sum = base.wrapping_add(counter_from(change.value_bytes())?);
                    Some(Value::owned(sum.to_le_bytes()))
                }
                EntryKind::Delete | EntryKind::DeleteRange => None,
            };
            versions.push((sequence, value));
        }
        Ok(())
    }

    pub(crate) fn step(
        &self,
        own: Option<&WriteBuffer>,
        range: &KeyRange,
        direction: Direction,
        at: Sequence,
    ) -> Result<Option<(Vec<u8>, Value)>> {
        let keys = self.keys.read();
        let mut rest = range.clone();
        loop {
            let bounds = (rest.start.as_ref().map(Vec::as_slice), rest.end.as_ref().map(Vec::as_slice));
            if is_empty(&rest) {
                return Ok(None);
            }
            let (theirs, ours) = match direction {
                Direction::Forward => (
                    keys.range::<[u8], _>(bounds).next().map(|(key, _)| key.clone()),
                    own.and_then(|own| own.points().range::<[u8], _>(bounds).next().map(|(key, _)| key.to_vec())),
                ),
                Direction::Reverse => (
                    keys.range::<[u8], _>(bounds).next_back().map(|(key, _)| key.clone()),
                    own.and_then(|own| own.points().range::<[u8], _>(bounds).next_back().map(|(key, _)| key.to_vec())),
                ),
            };
            let key = match (theirs, ours) {
                (Some(a), Some(b)) => match direction {
                    Direction::Forward => a.min(b),
                    Direction::Reverse => a.max(b),
                },
                (Some(key), None) | (None, Some(key)) => key,
                (None, None) => return Ok(None),
            };
            let stored = || keys.get(&key).and_then(|versions| newest(versions, at));
            let value = match own.map_or(Ok(Own::Nothing), |own| own.own(&key))? {
                Own::Nothing => stored(),
                Own::Put(value) => Some(value),
                Own::Deleted => None,
                Own::Add(delta) => {
                    let base = stored().map_or(Ok(0), |value| counter_from(&value))?;
                    Some(Value::owned(base.wrapping_add(delta).to_le_bytes()))
                }
            };
            if let Some(value) = value {
                return Ok(Some((key, value)));
            }
            match direction {
                Direction::Forward => rest.start = Bound::Excluded(key),
                Direction::Reverse => rest.end = Bound::Excluded(key),
            }
        }
    }
}

fn newest(versions: &Versions, at: Sequence) -> Option<Value> {
    versions.iter().rev().find(|(sequence, _)| *sequence <= at).and_then(|(_, value)| value.clone())
}

fn is_empty(range: &KeyRange) -> bool {
    match (&range.start, &range.end) {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => start >= end,
        _ => false,
    }
}
