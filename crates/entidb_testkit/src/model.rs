//! An obviously right engine: a sorted map, and what each change does to it.
//!
//! Always: applying the same commits gives the same contents. Does not know: files, sequences, snapshots.

use std::collections::BTreeMap;
use std::fmt;

/// One change inside a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Gives a key a value.
    Put(Key, Bytes),
    /// Takes a key's value away.
    Delete(Key),
    /// Takes the values of `start..end` away.
    DeleteRange(Key, Key),
    /// Adds to a counter.
    Add(Key, i64),
    /// Does the inner changes and undoes them again.
    Undone(Vec<Change>),
}

/// A key, short in reports.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub Vec<u8>);

/// A value, short in reports.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= 8 {
            return write!(f, "{:?}", self.0);
        }
        let tag = entidb_storage::simulated::mix_bytes(0, &self.0) & 0xffff;
        write!(f, "{tag:04x}x{}", self.0.len())
    }
}

/// All keys and values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Contents(pub BTreeMap<Key, Bytes>);

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl Contents {
    /// Does the changes of one transaction, in order.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    self.0.insert(key.clone(), value.clone());
                }
                Change::Delete(key) => {
                    self.0.remove(key);
                }
                Change::DeleteRange(start, end) => self.0.retain(|key, _| key < start || key >= end),
                Change::Add(key, delta) => {
                    let sum = self.counter(key).wrapping_add(*delta);
                    self.0.insert(key.clone(), Bytes(sum.to_le_bytes().to_vec()));
                }
                Change::Undone(_) => {}
            }
        }
    }

    /// The number of a counter; 0 when nothing was added.
    #[must_use]
    pub fn counter(&self, key: &Key) -> i64 {
        let bytes = self.0.get(key).and_then(|value| <[u8; 8]>::try_from(value.0.as_slice()).ok());
        bytes.map_or(0, i64::from_le_bytes)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(&Key(key.to_vec())).map(|value| value.0.as_slice())
    }
}
