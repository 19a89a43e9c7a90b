//! The rows one document has in one index.
//!
//! Always: the same document and ordinal give the same rows, sorted and without duplicates. A row's key orders as its
//! columns do, then by ordinal in the direction of the last column; of a tuple too long for a row that holds for its start.
//! Does not know: what other documents have. Format: docs/spec/keyspace.md, "Ordered indexes".
//!
//! Row: `prefix | tuple | ordinal` with the entity's id as value. A unique index leaves the ordinal out where every
//! column has a value that is not null, so that equal keys collide. A tuple over the limit is cut:
//! `prefix | start of the tuple | hash of all of it | ordinal`; its length tells it from every other row.

use entidb_codec::{Direction, ValueRef, encode_ordered};

use super::Ordered;
use crate::catalog::Column;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{EntityId, Ordinal};
use crate::index::fnv;
use crate::keyspace;

/// The longest tuple that is in a row whole, so that a row always fits the engine's keys.
pub(crate) const TUPLE_BYTES_MAX: usize = 4000;

const HASH_BYTES: usize = 8;
const ORDINAL_BYTES: usize = 8;

/// The length of a row of a longer tuple, and of no other.
const CUT_ROW_BYTES: usize = keyspace::PREFIX_BYTES + TUPLE_BYTES_MAX + HASH_BYTES + ORDINAL_BYTES;

/// Memory for rows that is kept for the next ones; a long text may have needed more.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// The most elements of an array that one index takes in.
const ELEMENTS_MAX: usize = 10_000;

/// Whether a row keeps others from having the same tuple.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// It does not.
    None,
    /// It does: its key is the tuple.
    Key,
    /// It does, but its key has only the start of the tuple, which is here.
    Cut(Box<[u8]>),
}

/// One row: its key, and what it claims for its entity alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) claim: Claim,
}

/// The rows of a document. Refused when the index does not take in its arrays.
pub(crate) fn rows(index: &Ordered, document: &[u8], ordinal: Ordinal) -> Result<Vec<Row>> {
    rows_within(index, document, ordinal, ELEMENTS_MAX)
}

/// The rows that a document would have if the index took in everything.
pub(crate) fn rows_of_any(index: &Ordered, document: &[u8], ordinal: Ordinal) -> Result<Vec<Row>> {
    rows_within(index, document, ordinal, usize::MAX)
}

