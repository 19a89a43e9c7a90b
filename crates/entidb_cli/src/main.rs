//! Placeholder until this crate has content.
fn main() {}
