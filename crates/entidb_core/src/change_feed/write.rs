//! Writing what a transaction changed to the feed, when it commits.
//!
//! Always: the feed tells the difference between before and after the commit: an entity once, however often it was changed,
//! and not at all when it came and went. First come changes of the catalog in the order they were made, then collections
//! that were emptied at once, then entities by storage and id, then keys that indexes lost and those they got. Memory is that
//! of two parts, however much changed.
//! Does not know: how long changes are kept (`retention`).

use entidb_engine::{OwnChanges, Sequence, WriteTransaction, interrupt};

use super::change::ChangeKind;
use super::pending::{PART_KEY_BYTES, Pending};
use super::record::{self, Header, NAME_BYTES, PART_BYTES};
use super::retention::FeedMark;
use crate::catalog::{Catalog, CollectionRecord, IndexRecord};
use crate::error::{Error, Result};
use crate::history::CatalogRow;
use crate::id::{CollectionId, EntityId, StorageId};
use crate::keyspace::{self, ZONE_ENTITY, ZONE_HISTORY};

/// What a commit is to be told with.
pub(crate) struct CommitNote<'a> {
    /// The catalog before it and with it.
    pub(crate) base: &'a Catalog,
    pub(crate) now: &'a Catalog,
    pub(crate) time_micros: i64,
    /// What the feed and the history have come to before it.
    pub(crate) before: FeedMark,
}

/// Writes the changes of a transaction to the feed. Returns what the feed and the history come to with it; nothing when nothing
/// changed.
pub(crate) fn write_changes(
    tx: &mut WriteTransaction,
    pending: &Pending,
    note: &CommitNote<'_>,
) -> Result<Option<FeedMark>> {
    let mut writer = Writer::new(tx);
    for change in &pending.catalog {
        writer.name(change.collection, change.storage, &change.name)?;
        writer.make_room(record::CATALOG_BYTES + change.payload.len())?;
        writer.parts.push(1, |part| record::push_catalog(part, change.kind, &change.payload))?;
    }
    let cleared = if std::ptr::eq(note.base, note.now) { Vec::new() } else { note_catalog(&mut writer, note)? };
    for (collection, storage) in &cleared {
        let count = writer.left_to_clear(collection, *storage)?;
        if count > 0 {
            writer.name(collection.id, *storage, &collection.name)?;
            writer.make_room(5)?;
            writer.parts.push(count, |part| {
                record::push_cleared(part, count);
                Ok(())
            })?;
        }
    }
    if pending.has_entities() {
        writer.entities(pending, note)?;
    }
    if pending.has_keys() {
        writer.keys(pending, note)?;
    }
    writer.finish(pending, note)
}

/// Notes of each collection what the catalog had before. Gives those that were emptied at once, with their old storage.
fn note_catalog<'a>(writer: &mut Writer<'_>, note: &CommitNote<'a>) -> Result<Vec<(&'a CollectionRecord, StorageId)>> {
    let mut cleared = Vec::new();
    let mut rows: Vec<(CollectionId, CatalogRow)> = Vec::new();
    for old in note.base.records() {
        let new = note.now.by_id(old.id);
        let same = |new: &CollectionRecord| (&new.name, new.storage) == (&old.name, old.storage);
        if new.is_some_and(|new| same(new)) {
            continue;
        }
        let ends_storage = new.is_none_or(|new| new.storage != old.storage);
        if let Some(new) = new.filter(|_| ends_storage) {
            cleared.push((new.as_ref(), old.storage));
        }
        rows.push((old.id, CatalogRow::There { name: old.name.clone(), storage: old.storage, ends_storage }));
    }
    let created = note.now.records().filter(|new| note.base.by_id(new.id).is_none());
    rows.extend(created.map(|new| (new.id, CatalogRow::Absent)));
    for (collection, row) in rows {
        writer.tx.put(&keyspace::catalog_history(writer.sequence, collection), &row.encode())?;
    }
    Ok(cleared)
}

struct Writer<'a> {
    tx: &'a mut WriteTransaction,
    sequence: Sequence,
    parts: Parts,
}

