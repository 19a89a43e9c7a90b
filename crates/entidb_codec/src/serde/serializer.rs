//! Serde's calls to canonical CBOR.
//!
//! Always: counts serde does not know, or gets wrong, are put right before the next item.
//! Does not know: which type calls; see `mod`.

use std::cell::Cell;

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::RAW;
use super::layout::{Known, Layouts};
use crate::canonical::{major, write_float, write_head, write_integer};
use crate::encode::write_string;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::sorter::{MapMark, Sorter};
use crate::tag;
use crate::validate;
use crate::value::Integer;

pub(super) struct Serializer {
    out: Vec<u8>,
    sorter: Sorter,
    layouts: Layouts,
    depth_left: u8,
    /// Whether the next byte string is an encoded item, to be written as it is.
    is_raw: bool,
}

thread_local! {
    /// The serializer of the thread's last document: its buffers have grown already, and it knows
    /// the layouts of the types it met.
    static SPARE: Cell<Option<Box<Serializer>>> = const { Cell::new(None) };
}

/// What a thread keeps for its next document.
const KEPT_MAX: usize = 256 * 1024;

/// Room that is made for an element of an array or an entry of a map; only long text and bytes ask for more of their own.
const SMALL_BYTES: usize = 1024;

impl Serializer {
    /// A serializer with an empty buffer: the thread's own, unless that is at work further up the
    /// stack.
    pub(super) fn take() -> Box<Self> {
        let mut serializer = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| {
            Box::new(Self {
                out: Vec::new(),
                sorter: Sorter::default(),
                layouts: Layouts::new(),
                depth_left: 0,
                is_raw: false,
            })
        });
        // The last document may have failed half-way.
        serializer.out.clear();
        serializer.sorter.clear();
        serializer.depth_left = Limits::DEFAULT.depth_max;
        serializer.is_raw = false;
        serializer
    }

    /// Gives the serializer back to the thread.
    pub(super) fn give_back(mut self: Box<Self>) {
        if self.out.capacity() > KEPT_MAX {
            self.out = Vec::new();
        }
        self.sorter.shrink(KEPT_MAX);
        // A thread that is ending has nowhere to keep it.
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }

    /// Writes at the end of a buffer instead of the serializer's own.
    pub(super) fn write_behind(&mut self, out: Vec<u8>) {
        self.out = out;
    }

    /// The finished document in a buffer of its own size.
    pub(super) fn copy_out(&mut self) -> Vec<u8> {
        if self.out.capacity() > KEPT_MAX { self.move_out() } else { self.out.as_slice().to_vec() }
    }

    /// The finished document in the buffer it was written to.
    pub(super) fn move_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    #[inline]
    fn integer(&mut self, value: impl Into<Integer>) {
        write_integer(&mut self.out, value.into());
    }

    #[inline]
    fn text(&mut self, text: &str) -> Result<()> {
        if text.len() > SMALL_BYTES {
            self.grow(text.len())?;
        }
        write_string(&mut self.out, major::TEXT, text.as_bytes());
        Ok(())
    }

    /// Makes sure that the next small items ask for no memory: a large buffer that grows by itself ends the process
    /// where there is none.
    #[inline]
    fn room(&mut self) -> Result<()> {
        if self.out.capacity() - self.out.len() < SMALL_BYTES { self.grow(0) } else { Ok(()) }
    }

    #[inline(never)]
    fn grow(&mut self, bytes: usize) -> Result<()> {
        let wanted = bytes.saturating_add(SMALL_BYTES);
        self.out
            .try_reserve(wanted)
            .map_err(|_| Error::new(ErrorKind::OutOfMemory, self.out.len()).with_detail("the document grows"))
    }

    fn enter(&mut self) -> Result<()> {
        self.depth_left = validate::descend(self.depth_left, self.out.len())?;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth_left = self.depth_left.saturating_add(1);
    }

    /// An enum variant with content is a map of one entry.
    fn variant(&mut self, variant: &str) -> Result<()> {
        self.enter()?;
        write_head(&mut self.out, major::MAP, 1);
        self.text(variant)
    }

    fn array(&mut self, announced: usize, in_variant: bool) -> Result<Array<'_>> {
        self.enter()?;
        let head = self.out.len();
        write_head(&mut self.out, major::ARRAY, announced as u64);
        Ok(Array { serializer: self, head, announced, written: 0, in_variant })
    }

    fn map(&mut self, announced: usize, in_variant: bool) -> Result<Map<'_>> {
        self.enter()?;
        let mark = self.sorter.begin(&mut self.out, announced);
        Ok(Map { serializer: self, mark, announced, in_variant })
    }
}

