//! Building an index over a large collection, in steps of bounded size with other changes between them.
//!
//! Always: until the last step the index is in the catalog as one being built: every change keeps its rows, no query uses
//! them, the feed does not tell of it, and it refuses no change: one that it cannot take in makes the build fail. The last
//! step makes it an index like any other, in one commit. A build that fails
//! takes its rows back; one that a crash or a close cut off is taken back by the next opening.
//! Does not know: what rows a document has (`rows`). Format: docs/spec/keyspace.md, "Indexes being built".

use std::sync::Arc;
use std::time::Duration;

use entidb_engine::{Durability, Engine, interrupt};
use entidb_storage::sync::{Condvar, Mutex};

use crate::catalog::{Catalog, IndexDefinition, IndexRecord};
use crate::change_feed::Session;
use crate::collection::Target;
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{CollectionId, EntityId, IndexId};
use crate::keyspace;
use crate::transaction::BegunIndex;

/// Which indexes are being built by calls of this process.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    running: Mutex<Vec<IndexId>>,
    ended: Condvar,
}

impl Builds {
    pub(crate) fn is_running(&self, index: IndexId) -> bool {
        self.running.lock().contains(&index)
    }

    fn begin(&self, index: IndexId) {
        self.running.lock().push(index);
    }

    fn end(&self, index: IndexId) {
        self.running.lock().retain(|other| *other != index);
        self.ended.notify_all();
    }

    /// Waits for the end of a build; false when the time is over first.
    fn wait(&self, index: IndexId, timeout: Duration) -> Result<bool> {
        let mut left = timeout;
        loop {
            let slice = interrupt::slice(left);
            {
                let mut running = self.running.lock();
                if !running.contains(&index) {
                    return Ok(true);
                }
                if left.is_zero() {
                    return Ok(false);
                }
                if !self.ended.wait_for(&mut running, slice).timed_out() {
                    continue;
                }
            }
            left = left.saturating_sub(slice);
            interrupt::check()?;
        }
    }
}

/// Declares an index and builds it over what is there. False when the same index was there already.
pub(crate) fn create_index(shared: &Arc<Shared>, target: &Target<'_>, definition: &IndexDefinition) -> Result<bool> {
    loop {
        match begin(shared, target, definition)? {
            Begun::Ended(created) => return Ok(created),
            Begun::Building(mut build) => {
                while !build.step()? {}
                return Ok(true);
            }
            Begun::Elsewhere(index) => {
                let timeout = Duration::from_millis(shared.options().lock_timeout_ms);
                if !shared.builds().wait(index, timeout)? {
                    let name = &definition.name;
                    let problem = format!("another call is still building the index {name:?}; wait for that one");
                    return Err(Error::new(ErrorCode::Busy, problem).with_collection(target.name).with_index(name));
                }
            }
        }
    }
}

/// What the first step came to.
pub(crate) enum Begun {
    Ended(bool),
    Building(IndexBuild),
    Elsewhere(IndexId),
}

/// Takes the first step, which is the only one for a collection that is not large.
pub(crate) fn begin(shared: &Arc<Shared>, target: &Target<'_>, definition: &IndexDefinition) -> Result<Begun> {
    let mut state = shared.begin_state(None)?;
    let begun = match state.begin_index(target, definition, step_bytes(shared, 0), shared.builds())? {
        BegunIndex::Unchanged => return Ok(Begun::Ended(false)),
        BegunIndex::Elsewhere(index) => return Ok(Begun::Elsewhere(index)),
        BegunIndex::Ready => Begun::Ended(true),
        BegunIndex::Building { collection: id, index, reached } => {
            // From here on its end is told, however this ends.
            shared.builds().begin(index.id);
            let (shared, name) = (Arc::clone(shared), target.name.to_owned());
            Begun::Building(IndexBuild { shared, name, collection: id, index, reached, steps: 0 })
        }
    };
    state.commit(shared, None)?;
    shared.counters().committed();
    Ok(begun)
}

/// How many steps write the same number of bytes, and how often that is doubled.
const STEPS_OF_A_SIZE: u32 = 256;
const DOUBLINGS_MAX: u32 = 6;

