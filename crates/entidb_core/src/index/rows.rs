//! The rows one document has in one index.
//!
//! Always: the same document and ordinal give the same rows, sorted and without duplicates. A row's key orders as its
//! columns do, then by ordinal in the direction of the last column. Does not know: what other documents have.
//!
//! Row: `prefix | tuple | ordinal` with the entity's id as value. A unique index leaves the ordinal out where every
//! column has a value that is not null, so that equal keys collide.

use entidb_codec::{Direction, ValueRef, encode_ordered};

use crate::catalog::{Column, IndexRecord};
use crate::error::{Error, ErrorCode, Result};
use crate::id::{EntityId, Ordinal};
use crate::keyspace;

/// The longest tuple of an index, so that a row always fits the engine's keys.
pub(crate) const TUPLE_BYTES_MAX: usize = 4000;

/// The most elements of an array that one index takes in.
const ELEMENTS_MAX: usize = 10_000;

/// One row: its key, and whether it claims the tuple for its entity alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) is_claim: bool,
}

/// The rows of a document.
pub(crate) fn rows(index: &IndexRecord, document: &[u8], ordinal: Ordinal) -> Result<Vec<Row>> {
    let definition = &index.definition;
    if !definition.multi {
        let mut key = Vec::with_capacity(64);
        let is_claim = write_row(index, document, ordinal, &mut key)?;
        return Ok(vec![Row { key, is_claim }]);
    }
    let mut values = Vec::with_capacity(definition.columns.len());
    for column in &definition.columns {
        values.push(entidb_codec::lookup(document, &column.path)?);
    }
    let mut rows = Vec::new();
    match spread_column(index, &values)? {
        None => rows.push(row(index, values.iter().copied(), ordinal)?),
        Some((position, array)) => {
            if array.len() > ELEMENTS_MAX {
                let problem = format!("an indexed array has {} elements, {ELEMENTS_MAX} is the most", array.len());
                return Err(Error::new(ErrorCode::TooLarge, problem).with_index(&definition.name));
            }
            // An empty array has one row with nothing in its place: another column may still be asked for.
            let elements = array.iter().map(Some).chain(array.is_empty().then_some(None));
            for element in elements {
                let with_element =
                    values.iter().enumerate().map(|(at, value)| if at == position { element } else { *value });
                rows.push(row(index, with_element, ordinal)?);
            }
            rows.sort();
            rows.dedup();
        }
    }
    Ok(rows)
}

/// The one column that holds an array, in an index that spreads arrays.
fn spread_column<'a>(
    index: &IndexRecord,
    values: &[Option<ValueRef<'a>>],
) -> Result<Option<(usize, entidb_codec::ArrayRef<'a>)>> {
    let mut found = None;
    for (position, value) in values.iter().enumerate() {
        if let Some(ValueRef::Array(array)) = value {
            if found.is_some() {
                let problem =
                    "two fields of one multi index hold arrays; an index spreads at most one, use two indexes";
                return Err(Error::new(ErrorCode::InvalidArgument, problem).with_index(&index.definition.name));
            }
            found = Some((position, *array));
        }
    }
    Ok(found)
}

fn row<'a>(index: &IndexRecord, values: impl Iterator<Item = Option<ValueRef<'a>>>, ordinal: Ordinal) -> Result<Row> {
    let mut key = Vec::with_capacity(64);
    let is_claim = write_key(index, values.map(Ok), ordinal, &mut key)?;
    Ok(Row { key, is_claim })
}

/// Writes the key of the one row a document has in an index that keeps arrays whole; true when the row is a claim. After an
/// error what was written means nothing.
pub(crate) fn write_row(index: &IndexRecord, document: &[u8], ordinal: Ordinal, key: &mut Vec<u8>) -> Result<bool> {
    let values = index.definition.columns.iter().enumerate().map(|(position, column)| {
        let value = entidb_codec::lookup(document, &column.path)?;
        tell_array(index, position, value);
        Ok(value)
    });
    write_key(index, values, ordinal, key)
}

/// Before a row with a whole array can be committed, queries are told that there may be one.
fn tell_array(index: &IndexRecord, column: usize, value: Option<ValueRef<'_>>) {
    if matches!(value, Some(ValueRef::Array(_))) {
        index.whole_arrays.met(column);
    }
}

fn write_key<'a>(
    index: &IndexRecord,
    values: impl Iterator<Item = Result<Option<ValueRef<'a>>>>,
    ordinal: Ordinal,
    key: &mut Vec<u8>,
) -> Result<bool> {
    let definition = &index.definition;
    key.extend_from_slice(&keyspace::index_prefix(index.id, definition.unique));
    let start = key.len();
    let mut is_claim = definition.unique;
    for (column, value) in definition.columns.iter().zip(values) {
        let value = value?;
        is_claim &= !matches!(value, None | Some(ValueRef::Null));
        encode_ordered(value, column.direction, key);
    }
    let tuple_bytes = key.len() - start;
    if tuple_bytes > TUPLE_BYTES_MAX {
        let problem = format!(
            "the indexed fields need {tuple_bytes} bytes, {TUPLE_BYTES_MAX} is the most; index a shorter field"
        );
        return Err(Error::new(ErrorCode::TooLarge, problem).with_index(&definition.name));
    }
    if !is_claim {
        key.extend_from_slice(&ordinal_bytes(&definition.columns, ordinal));
    }
    Ok(is_claim)
}

/// Ties between equal tuples follow the direction of the last column, so that a reversed walk reverses them too.
fn ordinal_bytes(columns: &[Column], ordinal: Ordinal) -> [u8; 8] {
    let descending = columns.last().is_some_and(|column| column.direction == Direction::Descending);
    if descending { (!ordinal.0).to_be_bytes() } else { ordinal.0.to_be_bytes() }
}

/// The id in a row's value.
pub(crate) fn row_id(value: &[u8]) -> Result<EntityId> {
    <[u8; 16]>::try_from(value)
        .map(EntityId::from_bytes)
        .map_err(|_| Error::corrupt(format!("an index row with a value of {} bytes", value.len())))
}
