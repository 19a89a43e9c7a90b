//! The shortest-form rules in one place: item heads, and floats.
//!
//! Always: what `write_*` writes, `Reader` accepts, and it accepts no other form.
//! Does not know: values, tags, or the order of map keys.
//! Format: docs/spec/encoding.md, "Canonical form" (RFC 8949, section 4.2.1).

use crate::error::{Error, ErrorKind, Result};
use crate::float::{NAN_16, f16_to_f32, f32_to_f16_exact, f64_to_f32_exact};
use crate::value::Integer;

/// The major types, as the top three bits of a head give them.
pub(crate) mod major {
    pub(crate) const UNSIGNED: u8 = 0;
    pub(crate) const NEGATIVE: u8 = 1;
    pub(crate) const BYTES: u8 = 2;
    pub(crate) const TEXT: u8 = 3;
    pub(crate) const ARRAY: u8 = 4;
    pub(crate) const MAP: u8 = 5;
    pub(crate) const TAG: u8 = 6;
    pub(crate) const SIMPLE: u8 = 7;
}

/// Writes an item's head in its shortest form.
#[inline]
// Each arm bounds the argument.
pub(crate) fn write_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let top = major << 5;
    match argument {
        0..=23 => out.push(top | argument as u8),
        24..=0xff => out.extend_from_slice(&[top | 24, argument as u8]),
        0x100..=0xffff => {
            let [a, b] = (argument as u16).to_be_bytes();
            out.extend_from_slice(&[top | 25, a, b]);
        }
        0x1_0000..=0xffff_ffff => {
            let [a, b, c, d] = (argument as u32).to_be_bytes();
            out.extend_from_slice(&[top | 26, a, b, c, d]);
        }
        _ => {
            let [a, b, c, d, e, f, g, h] = argument.to_be_bytes();
            out.extend_from_slice(&[top | 27, a, b, c, d, e, f, g, h]);
        }
    }
}

#[inline]
pub(crate) fn write_integer(out: &mut Vec<u8>, integer: Integer) {
    let major = if integer.is_negative() { major::NEGATIVE } else { major::UNSIGNED };
    write_head(out, major, integer.argument());
}

/// Mantissa bits of a double that no single has; one of them set settles the width at once.
pub(crate) const BEYOND_SINGLE: u64 = 0x1fff_ffff;

/// Writes a float in the shortest width that holds it exactly.
#[inline]
pub(crate) fn write_float(out: &mut Vec<u8>, value: f64) {
    if value.to_bits() & BEYOND_SINGLE != 0 && !value.is_nan() {
        let [a, b, c, d, e, f, g, h] = value.to_bits().to_be_bytes();
        out.extend_from_slice(&[0xfb, a, b, c, d, e, f, g, h]);
    } else {
        write_short_float(out, value);
    }
}

fn write_short_float(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        let [a, b] = NAN_16.to_be_bytes();
        out.extend_from_slice(&[0xf9, a, b]);
        return;
    }
    let Some(single) = f64_to_f32_exact(value) else {
        let [a, b, c, d, e, f, g, h] = value.to_bits().to_be_bytes();
        out.extend_from_slice(&[0xfb, a, b, c, d, e, f, g, h]);
        return;
    };
    if let Some(half) = f32_to_f16_exact(single) {
        let [a, b] = half.to_be_bytes();
        out.extend_from_slice(&[0xf9, a, b]);
    } else {
        let [a, b, c, d] = single.to_bits().to_be_bytes();
        out.extend_from_slice(&[0xfa, a, b, c, d]);
    }
}

/// An item's first bytes: its major type, the low five bits, and the argument they lead to.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub(crate) major: u8,
    pub(crate) info: u8,
    pub(crate) argument: u64,
    /// Where the head begins; errors about the item point here.
    pub(crate) start: usize,
}

impl Head {
    pub(crate) const INDEFINITE: u8 = 31;

    /// The integer of a head of major type 0 or 1.
    #[inline]
    pub(crate) fn integer(self) -> Integer {
        if self.major == major::NEGATIVE { Integer::negative(self.argument) } else { Integer::unsigned(self.argument) }
    }

    /// The float of a head of major type 7 with additional information 25 to 27.
    #[inline]
    // The argument has the width of the form.
    pub(crate) fn float(self) -> f64 {
        match self.info {
            25 => f64::from(f16_to_f32(self.argument as u16)),
            26 => f64::from(f32::from_bits(self.argument as u32)),
            _ => f64::from_bits(self.argument),
        }
    }
}

