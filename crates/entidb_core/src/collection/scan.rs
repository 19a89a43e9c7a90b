//! Walking all entities of a collection in the order of their ids.
//!
//! Always: lazy; nothing is read before it is asked for, and what is seen is one snapshot.
//! Does not know: conditions (`query`).

use entidb_engine::Direction;

use super::{Collection, Entity};
use crate::error::Result;
use crate::history::EntityWalk;
use crate::id::EntityId;
use crate::transaction::View;

/// How to walk a collection.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// use entidb_core::ScanOptions;
/// let newest = notes.scan(ScanOptions { reverse: true, limit: Some(1), ..ScanOptions::default() })?;
/// assert_eq!(newest.count(), 1);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanOptions {
    /// Begin with the entity after this one, in the order of the walk.
    pub after: Option<EntityId>,
    /// Go from the greatest id to the least.
    pub reverse: bool,
    /// Stop after this number of entities.
    pub limit: Option<u64>,
}

impl Collection {
    /// All entities in the order of their ids.
    ///
    /// ```
    /// use entidb_core::{doc, Database};
    /// let db = Database::open_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.put_many([&doc! { "n": 1 }, &doc! { "n": 2 }])?;
    /// for note in notes.iter()? {
    ///     println!("{}", note?.id());
    /// }
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`, `TransactionEnded`.
    pub fn iter(&self) -> Result<Entities> {
        self.scan(ScanOptions::default())
    }

    /// Entities in the order of their ids, from a place, in a direction, up to a number.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::ScanOptions;
    /// let after = notes.scan(ScanOptions { after: Some(id), ..ScanOptions::default() })?;
    /// assert_eq!(after.count(), 0);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`, `TransactionEnded`.
    pub fn scan(&self, options: ScanOptions) -> Result<Entities> {
        let (view, record) = self.open()?;
        let entities = match record {
            None => None,
            Some(record) => {
                let direction = if options.reverse { Direction::Reverse } else { Direction::Forward };
                let mut iter = EntityWalk::new(&view, record.storage, direction)?;
                if let Some(after) = options.after {
                    iter.seek(record.storage, &after)?;
                }
                Some(iter)
            }
        };
        Ok(Entities { view: Some(view), iter: entities, skip: options.after, left: options.limit.unwrap_or(u64::MAX) })
    }
}

/// A walk over entities. After an error it gives no more.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// let ids = notes.iter()?.map(|note| Ok(note?.id())).collect::<entidb_core::Result<Vec<_>>>()?;
/// assert_eq!(ids, [id]);
/// # Ok::<(), entidb_core::Error>(())
/// ```
pub struct Entities {
    /// None once it has ended.
    view: Option<View>,
    iter: Option<EntityWalk>,
    skip: Option<EntityId>,
    left: u64,
}

impl Entities {
    fn step(&mut self) -> Result<Option<Entity>> {
        let Some(view) = &self.view else { return Ok(None) };
        view.check()?;
        let Some(iter) = self.iter.as_mut().filter(|_| self.left > 0) else { return Ok(None) };
        let _moving = view.moving();
        while let Some((id, stored)) = iter.next()? {
            // The place to begin after may still be there, as the first that is met.
            if self.skip.take() == Some(id) {
                continue;
            }
            self.left -= 1;
            return Entity::new(id, stored).map(Some);
        }
        Ok(None)
    }
}

impl Iterator for Entities {
    type Item = Result<Entity>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            // The end and the first error free what the walk holds, and it gives no more.
            self.iter = None;
            self.view = None;
        }
        step
    }
}
