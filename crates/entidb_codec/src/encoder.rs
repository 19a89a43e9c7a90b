//! Writes a document piece by piece, for hosts that have no `Value` tree.
//!
//! Always: what `finish` gives is one canonical document; map entries may come in any order.
//! Does not know: where the pieces come from.
//! Format: docs/spec/encoding.md.

use crate::canonical::{Reader, major, write_float, write_head, write_integer};
use crate::encode::{replace_head, write_key, write_string};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::sorter::{MapMark, Sorter};
use crate::tag;
use crate::value::{Decimal, Integer, KeyRef, Timestamp, Value, VectorRef};
use crate::view::ValueRef;

/// Writes canonical CBOR piece by piece, sorting the entries of maps as they come.
///
/// Mistakes in the order of calls are remembered and reported by [`Encoder::finish`].
///
/// ```
/// use entidb_codec::{doc, encode, Encoder};
/// let mut encoder = Encoder::new();
/// encoder.begin_map(2);
/// encoder.key("title");
/// encoder.text("Hello");
/// encoder.key("at");
/// encoder.integer(7);
/// encoder.end();
/// assert_eq!(encoder.finish()?, encode(&doc! { "at": 7, "title": "Hello" }));
/// # Ok::<(), entidb_codec::Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    out: Vec<u8>,
    base: usize,
    sorter: Sorter,
    open: Vec<Open>,
    limits: Limits,
    items_left: u64,
    failure: Option<Error>,
}

/// More than any item takes that is not made of bytes the caller gives: a decimal has 2 + 9 + 18 bytes.
const ITEM_BYTES: usize = 48;

#[derive(Debug)]
struct Open {
    announced: usize,
    written: usize,
    kind: OpenKind,
}

