//! Serde's calls to canonical CBOR.
//!
//! Always: counts serde does not know, or gets wrong, are put right before the next item.
//! Does not know: which type calls; see `mod`.

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::RAW;
use super::layout::{self, Known};
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
    depth_left: u8,
    /// Whether the next byte string is an encoded item, to be written as it is.
    is_raw: bool,
}

impl Serializer {
    pub(super) fn new(out: Vec<u8>, limits: &Limits) -> Self {
        Self { out, sorter: Sorter::with_spare(), depth_left: limits.depth_max, is_raw: false }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    #[inline]
    fn integer(&mut self, value: impl Into<Integer>) {
        write_integer(&mut self.out, value.into());
    }

    #[inline]
    fn text(&mut self, text: &str) {
        write_string(&mut self.out, major::TEXT, text.as_bytes());
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
        self.text(variant);
        Ok(())
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

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.out.push(if value { 0xf5 } else { 0xf4 });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_i16(self, value: i16) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_i32(self, value: i32) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_i64(self, value: i64) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        tag::write_wide_integer(&mut self.out, value);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_u32(self, value: u32) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<()> {
        self.integer(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        let value = i128::try_from(value).map_err(|_| {
            Error::new(ErrorKind::OutOfRange, self.out.len()).with_detail(format!("integer {value} is beyond 2^127"))
        })?;
        self.serialize_i128(value)
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        write_float(&mut self.out, value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        if std::mem::take(&mut self.is_raw) {
            let limits = Limits { depth_max: self.depth_left, bytes_max: usize::MAX, ..Limits::DEFAULT };
            validate::validate_within(value, &limits)?;
            self.out.extend_from_slice(value);
        } else {
            write_string(&mut self.out, major::BYTES, value);
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.out.push(0xf6);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<()> {
        self.text(variant);
        Ok(())
    }

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

    fn serialize_seq(self, len: Option<usize>) -> Result<Array<'a>> {
        self.array(len.unwrap_or(0), false)
    }

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

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Fields<'a>> {
        let known = layout::recall(name, len);
        Ok(Fields { map: self.map(len, false)?, known, fields: Vec::new(), name, count: 0 })
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

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.element(value)
            }

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
        let start = self.serializer.out.len();
        self.serializer.text(key);
        self.serializer.sorter.key_written(&self.serializer.out, &mut self.mark, start)?;
        value.serialize(&mut *self.serializer)
    }

    fn close(mut self) -> Result<()> {
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

    fn end(self) -> Result<()> {
        self.close()
    }
}

/// A struct being written: a map whose field names are known to the program.
pub(super) struct Fields<'a> {
    map: Map<'a>,
    known: Known,
    /// The fields so far, where a layout is to be made of them.
    fields: Vec<&'static str>,
    name: &'static str,
    count: usize,
}

impl Fields<'_> {
    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        match &self.known {
            Known::Layout(layout) if layout.expects(self.count, key) => {
                self.count += 1;
                let Serializer { out, sorter, .. } = &mut *self.map.serializer;
                sorter.field_written(out, &self.map.mark)?;
                write_string(out, major::TEXT, key.as_bytes());
                return value.serialize(&mut *self.map.serializer);
            }
            Known::Layout(layout) => {
                layout::remember_varying(layout.name());
                self.known = Known::Varies;
                // The keys so far were not compared, so the end has to sort.
                self.map.mark.mark_unsorted();
            }
            Known::New => self.fields.push(key),
            Known::Varies => {}
        }
        self.map.field(key, value)
    }

    fn close(mut self) -> Result<()> {
        match self.known {
            Known::Layout(layout) if layout.len() == self.count => {
                let Serializer { out, sorter, .. } = &mut *self.map.serializer;
                if !layout.is_sorted {
                    sorter.arrange(out, self.map.mark, &layout.order);
                }
                // Every field was expected, and sorted once without finding equals.
                sorter.forget(self.map.mark);
                self.map.leave();
                return Ok(());
            }
            Known::Layout(layout) => {
                layout::remember_varying(layout.name());
                self.map.mark.mark_unsorted();
            }
            Known::New | Known::Varies => {}
        }
        self.map.close()?;
        if !self.fields.is_empty() {
            layout::remember(self.name, self.fields);
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

    fn end(self) -> Result<()> {
        self.close()
    }
}
