//! Walks every crash of one workload on one file system, and every crash inside the recoveries of those.
//!
//! Always: a crash point is a state of the device, looked at once, with the tightest promise that holds for it.
//! Does not know: how failures are shrunk or printed.

use std::sync::Arc;

use entidb_storage::simulated::{Dice, Frozen, Personality, Simulation, Variant, mix};
use parking_lot::Mutex;

use super::failure::{Failure, Place, Step, clip};
use super::{Effort, Summary};
use crate::subject::{Journal, Stop, Subject, guarded};

/// A run that makes more calls than this does not end.
const CALLS_MAX: u64 = 200_000;

/// How many variants a crash inside a recovery gets, by depth.
const DEEPER_VARIANTS: [usize; 2] = [4, 2];

/// One in this number of recovered images is opened and closed a second time with nothing done to it.
const SECOND_OPEN_ONE_IN: u64 = 4;

/// How many of the last calls a failure shows.
const SHOWN_CALLS: usize = 16;

/// The device before a call, and what was promised then.
struct Point {
    frozen: Frozen,
    call: u64,
    disk_version: u64,
    started: usize,
    acknowledged: usize,
}

/// What may be found: the model after at least `least` and at most `most` operations.
#[derive(Clone, Copy)]
struct Promise {
    least: usize,
    most: usize,
}

pub(super) struct Explorer<'a, S: Subject> {
    subject: &'a S,
    name: &'a str,
    personality: Personality,
    seed: u64,
    operations: Vec<S::Operation>,
    kept: Vec<usize>,
    pub(super) effort: Effort,
    flushes_lie: bool,
    /// The model after each number of operations.
    states: Vec<S::State>,
    /// Images checked, by how many crashes led to them.
    pub(super) counts: [u64; 3],
    pub(super) calls: u64,
}

impl<'a, S: Subject> Explorer<'a, S> {
    #[expect(clippy::too_many_arguments, reason = "one caller, which names each of them")]
    pub(super) fn new(
        subject: &'a S,
        name: &'a str,
        personality: Personality,
        seed: u64,
        operations: Vec<S::Operation>,
        kept: Vec<usize>,
        effort: Effort,
        flushes_lie: bool,
    ) -> Self {
        let states =
            (0..=operations.len()).map(|count| subject.model(operations.get(..count).unwrap_or_default())).collect();
        Self {
            subject,
            name,
            personality,
            seed,
            operations,
            kept,
            effort,
            flushes_lie,
            states,
            counts: [0; 3],
            calls: 0,
        }
    }

    /// True when the images of this workload have reached their bound.
    pub(super) fn is_over(&self) -> bool {
        self.counts.iter().sum::<u64>() >= self.effort.states_max
    }

    /// Looks at every crash, or only at the one named.
    pub(super) fn explore(&mut self, only: Option<&[Step]>) -> Result<(), Box<Failure>> {
        let world = Simulation::new(self.personality, self.seed);
        world.set_calls_max(CALLS_MAX);
        world.set_flushes_lie(self.flushes_lie);
        let journal = Arc::new(Journal::default());
        let operations = self.operations.clone();
        let (result, points) = self
            .observed(&world, &journal, true, |subject, backend, journal| subject.run(backend, &operations, journal));
        self.calls = world.calls();
        if let Err(stop) = result {
            return Err(self.failure("the run without a crash succeeds", stop.to_string(), &[], &world));
        }
        if journal.has_failures() || journal.started() != self.operations.len() {
            let detail = format!("the journal says {:?}", journal.fates());
            return Err(self.failure("the run without a crash does every operation", detail, &[], &world));
        }
        self.check_closed(&world, &[])?;
        let all = Promise { least: self.operations.len(), most: self.operations.len() };
        if !self.flushes_lie {
            self.recovered(&world.freeze().resume(), all, &[])?;
        }
        self.crash_at_each(&points, &mut Vec::new(), only, |point| Promise {
            least: point.acknowledged,
            most: point.started,
        })
    }

