//! Changes of what exists: collections and indexes, in the same transaction as entities.
//!
//! Always: a name is taken or free as of this transaction; a dropped collection or index takes all its keys with it.
//! Does not know: how long a build takes; it is part of the transaction that asks for it.

use std::sync::Arc;

use entidb_engine::Direction;

use super::State;
use crate::catalog::{Catalog, CollectionRecord, IndexDefinition, IndexRecord, check_name};
use crate::change_feed::ChangeKind;
use crate::collection::envelope::Envelope;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, EntityId, IndexId};
use crate::index::{self, RowChanges};
use crate::keyspace::{self, ZONE_ENTITY, ZONE_ORDINAL};

const NO_ENTITY: EntityId = EntityId::from_bytes([0; 16]);

impl State {
    pub(crate) fn create_collection(&mut self, name: &str) -> Result<()> {
        check_name("collection", name)?;
        if self.catalog().by_name(name).is_some() {
            let problem = format!("there is a collection {name:?} already; use it or choose another name");
            return Err(Error::new(ErrorCode::CollectionExists, problem).with_collection(name));
        }
        let id = CollectionId(self.take_number()?);
        let record = CollectionRecord { id, name: name.to_owned(), indexes: Vec::new() };
        self.store_collection(&record)?;
        self.engine().put(&keyspace::collection_name(name), &id.0.to_be_bytes())?;
        self.record(ChangeKind::CollectionCreated, &record, NO_ENTITY, Vec::new());
        self.replace_in_catalog(record);
        Ok(())
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
        self.record(ChangeKind::CollectionRenamed, &record, NO_ENTITY, to.as_bytes().to_vec());
        self.replace_in_catalog(renamed);
        Ok(())
    }

    pub(crate) fn drop_collection(&mut self, name: &str) -> Result<()> {
        let record = self.existing_collection(name)?;
        for index in &record.indexes {
            self.clear_index(index)?;
        }
        for zone in [ZONE_ENTITY, ZONE_ORDINAL] {
            let (start, end) = (keyspace::prefix(zone, record.id.0), keyspace::prefix_end(zone, record.id.0));
            self.engine().delete_range(&start, &end)?;
        }
        self.engine().delete(&keyspace::collection_record(record.id))?;
        self.engine().delete(&keyspace::collection_name(name))?;
        self.forget_collection(record.id)?;
        self.record(ChangeKind::CollectionDropped, &record, NO_ENTITY, Vec::new());
        let mut catalog = Catalog::clone(self.catalog());
        catalog.remove(record.id);
        self.set_catalog(catalog);
        Ok(())
    }

    /// Declares an index and builds it over what is there. False when the same index was there already.
    pub(crate) fn create_index(&mut self, collection: &str, definition: &IndexDefinition) -> Result<bool> {
        definition.check()?;
        if self.catalog().by_name(collection).is_none() {
            self.create_collection(collection)?;
        }
        let record = self.existing_collection(collection)?;
        if let Some(existing) = record.index(&definition.name) {
            if existing.definition == *definition {
                return Ok(false);
            }
            let problem =
                format!("there is another index {:?} already; drop it first or choose another name", definition.name);
            return Err(Error::new(ErrorCode::IndexExists, problem)
                .with_collection(collection)
                .with_index(&definition.name));
        }
        self.atomically(|state| {
            let index = IndexRecord { id: IndexId(state.take_number()?), definition: definition.clone() };
            state.build_index(&record, &index)?;
            let payload = index.encode_definition();
            let mut changed = (*record).clone();
            changed.indexes.push(index);
            state.store_collection(&changed)?;
            state.record(ChangeKind::IndexCreated, &record, NO_ENTITY, payload);
            state.replace_in_catalog(changed);
            Ok(true)
        })
        .map_err(|error| error.with_collection(collection).with_index(&definition.name))
    }

    pub(crate) fn drop_index(&mut self, collection: &str, name: &str) -> Result<()> {
        let record = self.existing_collection(collection)?;
        let Some(index) = record.index(name) else {
            let problem = format!("the collection {collection:?} has no index {name:?}; indexes lists what there is");
            return Err(Error::new(ErrorCode::IndexNotFound, problem).with_collection(collection).with_index(name));
        };
        self.clear_index(index)?;
        let mut changed = (*record).clone();
        changed.indexes.retain(|other| other.id != index.id);
        self.store_collection(&changed)?;
        self.record(ChangeKind::IndexDropped, &record, NO_ENTITY, name.as_bytes().to_vec());
        self.replace_in_catalog(changed);
        Ok(())
    }

    fn existing_collection(&self, name: &str) -> Result<Arc<CollectionRecord>> {
        self.catalog().by_name(name).cloned().ok_or_else(|| {
            let problem = format!("there is no collection {name:?}; collections lists what there is");
            Error::new(ErrorCode::CollectionNotFound, problem).with_collection(name)
        })
    }

    fn store_collection(&mut self, record: &CollectionRecord) -> Result<()> {
        let bytes = record.encode();
        Ok(self.engine().put(&keyspace::collection_record(record.id), &bytes)?)
    }

    fn replace_in_catalog(&mut self, record: CollectionRecord) {
        let mut catalog = Catalog::clone(self.catalog());
        catalog.insert(record);
        self.set_catalog(catalog);
    }

    fn clear_index(&mut self, index: &IndexRecord) -> Result<()> {
        let unique = index.definition.unique;
        let (start, end) = (keyspace::index_prefix(index.id, unique), keyspace::index_end(index.id, unique));
        Ok(self.engine().delete_range(&start, &end)?)
    }

    fn build_index(&mut self, record: &CollectionRecord, index: &IndexRecord) -> Result<()> {
        let (start, end) = (keyspace::prefix(ZONE_ENTITY, record.id.0), keyspace::prefix_end(ZONE_ENTITY, record.id.0));
        let mut entities = self.range(&start, &end, Direction::Forward)?;
        while entities.advance()? {
            let id = keyspace::entity_id(entities.key()).ok_or_else(|| Error::corrupt("an entity key"))?;
            let entity = Envelope::decode(entities.value())?;
            let rows = index::rows(index, entity.document, entity.ordinal)?;
            let mut changes = RowChanges::default();
            index::plan_rows(index, self.engine(), id, Vec::new(), rows, &mut changes)?;
            changes.apply(self.engine(), id)?;
        }
        Ok(())
    }
}
