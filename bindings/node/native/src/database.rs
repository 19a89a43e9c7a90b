//! A database as JavaScript holds it.
//!
//! Always: sequences cross as numbers, which are exact to 2^53. Does not know: options, which are CBOR here.

use std::sync::Arc;

use entidb_abi::VerifyLevel;
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::collection::NativeCollection;
use crate::cursor::NativeChangeFeed;
use crate::failure::given;
use crate::transaction::NativeTransaction;

/// An open database.
#[napi]
pub struct NativeDatabase {
    inner: Arc<entidb_abi::Database>,
}

/// Opens the database in a folder, or in memory when there is no path.
#[napi]
pub fn open_native(path: Option<String>, options: &[u8]) -> Result<NativeDatabase> {
    let opened = match path {
        Some(path) => entidb_abi::Database::open(&path, options),
        None => entidb_abi::Database::open_memory(options),
    };
    Ok(NativeDatabase { inner: Arc::new(given(opened)?) })
}

fn bytes(buffer: &entidb_abi::Buffer) -> Buffer {
    Buffer::from(buffer.to_vec())
}

#[napi]
impl NativeDatabase {
    /// Closes it for every handle.
    #[napi]
    pub fn close(&self) -> Result<()> {
        given(self.inner.close())
    }

    /// True after a close.
    #[napi]
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// The collection of a name.
    #[napi]
    pub fn collection(&self, name: String) -> Result<NativeCollection> {
        given(self.inner.collection(&name)).map(NativeCollection::new)
    }

    /// The names of the collections, CBOR.
    #[napi]
    pub fn collections(&self) -> Result<Buffer> {
        given(self.inner.collections()).map(|names| bytes(&names))
    }

    /// Creates an empty collection.
    #[napi]
    pub fn create_collection(&self, name: String) -> Result<()> {
        given(self.inner.create_collection(&name))
    }

    /// Gives a collection another name.
    #[napi]
    pub fn rename_collection(&self, from: String, to: String) -> Result<()> {
        given(self.inner.rename_collection(&from, &to))
    }

    /// Removes a collection.
    #[napi]
    pub fn drop_collection(&self, name: String) -> Result<()> {
        given(self.inner.drop_collection(&name))
    }

    /// Begins to read.
    #[napi]
    pub fn begin_read(&self) -> Result<NativeTransaction> {
        given(self.inner.begin_read()).map(NativeTransaction::new)
    }

    /// Begins to change, waiting so many milliseconds for another writer, or as the options say.
    #[napi]
    pub fn begin_write(&self, timeout_ms: Option<u32>) -> Result<NativeTransaction> {
        given(self.inner.begin_write(timeout_ms.map(u64::from))).map(NativeTransaction::new)
    }

    /// Reads the changes after a sequence.
    #[napi]
    pub fn changes(&self, since: i64) -> Result<NativeChangeFeed> {
        given(self.inner.changes(u64::try_from(since).unwrap_or(0))).map(NativeChangeFeed::new)
    }

    /// Removes changes up to a sequence from the feed.
    #[napi]
    pub fn trim_changes(&self, through: i64) -> Result<()> {
        given(self.inner.trim_changes(u64::try_from(through).unwrap_or(0)))
    }

    /// The sequence of the newest commit.
    #[napi]
    pub fn last_sequence(&self) -> i64 {
        i64::try_from(self.inner.last_sequence()).unwrap_or(i64::MAX)
    }

    /// Waits until a commit is on stable storage.
    #[napi]
    pub fn wait_durable(&self, sequence: i64, timeout_ms: u32) -> Result<()> {
        given(self.inner.wait_durable(u64::try_from(sequence).unwrap_or(0), u64::from(timeout_ms)))
    }

    /// Puts the newest writes into segments.
    #[napi]
    pub fn checkpoint(&self) -> Result<()> {
        given(self.inner.checkpoint())
    }

    /// Merges all segments.
    #[napi]
    pub fn compact(&self) -> Result<()> {
        given(self.inner.compact())
    }

    /// Checks the database; the report is CBOR.
    #[napi]
    pub fn verify(&self, full: bool) -> Result<Buffer> {
        let level = if full { VerifyLevel::Full } else { VerifyLevel::Quick };
        given(self.inner.verify(level)).map(|report| bytes(&report))
    }

    /// Copies the database into a new folder.
    #[napi]
    pub fn backup(&self, path: String) -> Result<()> {
        given(self.inner.backup(&path))
    }

    /// Counters and sizes, CBOR.
    #[napi]
    pub fn stats(&self) -> Result<Buffer> {
        given(self.inner.stats()).map(|stats| bytes(&stats))
    }

    /// The options in force, CBOR.
    #[napi]
    pub fn config(&self) -> Result<Buffer> {
        given(self.inner.config()).map(|config| bytes(&config))
    }

    /// What opening found, CBOR.
    #[napi]
    pub fn open_report(&self) -> Result<Buffer> {
        given(self.inner.open_report()).map(|report| bytes(&report))
    }
}
