//! A transaction as JavaScript holds it.
//!
//! Always: letting go of an open one aborts it. Does not know: what is changed.

use entidb_abi::{Durability, Transaction};
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::collection::NativeCollection;
use crate::failure::{given, refused};

/// A transaction.
#[napi]
pub struct NativeTransaction {
    inner: Transaction,
}

impl NativeTransaction {
    pub(crate) fn new(inner: Transaction) -> Self {
        Self { inner }
    }
}

fn savepoint(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| refused("a savepoint is a number this transaction gave"))
}

#[napi]
impl NativeTransaction {
    /// The collection as this transaction sees it.
    #[napi]
    pub fn collection(&self, name: String) -> Result<NativeCollection> {
        given(self.inner.collection(&name)).map(NativeCollection::new)
    }

    /// The names of the collections, CBOR.
    #[napi]
    pub fn collections(&self) -> Result<Buffer> {
        given(self.inner.collections()).map(|names| Buffer::from(names.to_vec()))
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

    /// Marks this place.
    #[napi]
    pub fn savepoint(&self) -> Result<i64> {
        given(self.inner.savepoint()).map(|number| i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// Undoes everything since a savepoint.
    #[napi]
    pub fn rollback_to(&self, number: i64) -> Result<()> {
        given(self.inner.rollback_to(savepoint(number)?))
    }

    /// The commit it sees, or becomes.
    #[napi]
    pub fn sequence(&self) -> Result<i64> {
        given(self.inner.sequence()).map(|sequence| i64::try_from(sequence).unwrap_or(i64::MAX))
    }

    /// Commits, and gives the sequence.
    #[napi]
    pub fn commit(&self, durability: Option<String>) -> Result<i64> {
        let durability = match durability.as_deref() {
            None => Durability::Default,
            Some("durable") => Durability::Durable,
            Some("grouped") => Durability::Grouped,
            Some("none") => Durability::None,
            Some(_) => return Err(refused("durability is \"durable\", \"grouped\" or \"none\"")),
        };
        given(self.inner.commit(durability)).map(|sequence| i64::try_from(sequence).unwrap_or(i64::MAX))
    }

    /// Forgets the changes.
    #[napi]
    pub fn abort(&self) -> Result<()> {
        given(self.inner.abort())
    }

    /// True until it is committed or aborted.
    #[napi]
    pub fn is_open(&self) -> bool {
        self.inner.is_open()
    }
}
