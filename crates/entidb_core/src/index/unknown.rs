//! An index of a kind that this library does not know, of a database that a newer one wrote.
//!
//! Always: entities are read as if it were not there, and are not changed: the index would say something else then. It can be
//! dropped, since its record says where it keeps what it keeps. Does not know: what that is.

use entidb_engine::WriteTransaction;

use super::changes::Changes;
use super::kind::{Change, Index, RowCount, Verification};
use crate::catalog::IndexDefinition;
use crate::error::{Error, ErrorCode, Result, quoted};
use crate::id::IndexId;
use crate::query::{Asked, Offer};
use crate::transaction::View;

#[derive(Debug)]
pub(crate) struct Unknown {
    id: IndexId,
    name: String,
    kind: String,
    since: String,
    zones: Vec<u8>,
}

impl Unknown {
    pub(crate) fn new(id: IndexId, definition: &IndexDefinition, since: &str, zones: &[u8]) -> Self {
        let (name, kind) = (definition.name.clone(), definition.kind.clone());
        Self { id, name, kind, since: since.to_owned(), zones: zones.to_vec() }
    }

    fn refusal(&self) -> Error {
        let Self { name, kind, since, .. } = self;
        let problem = format!(
            "the index {name:?} is of the kind {}, which this library ({}) does not know, so it cannot keep the index up to \
             date: use EntiDB {since} or newer to change this collection, or drop the index; reading works",
            quoted(kind),
            env!("CARGO_PKG_VERSION"),
        );
        Error::new(ErrorCode::FormatTooNew, problem).with_index(name)
    }
}

impl Index for Unknown {
    fn zones(&self) -> &[u8] {
        &self.zones
    }

    fn plan(&self, _: &WriteTransaction, _: &Change<'_>, _: &mut Changes) -> Result<()> {
        Err(self.refusal())
    }

    fn check_writable(&self) -> Result<()> {
        Err(self.refusal())
    }

    /// What cannot be read cannot be compared.
    fn verification(&self) -> Option<Box<dyn Verification + '_>> {
        None
    }

    fn rows(&self, view: &View) -> Result<RowCount> {
        let mut rows = 0_u64;
        for zone in &self.zones {
            rows = rows.saturating_add(view.about(*zone, self.id.0)?.rows);
        }
        Ok(RowCount { rows, is_exact: false })
    }

    fn offer(&self, _: &Asked<'_>) -> Result<Option<Offer>> {
        Ok(None)
    }
}
