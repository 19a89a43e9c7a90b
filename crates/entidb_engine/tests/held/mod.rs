//! A directory whose writes, flushes and removals wait at a gate while a test holds it, and that counts what passes.
//!
//! Always: the rule sees a write by the name of its file, a flush as `flush` and that name, a removal as `remove` and that
//! name; it waits when the rule says so of its file and of the thread it is made on; everything else passes.
//! Does not know: what the files hold.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use entidb_storage::{Backend, Call, Operation, Result, Watcher};

/// Whether a write to this file, on the thread of this name, waits.
pub(crate) type Rule = fn(file: &str, thread: &str) -> bool;

/// The gate, and what passed it.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    /// Bytes read from segments, and written to them.
    pub(crate) segment_bytes: AtomicU64,
    /// Writes to segments.
    pub(crate) segment_writes: AtomicU64,
}

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    waiting: usize,
}

impl Gate {
    /// From now on writes wait that the rule names.
    pub(crate) fn hold(&self, rule: Rule) {
        self.state.lock().unwrap().rule = Some(rule);
    }

    /// Waits until a write waits at the gate.
    pub(crate) fn wait_for_one(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| state.waiting == 0).unwrap());
    }

    /// Lets those who wait look at the rule again.
    #[allow(dead_code, clippy::allow_attributes, reason = "not every test that has a gate asks")]
    pub(crate) fn pass_on(&self) {
        self.changed.notify_all();
    }

    /// How many writes wait.
    #[allow(dead_code, clippy::allow_attributes, reason = "not every test that has a gate asks")]
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().unwrap().waiting
    }

    /// Lets all pass.
    pub(crate) fn open(&self) {
        self.state.lock().unwrap().rule = None;
        self.changed.notify_all();
    }

    fn pass(&self, file: &str) {
        let current = std::thread::current();
        let thread = current.name().unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        if state.rule.is_none_or(|holds| !holds(file, thread)) {
            return;
        }
        state.waiting += 1;
        self.changed.notify_all();
        let mut state =
            self.changed.wait_while(state, |state| state.rule.is_some_and(|holds| holds(file, thread))).unwrap();
        state.waiting -= 1;
    }
}

/// The backend behind a gate that is open.
pub(crate) fn held_at_a_gate(backend: &Backend) -> (Backend, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    (backend.watched(Arc::clone(&gate) as _), gate)
}

impl Gate {
    fn count(&self, call: &Call<'_>) {
        if call.path.starts_with("seg/") {
            self.segment_bytes.fetch_add(call.bytes, Ordering::Relaxed);
        }
    }
}

impl Watcher for Gate {
    fn before(&self, call: &Call<'_>) -> Result<()> {
        match call.operation {
            Operation::Remove => self.pass(&format!("remove {}", call.path)),
            Operation::FlushData => self.pass(&format!("flush {}", call.path)),
            Operation::Write => {
                self.pass(call.path);
                self.count(call);
                self.segment_writes.fetch_add(u64::from(call.path.starts_with("seg/")), Ordering::Relaxed);
            }
            _ => {}
        }
        Ok(())
    }

    fn after(&self, call: &Call<'_>) -> Result<()> {
        if call.operation == Operation::Read {
            self.count(call);
        }
        Ok(())
    }
}