/// Reads heads and strings from bytes, and knows where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) position: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The bytes from one place to another, both of which the reader has passed.
    #[inline]
    pub(crate) fn between(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The next head, refusing any but the canonical form.
    #[inline(always)]
    pub(crate) fn head(&mut self) -> Result<Head> {
        self.head_in_form::<true>()
    }

    /// The next head in any well-formed form, indefinite ones and breaks included.
    pub(crate) fn head_of_any_form(&mut self) -> Result<Head> {
        self.head_in_form::<false>()
    }

    // Inlined into every reader, with the rarer long forms left out: most heads are one byte, and a
    // `Head` that never leaves registers halved the time of `validate` (2026-11).
    #[inline(always)]
    fn head_in_form<const STRICT: bool>(&mut self) -> Result<Head> {
        let start = self.position;
        let Some(&initial) = self.bytes.get(start) else {
            return Err(no_item(start));
        };
        let (major, info) = (initial >> 5, initial & 0x1f);
        self.position = start + 1;
        let argument = if info < 24 { u64::from(info) } else { self.long_argument::<STRICT>(initial)? };
        Ok(Head { major, info, argument, start })
    }

    /// The argument of a head whose first byte was just passed and leads to more.
    #[inline(never)]
    fn long_argument<const STRICT: bool>(&mut self, initial: u8) -> Result<u64> {
        let start = self.position - 1;
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let (argument, size, least) = match initial & 0x1f {
            24 => match rest.first() {
                Some(byte) => (u64::from(*byte), 1, 24),
                None => return Err(cut_head(start)),
            },
            25 => match rest.first_chunk::<2>() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2, 0x100),
                None => return Err(cut_head(start)),
            },
            26 => match rest.first_chunk::<4>() {
                Some(bytes) => (u64::from(u32::from_be_bytes(*bytes)), 4, 0x1_0000),
                None => return Err(cut_head(start)),
            },
            27 => match rest.first_chunk::<8>() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8, 0x1_0000_0000),
                None => return Err(cut_head(start)),
            },
            _ => return odd_argument::<STRICT>(start, initial).map(|()| 0),
        };
        if initial >> 5 == major::SIMPLE {
            let head = Head { major: major::SIMPLE, info: initial & 0x1f, argument, start };
            check_simple::<STRICT>(head)?;
        } else if STRICT && argument < least {
            return Err(Error::new(ErrorKind::NotShortest, start));
        }
        self.position += size;
        Ok(argument)
    }

    /// The bytes of a string whose head was just read.
    #[inline(always)]
    pub(crate) fn string(&mut self, head: Head) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        // A length that does not fit in memory is longer than the rest in any case.
        let length = usize::try_from(head.argument).unwrap_or(usize::MAX);
        match rest.get(..length) {
            Some(found) => {
                self.position += length;
                Ok(found)
            }
            None => Err(self.too_few(head, "bytes")),
        }
    }

    /// The text of a string whose head was just read.
    #[inline]
    pub(crate) fn text(&mut self, head: Head) -> Result<&'a str> {
        let bytes = self.string(head)?;
        self.judged_text(bytes)
    }

    /// The text of the bytes the reader has just passed.
    #[inline]
    pub(crate) fn judged_text(&self, bytes: &'a [u8]) -> Result<&'a str> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(error) => Err(self.not_utf8(bytes, error)),
        }
    }

    /// Passes over text, judging it.
    #[inline]
    pub(crate) fn check_text(&mut self, head: Head) -> Result<()> {
        let bytes = self.string(head)?;
        // Most text is ASCII, and that is cheaper to see than to validate.
        if bytes.is_ascii() {
            return Ok(());
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.not_utf8(bytes, error)),
        }
    }

    #[cold]
    fn not_utf8(&self, bytes: &[u8], error: std::str::Utf8Error) -> Error {
        let at = self.position - bytes.len() + error.valid_up_to();
        Error::new(ErrorKind::InvalidUtf8, at)
    }

    /// The item count of an array or map whose head was just read, if the rest could hold as many.
    #[inline]
    pub(crate) fn count(&self, head: Head) -> Result<usize> {
        let least_bytes = if head.major == major::MAP { 2 } else { 1 };
        match usize::try_from(head.argument) {
            Ok(count) if count <= self.remaining() / least_bytes => Ok(count),
            _ => Err(self.too_few(head, "items")),
        }
    }

    #[cold]
    fn too_few(&self, head: Head, what: &str) -> Error {
        let left = self.remaining();
        let found = format!("more {what} are announced than the {left} bytes that are left can hold");
        truncated(head.start, &found)
    }

    /// Passes over one item without looking into its text or the order of its keys.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.skip_items(1)
    }

    /// Passes over this many items in a row.
    pub(crate) fn skip_items(&mut self, count: usize) -> Result<()> {
        let mut reader = *self;
        let mut pending = count - reader.skip_run(count);
        loop {
            pending = reader.skip_quickly(pending);
            let Some(left) = pending.checked_sub(1) else { break };
            // At most the bytes there are, so the sum cannot overflow.
            pending = left + reader.skip_head()?;
        }
        *self = reader;
        Ok(())
    }

    /// Passes over items up to the first whose size takes more than a look to know, and says how many
    /// remain.
    #[inline]
    fn skip_quickly(&mut self, mut pending: usize) -> usize {
        // The loop keeps this in registers, where it would keep a reader in memory.
        let mut rest = self.bytes.get(self.position..).unwrap_or_default();
        while pending > 0 {
            let Some((size, inner)) = quick_size(rest) else { break };
            // Whatever lies inside needs a byte at least.
            let Some(after) = rest.get(size..).filter(|after| inner <= after.len()) else { break };
            rest = after;
            pending = pending.wrapping_sub(1).wrapping_add(inner);
        }
        self.position = self.bytes.len() - rest.len();
        pending
    }

    /// Passes over one item except for the items in it, and says how many of those remain.
    #[inline]
    fn skip_head(&mut self) -> Result<usize> {
        let head = self.head()?;
        match head.major {
            major::UNSIGNED | major::NEGATIVE | major::SIMPLE => Ok(0),
            major::BYTES | major::TEXT => self.string(head).map(|_| 0),
            major::ARRAY => {
                let count = self.count(head)?;
                Ok(count - self.skip_run(count))
            }
            major::MAP => Ok(2 * self.count(head)?),
            _ => Ok(1),
        }
    }

    /// Passes over the items of one size with which a long row of this many begins, and says how many
    /// those were: a step of known size for each, where passing over any item asks what it is.
    #[inline]
    fn skip_run(&mut self, count: usize) -> usize {
        if count < RUN_MIN {
            return 0;
        }
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let (passed, size) = match rest.first() {
            Some(0x00..=0x17 | 0x20..=0x37 | 0xe0..=0xf7) => (run_of_bytes(rest, count), 1),
            Some(0x19 | 0x39 | 0xf9) => (run_of::<3>(rest, count), 3),
            Some(0x1a | 0x3a | 0xfa) => (run_of::<5>(rest, count), 5),
            Some(0x1b | 0x3b | 0xfb) => (run_of::<9>(rest, count), 9),
            _ => return 0,
        };
        // At most the bytes there are.
        self.position += passed * size;
        passed
    }
}

