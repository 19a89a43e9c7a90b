//! Tells the linker to keep the C functions inside the module.
//!
//! Always: on Linux the module exports nothing of ours, so two copies of the library in one process never mix.
//! Does not know: other platforms; there a module shows only what it declares.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    }
}