/// The parts of a commit that are not in the transaction yet.
struct Parts {
    /// The part that is being filled, and the number of its first change.
    part: Vec<u8>,
    first: u32,
    /// The number of the next change.
    next: u32,
    /// The first part, once it is full: its header is known last.
    begin: Option<Vec<u8>>,
    /// Bytes of full parts.
    bytes: u64,
    /// The collection that the part names for what comes next.
    named: Option<(CollectionId, StorageId, String)>,
}

impl Parts {
    /// Whether an entry of this many bytes fits.
    fn has_room(&self, bytes: usize) -> bool {
        // A part without changes would have the number of the next.
        self.part.len() + bytes <= PART_BYTES || self.next == self.first
    }

    /// Whether the part names this collection for what comes next.
    fn is_named(&self, wanted: (CollectionId, StorageId, &str)) -> bool {
        self.named.as_ref().is_some_and(|(id, storage, name)| (*id, *storage, name.as_str()) == wanted)
    }

    /// Names the collection of what comes next. There must be room.
    fn name(&mut self, (collection, storage, name): (CollectionId, StorageId, &str)) -> Result<()> {
        self.named = Some((collection, storage, name.to_owned()));
        record::push_name(&mut self.part, collection, storage, name)
    }

    /// Names the collection of an entry of this many bytes, unless it is named already; false where the part is full.
    fn prepare(&mut self, wanted: (CollectionId, StorageId, &str), bytes: usize) -> Result<bool> {
        let is_named = self.is_named(wanted);
        let name_bytes = if is_named { 0 } else { NAME_BYTES };
        if !self.has_room(name_bytes + bytes) {
            if !is_named {
                self.named = None;
            }
            return Ok(false);
        }
        if !is_named {
            self.name(wanted)?;
        }
        Ok(true)
    }

    /// Adds an entry that is this many changes. There must be room.
    fn push(&mut self, changes: u32, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        write(&mut self.part)?;
        self.next = self.next.checked_add(changes).ok_or_else(|| Error::internal("a commit has too many changes"))?;
        Ok(())
    }

    /// Begins another part. Returns the full one with the number of its first change, unless it is the first of the commit,
    /// which is written last.
    fn begin_another(&mut self) -> Result<Option<(u32, Vec<u8>)>> {
        let part = std::mem::take(&mut self.part);
        let first = std::mem::replace(&mut self.first, self.next);
        self.bytes += part_bytes(&part);
        if let Some((collection, storage, name)) = &self.named {
            record::push_name(&mut self.part, *collection, *storage, name)?;
        }
        if first == 0 {
            self.begin = Some(part);
            return Ok(None);
        }
        Ok(Some((first, part)))
    }
}

impl<'a> Writer<'a> {
    fn new(tx: &'a mut WriteTransaction) -> Self {
        let sequence = tx.next_sequence();
        // Room for a commit of a few changes.
        let mut part = Vec::with_capacity(256);
        part.resize(Header::BYTES, 0);
        Self { tx, sequence, parts: Parts { part, first: 0, next: 0, begin: None, bytes: 0, named: None } }
    }

    /// What comes next is of this collection.
    fn name(&mut self, collection: CollectionId, storage: StorageId, name: &str) -> Result<()> {
        let wanted = (collection, storage, name);
        if !self.parts.is_named(wanted) {
            self.parts.named = None;
            self.make_room(NAME_BYTES)?;
            self.parts.name(wanted)?;
        }
        Ok(())
    }

    /// Writes the current part and begins another one if `bytes` do not fit.
    fn make_room(&mut self, bytes: usize) -> Result<()> {
        if self.parts.has_room(bytes) {
            return Ok(());
        }
        self.next_part()
    }

    fn next_part(&mut self) -> Result<()> {
        if let Some((first, part)) = self.parts.begin_another()? {
            self.tx.put(&keyspace::feed(self.sequence, first), &part)?;
        }
        Ok(())
    }

    /// How many entities of a storage that was given up are deleted by that, and not by a change of their own before it.
    fn left_to_clear(&self, collection: &CollectionRecord, storage: StorageId) -> Result<u32> {
        let mut count = self.tx.counter(&keyspace::count(collection.id.0))?;
        let (start, end) = (keyspace::prefix(ZONE_HISTORY, storage.0), keyspace::prefix_end(ZONE_HISTORY, storage.0));
        let mut changed = self.tx.own_changes(&start, &end);
        while changed.advance()? {
            count -= i64::from(changed.value().is_some());
        }
        u32::try_from(count.max(0)).map_err(|_| Error::internal("a collection has too many entities to clear"))
    }