/// The size of the item at the front without the items in it, and how many those are, where both follow
/// from its first byte, or from the second of a text. Branches and not a table of sizes, because a
/// branch is predicted while a load makes each step wait for the one before.
#[inline(always)]
fn quick_size(rest: &[u8]) -> Option<(usize, usize)> {
    let initial = *rest.first()?;
    let info = usize::from(initial & 0x1f);
    match initial {
        0x60..=0x77 | 0x40..=0x57 => Some((1 + info, 0)),
        0x78 => match rest.get(1) {
            Some(length @ 24..) => Some((2 + usize::from(*length), 0)),
            _ => None,
        },
        0x00..=0x17 | 0x20..=0x37 | 0xe0..=0xf7 => Some((1, 0)),
        // Longer ones may be runs.
        0x80..=0x87 => Some((1, info)),
        0xa0..=0xb7 => Some((1, 2 * info)),
        0xfb | 0x1b | 0x3b => Some((9, 0)),
        0xfa | 0x1a | 0x3a => Some((5, 0)),
        0xf9 | 0x19 | 0x39 => Some((3, 0)),
        0x18 | 0x38 => Some((2, 0)),
        _ => None,
    }
}

/// Rows of fewer items are not worth asking whether they are a run.
const RUN_MIN: usize = 8;

