//! A map of an open transaction whose changes can be taken back.
//!
//! Always: what a change costs does not depend on how much the map holds. For each savepoint it is remembered, once, what
//! each key had that changed since. Does not know: savepoints; a place is how many there were before.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// What keys had at each of several places, the oldest first.
#[derive(Debug)]
pub(super) struct Undo<K, V>(Vec<HashMap<K, Option<V>>>);

impl<K, V> Default for Undo<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Copy + Eq + Hash, V> Undo<K, V> {
    /// A place to go back to.
    pub(super) fn mark(&mut self) {
        self.0.push(HashMap::new());
    }

    /// Remembers what a key has before it changes, unless that is known since the newest place.
    pub(super) fn remember(&mut self, key: K, before: impl FnOnce() -> Option<V>) {
        if let Some(newest) = self.0.last_mut() {
            newest.entry(key).or_insert_with(before);
        }
    }

    /// What to put back to go back to a place, which stays. Later ones are gone.
    pub(super) fn go_back(&mut self, place: usize) -> HashMap<K, Option<V>> {
        self.join(place);
        self.0.last_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Forgets a place and later ones.
    pub(super) fn release(&mut self, place: usize) {
        match place.checked_sub(1) {
            Some(outer) => self.join(outer),
            None => self.0.clear(),
        }
    }

    /// Makes a place the newest one, with what the later ones remember. Of a key that both have, the older state counts.
    fn join(&mut self, place: usize) {
        while self.0.len() > place.saturating_add(1)
            && let Some(mut newer) = self.0.pop()
            && let Some(older) = self.0.last_mut()
        {
            if older.len() >= newer.len() {
                for (key, before) in newer {
                    older.entry(key).or_insert(before);
                }
            } else {
                newer.extend(older.drain());
                *older = newer;
            }
        }
    }
}

/// Of a few keys: those of the collections and indexes that a transaction changes.
#[derive(Debug)]
pub(super) struct Journal<K, V> {
    map: BTreeMap<K, V>,
    undo: Undo<K, V>,
}

impl<K, V> Default for Journal<K, V> {
    fn default() -> Self {
        Self { map: BTreeMap::new(), undo: Undo::default() }
    }
}

impl<K: Copy + Ord + Hash, V: Copy> Journal<K, V> {
    pub(super) fn get(&self, key: K) -> Option<V> {
        self.map.get(&key).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// Gives a key a value, or none.
    pub(super) fn set(&mut self, key: K, value: Option<V>) {
        let before = self.put(key, value);
        self.undo.remember(key, || before);
    }

    fn put(&mut self, key: K, value: Option<V>) -> Option<V> {
        match value {
            Some(value) => self.map.insert(key, value),
            None => self.map.remove(&key),
        }
    }

    /// A place to go back to.
    pub(super) fn mark(&mut self) {
        self.undo.mark();
    }

    /// Takes back every change from a place on.
    pub(super) fn go_back(&mut self, place: usize) {
        for (key, before) in self.undo.go_back(place) {
            self.put(key, before);
        }
    }

    /// Forgets a place and later ones.
    pub(super) fn release(&mut self, place: usize) {
        self.undo.release(place);
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
        journal.set(1, Some("kept"));
        journal.set(2, Some("gone"));
        journal.mark();
        journal.set(1, Some("other"));
        journal.set(1, Some("another"));
        journal.mark();
        journal.set(1, Some("the last"));
        journal.set(2, None);
        journal.set(3, Some("new"));
        journal.go_back(0);
        assert_eq!([1, 2, 3].map(|key| journal.get(key)), [Some("kept"), Some("gone"), None]);
    }

    #[test]
    fn a_released_place_leaves_to_the_one_before_what_that_does_not_know() {
        for keys in [1, 5] {
            let mut journal = Journal::default();
            journal.set(1, Some("kept"));
            journal.mark();
            journal.set(1, Some("other"));
            for round in 0..100 {
                journal.mark();
                journal.set(1, Some("the last"));
                (2..2 + keys).for_each(|key| journal.set(key, Some("new")));
                journal.release(1);
                assert_eq!(journal.undo.0.iter().map(HashMap::len).sum::<usize>(), keys + 1, "round {round}");
            }
            journal.go_back(0);
            assert_eq!(journal.into_iter().collect::<Vec<_>>(), [(1, "kept")]);
        }
    }
}
