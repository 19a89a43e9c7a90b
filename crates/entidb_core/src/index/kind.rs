//! What every kind of index answers, and the list of kinds.
//!
//! Always: everything an index keeps lies under its number, in the zones its kind names, and its count. What a change does
//! to it is planned before anything of the change is written, and is data from then on: so it is counted and written in one
//! place, and nothing is written that was not counted. One indirect call for each index and change, batch or query, none
//! for a row. Does not know: any kind beyond its line in the list.

use std::any::Any;
use std::fmt::Debug;

use entidb_engine::WriteTransaction;

use super::changes::Changes;
use super::memory::Memory;
use super::{manual, ordered};
use crate::catalog::IndexDefinition;
use crate::database::Findings;
use crate::error::{Error, ErrorCode, Result, quoted};
use crate::id::{EntityId, IndexId, Ordinal, StorageId};
use crate::query::{Asked, Offer};
use crate::transaction::View;

/// Every kind this library knows. A kind is a folder and a line here.
static KINDS: &[&dyn Kind] = &[
    &ordered::KIND,
    &manual::KIND,
    #[cfg(test)]
    &super::tally::KIND,
];

/// A kind of index: what definitions it takes, and the indexes it makes of them.
pub(crate) trait Kind: Sync {
    /// Its name in definitions.
    fn name(&self) -> &'static str;

    /// The first version of the library that knows an index of this definition.
    fn since(&self, definition: &IndexDefinition) -> &'static str;

    /// Every zone that an index of this kind may keep something in.
    fn zones(&self) -> &'static [u8];

    /// Those of its zones whose keys are walked in order and hardly ever read one by one: they get larger blocks and no point
    /// index.
    fn walked_zones(&self) -> &'static [u8] {
        &[]
    }

    /// Refuses a definition that no index of this kind can have.
    fn check(&self, definition: &IndexDefinition) -> Result<()>;

    /// The index of a definition that was checked.
    fn index(&self, id: IndexId, definition: &IndexDefinition, origin: Origin) -> Box<dyn Index>;
}

/// Where an index comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is made now, and keeps nothing yet.
    New,
    /// The catalog had it.
    Stored,
}

/// One index of a collection.
pub(crate) trait Index: Any + Debug + Send + Sync {
    /// The zones it keeps something in, under its number. Dropping the index deletes these ranges.
    fn zones(&self) -> &[u8];

    /// Adds to `changes` what a change of an entity adds and removes, or refuses the change. Writes nothing.
    fn plan(&self, tx: &WriteTransaction, change: &Change<'_>, changes: &mut Changes) -> Result<()>;

    /// Refuses changes that are made for all entities at once: by the ranges of the collection.
    fn check_writable(&self) -> Result<()> {
        Ok(())
    }

    /// Whether it is built by planning the insertion of each entity there is. One that is not begins empty.
    fn is_built_from_entities(&self) -> bool {
        true
    }

    /// The zone of rows that the change feed tells of, one key of an entity each: those that nobody can make from entities.
    fn told_zone(&self) -> Option<u8> {
        None
    }

    /// The entity of such a row, and the key in its ordered form.
    fn told_key<'a>(&self, row: &'a [u8]) -> Result<(EntityId, &'a [u8])> {
        let _ = row;
        Err(Error::internal("an index has no keys that the feed tells of"))
    }

    /// What it keeps in memory of its committed rows, if it keeps anything. It is told of each commit that changes them.
    fn memory(&self) -> Option<&dyn Memory> {
        None
    }

    /// What compares the index with the entities of its collection; none where this library cannot read the index.
    fn verification(&self) -> Option<Box<dyn Verification + '_>>;

    /// About how many rows it has.
    fn rows(&self, view: &View) -> Result<RowCount>;

    /// How the index can serve a query, if it can.
    fn offer(&self, asked: &Asked<'_>) -> Result<Option<Offer>>;
}

/// A change of one entity, as an index is asked for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) storage: StorageId,
    pub(crate) id: EntityId,
    pub(crate) ordinal: Ordinal,
    /// The document before; none when the entity comes into being.
    pub(crate) old: Option<&'a [u8]>,
    /// The document after; none when the entity goes.
    pub(crate) new: Option<&'a [u8]>,
    /// Whether the index is still being built: it may lack the rows of the document before, and a step of the build finds rows
    /// of the document after where the entity changed since the build began.
    pub(crate) is_building: bool,
    /// Whether a refusal may show what a document holds.
    pub(crate) shows_keys: bool,
}

/// Compares one index with the entities of its collection, which it is shown one after the other.
pub(crate) trait Verification {
    /// An entity, with its document.
    fn entity(&mut self, view: &View, entity: &Verified<'_>, findings: &mut Findings) -> Result<()>;

    /// After the last entity: what the index has beyond them.
    fn finish(&mut self, view: &View, storage: StorageId, findings: &mut Findings) -> Result<()>;
}

/// An entity that is verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verified<'a> {
    pub(crate) id: EntityId,
    pub(crate) ordinal: Ordinal,
    pub(crate) document: &'a [u8],
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowCount {
    pub(crate) rows: u64,
    /// Whether that is counted, not estimated.
    pub(crate) is_exact: bool,
}

/// The kind of this name.
pub(crate) fn of(name: &str) -> Result<&'static dyn Kind> {
    KINDS.iter().find(|kind| kind.name() == name).copied().ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name()).collect();
        let problem = format!("there is no kind of index {}; the kinds are {}", quoted(name), known.join(", "));
        Error::new(ErrorCode::InvalidArgument, problem)
    })
}

/// Every zone that an index of a known kind may keep something in.
pub(crate) fn zones() -> impl Iterator<Item = u8> {
    KINDS.iter().flat_map(|kind| kind.zones().iter().copied())
}

/// Those zones of known kinds that are walked in order.
pub(crate) fn walked_zones() -> impl Iterator<Item = u8> {
    KINDS.iter().flat_map(|kind| kind.walked_zones().iter().copied())
}

/// True for a version after this library's own.
pub(crate) fn is_newer(version: &str) -> Result<bool> {
    let numbers = |text: &str| {
        let mut parts = text.split('.').map(str::parse::<u32>);
        let mut next = || parts.next().and_then(|part| part.ok());
        Some([next()?, next()?, next()?])
    };
    let wanted = numbers(version).ok_or_else(|| Error::corrupt(format!("{} is no version", quoted(version))))?;
    Ok(numbers(env!("CARGO_PKG_VERSION")).is_none_or(|own| wanted > own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(!is_newer("0.0.9").unwrap() && !is_newer(env!("CARGO_PKG_VERSION")).unwrap());
        assert!(is_newer("99.0.0").unwrap() && is_newer("0.1000.0").unwrap());
        assert!(is_newer("new").is_err() && is_newer("1.2").is_err());
    }

    #[test]
    fn kinds_share_no_name_and_no_zone() {
        let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name()).collect();
        let mut zones: Vec<_> = zones().collect();
        let counts = (names.len(), zones.len());
        names.sort_unstable();
        names.dedup();
        zones.sort_unstable();
        zones.dedup();
        assert_eq!((names.len(), zones.len()), counts);
        assert!(walked_zones().all(|zone| zones.contains(&zone)));
    }
}
