//! Writing documents from C, piece by piece.
//!
//! Always: what `finish` gives is canonical CBOR; the entries of a map may come in any order. A mistake in the order of
//! calls is remembered and reported by `finish`. Does not know: databases.

use entidb_core::codec::{self, Decimal, Timestamp, Vector, VectorKind};
use entidb_core::{Error, ErrorCode};
use entidb_storage::sync::Mutex;

use crate::boundary::{call_unit, clear, give, need, quiet};
use crate::bytes::{self, entidb_buffer};
use crate::error::entidb_error;
use crate::handle::{self, Noun, Touched};
use crate::modes::{ENTIDB_VECTOR_F16, ENTIDB_VECTOR_F32, ENTIDB_VECTOR_F64, ENTIDB_VECTOR_I8};
use crate::status::{ENTIDB_ERROR_PANIC, ENTIDB_OK, entidb_status};

/// A document being written. Movable: any thread, one call at a time. Free with `entidb_encoder_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_encoder {
    _private: [u8; 0],
}

struct Writing(Mutex<Open>);

#[derive(Default)]
struct Open {
    encoder: codec::Encoder,
    /// The first piece that was refused: without it the document would be another one than was meant.
    refused: Option<Error>,
}

impl Noun for Writing {
    type Opaque = entidb_encoder;
    const TAG: u32 = 0x454e_434f;
    const NAME: &'static str = "encoder";
}

fn concurrent() -> Error {
    Error::new(ErrorCode::ConcurrentUse, "another thread is using this encoder; give each thread its own")
}

/// Writes one piece. One that is refused spoils the document, so that `finish` fails for callers that look only there.
fn piece(encoder: *mut entidb_encoder, write: impl FnOnce(&mut codec::Encoder) -> Result<(), Error>) -> entidb_status {
    quiet(ENTIDB_ERROR_PANIC, || {
        let mut touched = Touched::default();
        let written = touched
            .get::<Writing>(encoder)
            .and_then(|writing| writing.0.try_lock().ok_or_else(concurrent))
            .and_then(|mut open| {
                write(&mut open.encoder).inspect_err(|error| {
                    open.refused.get_or_insert_with(|| error.clone());
                })
            });
        written.map_or_else(|error| error.code().number(), |()| ENTIDB_OK)
    })
}

/// Creates an empty encoder.
///
/// Threads: any.
/// Owns: `*out_encoder` on success; free with `entidb_encoder_free`.
/// Errors: INVALID_ARGUMENT.
///
/// # Safety
/// Handles are live ones of this library; texts and bytes are readable for their lengths; out-pointers are NULL or
/// may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_new(
    out_encoder: *mut *mut entidb_encoder,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_encoder);
    call_unit(out_error, |_| {
        need(out_encoder, "out_encoder")?;
        give(out_encoder, handle::make(Writing(Mutex::default())), "out_encoder")
    })
}

/// Writes null.
///
/// Threads: any, one call at a time.
/// Errors: INVALID_HANDLE, CONCURRENT_USE, for every function that writes. `entidb_encoder_finish` reports all
/// others.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_null(encoder: *mut entidb_encoder) -> entidb_status {
    piece(encoder, |open| {
        open.null();
        Ok(())
    })
}

/// Writes a bool: false for 0, true otherwise.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_bool(encoder: *mut entidb_encoder, value: i32) -> entidb_status {
    piece(encoder, |open| {
        open.bool(value != 0);
        Ok(())
    })
}

/// Writes an integer.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_int(encoder: *mut entidb_encoder, value: i64) -> entidb_status {
    piece(encoder, |open| {
        open.integer(value);
        Ok(())
    })
}

/// Writes an unsigned integer.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_uint(encoder: *mut entidb_encoder, value: u64) -> entidb_status {
    piece(encoder, |open| {
        open.integer(value);
        Ok(())
    })
}

/// Writes a float.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_double(encoder: *mut entidb_encoder, value: f64) -> entidb_status {
    piece(encoder, |open| {
        open.float(value);
        Ok(())
    })
}

/// Writes text. It must be UTF-8.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_text(
    encoder: *mut entidb_encoder,
    text: *const u8,
    text_len: usize,
) -> entidb_status {
    piece(encoder, |open| {
        open.text(bytes::text(text, text_len, "text")?);
        Ok(())
    })
}

/// Writes bytes.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_bytes(
    encoder: *mut entidb_encoder,
    data: *const u8,
    data_len: usize,
) -> entidb_status {
    piece(encoder, |open| {
        open.bytes(bytes::slice(data, data_len, "data")?);
        Ok(())
    })
}

/// Writes a timestamp: microseconds since 1970 UTC.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_timestamp(encoder: *mut entidb_encoder, micros: i64) -> entidb_status {
    piece(encoder, |open| {
        open.timestamp(Timestamp::from_micros(micros));
        Ok(())
    })
}

/// Writes the id of an entity: 16 bytes.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_id(encoder: *mut entidb_encoder, id: *const u8) -> entidb_status {
    piece(encoder, |open| {
        open.entity_id(bytes::id(id, "id")?.as_bytes());
        Ok(())
    })
}

