//! Gives the shared library its versioned name.
//!
//! Always: the number is the major version of the ABI's file, so that programs built against another one do not load it.
//! Does not know: where the library is installed, or under which file name.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux" | "freebsd" | "android") => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libentidb.so.0");
        }
        Ok("macos") => println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libentidb.0.dylib"),
        _ => {}
    }
}
