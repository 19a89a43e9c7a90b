//! What a run came to, and how that compares with what was wished for.
//!
//! Always: a figure that the system did not tell is left out, and its floor with it; none is guessed.
//! Does not know: how it was measured.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Counts, Histogram, Plan, Sample};

/// How much slower than the median one commit in a thousand may be.
const SLOW_TIMES: u32 = 5;
/// How much slower than the slowest flush of the device the slowest commit may be.
const ABOVE_DEVICE: Duration = Duration::from_millis(50);
/// How many intervals a grouped commit may wait for its flush, where flushes are quick.
const INTERVALS: u32 = 2;
/// Log files and work under way, beside the data.
const DISK_BESIDE_BYTES: u64 = 256 << 20;
/// Descriptors beside those of segments.
const DESCRIPTORS_BESIDE: u64 = 64;

/// How often what was done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Pairs written by grouped commits.
    pub pairs: u64,
    /// Grouped commits.
    pub batches: u64,
    /// Reads.
    pub reads: u64,
    /// Snapshots that stayed open.
    pub snapshots: u64,
    /// Compactions of everything.
    pub compactions: u64,
    /// Rotations of the data key.
    pub rotations: u64,
    /// Backups.
    pub backups: u64,
    /// Checkpoints.
    pub checkpoints: u64,
}

