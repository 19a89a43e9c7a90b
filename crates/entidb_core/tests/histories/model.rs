//! What the database should hold: maps of values, and rules written as plainly as can be.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use entidb_core::codec::{Path, Segment, compare};
use entidb_core::{Change, ChangeKind, Direction, EntityId, IndexDefinition, Value};

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) collections: BTreeMap<String, Entities>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Entities {
    /// The document, and the place of its making among all of the collection.
    pub(crate) documents: BTreeMap<EntityId, (u64, Value)>,
    pub(crate) indexes: BTreeMap<String, IndexDefinition>,
    /// The keys of manual indexes.
    pub(crate) keys: BTreeMap<String, BTreeSet<(i64, EntityId)>>,
    pub(crate) made: u64,
}

/// The value a path leads to.
pub(crate) fn at<'a>(document: &'a Value, path: &Path) -> Option<&'a Value> {
    let mut value = document;
    for segment in path.segments() {
        value = match segment {
            Segment::Key(key) => value.as_map()?.get(key.as_view())?,
            Segment::Position(position) => value.as_array()?.get(*position)?,
        };
    }
    Some(value)
}

pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    compare(a, b) == Ordering::Equal
}

/// The tuples of an index that no other entity may have.
fn claims(definition: &IndexDefinition, document: &Value) -> Vec<Vec<Value>> {
    let values: Vec<Option<Value>> =
        definition.columns.iter().map(|column| at(document, &column.path).cloned()).collect();
    let spread = values.iter().position(|value| definition.multi && matches!(value, Some(Value::Array(_))));
    let mut tuples = Vec::new();
    match spread {
        None => tuples.push(values),
        Some(place) => {
            for element in values[place].as_ref().unwrap().as_array().unwrap() {
                let mut tuple = values.clone();
                tuple[place] = Some(element.clone());
                tuples.push(tuple);
            }
        }
    }
    tuples
        .into_iter()
        .filter(|tuple| tuple.iter().all(|value| value.as_ref().is_some_and(|value| !value.is_null())))
        .map(|tuple| tuple.into_iter().flatten().collect())
        .collect()
}

/// True when an index that spreads arrays would have to spread two.
fn spreads_two(definition: &IndexDefinition, document: &Value) -> bool {
    let arrays = definition.columns.iter().filter(|column| matches!(at(document, &column.path), Some(Value::Array(_))));
    definition.multi && arrays.count() > 1
}

pub(crate) fn is_manual(definition: &IndexDefinition) -> bool {
    definition.kind == "manual"
}

/// Why a document may not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Duplicate,
    TwoArrays,
}

impl Entities {
    pub(crate) fn refusal(&self, id: EntityId, document: &Value) -> Vec<Refusal> {
        let mut found = Vec::new();
        for definition in self.indexes.values().filter(|definition| !is_manual(definition)) {
            if spreads_two(definition, document) {
                found.push(Refusal::TwoArrays);
                continue;
            }
            if !definition.unique {
                continue;
            }
            let mine = claims(definition, document);
            let others = self.documents.iter().filter(|(other, _)| **other != id);
            let taken = others
                .flat_map(|(_, (_, document))| claims(definition, document))
                .any(|theirs| mine.iter().any(|tuple| tuple.iter().zip(&theirs).all(|(a, b)| equal(a, b))));
            if taken {
                found.push(Refusal::Duplicate);
            }
        }
        found
    }

    pub(crate) fn index_refusal(&self, definition: &IndexDefinition) -> bool {
        let mut built = Self { indexes: [(definition.name.clone(), definition.clone())].into(), ..Self::default() };
        for (id, (made, document)) in &self.documents {
            if !built.refusal(*id, document).is_empty() {
                return true;
            }
            built.documents.insert(*id, (*made, document.clone()));
        }
        false
    }

    /// Removes an entity with its keys; whether it was there.
    pub(crate) fn remove(&mut self, id: EntityId) -> bool {
        self.keys.values_mut().for_each(|keys| keys.retain(|(_, holder)| *holder != id));
        self.documents.remove(&id).is_some()
    }

