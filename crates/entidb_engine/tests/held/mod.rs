//! A directory whose writes, flushes and removals wait at a gate while a test holds it, and that counts what passes.
//!
//! Always: the rule sees a write by the name of its file, a flush as `flush` and that name, a removal as `remove` and that
//! name; it waits when the rule says so of its file and of the thread it is made on; everything else passes.
//! Does not know: what the files hold.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use entidb_storage::{Abilities, Backend, Directory, Entry, File, Lock, LockKind, OpenMode, Result, Whereabouts};

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
    pub(crate) fn pass_on(&self) {
        self.changed.notify_all();
    }

    /// How many writes wait.
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
    let directory = Held { inner: Arc::clone(&backend.directory), gate: Arc::clone(&gate) };
    (Backend { directory: Arc::new(directory), ..backend.clone() }, gate)
}

struct Held {
    inner: Arc<dyn Directory>,
    gate: Arc<Gate>,
}

struct HeldFile {
    inner: Arc<dyn File>,
    gate: Arc<Gate>,
    name: String,
}

impl HeldFile {
    fn count(&self, bytes: usize) {
        if self.name.starts_with("seg/") {
            self.gate.segment_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

impl Directory for Held {
    fn location(&self) -> &str {
        self.inner.location()
    }
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        let inner = self.inner.open(name, mode)?;
        Ok(Arc::new(HeldFile { inner, gate: Arc::clone(&self.gate), name: name.to_owned() }))
    }
    fn create_folder(&self, name: &str) -> Result<()> {
        self.inner.create_folder(name)
    }
    fn remove_folder(&self, name: &str) -> Result<()> {
        self.inner.remove_folder(name)
    }
    fn remove(&self, name: &str) -> Result<()> {
        self.gate.pass(&format!("remove {name}"));
        self.inner.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.inner.rename(from, to)
    }
    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        self.inner.hard_link(from, to)
    }
    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.inner.list(folder)
    }
    fn flush_names(&self, folder: &str) -> Result<()> {
        self.inner.flush_names(folder)
    }
    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        self.inner.lock(name, kind)
    }
    fn whereabouts(&self) -> Result<Whereabouts> {
        self.inner.whereabouts()
    }

    fn free_bytes(&self) -> Result<u64> {
        self.inner.free_bytes()
    }

    fn open_files_max(&self) -> Option<u64> {
        self.inner.open_files_max()
    }
}

impl File for HeldFile {
    fn path(&self) -> &str {
        self.inner.path()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read_at(offset, buffer)?;
        self.count(read);
        Ok(read)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.gate.pass(&self.name);
        self.count(bytes.len());
        self.gate.segment_writes.fetch_add(u64::from(self.name.starts_with("seg/")), Ordering::Relaxed);
        self.inner.write_at(offset, bytes)
    }
    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        self.inner.append(parts)
    }
    fn len(&self) -> Result<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> Result<()> {
        self.inner.set_len(len)
    }
    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.inner.preallocate(offset, len)
    }
    fn flush_data(&self) -> Result<()> {
        self.gate.pass(&format!("flush {}", self.name));
        self.inner.flush_data()
    }
    fn flush_all(&self) -> Result<()> {
        self.inner.flush_all()
    }
}
