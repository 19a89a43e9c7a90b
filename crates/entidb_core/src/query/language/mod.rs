//! What a query says: conditions as values, their bytes, their normal form, and whether a document satisfies them.
//!
//! Always: a condition means the same with and without an index. Does not know: how answers are found (`plan`, `sources`).

mod conditions;
mod encoding;
mod evaluate;
mod expression;
mod normal;

pub(crate) use evaluate::{class_of, matches};
pub use expression::{Comparison, Expression, Field, field};
pub(crate) use normal::{conjuncts, normalize};
