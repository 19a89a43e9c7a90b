//! Reading one key at a sequence: what its versions, newest first, come to.
//!
//! Always: sources are asked newest first, and no more of them than the answer needs. A counter's additions are summed
//! with wrap-around, so the order in which they were folded never shows.
//! Does not know: where versions are kept.

use crate::error::{Error, Result};
use crate::format::{EntryKind, Sequence};
use crate::planted::{Mistake, makes};
use crate::value::Value;

/// One version of a key.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The commit that wrote it.
    pub(crate) sequence: Sequence,
    /// What it says.
    pub(crate) kind: EntryKind,
    /// Its value; empty for a deletion.
    pub(crate) value: Value,
}

/// What is known so far about one key.
#[derive(Debug)]
pub(crate) struct PointRead {
    at: Sequence,
    tombstone: Option<Sequence>,
    sum: Option<i64>,
    outcome: Option<Option<Value>>,
}

impl PointRead {
    /// A read that may see what was committed up to `at`.
    pub(crate) const fn new(at: Sequence) -> Self {
        Self { at, tombstone: None, sum: None, outcome: None }
    }

    /// True when no older source can change the answer.
    pub(crate) const fn is_done(&self) -> bool {
        self.outcome.is_some()
    }

    /// The sequence of the read.
    pub(crate) const fn at(&self) -> Sequence {
        self.at
    }

    /// Asks the next older source. `tombstone` is the newest commit that deleted the key in a range, as far as the source
    /// has it and the read may see it; `newest_at` returns the source's newest version of the key at or before a sequence.
    /// Returns true when the answer is known.
    #[inline]
    pub(crate) fn visit(
        &mut self,
        tombstone: Option<Sequence>,
        mut newest_at: impl FnMut(Sequence) -> Result<Option<Found>>,
    ) -> Result<bool> {
        self.tombstone = self.tombstone.max(tombstone);
        let mut at = self.at;
        while let Some(found) = newest_at(at)? {
            if self.offer(found.sequence, found.kind, found.value)? {
                return Ok(true);
            }
            let Some(older) = found.sequence.0.checked_sub(1) else { break };
            at = Sequence(older);
        }
        // Every version in an older source is older than a tombstone in this one.
        if self.tombstone.is_some() {
            self.settle(None)?;
        }
        Ok(self.is_done())
    }

    /// Takes the next older version. Returns true when the answer is known.
    #[inline]
    fn offer(&mut self, sequence: Sequence, kind: EntryKind, value: Value) -> Result<bool> {
        if self.tombstone.is_some_and(|tombstone| sequence < tombstone) {
            self.settle(None)?;
            return Ok(true);
        }
        match kind {
            EntryKind::Put => self.settle(Some(value))?,
            EntryKind::Delete | EntryKind::DeleteRange => self.settle(None)?,
            EntryKind::Add => {
                self.sum = Some(self.sum.unwrap_or(0).wrapping_add(counter_from(&value)?));
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[inline]
    fn settle(&mut self, base: Option<Value>) -> Result<()> {
        self.outcome = Some(match self.sum {
            None => base,
            Some(sum) => Some(with_base(sum, base)?),
        });
        Ok(())
    }

    /// The answer, once every source that matters was asked.
    #[inline]
    pub(crate) fn finish(self) -> Result<Option<Value>> {
        match (self.outcome, self.sum) {
            (Some(outcome), _) => Ok(outcome),
            (None, None) => Ok(None),
            (None, Some(sum)) => with_base(sum, None).map(Some),
        }
    }
}

/// What additions come to on top of a value, or of nothing.
fn with_base(sum: i64, base: Option<Value>) -> Result<Value> {
    match base {
        Some(base) if !makes(Mistake::CounterBaseLost) => Ok(counter_value(sum.wrapping_add(counter_from(&base)?))),
        _ => Ok(counter_value(sum)),
    }
}

/// The number in a counter's value.
pub(crate) fn counter_from(value: &[u8]) -> Result<i64> {
    let bytes: [u8; 8] = value.try_into().map_err(|_| Error::InvalidArgument {
        what: "counter",
        problem: format!("has a value of {} bytes under its key; a counter's value has 8", value.len()),
    })?;
    Ok(i64::from_le_bytes(bytes))
}

/// A counter's value.
pub(crate) fn counter_value(number: i64) -> Value {
    Value::owned(number.to_le_bytes().as_slice())
}