    /// Adds the entities that are not after the transaction what they were before.
    fn entities(&mut self, pending: &Pending, note: &CommitNote<'_>) -> Result<()> {
        let mut start = vec![ZONE_ENTITY];
        // The walk borrows the transaction, so it begins anew behind a part that is full, which is once for thousands of
        // entities.
        while let Some(next) = self.entities_from(&start, pending, note)? {
            self.next_part()?;
            start = next;
        }
        Ok(())
    }

    /// Adds entities from a key on. Returns the key to go on with where the part is full.
    fn entities_from(&mut self, start: &[u8], pending: &Pending, note: &CommitNote<'_>) -> Result<Option<Vec<u8>>> {
        let mut walk = Walk::from(self.tx, start, pending.has_before());
        let mut storage = None;
        let mut owner = Owner::Gone;
        while walk.entities.advance()? {
            interrupt::check()?;
            let key = walk.entities.key();
            let (Some(found), Some(id)) = (keyspace::storage_of(key), keyspace::entity_id(key)) else {
                return Err(Error::internal("a transaction changed what is no entity"));
            };
            let is_there = walk.entities.value().is_some();
            let was_there = walk.was_there(found, &id)?;
            if storage != Some(found) {
                storage = Some(found);
                owner = Owner::of(found, note);
            }
            let (record, kind) = match (&owner, was_there, is_there) {
                (Owner::Gone, ..) => continue,
                (Owner::Has(record), true, true) => (*record, ChangeKind::Update),
                (Owner::Has(record), false, true) => (*record, ChangeKind::Insert),
                (Owner::Has(record), true, false) | (Owner::Had(record), true, _) => (*record, ChangeKind::Delete),
                (_, false, _) => continue,
            };
            let wanted = (record.id, found, record.name.as_str());
            if !self.parts.prepare(wanted, record::ENTITY_BYTES)? {
                return Ok(Some(keyspace::entity(found, &id).to_vec()));
            }
            self.parts.push(1, |part| {
                record::push_entity(part, kind, id);
                Ok(())
            })?;
        }
        Ok(None)
    }

    /// Adds the keys that entities do not have after the transaction what they had before. Keys that went come first: another
    /// entity may have got one of a unique index.
    fn keys(&mut self, pending: &Pending, note: &CommitNote<'_>) -> Result<()> {
        for record in pending.keyed.iter().filter_map(|id| note.now.by_id(*id)) {
            // Where the collection was emptied at once, each entity before is told of as deleted, and stands for its keys.
            let is_emptied = note.base.by_id(record.id).is_some_and(|base| base.storage != record.storage);
            for index in &record.indexes {
                let Some(zone) = index.told_zone() else { continue };
                let told = ToldKeys { record, index, is_emptied };
                if !is_emptied {
                    self.keys_of(&told, zone, ChangeKind::KeyRemoved)?;
                }
                self.keys_of(&told, zone, ChangeKind::KeyInserted)?;
            }
        }
        Ok(())
    }

    fn keys_of(&mut self, told: &ToldKeys<'_>, zone: u8, kind: ChangeKind) -> Result<()> {
        let mut start = keyspace::prefix(zone, told.index.id.0).to_vec();
        let end = keyspace::prefix_end(zone, told.index.id.0);
        // As with entities.
        while let Some(next) = self.keys_from((&start, &end), told, kind)? {
            self.next_part()?;
            start = next;
        }
        Ok(())
    }

    /// Adds keys of a range. Returns the row to go on with where the part is full.
    fn keys_from(
        &mut self,
        (start, end): (&[u8], &[u8]),
        told: &ToldKeys<'_>,
        kind: ChangeKind,
    ) -> Result<Option<Vec<u8>>> {
        let ToldKeys { record, index, is_emptied } = *told;
        let mut rows = self.tx.own_changes(start, end);
        while rows.advance()? {
            interrupt::check()?;
            let is_there = rows.value().is_some();
            if is_there != (kind == ChangeKind::KeyInserted) {
                continue;
            }
            let was_there = !is_emptied && self.tx.get_before(rows.key())?.is_some();
            if is_there == was_there {
                continue;
            }
            let (id, tuple) = index.told_key(rows.key())?;
            // An entity that went took its keys with it.
            if !is_there && self.tx.get(&keyspace::entity(record.storage, &id))?.is_none() {
                continue;
            }
            let name = &index.definition.name;
            let bytes = record::KEY_HEAD + name.len() + tuple.len();
            if !self.parts.prepare((record.id, record.storage, &record.name), bytes)? {
                return Ok(Some(rows.key().to_vec()));
            }
            self.parts.push(1, |part| record::push_key(part, kind, id, name, tuple))?;
        }
        Ok(None)
    }

