//! Makes a failing workload as short as it gets and still fails.
//!
//! Always: the result is a failure that was seen, with the place that replays it.
//! Does not know: why it fails; a shorter workload may fail for another reason, which is worth as much.

use super::failure::Failure;
use super::{CrashTest, Effort};
use crate::subject::Subject;

/// How many shorter workloads are tried: shrinking must not take longer than the tests.
const TRIES_MAX: usize = 150;

/// How many images a try may look at.
const STATES_MAX: u64 = 20_000;

/// The same failure, or a simpler one, with fewer operations.
pub(super) fn shrink<S: Subject>(test: &CrashTest<S>, failure: Box<Failure>) -> Box<Failure> {
    let all = test.subject.operations(failure.place.seed);
    let mut best = failure;
    let mut chunk = best.place.kept.len().div_ceil(2).max(1);
    let mut tries = 0;
    loop {
        let mut shorter = false;
        let mut from = 0;
        while from < best.place.kept.len() && tries < TRIES_MAX {
            tries += 1;
            let kept: Vec<usize> = (best.place.kept.iter().enumerate())
                .filter(|(place, _)| *place < from || *place >= from + chunk)
                .map(|(_, index)| *index)
                .collect();
            match fails(test, &best, &all, kept) {
                Some(smaller) => {
                    best = smaller;
                    shorter = true;
                }
                None => from += chunk,
            }
        }
        if tries >= TRIES_MAX || (chunk == 1 && !shorter) {
            return best;
        }
        if !shorter {
            chunk = chunk.div_ceil(2);
        }
    }
}

fn fails<S: Subject>(
    test: &CrashTest<S>,
    best: &Failure,
    all: &[S::Operation],
    kept: Vec<usize>,
) -> Option<Box<Failure>> {
    let mut explorer = test.explorer(best.place.personality, best.place.seed, all, kept);
    // Look only as deep as the failure was found, but there at everything that fits.
    let deep = best.place.steps.len() > 1;
    explorer.effort = Effort {
        second_one_in: if deep { test.effort.second_one_in.clamp(1, 4) } else { 0 },
        third_one_in: if best.place.steps.len() > 2 { 8 } else { 0 },
        states_max: STATES_MAX,
        // A shorter workload has fewer places to fail at, so each is looked at harder.
        variants: test.effort.variants.max(64),
        ..test.effort
    };
    explorer.explore(None).err()
}
