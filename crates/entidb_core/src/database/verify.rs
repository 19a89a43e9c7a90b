//! Checking a database: its files by the engine, its indexes and counts against its entities, its feed against its history.
//!
//! Always: damage is collected and the check goes on; nothing is changed. Does not know: how to repair.

use std::collections::BTreeSet;

use entidb_codec::{Limits, Value};
use entidb_engine::Direction;

use super::Database;
use crate::catalog::{CollectionRecord, IndexRecord};
use crate::change_feed::verify_feed;
use crate::collection::envelope::Envelope;
use crate::error::{Error, Family, Result};
use crate::history::ended_storages;
use crate::id::EntityId;
use crate::index::kind::{self, Verification, Verified};
use crate::keyspace::{self, ZONE_ENTITY, ZONE_ORDINAL};
use crate::transaction::View;

/// How much a verification reads.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// use entidb_core::VerifyLevel;
/// assert_eq!(db.verify(VerifyLevel::Quick)?.entities, 0);
/// assert_eq!(db.verify(VerifyLevel::Full)?.entities, 1);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyLevel {
    /// What can be told without reading every entity: files listed, footers, counts.
    #[default]
    Quick,
    /// Every block, every entity, every index row, every change in the feed.
    Full,
}

/// One thing that is not as it should be.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// for problem in db.verify(entidb_core::VerifyLevel::Full)?.problems {
///     println!("{} {:?} {:?}", problem.what, problem.file, problem.offset);
/// }
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// The file, where it is one.
    pub file: Option<String>,
    /// The byte in the file.
    pub offset: Option<u64>,
    /// The collection.
    pub collection: Option<String>,
    /// The index.
    pub index: Option<String>,
    /// The entity.
    pub id: Option<EntityId>,
}

/// What a verification found.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// let report = db.verify(entidb_core::VerifyLevel::Full)?;
/// assert_eq!((report.problems.len(), report.entities), (0, 1));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Everything that is not as it should be.
    pub problems: Vec<Problem>,
    /// Segments looked at.
    pub segments: u64,
    /// Sealed units read: blocks, log groups, manifest records.
    pub units: u64,
    /// Entities read.
    pub entities: u64,
    /// Index rows read.
    pub index_rows: u64,
    /// Indexes that this library does not know and did not compare with the entities: what each is, and which library does.
    pub unverified: Vec<String>,
    /// Names in the folder that cannot be files of the database; they harm nothing. Of very many, some.
    pub ignored: Vec<String>,
    /// How many such names there are.
    pub ignored_count: u64,
    /// Bytes at the end of the log that were no whole commit when the database was opened, as a crash leaves them.
    pub bytes_dropped: u64,
    /// How many of the problems are damage of a copy of which the other one is whole, in KEYRING and in ROOT.
    pub spares_damaged: u64,
}

impl VerifyReport {
    /// True when nothing is wrong.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert!(db.verify(entidb_core::VerifyLevel::Full)?.is_ok());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// The report as a document, the same in every language.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// let report = db.verify(entidb_core::VerifyLevel::Full)?.to_value();
    /// assert_eq!(report.as_map().and_then(|map| map.get("ok")), Some(&true.into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        let problems = self.problems.iter().map(Problem::to_value).collect();
        let fields = [
            ("ok", Value::Bool(self.is_ok())),
            ("problems", Value::Array(problems)),
            ("segments", Value::from(self.segments)),
            ("units", Value::from(self.units)),
            ("entities", Value::from(self.entities)),
            ("index_rows", Value::from(self.index_rows)),
            ("unverified", texts(&self.unverified)),
            ("ignored", texts(&self.ignored)),
            ("ignored_count", Value::from(self.ignored_count)),
            ("bytes_dropped", Value::from(self.bytes_dropped)),
            ("spares_damaged", Value::from(self.spares_damaged)),
        ];
        Value::Map(fields.into_iter().collect())
    }
}

fn texts(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(|text| Value::from(text.as_str())).collect())
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let context = error.context();
        Self {
            what: error.message().to_owned(),
            file: context.path.clone(),
            offset: context.offset,
            collection: context.collection.clone(),
            index: context.index.clone(),
            id: context.id,
        }
    }
}

