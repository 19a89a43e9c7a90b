//! Where candidates for answers come from: all entities, ids that are known, rows of an index.
//!
//! Always: every answer is among the candidates; each entity comes once, unless its source says at `settle` that it came
//! before. One indirect call for a batch, none for a candidate. Does not know: whether a candidate is an answer, or what is
//! done with it.

mod ids;
mod postings;
mod rows;
mod scan;
mod score;

use std::collections::VecDeque;
use std::fmt::Debug;

use entidb_engine::Value;

pub(crate) use ids::IdSource;
pub(crate) use postings::{Posting, Postings, RowPostings};
pub(crate) use rows::RowAccess;
pub(crate) use scan::ScanAccess;
pub(crate) use score::Score;

use crate::collection::Entity;
use crate::error::{Error, Result};
use crate::id::{CollectionId, EntityId, Home, Ordinal};
use crate::index::kind::RowCount;
use crate::query::results::{Order, Place};
use crate::transaction::View;

/// The way to candidates, planned and not begun.
pub(crate) trait Access: Debug + Send + Sync {
    /// Begins to read them.
    fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Source>>;

    /// What it walks, for people.
    fn walked(&self) -> Walked;

    /// About how many candidates there are: counted up to `counted_max`, estimated beyond.
    fn estimate(&self, view: &View, collection: CollectionId, counted_max: u64) -> Result<RowCount>;

    /// Whether it has its candidates in the order of ordinals too.
    fn has_postings(&self) -> bool {
        false
    }

    /// The candidates in the order of ordinals, where it has them so.
    fn postings(&self, view: &View) -> Result<Option<Box<dyn Postings>>> {
        let _ = view;
        Ok(None)
    }
}

/// What a source is opened with.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) view: &'a View,
    pub(crate) home: Home,
    /// The order in which the candidates are to come; none when they are sorted afterwards.
    pub(crate) order: Option<&'a Order>,
    /// The place in that order after which they begin.
    pub(crate) after: Option<&'a Place>,
    /// Memory for putting candidates in order that the way itself does not give.
    pub(crate) sort_bytes_max: u64,
}

/// What a way walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walked {
    /// How many ranges.
    pub(crate) ranges: usize,
    pub(crate) reverse: bool,
}

/// An entity that may be an answer.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) who: Who,
    /// The stored entity, where the source read it with the candidate.
    pub(crate) stored: Option<Value>,
    /// How well it answers, where the source ranks.
    pub(crate) score: Option<Score>,
}

/// An entity that was read, with what its candidate had beside it.
#[derive(Debug, Clone)]
pub(crate) struct Scored {
    pub(crate) entity: Entity,
    pub(crate) score: Option<Score>,
}

/// By what a source knows an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Id(EntityId),
    Ordinal(Ordinal),
}

impl Candidate {
    pub(crate) const fn of(who: Who) -> Self {
        Self { who, stored: None, score: None }
    }
}

/// Candidates, batch by batch.
pub(crate) trait Source: Send {
    /// Adds the next candidates to an empty batch, about `most` of them; none when there are no more.
    fn read(&mut self, most: usize, batch: &mut Vec<Candidate>) -> Result<()>;

    /// Takes out of the batch that was read last the entities that came before, or are to come later. They are the
    /// candidates in their order.
    fn settle(&mut self, entities: &mut VecDeque<Scored>) -> Result<()> {
        let _ = entities;
        Ok(())
    }

    /// Whether it gives more than was planned, so that each candidate must be checked although the plan is exact.
    fn is_widened(&self) -> bool {
        false
    }

    /// How many candidates there are, where it counts them faster than it gives them and none was given yet.
    fn count(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// That a candidate is no entity.
    fn missing(&self, who: Who) -> Error {
        match who {
            Who::Id(id) => Error::corrupt(format!("an index has {id}, which does not exist")).with_id(id),
            Who::Ordinal(ordinal) => Error::corrupt(format!("an index has the ordinal {} of no entity", ordinal.0)),
        }
    }
}
