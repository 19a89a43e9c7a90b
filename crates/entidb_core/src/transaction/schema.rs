//! Changes of what exists: collections and indexes, in the same transaction as entities.
//!
//! Always: a name is taken or free as of this transaction; a dropped collection or index takes all its keys with it.
//! Does not know: which indexes are built in several transactions (`index::build`).

use std::sync::Arc;

use entidb_engine::Direction;

use super::State;
use crate::catalog::{CollectionRecord, IndexDefinition, IndexRecord, check_name};
use crate::change_feed::ChangeKind;
use crate::collection::Target;
use crate::collection::envelope::Envelope;
use crate::error::{Error, ErrorCode, Result, quoted};
use crate::id::{CollectionId, EntityId, IndexId, StorageId};
use crate::index::kind::Change;
use crate::index::{Builds, Changes};
use crate::keyspace::{self, ZONE_ENTITY, ZONE_ORDINAL};

/// What asking for an index came to.
#[derive(Debug)]
pub(crate) enum BegunIndex {
    /// The same index was there.
    Unchanged,
    /// It is there now, with all of its rows.
    Ready,
    /// Another call is building the same index.
    Elsewhere(IndexId),
    /// There are more entities than fit one transaction; those up to `reached` have their rows.
    Building { collection: CollectionId, index: Arc<IndexRecord>, reached: EntityId },
}

/// About what a key costs in a transaction beside its bytes.
const KEY_BYTES: u64 = 64;

/// The id in changes that are of no entity.
const NO_ENTITY: EntityId = EntityId::from_bytes([0; 16]);

impl State {
    pub(crate) fn create_collection(&mut self, name: &str) -> Result<Arc<CollectionRecord>> {
        check_name("collection", name)?;
        if self.catalog().by_name(name).is_some() {
            let problem = format!("there is a collection {name:?} already; use it or choose another name");
            return Err(Error::new(ErrorCode::CollectionExists, problem).with_collection(name));
        }
        let id = CollectionId(self.take_number()?);
        let record = CollectionRecord {
            id,
            storage: StorageId(id.0),
            name: name.to_owned(),
            indexes: Vec::new(),
            building: Vec::new(),
        };
        self.store_collection(&record)?;
        self.engine().put(&keyspace::collection_name(name), &id.0.to_be_bytes())?;
        self.record(ChangeKind::CollectionCreated, &record, &[]);
        self.put_in_catalog(record);
        self.existing_collection(name)
    }

    pub(crate) fn rename_collection(&mut self, from: &str, to: &str) -> Result<()> {
        check_name("collection", to)?;
        let record = self.existing_collection(from)?;
        if from == to {
            return Ok(());
        }
        if self.catalog().by_name(to).is_some() {
            let problem = format!("cannot rename {from:?}: there is a collection {to:?} already; choose another name");
            return Err(Error::new(ErrorCode::CollectionExists, problem).with_collection(to));
        }
        let renamed = CollectionRecord { name: to.to_owned(), ..(*record).clone() };
        self.store_collection(&renamed)?;
        self.engine().delete(&keyspace::collection_name(from))?;
        self.engine().put(&keyspace::collection_name(to), &record.id.0.to_be_bytes())?;
        self.record(ChangeKind::CollectionRenamed, &record, to.as_bytes());
        self.put_in_catalog(renamed);
        Ok(())
    }

    pub(crate) fn drop_collection(&mut self, name: &str) -> Result<()> {
        let record = self.existing_collection(name)?;
        for index in record.indexes.iter().chain(&record.building) {
            self.clear_index(index)?;
            self.forget_count(index.id.0)?;
        }
        for index in &record.building {
            self.engine().delete(&keyspace::build_refusal(index.id))?;
        }
        if self.keeps_storage(&record) {
            self.note_given_up(&record)?;
        } else {
            self.clear_zone(ZONE_ENTITY, record.storage.0)?;
        }
        self.clear_zone(ZONE_ORDINAL, record.id.0)?;
        self.engine().delete(&keyspace::collection_record(record.id))?;
        self.engine().delete(&keyspace::collection_name(name))?;
        self.forget_collection(record.id)?;
        self.record(ChangeKind::CollectionDropped, &record, &[]);
        self.drop_from_catalog(record.id);
        Ok(())
    }

