//! Every key prefix in the database, described once.
//!
//! Always: the first byte is the zone; numbers are big-endian, so byte order is number order; one collection or index is
//! one contiguous range. Does not know: what the values under the keys hold.
//! Format: docs/spec/keyspace.md.
//!
//! | Zone | Key | Value |
//! |---|---|---|
//! | 01 | `01 01` | catalog version, u64 |
//! | 01 | `01 02 collection` | collection record, CBOR |
//! | 01 | `01 03 name` | collection number, u32 |
//! | 01 | `01 04` | next number for collections and indexes, u32 |
//! | 01 | `01 05 number` | what a collection or an index counts, counter |
//! | 01 | `01 06 collection` | next ordinal, u64 |
//! | 01 | `01 07` | watermark: oldest sequence kept in the change feed and the history, u64 |
//! | 01 | `01 08` | version of this keyspace, u32 |
//! | 01 | `01 09 sequence` | id of the session whose first commit it is |
//! | 01 | `01 0b index` | why an index being built cannot be finished |
//! | 01 | `01 0c sequence collection` | collection record before that commit |
//! | 02 | `02 storage id` | entity: envelope and document |
//! | 03 | `03 collection ordinal` | entity id |
//! | 04 | `04 index tuple [ordinal]` | unique index row: entity id |
//! | 05 | `05 index tuple ordinal` | index row: entity id |
//! | 06 | `06 index key id` | nothing: a key of a manual index |
//! | 07 | `07 index id key` | nothing: the same key, found by its entity |
//! | 0a | `0a sequence first` | changes of one commit, framed |
//! | 0b | `0b storage id sequence` | entity as it was before that commit |

use crate::id::{CollectionId, EntityId, IndexId, Ordinal, StorageId};
use entidb_engine::Sequence;

pub(crate) const ZONE_META: u8 = 0x01;
pub(crate) const ZONE_ENTITY: u8 = 0x02;
pub(crate) const ZONE_ORDINAL: u8 = 0x03;
pub(crate) const ZONE_UNIQUE: u8 = 0x04;
pub(crate) const ZONE_INDEX: u8 = 0x05;
pub(crate) const ZONE_MANUAL: u8 = 0x06;
pub(crate) const ZONE_MANUAL_ENTITY: u8 = 0x07;
pub(crate) const ZONE_FEED: u8 = 0x0a;
/// Entities as they were before each commit that changed or removed them.
pub(crate) const ZONE_HISTORY: u8 = 0x0b;

const META_CATALOG_VERSION: u8 = 0x01;
const META_COLLECTION: u8 = 0x02;
const META_NAME: u8 = 0x03;
const META_NEXT_NUMBER: u8 = 0x04;
const META_COUNT: u8 = 0x05;
const META_NEXT_ORDINAL: u8 = 0x06;
const META_FEED_OLDEST: u8 = 0x07;
const META_KEYSPACE_VERSION: u8 = 0x08;
const META_SESSION: u8 = 0x09;

const META_BUILD_REFUSAL: u8 = 0x0b;
const META_CATALOG_HISTORY: u8 = 0x0c;

/// The key of the watermark, by which the feed and the history expire.
pub(crate) const WATERMARK: &[u8] = &[ZONE_META, META_FEED_OLDEST];

/// The version of this keyspace; a database with a newer one is refused.
pub(crate) const KEYSPACE_VERSION: u32 = 1;

/// Length of `zone | u32`.
pub(crate) const PREFIX_BYTES: usize = 5;

pub(crate) fn catalog_version() -> [u8; 2] {
    [ZONE_META, META_CATALOG_VERSION]
}

pub(crate) fn next_number() -> [u8; 2] {
    [ZONE_META, META_NEXT_NUMBER]
}

pub(crate) fn feed_oldest() -> [u8; 2] {
    [ZONE_META, META_FEED_OLDEST]
}

pub(crate) fn keyspace_version() -> [u8; 2] {
    [ZONE_META, META_KEYSPACE_VERSION]
}

