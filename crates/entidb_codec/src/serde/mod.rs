//! Rust types to and from canonical CBOR, through serde.
//!
//! Always: the bytes are those `encode` would write for the same value: fields are sorted whatever
//! their order in the type, and reading is as strict as `decode`.
//! Does not know: the types. Those that plain serde has no words for (timestamps, ids, decimals,
//! vectors, tags, `Value`) pass as their own encoded bytes under a reserved newtype name.

mod deserializer;
mod guesses;
mod layout;
mod serializer;
mod special;

use ::serde::Serialize;
use ::serde::de::{Deserialize, DeserializeOwned};

use serializer::Serializer;
pub use special::{EntityId, Uuid};

use crate::error::Result;
use crate::limits::Limits;
use crate::value::Value;

/// The newtype name under which encoded bytes pass through serde unchanged.
pub(crate) const RAW: &str = "$entidb::raw";

/// Writes a Rust value as canonical CBOR.
///
/// # Errors
/// `DuplicateKey`, `KeyType` or `TooDeep` for what has no encoding, and `Custom` for what the type
/// itself refuses.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
/// struct Note { title: String, stars: u8 }
/// let note = Note { title: "Hello".into(), stars: 5 };
/// let bytes = entidb_codec::to_vec(&note)?;
/// assert_eq!(bytes, entidb_codec::encode(&entidb_codec::doc! { "title": "Hello", "stars": 5 }));
/// assert_eq!(entidb_codec::from_slice::<Note>(&bytes)?, note);
/// # Ok::<(), entidb_codec::Error>(())
/// ```
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    // Written into a buffer that has grown already and copied out at the exact size, which is cheaper
    // than growing a new one, and wastes nothing in the copy.
    let mut serializer = Serializer::take();
    let written = value.serialize(&mut *serializer).map(|()| serializer.copy_out());
    serializer.give_back();
    written
}

/// Writes a Rust value as canonical CBOR at the end of a buffer, and gives the buffer back.
///
/// # Errors
/// As [`to_vec`].
pub fn to_writer_vec<T: Serialize + ?Sized>(value: &T, out: Vec<u8>) -> Result<Vec<u8>> {
    let mut serializer = Serializer::take();
    serializer.write_behind(out);
    let written = value.serialize(&mut *serializer).map(|()| serializer.move_out());
    serializer.give_back();
    written
}

/// Reads a Rust value from canonical CBOR, within the default limits.
///
/// # Errors
/// What is wrong with the bytes, `TypeMismatch` where they hold something else than the type wants,
/// and `Custom` for what the type itself refuses.
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T> {
    from_slice_within(bytes, &Limits::DEFAULT)
}

/// Reads a Rust value from canonical CBOR, within the limits.
///
/// # Errors
/// As [`from_slice`].
pub fn from_slice_within<'de, T: Deserialize<'de>>(bytes: &'de [u8], limits: &Limits) -> Result<T> {
    let mut deserializer = deserializer::Deserializer::new(bytes, limits);
    let value = T::deserialize(&mut deserializer).map_err(|error| deserializer.located(error))?;
    deserializer.finish()?;
    Ok(value)
}

/// The `Value` of a Rust value.
///
/// # Errors
/// As [`to_vec`].
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
    crate::decode(&to_vec(value)?)
}

/// The Rust value of a `Value`.
///
/// # Errors
/// As [`from_slice`].
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T> {
    from_slice(&crate::encode(value))
}