impl<'a> ser::Serializer for &'a mut Serializer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Array<'a>;
    type SerializeTuple = Array<'a>;
    type SerializeTupleStruct = Array<'a>;
    type SerializeTupleVariant = Array<'a>;
    type SerializeMap = Map<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Map<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<()> {
        self.out.push(if value { 0xf5 } else { 0xf4 });
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        tag::write_wide_integer(&mut self.out, value);
        Ok(())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        let value = i128::try_from(value)
            .map_err(|_| Error::new(ErrorKind::OutOfRange, self.out.len()).with_detail("an integer is beyond 2^127"))?;
        self.serialize_i128(value)
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<()> {
        self.serialize_f64(f64::from(value))
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<()> {
        write_float(&mut self.out, value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<()> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        if value.len() > SMALL_BYTES {
            self.grow(value.len())?;
        }
        if std::mem::take(&mut self.is_raw) {
            let limits = Limits { depth_max: self.depth_left, bytes_max: usize::MAX, ..Limits::DEFAULT };
            validate::validate_within(value, &limits)?;
            self.out.extend_from_slice(value);
        } else {
            write_string(&mut self.out, major::BYTES, value);
        }
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<()> {
        self.out.push(0xf6);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<()> {
        self.text(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<()> {
        self.is_raw = name == RAW;
        let written = value.serialize(&mut *self);
        self.is_raw = false;
        written
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.leave();
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Array<'a>> {
        self.array(len.unwrap_or(0), false)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Array<'a>> {
        self.array(len, false)
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Array<'a>> {
        self.array(len, false)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Array<'a>> {
        self.variant(variant)?;
        self.array(len, true)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Map<'a>> {
        self.map(len.unwrap_or(0), false)
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Fields<'a>> {
        let known = self.layouts.recall(name, len);
        Ok(Fields { map: self.map(len, false)?, known, name, count: 0 })
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Map<'a>> {
        self.variant(variant)?;
        self.map(len, true)
    }
}

/// An array being written.
pub(super) struct Array<'a> {
    serializer: &'a mut Serializer,
    head: usize,
    announced: usize,
    written: usize,
    in_variant: bool,
}

impl Array<'_> {
    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.written += 1;
        self.serializer.room()?;
        value.serialize(&mut *self.serializer)
    }

    fn close(self) -> Result<()> {
        if self.written != self.announced {
            crate::encode::replace_head(
                &mut self.serializer.out,
                self.head,
                major::ARRAY,
                self.announced,
                self.written,
            );
        }
        self.serializer.leave();
        if self.in_variant {
            self.serializer.leave();
        }
        Ok(())
    }
}

macro_rules! array_like {
    ($($trait:ident :: $method:ident),*) => { $(
        impl $trait for Array<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Result<()> {
                self.close()
            }
        }
    )* };
}
array_like!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// A map being written.
pub(super) struct Map<'a> {
    serializer: &'a mut Serializer,
    mark: MapMark,
    announced: usize,
    in_variant: bool,
}

impl Map<'_> {
    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<()> {
        self.key(key)?;
        value.serialize(&mut *self.serializer)
    }

    fn key(&mut self, key: &str) -> Result<()> {
        self.serializer.room()?;
        let start = self.serializer.out.len();
        self.serializer.text(key)?;
        self.serializer.sorter.key_written(&self.serializer.out, &mut self.mark, start)
    }

    fn close(&mut self) -> Result<()> {
        let Serializer { out, sorter, .. } = &mut *self.serializer;
        sorter.end(out, self.mark, self.announced)?;
        self.leave();
        Ok(())
    }

    fn leave(&mut self) {
        self.serializer.leave();
        if self.in_variant {
            self.serializer.leave();
        }
    }
}

impl SerializeMap for Map<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.serializer.room()?;
        let start = self.serializer.out.len();
        key.serialize(&mut *self.serializer)?;
        let first = self.serializer.out.get(start).copied().unwrap_or(0xf6);
        if !matches!(first >> 5, major::UNSIGNED | major::NEGATIVE | major::TEXT) {
            return Err(Error::new(ErrorKind::KeyType, start));
        }
        self.serializer.sorter.key_written(&self.serializer.out, &mut self.mark, start)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.serializer)
    }

    fn end(mut self) -> Result<()> {
        self.close()
    }
}

/// A struct being written: a map whose field names are known to the program.
pub(super) struct Fields<'a> {
    map: Map<'a>,
    known: Known,
    name: &'static str,
    count: usize,
}

impl Fields<'_> {
    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        if let Known::Layout(layout) = &self.known {
            let Serializer { out, sorter, .. } = &mut *self.map.serializer;
            let start = out.len();
            if layout.write_key(self.count, key, out) {
                self.count += 1;
                sorter.field_written(start, &self.map.mark)?;
                return value.serialize(&mut *self.map.serializer);
            }
        }
        self.unexpected_field(key)?;
        value.serialize(&mut *self.map.serializer)
    }

    /// Writes a key that no layout expects.
    #[inline(never)]
    fn unexpected_field(&mut self, key: &'static str) -> Result<()> {
        match &mut self.known {
            Known::Layout(_) => self.forget_layout(),
            Known::New(fields) => fields.push(key),
            Known::Varies => {}
        }
        self.map.key(key)
    }

    #[cold]
    fn forget_layout(&mut self) {
        self.map.serializer.layouts.remember_varying(self.name, self.map.announced);
        self.known = Known::Varies;
        // The keys so far were not compared, so the end has to sort.
        self.map.mark.mark_unsorted();
    }

    #[inline]
    fn close(mut self) -> Result<()> {
        if let Known::Layout(layout) = &self.known
            && layout.len() == self.count
        {
            // Every field was expected, and sorted once without finding equals.
            let Serializer { out, sorter, .. } = &mut *self.map.serializer;
            sorter.arrange(out, &self.map.mark, layout.settled, &layout.order)?;
            self.map.leave();
            return Ok(());
        }
        self.close_unexpected()
    }

    #[inline(never)]
    fn close_unexpected(mut self) -> Result<()> {
        if matches!(self.known, Known::Layout(_)) {
            self.forget_layout();
        }
        self.map.close()?;
        if let Known::New(fields) = &self.known
            && fields.len() == self.map.announced
        {
            self.map.serializer.layouts.remember(self.name, fields);
        }
        Ok(())
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        self.field(key, value)
    }

    #[inline]
    fn end(self) -> Result<()> {
        self.close()
    }
}

impl SerializeStructVariant for Map<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        self.field(key, value)
    }

    fn end(mut self) -> Result<()> {
        self.close()
    }
}
