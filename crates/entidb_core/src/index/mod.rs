//! Indexes: what each collection keeps beside its entities, changed in the same commit.
//!
//! Always: an index of any kind is planned before anything of a change is written; what all kinds answer is `kind`, and
//! nothing outside knows one by name, but for definitions and for what is asked of one kind alone.
//! Does not know: which queries use an index (`query::plan`). Format: docs/spec/keyspace.md, "Kinds of indexes".

pub(crate) mod build;
#[cfg(test)]
mod build_tests;
mod changes;
pub(crate) mod kind;
pub(crate) mod manual;
pub(crate) mod memory;
pub(crate) mod ordered;
mod refusal;
#[cfg(test)]
mod tally;
pub(crate) mod unknown;

pub(crate) use build::{Builds, clear_unfinished, create_index};
pub(crate) use changes::{Changes, Told, plan_changes};
pub(crate) use manual::MANUAL;
pub(crate) use ordered::ORDERED;

/// FNV-1a, 64 bits: a number for bytes, the same in every process and language.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
