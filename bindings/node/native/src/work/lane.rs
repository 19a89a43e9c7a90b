//! Queues of requests, each with threads of its own.
//!
//! Always: requests of a lane begin in their order. A thread that finds no request for a while ends, so that a program that makes
//! none has none. Short requests are taken several at once, and their replies told together. Puts that wait behind each other
//! for one collection share a commit; where that fails for one of them, each is made alone.
//! Does not know: what a request does (`operations`).

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use entidb_abi::{Cancel, Database, Error, code};

use super::lock;
use super::operations::{self, Form};
use super::reply::{Given, Replies};
use super::request::Job;

/// How many short requests a thread takes at once.
const TAKEN_MAX: usize = 32;
/// How many puts share a commit, and their bytes.
const SHARED_MAX: usize = 256;
const SHARED_BYTES_MAX: usize = 1 << 20;
/// How long a thread waits for a request before it ends.
const IDLE: Duration = Duration::from_secs(5);

/// The threads of all lanes of one thread of JavaScript.
pub(crate) struct Threads {
    /// Ends what runs when JavaScript ends.
    stop: Cancel,
    is_stopping: AtomicBool,
    count: Mutex<u32>,
    gone: Condvar,
}

impl Threads {
    /// None yet.
    pub(crate) fn new(stop: Cancel) -> Self {
        Self { stop, is_stopping: AtomicBool::new(false), count: Mutex::new(0), gone: Condvar::new() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        *lock(&self.count)
    }

    /// Ends what runs; nothing begins any more.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.stop.cancel();
    }

    /// Waits until all have ended.
    pub(crate) fn wait(&self) {
        let mut count = lock(&self.count);
        while *count > 0 {
            count = self.gone.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Starts one; false when the system has none left.
    fn start(self: &Arc<Self>, run: impl FnOnce() + Send + 'static) -> bool {
        /// Counts down whatever happens.
        struct Counted(Arc<Threads>);
        impl Drop for Counted {
            fn drop(&mut self) {
                *lock(&self.0.count) -= 1;
                self.0.gone.notify_all();
            }
        }
        *lock(&self.count) += 1;
        let counted = Counted(Arc::clone(self));
        let work = move || {
            let counted = counted;
            // Left with the thread, which makes no other calls.
            let _ = counted.0.stop.within(|| {
                run();
                Ok(())
            });
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the threads of the host, which the simulator of storage does not drive"
        )]
        let started = std::thread::Builder::new().name("entidb".to_owned()).spawn(work);
        started.is_ok()
    }
}

/// A queue and its threads.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Inner>);

struct Inner {
    threads_max: usize,
    replies: Arc<Replies>,
    threads: Arc<Threads>,
    /// The database whose write lock its requests wait for, and how long one of them does.
    waits_for: Weak<Database>,
    lock_timeout_ms: u64,
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// Nobody queues requests here any more.
    is_retired: bool,
}

impl Lane {
    /// A lane with at most this many threads.
    pub(crate) fn new(replies: &Arc<Replies>, threads: &Arc<Threads>, threads_max: usize) -> Self {
        Self::with(replies, threads, threads_max, (Weak::new(), u64::MAX))
    }

    /// A lane of one database, with one thread.
    pub(crate) fn of_database(
        replies: &Arc<Replies>,
        threads: &Arc<Threads>,
        waits_for: Weak<Database>,
        lock_timeout_ms: u64,
    ) -> Self {
        Self::with(replies, threads, 1, (waits_for, lock_timeout_ms))
    }

    fn with(replies: &Arc<Replies>, threads: &Arc<Threads>, threads_max: usize, waits: (Weak<Database>, u64)) -> Self {
        let (waits_for, lock_timeout_ms) = waits;
        let (replies, threads) = (Arc::clone(replies), Arc::clone(threads));
        let (state, ready) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Inner { threads_max, replies, threads, waits_for, lock_timeout_ms, state, ready }))
    }

    /// Queues a request.
    pub(crate) fn submit(&self, job: Job) {
        let inner = &self.0;
        let mut state = lock(&inner.state);
        state.queue.push_back(job);
        let may_start = state.threads < inner.threads_max && !inner.threads.is_stopping.load(Ordering::SeqCst);
        if may_start && wanted(&state.queue) > state.idle {
            state.threads += 1;
            drop(state);
            self.start();
        } else {
            drop(state);
            inner.ready.notify_one();
        }
    }

    fn start(&self) {
        let lane = self.clone();
        if self.0.threads.start(move || lane.0.run()) {
            return;
        }
        let mut state = lock(&self.0.state);
        state.threads -= 1;
        if state.threads > 0 {
            return;
        }
        let waiting = std::mem::take(&mut state.queue);
        drop(state);
        let problem = "the system gives this process no more threads; end some work and try again";
        let mut replies =
            waiting.into_iter().map(|job| job.refused(Error::new(code::LIMIT_REACHED, problem))).collect();
        self.0.replies.deliver(&mut replies);
    }

    /// Lets its threads end when the queue is empty.
    pub(crate) fn retire(&self) {
        lock(&self.0.state).is_retired = true;
        self.0.ready.notify_all();
    }

    /// Takes a request away that has not begun.
    pub(crate) fn remove(&self, id: u32) -> Option<Job> {
        let mut state = lock(&self.0.state);
        let at = state.queue.iter().position(|job| job.id == id)?;
        state.queue.remove(at)
    }

    /// Drops what has not begun, and lets threads that wait end.
    pub(crate) fn clear(&self) {
        let waiting = std::mem::take(&mut lock(&self.0.state).queue);
        self.0.ready.notify_all();
        drop(waiting);
    }
}

