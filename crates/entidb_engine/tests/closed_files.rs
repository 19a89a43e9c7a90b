//! After `close` no file of the database is open, whatever handles there still are.
//!
//! Always: asked of the system, which lists the files of the process. Does not know: systems without `/proc`.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "the test looks at the files of its process")]
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::path::{Path, PathBuf};

use entidb_engine::{Direction, Engine, Error, KeyRange, Options};
use entidb_storage::{Backend, RootMode};

/// What the process has open in a folder, and the folder itself.
fn open_in(folder: &Path) -> Vec<PathBuf> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let paths = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    paths.filter(|path| path.starts_with(folder)).collect()
}

fn open(folder: &Path, read_only: bool) -> Engine {
    let mode = if read_only { RootMode::ReadOnly } else { RootMode::CreateIfMissing };
    let options = Options { read_only, create: !read_only, ..Options::default() };
    Engine::open(Backend::file(folder, mode).unwrap(), options).unwrap()
}

#[test]
fn nothing_is_open_after_close_though_handles_are_left() {
    for (round, moved) in [(0, false), (1, true)] {
        let folder = std::env::temp_dir().join(format!("entidb-closed-files-{}-{round}", std::process::id()));
        let away = folder.with_extension("away");
        let engine = open(&folder, false);
        for number in 0..50_u32 {
            let mut transaction = engine.begin_write().unwrap();
            transaction.put(&number.to_be_bytes(), &[7; 1000]).unwrap();
            transaction.commit().unwrap();
            if number % 20 == 19 {
                engine.checkpoint().unwrap();
            }
        }
        let snapshot = engine.snapshot().unwrap();
        let mut iter = snapshot.range(KeyRange::all(), Direction::Forward).unwrap();
        assert!(iter.advance().unwrap());
        let transaction = engine.begin_write().unwrap();
        assert!(open_in(&folder).len() > 5, "the log, the manifest, segments, the folder and its lock");
        if moved {
            // A close that fails lets go as well.
            std::fs::rename(&folder, &away).unwrap();
            assert!(engine.close().is_err());
        } else {
            engine.close().unwrap();
        }
        assert_eq!(open_in(&folder), Vec::<PathBuf>::new());
        assert_eq!(open_in(&away), Vec::<PathBuf>::new());
        assert!(matches!(iter.advance(), Err(Error::Closed)));
        assert!(matches!(snapshot.get(b"key"), Err(Error::Closed)));
        drop((iter, snapshot, transaction, engine));
        if moved {
            std::fs::rename(&away, &folder).unwrap();
        }
        let engine = open(&folder, true);
        let snapshot = engine.snapshot().unwrap();
        assert!(snapshot.get(&0_u32.to_be_bytes()).unwrap().is_some());
        assert!(!open_in(&folder).is_empty());
        engine.close().unwrap();
        assert_eq!(open_in(&folder), Vec::<PathBuf>::new(), "and so it is for a reader");
        drop(snapshot);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