/// Where the session that made its first commit as this sequence is noted.
pub(crate) fn session(sequence: Sequence) -> [u8; 10] {
    let mut key = [0_u8; 10];
    let (head, tail) = key.split_at_mut(2);
    head.copy_from_slice(&[ZONE_META, META_SESSION]);
    tail.copy_from_slice(&sequence.0.to_be_bytes());
    key
}

/// The first key after all sessions.
pub(crate) fn sessions_end() -> [u8; 2] {
    [ZONE_META, META_SESSION + 1]
}

fn meta_numbered(sub: u8, collection: CollectionId) -> [u8; 6] {
    let [a, b, c, d] = collection.0.to_be_bytes();
    [ZONE_META, sub, a, b, c, d]
}

pub(crate) fn collection_record(collection: CollectionId) -> [u8; 6] {
    meta_numbered(META_COLLECTION, collection)
}

/// The range of all collection records.
pub(crate) fn collection_records() -> ([u8; 2], [u8; 2]) {
    ([ZONE_META, META_COLLECTION], [ZONE_META, META_COLLECTION + 1])
}

pub(crate) fn collection_name(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + name.len());
    key.extend_from_slice(&[ZONE_META, META_NAME]);
    key.extend_from_slice(name.as_bytes());
    key
}

/// What a collection or an index counts; both have numbers of one row.
pub(crate) fn count(number: u32) -> [u8; 6] {
    meta_numbered(META_COUNT, CollectionId(number))
}

pub(crate) fn next_ordinal(collection: CollectionId) -> [u8; 6] {
    meta_numbered(META_NEXT_ORDINAL, collection)
}

/// Why an index that is being built cannot be finished.
pub(crate) fn build_refusal(index: IndexId) -> [u8; 6] {
    meta_numbered(META_BUILD_REFUSAL, CollectionId(index.0))
}

/// `zone | number`, the start of everything a collection or index keeps in a zone.
pub(crate) fn prefix(zone: u8, number: u32) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = number.to_be_bytes();
    [zone, a, b, c, d]
}

/// The first key after everything under `zone | number`.
pub(crate) fn prefix_end(zone: u8, number: u32) -> [u8; PREFIX_BYTES] {
    match number.checked_add(1) {
        Some(next) => prefix(zone, next),
        None => [zone.saturating_add(1), 0, 0, 0, 0],
    }
}

pub(crate) fn entity(storage: StorageId, id: &EntityId) -> [u8; 21] {
    let mut key = [0_u8; 21];
    let (head, tail) = key.split_at_mut(PREFIX_BYTES);
    head.copy_from_slice(&prefix(ZONE_ENTITY, storage.0));
    tail.copy_from_slice(id.as_bytes());
    key
}

/// The id in an entity key.
pub(crate) fn entity_id(key: &[u8]) -> Option<EntityId> {
    key.get(PREFIX_BYTES..).and_then(|id| <[u8; 16]>::try_from(id).ok()).map(EntityId::from_bytes)
}

pub(crate) fn ordinal(collection: CollectionId, ordinal: Ordinal) -> [u8; 13] {
    let mut key = [0_u8; 13];
    let (head, tail) = key.split_at_mut(PREFIX_BYTES);
    head.copy_from_slice(&prefix(ZONE_ORDINAL, collection.0));
    tail.copy_from_slice(&ordinal.0.to_be_bytes());
    key
}

/// The zone an index keeps its rows in.
pub(crate) const fn index_zone(unique: bool) -> u8 {
    if unique { ZONE_UNIQUE } else { ZONE_INDEX }
}

pub(crate) fn index_prefix(index: IndexId, unique: bool) -> [u8; PREFIX_BYTES] {
    prefix(index_zone(unique), index.0)
}

pub(crate) fn index_end(index: IndexId, unique: bool) -> [u8; PREFIX_BYTES] {
    prefix_end(index_zone(unique), index.0)
}

/// The entity as it was before the commit with this sequence, which changed or removed it.
pub(crate) fn history(storage: StorageId, id: &EntityId, sequence: Sequence) -> [u8; 29] {
    let mut key = [0_u8; 29];
    let (head, rest) = key.split_at_mut(PREFIX_BYTES);
    let (middle, tail) = rest.split_at_mut(16);
    head.copy_from_slice(&prefix(ZONE_HISTORY, storage.0));
    middle.copy_from_slice(id.as_bytes());
    tail.copy_from_slice(&sequence.0.to_be_bytes());
    key
}

