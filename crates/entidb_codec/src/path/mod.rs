//! Where a value stands inside a document: a row of keys and positions.
//!
//! Always: a field named `0` and the position 0 are different, in the typed and the dotted form.
//! Does not know: documents; `lookup` walks them and `patch` changes them.
//! Format: docs/spec/encoding.md, "Paths".

mod apply;
mod lookup;
mod patch;

use std::fmt;

pub use apply::{apply, apply_to_value, apply_within};
pub use lookup::{lookup, lookup_both, lookup_raw};
pub use patch::{Operation, Patch};

use crate::error::{Error, ErrorKind, Result};
use crate::value::{Integer, Key, Value};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// The value under a key of a map.
    Key(Key),
    /// The element of an array, counted from 0.
    Position(usize),
}

/// A row of steps from the root of a document to a value in it.
///
/// ```
/// use entidb_codec::Path;
/// let path = Path::field("lines").at(0).child("price");
/// assert_eq!(path, Path::dotted("lines.0.price")?);
/// assert_eq!(path.to_string(), "lines.0.price");
/// # Ok::<(), entidb_codec::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path {
    segments: Vec<Segment>,
    /// The first segment is a text that `dotted` refuses.
    is_unread: bool,
}

impl Path {
    /// The path to the document itself.
    #[must_use]
    pub const fn root() -> Self {
        Self { segments: Vec::new(), is_unread: false }
    }

    /// The path to a field of the document.
    #[must_use]
    pub fn field(name: impl Into<String>) -> Self {
        Self::root().child(name)
    }

    /// The path to a field of what this path leads to.
    #[must_use]
    pub fn child(mut self, name: impl Into<String>) -> Self {
        self.segments.push(Segment::Key(Key::Text(name.into())));
        self
    }

    /// The path to the value under a key, text or integer, of what this path leads to.
    #[must_use]
    pub fn key(mut self, key: impl Into<Key>) -> Self {
        self.segments.push(Segment::Key(key.into()));
        self
    }

    /// The path to an element of what this path leads to.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.segments.push(Segment::Position(position));
        self
    }

    /// Reads the written form: segments between dots. A segment of digits is a position, one in brackets an integer key; any
    /// other is a field. A backslash makes the next character part of a field's name.
    ///
    /// `a.0` is position 0 of field `a`; `a.[0]` is what its map has under the integer 0; `a.\0` is field `0` of it; `a\.b` is
    /// one field; `[]` is the field without a name; the empty text is the document itself. `a[0]` is refused, since many
    /// languages write a position so: the field of that name is `a\[0]`. [`Display`](fmt::Display) writes this form, and
    /// what it writes reads as the same path.
    ///
    /// # Errors
    /// `PathInvalid` with the place in the text.
    pub fn dotted(text: &str) -> Result<Self> {
        let refuse = |at: usize, detail: &str| {
            Err(Error::new(ErrorKind::PathInvalid, at).with_detail(format!("{detail} in {text:?}")))
        };
        let mut path = Self::root();
        if text.is_empty() {
            return Ok(path);
        }
        let mut name = String::new();
        let (mut is_escaped, mut is_bracketed) = (false, false);
        let mut characters = text.char_indices().chain([(text.len(), '.')]);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((next, escaped)) if next < text.len() => {
                        name.push(escaped);
                        is_escaped = true;
                    }
                    _ => return refuse(at, "nothing follows the last backslash"),
                },
                '.' if name.is_empty() => {
                    return refuse(at, "a segment is empty; a field without a name is written []");
                }
                '.' => {
                    let field = std::mem::take(&mut name);
                    let is_position = !is_escaped && field.bytes().all(|b| b.is_ascii_digit());
                    let is_bracket = std::mem::take(&mut is_bracketed);
                    let is_plain = !std::mem::take(&mut is_escaped);
                    path = if is_bracket {
                        match bracketed(&field).filter(|_| is_plain) {
                            Some(key) => path.key(key),
                            None => {
                                return refuse(
                                    at,
                                    "brackets hold an integer key; a name that begins with [ has \\ before it",
                                );
                            }
                        }
                    } else if !is_position {
                        path.child(field)
                    } else if field.len() > 1 && field.starts_with('0') {
                        return refuse(at, "a position has a leading zero");
                    } else {
                        match field.parse() {
                            Ok(position) => path.at(position),
                            Err(_) => return refuse(at, "a position is too large"),
                        }
                    };
                }
                '[' if name.is_empty() => {
                    is_bracketed = true;
                    name.push('[');
                }
                '[' if !is_bracketed => {
                    return refuse(at, "a position follows a dot, as in a.0, and a [ inside a name has \\ before it");
                }
                _ => name.push(character),
            }
        }
        Ok(path)
    }

    /// As [`dotted`](Self::dotted), for builders that cannot fail: a text that cannot be read gives a path that leads nowhere and
    /// that [`check`](Self::check) refuses.
    ///
    /// ```
    /// use entidb_codec::Path;
    /// assert_eq!(Path::dotted_later("a.b"), Path::dotted("a.b")?);
    /// assert!(Path::dotted_later("a..b").check().is_err());
    /// # Ok::<(), entidb_codec::Error>(())
    /// ```
    #[must_use]
    pub fn dotted_later(text: &str) -> Self {
        Self::dotted(text).unwrap_or_else(|_| Self { is_unread: true, ..Self::field(text) })
    }

    /// Refuses a path that was made from a text that cannot be read, as [`dotted`](Self::dotted) does.
    ///
    /// # Errors
    /// `PathInvalid` with the place in the text.
    pub fn check(&self) -> Result<()> {
        match self.segments.first() {
            Some(Segment::Key(Key::Text(text))) if self.is_unread => Self::dotted(text).map(drop),
            _ => Ok(()),
        }
    }

    /// The steps, from the root on.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it leads to the document itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.segments.is_empty()
    }

    /// The value that stands for the path in encoded patches, indexes and queries: an array of text
    /// for fields, integers for positions, and one-element arrays for integer keys.
    #[must_use]
    pub fn to_value(&self) -> Value {
        if self.is_unread {
            // No path: who reads it refuses it.
            return Value::from(self.to_string());
        }
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Key(Key::Text(name)) => Value::from(name.as_str()),
                Segment::Key(Key::Integer(key)) => Value::from([*key]),
                Segment::Position(position) => Value::from(*position),
            })
            .collect()
    }

    /// The path a value stands for.
    ///
    /// # Errors
    /// `PathInvalid` when it stands for none.
    pub fn from_value(value: &Value) -> Result<Self> {
        let refuse = || {
            Error::new(ErrorKind::PathInvalid, 0).with_detail(format!(
                "a path is an array of text, positions and one-element arrays, found {}",
                value.type_name()
            ))
        };
        let mut path = Self::root();
        for segment in value.as_array().ok_or_else(refuse)? {
            path = match segment {
                Value::Text(name) => path.child(name.as_str()),
                Value::Integer(position) => {
                    let position = position.as_u64().and_then(|p| usize::try_from(p).ok());
                    path.at(position.ok_or_else(refuse)?)
                }
                Value::Array(key) => match key.as_slice() {
                    [Value::Integer(key)] => path.key(*key),
                    _ => return Err(refuse()),
                },
                _ => return Err(refuse()),
            };
        }
        Ok(path)
    }
}