#[derive(Debug)]
enum OpenKind {
    Document,
    Array { head: usize },
    Map { mark: MapMark, key_given: bool },
    Tag { head: usize, is_known: bool },
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder with an empty buffer and the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::append_to(Vec::new())
    }

    /// An encoder that writes at the end of a buffer, which `finish` gives back.
    #[must_use]
    pub fn append_to(out: Vec<u8>) -> Self {
        Self::within(out, Limits::DEFAULT)
    }

    /// An encoder that writes at the end of a buffer and keeps within the limits.
    #[must_use]
    pub fn within(out: Vec<u8>, limits: Limits) -> Self {
        let base = out.len();
        let document = Open { announced: 1, written: 0, kind: OpenKind::Document };
        let items_left = limits.item_count_max;
        Self { out, base, sorter: Sorter::with_spare(), open: vec![document], limits, items_left, failure: None }
    }

    #[cold]
    fn fail(&mut self, kind: ErrorKind, detail: &str) {
        if self.failure.is_none() {
            let offset = self.out.len() - self.base.min(self.out.len());
            self.failure = Some(Error::new(kind, offset).with_detail(detail));
        }
    }

    /// Makes room for this many bytes and the head of an item; false when there is no memory, which `finish` then says.
    #[inline]
    fn room(&mut self, bytes: usize) -> bool {
        self.out.capacity() - self.out.len() > bytes.saturating_add(ITEM_BYTES) || self.grow(bytes)
    }

    #[inline(never)]
    fn grow(&mut self, bytes: usize) -> bool {
        // As a push would, but without ending the process where there is no memory.
        let grown = self.out.try_reserve(bytes.saturating_add(ITEM_BYTES + 1)).is_ok();
        if !grown {
            self.fail(ErrorKind::OutOfMemory, "the document grows");
        }
        grown
    }

    #[inline]
    fn count_item(&mut self) {
        match self.items_left.checked_sub(1) {
            Some(left) => self.items_left = left,
            None => self.fail(ErrorKind::TooManyItems, "another item is written"),
        }
    }

    /// Notes that an item is about to be written where one is expected.
    #[inline]
    fn item(&mut self) {
        self.count_item();
        let Some(open) = self.open.last_mut() else {
            return;
        };
        match &mut open.kind {
            OpenKind::Map { key_given, .. } if !*key_given => {
                self.fail(ErrorKind::Misuse, "a value of a map has no key");
            }
            OpenKind::Map { key_given, .. } => *key_given = false,
            OpenKind::Document | OpenKind::Tag { .. } if open.written > 0 => {
                self.fail(ErrorKind::Misuse, "a second value is written where one belongs");
            }
            _ => open.written += 1,
        }
    }

    fn begin(&mut self, open: Open) {
        // The document itself is always open, so this many are nested already.
        if self.open.len() > usize::from(self.limits.depth_max) {
            self.fail(ErrorKind::TooDeep, "an array, map or tag begins");
        }
        self.open.push(open);
    }

    /// Writes null.
    pub fn null(&mut self) {
        if !self.room(0) {
            return;
        }
        self.item();
        self.out.push(0xf6);
    }

    /// Writes a bool.
    pub fn bool(&mut self, value: bool) {
        if !self.room(0) {
            return;
        }
        self.item();
        self.out.push(if value { 0xf5 } else { 0xf4 });
    }

    /// Writes an integer.
    #[inline]
    pub fn integer(&mut self, value: impl Into<Integer>) {
        if !self.room(0) {
            return;
        }
        self.item();
        write_integer(&mut self.out, value.into());
    }

    /// Writes a float in its shortest exact width.
    #[inline]
    pub fn float(&mut self, value: f64) {
        if !self.room(0) {
            return;
        }
        self.item();
        write_float(&mut self.out, value);
    }

    /// Writes text.
    #[inline]
    pub fn text(&mut self, value: &str) {
        if !self.room(value.len()) {
            return;
        }
        self.item();
        write_string(&mut self.out, major::TEXT, value.as_bytes());
    }

    /// Writes bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        if !self.room(value.len()) {
            return;
        }
        self.item();
        write_string(&mut self.out, major::BYTES, value);
    }

    /// Writes a timestamp.
    pub fn timestamp(&mut self, value: Timestamp) {
        if !self.room(0) {
            return;
        }
        self.item();
        tag::write_timestamp(&mut self.out, value);
    }

    /// Writes a UUID.
    pub fn uuid(&mut self, id: &[u8; 16]) {
        if !self.room(0) {
            return;
        }
        self.item();
        tag::write_id(&mut self.out, tag::UUID, id);
    }

    /// Writes an entity id.
    pub fn entity_id(&mut self, id: &[u8; 16]) {
        if !self.room(0) {
            return;
        }
        self.item();
        tag::write_id(&mut self.out, tag::ENTITY_ID, id);
    }

    /// Writes a decimal.
    pub fn decimal(&mut self, value: Decimal) {
        if !self.room(0) {
            return;
        }
        self.item();
        tag::write_decimal(&mut self.out, value);
    }

    /// Writes a typed vector.
    pub fn vector(&mut self, value: VectorRef<'_>) {
        if !self.room(value.le_bytes().len()) {
            return;
        }
        self.item();
        tag::write_vector(&mut self.out, value);
    }

    /// Writes a whole value.
    pub fn value(&mut self, value: &Value) {
        self.item();
        let start = self.out.len();
        crate::encode::encode_into(value, &mut self.out);
        self.judge(start);
    }

    /// Writes a whole value that is already encoded.
    pub fn view(&mut self, value: ValueRef<'_>) {
        if !self.room(value.content_bytes()) {
            return;
        }
        self.item();
        let start = self.out.len();
        value.write_into(&mut self.out);
        self.judge(start);
    }

    /// Holds a value that was written whole to what is left of the limits.
    fn judge(&mut self, start: usize) {
        let open = u8::try_from(self.open.len() - 1).unwrap_or(u8::MAX);
        let limits = Limits {
            depth_max: self.limits.depth_max.saturating_sub(open),
            bytes_max: usize::MAX,
            // The value itself was counted when its place was.
            item_count_max: self.items_left.saturating_add(1),
        };
        let mut reader = Reader::new(self.out.get(start..).unwrap_or_default());
        match crate::validate::check_item(&mut reader, &limits) {
            Ok(left) => self.items_left = left,
            Err(error) if self.failure.is_none() => self.failure = Some(error.moved_by(start - self.base)),
            Err(_) => {}
        }
    }

    /// Begins an array of this many items; end it with [`Encoder::end`].
    pub fn begin_array(&mut self, count: usize) {
        if !self.room(0) {
            return;
        }
        self.item();
        let head = self.out.len();
        write_head(&mut self.out, major::ARRAY, count as u64);
        self.begin(Open { announced: count, written: 0, kind: OpenKind::Array { head } });
    }

    /// Begins a map of this many entries, in any order; end it with [`Encoder::end`].
    pub fn begin_map(&mut self, count: usize) {
        if !self.room(0) {
            return;
        }
        self.item();
        let mark = self.sorter.begin(&mut self.out, count);
        let kind = OpenKind::Map { mark, key_given: false };
        self.begin(Open { announced: count, written: 0, kind });
    }

    /// Begins a tag, which holds one item; end it with [`Encoder::end`].
    pub fn begin_tag(&mut self, tag: u64) {
        if !self.room(0) {
            return;
        }
        self.item();
        let head = self.out.len();
        write_head(&mut self.out, major::TAG, tag);
        let kind = OpenKind::Tag { head, is_known: tag::is_known(tag) };
        self.begin(Open { announced: 1, written: 0, kind });
    }

    /// Writes the key of the next entry of a map.
    #[inline]
    pub fn key<'k>(&mut self, key: impl Into<KeyRef<'k>>) {
        let key = key.into();
        let bytes = match &key {
            KeyRef::Text(text) => text.len(),
            KeyRef::Integer(_) => 0,
        };
        if !self.room(bytes) {
            return;
        }
        self.count_item();
        let start = self.out.len();
        match self.open.last_mut() {
            Some(Open { written, kind: OpenKind::Map { mark, key_given }, .. }) if !*key_given => {
                *key_given = true;
                *written += 1;
                write_key(key, &mut self.out);
                if let Err(error) = self.sorter.key_written(&self.out, mark, start) {
                    self.failure.get_or_insert(error);
                }
            }
            _ => self.fail(ErrorKind::Misuse, "a key is written where a value belongs"),
        }
    }

    /// Ends the array, map or tag begun last.
    ///
    /// A count that differs from the one announced is put right, at the cost of moving what was written.
    pub fn end(&mut self) {
        if self.failure.is_some() {
            return;
        }
        let Some(open) = self.open.pop() else { return };
        match open.kind {
            OpenKind::Document => {
                self.open.push(open);
                self.fail(ErrorKind::Misuse, "more is ended than was begun");
            }
            OpenKind::Array { head } if open.written != open.announced => {
                replace_head(&mut self.out, head, major::ARRAY, open.announced, open.written);
            }
            OpenKind::Array { .. } => {}
            OpenKind::Map { key_given: true, .. } => {
                self.fail(ErrorKind::Misuse, "a map ends after a key");
            }
            OpenKind::Map { mark, .. } => {
                if let Err(error) = self.sorter.end(&mut self.out, mark, open.announced) {
                    self.failure = Some(error);
                }
            }
            OpenKind::Tag { .. } if open.written == 0 => {
                self.fail(ErrorKind::Misuse, "a tag ends without its value");
            }
            OpenKind::Tag { head, is_known } => {
                // A tag with a meaning must hold what the meaning allows.
                let written = self.out.get(head..).unwrap_or_default();
                if is_known && let Err(error) = crate::validate(written) {
                    self.failure = Some(error.moved_by(head - self.base.min(head)));
                }
            }
        }
    }

    /// How many bytes are written so far, what was in the buffer before included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing is written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.len() == self.base
    }

    /// The buffer with the finished document at its end.
    ///
    /// # Errors
    /// `Misuse` when the calls described no value, `DuplicateKey` when a map has a key twice, and
    /// `TooDeep`, `TooManyItems` or `TooLarge` when a limit is passed.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        if self.failure.is_none() {
            match self.open.as_slice() {
                [Open { written: 1, .. }] => {}
                [_] => self.fail(ErrorKind::Misuse, "nothing was written"),
                _ => self.fail(ErrorKind::Misuse, "something begun was not ended"),
            }
        }
        if self.out.len() - self.base > self.limits.bytes_max {
            let detail = format!("a document has at most {} bytes", self.limits.bytes_max);
            self.fail(ErrorKind::TooLarge, &detail);
        }
        match self.failure {
            Some(error) => Err(error),
            None => Ok(self.out),
        }
    }
}
