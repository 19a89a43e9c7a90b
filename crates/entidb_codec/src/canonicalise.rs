//! Any well-formed CBOR that a document can hold, to its canonical form.
//!
//! Always: what comes out is canonical, and canonical input comes out unchanged. What is wrong in
//! more than form is refused: a duplicate key is not settled by choosing one.
//! Does not know: values that have no form here, such as `undefined`.
//! Format: docs/spec/encoding.md, "Canonicalising".

use crate::canonical::{Head, Reader, major, write_float, write_head, write_integer};
use crate::encode::write_string;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::sorter::Sorter;
use crate::tag;
use crate::validate;
use crate::value::Integer;

/// The canonical form of a document, within the default limits.
///
/// # Errors
/// What is wrong in more than form, with its offset.
///
/// ```
/// use entidb_codec::canonicalise;
/// // An indefinite map with its keys in another order and a number wider than need be.
/// let loose = b"\xbf\x61b\x18\x01\x61a\x02\xff";
/// assert_eq!(canonicalise(loose)?, b"\xa2\x61a\x02\x61b\x01");
/// # Ok::<(), entidb_codec::Error>(())
/// ```
pub fn canonicalise(bytes: &[u8]) -> Result<Vec<u8>> {
    canonicalise_within(bytes, &Limits::DEFAULT)
}

/// The canonical form of a document, within the limits.
///
/// # Errors
/// What is wrong in more than form, with its offset.
pub fn canonicalise_within(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    validate::check_size(bytes, limits)?;
    // Most mistakes are found before anything is allocated; what is left are equal keys.
    let mut dry = Rewrite::new(bytes, limits, false);
    dry.item(limits.depth_max)?;
    validate::check_end(&dry.reader)?;
    let mut rewrite = Rewrite::new(bytes, limits, true);
    // Only the head of an array or map of indefinite length can grow, by a byte in every 256.
    rewrite.out.reserve_exact(bytes.len() + bytes.len() / 128 + 16);
    rewrite.item(limits.depth_max)?;
    Ok(rewrite.out)
}

/// Walks the input once; when `writes` is false, only judges it.
struct Rewrite<'a> {
    reader: Reader<'a>,
    items_left: u64,
    out: Vec<u8>,
    sorter: Sorter,
    writes: bool,
}

impl<'a> Rewrite<'a> {
    fn new(bytes: &'a [u8], limits: &Limits, writes: bool) -> Self {
        Self {
            reader: Reader::new(bytes),
            items_left: limits.item_count_max,
            out: Vec::new(),
            sorter: Sorter::default(),
            writes,
        }
    }

    fn head(&mut self) -> Result<Head> {
        let head = self.reader.head_of_any_form()?;
        match self.items_left.checked_sub(1) {
            Some(left) => self.items_left = left,
            None => return Err(Error::new(ErrorKind::TooManyItems, head.start)),
        }
        Ok(head)
    }

    fn write_head(&mut self, major: u8, argument: u64) {
        if self.writes {
            write_head(&mut self.out, major, argument);
        }
    }

    fn item(&mut self, depth_left: u8) -> Result<()> {
        let head = self.head()?;
        match head.major {
            major::UNSIGNED | major::NEGATIVE => self.write_head(head.major, head.argument),
            major::BYTES | major::TEXT => self.string(head)?,
            major::ARRAY => {
                let depth_left = validate::descend(depth_left, head.start)?;
                let count = self.count(head)?;
                self.write_head(major::ARRAY, count as u64);
                for _ in 0..count {
                    self.item(depth_left)?;
                }
                self.pass_break(head);
            }
            major::MAP => {
                let depth_left = validate::descend(depth_left, head.start)?;
                self.map(head, depth_left)?;
            }
            major::TAG => self.tagged(head, depth_left)?,
            _ if head.info == Head::INDEFINITE => {
                return Err(stray_break(head));
            }
            _ => {
                validate::check_simple_value(head.info, head.start)?;
                if !self.writes {
                } else if head.info >= 25 {
                    write_float(&mut self.out, head.float());
                } else {
                    self.out.push(0xe0 | head.info);
                }
            }
        }
        Ok(())
    }

