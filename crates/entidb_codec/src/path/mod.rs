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
pub use lookup::{lookup, lookup_raw};
pub use patch::{Operation, Patch};

use crate::error::{Error, ErrorKind, Result};
use crate::value::{Key, Value};

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
}

impl Path {
    /// The path to the document itself.
    #[must_use]
    pub const fn root() -> Self {
        Self { segments: Vec::new() }
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

    /// Reads the written form: segments between dots. A segment of digits is a position; any other
    /// is a field. A backslash makes the next character part of a field's name.
    ///
    /// `a.0` is position 0 of field `a`; `a.\0` is field `0` of it; `a\.b` is one field; the empty
    /// text is the document itself. Integer keys have no dotted form.
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
        let mut is_escaped = false;
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
                '.' if name.is_empty() => return refuse(at, "a segment is empty"),
                '.' => {
                    let field = std::mem::take(&mut name);
                    let is_position = !is_escaped && field.bytes().all(|b| b.is_ascii_digit());
                    is_escaped = false;
                    path = if !is_position {
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
                _ => name.push(character),
            }
        }
        Ok(path)
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

/// The dotted form; an integer key, which has none, stands in brackets.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            match segment {
                Segment::Position(position) => write!(f, "{position}")?,
                Segment::Key(Key::Integer(key)) => write!(f, "[{key}]")?,
                Segment::Key(Key::Text(name)) => {
                    if name.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() {
                        f.write_str("\\")?;
                    }
                    for character in name.chars() {
                        if matches!(character, '.' | '\\') {
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

    #[test]
    fn dotted_and_typed_paths_agree() {
        for (text, path) in [
            ("", Path::root()),
            ("a", Path::field("a")),
            ("a.b.0", Path::field("a").child("b").at(0)),
            ("a.\\0", Path::field("a").child("0")),
            ("a\\.b.c\\\\d", Path::field("a.b").child("c\\d")),
            ("é.10x", Path::field("é").child("10x")),
        ] {
            assert_eq!(Path::dotted(text).unwrap(), path, "{text}");
            assert_eq!(path.to_string(), text);
            assert_eq!(Path::from_value(&path.to_value()).unwrap(), path);
        }
        for (text, at) in [(".", 0), ("a.", 2), ("a..b", 2), ("a\\", 1), ("a.01", 4), ("99999999999999999999", 20)] {
            let error = Path::dotted(text).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (ErrorKind::PathInvalid, at), "{text}");
        }
    }
}
