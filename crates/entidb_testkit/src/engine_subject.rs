//! The engine as the harnesses see it: steps done through its public API, promises journaled, answers compared.
//!
//! Always: an operation is acknowledged only when the engine says that it is durable; after every failure the reads
//! are compared with the model. Does not know: the engine's files.

use entidb_engine::{Direction, Durability, Engine, Error, KeyRange, KeySource, Options, Sequence, WriteTransaction};
use entidb_storage::simulated::FaultKind;
use entidb_storage::{Backend, ErrorKind, Operation};

use crate::model::{Bytes, Change, Contents, Key};
use crate::subject::{Journal, Stop, Subject};
use crate::workload::{Profile, Step, contents_after, steps};

/// How the engine is opened in a test.
pub type MakeOptions = fn() -> Options;

/// The engine under test.
#[derive(Debug, Clone, Copy)]
pub struct EngineSubject {
    /// The workload.
    pub profile: Profile,
    /// The options of every open.
    pub options: MakeOptions,
    /// Whether the whole contents are compared after every step, not only after failures.
    pub compare_always: bool,
}

impl EngineSubject {
    /// The engine with small buffers, so that short workloads reach every part of it.
    #[must_use]
    pub const fn new(profile: Profile) -> Self {
        Self { profile, options: small_options, compare_always: false }
    }
}

/// Everything as small as it may be.
#[must_use]
pub fn small_options() -> Options {
    Options {
        memory_bytes: 1 << 20,
        memtable_bytes: 16 * 1024,
        wal_bytes: 64 * 1024,
        segment_bytes: 16 * 1024,
        open_files_max: 4,
        background: false,
        ..Options::default()
    }
}

/// As [`small_options`], encrypted with a raw key.
#[must_use]
pub fn encrypted_options() -> Options {
    Options { key: Some(KeySource::raw([42; 32])), ..small_options() }
}

/// Judges the error an engine run ends with when a fault struck: the kind must be that of the fault, and what no call
/// damaged must not be called damaged.
///
/// # Errors
/// Why the error is not the right one.
pub fn judge_error(
    kind: FaultKind,
    operation: Operation,
    error: &(dyn std::error::Error + Send + Sync + 'static),
) -> Result<(), String> {
    if kind.is_silent() {
        return Ok(());
    }
    let Some(error) = error.downcast_ref::<Error>() else { return Err(format!("{error} is not the engine's")) };
    let right = match error {
        Error::WritesStopped { .. } | Error::CommitUnknown { .. } | Error::KeyringHalfWritten { .. } => true,
        Error::NoRoom { .. } => matches!(kind, FaultKind::NoSpace | FaultKind::Quota | FaultKind::NoSpaceAtFlush),
        Error::Storage(inner) => match kind {
            FaultKind::NoSpace | FaultKind::Quota | FaultKind::NoSpaceAtFlush => inner.kind == ErrorKind::NoSpace,
            FaultKind::ReadOnly => inner.kind == ErrorKind::ReadOnly,
            FaultKind::TooManyOpenFiles => inner.kind == ErrorKind::TooManyOpenFiles,
            FaultKind::PermissionDenied => inner.kind == ErrorKind::PermissionDenied,
            FaultKind::ZeroWrite => inner.kind == ErrorKind::WroteNothing,
            FaultKind::Device | FaultKind::TornWrite | FaultKind::DelayedDevice | FaultKind::FlushLost => {
                matches!(inner.kind, ErrorKind::Device { .. })
            }
            // These are to be taken in one's stride.
            _ => false,
        },
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("{kind:?} at {operation:?} ended in {error:?}")) }
}

/// All keys and values of the database as it is now.
///
/// # Errors
/// What the engine says.
pub fn contents(engine: &Engine) -> entidb_engine::Result<Contents> {
    let mut iter = engine.snapshot()?.range(KeyRange::all(), Direction::Forward)?;
    let mut contents = Contents::default();
    while iter.advance()? {
        contents.0.insert(Key(iter.key().to_vec()), Bytes(iter.value().to_vec()));
    }
    Ok(contents)
}

/// Does the changes of one transaction, undone ones included.
///
/// # Errors
/// What the engine says.
pub fn apply(transaction: &mut WriteTransaction, changes: &[Change]) -> entidb_engine::Result<()> {
    for change in changes {
        match change {
            Change::Put(key, value) => transaction.put(&key.0, &value.0)?,
            Change::Delete(key) => transaction.delete(&key.0)?,
            Change::DeleteRange(start, end) => transaction.delete_range(&start.0, &end.0)?,
            Change::Add(key, delta) => transaction.add(&key.0, *delta)?,
            Change::Undone(inner) => {
                let savepoint = transaction.savepoint()?;
                apply(transaction, inner)?;
                transaction.rollback_to(&savepoint)?;
            }
        }
    }
    Ok(())
}

/// Commits are gone without the engine saying so.
#[derive(Debug)]
struct LostCommits(String);

impl std::fmt::Display for LostCommits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LostCommits {}

