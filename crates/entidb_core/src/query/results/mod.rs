//! The results of a query: one by one, in their order, and in pages.
//!
//! Always: written once, above whatever source the candidates come from. Does not know: how candidates are found.

mod find;
mod found;
mod order;
mod remove;
mod token;

pub use find::{Find, Page};
pub use found::{Found, PagePlace};
pub(crate) use order::{Order, RowOrder, column_key};
pub(crate) use token::Place;
