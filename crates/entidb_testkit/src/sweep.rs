//! Lets every call of a workload fail in every way it can, once and from there on, and looks what is promised and kept.
//!
//! Always: nothing acknowledged is lost, nothing refused comes back, no answer is wrong, nothing panics or hangs; after
//! the fault the store opens again, also when the machine crashes in the middle of that, and what it showed survives a
//! crash.
//! Does not know: which error is right for a fault; [`FaultSweep::expect_errors`] lets the subject judge that.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use entidb_storage::Operation;
use entidb_storage::simulated::{CacheLaw, Fault, FaultKind, Frozen, Personality, Simulation, Variant, When, mix};
use parking_lot::Mutex;

use crate::crash::{clip, seed_from_environment};
use crate::subject::{Fate, Journal, Stop, Subject, guarded};
use crate::table::{Row, seconds_now};
use crate::tier::Tier;

/// After each fault the machine crashes in these ways, and in one more of its own.
const CRASHES: [u32; 4] = [0, 1, 8, 13];

/// How many operations in doubt are told apart; more are taken as all or none.
const DOUBTS_MAX: usize = 6;

/// Judges the error a fault made the run end with.
type ErrorJudge = fn(FaultKind, Operation, &(dyn std::error::Error + Send + Sync + 'static)) -> Result<(), String>;

/// A fault sweep over one subject.
#[derive(Debug)]
pub struct FaultSweep<S> {
    name: String,
    subject: S,
    seed: u64,
    seeds: u64,
    personality: Personality,
    kinds: Vec<FaultKind>,
    errors: Option<ErrorJudge>,
}

/// What was run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SweepSummary {
    /// Runs, each with one fault.
    pub cases: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Recoveries checked after them.
    pub states: u64,
    /// Runs of silent damage that ended in a typed error.
    pub detected: u64,
    /// Time taken.
    pub seconds: f64,
}

impl SweepSummary {
    /// The summary as a row of the run's table.
    #[must_use]
    pub fn row(&self, layer: &str) -> Row {
        Row {
            layer: layer.to_owned(),
            cases: self.cases,
            states: self.states,
            faults: self.faults,
            seconds: self.seconds,
            failures: 0,
        }
    }
}

/// One run of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    seed: u64,
    fault: Fault,
    law: CacheLaw,
}

/// The device at the end of an operation, and what was promised until then.
struct Boundary {
    frozen: Frozen,
    fates: Vec<Fate>,
}

/// Collects the device at the first call of every operation that begins after the fault: what was acknowledged after a
/// fault must survive a crash too, and an orderly end of the run would put much of that right.
fn watch_boundaries(world: &Simulation, fault: Fault, journal: &Arc<Journal>, boundaries: &Arc<Mutex<Vec<Boundary>>>) {
    let (When::Once(at) | When::Onward(at)) = fault.when;
    let (journal, sink) = (Arc::clone(journal), Arc::clone(boundaries));
    let begun = AtomicUsize::new(usize::MAX);
    world.observe(move |point| {
        let fates = if point.index() > at { journal.fates() } else { return };
        if begun.swap(fates.len(), Ordering::Relaxed) < fates.len() {
            sink.lock().push(Boundary { frozen: point.freeze(), fates });
        }
    });
}

/// A variant of a crash that is another one in every case.
fn drawn(case: Case, number: u64) -> u32 {
    let (When::Once(at) | When::Onward(at)) = case.fault.when;
    16 + u32::try_from(mix(mix(case.seed, at), number) % 64).unwrap_or(0)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, call) = match self.fault.when {
            When::Once(call) => ("once", call),
            When::Onward(call) => ("onward", call),
        };
        write!(f, "{} {:?} {word} {call} {:?}", self.seed, self.fault.kind, self.law)
    }
}

impl Case {
    fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [seed, kind, word, call, law] = words.as_slice() else { return None };
        let kind = FaultKind::ALL.into_iter().find(|one| format!("{one:?}") == *kind)?;
        let call = call.parse().ok()?;
        let fault = match *word {
            "once" => Fault::once(kind, call),
            "onward" => Fault::onward(kind, call),
            _ => return None,
        };
        let law = CacheLaw::ALL.into_iter().find(|one| format!("{one:?}") == *law)?;
        Some(Self { seed: seed.parse().ok()?, fault, law })
    }
}