    /// Removes an index with its keys; whether it was there.
    pub(crate) fn drop_index(&mut self, name: &str) -> bool {
        self.keys.remove(name);
        self.indexes.remove(name).is_some()
    }

    pub(crate) fn put(&mut self, id: EntityId, document: Value) {
        let made = match self.documents.get(&id) {
            Some((made, _)) => *made,
            None => {
                self.made += 1;
                self.made
            }
        };
        self.documents.insert(id, (made, document));
    }

    /// The documents in an order, ties by the place of making in the direction of the last column.
    pub(crate) fn sorted(&self, order: &[entidb_core::Column], keep: impl Fn(&Value) -> bool) -> Vec<EntityId> {
        let mut found: Vec<(&EntityId, &(u64, Value))> = self.documents.iter().filter(|(_, (_, d))| keep(d)).collect();
        found.sort_by(|(_, (made_a, a)), (_, (made_b, b))| {
            for column in order {
                let ordering = compare(at(a, &column.path), at(b, &column.path));
                let ordering = if column.direction == Direction::Descending { ordering.reverse() } else { ordering };
                if ordering != Ordering::Equal {
                    return ordering;
                }
            }
            let ties = made_a.cmp(made_b);
            if order.last().is_some_and(|column| column.direction == Direction::Descending) {
                ties.reverse()
            } else {
                ties
            }
        });
        found.into_iter().map(|(id, _)| *id).collect()
    }
}

impl Model {
    pub(crate) fn entities(&mut self, name: &str) -> &mut Entities {
        self.collections.entry(name.to_owned()).or_default()
    }

    /// Applies changes of the change feed, as a follower would.
    pub(crate) fn follow(&mut self, changes: &[Change]) {
        for change in changes {
            let name = change.collection.to_string();
            if let Some(before) = &change.before {
                let known = self.collections.get(&name).and_then(|entities| entities.documents.get(&change.id));
                assert_eq!(known.unwrap().1, entidb_core::decode(before).unwrap(), "another document was there before");
            }
            match change.kind {
                ChangeKind::CollectionCreated => assert!(self.collections.insert(name, Entities::default()).is_none()),
                ChangeKind::CollectionDropped => assert!(self.collections.remove(&name).is_some()),
                ChangeKind::CollectionRenamed => {
                    let entities = self.collections.remove(&name).unwrap();
                    self.collections.insert(String::from_utf8(change.payload.clone()).unwrap(), entities);
                }
                ChangeKind::Insert | ChangeKind::Update => {
                    let document = entidb_core::decode(&change.payload).unwrap();
                    let entities = self.collections.get_mut(&name).unwrap();
                    assert_eq!(entities.documents.contains_key(&change.id), change.kind == ChangeKind::Update);
                    entities.put(change.id, document);
                }
                ChangeKind::Delete => {
                    assert!(self.collections.get_mut(&name).unwrap().remove(change.id));
                }
                ChangeKind::IndexCreated => {
                    let value = entidb_core::decode(&change.payload).unwrap();
                    let definition = IndexDefinition::from_value(&value).unwrap();
                    self.entities(&name).indexes.insert(definition.name.clone(), definition);
                }
                ChangeKind::IndexDropped => {
                    let index = String::from_utf8(change.payload.clone()).unwrap();
                    assert!(self.entities(&name).drop_index(&index));
                }
                ChangeKind::KeyInserted | ChangeKind::KeyRemoved => {
                    let payload = entidb_core::decode(&change.payload).unwrap();
                    let field = |name: &str| payload.as_map().unwrap().get(name).unwrap();
                    let key = (field("key").as_i64().unwrap(), change.id);
                    let entities = self.collections.get_mut(&name).unwrap();
                    assert!(entities.documents.contains_key(&change.id), "a key of nothing");
                    let keys = entities.keys.entry(field("index").as_text().unwrap().to_owned()).or_default();
                    let is_new =
                        if change.kind == ChangeKind::KeyInserted { keys.insert(key) } else { keys.remove(&key) };
                    assert!(is_new, "a change of a key that is none: {change:?}");
                }
                _ => panic!("a kind of change the model does not know"),
            }
        }
    }
}
