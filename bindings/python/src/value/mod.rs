//! Values of documents that Python has no class of its own for.
//!
//! Always: immutable, hashable and picklable. Does not know: how they are written (`encode`, `decode`).

mod entity_id;
mod tag;
mod timestamp;
mod vector;

pub(crate) use entity_id::{EntityId, uuid_class};
pub(crate) use tag::Tag;
pub(crate) use timestamp::Timestamp;
pub(crate) use vector::Vector;
