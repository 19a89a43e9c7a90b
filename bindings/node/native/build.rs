//! Lets the module find Node's symbols in the process that loads it.
//!
//! Always: the module exports Node's entry point and nothing of ours: `entidb_ffi` is linked without its feature `export`.
//! `--exclude-libs` would hide the entry point too, which lives in a library; with link-time optimisation that goes
//! unnoticed. Does not know: other platforms.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    napi_build::setup();
}