impl Problem {
    fn to_value(&self) -> Value {
        let mut fields = vec![("what", Value::from(self.what.as_str()))];
        let texts = [("file", &self.file), ("collection", &self.collection), ("index", &self.index)];
        fields.extend(texts.into_iter().filter_map(|(name, text)| Some((name, Value::from(text.as_deref()?)))));
        fields.extend(self.offset.map(|offset| ("offset", Value::from(offset))));
        fields.extend(self.id.map(|id| ("id", Value::EntityId(*id.as_bytes()))));
        Value::Map(fields.into_iter().collect())
    }
}

impl Database {
    /// Checks the database while it is in use.
    ///
    /// ```
    /// use entidb_core::{doc, Database, VerifyLevel};
    /// let db = Database::open_memory()?;
    /// db.collection("notes")?.put(&doc! { "n": 1 })?;
    /// assert!(db.verify(VerifyLevel::Full)?.is_ok());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`, `Cancelled`. Damage is in the report, not an error.
    pub fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        let view = View::Read(self.shared.begin_read_for("verification")?);
        let mut report = VerifyReport::default();
        self.verify_engine(level, &mut report)?;
        let catalog = view.catalog();
        let collections = catalog.as_ref().map(|found| found.collections()).unwrap_or_default();
        note(catalog.map(drop), None, &mut report)?;
        for record in collections {
            let mut check = Check { view: &view, record: &record, report: &mut report };
            let checked = check.collection(level);
            note(checked, Some(&record.name), &mut report)?;
        }
        if level == VerifyLevel::Full {
            let checked = verify_numbers(&view, &mut report);
            note(checked, None, &mut report)?;
            let checked = verify_feed(&view, &mut report.problems);
            note(checked, None, &mut report)?;
        }
        Ok(report)
    }
}

/// Puts what a part of the check failed with into the report, so that the other parts are checked all the same. That the
/// database was closed, or the check cancelled, is no finding about it.
fn note(checked: Result<()>, collection: Option<&str>, report: &mut VerifyReport) -> Result<()> {
    match checked {
        Ok(()) => Ok(()),
        Err(error) if error.code().family() == Family::State => Err(error),
        Err(error) => {
            let problem = Problem { collection: collection.map(str::to_owned), ..Problem::from(&error) };
            // The engine has read the same block, and said so already.
            let is_known = |other: &Problem| (&other.what, &other.file) == (&problem.what, &problem.file);
            if collection.is_some() || !report.problems.iter().any(is_known) {
                report.problems.push(problem);
            }
            Ok(())
        }
    }
}

/// Nothing is kept under the number of a collection or index that does not exist.
fn verify_numbers(view: &View, report: &mut VerifyReport) -> Result<()> {
    let mut known = BTreeSet::new();
    for record in view.catalog()?.collections() {
        known.insert(keyspace::prefix(ZONE_ENTITY, record.storage.0));
        known.insert(keyspace::prefix(ZONE_ORDINAL, record.id.0));
        for index in record.indexes.iter().chain(&record.building) {
            known.extend(index.zones().iter().map(|zone| keyspace::prefix(*zone, index.id.0)));
        }
    }
    known.extend(ended_storages(view)?.into_iter().map(|storage| keyspace::prefix(ZONE_ENTITY, storage.0)));
    let zones = [ZONE_ENTITY, ZONE_ORDINAL].into_iter().chain(kind::zones());
    for zone in zones {
        let mut keys = view.range(&[zone], &[zone + 1], Direction::Forward)?;
        while keys.advance()? {
            let Some((prefix, _)) = keys.key().split_first_chunk::<{ keyspace::PREFIX_BYTES }>() else {
                report
                    .problems
                    .push(Problem { what: format!("a key too short for zone {zone}"), ..Problem::default() });
                continue;
            };
            let [_, a, b, c, d] = *prefix;
            let number = u32::from_be_bytes([a, b, c, d]);
            if !known.contains(prefix) {
                let what = format!("zone {zone} holds something of number {number}, which does not exist");
                report.problems.push(Problem { what, ..Problem::default() });
            }
            keys.seek(&keyspace::prefix_end(zone, number))?;
        }
    }
    Ok(())
}

/// An index with what compares it with the entities.
type OfIndex<'a> = (&'a IndexRecord, Box<dyn Verification + 'a>);