/// The bytes of the step after `steps` steps. Entities that others put meanwhile lie behind those that are there, so steps grow: a
/// writer who puts more between two steps than one step indexes would hold up the build for ever. A step never needs more than
/// a part of what a transaction may hold.
fn step_bytes(shared: &Shared, steps: u32) -> u64 {
    let doublings = (steps / STEPS_OF_A_SIZE).min(DOUBLINGS_MAX);
    let options = shared.options();
    options.index_build_bytes.saturating_mul(1 << doublings).min(options.transaction_bytes_max / 4)
}

/// An index between its first step and its last.
pub(crate) struct IndexBuild {
    shared: Arc<Shared>,
    /// The collection as it was called at the beginning, for messages.
    name: String,
    collection: CollectionId,
    index: Arc<IndexRecord>,
    reached: EntityId,
    steps: u32,
}

impl IndexBuild {
    /// Indexes some more entities; true when it was the last step. After an error nothing is left of the index.
    pub(crate) fn step(&mut self) -> Result<bool> {
        let result = self.advance();
        if result.is_err() {
            // The first failure is the one to tell. What cannot be taken back now, the next opening does, or the next
            // call for the same index.
            let _ = interrupt::shielded(|| self.take_back());
        }
        result.map_err(|error| error.with_collection(&self.name).with_index(&self.index.definition.name))
    }

    fn advance(&mut self) -> Result<bool> {
        let mut state = self.shared.begin_state_behind()?;
        let Some(record) = state.catalog().by_id(self.collection).cloned() else {
            let problem = "the collection was dropped while its index was being built";
            return Err(Error::new(ErrorCode::CollectionNotFound, problem));
        };
        if record.building(&self.index.definition.name).is_none_or(|index| index.id != self.index.id) {
            let problem = "the index was dropped while it was being built; create it again if that was a mistake";
            return Err(Error::new(ErrorCode::IndexNotFound, problem));
        }
        super::refusal::judge(state.get(&keyspace::build_refusal(self.index.id))?.as_deref())?;
        let reached =
            state.build_rows(self.collection, &self.index, Some(self.reached), step_bytes(&self.shared, self.steps))?;
        match reached {
            // Rows that a crash loses are built again, so only the last step waits for the disk.
            Some(_) => state.commit(&self.shared, Some(Durability::None))?,
            None => {
                state.finish_index(&record, Arc::clone(&self.index))?;
                state.commit(&self.shared, None)?
            }
        };
        self.shared.counters().committed();
        if let Some(reached) = reached {
            self.reached = reached;
        }
        self.steps = self.steps.saturating_add(1);
        Ok(reached.is_none())
    }

    fn take_back(&self) -> Result<()> {
        let mut state = self.shared.begin_state_behind()?;
        let Some(record) = state.catalog().by_id(self.collection).cloned() else { return Ok(()) };
        if record.building.iter().any(|index| index.id == self.index.id) {
            state.drop_building(&record, &self.index)?;
            state.commit(&self.shared, None)?;
        }
        Ok(())
    }
}

impl Drop for IndexBuild {
    fn drop(&mut self) {
        self.shared.builds().end(self.index.id);
    }
}

/// Takes back indexes that a session before this one did not build to the end; true when there was one.
pub(crate) fn clear_unfinished(engine: &Engine, catalog: &Catalog, session: &Session) -> Result<bool> {
    let records: Vec<_> = catalog.collections().into_iter().filter(|record| !record.building.is_empty()).collect();
    if records.is_empty() {
        return Ok(false);
    }
    let mut tx = engine.begin_write()?;
    for record in records {
        for index in &record.building {
            for zone in index.zones() {
                tx.delete_range(&keyspace::prefix(*zone, index.id.0), &keyspace::prefix_end(*zone, index.id.0))?;
            }
            tx.delete(&keyspace::count(index.id.0))?;
            tx.delete(&keyspace::build_refusal(index.id))?;
        }
        let mut record = (*record).clone();
        record.building.clear();
        tx.put(&keyspace::collection_record(record.id), &record.encode())?;
    }
    let sequence = tx.next_sequence();
    tx.put(&keyspace::catalog_version(), &sequence.0.to_be_bytes())?;
    session.commit(tx, None)?;
    Ok(true)
}
