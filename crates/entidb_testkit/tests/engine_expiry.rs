//! Readers find what is not before their watermark, whatever is merged, and whatever a crash takes back.

use entidb_testkit::{Tier, expiry};

#[test]
fn readers_find_what_is_not_before_their_watermark_through_merges_and_crashes() {
    for seed in 0..Tier::from_environment().pick(20, 2_000, 50_000) {
        assert_eq!(expiry::history(seed, 300), Ok(()), "play it again with expiry::history({seed}, 300)");
    }
}
