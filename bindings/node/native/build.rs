//! Lets the module find Node's symbols in the process that loads it, and keeps the C functions inside.
//!
//! Always: on Linux the module exports nothing of ours, so two copies of the library in one process never mix.
//! Does not know: other platforms; there a module shows only what it declares.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    napi_build::setup();
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    }
}