    /// The item count of an array or map; counted where the length is indefinite.
    fn count(&mut self, head: Head) -> Result<usize> {
        if head.info != Head::INDEFINITE {
            return self.reader.count(head);
        }
        let start = self.reader;
        let mut items: usize = 0;
        while !self.at_break() {
            skip_any_form(&mut self.reader)?;
            items += 1;
        }
        self.reader = start;
        if head.major == major::MAP {
            if !items.is_multiple_of(2) {
                return Err(Error::new(ErrorKind::Malformed, head.start).with_detail("a map ends after a key"));
            }
            return Ok(items / 2);
        }
        Ok(items)
    }

    fn at_break(&self) -> bool {
        self.reader.bytes.get(self.reader.position) == Some(&0xff)
    }

    fn pass_break(&mut self, head: Head) {
        if head.info == Head::INDEFINITE {
            self.reader.position += 1;
        }
    }

    fn map(&mut self, head: Head, depth_left: u8) -> Result<()> {
        let count = self.count(head)?;
        let mut mark = self.writes.then(|| {
            self.sorter.reserve(count);
            self.sorter.begin(&mut self.out, count)
        });
        for _ in 0..count {
            let key = self.head()?;
            let start = self.out.len();
            match key.major {
                major::UNSIGNED | major::NEGATIVE => self.write_head(key.major, key.argument),
                major::TEXT => self.string(key)?,
                _ => return Err(Error::new(ErrorKind::KeyType, key.start)),
            }
            if let Some(mark) = &mut mark {
                self.sorter.key_written(&self.out, mark, start)?;
            }
            self.item(depth_left)?;
        }
        self.pass_break(head);
        if let Some(mark) = mark {
            // The output is not the input, so the place of the map is all that can be told.
            self.sorter
                .end(&mut self.out, mark, count)
                .map_err(|error| Error::new(error.kind(), head.start).with_detail("the offset is that of the map"))?;
        }
        Ok(())
    }

    fn string(&mut self, head: Head) -> Result<()> {
        if head.info != Head::INDEFINITE {
            let bytes: &[u8] = if head.major == major::TEXT {
                self.reader.text(head)?.as_bytes()
            } else {
                self.reader.string(head)?
            };
            if self.writes {
                write_string(&mut self.out, head.major, bytes);
            }
            return Ok(());
        }
        // Once for the length, once for the bytes.
        let start = self.reader;
        let mut length: u64 = 0;
        self.chunks(head, |_, chunk| length += chunk.len() as u64)?;
        self.reader = start;
        self.write_head(head.major, length);
        let writes = self.writes;
        self.chunks(head, |out, chunk| {
            if writes {
                out.extend_from_slice(chunk);
            }
        })?;
        self.reader.position += 1;
        Ok(())
    }

    /// The pieces of a string of indefinite length; leaves the reader at its break.
    fn chunks(&mut self, head: Head, mut each: impl FnMut(&mut Vec<u8>, &[u8])) -> Result<()> {
        while !self.at_break() {
            let piece = self.reader.head_of_any_form()?;
            if piece.major != head.major || piece.info == Head::INDEFINITE {
                return Err(Error::new(ErrorKind::Malformed, piece.start)
                    .with_detail("a piece of a string is not a string of the same kind"));
            }
            let bytes: &[u8] = if head.major == major::TEXT {
                self.reader.text(piece)?.as_bytes()
            } else {
                self.reader.string(piece)?
            };
            each(&mut self.out, bytes);
        }
        Ok(())
    }

