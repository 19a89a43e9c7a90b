//! Placeholder until this crate's content lands.
