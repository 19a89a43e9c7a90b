//! What the catalog had of a collection before a commit that made, renamed, emptied or dropped it.
//!
//! Always: the entities of a storage that was given up stay for as long as the row that says so. Does not know: indexes.
//!
//! A row: nothing when there was no such collection; otherwise `u8 1 when its storage was given up | u32 storage | name`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use entidb_engine::{ChangeSize, Direction, Sequence, WriteTransaction};

use crate::catalog::{Catalog, CollectionRecord};
use crate::change_feed::decode_oldest;
use crate::error::{Error, Result};
use crate::id::{CollectionId, StorageId};
use crate::keyspace::{self, ZONE_ENTITY};
use crate::transaction::View;

/// What two deleted ranges take at most.
const ROW_ROOM: ChangeSize = ChangeSize { changes: 4, key_bytes: 128, value_bytes: 0 };

/// What a commit may still add behind it.
const COMMIT_ROOM: ChangeSize = ChangeSize { changes: 8, key_bytes: 256, value_bytes: 0 };

/// A collection before a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CatalogRow {
    Absent,
    There {
        name: String,
        storage: StorageId,
        /// The commit gave the storage up.
        ends_storage: bool,
    },
}

impl CatalogRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Absent => Vec::new(),
            Self::There { name, storage, ends_storage } => {
                let mut out = vec![u8::from(*ends_storage)];
                out.extend_from_slice(&storage.0.to_be_bytes());
                out.extend_from_slice(name.as_bytes());
                out
            }
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let Some((flag, rest)) = bytes.split_first() else { return Ok(Self::Absent) };
        let (storage, name) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let name = std::str::from_utf8(name).map_err(|_| damaged())?.to_owned();
        let storage = StorageId(u32::from_be_bytes(*storage));
        Ok(Self::There { name, storage, ends_storage: *flag == 1 })
    }

    fn into_record(self, id: CollectionId) -> Option<CollectionRecord> {
        match self {
            Self::Absent => None,
            Self::There { name, storage, .. } => {
                Some(CollectionRecord { id, storage, name, indexes: Vec::new(), building: Vec::new() })
            }
        }
    }

    /// The storage that was given up with the commit of the row.
    pub(crate) fn ended_storage(&self) -> Option<StorageId> {
        match self {
            Self::There { storage, ends_storage: true, .. } => Some(*storage),
            _ => None,
        }
    }
}

/// The collections at an earlier commit, without their indexes, which are those of now.
pub(crate) fn catalog_at(view: &View, now: &Catalog, at: Sequence) -> Result<Catalog> {
    let mut records: BTreeMap<CollectionId, Option<CollectionRecord>> = BTreeMap::new();
    each_row(view, at.next(), |_, id, row| {
        // What the first later commit found is what there was.
        if let Entry::Vacant(place) = records.entry(id) {
            place.insert(CatalogRow::decode(row)?.into_record(id));
        }
        Ok(())
    })?;
    for record in now.records() {
        let without = || CollectionRecord { indexes: Vec::new(), building: Vec::new(), ..(**record).clone() };
        records.entry(record.id).or_insert_with(|| Some(without()));
    }
    Ok(Catalog::from_records(records.into_values().flatten()))
}

/// The storages a collection has had, the oldest first, each with the commit that gave it up.
pub(super) fn storages_of(view: &View, collection: CollectionId) -> Result<Vec<(StorageId, Sequence)>> {
    let mut found = Vec::new();
    each_row(view, Sequence::ZERO, |sequence, id, row| {
        if id == collection {
            found.extend(CatalogRow::decode(row)?.ended_storage().map(|storage| (storage, sequence)));
        }
        Ok(())
    })?;
    Ok(found)
}

/// Passes the rows of commits from one on to `each`, in their order: the commit, the collection, and the row.
fn each_row(
    view: &View,
    from: Sequence,
    mut each: impl FnMut(Sequence, CollectionId, &[u8]) -> Result<()>,
) -> Result<()> {
    let start = keyspace::catalog_history(from, CollectionId(0));
    let mut rows = view.range(&start, &keyspace::catalog_history_end(), Direction::Forward)?;
    while rows.advance()? {
        let (sequence, id) = keyspace::catalog_history_place(rows.key()).ok_or_else(damaged)?;
        each(sequence, id, rows.value())?;
    }
    Ok(())
}

fn damaged() -> Error {
    Error::corrupt("a row of the history of the catalog")
}

/// Storages that were given up and are still there as history.
pub(crate) fn ended_storages(view: &View) -> Result<Vec<StorageId>> {
    let mut ended = Vec::new();
    each_row(view, Sequence::ZERO, |_, _, row| {
        ended.extend(CatalogRow::decode(row)?.ended_storage());
        Ok(())
    })?;
    Ok(ended)
}

/// Storages that went with their collection, each with the commit that dropped it.
pub(crate) fn dropped_storages(view: &View) -> Result<Vec<(StorageId, Sequence)>> {
    let mut last: BTreeMap<CollectionId, (Sequence, CatalogRow)> = BTreeMap::new();
    each_row(view, Sequence::ZERO, |sequence, id, row| {
        last.insert(id, (sequence, CatalogRow::decode(row)?));
        Ok(())
    })?;
    // The newest row of a collection that does not exist is that of its drop.
    let now = view.catalog()?;
    let gone = last.into_iter().filter(|(id, _)| now.by_id(*id).is_none());
    Ok(gone.filter_map(|(_, (sequence, row))| row.ended_storage().map(|storage| (storage, sequence))).collect())
}

/// Removes the rows of commits before the watermark, and the entities that were there for their sake, as far as the
/// transaction has room for it; what is left goes another time.
pub(crate) fn drop_rows(tx: &mut WriteTransaction) -> Result<()> {
    let watermark = decode_oldest(tx.get(&keyspace::feed_oldest())?.as_deref())?;
    let start = keyspace::catalog_history(Sequence::ZERO, CollectionId(0));
    let mut end = keyspace::catalog_history(watermark, CollectionId(0)).to_vec();
    let mut rows = tx.range(start.as_slice()..end.as_slice(), Direction::Forward)?;
    let mut is_any = false;
    while rows.advance()? {
        if tx.check_room(ROW_ROOM, COMMIT_ROOM).is_err() {
            end = rows.key().to_vec();
            break;
        }
        is_any = true;
        if let Some(storage) = CatalogRow::decode(rows.value())?.ended_storage() {
            let (first, last) =
                (keyspace::prefix(ZONE_ENTITY, storage.0), keyspace::prefix_end(ZONE_ENTITY, storage.0));
            tx.delete_range(&first, &last)?;
        }
    }
    drop(rows);
    if is_any { Ok(tx.delete_range(&start, &end)?) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back() {
        for row in [
            CatalogRow::Absent,
            CatalogRow::There { name: "notes".into(), storage: StorageId(7), ends_storage: false },
            CatalogRow::There { name: "n".into(), storage: StorageId(u32::MAX), ends_storage: true },
        ] {
            assert_eq!(CatalogRow::decode(&row.encode()).unwrap(), row);
        }
        assert!(CatalogRow::decode(&[1, 0, 0]).is_err());
    }
}
