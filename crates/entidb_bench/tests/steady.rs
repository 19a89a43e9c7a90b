//! The steady load in a few seconds: every part of it runs, every answer is right, and the report tells all of it.
//!
//! Always: nothing is said about how long anything took; a test machine is shared.

use std::time::Duration;

use entidb_bench::steady::{Plan, plot, run_in_temporary_place};

#[test]
fn a_short_run_does_everything_once_and_loses_nothing() {
    let report = run_in_temporary_place(&Plan::small(Duration::from_secs(4))).unwrap();
    let done = report.done;
    assert!(report.durable.count() > 20 && report.device.count() > 20, "{done:?}");
    assert!(report.lag.count() > 20 && report.lag.count() <= done.batches, "{done:?}");
    assert!(done.compactions > 0 && done.rotations > 0 && done.backups > 0 && done.checkpoints > 0, "{done:?}");
    assert!(done.snapshots > 3 && done.reads > 20, "{done:?}");
    assert!(report.live_bytes > 100_000 && report.rest_bytes > report.live_bytes / 4, "{}", report.rest_bytes);
    let floors = report.floors();
    assert!(floors.len() >= 5);
    let (text, json, picture) = (report.text(), report.json(), plot(&report));
    println!("{text}");
    for floor in &floors {
        assert!(text.contains(floor.name) && json.contains(floor.name), "{} is not told", floor.name);
    }
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed["durable_micros"]["count"], report.durable.count());
    assert_eq!(parsed["floors"].as_array().unwrap().len(), floors.len());
    assert_eq!(picture.matches("<polyline").count(), 6);
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n") && !picture.contains("NaN"));
}
