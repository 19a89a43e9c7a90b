//! Recognises the keys of structs by the names of their fields.
//!
//! Always: what is recognised equals the key to the byte, so a wrong guess costs time and nothing else.
//! Does not know: which field a name leads to; the type says that.

use std::cell::Cell;

/// Structs of up to this many fields have their keys recognised; looking among more would cost more
/// than it saves.
const FIELDS_MAX: usize = 16;

thread_local! {
    /// What was known at the end of the thread's last document. The next is mostly of the same type.
    static LAST: Cell<Guesses> = const { Cell::new(Guesses::NONE) };
}

/// Recognises the keys of structs in a list, and of documents that are read one after the other: one
/// that equals the name of a field is known to be text without being judged (measured 2026-11: judging
/// short keys was an eighth of reading structs).
#[derive(Clone, Copy)]
pub(super) struct Guesses {
    /// Of the struct type met last.
    fields: &'static [&'static str],
    /// Which field was found for each key of it, in canonical order, as far as it was looked for.
    order: [u8; FIELDS_MAX],
}

impl Guesses {
    pub(super) const NONE: Self = Self { fields: &[], order: [u8::MAX; FIELDS_MAX] };

    /// What is known at the beginning of a document.
    #[inline]
    pub(super) fn recall() -> Self {
        LAST.get()
    }

    /// Keeps what is known for the thread's next document.
    #[inline]
    pub(super) fn remember(&self) {
        LAST.set(*self);
    }

    /// Says that a struct begins, and whether its keys are worth recognising: from the second of its
    /// type on, because learning the order costs as much as judging the keys of one.
    #[inline(always)]
    pub(super) fn begin(&mut self, fields: &'static [&'static str]) -> bool {
        if std::ptr::eq(self.fields, fields) {
            return !fields.is_empty();
        }
        if (1..=FIELDS_MAX).contains(&fields.len()) {
            *self = Self { fields, ..Self::NONE };
        }
        false
    }

    /// The name of a field that equals the key with this index, if there is one.
    #[inline(always)]
    pub(super) fn recognise(
        &mut self,
        fields: &'static [&'static str],
        index: usize,
        key: &[u8],
    ) -> Option<&'static str> {
        // A struct of another type may have been met inside of this one.
        if !std::ptr::eq(self.fields, fields) {
            return None;
        }
        let guess = self.order.get(index)?;
        match fields.get(usize::from(*guess)) {
            Some(field) if is_equal(field.as_bytes(), key) => Some(field),
            _ => self.look(index, key),
        }
    }

    #[inline(never)]
    fn look(&mut self, index: usize, key: &[u8]) -> Option<&'static str> {
        let (found, name) = (0_u8..).zip(self.fields).find(|(_, field)| field.as_bytes() == key)?;
        if let Some(place) = self.order.get_mut(index) {
            *place = found;
        }
        Some(name)
    }
}

/// Whether two strings are equal, without a call for short ones.
#[inline(always)]
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        4..=8 => a.first_chunk::<4>() == b.first_chunk::<4>() && a.last_chunk::<4>() == b.last_chunk::<4>(),
        9..=16 => a.first_chunk::<8>() == b.first_chunk::<8>() && a.last_chunk::<8>() == b.last_chunk::<8>(),
        _ => a == b,
    }
}