    /// Declares an index and builds it over what is there, all in this transaction. False when it was there already.
    pub(crate) fn create_index(
        &mut self,
        target: &Target<'_>,
        definition: &IndexDefinition,
        builds: &Builds,
    ) -> Result<bool> {
        match self.begin_index(target, definition, u64::MAX, builds)? {
            BegunIndex::Unchanged => Ok(false),
            BegunIndex::Ready => Ok(true),
            BegunIndex::Elsewhere(_) => {
                let problem =
                    format!("another call is building the index {:?}; try again when it is done", definition.name);
                Err(Error::new(ErrorCode::Busy, problem).with_collection(target.name).with_index(&definition.name))
            }
            BegunIndex::Building { .. } => Err(Error::internal("an index build stopped without a bound")),
        }
    }

    /// Declares an index and builds it over the first entities, up to a number of bytes of rows: over all of them if they fit.
    pub(crate) fn begin_index(
        &mut self,
        target: &Target<'_>,
        definition: &IndexDefinition,
        bytes_max: u64,
        builds: &Builds,
    ) -> Result<BegunIndex> {
        definition.check()?;
        let mut record = match self.resolve(target)? {
            Some(record) => record,
            None => self.create_collection(target.name)?,
        };
        let collection = &record.name.clone();
        let known = record.index(&definition.name).map(|index| (index, false));
        let known = known.or_else(|| record.building(&definition.name).map(|index| (index, true)));
        match known {
            None => {}
            // Nobody builds it any more: what is left of it goes, and it is built anew.
            Some((index, true)) if !builds.is_running(index.id) => {
                let index = index.clone();
                record = self.drop_building(&record, &index)?;
            }
            Some((index, is_building)) if index.definition == *definition => {
                return Ok(if is_building { BegunIndex::Elsewhere(index.id) } else { BegunIndex::Unchanged });
            }
            Some(_) => {
                let problem = format!(
                    "there is another index {:?} already; drop it first or choose another name",
                    definition.name
                );
                return Err(Error::new(ErrorCode::IndexExists, problem)
                    .with_collection(collection)
                    .with_index(&definition.name));
            }
        }
        self.atomically(|state| {
            let index = Arc::new(IndexRecord::new(IndexId(state.take_number()?), definition.clone())?);
            match state.build_rows(record.id, &index, None, bytes_max)? {
                None => {
                    state.finish_index(&record, index)?;
                    Ok(BegunIndex::Ready)
                }
                Some(reached) => {
                    let mut changed = (*record).clone();
                    changed.building.push(index.clone());
                    state.store_collection(&changed)?;
                    state.put_in_catalog(changed);
                    Ok(BegunIndex::Building { collection: record.id, index, reached })
                }
            }
        })
        .map_err(|error| error.with_collection(collection).with_index(&definition.name))
    }

    /// Makes a built index one that queries use and others are told of.
    pub(crate) fn finish_index(&mut self, record: &CollectionRecord, index: Arc<IndexRecord>) -> Result<()> {
        let payload = index.encode_definition();
        let mut changed = record.clone();
        changed.building.retain(|other| other.id != index.id);
        changed.indexes.push(index);
        self.store_collection(&changed)?;
        self.record(ChangeKind::IndexCreated, record, &payload);
        self.put_in_catalog(changed);
        Ok(())
    }

    /// Takes back an index that is not built to the end.
    pub(crate) fn drop_building(
        &mut self,
        record: &CollectionRecord,
        index: &IndexRecord,
    ) -> Result<Arc<CollectionRecord>> {
        self.clear_index(index)?;
        self.forget_count(index.id.0)?;
        self.engine().delete(&keyspace::build_refusal(index.id))?;
        let mut changed = record.clone();
        changed.building.retain(|other| other.id != index.id);
        self.store_collection(&changed)?;
        self.put_in_catalog(changed);
        self.existing_collection(&record.name)
    }

