//! The end of a worker while it is in a call: `worker.terminate()` and `process.exit()` wait for that call.
//!
//! Always: a call of a worker that is to end gives up within 10 ms of work or waiting, and changes nothing then. Does not
//! know: who ends the worker. The main thread cannot be ended by anybody while it is in a call, so it asks nothing.
//!
//! Unsafe: the functions of Node-API, for which the call that is under way has an environment; napi-rs has no safe way to close
//! a scope of handles, and without one a long wait would gather them.
#![expect(unsafe_code, reason = "calls Node-API directly")]

use std::cell::RefCell;
use std::ptr::null_mut;

use napi::bindgen_prelude::Buffer;
use napi::{Env, Error, Result, Status, sys};

/// The environment of a worker, and the byte by which JavaScript learns that it must not go on: what fails from the moment on
/// that the worker is to end cannot be thrown, and would look like success until Node ends it, an instant later.
struct Worker {
    env: sys::napi_env,
    told: Buffer,
}

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// From now on calls of this thread ask whether it is to end.
pub(crate) fn watch(env: &Env, told: Buffer) {
    WORKER.set(Some(Worker { env: env.raw(), told }));
    entidb_abi::set_interrupt(Some(Box::new(ends)));
}

/// Whether the loop of this thread goes on for a function that other threads call.
pub(crate) fn keep(env: &Env, function: sys::napi_threadsafe_function, keep: bool) -> Result<()> {
    let set = if keep { sys::napi_ref_threadsafe_function } else { sys::napi_unref_threadsafe_function };
    // SAFETY: the environment is that of this thread, and the function is alive while its owner holds it.
    let status = unsafe { set(env.raw(), function) };
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Error::from_status(Status::from(status))) }
}

/// Calls of this thread go on to their end.
pub(crate) fn forget() {
    entidb_abi::set_interrupt(None);
    WORKER.set(None);
}

/// Whether this thread is a worker that is to end, which JavaScript is told then.
pub(crate) fn ends() -> bool {
    WORKER.with_borrow_mut(|worker| {
        let Some(worker) = worker.as_mut().filter(|worker| must_end(worker.env)) else { return false };
        if let Some(told) = worker.told.first_mut() {
            *told = 1;
        }
        true
    })
}

/// Node stops to run the code of a worker the moment it is told to end; every call that could run some says so.
fn must_end(env: sys::napi_env) -> bool {
    let (mut scope, mut global, mut has) = (null_mut(), null_mut(), false);
    // SAFETY: this runs inside a call from JavaScript on the thread of the environment, and the place may be written.
    if unsafe { sys::napi_open_handle_scope(env, &raw mut scope) } != sys::Status::napi_ok {
        return false;
    }
    // SAFETY: as above.
    let mut status = unsafe { sys::napi_get_global(env, &raw mut global) };
    if status == sys::Status::napi_ok {
        // SAFETY: as above; the global object lives in the scope, which is open.
        status = unsafe { sys::napi_has_named_property(env, global, c"Object".as_ptr(), &raw mut has) };
    }
    // SAFETY: the scope is the one that was opened last, and nothing of it is used from here on.
    unsafe { sys::napi_close_handle_scope(env, scope) };
    status == sys::Status::napi_pending_exception || status == sys::Status::napi_cannot_run_js
}