/// How many threads a queue keeps busy: one takes several short requests.
fn wanted(queue: &VecDeque<Job>) -> usize {
    let long = queue.iter().filter(|job| job.operation.form == Form::Long).count();
    long + (queue.len() - long).div_ceil(TAKEN_MAX)
}

impl Inner {
    /// What a thread does.
    fn run(self: &Arc<Self>) {
        let mut replies = Vec::new();
        while let Some(jobs) = self.take() {
            for job in jobs {
                self.work(job, &mut replies);
            }
            self.replies.deliver(&mut replies);
        }
    }

    /// The next requests; none when this thread is to end.
    fn take(&self) -> Option<Vec<Job>> {
        let mut state = lock(&self.state);
        while state.queue.is_empty() {
            if state.is_retired || self.threads.is_stopping.load(Ordering::SeqCst) {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let (next, wait) = self.ready.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = next;
            state.idle -= 1;
            if wait.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
        let first = state.queue.pop_front()?;
        let form = first.operation.form;
        let mut jobs = vec![first];
        match form {
            Form::Long => {}
            Form::Short => {
                while jobs.len() < TAKEN_MAX && state.queue.front().is_some_and(|job| job.operation.form == Form::Short)
                {
                    jobs.extend(state.queue.pop_front());
                }
            }
            // One that can be cancelled stays in the queue until its turn, where it is found.
            Form::Put => {
                let joins = |job: &Job| job.operation.form == Form::Put && job.control.is_none();
                while jobs.len() < SHARED_MAX && state.queue.front().is_some_and(joins) {
                    jobs.extend(state.queue.pop_front());
                }
            }
        }
        drop(state);
        if form != Form::Put || jobs.len() == 1 {
            return Some(jobs);
        }
        let mut replies = Vec::new();
        self.share(jobs, &mut replies);
        self.replies.deliver(&mut replies);
        Some(Vec::new())
    }

    /// Runs puts, those together that can be.
    fn share(&self, jobs: Vec<Job>, replies: &mut Vec<super::reply::Reply>) {
        let mut group: Vec<Job> = Vec::new();
        let (mut ids, mut frames) = (HashSet::new(), Vec::new());
        for job in jobs {
            let part = operations::frame_of(&job);
            let fits = part.as_ref().is_some_and(|(id, part)| {
                frames.len() + part.len() <= SHARED_BYTES_MAX
                    && group.first().is_none_or(|first| first.is_beside(&job))
                    && id.is_none_or(|id| !ids.contains(&id))
            });
            if !fits {
                self.put(std::mem::take(&mut group), std::mem::take(&mut frames), replies);
                ids.clear();
            }
            match part {
                Some((id, part)) => {
                    ids.extend(id);
                    frames.extend_from_slice(&part);
                    group.push(job);
                }
                None => self.work(job, replies),
            }
        }
        self.put(group, frames, replies);
    }

    /// Puts what belongs to the jobs in one commit.
    fn put(&self, jobs: Vec<Job>, frames: Vec<u8>, replies: &mut Vec<super::reply::Reply>) {
        let mut jobs = jobs.into_iter();
        let Some(first) = jobs.next() else { return };
        if jobs.len() == 0 {
            return self.work(first, replies);
        }
        let together =
            self.wait_is_over(&first).map_or(Ok(()), Err).and_then(|()| first.collection()?.put_many(&frames));
        let all = std::iter::once(first).chain(jobs);
        match together {
            Ok(ids) => replies.extend(all.zip(ids).map(|(job, id)| job.replied(Ok(Given::Made(id.to_vec()))))),
            Err(error) if operations::is_of_one(error.code) => all.for_each(|job| self.work(job, replies)),
            Err(error) => replies.extend(all.map(|job| job.refused(error.clone()))),
        }
    }

    /// Runs a request.
    fn work(&self, job: Job, replies: &mut Vec<super::reply::Reply>) {
        if self.threads.is_stopping.load(Ordering::SeqCst) {
            return;
        }
        if job.operation.form == Form::Long {
            // Nobody waits for what is done until this is.
            self.replies.deliver(replies);
        }
        let mut next = Some(job);
        while let Some(job) = next.take() {
            let run = || self.wait_is_over(&job).map_or_else(|| (job.operation.run)(&job, &mut job.arguments()), Err);
            let outcome = match &job.control {
                Some(control) => control.cancel.check().and_then(|()| control.cancel.within(run)),
                None => run(),
            };
            match (outcome, job.wait.clone()) {
                (Ok(Given::Later), Some(wait)) => next = wait.rest(job),
                (outcome, _) => replies.push(job.replied(outcome)),
            }
        }
    }

    /// Why a request is not begun any more that waited behind others for as long as a writer waits for the lock; none while the
    /// lock is free.
    fn wait_is_over(&self, job: &Job) -> Option<Error> {
        if self.lock_timeout_ms == u64::MAX || job.waited_ms() < self.lock_timeout_ms {
            return None;
        }
        let database = self.waits_for.upgrade()?;
        match database.begin_write(Some(0)) {
            Err(error) if error.code == code::BUSY => Some(error),
            _ => None,
        }
    }
}