    pub(crate) fn drop_index(&mut self, target: &Target<'_>, name: &str) -> Result<()> {
        let record = self.resolve(target)?.ok_or_else(|| no_collection(target.name))?;
        let collection = &record.name;
        if let Some(index) = record.building(name) {
            // The feed has no record of it, and its builder finds that it is gone.
            let index = index.clone();
            self.drop_building(&record, &index)?;
            return Ok(());
        }
        let Some(index) = record.index(name) else {
            let problem =
                format!("the collection {collection:?} has no index {}; indexes lists what there is", quoted(name));
            return Err(Error::new(ErrorCode::IndexNotFound, problem).with_collection(collection).with_index(name));
        };
        self.clear_index(index)?;
        self.forget_count(index.id.0)?;
        let mut changed = (*record).clone();
        changed.indexes.retain(|other| other.id != index.id);
        self.store_collection(&changed)?;
        self.record(ChangeKind::IndexDropped, &record, name.as_bytes());
        self.put_in_catalog(changed);
        Ok(())
    }

    fn existing_collection(&self, name: &str) -> Result<Arc<CollectionRecord>> {
        self.catalog().by_name(name).cloned().ok_or_else(|| no_collection(name))
    }

    pub(super) fn store_collection(&mut self, record: &CollectionRecord) -> Result<()> {
        let bytes = record.encode();
        Ok(self.engine().put(&keyspace::collection_record(record.id), &bytes)?)
    }

    /// Deletes everything an index keeps in its zones.
    pub(super) fn clear_index(&mut self, index: &IndexRecord) -> Result<()> {
        self.note_emptied(index);
        index.zones().iter().try_for_each(|zone| self.clear_zone(*zone, index.id.0))
    }

    /// Writes the rows of the entities after one, up to a number of bytes of them, but of at least one entity. The last
    /// entity that has its rows, or none when all have.
    pub(crate) fn build_rows(
        &mut self,
        collection: CollectionId,
        index: &IndexRecord,
        after: Option<EntityId>,
        bytes_max: u64,
    ) -> Result<Option<EntityId>> {
        if !index.is_built_from_entities() {
            return Ok(None);
        }
        let Some(storage) = self.catalog().by_id(collection).map(|record| record.storage) else { return Ok(None) };
        self.note_write();
        let end = keyspace::prefix_end(ZONE_ENTITY, storage.0);
        let first = keyspace::entity(storage, &after.unwrap_or(NO_ENTITY));
        let mut entities = self.range(&first, &end, Direction::Forward)?;
        let mut reached = None;
        let mut bytes = 0_u64;
        let mut changes = Changes::default();
        while entities.advance()? {
            let id = keyspace::entity_id(entities.key()).ok_or_else(|| Error::corrupt("an entity key"))?;
            if after == Some(id) {
                continue;
            }
            let entity = Envelope::decode(entities.value())?;
            changes.clear();
            let change = Change {
                storage,
                id,
                ordinal: entity.ordinal,
                old: None,
                new: Some(entity.document),
                is_building: true,
                shows_keys: self.limits().show_unique_keys,
            };
            index.plan(self.engine(), &change, &mut changes)?;
            bytes = bytes.saturating_add(changes.bytes()).saturating_add(changes.keys() * KEY_BYTES);
            if bytes > bytes_max && reached.is_some() {
                return Ok(reached);
            }
            changes.apply(self.engine(), id)?;
            self.count_rows(&changes);
            reached = Some(id);
        }
        Ok(None)
    }
}

fn no_collection(name: &str) -> Error {
    let problem = format!("there is no collection {}; collections lists what there is", quoted(name));
    Error::new(ErrorCode::CollectionNotFound, problem).with_collection(name)
}