/// Writes a UUID: 16 bytes.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_uuid(encoder: *mut entidb_encoder, uuid: *const u8) -> entidb_status {
    piece(encoder, |open| {
        open.uuid(bytes::id(uuid, "uuid")?.as_bytes());
        Ok(())
    })
}

/// Writes a decimal: `mantissa` times ten to the power of `exponent`. INVALID_ARGUMENT for an exponent that no decimal has.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_decimal(
    encoder: *mut entidb_encoder,
    mantissa: i64,
    exponent: i64,
) -> entidb_status {
    piece(encoder, |open| {
        let decimal = Decimal::new(i128::from(mantissa), exponent)
            .map_err(|error| Error::new(ErrorCode::InvalidArgument, error.to_string()))?;
        open.decimal(decimal);
        Ok(())
    })
}

/// Writes a vector of a kind, one of `ENTIDB_VECTOR_...`, from the bytes of its elements, little-endian. INVALID_ARGUMENT for
/// another kind and for bytes that are not whole elements.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_vector(
    encoder: *mut entidb_encoder,
    kind: u32,
    elements: *const u8,
    elements_len: usize,
) -> entidb_status {
    piece(encoder, |open| {
        let kind = match kind {
            ENTIDB_VECTOR_F16 => VectorKind::F16,
            ENTIDB_VECTOR_F32 => VectorKind::F32,
            ENTIDB_VECTOR_F64 => VectorKind::F64,
            ENTIDB_VECTOR_I8 => VectorKind::I8,
            other => {
                let problem = format!("kind is {other}; give one of ENTIDB_VECTOR_...");
                return Err(Error::new(ErrorCode::InvalidArgument, problem));
            }
        };
        let elements = bytes::slice(elements, elements_len, "elements")?;
        let vector = Vector::from_le_bytes(kind, elements.to_vec()).ok_or_else(|| {
            let size = kind.element_bytes();
            let problem = format!("elements has {elements_len} bytes; give a multiple of {size}");
            Error::new(ErrorCode::InvalidArgument, problem)
        })?;
        open.vector(vector.as_view());
        Ok(())
    })
}

/// Begins a value under a tag of CBOR, which is the next one; end it with `entidb_encoder_end`. `entidb_encoder_finish` refuses what
/// is not of the form that a known tag has.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_begin_tag(encoder: *mut entidb_encoder, tag: u64) -> entidb_status {
    piece(encoder, |open| {
        open.begin_tag(tag);
        Ok(())
    })
}

/// Writes an encoded value, such as a document inside a document. It must be canonical CBOR.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_document(
    encoder: *mut entidb_encoder,
    document: *const u8,
    document_len: usize,
) -> entidb_status {
    piece(encoder, |open| {
        open.view(codec::view(bytes::slice(document, document_len, "document")?)?);
        Ok(())
    })
}

/// Begins an array of `count` items; end it with `entidb_encoder_end`.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_begin_array(encoder: *mut entidb_encoder, count: usize) -> entidb_status {
    piece(encoder, |open| {
        open.begin_array(count);
        Ok(())
    })
}

/// Begins a map of `count` entries, in any order; end it with `entidb_encoder_end`.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_begin_map(encoder: *mut entidb_encoder, count: usize) -> entidb_status {
    piece(encoder, |open| {
        open.begin_map(count);
        Ok(())
    })
}

/// Writes the key of the next entry of a map. It must be UTF-8.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_key(
    encoder: *mut entidb_encoder,
    key: *const u8,
    key_len: usize,
) -> entidb_status {
    piece(encoder, |open| {
        open.key(bytes::text(key, key_len, "key")?);
        Ok(())
    })
}

/// Ends the innermost array or map.
///
/// Threads: any, one call at a time.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_end(encoder: *mut entidb_encoder) -> entidb_status {
    piece(encoder, |open| {
        open.end();
        Ok(())
    })
}

/// Returns the finished document and empties the encoder for another one.
///
/// Threads: any, one call at a time.
/// Owns: `*out_document` on success; free with `entidb_buffer_free`.
/// Errors: INVALID_ARGUMENT when the calls do not make one document, DUPLICATE_KEY, TOO_DEEP, DOCUMENT_TOO_LARGE,
/// encoding errors of a value that was refused, CONCURRENT_USE.
///
/// # Safety
/// As `entidb_encoder_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_finish(
    encoder: *mut entidb_encoder,
    out_document: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_document, entidb_buffer::EMPTY, "out_document")?;
        let mut open = touched.get::<Writing>(encoder)?.0.try_lock().ok_or_else(concurrent)?;
        let Open { encoder, refused } = std::mem::take(&mut *open);
        if let Some(refused) = refused {
            return Err(refused);
        }
        let finished = encoder.finish().map_err(|error| match error.kind() {
            codec::ErrorKind::Misuse => Error::new(ErrorCode::InvalidArgument, error.to_string()),
            _ => Error::from(error),
        })?;
        give(out_document, entidb_buffer::of(finished), "out_document")
    })
}

/// Frees an encoder. Accepts NULL.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_encoder_new`; the encoder is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_encoder_free(encoder: *mut entidb_encoder) {
    handle::free::<Writing>(encoder);
}
