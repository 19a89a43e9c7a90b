//! Reading documents from C, one value at a path.
//!
//! Always: nothing is copied; what is lent lives as long as the caller's document. Does not know: databases.

use entidb_core::codec::{
    Decoder, Event, KeyOrder, KeyRef, Limits, Path, ValueRef, VectorKind, lookup, path, validate_within,
};
use entidb_core::{Error, ErrorCode};

use crate::boundary::{call, give, need, read};
use crate::bytes::{self, entidb_bytes};
use crate::error::entidb_error;
use crate::modes::{
    ENTIDB_KIND_ARRAY, ENTIDB_KIND_BOOL, ENTIDB_KIND_BYTES, ENTIDB_KIND_DECIMAL, ENTIDB_KIND_DOUBLE, ENTIDB_KIND_ID,
    ENTIDB_KIND_INT, ENTIDB_KIND_MAP, ENTIDB_KIND_NULL, ENTIDB_KIND_OTHER, ENTIDB_KIND_TAGGED, ENTIDB_KIND_TEXT,
    ENTIDB_KIND_TIMESTAMP, ENTIDB_KIND_UINT, ENTIDB_KIND_UUID, ENTIDB_KIND_VECTOR, ENTIDB_VECTOR_F16,
    ENTIDB_VECTOR_F32, ENTIDB_VECTOR_F64, ENTIDB_VECTOR_I8,
};
use crate::status::{ENTIDB_END, ENTIDB_NOT_FOUND, ENTIDB_OK, entidb_status};

/// One value of a document.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct entidb_item {
    /// One of `ENTIDB_KIND_...`.
    pub kind: u32,
    /// What the kind says, otherwise 0.
    pub detail: i32,
    /// What the kind says.
    pub number: i64,
    /// The float of `ENTIDB_KIND_DOUBLE`, otherwise 0.
    pub real: f64,
    /// The bytes that the kind names, otherwise empty. Valid as long as the document.
    pub bytes: entidb_bytes,
}

/// Returns the value at a dotted path of a document (`address.city`, `tags.0`; an empty path for the whole), or
/// `ENTIDB_NOT_FOUND`.
///
/// Threads: any.
/// Errors: INVALID_ARGUMENT for a malformed path, encoding errors with the offset for damaged bytes.
///
/// # Safety
/// `document` and `path` are readable for their lengths; `out_item` may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_document_lookup(
    document: *const u8,
    document_len: usize,
    path: *const u8,
    path_len: usize,
    out_item: *mut entidb_item,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call(out_error, |_| {
        need(out_item, "out_item")?;
        let document = bytes::slice(document, document_len, "document")?;
        let at = Path::dotted(bytes::text(path, path_len, "path")?)?;
        let Some(value) = lookup(document, &at)? else { return Ok(ENTIDB_NOT_FOUND) };
        let raw = path::lookup_raw(document, &at)?.unwrap_or(&[]);
        give(out_item, item(value, raw)?, "out_item")?;
        Ok(ENTIDB_OK)
    })
}

/// Reads the next entry of a map or item of an array, or returns `ENTIDB_END`.
///
/// Set `*offset` to 0 before the first call; each call advances it. Do not interpret its value. `*out_key` is the
/// key, text or an integer; in an array it has the kind `ENTIDB_KIND_NULL`. `out_key` may be NULL.
///
/// Threads: any.
/// Errors: WRONG_TYPE when the document is neither, INVALID_ARGUMENT for an offset that no call returned,
/// encoding errors with the offset for damaged bytes.
///
/// # Safety
/// `document` is readable for its length; `offset` may be read and written; the others are NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_document_next(
    document: *const u8,
    document_len: usize,
    offset: *mut usize,
    out_key: *mut entidb_item,
    out_value: *mut entidb_item,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call(out_error, |_| {
        need(out_value, "out_value")?;
        let document = bytes::slice(document, document_len, "document")?;
        let at = read(offset, "offset")?;
        let Some(entry) = entry(document, at)? else { return Ok(ENTIDB_END) };
        if !out_key.is_null() {
            give(out_key, entry.key, "out_key")?;
        }
        give(out_value, entry.value, "out_value")?;
        give(offset, entry.end, "offset")?;
        Ok(ENTIDB_OK)
    })
}

struct Entry {
    key: entidb_item,
    value: entidb_item,
    end: usize,
}