impl From<&str> for Path {
    /// One field of the document; dots in the name mean nothing. See [`Path::dotted`].
    fn from(field: &str) -> Self {
        Self::field(field)
    }
}

impl From<String> for Path {
    fn from(field: String) -> Self {
        Self::field(field)
    }
}

impl From<&Path> for Path {
    fn from(path: &Path) -> Self {
        path.clone()
    }
}

/// The key in brackets: an integer as it is printed, or nothing for the empty name.
fn bracketed(segment: &str) -> Option<Key> {
    let inner = segment.strip_prefix('[')?.strip_suffix(']')?;
    if inner.is_empty() {
        return Some(Key::Text(String::new()));
    }
    let number: i128 = inner.parse().ok()?;
    let key = Key::Integer(Integer::try_from(number).ok()?);
    // One key has one written form: no sign before what is not negative, no zeros in front.
    (number.to_string() == inner).then_some(key)
}

/// The form that [`Path::dotted`] reads, and as the same path.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            match segment {
                Segment::Position(position) => write!(f, "{position}")?,
                Segment::Key(Key::Integer(key)) => write!(f, "[{key}]")?,
                Segment::Key(Key::Text(name)) if name.is_empty() => f.write_str("[]")?,
                Segment::Key(Key::Text(name)) => {
                    if name.bytes().all(|byte| byte.is_ascii_digit()) {
                        f.write_str("\\")?;
                    }
                    for character in name.chars() {
                        if matches!(character, '.' | '[' | '\\') {
                            f.write_str("\\")?;
                        }
                        write!(f, "{character}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `years.2024` matched nothing where the years are a map, and `remove` did nothing.
    #[test]
    fn a_position_that_meets_a_map_is_the_key_of_its_digits() {
        let document = crate::doc! { "years": { "2024": { "n": 1 }, "7": 2 }, "list": [{ "0": 5 }, 6] };
        let bytes = crate::encode(&document);
        let found =
            |text: &str| crate::lookup(&bytes, &Path::dotted(text).unwrap()).unwrap().and_then(|value| value.as_i64());
        for (text, wanted) in [
            ("years.2024.n", Some(1)),
            ("years.\\2024.n", Some(1)),
            ("years.7", Some(2)),
            ("years.[7]", None),
            ("years.1", None),
            ("list.0.0", Some(5)),
            ("list.1", Some(6)),
            ("list.\\1", None),
        ] {
            assert_eq!(found(text), wanted, "{text}");
        }
        let path = |text: &str| Path::dotted(text).unwrap();
        let patch = Patch::new()
            .set(path("years.2024.n"), 3)
            .set(path("years.2025"), 4)
            .increment(path("years.7"), 1)
            .remove(path("list.0.0"))
            .remove(path("years.9"));
        let changed = crate::decode(&crate::apply(&bytes, &patch).unwrap()).unwrap();
        let years = crate::doc! { "2024": { "n": 3 }, "2025": 4, "7": 3 };
        assert_eq!(changed, crate::doc! { "years": years, "list": [{}, 6] });
        // Nothing says which of the two is to be made.
        let nowhere = Patch::new().set(path("other.0"), 1);
        assert_eq!(crate::apply(&bytes, &nowhere).unwrap_err().kind(), crate::ErrorKind::TypeMismatch);
    }

    #[test]
    fn dotted_and_typed_paths_agree() {
        for (text, path) in [
            ("", Path::root()),
            ("a", Path::field("a")),
            ("a.b.0", Path::field("a").child("b").at(0)),
            ("a.\\0", Path::field("a").child("0")),
            ("a\\.b.c\\\\d", Path::field("a.b").child("c\\d")),
            ("é.10x", Path::field("é").child("10x")),
            ("m.[5].[-3]", Path::field("m").key(5).key(-3)),
            ("[18446744073709551615]", Path::root().key(u64::MAX)),
            ("[].a.[]", Path::field("").child("a").child("")),
            ("\\[5].a\\[5]", Path::field("[5]").child("a[5]")),
            ("\\[].\\[.\\[\\[]]", Path::field("[]").child("[").child("[[]]")),
            ("-a.-", Path::field("-a").child("-")),
        ] {
            assert_eq!(Path::dotted(text).unwrap(), path, "{text}");
            assert_eq!(path.to_string(), text);
            assert_eq!(Path::from_value(&path.to_value()).unwrap(), path);
        }
        for (text, at) in [
            (".", 0),
            ("a.", 2),
            ("a..b", 2),
            ("a\\", 1),
            ("a.01", 4),
            ("99999999999999999999", 20),
            ("a.[x]", 5),
            ("[", 1),
            ("[5", 2),
            ("[5]x", 4),
            ("[05]", 4),
            ("[+5]", 4),
            ("[-0]", 4),
            ("[ 5]", 4),
            ("[\\5]", 4),
            ("[18446744073709551616]", 22),
            ("a[0]", 1),
            ("a.b[0].c", 3),
            ("0[1]", 1),
            ("a[\"x.y\"].z", 1),
            ("\\[[5]", 2),
            ("[[5]]", 5),
        ] {
            let error = Path::dotted(text).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (ErrorKind::PathInvalid, at), "{text}");
        }
    }

    use proptest::prelude::*;

    /// Names of everything that means something in the written form.
    fn names() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::collection::vec(
                prop::sample::select(vec!['.', '\\', '[', ']', '-', '0', '5', 'a', 'é', ' ', '\0', ',']),
                0..6
            )
            .prop_map(|characters| characters.into_iter().collect()),
            any::<String>(),
        ]
    }

    fn segments() -> impl Strategy<Value = Segment> {
        prop_oneof![
            names().prop_map(|name| Segment::Key(Key::Text(name))),
            any::<i64>().prop_map(|key| Segment::Key(Key::Integer(Integer::from(key)))),
            prop::sample::select(vec![0_i128, -1, 1 << 63, (1 << 64) - 1, -(1 << 64)])
                .prop_map(|key| Segment::Key(Key::Integer(Integer::try_from(key).unwrap()))),
            any::<usize>().prop_map(Segment::Position),
            (0..12_usize).prop_map(Segment::Position),
        ]
    }

    proptest! {
        #[test]
        fn a_path_reads_back_from_what_it_prints(segments in prop::collection::vec(segments(), 0..5)) {
            let path = Path { segments, is_unread: false };
            prop_assert_eq!(&Path::dotted(&path.to_string()).unwrap(), &path);
            prop_assert_eq!(Path::from_value(&path.to_value()).unwrap(), path);
        }

        #[test]
        fn what_reads_as_a_path_prints_in_one_form(text in names()) {
            if let Ok(path) = Path::dotted(&text) {
                let printed = path.to_string();
                prop_assert_eq!(&Path::dotted(&printed).unwrap(), &path);
                prop_assert_eq!(Path::dotted(&printed).unwrap().to_string(), printed);
            }
        }
    }
}
