//! Keys of manual indexes, in the database and in the model.

use entidb_core::{Collection, EntityId, ErrorCode, IndexDefinition, KeyRange, Value};

use crate::model::{Entities, is_manual};

/// Keys are few, so that they meet.
pub(crate) const KEYS: u64 = 5;

/// The manual indexes there may be: `keys`, and one with keys of one entity each.
pub(crate) fn definition(is_unique: bool) -> IndexDefinition {
    if is_unique { IndexDefinition::manual("keys!").unique() } else { IndexDefinition::manual("keys") }
}

/// Gives an entity a key or takes it, in the manual index of this name.
pub(crate) fn change(collection: &Collection, model: &mut Entities, name: &str, key: i64, id: EntityId, inserts: bool) {
    let is_there = model.documents.contains_key(&id);
    let Some(definition) = model.indexes.get(name).cloned() else {
        assert_eq!(collection.manual_index(name).unwrap_err().code(), ErrorCode::IndexNotFound);
        return;
    };
    let keys = model.keys.entry(name.to_owned()).or_default();
    let index = collection.manual_index(name).unwrap();
    if !inserts {
        assert_eq!(index.remove(key, id).unwrap(), keys.remove(&(key, id)));
        return;
    }
    let is_taken = definition.unique && keys.iter().any(|(other, holder)| *other == key && *holder != id);
    match index.insert(key, id) {
        Ok(is_new) => {
            assert!(is_there && !is_taken);
            assert_eq!(is_new, keys.insert((key, id)));
        }
        Err(error) => match error.code() {
            ErrorCode::EntityNotFound => assert!(!is_there),
            ErrorCode::UniqueViolation => assert!(is_taken),
            _ => panic!("{error:?}"),
        },
    }
}

/// Every key of every manual index, found in each way.
pub(crate) fn compare(collection: &Collection, model: &Entities) {
    for definition in model.indexes.values().filter(|definition| is_manual(definition)) {
        let index = collection.manual_index(&definition.name).unwrap();
        let wanted: Vec<(i64, EntityId)> = model.keys.get(&definition.name).into_iter().flatten().copied().collect();
        let pair = |found: entidb_core::Result<(Value, EntityId)>| {
            let (key, id) = found.unwrap();
            (key.as_i64().unwrap(), id)
        };
        let found: Vec<_> = index.range(KeyRange::default()).unwrap().map(pair).collect();
        assert_eq!(found, wanted, "{}", definition.name);
        assert_eq!(index.len().unwrap(), wanted.len() as u64);
        for key in 0..KEYS as i64 {
            let holders: Vec<_> = wanted.iter().filter(|(other, _)| *other == key).map(|(_, id)| *id).collect();
            assert_eq!(index.lookup(key).unwrap(), holders);
        }
    }
}
