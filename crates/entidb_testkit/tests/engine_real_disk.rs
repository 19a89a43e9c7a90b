//! Layer 17: the engine on a real file system that is small and fills and empties, where this user may mount one.
//!
//! Always: it is mounted for one process alone and is gone with it. A machine on which that cannot be is said to be
//! `SKIPPED`. `ENTIDB_DISK_AT` names a small file system that is there already, to be filled instead.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "the place for a file system is made behind the backend's back")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test asserts by panicking and tells what it did"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use entidb_storage::{Backend, Clock, ManualClock, RootMode};
use entidb_testkit::full_disk::{Filling, FullDisk, SmallDisk};
use entidb_testkit::{Row, Tier};

const AT: &str = "ENTIDB_DISK_AT";
/// Options of the file system that is mounted.
const MOUNT: [&str; 5] = ["mount", "-t", "tmpfs", "-o", "size=4m"];

/// A folder that is removed when dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("entidb-disk-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_small_file_system_is_filled_and_emptied_again_and_again() {
    if let Some(path) = std::env::var_os(AT) {
        fill_and_empty(Path::new(&path));
        return;
    }
    let place = Place::new();
    for unshare in [&["--mount"][..], &["--map-root-user", "--mount"]] {
        let own = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(unshare).args(["sh", "-c", script, "sh"]).arg(&place.0);
            command
        };
        let mount = format!("{} entidb \"$1\"", MOUNT.join(" "));
        if own(&mount).stderr(Stdio::null()).status().is_ok_and(|end| end.success()) {
            let this = std::env::current_exe().unwrap();
            let script = format!("{mount} && {AT}=\"$1\" exec \"$2\" --nocapture");
            let end = own(&script).arg(this).status().unwrap();
            assert!(end.success(), "{end}");
            return;
        }
    }
    eprintln!("SKIPPED a small file system: this user may not mount");
}

fn fill_and_empty(path: &Path) {
    let cycles = Tier::from_environment().pick(1, 200, 1000);
    let around = Backend::file(path, RootMode::Existing).unwrap();
    let bytes = around.directory.free_bytes().unwrap();
    assert!(bytes < 64 << 20, "{} is too large to be filled", path.display());
    let backend = Backend::file(path.join("db"), RootMode::CreateIfMissing).unwrap();
    // Rests of background work are over when the test says so.
    let clock = Arc::new(ManualClock::new(0));
    let backend = Backend { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..backend };
    let disk = SmallDisk {
        backend,
        bytes,
        // Others who take all that is free are the simulation's.
        squeeze: Box::new(move |_| bytes),
        rest: Box::new(move || clock.advance(Duration::from_millis(300))),
    };
    let filling = Filling { keys: bytes / 500, files_max: 1_000, ..Filling::SMALL };
    let cycled = FullDisk::new(&disk, filling, 11)
        .and_then(|mut full| full.run(cycles))
        .unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{cycled:?}");
    assert_eq!(cycled.full, cycles);
    let layer = "17 disk full, real".to_owned();
    Row { layer, cases: cycles, states: cycled.commits, ..Row::default() }.print();
}
