//! Hands libFuzzer's bytes to `entidb_fuzz::typed::typed_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entidb_fuzz::typed::typed_body(data));