    fn finish(self, pending: &Pending, note: &CommitNote<'_>) -> Result<Option<FeedMark>> {
        let Self { tx, sequence, mut parts } = self;
        if parts.next == 0 {
            return Ok(None);
        }
        let mut begin = match parts.begin.take() {
            None => {
                parts.bytes += part_bytes(&parts.part);
                parts.part
            }
            Some(begin) => {
                if parts.next > parts.first {
                    parts.bytes += part_bytes(&parts.part);
                    tx.put(&keyspace::feed(sequence, parts.first), &parts.part)?;
                }
                begin
            }
        };
        let bytes = note.before.bytes.saturating_add(parts.bytes).saturating_add(pending.before_bytes());
        let mark = FeedMark { time_micros: note.time_micros, bytes, commits: note.before.commits.saturating_add(1) };
        let FeedMark { time_micros, bytes, commits } = mark;
        let header = Header { time_micros, changes: parts.next, bytes, commits };
        if let Some(place) = begin.get_mut(..Header::BYTES) {
            place.copy_from_slice(&header.encode());
        }
        tx.put(&keyspace::feed(sequence, 0), &begin)?;
        Ok(Some(mark))
    }
}

/// An index of whose keys the feed tells.
struct ToldKeys<'a> {
    record: &'a CollectionRecord,
    index: &'a IndexRecord,
    /// Whether the transaction emptied the collection at once.
    is_emptied: bool,
}

/// What a part takes, with its key.
fn part_bytes(part: &[u8]) -> u64 {
    part.len() as u64 + PART_KEY_BYTES
}

/// Whose a storage is.
enum Owner<'a> {
    /// This collection has it.
    Has(&'a CollectionRecord),
    /// This collection had it before the transaction emptied it.
    Had(&'a CollectionRecord),
    /// Its collection was dropped, and its entities have no changes of their own.
    Gone,
}

impl<'a> Owner<'a> {
    fn of(storage: StorageId, note: &CommitNote<'a>) -> Self {
        if let Some(record) = note.now.by_storage(storage) {
            return Self::Has(record);
        }
        let before = note.base.by_storage(storage);
        before.and_then(|before| note.now.by_id(before.id)).map_or(Self::Gone, |record| Self::Had(record))
    }
}

/// The entities a transaction changed, and beside them its rows of the history.
struct Walk<'a> {
    entities: OwnChanges<'a>,
    /// None when there are no such rows.
    before: Option<OwnChanges<'a>>,
    is_begun: bool,
}

impl<'a> Walk<'a> {
    fn from(tx: &'a WriteTransaction, start: &[u8], has_before: bool) -> Self {
        let entities = tx.own_changes(start, &[ZONE_ENTITY + 1]);
        let first = [&[ZONE_HISTORY], start.get(1..).unwrap_or_default()].concat();
        let before = has_before.then(|| tx.own_changes(&first, &[ZONE_HISTORY + 1]));
        Self { entities, before, is_begun: false }
    }

    /// Whether an entity was there before the transaction. Asked in the order of storages and ids.
    fn was_there(&mut self, storage: StorageId, id: &EntityId) -> Result<bool> {
        let Some(before) = &mut self.before else { return Ok(false) };
        if !self.is_begun {
            self.is_begun = true;
            before.advance()?;
        }
        let wanted = (storage, *id);
        loop {
            let key = before.key();
            let (Some(found), Some((entity, _))) = (keyspace::storage_of(key), keyspace::history_place(key)) else {
                return Ok(false);
            };
            if (found, entity) >= wanted {
                return Ok((found, entity) == wanted && before.value().is_some());
            }
            before.advance()?;
        }
    }
}
