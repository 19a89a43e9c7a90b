//! Page tokens: the place of an answer, to go on after it later.
//!
//! Always: a token belongs to the collection, filter and order it came from; any other is refused. It says where the answer
//! stands among all, and not how it was found, so it outlives changes of indexes and of what is stored. It holds no snapshot:
//! the next page sees the newest commit. Does not know: how the place is found again (`source`).
//! Format: docs/spec/query.md, "Page tokens".

use entidb_codec::Value;

use super::order::{Order, RowOrder};
use crate::catalog::IndexDefinition;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, EntityId, Ordinal};
use crate::index::{ORDERED, fnv};
use crate::query::{Expression, Query};

const VERSION: u8 = 1;
const KIND_IDS: u8 = 1;
const KIND_ROWS: u8 = 2;
const KIND_COLUMNS: u8 = 3;
const KIND_ORDINALS: u8 = 4;
const KIND_SCORES: u8 = 5;

/// The place of an answer in an order.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Answers up to this one, on this page and those before it.
    pub(crate) given: u64,
    pub(crate) order: Order,
    /// The key of the answer in the order.
    pub(crate) key: Vec<u8>,
}

impl Place {
    /// The ordinal, where that is the order.
    pub(crate) fn ordinal(&self) -> Result<Ordinal> {
        let bytes = self.key.as_slice().try_into().map_err(|_| unreadable())?;
        Ok(Ordinal(u64::from_be_bytes(bytes)))
    }

    /// The token of this place for a query with this fingerprint.
    pub(crate) fn encode(&self, print: u64) -> Result<Vec<u8>> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&print.to_le_bytes());
        out.extend_from_slice(&self.given.to_le_bytes());
        match &self.order {
            Order::Ids => out.push(KIND_IDS),
            Order::Columns(_) => out.push(KIND_COLUMNS),
            Order::Ordinals => out.push(KIND_ORDINALS),
            Order::Scores => out.push(KIND_SCORES),
            Order::Rows(rows) => {
                out.push(KIND_ROWS);
                let columns = rows.columns().iter().map(|column| Value::from(column.to_string())).collect();
                let fields = [("columns", Value::Array(columns)), ("multi", Value::Bool(rows.is_multi()))];
                let bytes = entidb_codec::encode(&Value::Map(fields.into_iter().collect()));
                let len = u16::try_from(bytes.len()).map_err(|_| too_long())?;
                out.extend_from_slice(&len.to_le_bytes());
                out.extend_from_slice(&bytes);
            }
        }
        out.extend_from_slice(&self.key);
        Ok(out)
    }

    /// The place in a token of a query with this fingerprint, order, and filter taken apart.
    pub(crate) fn decode(token: &[u8], print: u64, query: &Query, terms: &[&Expression]) -> Result<Self> {
        let (version, rest) = token.split_first().ok_or_else(unreadable)?;
        let (found, rest) = rest.split_first_chunk::<8>().ok_or_else(unreadable)?;
        let (given, rest) = rest.split_first_chunk::<8>().ok_or_else(unreadable)?;
        let (kind, rest) = rest.split_first().ok_or_else(unreadable)?;
        if *version != VERSION {
            return Err(unreadable());
        }
        if u64::from_le_bytes(*found) != print {
            let problem =
                "the page token belongs to another collection, filter or order; use it with the query it came from";
            return Err(Error::new(ErrorCode::PageTokenInvalid, problem));
        }
        let (order, key) = match (*kind, query.order.is_empty()) {
            (KIND_IDS, true) => {
                EntityId::from_slice(rest).map_err(|_| unreadable())?;
                (Order::Ids, rest)
            }
            (KIND_ORDINALS, true) if rest.len() == size_of::<u64>() => (Order::Ordinals, rest),
            (KIND_SCORES, true) => (Order::Scores, rest),
            (KIND_COLUMNS, false) => (Order::Columns(query.order.as_slice().into()), rest),
            (KIND_ROWS, true) => {
                let (len, rest) = rest.split_first_chunk::<2>().ok_or_else(unreadable)?;
                let (definition, key) =
                    rest.split_at_checked(usize::from(u16::from_le_bytes(*len))).ok_or_else(unreadable)?;
                let value: Value = entidb_codec::decode(definition).map_err(|_| unreadable())?;
                let definition = IndexDefinition::from_value(&value).map_err(|_| unreadable())?;
                if definition.kind != ORDERED {
                    return Err(unreadable());
                }
                (Order::Rows(RowOrder::like(&definition, terms)), key)
            }
            _ => return Err(unreadable()),
        };
        if !matches!(order, Order::Ids) && key.len() < size_of::<u64>() {
            return Err(unreadable());
        }
        let given = u64::from_le_bytes(*given);
        if let Some(limit) = query.limit.filter(|limit| *limit <= given) {
            let problem = format!(
                "the limit of {limit} was reached with the page this token is of, after {given} answers; limit counts all \
                 pages together: set the size of a page with page, and leave the limit out or raise it"
            );
            return Err(Error::new(ErrorCode::PageTokenInvalid, problem));
        }
        Ok(Self { given, order, key: key.to_vec() })
    }
}

fn unreadable() -> Error {
    Error::new(ErrorCode::PageTokenInvalid, "the page token cannot be read; pass it unchanged")
}

fn too_long() -> Error {
    Error::new(ErrorCode::TooLarge, "the paths of the index are too long for a page token; ask with an order")
}

/// A number for a collection with a filter and order, the same in every process and language (FNV-1a of their bytes).
pub(crate) fn fingerprint(collection: CollectionId, query: &Query) -> Result<u64> {
    let asked = Query { limit: None, offset: 0, page: None, after: None, ..query.clone() };
    Ok(fnv([collection.0.to_le_bytes().as_slice(), &asked.to_bytes()?].concat().as_slice()))
}
