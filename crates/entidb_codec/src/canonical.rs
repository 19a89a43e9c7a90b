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
    let major = if integer.is_negative() {
        major::NEGATIVE
    } else {
        major::UNSIGNED
    };
    write_head(out, major, integer.argument());
}

/// Writes a float in the shortest width that holds it exactly.
#[inline]
pub(crate) fn write_float(out: &mut Vec<u8>, value: f64) {
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
        if self.major == major::NEGATIVE {
            Integer::negative(self.argument)
        } else {
            Integer::unsigned(self.argument)
        }
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
    #[inline]
    pub(crate) fn head(&mut self) -> Result<Head> {
        self.head_in_form::<true>()
    }

    /// The next head in any well-formed form, indefinite ones and breaks included.
    pub(crate) fn head_of_any_form(&mut self) -> Result<Head> {
        self.head_in_form::<false>()
    }

    #[inline]
    fn head_in_form<const STRICT: bool>(&mut self) -> Result<Head> {
        let start = self.position;
        let Some(&initial) = self.bytes.get(start) else {
            return Err(truncated(start, "an item was expected and no byte is left"));
        };
        let (major, info) = (initial >> 5, initial & 0x1f);
        if info < 24 {
            self.position = start + 1;
            return Ok(Head {
                major,
                info,
                argument: u64::from(info),
                start,
            });
        }
        self.long_head::<STRICT>(start, major, info)
    }

    #[inline]
    fn long_head<const STRICT: bool>(&mut self, start: usize, major: u8, info: u8) -> Result<Head> {
        let rest = self.bytes.get(start + 1..).unwrap_or_default();
        let (argument, size, least) = match info {
            24 => match rest.first_chunk::<1>() {
                Some(bytes) => (u64::from(u8::from_be_bytes(*bytes)), 1, 24),
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
            _ => return self.odd_head::<STRICT>(start, major, info),
        };
        let head = Head {
            major,
            info,
            argument,
            start,
        };
        if major == major::SIMPLE {
            check_simple::<STRICT>(head)?;
        } else if STRICT && argument < least {
            return Err(Error::new(ErrorKind::NotShortest, start));
        }
        self.position = start + 1 + size;
        Ok(head)
    }

    #[cold]
    fn odd_head<const STRICT: bool>(&mut self, start: usize, major: u8, info: u8) -> Result<Head> {
        let has_indefinite_form = (major::BYTES..=major::MAP).contains(&major);
        if info == Head::INDEFINITE && (has_indefinite_form || (major == major::SIMPLE && !STRICT))
        {
            if STRICT {
                return Err(Error::new(ErrorKind::IndefiniteLength, start));
            }
            self.position = start + 1;
            return Ok(Head {
                major,
                info,
                argument: 0,
                start,
            });
        }
        let detail = if major == major::SIMPLE && info == Head::INDEFINITE {
            "a break stands where an item was expected"
        } else {
            "the head uses a reserved form"
        };
        Err(Error::new(ErrorKind::Malformed, start).with_detail(detail))
    }

    /// The bytes of a string whose head was just read.
    #[inline]
    pub(crate) fn string(&mut self, head: Head) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        match usize::try_from(head.argument)
            .ok()
            .and_then(|length| rest.get(..length))
        {
            Some(found) => {
                self.position += found.len();
                Ok(found)
            }
            None => Err(self.too_few(head, "bytes")),
        }
    }

    /// The text of a string whose head was just read.
    #[inline]
    pub(crate) fn text(&mut self, head: Head) -> Result<&'a str> {
        let bytes = self.string(head)?;
        std::str::from_utf8(bytes).map_err(|error| {
            let at = self.position - bytes.len() + error.valid_up_to();
            Error::new(ErrorKind::InvalidUtf8, at)
        })
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
        let found = format!(
            "{} {what} are announced and {left} bytes are left",
            head.argument
        );
        truncated(head.start, &found)
    }

    /// Passes over one item without looking into its text or the order of its keys.
    #[inline]
    pub(crate) fn skip(&mut self) -> Result<()> {
        let mut pending: usize = 1;
        while pending > 0 {
            pending -= 1;
            let head = self.head()?;
            match head.major {
                major::BYTES | major::TEXT => {
                    self.string(head)?;
                }
                // A count is at most the bytes left, so the sum cannot overflow.
                major::ARRAY => pending += self.count(head)?,
                major::MAP => pending += 2 * self.count(head)?,
                major::TAG => pending += 1,
                _ => {}
            }
        }
        Ok(())
    }
}

fn check_simple<const STRICT: bool>(head: Head) -> Result<()> {
    match head.info {
        24 if head.argument < 32 => Err(Error::new(ErrorKind::Malformed, head.start)
            .with_detail("a simple value below 32 is written in two bytes")),
        24 => Ok(()),
        _ if !STRICT => Ok(()),
        _ => {
            let value = head.float();
            let is_shortest = match head.info {
                25 => !value.is_nan() || head.argument == u64::from(NAN_16),
                _ if value.is_nan() => false,
                26 => f64_to_f32_exact(value).and_then(f32_to_f16_exact).is_none(),
                _ => f64_to_f32_exact(value).is_none(),
            };
            if is_shortest {
                Ok(())
            } else {
                Err(Error::new(ErrorKind::NotShortestFloat, head.start))
            }
        }
    }
}

#[cold]
fn cut_head(start: usize) -> Error {
    truncated(start, "the head of an item is incomplete")
}

#[cold]
pub(crate) fn truncated(start: usize, detail: &str) -> Error {
    Error::new(ErrorKind::Truncated, start).with_detail(detail)
}