struct Check<'a> {
    view: &'a View,
    record: &'a CollectionRecord,
    report: &'a mut VerifyReport,
}

impl Check<'_> {
    fn collection(&mut self, level: VerifyLevel) -> Result<()> {
        if level == VerifyLevel::Quick {
            return Ok(());
        }
        let number = self.record.id.0;
        let storage = self.record.storage.0;
        let (start, end) = (keyspace::prefix(ZONE_ENTITY, storage), keyspace::prefix_end(ZONE_ENTITY, storage));
        let mut entities = self.view.range(&start, &end, Direction::Forward)?;
        let mut count = 0_u64;
        let record = self.record;
        let mut indexes = self.verifications(record);
        while entities.advance()? {
            count += 1;
            self.report.entities += 1;
            let Some(id) = keyspace::entity_id(entities.key()) else {
                self.problem("an entity key of the wrong length", None);
                continue;
            };
            if let Err(error) = self.entity(id, entities.value(), &mut indexes) {
                self.problem(error.message(), Some(id));
            }
        }
        if self.view.entity_count(self.record.id)? != count {
            self.problem(
                &format!("the count says {}, there are {count}", self.view.entity_count(self.record.id)?),
                None,
            );
        }
        let (start, end) = (keyspace::prefix(ZONE_ORDINAL, number), keyspace::prefix_end(ZONE_ORDINAL, number));
        let mut ordinals = self.view.range(&start, &end, Direction::Forward)?;
        let mut ordinal_count = 0_u64;
        while ordinals.advance()? {
            ordinal_count += 1;
        }
        if ordinal_count != count {
            self.problem(&format!("there are {ordinal_count} ordinals for {count} entities"), None);
        }
        for (index, mut check) in indexes {
            self.of_index(index, |view, findings| check.finish(view, record.storage, findings))?;
        }
        Ok(())
    }

    /// What compares each index with the entities. Names those for which there is nothing.
    fn verifications<'a>(&mut self, record: &'a CollectionRecord) -> Vec<OfIndex<'a>> {
        let mut checks = Vec::with_capacity(record.indexes.len());
        for index in &record.indexes {
            match index.verification() {
                Some(check) => checks.push((&**index, check)),
                None => self.report.unverified.push(index.unknown_to(&record.name)),
            }
        }
        checks
    }

    /// An entity reads, has its ordinal, and is in the indexes as its document says.
    fn entity(&mut self, id: EntityId, stored: &[u8], indexes: &mut [OfIndex<'_>]) -> Result<()> {
        let envelope = Envelope::decode(stored)?;
        entidb_codec::validate_within(envelope.document, &Limits::STORED)?;
        let named = self.view.get(&keyspace::ordinal(self.record.id, envelope.ordinal))?;
        if named.as_deref() != Some(id.as_bytes().as_slice()) {
            self.problem("the ordinal does not lead back to the entity", Some(id));
        }
        let entity = Verified { id, ordinal: envelope.ordinal, document: envelope.document };
        for (index, check) in indexes {
            self.of_index(index, |view, findings| check.entity(view, &entity, findings))?;
        }
        Ok(())
    }

    /// Runs a part of the verification of an index, and puts what it finds into the report.
    fn of_index(&mut self, index: &IndexRecord, run: impl FnOnce(&View, &mut Findings) -> Result<()>) -> Result<()> {
        let mut findings = Findings::default();
        let result = run(self.view, &mut findings);
        self.report.index_rows += findings.rows;
        for (what, id) in findings.problems {
            let index = Some(index.definition.name.clone());
            let collection = Some(self.record.name.clone());
            self.report.problems.push(Problem { what, collection, index, id, ..Problem::default() });
        }
        result
    }

    fn problem(&mut self, what: &str, id: Option<EntityId>) {
        self.report.problems.push(Problem {
            what: what.to_owned(),
            collection: Some(self.record.name.clone()),
            id,
            ..Problem::default()
        });
    }
}

/// What is wrong with an index.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    rows: u64,
    problems: Vec<(String, Option<EntityId>)>,
}

impl Findings {
    /// A row was read.
    pub(crate) fn row(&mut self) {
        self.rows += 1;
    }

    pub(crate) fn problem(&mut self, what: &str, id: Option<EntityId>) {
        self.problems.push((what.to_owned(), id));
    }
}