/// The entry that begins at an offset; at 0 the first, after the whole was judged.
fn entry(document: &[u8], at: usize) -> Result<Option<Entry>, Error> {
    if at == 0 {
        validate_within(document, &Limits::STORED)?;
    }
    let mut head = Decoder::within(document, &Limits::STORED);
    let (is_map, count) = match head.event()? {
        Event::Map(count) => (true, count),
        Event::Array(count) => (false, count),
        _ => {
            let problem = "only maps and arrays have entries; look at the kind of the item first";
            return Err(Error::new(ErrorCode::WrongType, problem));
        }
    };
    let at = at.max(head.offset());
    if count == 0 || at == document.len() {
        return Ok(None);
    }
    let beyond = || Error::new(ErrorCode::InvalidArgument, "offset is beyond the document; begin with 0");
    let rest = document.get(at..).ok_or_else(beyond)?;
    let mut reader = Decoder::within(rest, &Limits::STORED);
    let key = if is_map {
        match reader.key(&mut KeyOrder::default())? {
            KeyRef::Text(name) => item(ValueRef::Text(name), &[])?,
            KeyRef::Integer(number) => item(ValueRef::Integer(number), rest.get(..reader.offset()).unwrap_or(&[]))?,
        }
    } else {
        item(ValueRef::Null, &[])?
    };
    let raw = reader.raw_item()?;
    let Some(value) = lookup(raw, &Path::root())? else { return Ok(None) };
    Ok(Some(Entry { key, value: item(value, raw)?, end: at + reader.offset() }))
}

/// The number of a kind of vector.
fn vector_kind(kind: VectorKind) -> u32 {
    match kind {
        VectorKind::F16 => ENTIDB_VECTOR_F16,
        VectorKind::F32 => ENTIDB_VECTOR_F32,
        VectorKind::F64 => ENTIDB_VECTOR_F64,
        VectorKind::I8 => ENTIDB_VECTOR_I8,
    }
}

fn item(value: ValueRef<'_>, raw: &[u8]) -> Result<entidb_item, Error> {
    let count = |len: usize| {
        i64::try_from(len).map_err(|_| Error::new(ErrorCode::TooLarge, "the array or map has too many items to count"))
    };
    let plain = |kind, number| entidb_item { kind, detail: 0, number, real: 0.0, bytes: entidb_bytes::EMPTY };
    let lent = |kind, number, bytes: &[u8]| entidb_item { bytes: entidb_bytes::of(bytes), ..plain(kind, number) };
    Ok(match value {
        ValueRef::Null => plain(ENTIDB_KIND_NULL, 0),
        ValueRef::Bool(flag) => plain(ENTIDB_KIND_BOOL, i64::from(flag)),
        ValueRef::Integer(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => plain(ENTIDB_KIND_INT, number),
            (None, Some(number)) => plain(ENTIDB_KIND_UINT, number.cast_signed()),
            _ => lent(ENTIDB_KIND_OTHER, 0, raw),
        },
        ValueRef::Float(real) => entidb_item { real, ..plain(ENTIDB_KIND_DOUBLE, 0) },
        ValueRef::Text(text) => lent(ENTIDB_KIND_TEXT, 0, text.as_bytes()),
        ValueRef::Bytes(content) => lent(ENTIDB_KIND_BYTES, 0, content),
        ValueRef::Array(array) => lent(ENTIDB_KIND_ARRAY, count(array.len())?, raw),
        ValueRef::Map(map) => lent(ENTIDB_KIND_MAP, count(map.len())?, raw),
        ValueRef::Timestamp(moment) => plain(ENTIDB_KIND_TIMESTAMP, moment.micros()),
        ValueRef::EntityId(_) => lent(ENTIDB_KIND_ID, 0, raw.last_chunk::<16>().map_or(&[], |id| id.as_slice())),
        ValueRef::Uuid(_) => lent(ENTIDB_KIND_UUID, 0, raw.last_chunk::<16>().map_or(&[], |id| id.as_slice())),
        ValueRef::Decimal(decimal) => match (i64::try_from(decimal.mantissa()), i32::try_from(decimal.exponent())) {
            (Ok(mantissa), Ok(detail)) => entidb_item { detail, ..lent(ENTIDB_KIND_DECIMAL, mantissa, raw) },
            _ => lent(ENTIDB_KIND_OTHER, 0, raw),
        },
        ValueRef::Vector(vector) => {
            let detail = vector_kind(vector.kind()).cast_signed();
            entidb_item { detail, ..lent(ENTIDB_KIND_VECTOR, count(vector.len())?, vector.le_bytes()) }
        }
        ValueRef::Tagged(tagged) => {
            let head = match tagged.tag() {
                0..24 => 1,
                24..0x100 => 2,
                0x100..0x1_0000 => 3,
                0x1_0000..0x1_0000_0000 => 5,
                _ => 9,
            };
            lent(ENTIDB_KIND_TAGGED, tagged.tag().cast_signed(), raw.get(head..).unwrap_or_default())
        }
    })
}
