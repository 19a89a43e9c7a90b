//! A place in history that reads go to.
//!
//! Always: what it shows never changes while it lives.
//! Does not know: the changes of an open write transaction.

use std::sync::Arc;

use crate::engine::Shared;
use crate::error::Result;
use crate::format::Sequence;
use crate::iterator::KeyRange;
use crate::transaction::{Direction, WriteBuffer};
use crate::value::Value;

pub(crate) struct ReadPoint {
    shared: Arc<Shared>,
    at: Sequence,
}

impl ReadPoint {
    pub(crate) fn new(shared: &Arc<Shared>, at: Sequence) -> Self {
        Self { shared: Arc::clone(shared), at }
    }

    pub(crate) fn sequence(&self) -> Sequence {
        self.at
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        self.shared.check_open()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.check_open()?;
        Ok(self.shared.interim.get(key, self.at))
    }

    pub(crate) fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    pub(crate) fn approximate_count(&self, range: &KeyRange) -> Result<u64> {
        let mut rest = range.clone();
        let mut count = 0_u64;
        while let Some((key, _)) = self.interim_step(None, &rest, Direction::Forward)? {
            rest.start = std::ops::Bound::Excluded(key);
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    pub(crate) fn interim_step(
        &self,
        own: Option<&WriteBuffer>,
        range: &KeyRange,
        direction: Direction,
    ) -> Result<Option<(Vec<u8>, Value)>> {
        self.check_open()?;
        self.shared.interim.step(own, range, direction, self.at)
    }
}