impl<S: Subject> FaultSweep<S> {
    /// A sweep with every kind of fault. `name` is the name of the test function, for the line that replays.
    pub fn new(name: impl Into<String>, subject: S) -> Self {
        Self {
            name: name.into(),
            subject,
            seed: seed_from_environment(),
            seeds: Tier::from_environment().pick(2, 12, 24),
            personality: Personality::PosixStrict,
            kinds: FaultKind::ALL.to_vec(),
            errors: None,
        }
    }

    /// Only these kinds.
    #[must_use]
    pub fn kinds(mut self, kinds: &[FaultKind]) -> Self {
        self.kinds = kinds.to_vec();
        self
    }

    /// So many workloads, each of its own seed.
    #[must_use]
    pub const fn seeds(mut self, seeds: u64) -> Self {
        self.seeds = seeds;
        self
    }

    /// On this file system.
    #[must_use]
    pub const fn personality(mut self, personality: Personality) -> Self {
        self.personality = personality;
        self
    }

    /// Judges every error a run ends with.
    #[must_use]
    pub fn expect_errors(mut self, judge: ErrorJudge) -> Self {
        self.errors = Some(judge);
        self
    }

    /// Runs the sweep and panics with the report when it fails.
    ///
    /// # Panics
    /// On the first failure, with the line that replays it.
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn run(&self) -> SweepSummary {
        match self.check() {
            Ok(summary) => summary,
            Err(report) => panic!("{report}"),
        }
    }

    /// Runs the sweep, or only the case that `ENTIDB_FAULT` names.
    ///
    /// # Errors
    /// The report of the first failure.
    pub fn check(&self) -> Result<SweepSummary, String> {
        let start = seconds_now();
        let mut summary = SweepSummary::default();
        if let Ok(text) = std::env::var("ENTIDB_FAULT") {
            let case =
                Case::read(&text).ok_or_else(|| format!("ENTIDB_FAULT is {text:?}; use the line a failure printed"))?;
            self.case(case, 1_000_000, &mut summary)?;
            return Ok(summary);
        }
        for index in 0..self.seeds {
            let seed = self.seed.wrapping_add(index);
            let operations = self.subject.operations(seed);
            let world = Simulation::new(self.personality, seed);
            guarded(|| self.subject.run(&world.backend(), &operations, &Journal::default()))
                .map_err(|stop| format!("{}: the run without a fault fails: {stop}", self.name))?;
            let calls = world.trace();
            let calls_max = calls.len() as u64 * 20 + 10_000;
            for (call, kind) in
                calls.iter().enumerate().flat_map(|call| self.kinds.iter().map(move |kind| (call, kind)))
            {
                let (index, call) = call;
                if !kind.applies_to(call.operation) {
                    continue;
                }
                let index = index as u64;
                let flushes =
                    matches!(kind, FaultKind::DelayedDevice | FaultKind::FlushLost | FaultKind::NoSpaceAtFlush)
                        || matches!(call.operation, Operation::FlushData | Operation::FlushAll | Operation::FlushNames);
                let laws = if flushes { CacheLaw::ALL.as_slice() } else { &[CacheLaw::MarkedClean] };
                for law in laws {
                    let onward = Some(Fault::onward(*kind, index));
                    // Files that go on vanishing leave an empty folder in the end, and that is a new database.
                    let onward = onward.filter(|_| *kind != FaultKind::LostFile);
                    for fault in [Some(Fault::once(*kind, index)), onward].into_iter().flatten() {
                        self.case(Case { seed, fault, law: *law }, calls_max, &mut summary)?;
                    }
                }
            }
        }
        summary.seconds = seconds_now() - start;
        Ok(summary)
    }

