//! What is seen from outside: memory, descriptors, disk, and what others measured since the last look.
//!
//! Always: at moments spread evenly over the run; each tells what was since the one before.
//! Does not know: what the database does.

use std::path::Path;
use std::time::Duration;

use super::{Failure, Histogram, Run, locked, process};

/// One moment of a run.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// When, since the beginning.
    pub at: Duration,
    /// Durable commits since the sample before: how many, the median, the 99th percentile, the slowest.
    pub commits: u64,
    /// The median of them.
    pub durable_median: Duration,
    /// The slowest of them.
    pub durable_worst: Duration,
    /// The slowest flush of the device.
    pub device_worst: Duration,
    /// Resident memory of the process.
    pub resident_bytes: Option<u64>,
    /// Open descriptors of the process.
    pub descriptors: Option<u64>,
    /// Bytes in the folder of the database.
    pub disk_bytes: u64,
}

/// All samples, and what they add up to.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    pub(super) samples: Vec<Sample>,
    pub(super) durable: Histogram,
    pub(super) device: Histogram,
}

pub(super) fn samples(run: &Run<'_>, place: &Path) -> Result<Sampled, Failure> {
    let mut sampled = Sampled { samples: Vec::with_capacity(usize::try_from(run.plan.samples)?), ..Sampled::default() };
    let gap = run.plan.time / run.plan.samples.max(1);
    for number in 1..=run.plan.samples {
        while run.begun.elapsed() < gap * number {
            if run.over.load(std::sync::atomic::Ordering::Relaxed) {
                return Ok(sampled);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let durable = std::mem::take(&mut *locked(&run.durable_now));
        let device = std::mem::take(&mut *locked(&run.device_now));
        sampled.samples.push(Sample {
            at: run.begun.elapsed(),
            commits: durable.count(),
            durable_median: durable.quantile(500),
            durable_worst: durable.longest(),
            device_worst: device.longest(),
            resident_bytes: process::resident_bytes(),
            descriptors: process::descriptors(),
            disk_bytes: process::folder_bytes(place),
        });
        sampled.durable.merge(&durable);
        sampled.device.merge(&device);
    }
    Ok(sampled)
}