    /// Runs something on a world, collecting the device before each call that finds it changed.
    fn observed<T>(
        &self,
        world: &Simulation,
        journal: &Arc<Journal>,
        collect: bool,
        body: impl FnOnce(&S, &entidb_storage::Backend, &Journal) -> Result<T, Stop>,
    ) -> (Result<T, Stop>, Vec<Point>) {
        let backend = world.backend();
        if !collect {
            return (guarded(|| body(self.subject, &backend, journal)), Vec::new());
        }
        let points: Arc<Mutex<Vec<Point>>> = Arc::default();
        let (sink, promises) = (Arc::clone(&points), Arc::clone(journal));
        world.observe(move |point| {
            let mut points = sink.lock();
            let disk_version = point.disk_version();
            match points.last_mut() {
                // The device did not change, so only the promise did: the later one is the stronger.
                // Operations that needed no call are begun and acknowledged in between.
                Some(last) if last.disk_version == disk_version => {
                    last.acknowledged = promises.acknowledged();
                    last.started = last.started.max(last.acknowledged);
                }
                _ => points.push(Point {
                    frozen: point.freeze(),
                    call: point.index(),
                    disk_version,
                    started: promises.started(),
                    acknowledged: promises.acknowledged(),
                }),
            }
        });
        let result = guarded(|| body(self.subject, &backend, journal));
        world.stop_observing();
        let mut points = std::mem::take(&mut *points.lock());
        points.push(Point {
            frozen: world.freeze(),
            call: world.calls(),
            disk_version: u64::MAX,
            started: journal.started(),
            acknowledged: journal.acknowledged(),
        });
        (result, points)
    }

    fn crash_at_each(
        &mut self,
        points: &[Point],
        path: &mut Vec<Step>,
        only: Option<&[Step]>,
        promise: impl Fn(&Point) -> Promise,
    ) -> Result<(), Box<Failure>> {
        let mut seen = Vec::new();
        for point in points {
            if only.is_some_and(|steps| steps.first().is_none_or(|step| step.call != point.call)) {
                continue;
            }
            seen.clear();
            for variant in self.variants(point, path, only) {
                if self.is_over() {
                    return Ok(());
                }
                let (world, fingerprint) = point.frozen.image(Variant(variant));
                if seen.contains(&fingerprint) {
                    continue;
                }
                seen.push(fingerprint);
                path.push(Step { call: point.call, variant });
                let rest = only.and_then(|steps| steps.get(1..));
                let result = self.check(&world, promise(point), path, rest);
                path.pop();
                result?;
            }
        }
        Ok(())
    }

    fn variants(&self, point: &Point, path: &[Step], only: Option<&[Step]>) -> Vec<u32> {
        if let Some(step) = only.and_then(<[Step]>::first) {
            return vec![step.variant];
        }
        if !point.frozen.has_pending() {
            return vec![0];
        }
        match path.len().checked_sub(1).and_then(|deep| DEEPER_VARIANTS.get(deep)) {
            None => (0..self.effort.variants).collect(),
            Some(count) => {
                let mut dice = self.dice(path, point.call);
                (0..*count).map(|_| u32::try_from(dice.below(24)).unwrap_or(0)).collect()
            }
        }
    }

    /// Dice that only the seed and the way here decide, so that a replay throws the same.
    fn dice(&self, path: &[Step], call: u64) -> Dice {
        let way = path.iter().fold(self.seed, |hash, step| mix(hash, mix(step.call, u64::from(step.variant))));
        Dice::new(mix(way, call))
    }

    /// Recovers one image and checks every promise on it.
    fn check(
        &mut self,
        world: &Simulation,
        promise: Promise,
        path: &mut Vec<Step>,
        only: Option<&[Step]>,
    ) -> Result<(), Box<Failure>> {
        let depth = path.len();
        if let Some(count) = self.counts.get_mut(depth.saturating_sub(1)) {
            *count += 1;
        }
        let one_in = match depth {
            1 => self.effort.second_one_in,
            2 => self.effort.third_one_in,
            _ => 0,
        };
        let deeper = match only {
            Some(rest) => !rest.is_empty(),
            None => one_in > 0 && self.dice(path, 1).once_in(one_in),
        };
        world.set_calls_max(CALLS_MAX);
        let journal = Arc::default();
        let (found, inside) = self.observed(world, &journal, deeper, |subject, backend, _| subject.recover(backend));
        if self.flushes_lie && matches!(found, Err(Stop::Error(_))) {
            // A lost acknowledged commit may be told from a torn tail, and then refusing is right.
            return Ok(());
        }
        let least = self.judge(world, found, promise, path)?;
        self.check_closed(world, path)?;
        // The next operation opens the store a second time anyway, and what it finds after that is the same and one
        // more. A second open of its own is for where nothing comes after, and for some of the others.
        let is_last = least >= self.operations.len();
        if !self.flushes_lie && (is_last || self.dice(path, 2).once_in(SECOND_OPEN_ONE_IN)) {
            self.recovered(world, Promise { least, most: least }, path)?;
        }
        let after = self.goes_on(world, least, path, deeper)?;
        if deeper {
            self.crash_at_each(&inside, path, only, |_| Promise { least, most: promise.most })?;
            self.crash_at_each(&after, path, only, |point| Promise {
                least: least + point.acknowledged,
                most: least + point.started,
            })?;
        }
        Ok(())
    }