/// One run: the engine, what is promised, and what must be visible.
struct Run<'a> {
    subject: &'a EngineSubject,
    backend: &'a Backend,
    journal: &'a Journal,
    /// None only while the database is being opened again, or when that failed.
    engine: Option<Engine>,
    visible: Contents,
    /// What was visible after each step before.
    before: Vec<Contents>,
    /// The sequence each step reached, where it reached one.
    reached: Vec<Option<Sequence>>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Stop> {
        self.journal.start();
        self.reached.push(None);
        self.before.push(self.visible.clone());
        let result = self.act(step)?;
        match &result {
            Ok(()) => self.promise(step)?,
            Err(Error::CommitUnknown { .. }) => self.journal.doubt(),
            Err(_) => self.journal.refuse(),
        }
        if result.is_err() || self.subject.compare_always {
            self.compare(step)?;
        }
        Ok(())
    }

    /// The inner result is the engine's, which the journal gets; the outer one ends the run.
    fn act(&mut self, step: &Step) -> Result<entidb_engine::Result<()>, Stop> {
        let engine = self.engine.take().ok_or_else(|| Stop::Wrong("the database is not open".to_owned()))?;
        let result = match step {
            Step::Commit(changes, durability) => self.commit(&engine, changes, *durability),
            Step::Flush => engine.flush(),
            Step::Checkpoint => crate::upkeep::checkpoint(&engine),
            Step::Compact => crate::upkeep::compact(&engine),
            Step::Maintain => crate::upkeep::maintain(&engine),
            Step::Rotate => crate::upkeep::rotate(&engine),
            Step::Rekey => crate::upkeep::rekey(&engine),
            Step::Reopen | Step::Drop => {
                let ended = if *step == Step::Reopen { engine.close() } else { engine.flush() };
                drop(engine);
                self.reopen(ended.is_ok())?;
                return Ok(ended);
            }
        };
        self.engine = Some(engine);
        Ok(result)
    }

    fn commit(&mut self, engine: &Engine, changes: &[Change], durability: Durability) -> entidb_engine::Result<()> {
        let mut transaction = engine.begin_write()?;
        apply(&mut transaction, changes)?;
        let expected = transaction.next_sequence();
        let empty = transaction.is_empty();
        let sequence = transaction.commit_with(durability)?;
        if empty {
            // It promises nothing, not even for the commit before it, whose sequence it returns.
            return Ok(());
        }
        if sequence != expected {
            let detail = format!("commit {sequence} was announced as {expected}");
            return Err(Error::Internal { detail });
        }
        if let Some(reached) = self.reached.last_mut() {
            *reached = Some(sequence);
        }
        self.visible.apply(changes);
        Ok(())
    }

    fn reopen(&mut self, was_durable: bool) -> Result<(), Stop> {
        let engine = Engine::open(self.backend.clone(), (self.subject.options)())?;
        let found = contents(&engine)?;
        self.engine = Some(engine);
        if was_durable && !self.journal.has_failures() && found != self.visible {
            let text = format!("a new open shows {found:?}, before it was {:?}", self.visible);
            // An error of ours and not the engine's: right only where a fault no call reports took the end of the log.
            return Err(if self.before.contains(&found) { LostCommits(text).into() } else { Stop::Wrong(text) });
        }
        self.visible = found;
        Ok(())
    }

    /// Journals what the engine says is durable.
    fn promise(&self, step: &Step) -> Result<(), Stop> {
        let durable = self.engine.as_ref().map_or(Sequence(0), Engine::durable_sequence);
        if let Step::Commit(_, Durability::Durable) = step
            && let Some(Some(sequence)) = self.reached.last()
            && *sequence > durable
        {
            return Err(Stop::Wrong(format!("durable commit {sequence} returned, durable is {durable}")));
        }
        match step {
            Step::Commit(..) => {
                let through =
                    self.reached.iter().rposition(|reached| reached.is_some_and(|reached| reached <= durable));
                self.journal.acknowledge_first(through.map_or(0, |at| at + 1));
            }
            // Each of these returns when everything before it is on stable storage.
            Step::Flush | Step::Checkpoint | Step::Reopen | Step::Drop => self.journal.acknowledge(),
            Step::Maintain | Step::Compact | Step::Rotate | Step::Rekey => {}
        }
        Ok(())
    }

    /// Reads go on, whatever failed, and show what was committed.
    fn compare(&self, step: &Step) -> Result<(), Stop> {
        let Some(engine) = &self.engine else { return Ok(()) };
        match contents(engine) {
            Ok(found) if found == self.visible => Ok(()),
            Ok(found) => Err(Stop::Wrong(format!("after {step:?} reads show {found:?} instead of {:?}", self.visible))),
            Err(error) => Err(error.into()),
        }
    }
}

impl Subject for EngineSubject {
    type Operation = Step;
    type State = Contents;

    fn operations(&self, seed: u64) -> Vec<Step> {
        steps(seed, self.profile)
    }

    fn model(&self, operations: &[Step]) -> Contents {
        contents_after(operations)
    }

    fn run(&self, backend: &Backend, operations: &[Step], journal: &Journal) -> Result<(), Stop> {
        let engine = Engine::open(backend.clone(), (self.options)())?;
        let visible = contents(&engine)?;
        let mut run = Run {
            subject: self,
            backend,
            journal,
            engine: Some(engine),
            visible,
            before: Vec::new(),
            reached: Vec::new(),
        };
        for step in operations {
            run.step(step)?;
        }
        let closed = run.engine.as_ref().map_or(Ok(()), Engine::close);
        if !journal.has_failures() {
            closed?;
            journal.acknowledge();
        }
        Ok(())
    }

    fn recover(&self, backend: &Backend) -> Result<Contents, Stop> {
        let engine = Engine::open(backend.clone(), (self.options)())?;
        let found = contents(&engine)?;
        engine.close()?;
        Ok(found)
    }
}
