//! One case: its steps in order, each giving a line of the transcript.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;
use std::ops::Bound;
use std::path::PathBuf;
use std::time::Duration;

use entidb_core::codec::{Operation, Patch, Path};
use entidb_core::{
    BatchItem, ChangeCursor, ChangeKind, Collection, Database, Entity, EntityId, IndexDefinition, KeyRange, Options,
    ReadTransaction, Result, Savepoint, ScanOptions, Sequence, Since, Value, VerifyLevel, WriteMode, WriteTransaction,
};
use serde_json::Value as Json;

use crate::diagnostic::{from_json, hex, to_json};
use crate::query::query;
use crate::upkeep::report;

enum Transaction {
    Read(ReadTransaction),
    Write(WriteTransaction),
}

/// One database and what steps remember by name.
pub(crate) struct Run {
    db: Database,
    folder: Option<PathBuf>,
    options: Value,
    transactions: HashMap<String, Transaction>,
    savepoints: HashMap<String, Savepoint>,
    versions: HashMap<String, u64>,
    commits: HashMap<String, Sequence>,
    feeds: HashMap<String, ChangeCursor>,
    places: Vec<PathBuf>,
}

impl Run {
    /// Opens the database in a folder, or in memory.
    pub(crate) fn open(folder: Option<PathBuf>, options: Option<&Json>) -> Result<Self> {
        let options = options.map_or_else(|| from_json(&serde_json::json!({})), from_json);
        Ok(Self {
            db: open(folder.as_deref(), &options)?,
            folder,
            options,
            transactions: HashMap::new(),
            savepoints: HashMap::new(),
            versions: HashMap::new(),
            commits: HashMap::new(),
            feeds: HashMap::new(),
            places: Vec::new(),
        })
    }

    /// Takes a step and gives its result as the transcript has it.
    pub(crate) fn result(&mut self, step: &Json) -> String {
        self.step(step).unwrap_or_else(|error| format!("error {}", error.code().name()))
    }

    /// Ends the transactions and closes the database.
    pub(crate) fn close(mut self) -> Result<()> {
        self.transactions.clear();
        let closed = self.db.close();
        for place in &self.places {
            let _ = std::fs::remove_dir_all(place);
        }
        closed
    }

    /// The folder of a place.
    fn place(&mut self, step: &Json, field: &str) -> PathBuf {
        let mut path = self.folder.clone().unwrap().into_os_string();
        path.push(format!("-{}", step[field].as_str().unwrap()));
        let path = PathBuf::from(path);
        if !self.places.contains(&path) {
            let _ = std::fs::remove_dir_all(&path);
            self.places.push(path.clone());
        }
        path
    }
}