    fn tagged(&mut self, head: Head, depth_left: u8) -> Result<()> {
        if !tag::is_known(head.argument) {
            let depth_left = validate::descend(depth_left, head.start)?;
            self.write_head(major::TAG, head.argument);
            return self.item(depth_left);
        }
        // The content's form is put right first, and then judged with its tag.
        let mut content = Rewrite::new(self.reader.bytes, &Limits::DEFAULT, true);
        content.reader = self.reader;
        content.items_left = KNOWN_TAG_ITEMS_MAX;
        content.item(KNOWN_TAG_DEPTH_MAX).map_err(|error| match error.kind() {
            ErrorKind::TooDeep | ErrorKind::TooManyItems => Error::new(ErrorKind::TagContent, head.start),
            _ => error,
        })?;
        self.reader = content.reader;
        let mut whole = Vec::new();
        write_known(head, &content.out, &mut whole)?;
        let limits = Limits { bytes_max: usize::MAX, ..Limits::DEFAULT };
        validate::validate_within(&whole, &limits).map_err(|error| Error::new(error.kind(), head.start))?;
        if matches!(head.argument, tag::POSITIVE_BIGNUM | tag::NEGATIVE_BIGNUM)
            && whole.first().is_some_and(|first| first >> 5 == major::TAG)
        {
            validate::descend(depth_left, head.start)?;
        }
        if self.writes {
            self.out.extend_from_slice(&whole);
        }
        Ok(())
    }
}

/// A decimal, its two numbers, and the string of a bignum: no known tag holds more.
const KNOWN_TAG_ITEMS_MAX: u64 = 5;
const KNOWN_TAG_DEPTH_MAX: u8 = 3;

/// Writes a known tag with canonical content, in the form its meaning asks for.
fn write_known(head: Head, content: &[u8], whole: &mut Vec<u8>) -> Result<()> {
    let mut reader = Reader::new(content);
    let inner = reader.head()?;
    if inner.major != major::BYTES {
        write_head(whole, major::TAG, head.argument);
        whole.extend_from_slice(content);
        return Ok(());
    }
    let bytes = reader.string(inner)?;
    if let Some(kind) = tag::big_endian_kind(head.argument) {
        write_head(whole, major::TAG, kind.tag());
        write_head(whole, major::BYTES, bytes.len() as u64);
        for element in bytes.chunks(kind.element_bytes()) {
            whole.extend(element.iter().rev());
        }
    } else if matches!(head.argument, tag::POSITIVE_BIGNUM | tag::NEGATIVE_BIGNUM) {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let significant = bytes.get(zeros..).unwrap_or_default();
        let small = if significant.len() <= 8 { tag::bignum_to_i128(head.argument, significant) } else { None };
        match small.map(Integer::try_from) {
            Some(Ok(integer)) => write_integer(whole, integer),
            _ => {
                write_head(whole, major::TAG, head.argument);
                write_string(whole, major::BYTES, significant);
            }
        }
    } else {
        write_head(whole, major::TAG, head.argument);
        whole.extend_from_slice(content);
    }
    Ok(())
}

/// Passes over one item of any form, without recursion.
fn skip_any_form(reader: &mut Reader<'_>) -> Result<()> {
    // How many items each open level still waits for; `None` where it waits for a break.
    let mut levels: Vec<Option<usize>> = Vec::new();
    loop {
        let at_break = reader.bytes.get(reader.position) == Some(&0xff);
        if at_break && matches!(levels.last(), Some(None)) {
            reader.position += 1;
            levels.pop();
        } else {
            let head = reader.head_of_any_form()?;
            let opened = match head.major {
                major::BYTES..=major::MAP if head.info == Head::INDEFINITE => Some(None),
                major::BYTES | major::TEXT => {
                    reader.string(head)?;
                    None
                }
                major::ARRAY => Some(Some(reader.count(head)?)),
                major::MAP => Some(Some(2 * reader.count(head)?)),
                major::TAG => Some(Some(1)),
                _ if head.info == Head::INDEFINITE => return Err(stray_break(head)),
                _ => None,
            };
            if let Some(level) = opened.filter(|level| *level != Some(0)) {
                levels.push(level);
                if levels.len() > usize::from(u8::MAX) {
                    return Err(Error::new(ErrorKind::TooDeep, head.start));
                }
                continue;
            }
        }
        // An item ended, and with it every level for which it was the last.
        loop {
            match levels.last_mut() {
                None => return Ok(()),
                Some(None) => break,
                Some(Some(left)) => {
                    *left -= 1;
                    if *left > 0 {
                        break;
                    }
                    levels.pop();
                }
            }
        }
    }
}

fn stray_break(head: Head) -> Error {
    Error::new(ErrorKind::Malformed, head.start).with_detail("a break stands where an item was expected")
}
