//! What a large transaction takes of the system's memory, up to the end of its commit.
//!
//! Always: the one test of its process, because the whole process is measured; the changes of a transaction are in memory that
//! the allocator does not see. Does not know: how the engine keeps changes.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test asserts by panicking and makes folders")]

use entidb_core::{Database, IndexDefinition, Options, doc};

/// A line of what the system says of this process, in bytes.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() * 1024
}

/// The most that is resident while something runs, beyond what was before.
fn peak_of(run: impl FnOnce()) -> u64 {
    // Begins to measure the peak anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    run();
    status("VmHWM:") - before
}

#[test]
fn a_transaction_holds_each_change_once_and_its_feed_once_more() {
    // The feed held each document as it came, then all of them again as parts, and then the transaction had them once more: 200
    // MiB peaked at 1,204 MiB with the feed and at 407 without.
    let is_full = std::env::var("ENTIDB_TIER").is_ok_and(|tier| tier != "quick");
    let documents: u64 = if is_full { 51_200 } else { 10_000 };
    let text = "x".repeat(4096);
    let bytes = documents * 4096;
    for (feed_commits_max, copies) in [(0, 1), (1_000_000, 2)] {
        let folder = std::env::temp_dir().join(format!("entidb-large-{}-{feed_commits_max}", std::process::id()));
        let options =
            Options { memory_bytes: 8 << 20, transaction_bytes_max: 1 << 30, feed_commits_max, ..Options::default() };
        let db = Database::open_with(&folder, options).unwrap();
        db.collection("c").unwrap().create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
        let peak = peak_of(|| {
            let tx = db.begin_write().unwrap();
            let c = tx.collection("c").unwrap();
            for number in 0..documents {
                c.put(&doc! { "n": number, "t": text.as_str() }).unwrap();
            }
            tx.commit().unwrap();
        });
        println!("{bytes} bytes of documents, a feed of {feed_commits_max} commits: {peak} bytes at the peak");
        assert_eq!(db.collection("c").unwrap().count().unwrap(), documents);
        db.close().unwrap();
        drop(db);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(peak >= bytes, "the measure does not see the changes: {peak}");
        // Keys, rows and what pages have left over; beside it memtables, the cache and the pieces that are written.
        assert!(peak <= copies * bytes * 4 / 3 + (16 << 20), "a feed of {feed_commits_max}: {peak}");
    }
}
