//! What the database holds, and what it held at each commit.

use std::collections::{BTreeMap, BTreeSet};

use entidb_core::{Change, ChangeKind, EntityId, Value, decode};

/// The version of what the open transaction wrote, until it has its sequence.
pub(crate) const OPEN: u64 = u64::MAX;

/// An entity: what is in it, and the commit that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doc {
    pub(crate) n: i64,
    pub(crate) u: i64,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Coll {
    /// Of no other collection, before or after.
    pub(crate) number: u64,
    pub(crate) docs: BTreeMap<u64, Doc>,
    /// Whether there is a unique index over `u`.
    pub(crate) is_unique: bool,
    /// Whether there is a manual index, and its keys.
    pub(crate) is_manual: bool,
    pub(crate) keys: BTreeSet<(i64, u64)>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) colls: BTreeMap<String, Coll>,
}

/// What a reader of the feed knows of a collection.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Copied {
    pub(crate) docs: BTreeMap<u64, (i64, i64)>,
    /// The keys of the manual index; none without the index.
    pub(crate) keys: Option<BTreeSet<(i64, u64)>>,
}

/// Copies by the name of their collection.
pub(crate) type Plain = BTreeMap<String, Copied>;

/// A version an entity has had: the commits that wrote and ended it, and `n`.
pub(crate) type Span = (u64, Option<u64>, i64);

impl Coll {
    pub(crate) fn takes(&self, id: u64, u: i64) -> bool {
        !self.is_unique || self.docs.iter().all(|(other, doc)| *other == id || doc.u != u)
    }

    pub(crate) fn delete(&mut self, id: u64) -> bool {
        self.keys.retain(|(_, of)| *of != id);
        self.docs.remove(&id).is_some()
    }
}

impl State {
    /// The open transaction was committed.
    pub(crate) fn settle(&mut self, sequence: u64) {
        for doc in self.colls.values_mut().flat_map(|coll| coll.docs.values_mut()) {
            if doc.version == OPEN {
                doc.version = sequence;
            }
        }
    }

    pub(crate) fn plain(&self) -> Plain {
        let copied = |coll: &Coll| Copied {
            docs: coll.docs.iter().map(|(id, doc)| (*id, (doc.n, doc.u))).collect(),
            keys: coll.is_manual.then(|| coll.keys.clone()),
        };
        self.colls.iter().map(|(name, coll)| (name.clone(), copied(coll))).collect()
    }

    /// The versions of each entity that a commit ended: of the collections that are still there.
    pub(crate) fn ended_by(&self, after: &Self, sequence: u64) -> Vec<((u64, u64), Span)> {
        let mut ended = Vec::new();
        for coll in self.colls.values() {
            let Some(now) = after.colls.values().find(|now| now.number == coll.number) else { continue };
            for (id, doc) in &coll.docs {
                if now.docs.get(id).is_none_or(|now| now.version != doc.version) {
                    ended.push(((coll.number, *id), (doc.version, Some(sequence), doc.n)));
                }
            }
        }
        ended
    }
}

pub(crate) fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

pub(crate) fn number(id: EntityId) -> u64 {
    u64::try_from(u128::from_be_bytes(*id.as_bytes())).unwrap()
}

fn field(document: &Value, name: &str) -> i64 {
    document.as_map().and_then(|map| map.get(name)).and_then(Value::as_i64).unwrap()
}

fn text(document: &[u8], name: &str) -> String {
    decode(document).unwrap().as_map().and_then(|map| map.get(name)?.as_text()).unwrap().to_owned()
}

pub(crate) fn fields(document: &[u8]) -> (i64, i64) {
    let document = decode(document).unwrap();
    (field(&document, "n"), field(&document, "u"))
}

/// Makes of a copy what a reader of the feed makes of it.
pub(crate) fn follow(copy: &mut Plain, changes: &[Change]) {
    for change in changes {
        let name = change.collection.to_string();
        match change.kind {
            ChangeKind::CollectionCreated => assert!(copy.insert(name, Copied::default()).is_none()),
            ChangeKind::CollectionDropped => assert!(copy.remove(&name).is_some()),
            ChangeKind::CollectionRenamed => {
                let copied = copy.remove(&name).unwrap();
                let to = String::from_utf8(change.payload.clone()).unwrap();
                assert!(copy.insert(to, copied).is_none());
            }
            ChangeKind::Insert | ChangeKind::Update | ChangeKind::Delete => {
                let Copied { docs, keys } = copy.get_mut(&name).unwrap();
                let id = number(change.id);
                let known = docs.get(&id).copied();
                assert_eq!(change.before.as_deref().map(fields), known, "{:?} of {id} in {name}", change.kind);
                assert_eq!(known.is_none(), change.kind == ChangeKind::Insert);
                if change.kind == ChangeKind::Delete {
                    docs.remove(&id);
                    keys.iter_mut().for_each(|keys| keys.retain(|(_, of)| *of != id));
                } else {
                    docs.insert(id, fields(&change.payload));
                }
            }
            ChangeKind::IndexCreated if text(&change.payload, "name") == "m" => {
                assert!(copy.get_mut(&name).unwrap().keys.replace(BTreeSet::new()).is_none());
            }
            ChangeKind::IndexDropped if change.payload == b"m" => {
                assert!(copy.get_mut(&name).unwrap().keys.take().is_some());
            }
            ChangeKind::KeyInserted | ChangeKind::KeyRemoved => {
                assert_eq!(text(&change.payload, "index"), "m");
                let Copied { docs, keys } = copy.get_mut(&name).unwrap();
                let (keys, key) =
                    (keys.as_mut().unwrap(), (field(&decode(&change.payload).unwrap(), "key"), number(change.id)));
                assert!(docs.contains_key(&key.1), "an entity that is not there has a key");
                if change.kind == ChangeKind::KeyInserted {
                    assert!(keys.insert(key), "{key:?} was there");
                } else {
                    assert!(keys.remove(&key), "{key:?} was not there");
                }
            }
            _ => {}
        }
    }
}
