//! What a long life brings besides commits: compaction, new keys, backups, checkpoints.
//!
//! Always: each as often as the others, in turn, spread over the time.
//! Does not know: what they cost.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use entidb_storage::{Backend, RootMode};

use super::{Failure, Run};

pub(super) fn upkeep(run: &Run<'_>, folder: &Path) -> Result<(), Failure> {
    let slot = run.plan.time / run.plan.upkeeps.max(1);
    let mut next = run.begun + slot / 2;
    for turn in 0_u32.. {
        while Instant::now() < next {
            if run.is_over() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        next += slot;
        if run.is_over() {
            return Ok(());
        }
        let counts = &run.counts;
        let done: &AtomicU64 = match turn % 4 {
            0 => {
                run.engine.compact()?;
                &counts.compactions
            }
            1 => {
                run.engine.rotate_key()?;
                &counts.rotations
            }
            2 => {
                let target = folder.join("backup");
                let backend = Backend::file(&target, RootMode::CreateNew)?;
                run.engine.backup(&backend)?;
                drop(backend);
                std::fs::remove_dir_all(&target)?;
                &counts.backups
            }
            _ => {
                run.engine.checkpoint()?;
                &counts.checkpoints
            }
        };
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
