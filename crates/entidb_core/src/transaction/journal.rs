//! A map of an open transaction whose changes can be taken back.
//!
//! Always: what a change costs does not depend on how much the map holds. Changes are remembered only while there is a
//! savepoint to go back to. Does not know: savepoints; a place in the list of changes is a number.

use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
pub(super) struct Journal<K, V> {
    map: HashMap<K, V>,
    /// What each changed key had before, the first change first.
    undo: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Journal<K, V> {
    fn default() -> Self {
        Self { map: HashMap::new(), undo: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Journal<K, V> {
    pub(super) fn get(&self, key: K) -> Option<V> {
        self.map.get(&key).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// Gives a key a value, or none. `keep` says whether this may have to be taken back.
    pub(super) fn set(&mut self, key: K, value: Option<V>, keep: bool) {
        let before = match value {
            Some(value) => self.map.insert(key, value),
            None => self.map.remove(&key),
        };
        if keep {
            self.undo.push((key, before));
        }
    }

    /// The place of the next change.
    pub(super) fn place(&self) -> usize {
        self.undo.len()
    }

    /// Takes back every change from a place on.
    pub(super) fn go_back(&mut self, place: usize) {
        for (key, before) in self.undo.drain(place.min(self.undo.len())..).rev() {
            match before {
                Some(value) => self.map.insert(key, value),
                None => self.map.remove(&key),
            };
        }
    }

    /// Nothing will be taken back any more.
    pub(super) fn forget(&mut self) {
        self.undo = Vec::new();
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (K, V)> {
        self.map.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_brings_back_what_was_there_at_the_place() {
        let mut journal = Journal::default();
        journal.set(1, Some("kept"), false);
        journal.set(2, Some("gone"), false);
        let place = journal.place();
        journal.set(1, Some("other"), true);
        journal.set(1, Some("another"), true);
        journal.set(2, None, true);
        journal.set(3, Some("new"), true);
        journal.go_back(place);
        assert_eq!([1, 2, 3].map(|key| journal.get(key)), [Some("kept"), Some("gone"), None]);
        assert_eq!(journal.place(), place);
    }
}
