//! Page tokens: the place of an answer, to go on after it later.
//!
//! Always: a token is bound to the filter and order it came from; any other is refused. It holds no snapshot: the next page
//! sees the newest commit. Does not know: how the place is found again (`source`).
//! Format: docs/spec/query.md, "Page tokens".

use super::Query;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{EntityId, IndexId};

const VERSION: u8 = 1;
const KIND_ENTITY: u8 = 1;
const KIND_ROW: u8 = 2;
const KIND_SORTED: u8 = 3;

/// The place of an answer in the way it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the order of ids.
    Entity { id: EntityId },
    /// At a row of an index.
    Row { index: IndexId, key: Vec<u8> },
    /// At a sort key, with the tie break in it.
    Sorted { key: Vec<u8> },
}

impl Place {
    /// The token of this place for a query.
    pub(crate) fn encode(&self, query: &Query) -> Result<Vec<u8>> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&fingerprint(query)?.to_le_bytes());
        match self {
            Self::Entity { id } => {
                out.push(KIND_ENTITY);
                out.extend_from_slice(id.as_bytes());
            }
            Self::Row { index, key } => {
                out.push(KIND_ROW);
                out.extend_from_slice(&index.0.to_le_bytes());
                out.extend_from_slice(key);
            }
            Self::Sorted { key } => {
                out.push(KIND_SORTED);
                out.extend_from_slice(key);
            }
        }
        Ok(out)
    }

    /// The place in a token of this query.
    pub(crate) fn decode(token: &[u8], query: &Query) -> Result<Self> {
        let refuse =
            || Error::new(ErrorCode::PageTokenInvalid, "the page token cannot be read; pass one as it was given");
        let (version, rest) = token.split_first().ok_or_else(refuse)?;
        let (print, rest) = rest.split_first_chunk::<8>().ok_or_else(refuse)?;
        let (kind, body) = rest.split_first().ok_or_else(refuse)?;
        if *version != VERSION {
            return Err(refuse());
        }
        if u64::from_le_bytes(*print) != fingerprint(query)? {
            let problem = "the page token belongs to another filter or order; use it with the query it came from";
            return Err(Error::new(ErrorCode::PageTokenInvalid, problem));
        }
        match *kind {
            KIND_ENTITY => Ok(Self::Entity { id: EntityId::from_slice(body).map_err(|_| refuse())? }),
            KIND_ROW => {
                let (index, key) = body.split_first_chunk::<4>().ok_or_else(refuse)?;
                Ok(Self::Row { index: IndexId(u32::from_le_bytes(*index)), key: key.to_vec() })
            }
            KIND_SORTED => Ok(Self::Sorted { key: body.to_vec() }),
            _ => Err(refuse()),
        }
    }
}

/// The place of an answer, kept to make a page token of it later.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # notes.put_many([&entidb_core::doc! { "n": 1 }, &entidb_core::doc! { "n": 2 }, &entidb_core::doc! { "n": 3 }])?;
/// # use entidb_core::{asc, desc, field};
/// let mut found = notes.find(field("n").gt(0)).run()?;
/// found.next();
/// let place = found.place().expect("there was an answer");
/// found.next();
/// assert_ne!(Some(place), found.place());
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagePlace(pub(super) Place);

/// A number for the filter and order, the same in every process and language (FNV-1a of their bytes).
fn fingerprint(query: &Query) -> Result<u64> {
    let asked = Query { limit: None, offset: 0, after: None, ..query.clone() };
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in asked.to_bytes()? {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    Ok(hash)
}
