//! How many cases a random test runs.
//!
//! Always: `ENTIDB_TIER` unset or `quick` is seconds; `full` is twenty times that, `release` four hundred times.

/// The configuration of a random test that runs `quick` cases in the quick tier.
pub(crate) fn cases(quick: u32) -> proptest::test_runner::Config {
    let factor = match std::env::var("ENTIDB_TIER").as_deref() {
        Ok("full") => 20,
        Ok("release") => 400,
        _ => 1,
    };
    proptest::test_runner::Config::with_cases(quick * factor)
}
