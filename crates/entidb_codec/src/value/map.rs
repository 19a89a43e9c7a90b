//! Maps with text or integer keys, kept in canonical order.
//!
//! Always: entries are sorted as canonical CBOR sorts them, and no key stands twice.
//! Does not know: how a map is written; see `encode`.
//! Format: docs/spec/encoding.md, "Map keys".

use std::cmp::Ordering;

use super::{Integer, Value};

/// A map key: text or an integer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An integer key.
    Integer(Integer),
    /// A text key.
    Text(String),
}

/// A borrowed map key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyRef<'a> {
    /// An integer key.
    Integer(Integer),
    /// A text key.
    Text(&'a str),
}

impl Key {
    /// The same key, borrowed.
    #[must_use]
    pub fn as_view(&self) -> KeyRef<'_> {
        match self {
            Self::Integer(integer) => KeyRef::Integer(*integer),
            Self::Text(text) => KeyRef::Text(text),
        }
    }
}

impl<'a> KeyRef<'a> {
    /// A copy that owns its text.
    #[must_use]
    pub fn to_key(self) -> Key {
        match self {
            Self::Integer(integer) => Key::Integer(integer),
            Self::Text(text) => Key::Text(text.to_owned()),
        }
    }

    /// The text, if it is a text key.
    #[must_use]
    pub fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) => None,
        }
    }
}

/// The order of the encoded bytes: integers from 0 up, then from −1 down, then text by length and bytes.
impl Ord for KeyRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes())),
            (Self::Integer(a), Self::Integer(b)) => {
                (a.is_negative(), a.argument()).cmp(&(b.is_negative(), b.argument()))
            }
            (Self::Integer(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Integer(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for KeyRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_view().cmp(&other.as_view())
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> From<&'a Key> for KeyRef<'a> {
    fn from(key: &'a Key) -> Self {
        key.as_view()
    }
}

impl<'a> From<&'a str> for KeyRef<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for KeyRef<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<KeyRef<'_>> for Key {
    fn from(key: KeyRef<'_>) -> Self {
        key.to_key()
    }
}

macro_rules! key_from_integer {
    ($($integer:ty),*) => { $(
        impl From<$integer> for Key {
            fn from(integer: $integer) -> Self {
                Self::Integer(Integer::from(integer))
            }
        }
        impl From<$integer> for KeyRef<'_> {
            fn from(integer: $integer) -> Self {
                Self::Integer(Integer::from(integer))
            }
        }
    )* };
}
key_from_integer!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, Integer);

/// A map in canonical order.
///
/// ```
/// use entidb_codec::{Map, Value};
/// let mut map = Map::new();
/// map.insert("name", "Ada");
/// map.insert(7, true);
/// assert_eq!(map.get("name").and_then(Value::as_text), Some("Ada"));
/// assert_eq!(map.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Map {
    entries: Vec<(Key, Value)>,
}

impl Map {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// An empty map with room for this many entries.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self { entries: Vec::with_capacity(count) }
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn place(&self, key: KeyRef<'_>) -> Result<usize, usize> {
        // Entries mostly arrive in order, and then the end is the place.
        match self.entries.last() {
            Some((last, _)) if last.as_view() < key => Err(self.entries.len()),
            None => Err(0),
            _ => self.entries.binary_search_by(|(held, _)| held.as_view().cmp(&key)),
        }
    }

    /// The value under a key.
    #[must_use]
    pub fn get<'k>(&self, key: impl Into<KeyRef<'k>>) -> Option<&Value> {
        let index = self.place(key.into()).ok()?;
        self.entries.get(index).map(|(_, value)| value)
    }

    /// The value under a key, to change it.
    pub fn get_mut<'k>(&mut self, key: impl Into<KeyRef<'k>>) -> Option<&mut Value> {
        let index = self.place(key.into()).ok()?;
        self.entries.get_mut(index).map(|(_, value)| value)
    }

    /// Whether there is a value under a key.
    #[must_use]
    pub fn contains_key<'k>(&self, key: impl Into<KeyRef<'k>>) -> bool {
        self.place(key.into()).is_ok()
    }

    /// Puts a value under a key and gives back the one it replaces.
    pub fn insert(&mut self, key: impl Into<Key>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.place(key.as_view()) {
            Err(index) => {
                self.entries.insert(index, (key, value));
                None
            }
            Ok(index) => self.entries.get_mut(index).map(|(_, held)| std::mem::replace(held, value)),
        }
    }

    /// Takes the value under a key out of the map.
    pub fn remove<'k>(&mut self, key: impl Into<KeyRef<'k>>) -> Option<Value> {
        self.place(key.into()).ok().map(|index| self.entries.remove(index).1)
    }

    /// The value under a key, putting null there first if there is none.
    pub(crate) fn entry_or_null(&mut self, key: KeyRef<'_>) -> Option<&mut Value> {
        let index = match self.place(key) {
            Ok(index) => index,
            Err(index) => {
                self.entries.insert(index, (key.to_key(), Value::Null));
                index
            }
        };
        self.entries.get_mut(index).map(|(_, value)| value)
    }

    /// The entries in canonical order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (KeyRef<'_>, &Value)> + DoubleEndedIterator {
        self.entries.iter().map(|(key, value)| (key.as_view(), value))
    }

    /// The keys in canonical order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = KeyRef<'_>> {
        self.entries.iter().map(|(key, _)| key.as_view())
    }

    /// The entries in canonical order, as an iterator whose type has a name.
    pub(crate) fn tree_iter(&self) -> MapTreeIter<'_> {
        MapTreeIter(self.entries.iter())
    }

    /// Adds an entry known to come after all others.
    pub(crate) fn push_in_order(&mut self, key: Key, value: Value) {
        debug_assert!(self.entries.last().is_none_or(|(last, _)| *last < key));
        self.entries.push((key, value));
    }
}

/// The entries of a map, in canonical order.
#[derive(Debug, Clone)]
pub(crate) struct MapTreeIter<'a>(std::slice::Iter<'a, (Key, Value)>);

impl<'a> Iterator for MapTreeIter<'a> {
    type Item = (&'a Key, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key, value))
    }
}

impl IntoIterator for Map {
    type Item = (Key, Value);
    type IntoIter = std::vec::IntoIter<(Key, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// Later entries replace earlier ones with the same key.
impl<K: Into<Key>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(Key, Value)> =
            entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        // The sort is stable, so of equal keys the last to come stays last, and that one is kept.
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.reverse();
        entries.dedup_by(|(a, _), (b, _)| a == b);
        entries.reverse();
        Self { entries }
    }
}

impl<K: Into<Key>, V: Into<Value>> Extend<(K, V)> for Map {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_the_order_of_their_bytes() {
        let map: Map =
            [(Key::from("aa"), 1), (Key::from("b"), 2), (Key::from(-1), 3), (Key::from(500), 4), (Key::from(0), 5)]
                .into_iter()
                .collect();
        let keys: Vec<_> = map.keys().map(KeyRef::to_key).collect();
        assert_eq!(keys, [Key::from(0), Key::from(500), Key::from(-1), Key::from("b"), Key::from("aa")]);
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        let map: Map = [("a", 1), ("b", 2), ("a", 3)].into_iter().collect();
        assert_eq!(map.len(), 2);
        assert_eq!(map.get("a"), Some(&Value::from(3)));
    }
}