impl Done {
    pub(super) fn of(counts: &Counts) -> Self {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Self {
            pairs: load(&counts.pairs),
            batches: load(&counts.batches),
            reads: load(&counts.reads),
            snapshots: load(&counts.snapshots),
            compactions: load(&counts.compactions),
            rotations: load(&counts.rotations),
            backups: load(&counts.backups),
            checkpoints: load(&counts.checkpoints),
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The load.
    pub plan: Plan,
    /// Durable commits of one pair, from `begin_write` to the end of `commit`.
    pub durable: Histogram,
    /// The device's own write and flush, in a file beside the database.
    pub device: Histogram,
    /// From the end of a grouped commit until it was seen to be durable.
    pub lag: Histogram,
    /// The longest flush of the log in the same run, as the engine saw it.
    pub log_flush_longest: Duration,
    /// The run in time.
    pub samples: Vec<Sample>,
    /// The most resident memory, without what the process had before.
    pub memory_bytes: Option<u64>,
    /// How many descriptors the process may have.
    pub descriptors_max: Option<u64>,
    /// Keys and values at the end.
    pub live_bytes: u64,
    /// The folder after the end: compacted and closed.
    pub rest_bytes: u64,
    /// Times a writer had to wait for background work.
    pub stalls: u64,
    /// How often what was done.
    pub done: Done,
}

/// Something that was wished for, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// What of.
    pub name: &'static str,
    /// What was found, as text.
    pub found: String,
    /// The most it should be, as text.
    pub allowed: String,
    /// Whether it was no more.
    pub is_kept: bool,
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

impl Report {
    /// The most bytes the folder had.
    #[must_use]
    pub fn disk_bytes_most(&self) -> u64 {
        self.samples.iter().map(|sample| sample.disk_bytes).max().unwrap_or(0)
    }

    /// The most descriptors the process had.
    #[must_use]
    pub fn descriptors_most(&self) -> Option<u64> {
        self.samples.iter().filter_map(|sample| sample.descriptors).max()
    }

    /// A grouped commit waits for its interval, or for the flush under way when that is longer, and for its own flush. The
    /// looks of the bench are a millisecond apart.
    fn lag_allowed(&self) -> Duration {
        let flush = self.log_flush_longest;
        let bound = self.plan.interval.max(flush) + flush + Duration::from_millis(1);
        bound.max(self.plan.interval * INTERVALS)
    }

    /// What was wished for.
    #[must_use]
    pub fn floors(&self) -> Vec<Floor> {
        let time = |name, found: Duration, allowed: Duration| Floor {
            name,
            found: millis(found),
            allowed: millis(allowed),
            is_kept: found <= allowed,
        };
        let bytes = |name, found: u64, allowed: u64| Floor {
            name,
            found: megabytes(found),
            allowed: megabytes(allowed),
            is_kept: found <= allowed,
        };
        let durable = &self.durable;
        let mut floors = vec![
            time("durable commit, p99.9, at most 5 medians", durable.quantile(999), durable.quantile(500) * SLOW_TIMES),
            time(
                "durable commit, worst, at most 50 ms above the device's worst flush",
                durable.longest(),
                self.device.longest() + ABOVE_DEVICE,
            ),
            time(
                "grouped commit, worst lag, at most 2 intervals, or what the longest flush of the log makes of them",
                self.lag.longest(),
                self.lag_allowed(),
            ),
        ];
        if let Some(found) = self.memory_bytes {
            let budget = self.plan.memory_bytes;
            floors.push(bytes("resident memory, at most the budget and a tenth", found, budget + budget / 10));
        }
        if let (Some(found), Some(max)) = (self.descriptors_most(), self.descriptors_max) {
            let allowed = max / 4 + DESCRIPTORS_BESIDE;
            floors.push(Floor {
                name: "descriptors, at most a quarter of the limit and 64",
                found: found.to_string(),
                allowed: allowed.to_string(),
                is_kept: found <= allowed,
            });
        }
        floors.push(bytes(
            "disk at rest, at most 2 times the live data",
            self.rest_bytes,
            2 * self.live_bytes + (1 << 20),
        ));
        let most = 3 * self.live_bytes + DISK_BESIDE_BYTES;
        floors.push(bytes(
            "disk while in use, at most 3 times the live data and 256 MiB",
            self.disk_bytes_most(),
            most,
        ));
        floors
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let done = &self.done;
        let _infallible = writeln!(
            out,
            "{} s: {} durable commits, {} grouped commits of {} pairs, {} reads, {} snapshots, {} compactions, \
             {} new keys, {} backups, {} checkpoints; {} times a writer waited for background work\n",
            self.plan.time.as_secs(),
            self.durable.count(),
            done.batches,
            self.plan.batch,
            done.reads,
            done.snapshots,
            done.compactions,
            done.rotations,
            done.backups,
            done.checkpoints,
            self.stalls,
        );
        let _infallible = writeln!(out, "| | count | p50 | p99 | p99.9 | worst |\n|---|---|---|---|---|---|");
        for (name, times) in [
            ("durable commit of one pair", &self.durable),
            ("write and flush of the device", &self.device),
            ("lag of grouped commits", &self.lag),
        ] {
            let of = |permille| millis(times.quantile(permille));
            let _infallible = writeln!(
                out,
                "| {name} | {} | {} | {} | {} | {} |",
                times.count(),
                of(500),
                of(990),
                of(999),
                millis(times.longest())
            );
        }
        let _infallible = writeln!(
            out,
            "\nlongest flush of the log {}, worst lag without it {}; live data {}, on disk {} at rest and {} at most",
            millis(self.log_flush_longest),
            millis(self.lag.longest().saturating_sub(self.log_flush_longest)),
            megabytes(self.live_bytes),
            megabytes(self.rest_bytes),
            megabytes(self.disk_bytes_most())
        );
        let _infallible = writeln!(out, "\n| floor | found | allowed | |\n|---|---|---|---|");
        for floor in self.floors() {
            let kept = if floor.is_kept { "kept" } else { "MISSED" };
            let _infallible = writeln!(out, "| {} | {} | {} | {kept} |", floor.name, floor.found, floor.allowed);
        }
        out
    }

    /// The report for programs: one object, times in microseconds.
    #[must_use]
    pub fn json(&self) -> String {
        let number = |value: Option<u64>| value.map_or_else(|| "null".to_owned(), |value| value.to_string());
        let times = |times: &Histogram| {
            let of = |permille| times.quantile(permille).as_micros();
            format!(
                "{{\"count\":{},\"p50\":{},\"p99\":{},\"p999\":{},\"worst\":{}}}",
                times.count(),
                of(500),
                of(990),
                of(999),
                times.longest().as_micros()
            )
        };
        let floor = |floor: &Floor| {
            let Floor { name, found, allowed, is_kept } = floor;
            format!("{{\"name\":\"{name}\",\"found\":\"{found}\",\"allowed\":\"{allowed}\",\"kept\":{is_kept}}}")
        };
        let done = &self.done;
        let fields = [
            ("seconds", self.plan.time.as_secs().to_string()),
            ("durability", "\"durable\"".to_owned()),
            ("interval_ms", self.plan.interval.as_millis().to_string()),
            ("durable_micros", times(&self.durable)),
            ("device_micros", times(&self.device)),
            ("grouped_lag_micros", times(&self.lag)),
            ("log_flush_longest_micros", self.log_flush_longest.as_micros().to_string()),
            ("memory_budget_bytes", self.plan.memory_bytes.to_string()),
            ("memory_bytes", number(self.memory_bytes)),
            ("descriptors", number(self.descriptors_most())),
            ("descriptors_max", number(self.descriptors_max)),
            ("live_bytes", self.live_bytes.to_string()),
            ("disk_rest_bytes", self.rest_bytes.to_string()),
            ("disk_most_bytes", self.disk_bytes_most().to_string()),
            ("stalls", self.stalls.to_string()),
            ("pairs", done.pairs.to_string()),
            ("reads", done.reads.to_string()),
            ("snapshots", done.snapshots.to_string()),
            ("compactions", done.compactions.to_string()),
            ("rotations", done.rotations.to_string()),
            ("backups", done.backups.to_string()),
            ("checkpoints", done.checkpoints.to_string()),
            ("floors", format!("[{}]", self.floors().iter().map(floor).collect::<Vec<_>>().join(","))),
        ];
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}
