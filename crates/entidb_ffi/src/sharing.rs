//! The open databases of this process by their tokens, so that a thread that has no pointer can have a handle of its own.
//!
//! Always: a database is in the table as long as a handle of it lives, and the table keeps none alive longer; a token is never used
//! again. A child made by `fork` finds no database of its parent.
//! Does not know: handles; the caller that makes one enters or attaches first, and leaves when it is freed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_core::{Database, Error, ErrorCode};
use entidb_storage::Process;
use entidb_storage::sync::Mutex;

struct Shared {
    database: Database,
    process: Process,
    handles: usize,
}

static OPEN: Mutex<BTreeMap<u64, Shared>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Lists a database with its first handle, and returns its token.
pub(crate) fn enter(database: &Database) -> u64 {
    let token = NEXT.fetch_add(1, Ordering::Relaxed);
    let shared = Shared { database: database.clone(), process: Process::current(), handles: 1 };
    OPEN.lock().insert(token, shared);
    token
}

/// Counts another handle of a database.
pub(crate) fn attach(token: u64) -> Result<Database, Error> {
    let mut open = OPEN.lock();
    let ours = |shared: &&mut Shared| shared.process.is_current() && !shared.database.is_closed();
    if let Some(shared) = open.get_mut(&token).filter(ours) {
        shared.handles += 1;
        return Ok(shared.database.clone());
    }
    drop(open);
    let problem =
        format!("no open database has the token {token}; attach while the database is open, in the same process");
    Err(Error::new(ErrorCode::Closed, problem))
}

/// Counts a handle less, and unlists the database with the last one.
pub(crate) fn leave(token: u64) {
    let mut open = OPEN.lock();
    let Some(shared) = open.get_mut(&token) else { return };
    shared.handles -= 1;
    if shared.handles > 0 {
        return;
    }
    let last = open.remove(&token);
    // What ends with the database may take time, and must not hold up those who open another.
    drop(open);
    drop(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_found_until_its_last_handle_leaves() {
        let database = Database::open_memory().unwrap();
        let token = enter(&database);
        let other = attach(token).unwrap();
        other.create_collection("a").unwrap();
        assert_eq!(database.collections().unwrap(), ["a"]);
        leave(token);
        assert!(attach(token).is_ok());
        leave(token);
        leave(token);
        assert_eq!(attach(token).err().unwrap().code(), ErrorCode::Closed);
    }

    #[test]
    fn a_closed_database_is_not_attached_and_tokens_differ() {
        let (one, two) = (Database::open_memory().unwrap(), Database::open_memory().unwrap());
        let (first, second) = (enter(&one), enter(&two));
        assert_ne!(first, second);
        one.close().unwrap();
        assert_eq!(attach(first).err().unwrap().code(), ErrorCode::Closed);
        leave(first);
        leave(second);
    }
}
