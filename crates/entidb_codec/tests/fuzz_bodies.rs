//! Runs the bodies of the fuzz targets on seeded input, as part of the ordinary suite.
//!
//! Always: a failure prints the seed and round that replay it. `ENTIDB_SEED` starts elsewhere and
//! `ENTIDB_ROUNDS` goes on for longer.
//! Does not know: libFuzzer, which looks for input where this only draws it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test asserts by panicking, and the bodies are public in their own crate"
)]

#[path = "../../../fuzz/src/codec.rs"]
mod codec;
#[path = "../../../fuzz/src/typed.rs"]
mod typed;

use codec as bodies;

/// SplitMix64: small, and good enough to draw test input.
struct Draw(u64);

impl Draw {
    fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, len_max: u64) -> Vec<u8> {
        (0..self.u64() % len_max).map(|_| (self.u64() >> 11) as u8).collect()
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Calls a body with three kinds of input: noise, a document, and a document with a byte changed.
fn run(name: &str, body: fn(&[u8])) {
    let (seed, rounds) = (setting("ENTIDB_SEED", 1), setting("ENTIDB_ROUNDS", 6_000));
    for round in 0..rounds {
        let mut draw = Draw(seed ^ (round << 20));
        let noise = draw.bytes(200);
        let mut document = entidb_codec::encode(&bodies::Choices::new(&noise).value(5));
        let damaged = {
            let place = draw.u64() as usize % document.len();
            let mut damaged = document.clone();
            damaged[place] = draw.u64() as u8;
            damaged
        };
        document.truncate(4096);
        for (kind, input) in [("noise", noise), ("document", document), ("damaged", damaged)] {
            let outcome = std::panic::catch_unwind(|| body(&input));
            assert!(outcome.is_ok(), "{name} failed on {kind}: ENTIDB_SEED={seed} round {round}, input {input:02x?}");
        }
    }
}

#[test]
fn every_way_of_reading_agrees_on_any_bytes() {
    run("decode", bodies::decode_body);
}

#[test]
fn limits_and_canonical_forms_hold_on_any_bytes() {
    run("validate", bodies::validate_body);
}

#[test]
fn key_order_is_value_order_for_any_values() {
    run("ordered", bodies::ordered_body);
}

#[test]
fn paths_and_patches_agree_with_the_tree_on_any_values() {
    run("path", bodies::path_body);
}

#[test]
fn types_read_and_write_what_trees_do_on_any_bytes() {
    run("typed", typed::typed_body);
}
