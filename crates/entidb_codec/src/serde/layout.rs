//! Remembers how the fields of a struct sort, so that they need not be sorted each time.
//!
//! Always: a layout is used only while every field is the very string it was made from, compared by
//! address; anything else falls back to sorting. Measured 2026-11: sorting was two thirds of the time
//! of writing a flat struct.
//! Does not know: bytes of values; `serializer` moves them.

use std::rc::Rc;

use crate::canonical::major;
use crate::encode::write_string;
use crate::value::KeyRef;

/// Keys of up to this many bytes, head included, are written as one chunk of fixed size, which
/// takes two instructions where a copy of any size takes a call.
pub(super) const KEY_CHUNK: usize = 16;

/// A field as a struct gives it, with its key as it is written.
struct Field {
    name: &'static str,
    /// The encoded key and zeros after it, if it is short enough.
    key: [u8; KEY_CHUNK],
    /// The size of the encoded key, or 0 where it is longer.
    key_size: usize,
}

/// The fields of one struct type in the order it gives them, and their order in canonical form.
pub(super) struct Layout {
    name: &'static str,
    count: usize,
    /// Empty for a type that leaves fields out at times, so that no one layout serves.
    fields: Vec<Field>,
    /// How many fields at the beginning stand in their place already.
    pub(super) settled: usize,
    /// Indexes of the fields after those, sorted.
    pub(super) order: Vec<u8>,
}

/// What is known of a struct type.
pub(super) enum Known {
    Layout(Rc<Layout>),
    /// Nothing yet; its layout is to be made of these fields.
    New(Vec<&'static str>),
    /// That its fields vary.
    Varies,
}

/// Places of the table; a power of two.
const SLOTS: usize = 64;
/// How many places in a row a type may be found in. With one, two types of a document that fell on
/// the same place had their layouts made anew for every document (measured 2026-11: half its time).
const WAYS: usize = 4;

/// The layouts a thread knows.
pub(super) struct Layouts {
    table: [Option<Rc<Layout>>; SLOTS],
    /// Which of its ways the next type without a free place takes.
    turn: usize,
}

#[inline]
fn is_same(a: &'static str, b: &'static str) -> bool {
    std::ptr::eq(a.as_ptr(), b.as_ptr()) && a.len() == b.len()
}

#[inline]
fn first_slot(name: &'static str, count: usize) -> usize {
    let address = name.as_ptr().addr();
    (address ^ (address >> 6) ^ (count << 2)) % SLOTS
}

impl Layouts {
    pub(super) const fn new() -> Self {
        Self { table: [const { None }; SLOTS], turn: 0 }
    }

    /// What is known of a struct type that is about to give this many fields.
    #[inline]
    pub(super) fn recall(&self, name: &'static str, count: usize) -> Known {
        let first = first_slot(name, count);
        for way in 0..WAYS {
            match self.table.get((first + way) % SLOTS) {
                Some(Some(layout)) if layout.is_of(name, count) => {
                    return if layout.fields.is_empty() { Known::Varies } else { Known::Layout(Rc::clone(layout)) };
                }
                Some(Some(_)) => {}
                _ => break,
            }
        }
        Known::New(Vec::new())
    }

    /// Makes and keeps the layout of a struct type that gave these fields.
    #[cold]
    pub(super) fn remember(&mut self, name: &'static str, fields: &[&'static str]) {
        let mut order: Vec<u8> = (0..=u8::MAX).take(fields.len()).collect();
        if order.len() < fields.len() {
            return;
        }
        order.sort_by_key(|index| fields.get(usize::from(*index)).map(|field| KeyRef::Text(field)));
        let settled = order.iter().zip(0_u8..).take_while(|(index, place)| **index == *place).count();
        order.drain(..settled);
        let fields: Vec<Field> = fields.iter().copied().map(Field::new).collect();
        self.keep(Layout { name, count: fields.len(), fields, settled, order });
    }

    /// Keeps that the fields of a struct type vary while their count does not.
    #[cold]
    pub(super) fn remember_varying(&mut self, name: &'static str, count: usize) {
        self.keep(Layout { name, count, fields: Vec::new(), settled: 0, order: Vec::new() });
    }

    fn keep(&mut self, layout: Layout) {
        let first = first_slot(layout.name, layout.count);
        let slots = (0..WAYS).map(|way| (first + way) % SLOTS);
        let serves = |slot: &usize| match self.table.get(*slot) {
            Some(Some(kept)) => kept.is_of(layout.name, layout.count),
            _ => true,
        };
        self.turn = (self.turn + 1) % WAYS;
        let slot = slots.clone().find(serves).unwrap_or((first + self.turn) % SLOTS);
        if let Some(place) = self.table.get_mut(slot) {
            *place = Some(Rc::new(layout));
        }
    }
}

impl Field {
    fn new(name: &'static str) -> Self {
        let mut encoded = Vec::with_capacity(KEY_CHUNK);
        write_string(&mut encoded, major::TEXT, name.as_bytes());
        let mut key = [0; KEY_CHUNK];
        let key_size = match key.get_mut(..encoded.len()) {
            Some(place) => {
                place.copy_from_slice(&encoded);
                encoded.len()
            }
            None => 0,
        };
        Self { name, key, key_size }
    }
}

impl Layout {
    #[inline]
    fn is_of(&self, name: &'static str, count: usize) -> bool {
        is_same(self.name, name) && self.count == count
    }

    /// Writes the key of the field given at this place, if it is the one the layout was made from.
    #[inline(always)]
    pub(super) fn write_key(&self, index: usize, name: &'static str, out: &mut Vec<u8>) -> bool {
        let Some(field) = self.fields.get(index) else { return false };
        if !is_same(field.name, name) {
            return false;
        }
        let end = out.len().wrapping_add(field.key_size);
        out.extend_from_slice(&field.key);
        out.truncate(end);
        if field.key_size == 0 {
            write_long_key(name, out);
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}

#[inline(never)]
fn write_long_key(name: &'static str, out: &mut Vec<u8>) {
    write_string(out, major::TEXT, name.as_bytes());
}
