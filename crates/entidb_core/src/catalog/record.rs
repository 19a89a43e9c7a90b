//! What the catalog keeps of one collection and of its indexes, and its bytes.
//!
//! Always: a record survives encoding unchanged, also that of an index of a kind this library does not know; a field it does
//! not know is refused, never dropped. Does not know: entities, or kinds. Format: docs/spec/keyspace.md, "Catalog records".

use std::any::Any;
use std::sync::Arc;

use entidb_codec::Value;

use super::IndexDefinition;
use crate::error::{Error, Result, quoted};
use crate::id::{CollectionId, Home, IndexId, StorageId};
use crate::index::kind::{self, Index, Origin};
use crate::index::unknown::Unknown;

/// The field of a collection record that is there only while an index is being built.
const BUILDING: &str = "building";

/// An index as the catalog keeps it, with what its kind makes of it.
#[derive(Debug)]
pub(crate) struct IndexRecord {
    pub(crate) id: IndexId,
    pub(crate) definition: IndexDefinition,
    /// The first version of the library that knows the kind.
    since: String,
    index: Box<dyn Index>,
}

impl PartialEq for IndexRecord {
    fn eq(&self, other: &Self) -> bool {
        (self.id, &self.definition) == (other.id, &other.definition)
    }
}

impl Eq for IndexRecord {}

/// What the kind answers for the index.
impl std::ops::Deref for IndexRecord {
    type Target = dyn Index;

    fn deref(&self) -> &Self::Target {
        &*self.index
    }
}

impl IndexRecord {
    /// A new index, without rows.
    pub(crate) fn new(id: IndexId, definition: IndexDefinition) -> Result<Self> {
        let kind = definition.check()?;
        let index = kind.index(id, &definition, Origin::New);
        Ok(Self { id, since: kind.since(&definition).to_owned(), definition, index })
    }

    /// The index as its kind knows it, where it is of that kind.
    pub(crate) fn of_kind<K: Index>(&self) -> Option<&K> {
        (&*self.index as &dyn Any).downcast_ref()
    }

    /// That this library does not know the index, and which one does.
    pub(crate) fn unknown_to(&self, collection: &str) -> String {
        let (name, kind, since) = (&self.definition.name, &self.definition.kind, &self.since);
        format!(
            "the index {name:?} of {collection:?} was not checked: it is of the kind {}, which this library ({}) does not \
             know; use EntiDB {since} or newer to check it",
            quoted(kind),
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// The definition alone, as the change feed carries it.
    pub(crate) fn encode_definition(&self) -> Vec<u8> {
        entidb_codec::encode(&self.definition.to_value())
    }

    fn encode(&self) -> Value {
        let fields = [
            ("id", Value::from(u64::from(self.id.0))),
            ("since", Value::from(self.since.as_str())),
            ("zones", Value::Bytes(self.zones().into())),
            ("definition", self.definition.to_value()),
        ];
        Value::Map(fields.into_iter().collect())
    }

    fn decode(value: &Value) -> Result<Self> {
        let fields = Fields::of(value, &["id", "since", "zones", "definition"])?;
        let definition = IndexDefinition::read(fields.get("definition")?)
            .map_err(|error| Error::corrupt(format!("an index record: {}", error.message())))?;
        let (id, since) = (IndexId(fields.number("id")?), fields.text("since")?.to_owned());
        let index = match kind::of(&definition.kind) {
            Ok(kind) if !kind::is_newer(&since)? => {
                kind.check(&definition)
                    .map_err(|error| Error::corrupt(format!("an index record: {}", error.message())))?;
                kind.index(id, &definition, Origin::Stored)
            }
            _ => Box::new(Unknown::new(id, &definition, &since, fields.bytes("zones")?)),
        };
        Ok(Self { id, definition, since, index })
    }
}

/// A collection as the catalog keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollectionRecord {
    pub(crate) id: CollectionId,
    /// Under which its entities lie.
    pub(crate) storage: StorageId,
    pub(crate) name: String,
    /// The indexes with all of their rows.
    pub(crate) indexes: Vec<Arc<IndexRecord>>,
    /// Indexes still being built: every change keeps their rows, and nothing else knows of them.
    pub(crate) building: Vec<Arc<IndexRecord>>,
}

impl CollectionRecord {
    pub(crate) fn building(&self, name: &str) -> Option<&Arc<IndexRecord>> {
        self.building.iter().find(|index| index.definition.name == name)
    }