/// How many items of this size begin like the first one.
#[inline(never)]
fn run_of<const SIZE: usize>(rest: &[u8], count: usize) -> usize {
    let initial = rest.first();
    let items = rest.as_chunks::<SIZE>().0;
    let items = items.get(..count).unwrap_or(items);
    items.iter().position(|item| item.first() != initial).unwrap_or(items.len())
}

/// How many items of one byte follow each other.
#[inline(never)]
fn run_of_bytes(rest: &[u8], count: usize) -> usize {
    const WIDE: usize = 16;
    let is_whole = |byte: u8| (byte & 0x1f) < 0x18 && !(0x40..0xe0).contains(&byte);
    let items = rest.get(..count).unwrap_or(rest);
    // Without an early exit inside a chunk, so that all its bytes are compared at once.
    let (chunks, _) = items.as_chunks::<WIDE>();
    let wide = chunks.iter().position(|chunk| !chunk.iter().fold(true, |all, byte| all & is_whole(*byte)));
    let passed = wide.unwrap_or(chunks.len()) * WIDE;
    let rest = items.get(passed..).unwrap_or_default();
    passed + rest.iter().position(|byte| !is_whole(*byte)).unwrap_or(rest.len())
}

/// A first byte that never begins an item, so that the end of input takes the slower way.
const END_OF_INPUT: u8 = 0xff;

/// By first byte, how many bytes the whole item takes, where the first byte alone tells; else 0.
pub(crate) const WHOLE_SIZE: [u8; 256] = {
    let mut sizes = [0; 256];
    let mut initial = 0_u8;
    while initial < END_OF_INPUT {
        let (major, info) = (initial >> 5, initial & 0x1f);
        let is_string = major == major::BYTES || major == major::TEXT;
        let is_number = major == major::UNSIGNED || major == major::NEGATIVE || major == major::SIMPLE;
        #[expect(clippy::indexing_slicing, reason = "a byte indexes 256 places, at compile time")]
        let place = &mut sizes[initial as usize];
        *place = match info {
            0..=23 if is_string => 1 + info,
            0..=23 if is_number => 1,
            24 if is_number => 2,
            25 if is_number => 3,
            26 if is_number => 5,
            27 if is_number => 9,
            _ => 0,
        };
        initial += 1;
    }
    sizes
};

/// Accepts the heads of indefinite items where they are allowed, and refuses reserved ones.
#[cold]
fn odd_argument<const STRICT: bool>(start: usize, initial: u8) -> Result<()> {
    let (major, info) = (initial >> 5, initial & 0x1f);
    let has_indefinite_form = (major::BYTES..=major::MAP).contains(&major);
    if info == Head::INDEFINITE && has_indefinite_form && STRICT {
        return Err(Error::new(ErrorKind::IndefiniteLength, start));
    }
    if info == Head::INDEFINITE && !STRICT && (has_indefinite_form || major == major::SIMPLE) {
        return Ok(());
    }
    let detail = if major == major::SIMPLE && info == Head::INDEFINITE {
        "a break stands where an item was expected"
    } else {
        "the head uses a reserved form"
    };
    Err(Error::new(ErrorKind::Malformed, start).with_detail(detail))
}

fn check_simple<const STRICT: bool>(head: Head) -> Result<()> {
    match head.info {
        24 if head.argument < 32 => {
            Err(Error::new(ErrorKind::Malformed, head.start)
                .with_detail("a simple value below 32 is written in two bytes"))
        }
        24 => Ok(()),
        _ if !STRICT => Ok(()),
        _ => {
            let value = head.float();
            let is_shortest = match head.info {
                25 => !value.is_nan() || head.argument == u64::from(NAN_16),
                _ if value.is_nan() => false,
                26 => f64_to_f32_exact(value).and_then(f32_to_f16_exact).is_none(),
                _ => head.argument & BEYOND_SINGLE != 0 || f64_to_f32_exact(value).is_none(),
            };
            if is_shortest { Ok(()) } else { Err(Error::new(ErrorKind::NotShortestFloat, head.start)) }
        }
    }
}

#[cold]
fn no_item(start: usize) -> Error {
    truncated(start, "an item was expected and no byte is left")
}

#[cold]
fn cut_head(start: usize) -> Error {
    truncated(start, "the head of an item is incomplete")
}

#[cold]
pub(crate) fn truncated(start: usize, detail: &str) -> Error {
    Error::new(ErrorKind::Truncated, start).with_detail(detail)
}
