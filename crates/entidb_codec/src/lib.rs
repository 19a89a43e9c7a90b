//! Canonical CBOR, field paths and order-preserving keys for EntiDB.
//!
//! Always: a value has exactly one encoding; whatever is not that encoding is refused with its
//! offset; no input makes this crate panic or allocate out of proportion.
//! Does not know: files, collections, or anything that happens outside one call.
//! Format: docs/spec/encoding.md.
//!
//! ```
//! use entidb_codec::{decode, doc, encode};
//! let note = doc! { "title": "Hello", "tags": ["first"] };
//! let bytes = encode(&note);
//! assert_eq!(decode(&bytes)?, note);
//! # Ok::<(), entidb_codec::Error>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

mod canonical;
mod canonicalise;
mod decode;
mod encode;
mod encoder;
mod error;
mod float;
mod limits;
mod macros;
pub mod ordered;
pub mod path;
mod serde;
mod sorter;
mod tag;
mod validate;
mod value;
mod view;

pub use self::serde::{EntityId, Uuid, from_slice, from_slice_within, from_value, to_value, to_vec, to_writer_vec};
pub use canonicalise::{canonicalise, canonicalise_within};
pub use decode::{Decoder, Event, decode, decode_within};
pub use encode::{encode, encode_into, encode_within};
pub use encoder::Encoder;
pub use error::{Error, ErrorKind, Result};
pub use limits::Limits;
pub use ordered::{Direction, Element, Missing, compare, decode_ordered, encode_ordered};
pub use path::{Operation, Patch, Path, Segment, apply, apply_to_value, apply_within, lookup, lookup_both, lookup_raw};
pub use validate::{KeyOrder, validate, validate_within};
pub use value::{Decimal, Integer, Key, KeyRef, Map, Tagged, Timestamp, Value, Vector, VectorKind, VectorRef};
pub use view::{ArrayIter, ArrayRef, MapIter, MapRef, TaggedRef, ValueRef, view, view_within};

/// The CBOR tag of an entity id: 59165, of this project.
pub const TAG_ENTITY_ID: u64 = tag::ENTITY_ID;
/// The CBOR tag of a timestamp in microseconds: 59166, of this project.
pub const TAG_TIMESTAMP: u64 = tag::TIMESTAMP;