    pub(crate) fn index(&self, name: &str) -> Option<&Arc<IndexRecord>> {
        self.indexes.iter().find(|index| index.definition.name == name)
    }

    /// Where what belongs to it lies.
    pub(crate) const fn home(&self) -> Home {
        Home { collection: self.id, storage: self.storage }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let list = |indexes: &[Arc<IndexRecord>]| Value::Array(indexes.iter().map(|index| index.encode()).collect());
        let mut fields = vec![
            ("id", Value::from(u64::from(self.id.0))),
            ("storage", Value::from(u64::from(self.storage.0))),
            ("name", Value::from(self.name.as_str())),
            ("indexes", list(&self.indexes)),
        ];
        if !self.building.is_empty() {
            fields.push((BUILDING, list(&self.building)));
        }
        entidb_codec::encode(&Value::Map(fields.into_iter().collect()))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let value =
            entidb_codec::decode(bytes).map_err(|error| Error::corrupt(format!("a collection record: {error}")))?;
        let is_building = value.as_map().is_some_and(|map| map.get(BUILDING).is_some());
        let known: &[&str] = if is_building {
            &["id", "storage", "name", "indexes", BUILDING]
        } else {
            &["id", "storage", "name", "indexes"]
        };
        let fields = Fields::of(&value, known)?;
        let list = |name| {
            fields.array(name)?.iter().map(|index| IndexRecord::decode(index).map(Arc::new)).collect::<Result<Vec<_>>>()
        };
        let building = if is_building { list(BUILDING)? } else { Vec::new() };
        let name = fields.text("name")?.to_owned();
        let (id, storage) = (CollectionId(fields.number("id")?), StorageId(fields.number("storage")?));
        Ok(Self { id, storage, name, indexes: list("indexes")?, building })
    }
}

/// The fields of a map of ours, with every surprise reported as damage.
struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, known: &[&str]) -> Result<Self> {
        let Value::Map(map) = value else {
            return Err(Error::corrupt("a catalog record is not a map"));
        };
        if map.len() != known.len() {
            return Err(Error::corrupt(format!(
                "a catalog record has {} fields, {} are known",
                map.len(),
                known.len()
            )));
        }
        Ok(Self(value))
    }

    fn get(&self, name: &str) -> Result<&'a Value> {
        let Value::Map(map) = self.0 else {
            return Err(Error::corrupt("a catalog record is not a map"));
        };
        map.get(name).ok_or_else(|| Error::corrupt(format!("a catalog record lacks the field {name}")))
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        self.get(name)?.as_text().ok_or_else(|| Error::corrupt(format!("the catalog field {name} is not text")))
    }

    fn bytes(&self, name: &str) -> Result<&'a [u8]> {
        self.get(name)?.as_bytes().ok_or_else(|| Error::corrupt(format!("the catalog field {name} is not bytes")))
    }

    fn number(&self, name: &str) -> Result<u32> {
        let number = self.get(name)?.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| Error::corrupt(format!("the catalog field {name} is not a number of 32 bits")))
    }

    fn array(&self, name: &str) -> Result<&'a [Value]> {
        match self.get(name)? {
            Value::Array(items) => Ok(items),
            _ => Err(Error::corrupt(format!("the catalog field {name} is not an array"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_encoding() {
        let definition = IndexDefinition::on(["a.b", "-c", "\\-d", "we\\.ird"]).unwrap().unique().multi().named("x");
        let mut record = CollectionRecord {
            id: CollectionId(7),
            storage: StorageId(8),
            name: "notes".into(),
            indexes: vec![Arc::new(IndexRecord::new(IndexId(9), definition.clone()).unwrap())],
            building: Vec::new(),
        };
        assert_eq!(CollectionRecord::decode(&record.encode()).unwrap(), record);
        record.building.push(Arc::new(IndexRecord::new(IndexId(10), definition.named("y")).unwrap()));
        assert_eq!(CollectionRecord::decode(&record.encode()).unwrap(), record);
    }
}