/// Behind every row of the history of an entity.
pub(crate) fn history_end(storage: StorageId, id: &EntityId) -> Vec<u8> {
    let mut key = history(storage, id, Sequence(u64::MAX)).to_vec();
    key.push(0);
    key
}

/// The entity and the commit of a row of the history.
pub(crate) fn history_place(key: &[u8]) -> Option<(EntityId, Sequence)> {
    let (id, sequence) = key.get(PREFIX_BYTES..)?.split_first_chunk::<16>()?;
    Some((EntityId::from_bytes(*id), Sequence(u64::from_be_bytes(sequence.try_into().ok()?))))
}

/// The storage in the key of an entity or of a row of the history.
pub(crate) fn storage_of(key: &[u8]) -> Option<StorageId> {
    key.get(1..PREFIX_BYTES)?.try_into().ok().map(u32::from_be_bytes).map(StorageId)
}

/// What the catalog had of a collection before the commit with this sequence.
pub(crate) fn catalog_history(sequence: Sequence, collection: CollectionId) -> [u8; 14] {
    let mut key = [0_u8; 14];
    let (head, rest) = key.split_at_mut(2);
    let (middle, tail) = rest.split_at_mut(8);
    head.copy_from_slice(&[ZONE_META, META_CATALOG_HISTORY]);
    middle.copy_from_slice(&sequence.0.to_be_bytes());
    tail.copy_from_slice(&collection.0.to_be_bytes());
    key
}

/// The commit and the collection of such a key.
pub(crate) fn catalog_history_place(key: &[u8]) -> Option<(Sequence, CollectionId)> {
    let (sequence, collection) = key.get(2..)?.split_first_chunk::<8>()?;
    let collection = u32::from_be_bytes(collection.try_into().ok()?);
    Some((Sequence(u64::from_be_bytes(*sequence)), CollectionId(collection)))
}

/// Behind every such key.
pub(crate) fn catalog_history_end() -> [u8; 2] {
    [ZONE_META, META_CATALOG_HISTORY + 1]
}

pub(crate) fn feed(sequence: Sequence, part: u32) -> [u8; 13] {
    let mut key = [0_u8; 13];
    let (zone, rest) = key.split_at_mut(1);
    let (head, tail) = rest.split_at_mut(8);
    zone.copy_from_slice(&[ZONE_FEED]);
    head.copy_from_slice(&sequence.0.to_be_bytes());
    tail.copy_from_slice(&part.to_be_bytes());
    key
}

/// The commit sequence and the number of the part in a feed key.
pub(crate) fn feed_place(key: &[u8]) -> Option<(Sequence, u32)> {
    let (sequence, part) = key.get(1..)?.split_first_chunk::<8>()?;
    Some((Sequence(u64::from_be_bytes(*sequence)), u32::from_be_bytes(part.try_into().ok()?)))
}

/// The last eight bytes of a key as a number.
pub(crate) fn trailing_u64(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk::<8>().map(|tail| u64::from_be_bytes(*tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_above_all_its_keys_and_below_the_next() {
        for number in [0, 1, 255, 256, u32::MAX] {
            let (start, end) = (prefix(ZONE_INDEX, number), prefix_end(ZONE_INDEX, number));
            let mut inside = start.to_vec();
            inside.extend_from_slice(&[0xff; 40]);
            assert!(start < end && inside.as_slice() < end.as_slice());
        }
    }

    #[test]
    fn keys_give_back_what_went_in() {
        let id = EntityId::from_bytes([9; 16]);
        assert_eq!(entity_id(&entity(StorageId(3), &id)), Some(id));
        assert_eq!(feed_place(&feed(Sequence(77), 1)), Some((Sequence(77), 1)));
        assert!(session(Sequence(u64::MAX)).as_slice() < sessions_end().as_slice());
        assert_eq!(trailing_u64(&ordinal(CollectionId(1), Ordinal(5))), Some(5));
    }
}