    fn case(&self, case: Case, calls_max: u64, summary: &mut SweepSummary) -> Result<(), String> {
        let operations = self.subject.operations(case.seed);
        let world = Simulation::new(self.personality, case.seed);
        world.set_cache_law(case.law);
        world.set_calls_max(calls_max);
        world.inject(case.fault);
        let journal = Arc::new(Journal::default());
        let boundaries = Arc::new(Mutex::new(Vec::new()));
        if !case.fault.kind.is_silent() {
            watch_boundaries(&world, case.fault, &journal, &boundaries);
        }
        let result = guarded(|| self.subject.run(&world.backend(), &operations, &journal));
        world.stop_observing();
        summary.cases += 1;
        summary.faults += world.faults_struck();
        let silent = case.fault.kind.is_silent();
        match &result {
            Err(Stop::Wrong(_) | Stop::Panicked(_)) => {
                return Err(self.report(case, "the run ends in an answer or an error", &result, &journal, &world));
            }
            Err(Stop::Error(error)) => {
                summary.detected += u64::from(silent);
                let (When::Once(at) | When::Onward(at)) = case.fault.when;
                let operation = world.trace().get(usize::try_from(at).unwrap_or(0)).map(|call| call.operation);
                if let Some((judge, operation)) = self.errors.zip(operation)
                    && let Err(why) = judge(case.fault.kind, operation, error.as_ref())
                {
                    return Err(self.report(case, "the error is the right one", &why, &journal, &world));
                }
            }
            Ok(()) => {}
        }
        world.clear_faults();
        if world.open_files() > 0 || world.held_locks() > 0 {
            return Err(self.report(case, "a failed run leaves no file open and no lock held", &"", &journal, &world));
        }
        for (number, boundary) in boundaries.lock().iter().enumerate() {
            let permitted = self.permitted(&operations, &boundary.fates, silent);
            let number = number as u64;
            for variant in [8 + u32::try_from(number % 8).unwrap_or(0), drawn(case, number)] {
                let after = boundary.frozen.crash(Variant(variant));
                self.look(case, &after, &permitted, silent, &journal, summary, "after a crash later in the run")?;
            }
        }
        let permitted = self.permitted(&operations, &journal.fates(), silent);
        let variants = CRASHES.into_iter().chain([16 + u32::try_from(mix(case.seed, calls_max) % 64).unwrap_or(0)]);
        for variant in variants {
            let after = world.crash(Variant(variant));
            self.look(case, &after, &permitted, silent, &journal, summary, "after a crash")?;
        }
        self.crash_inside_the_next_open(case, &world, calls_max, &permitted, &journal, summary)?;
        // The machine lives on: the store opens again, and what that open showed is then durable.
        let reopened = world.freeze().resume();
        reopened.set_cache_law(case.law);
        reopened.set_calls_max(calls_max);
        if self.look(case, &reopened, &permitted, silent, &journal, summary, "on a new open")?.is_some() && !silent {
            let shown = guarded(|| self.subject.recover(&reopened.backend()));
            for variant in CRASHES {
                let after = reopened.crash(Variant(variant));
                let found = guarded(|| self.subject.recover(&after.backend()));
                summary.states += 1;
                let same = matches!((&shown, &found), (Ok(shown), Ok(found)) if shown == found);
                if !same {
                    let (shown, found) = (clip(&format!("{shown:?}")), clip(&format!("{found:?}")));
                    let what = format!("shown {shown}, after variant {variant} found {found}");
                    let claim = "what an open showed after a fault survives a crash";
                    return Err(self.report(case, claim, &what, &journal, &reopened));
                }
            }
        }
        Ok(())
    }