pub(crate) fn run(case: &Json, number: usize, transcript: &mut String, failures: &mut Vec<String>) {
    let name = case["name"].as_str().unwrap();
    let folder = case["disk"].as_bool().unwrap_or(false).then(|| {
        let folder = std::env::temp_dir().join(format!("entidb-conformance-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    });
    let mut run = Run::open(folder.clone(), case.get("options")).unwrap_or_else(|error| panic!("{name}: {error}"));
    for (position, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let result = run.result(step);
        writeln!(transcript, "{number} {} {result}", position + 1).unwrap();
        if let Some(expected) = step.get("expect").and_then(Json::as_str)
            && expected != result
        {
            failures.push(format!("{name}, step {}: expected {expected:?}, found {result:?}", position + 1));
        }
    }
    run.close().unwrap_or_else(|error| panic!("{name}: {error}"));
    if let Some(folder) = folder {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

fn open(folder: Option<&std::path::Path>, options: &Value) -> Result<Database> {
    let options = Options::from_value(options)?;
    match folder {
        Some(folder) => Database::open_with(folder, options),
        None => Database::open_memory_with(options),
    }
}

fn id(json: &Json) -> EntityId {
    EntityId::from_bytes(json.as_str().unwrap().parse::<u128>().unwrap().to_be_bytes())
}

fn number(id: &EntityId) -> u128 {
    u128::from_be_bytes(*id.as_bytes())
}

fn ids(json: &Json) -> Vec<EntityId> {
    json.as_array().unwrap().iter().map(id).collect()
}

fn shown(entity: &Entity) -> String {
    format!("{} {}", number(&entity.id()), hex(entity.bytes()))
}

fn joined(parts: &[String], by: &str) -> String {
    if parts.is_empty() { "empty".to_owned() } else { parts.join(by) }
}

fn bytes(json: &Json) -> Vec<u8> {
    let value = from_json(json);
    assert_eq!(from_json(&to_json(&value)), value, "the JSON form is lossless");
    entidb_core::encode(&value)
}

fn patch(json: &Json) -> Result<Patch> {
    let mut patch = Patch::default();
    for operation in json.as_array().unwrap() {
        let path = Path::dotted(operation[1].as_str().unwrap())?;
        let value = || from_json(&operation[2]);
        patch = patch.with(match operation[0].as_str().unwrap() {
            "set" => Operation::Set(path, value()),
            "remove" => Operation::Remove(path),
            "increment" => Operation::Increment(path, value()),
            "append" => Operation::Append(path, value()),
            other => panic!("no operation {other}"),
        });
    }
    Ok(patch)
}

impl Run {
    fn collection(&self, step: &Json) -> Result<Collection> {
        let name = step["in"].as_str().unwrap();
        match step.get("tx").and_then(Json::as_str) {
            None => self.db.collection(name),
            Some(tx) => match &self.transactions[tx] {
                Transaction::Read(read) => read.collection(name),
                Transaction::Write(write) => write.collection(name),
            },
        }
    }

    fn writer(&self, step: &Json) -> Option<&WriteTransaction> {
        step.get("tx").and_then(Json::as_str).map(|tx| match &self.transactions[tx] {
            Transaction::Write(write) => write,
            Transaction::Read(_) => panic!("a step needs a write transaction"),
        })
    }

    fn version(&self, step: &Json) -> Option<u64> {
        step.get("if").map(|name| self.versions[name.as_str().unwrap()])
    }

    fn at(&self, step: &Json) -> Option<Sequence> {
        step.get("at").map(|name| self.commits[name.as_str().unwrap()])
    }

    fn step(&mut self, step: &Json) -> Result<String> {
        let what = step["do"].as_str().unwrap();
        match what {
            "begin" | "commit" | "abort" | "savepoint" | "rollback" => self.transact(what, step),
            "collections" | "create_collection" | "drop_collection" | "rename_collection" | "changes" | "mark"
            | "trim" | "checkpoint" | "compact" | "close" | "reopen" | "verify" | "config" => self.whole(what, step),
            "key_list" | "key_add" | "key_change" | "key_remove" | "key_rotate" | "key_rekey" => {
                crate::upkeep::keys(&self.db, what, step)
            }
            "backup" | "validate_backup" | "restore" | "restore_memory" | "damage" => self.copies(what, step),
            _ => self.entities(what, step),
        }
    }

    fn copies(&mut self, what: &str, step: &Json) -> Result<String> {
        let options = || {
            let options = step.get("options").map_or_else(|| from_json(&serde_json::json!({})), from_json);
            Options::from_value(&options)
        };
        Ok(match what {
            "backup" => {
                let to = self.place(step, "to");
                report(&self.db.backup(to)?.to_value())
            }
            "validate_backup" => {
                let from = self.place(step, "from");
                Database::validate_backup(from, options()?.key)?.is_ok().to_string()
            }
            "restore" => {
                let (from, to) = (self.place(step, "from"), self.place(step, "to"));
                report(&Database::restore(from, to, options()?.key)?.to_value())
            }
            "restore_memory" => {
                let from = self.place(step, "from");
                self.transactions.clear();
                self.db.close()?;
                self.db = Database::restore_memory(from, options()?)?;
                "ok".to_owned()
            }
            _ => {
                crate::upkeep::damage(&self.place(step, "place"));
                "ok".to_owned()
            }
        })
    }

    fn transact(&mut self, what: &str, step: &Json) -> Result<String> {
        let name = |field: &str| step[field].as_str().unwrap().to_owned();
        match what {
            "begin" if step["read"].as_bool().unwrap_or(false) => {
                let read = match self.at(step) {
                    None => self.db.begin_read()?,
                    Some(sequence) => self.db.begin_read_at(sequence)?,
                };
                self.transactions.insert(name("as"), Transaction::Read(read));
            }
            "begin" => {
                let write = self.db.begin_write_within(Some(Duration::ZERO))?;
                self.transactions.insert(name("as"), Transaction::Write(write));
            }
            "commit" | "abort" => match self.transactions.get_mut(&name("tx")).unwrap() {
                Transaction::Read(read) => {
                    read.end();
                }
                Transaction::Write(write) if what == "commit" => {
                    write.finish(None)?;
                }
                Transaction::Write(write) => {
                    write.cancel();
                }
            },
            "savepoint" => {
                let savepoint = self.writer(step).unwrap().savepoint()?;
                self.savepoints.insert(name("as"), savepoint);
            }
            _ => self.writer(step).unwrap().rollback_to(self.savepoints[&name("to")])?,
        }
        Ok("ok".to_owned())
    }

    fn whole(&mut self, what: &str, step: &Json) -> Result<String> {
        let name = |field: &str| step[field].as_str().unwrap();
        match what {
            "collections" => {
                let names = match step.get("tx").and_then(Json::as_str) {
                    None => self.db.collections()?,
                    Some(tx) => match &self.transactions[tx] {
                        Transaction::Read(read) => read.collections()?,
                        Transaction::Write(write) => write.collections()?,
                    },
                };
                return Ok(joined(&names, ", "));
            }
            "create_collection" => match self.writer(step) {
                Some(write) => write.create_collection(name("name"))?,
                None => self.db.create_collection(name("name"))?,
            },
            "drop_collection" => match self.writer(step) {
                Some(write) => write.drop_collection(name("name"))?,
                None => self.db.drop_collection(name("name"))?,
            },
            "rename_collection" => match self.writer(step) {
                Some(write) => write.rename_collection(name("from"), name("to"))?,
                None => self.db.rename_collection(name("from"), name("to"))?,
            },
            "changes" => return self.changes(name("since"), step["before"].as_bool().unwrap_or(false)),
            "mark" => {
                self.commits.insert(name("as").to_owned(), self.db.last_sequence());
            }
            "trim" => self.db.trim_changes(self.commits[name("through")])?,
            "checkpoint" | "compact" => {
                let done = match what {
                    "checkpoint" => self.db.checkpoint()?.to_value(),
                    _ => self.db.compact()?.to_value(),
                };
                if step["report"] == true {
                    return Ok(report(&done));
                }
            }
            "close" => self.db.close()?,
            "reopen" => {
                self.transactions.clear();
                self.db.close()?;
                let mut options = self.options.clone();
                if let Some(more) = step.get("options") {
                    for (key, value) in from_json(more).as_map().unwrap().iter() {
                        options.as_map_mut().unwrap().insert(key.to_key(), value.clone());
                    }
                }
                let place = step.get("place").map(|_| self.place(step, "place"));
                self.db = open(place.as_deref().or(self.folder.as_deref()), &options)?;
            }
            "config" => {
                let config = self.db.options().to_value();
                let value = config.as_map().unwrap().get(step["name"].as_str().unwrap()).unwrap();
                let number = || value.as_u64().map(|number| number.to_string());
                let flag = || value.as_bool().map(|flag| flag.to_string());
                return Ok(value.as_text().map(str::to_owned).or_else(number).or_else(flag).unwrap());
            }
            _ => return Ok(self.db.verify(VerifyLevel::Full)?.is_ok().to_string()),
        }
        Ok("ok".to_owned())
    }

    fn changes(&mut self, name: &str, before: bool) -> Result<String> {
        let feed = match self.feeds.entry(name.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(self.db.changes(Since::Oldest)?),
        };
        if before {
            feed.give_before();
        }
        let mut commits = Vec::new();
        while let Some(batch) = feed.next_batch(Duration::ZERO)? {
            assert!(batch.ends_commit());
            let changes: Vec<String> = batch
                .changes
                .iter()
                .map(|change| {
                    let mut text = format!("{} {}", change.kind.name(), change.collection);
                    if change.kind.is_entity() || change.kind.is_key() {
                        write!(text, " {}", number(&change.id)).unwrap();
                    }
                    if matches!(change.kind, ChangeKind::Insert | ChangeKind::Update) || change.kind.is_key() {
                        write!(text, " {}", hex(&change.payload)).unwrap();
                    }
                    if let Some(before) = &change.before {
                        write!(text, " before {}", hex(before)).unwrap();
                    }
                    text
                })
                .collect();
            commits.push(changes.join(" + "));
        }
        Ok(joined(&commits, " | "))
    }

    fn entities(&mut self, what: &str, step: &Json) -> Result<String> {
        let collection = self.collection(step)?;
        let done = || Ok("ok".to_owned());
        match what {
            "put" | "insert" | "replace" => {
                let mode = match (what, self.version(step)) {
                    ("put", _) => WriteMode::Put,
                    ("insert", _) => WriteMode::Insert,
                    (_, None) => WriteMode::Replace,
                    (_, Some(version)) => WriteMode::ReplaceVersion(version),
                };
                collection.write(Some(id(&step["id"])), &bytes(&step["doc"]), mode).and_then(|_| done())
            }
            "update" => collection.update(id(&step["id"]), &patch(&step["patch"])?).and_then(|()| done()),
            "delete" => match self.version(step) {
                Some(version) => Ok(collection.delete_if(id(&step["id"]), version)?.to_string()),
                None => Ok(collection.delete(id(&step["id"]))?.to_string()),
            },
            "delete_many" => Ok(collection.delete_many(&ids(&step["ids"]))?.to_string()),
            "put_many" => {
                let docs = step["docs"].as_array().unwrap();
                let encoded: Vec<_> = docs.iter().map(|pair| (id(&pair[0]), bytes(&pair[1]))).collect();
                let items: Vec<_> =
                    encoded.iter().map(|(id, document)| BatchItem { id: Some(*id), document }).collect();
                collection.put_batch(&items).and_then(|_| done())
            }
            "get" => {
                let found = match self.at(step) {
                    None => collection.get(id(&step["id"]))?,
                    Some(sequence) => collection.get_as_of(id(&step["id"]), sequence)?,
                };
                if let (Some(entity), Some(name)) = (&found, step.get("remember")) {
                    self.versions.insert(name.as_str().unwrap().to_owned(), entity.version());
                }
                Ok(found.as_ref().map_or_else(|| "none".to_owned(), shown))
            }
            "history" => {
                let mut versions = Vec::new();
                for version in collection.history(id(&step["id"]))? {
                    let version = version?;
                    versions.push(shown(&version.entity) + if version.until.is_some() { " ended" } else { "" });
                }
                Ok(joined(&versions, "; "))
            }
            "get_many" => {
                let found = collection.get_many(&ids(&step["ids"]))?;
                let found: Vec<String> =
                    found.iter().map(|entity| entity.as_ref().map_or_else(|| "none".to_owned(), shown)).collect();
                Ok(joined(&found, "; "))
            }
            "exists" => Ok(collection.exists(id(&step["id"]))?.to_string()),
            "count" => Ok(collection.count()?.to_string()),
            "scan" => {
                let options = ScanOptions {
                    after: step.get("after").map(id),
                    reverse: step["reverse"].as_bool().unwrap_or(false),
                    limit: step["limit"].as_u64(),
                };
                let found = collection.scan(options)?.map(|entity| Ok(shown(&entity?))).collect::<Result<Vec<_>>>()?;
                Ok(joined(&found, "; "))
            }
            "create_index" if step.get("kind").is_some() => {
                let mut definition =
                    IndexDefinition::of_kind(step["kind"].as_str().unwrap(), step["name"].as_str().unwrap());
                definition.unique = step["unique"].as_bool().unwrap_or(false);
                Ok(collection.create_index(definition)?.to_string())
            }
            "insert_key" | "remove_key" | "lookup_key" | "range_keys" | "count_keys" => keys(&collection, what, step),
            "create_index" => {
                let fields = step["fields"].as_array().unwrap().iter().map(|field| field.as_str().unwrap());
                let mut definition = IndexDefinition::on(fields)?;
                if let Some(name) = step.get("name") {
                    definition = definition.named(name.as_str().unwrap());
                }
                definition.unique = step["unique"].as_bool().unwrap_or(false);
                definition.multi = step["multi"].as_bool().unwrap_or(false);
                Ok(collection.create_index(definition)?.to_string())
            }
            "drop_index" => collection.drop_index(step["name"].as_str().unwrap()).and_then(|()| done()),
            "indexes" => {
                let names: Vec<String> = collection.indexes()?.into_iter().map(|index| index.name).collect();
                Ok(joined(&names, ", "))
            }
            "collection_stats" => Ok(crate::upkeep::stats(&collection.stats()?)),
            "find" | "find_ids" => {
                let found = find(&collection, step)?;
                if what == "find" {
                    return Ok(joined(&found.iter().map(shown).collect::<Vec<_>>(), "; "));
                }
                let mut numbers: Vec<u128> = found.iter().map(|entity| number(&entity.id())).collect();
                numbers.sort_unstable();
                Ok(joined(&numbers.iter().map(ToString::to_string).collect::<Vec<_>>(), " "))
            }
            "find_count" => Ok(collection.query(query(&step["query"])).count()?.to_string()),
            "find_delete" => Ok(collection.query(query(&step["query"])).delete()?.to_string()),
            "explain" => Ok(collection.query(query(&step["query"])).explain()?.to_string()),
            other => panic!("no step {other}"),
        }
    }
}

fn find(collection: &Collection, step: &Json) -> Result<Vec<Entity>> {
    let mut asked = query(&step["query"]);
    let Some(page) = step["pages"].as_u64() else {
        return collection.query(asked).list();
    };
    let mut all = Vec::new();
    loop {
        let found = collection.query(asked.clone()).page(page)?;
        all.extend(found.entities);
        let Some(token) = found.token else { return Ok(all) };
        asked.after = Some(token);
        assert!(all.len() < 10_000, "the pages do not end");
    }
}

fn keys(collection: &Collection, what: &str, step: &Json) -> Result<String> {
    let index = collection.manual_index(step["index"].as_str().unwrap())?;
    let key = || from_json(&step["key"]);
    let numbers = |ids: Vec<EntityId>| joined(&ids.iter().map(|id| number(id).to_string()).collect::<Vec<_>>(), ", ");
    match what {
        "insert_key" => Ok(index.insert(key(), id(&step["id"]))?.to_string()),
        "remove_key" => Ok(index.remove(key(), id(&step["id"]))?.to_string()),
        "lookup_key" => Ok(numbers(index.lookup(key())?)),
        "count_keys" => Ok(index.len()?.to_string()),
        _ => {
            let mut range = KeyRange { limit: step["limit"].as_u64(), ..KeyRange::default() };
            let bound = |name: &str, open: &str| match (step.get(name), step[open] == true) {
                (None, _) => Bound::Unbounded,
                (Some(key), true) => Bound::Excluded(from_json(key)),
                (Some(key), false) => Bound::Included(from_json(key)),
            };
            (range.from, range.to) = (bound("from", "from_open"), bound("to", "to_open"));
            range.reverse = step["reverse"] == true;
            Ok(numbers(index.range(range)?.map(|found| found.map(|(_, id)| id)).collect::<Result<_>>()?))
        }
    }
}