fn rows_within(index: &Ordered, document: &[u8], ordinal: Ordinal, elements_max: usize) -> Result<Vec<Row>> {
    #[cfg(test)]
    tests::ROWS_CALLS.with(|calls| calls.set(calls.get() + 1));
    if !index.multi {
        let mut key = Vec::with_capacity(64);
        let claim = write_row(index, document, ordinal, &mut key)?;
        return Ok(vec![Row { key, claim }]);
    }
    let mut values = Vec::with_capacity(index.columns.len());
    for column in &index.columns {
        values.push(entidb_codec::lookup(document, &column.path)?);
    }
    let mut rows = Vec::new();
    let spread = match spread_column(index, &values) {
        // The first array is spread, as if the others were values.
        Err(_) if elements_max == usize::MAX => first_array(&values),
        spread => spread?,
    };
    match spread {
        None => rows.push(row(index, values.iter().copied(), ordinal)?),
        Some((position, array)) => {
            if array.len() > elements_max {
                let problem = format!("an indexed array has {} elements, {ELEMENTS_MAX} is the most", array.len());
                return Err(Error::new(ErrorCode::TooLarge, problem).with_index(&index.name));
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

fn first_array<'a>(values: &[Option<ValueRef<'a>>]) -> Option<(usize, entidb_codec::ArrayRef<'a>)> {
    values.iter().enumerate().find_map(|(position, value)| match value {
        Some(ValueRef::Array(array)) => Some((position, *array)),
        _ => None,
    })
}

/// The one column that holds an array, in an index that spreads arrays.
fn spread_column<'a>(
    index: &Ordered,
    values: &[Option<ValueRef<'a>>],
) -> Result<Option<(usize, entidb_codec::ArrayRef<'a>)>> {
    let mut found = None;
    for (position, value) in values.iter().enumerate() {
        if let Some(ValueRef::Array(array)) = value {
            if found.is_some() {
                let problem =
                    "two fields of one multi index hold arrays; an index spreads at most one, use two indexes";
                return Err(Error::new(ErrorCode::InvalidArgument, problem).with_index(&index.name));
            }
            found = Some((position, *array));
        }
    }
    Ok(found)
}

fn row<'a>(index: &Ordered, values: impl Iterator<Item = Option<ValueRef<'a>>>, ordinal: Ordinal) -> Result<Row> {
    let mut key = Vec::with_capacity(64);
    let claim = write_key(index, values.map(Ok), ordinal, &mut key)?;
    Ok(Row { key, claim })
}

/// Writes the key of the one row a document has in an index that keeps arrays whole. After an error what was written means
/// nothing.
pub(crate) fn write_row(index: &Ordered, document: &[u8], ordinal: Ordinal, key: &mut Vec<u8>) -> Result<Claim> {
    let values = index.columns.iter().enumerate().map(|(position, column)| {
        let value = entidb_codec::lookup(document, &column.path)?;
        tell_array(index, position, value);
        Ok(value)
    });
    write_key(index, values, ordinal, key)
}

/// What a row becomes when its document is replaced.
pub(crate) enum Replaced {
    /// Itself: all columns have the same bytes. No key was written.
    Same,
    /// Another row, most likely, with this claim.
    By(Claim),
}

/// The most columns of which values of both documents are held at once.
const COMPARED_MAX: usize = 4;

/// As [`write_row`] for a document and the one that replaces it. Most changes leave most columns as they are, and to see that
/// takes neither key.
pub(crate) fn write_replaced(
    index: &Ordered,
    (old, new): (&[u8], &[u8]),
    ordinal: Ordinal,
    (old_key, new_key): (&mut Vec<u8>, &mut Vec<u8>),
) -> Result<Replaced> {
    if index.columns.len() > COMPARED_MAX {
        write_row(index, old, ordinal, old_key)?;
        return write_row(index, new, ordinal, new_key).map(Replaced::By);
    }
    let (mut before, mut after) = ([None; COMPARED_MAX], [None; COMPARED_MAX]);
    let mut is_same = true;
    for (position, ((column, before), after)) in index.columns.iter().zip(&mut before).zip(&mut after).enumerate() {
        let (was, is) = (entidb_codec::lookup_both(old, &column.path)?, entidb_codec::lookup_both(new, &column.path)?);
        is_same &= was.map(|(_, bytes)| bytes) == is.map(|(_, bytes)| bytes);
        (*before, *after) = (was.map(|(value, _)| value), is.map(|(value, _)| value));
        tell_array(index, position, *after);
    }
    if is_same {
        return Ok(Replaced::Same);
    }
    write_key(index, before.into_iter().map(Ok), ordinal, old_key)?;
    write_key(index, after.into_iter().map(Ok), ordinal, new_key).map(Replaced::By)
}

/// Before a row with a whole array can be committed, queries are told that there may be one.
fn tell_array(index: &Ordered, column: usize, value: Option<ValueRef<'_>>) {
    if matches!(value, Some(ValueRef::Array(_))) {
        index.whole_arrays.met(column);
    }
}

fn write_key<'a>(
    index: &Ordered,
    values: impl Iterator<Item = Result<Option<ValueRef<'a>>>>,
    ordinal: Ordinal,
    key: &mut Vec<u8>,
) -> Result<Claim> {
    key.extend_from_slice(&keyspace::index_prefix(index.id, index.unique));
    let start = key.len();
    let mut is_claim = index.unique;
    for (column, value) in index.columns.iter().zip(values) {
        let value = value?;
        is_claim &= !matches!(value, None | Some(ValueRef::Null));
        encode_ordered(value, column.direction, key);
    }
    let tuple = key.get(start..).unwrap_or_default();
    let claim = match (is_claim, tuple.len() > TUPLE_BYTES_MAX) {
        (false, false) => Claim::None,
        (true, false) => return Ok(Claim::Key),
        (is_claim, true) => {
            let claim = if is_claim { Claim::Cut(tuple.into()) } else { Claim::None };
            let hash = fnv(tuple);
            key.truncate(start + TUPLE_BYTES_MAX);
            if key.capacity() > KEPT_BYTES_MAX {
                key.shrink_to(KEPT_BYTES_MAX);
            }
            key.extend_from_slice(&hash.to_be_bytes());
            claim
        }
    };
    key.extend_from_slice(&ordinal_bytes(&index.columns, ordinal));
    Ok(claim)
}

