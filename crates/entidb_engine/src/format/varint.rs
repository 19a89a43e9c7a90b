//! Whole numbers in as few bytes as they need: seven bits a byte, low bits first, the top bit says "more".
//!
//! Always: the shortest form is written and only the shortest form is read, so equal numbers have equal bytes.
//! Format: docs/spec/file-format.md, "Numbers".

/// Appends a number.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a length and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// How many bytes a number takes.
#[inline]
pub(crate) const fn varint_len(number: u64) -> usize {
    if number < 0x80 {
        return 1;
    }
    let bits = 64 - (number | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Reads bytes from front to back; every read says `None` when the bytes end early or are not in shortest form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the front of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// A reader at `position`, which may lie past the end; then every read says `None`.
    pub(crate) const fn at(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    /// How many bytes were read.
    pub(crate) const fn position(&self) -> usize {
        self.position
    }

    /// True when nothing is left.
    pub(crate) const fn is_done(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// One byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    /// A number.
    #[inline]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        let mut number = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return if byte == 0 { None } else { Some(number) };
            }
        }
        None
    }

    /// A number that fits this machine's sizes.
    #[inline]
    pub(crate) fn size(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.position.checked_add(len)?;
        let taken = self.bytes.get(self.position..end)?;
        self.position = end;
        Some(taken)
    }

    /// A length and that many bytes.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.size()?;
        self.take(len)
    }

    /// The next `N` bytes as an array.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Two bytes, low first.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, low first.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, low first.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_their_shortest_form() {
        let mut numbers = vec![0, 1, 127, 128, 16_383, 16_384, u64::MAX - 1, u64::MAX];
        numbers.extend((0..64).map(|shift| 1_u64 << shift));
        for number in numbers {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            assert_eq!(bytes.len(), varint_len(number));
            assert!(bytes.len() <= 10);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.varint(), Some(number));
            assert!(reader.is_done());
        }
    }

    #[test]
    fn long_forms_cut_forms_and_overflow_are_refused() {
        for bytes in [&[0x80, 0x00][..], &[0x80], &[], &[0xff; 10], &[0xff; 11]] {
            assert_eq!(Reader::new(bytes).varint(), None, "{bytes:?}");
        }
        assert_eq!(Reader::new(&[5, 1, 2]).bytes(), None);
    }
}