    /// A process that opens the store after the fault finds in the cache what no flush brought to the disk, and the power
    /// fails while it writes over files that the process before it wrote: before each such write, and after it.
    fn crash_inside_the_next_open(
        &self,
        case: Case,
        world: &Simulation,
        calls_max: u64,
        permitted: &[S::State],
        journal: &Journal,
        summary: &mut SweepSummary,
    ) -> Result<(), String> {
        if case.fault.kind.is_silent() {
            return Ok(());
        }
        let again = world.freeze().resume();
        again.set_cache_law(case.law);
        again.set_calls_max(calls_max);
        let there = again.file_names();
        let moments: Arc<Mutex<Vec<Frozen>>> = Arc::default();
        let (sink, after) = (Arc::clone(&moments), AtomicBool::new(false));
        again.observe(move |point| {
            let over = point.operation() == Operation::Write && there.iter().any(|name| name == point.path());
            if after.swap(over, Ordering::Relaxed) || over {
                sink.lock().push(point.freeze());
            }
        });
        let opened = guarded(|| self.subject.recover(&again.backend()));
        again.stop_observing();
        drop(opened);
        for (number, moment) in moments.lock().iter().enumerate() {
            // Every third of them, by turns: the next case has others.
            if !drawn(case, number as u64).is_multiple_of(3) {
                continue;
            }
            for variant in [8, 13, drawn(case, number as u64), drawn(case, number as u64 + 100)] {
                let crashed = moment.crash(Variant(variant));
                let when = "after a crash inside the next open";
                self.look(case, &crashed, permitted, false, journal, summary, when)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the whole case goes into the report")]
    fn look(
        &self,
        case: Case,
        world: &Simulation,
        permitted: &[S::State],
        silent: bool,
        journal: &Journal,
        summary: &mut SweepSummary,
        when: &str,
    ) -> Result<Option<usize>, String> {
        summary.states += 1;
        let found = guarded(|| self.subject.recover(&world.backend()));
        match &found {
            Ok(state) => {
                if let Some(place) = permitted.iter().position(|one| one == state) {
                    return Ok(Some(place));
                }
            }
            Err(Stop::Error(_)) if silent => {
                summary.detected += 1;
                return Ok(None);
            }
            Err(_) => {}
        }
        let (found, permitted) = (clip(&format!("{found:?}")), clip(&format!("{permitted:?}")));
        let what = format!("{when}: found {found}; permitted: {permitted}");
        Err(self.report(case, "what is found is what was promised", &what, journal, world))
    }

    /// Every state the promises allow.
    fn permitted(&self, operations: &[S::Operation], fates: &[Fate], silent: bool) -> Vec<S::State> {
        if silent {
            // Damage no call reported may be taken for a torn tail; never for something that was not written.
            let prefixes = (0..=fates.len()).rev();
            return prefixes.map(|count| self.subject.model(operations.get(..count).unwrap_or_default())).collect();
        }
        let mut doubtful: Vec<usize> =
            (0..fates.len()).filter(|at| matches!(fates.get(*at), Some(Fate::Started | Fate::Doubted))).collect();
        doubtful.truncate(DOUBTS_MAX);
        let states = (0..1_u32 << doubtful.len()).rev().map(|mask| {
            let there = operations.iter().zip(fates).enumerate().filter(|(at, (_, fate))| match fate {
                Fate::Acknowledged => true,
                Fate::Refused => false,
                Fate::Started | Fate::Doubted => {
                    doubtful.iter().position(|one| one == at).is_some_and(|bit| mask >> bit & 1 == 1)
                }
            });
            let there: Vec<S::Operation> = there.map(|(_, (operation, _))| operation.clone()).collect();
            self.subject.model(&there)
        });
        let mut distinct: Vec<S::State> = Vec::new();
        for state in states {
            if !distinct.contains(&state) {
                distinct.push(state);
            }
        }
        distinct
    }

    fn report(&self, case: Case, claim: &str, what: &dyn fmt::Debug, journal: &Journal, world: &Simulation) -> String {
        let operations = self.subject.operations(case.seed);
        let mut text = format!("{}: {claim}\n  {}\n  operations:\n", self.name, clip(&format!("{what:?}")));
        let fates = journal.fates();
        for (index, operation) in operations.iter().enumerate() {
            let fate = fates.get(index).map_or("not begun".to_owned(), |fate| format!("{fate:?}"));
            text.push_str(&format!("    {index}: {} ({fate})\n", clip(&format!("{operation:?}"))));
        }
        text.push_str("  last calls:\n");
        let calls = world.trace();
        for call in calls.iter().skip(calls.len().saturating_sub(24)) {
            text.push_str(&format!("    {call}\n"));
        }
        let line = crate::crash::replay_command("ENTIDB_FAULT", &case.to_string(), &self.name);
        text.push_str(&format!("  replay: {line}"));
        text
    }
}