    /// The recovered store must take the next operation and keep it.
    fn goes_on(
        &mut self,
        world: &Simulation,
        done: usize,
        path: &[Step],
        collect: bool,
    ) -> Result<Vec<Point>, Box<Failure>> {
        let Some(next) = self.operations.get(done).cloned() else { return Ok(Vec::new()) };
        let journal = Arc::default();
        let next = [next];
        let (result, points) =
            self.observed(world, &journal, collect, |subject, backend, journal| subject.run(backend, &next, journal));
        if let Err(stop) = result {
            if self.flushes_lie && matches!(stop, Stop::Error(_)) {
                return Ok(Vec::new());
            }
            return Err(self.failure("a recovered store takes the next operation", stop.to_string(), path, world));
        }
        self.check_closed(world, path)?;
        self.recovered(world, Promise { least: done + 1, most: done + 1 }, path)?;
        Ok(points)
    }

    fn recovered(&self, world: &Simulation, promise: Promise, path: &[Step]) -> Result<usize, Box<Failure>> {
        let found = guarded(|| self.subject.recover(&world.backend()));
        self.judge(world, found, promise, path)
    }

    /// After how many operations the model is what was found.
    fn judge(
        &self,
        world: &Simulation,
        found: Result<S::State, Stop>,
        promise: Promise,
        path: &[Step],
    ) -> Result<usize, Box<Failure>> {
        let found = match found {
            Ok(found) => found,
            Err(stop) => return Err(self.failure("recovery succeeds", stop.to_string(), path, world)),
        };
        let least = if self.flushes_lie { 0 } else { promise.least };
        let fits = |count: &usize| self.states.get(*count).is_some_and(|state| *state == found);
        if let Some(count) = (least..=promise.most).find(fits) {
            return Ok(count);
        }
        let detail = format!(
            "operations acknowledged: {least}, begun: {}, found: {}, expected at least: {}",
            promise.most,
            clip(&format!("{found:?}")),
            clip(&format!("{:?}", self.states.get(least)))
        );
        let claim = match (0..self.states.len()).find(fits) {
            Some(count) if count < least => "an acknowledged operation is not lost",
            Some(_) => "an operation that was not begun is not there",
            None => "what is found is a whole prefix of the operations",
        };
        Err(self.failure(claim, detail, path, world))
    }

    fn check_closed(&self, world: &Simulation, path: &[Step]) -> Result<(), Box<Failure>> {
        let (files, locks) = (world.open_files(), world.held_locks());
        if files == 0 && locks == 0 {
            return Ok(());
        }
        let detail = format!("{files} files are open and {locks} locks are held");
        Err(self.failure("closing leaves no file open and no lock held", detail, path, world))
    }

    fn failure(&self, claim: &'static str, detail: String, path: &[Step], world: &Simulation) -> Box<Failure> {
        let calls = world.trace();
        let first = calls.len().saturating_sub(SHOWN_CALLS);
        Box::new(Failure {
            name: self.name.to_owned(),
            place: Place {
                personality: self.personality,
                seed: self.seed,
                kept: self.kept.clone(),
                steps: path.to_vec(),
            },
            claim,
            detail,
            operations: self.operations.iter().map(|operation| format!("{operation:?}")).collect(),
            calls: calls.into_iter().skip(first).collect(),
        })
    }
}

impl Summary {
    /// Images a second, of every depth.
    #[must_use]
    pub fn states_per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for a table")]
        let states = self.states as f64;
        if self.seconds > 0.0 { states / self.seconds } else { 0.0 }
    }
}
