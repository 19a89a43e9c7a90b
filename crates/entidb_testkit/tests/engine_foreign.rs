//! What systems, tools and people leave in the folders of a database: it opens, says what it ignored, and touches none of it.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the things are left there with the operating system's own means"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use entidb_engine::{Engine, Error, Options, VerifyLevel};
use entidb_storage::{Backend, RootMode};

/// A folder of its own that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("entidb-foreign-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path, read_only: bool) -> Result<Engine, Error> {
    let mode = if read_only { RootMode::ReadOnly } else { RootMode::CreateIfMissing };
    let options = Options { read_only, create: !read_only, ..Options::default() };
    Engine::open(Backend::file(path, mode)?, options)
}

fn put(engine: &Engine, number: u8) {
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(&[1, number], &[number; 100]).unwrap();
    transaction.commit().unwrap();
}

/// Lets something be left in a folder.
type Leave = fn(&Path);

const THINGS: [(&str, Leave); 13] = [
    ("12:00", |path| std::fs::write(path, b"noon").unwrap()),
    ("Icon\r", |path| std::fs::write(path, b"").unwrap()),
    (".DS_Store", |path| std::fs::write(path, b"Bud1").unwrap()),
    ("Thumbs.db", |path| std::fs::write(path, b"x").unwrap()),
    ("7 (copy)", |path| std::fs::write(path, b"x").unwrap()),
    ("007", |path| std::fs::write(path, b"x").unwrap()),
    ("0", |path| std::fs::write(path, b"x").unwrap()),
    ("18446744073709551615", |path| std::fs::write(path, b"x").unwrap()),
    ("9223372036854775808", |path| std::fs::write(path, b"x").unwrap()),
    ("99999999999999999999999", |path| std::fs::write(path, b"x").unwrap()),
    ("lost+found", |path| std::fs::create_dir(path).unwrap()),
    ("link", |path| std::os::unix::fs::symlink("/etc/hostname", path).unwrap()),
    ("pipe", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
];

/// A folder, a link and a pipe under numbers that files get soon, or may have had.
const IN_THE_WAY: [(&str, Leave); 3] = [
    ("40", |path| std::fs::create_dir(path).unwrap()),
    ("41", |path| std::os::unix::fs::symlink("/etc/hostname", path).unwrap()),
    ("42", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
];

#[test]
fn foreign_names_keep_no_database_shut_and_are_left_alone_and_told() {
    let folder = Folder::new("names");
    let engine = open(&folder.0, false).unwrap();
    put(&engine, 0);
    engine.close().unwrap();
    let mut left = Vec::new();
    for place in ["", "seg", "wal", "manifest", "tmp"] {
        for (name, leave) in THINGS {
            leave(&folder.0.join(place).join(name));
            left.push(if place.is_empty() { name.to_owned() } else { format!("{place}/{name}") });
        }
    }
    for (name, leave) in IN_THE_WAY {
        leave(&folder.0.join("seg").join(name));
        left.push(format!("seg/{name}"));
    }
    let count = left.len() as u64;
    let told = |names: &[String], number: u64, what: &str| {
        assert_eq!(number, count, "{what}: {names:?}");
        assert!(names.len() == 32 && names.iter().all(|name| left.contains(name)), "{what}: {names:?}");
    };
    for round in 1..4_u8 {
        for read_only in [true, false] {
            let engine = open(&folder.0, read_only).unwrap();
            let (report, what) = (engine.open_report(), format!("round {round} read only {read_only}"));
            // A link and a pipe under a number are seen to be foreign when they would be removed.
            let unseen = if read_only { 2 } else { 0 };
            told(&report.ignored, report.ignored_count + unseen, &what);
            let report = engine.verify(VerifyLevel::Full).unwrap();
            assert!(report.is_clean(), "{what}: {:?}", report.problems);
            told(&report.ignored, report.ignored_count + 2, &what);
            assert_eq!(engine.last_sequence().0, u64::from(round), "{what}");
            if !read_only {
                put(&engine, round);
                engine.checkpoint().unwrap();
                engine.close().unwrap();
            }
        }
    }
    for name in &left {
        assert!(std::fs::symlink_metadata(folder.0.join(name)).is_ok(), "{name} is gone");
    }
}

#[test]
fn the_numbers_of_files_go_on_from_where_they_were() {
    let folder = Folder::new("numbers");
    put(&open(&folder.0, false).unwrap(), 1);
    std::fs::write(folder.0.join("seg/18446744073709551615"), b"x").unwrap();
    std::fs::write(folder.0.join("wal/18446744073709551614"), b"x").unwrap();
    let engine = open(&folder.0, false).unwrap();
    for number in 2..40 {
        put(&engine, number);
        engine.checkpoint().unwrap();
    }
    let names = ["seg", "wal", "manifest"].map(|kind| std::fs::read_dir(folder.0.join(kind)).unwrap());
    let numbers = names.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let numbers: Vec<u64> = numbers.map(|name| name.parse().unwrap()).filter(|number| *number < 1 << 60).collect();
    assert!(numbers.iter().all(|number| *number < 1000), "{numbers:?}");
}

/// A half-made database is made anew only where nothing else is in its folders, and what lies beside them is not removed.
#[test]
fn making_a_database_anew_removes_nothing_that_is_not_its_own() {
    let folder = Folder::new("half");
    std::fs::create_dir_all(folder.0.join("wal")).unwrap();
    std::fs::write(folder.0.join("notes.txt"), b"mine").unwrap();
    drop(open(&folder.0, false).unwrap());
    assert_eq!(std::fs::read(folder.0.join("notes.txt")).unwrap(), b"mine");
    let folder = Folder::new("foreign-half");
    std::fs::create_dir_all(folder.0.join("seg")).unwrap();
    for name in ["holiday.jpg", "12:00"] {
        std::fs::write(folder.0.join("seg").join(name), b"mine").unwrap();
        let error = open(&folder.0, false).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        assert_eq!(std::fs::read(folder.0.join("seg").join(name)).unwrap(), b"mine");
        std::fs::remove_file(folder.0.join("seg").join(name)).unwrap();
    }
}