/// The part of a row that rows of equal starts share, where the row is one of a tuple that was cut.
pub(crate) fn cut_start(key: &[u8]) -> Option<&[u8]> {
    if key.len() == CUT_ROW_BYTES { key.get(..keyspace::PREFIX_BYTES + TUPLE_BYTES_MAX) } else { None }
}

/// All rows of a tuple that was cut begin with these bytes of one of them.
pub(crate) fn cut_tuple(key: &[u8]) -> &[u8] {
    key.get(..CUT_ROW_BYTES - ORDINAL_BYTES).unwrap_or(key)
}

/// Ties between equal tuples follow the direction of the last column, so that a reversed walk reverses them too.
pub(crate) fn ordinal_bytes(columns: &[Column], ordinal: Ordinal) -> [u8; ORDINAL_BYTES] {
    let descending = columns.last().is_some_and(|column| column.direction == Direction::Descending);
    if descending { (!ordinal.0).to_be_bytes() } else { ordinal.0.to_be_bytes() }
}

/// The id in a row's value.
pub(crate) fn row_id(value: &[u8]) -> Result<EntityId> {
    <[u8; 16]>::try_from(value)
        .map(EntityId::from_bytes)
        .map_err(|_| Error::corrupt(format!("an index row with a value of {} bytes", value.len())))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::catalog::IndexDefinition;
    use crate::id::IndexId;
    use crate::index::kind::Origin;
    use entidb_codec::{doc, encode};

    thread_local! {
        /// How often this thread made the rows of a document.
        pub(crate) static ROWS_CALLS: Cell<u64> = const { Cell::new(0) };
    }

    fn row_of(definition: IndexDefinition, text: &str, ordinal: u64) -> Row {
        let index = Ordered::new(IndexId(1), &definition, Origin::New);
        rows(&index, &encode(&doc! { "t": text }), Ordinal(ordinal)).unwrap().remove(0)
    }

    #[test]
    fn a_cut_row_is_known_by_its_length_and_fits_the_engine() {
        for (unique, at_most) in [(false, 4013), (true, 4005)] {
            let mut definition = IndexDefinition::on(["t"]).unwrap();
            definition.unique = unique;
            for len in [0, 1, 3990, 3996, 3997, 3998, 3999, 4000, 4013, 5000, 100_000] {
                let row = row_of(definition.clone(), &"x".repeat(len), 7);
                assert_eq!(cut_start(&row.key).is_some(), len > 3997, "{len}");
                assert!(row.key.len() <= at_most || row.key.len() == 4021, "{len}");
                assert_eq!(matches!(row.claim, Claim::Cut(_)), unique && len > 3997);
            }
        }
    }

    #[test]
    fn cut_rows_with_equal_tuples_begin_alike_and_others_do_not() {
        let definition = IndexDefinition::on(["-t"]).unwrap().unique();
        let long = "é".repeat(4000);
        let (one, two) = (row_of(definition.clone(), &long, 1), row_of(definition.clone(), &long, 2));
        assert_eq!((cut_tuple(&one.key), &one.claim), (cut_tuple(&two.key), &two.claim));
        assert!(one.key > two.key, "ties descend");
        let other = row_of(definition, &(long + "x"), 1);
        assert_ne!(cut_tuple(&one.key), cut_tuple(&other.key));
        assert_eq!(cut_start(&one.key), cut_start(&other.key));
    }
}
