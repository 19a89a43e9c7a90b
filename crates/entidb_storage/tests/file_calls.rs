//! Which calls the file backend really makes, and what it says when one of them fails, seen through `strace`.
//!
//! Always: a promise of durability is a call that returned; a failed one is told and never believed again. Does not
//! know: other systems than Linux. Without `strace` every test says `SKIPPED`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test reads the trace, behind the backend's back")]

mod child;
mod place;

use std::process::{Command, Stdio};

use entidb_storage::{Backend, ErrorKind, OpenMode, RootMode};
use place::Place;

/// Runs `part` under `strace` with these words, `ROOT` in them being its folder, and returns the trace, or nothing where it cannot be done.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn traced(part: &str, words: &[&str]) -> Option<String> {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !works.is_ok_and(|end| end.success()) {
        eprintln!("SKIPPED {part}: strace is missing, or may not trace");
        return None;
    }
    let (place, traces) = (Place::new(), Place::new());
    let trace = traces.path().join("trace");
    let mut program = vec!["strace", "--follow-forks", "--decode-fds=path", "-o", trace.to_str().unwrap()];
    let root = place.path().to_str().unwrap();
    let words: Vec<_> = words.iter().map(|word| word.replace("ROOT", root)).collect();
    program.extend(words.iter().map(String::as_str));
    let end = child::command(&program, part, place.path(), 0).status().unwrap();
    assert!(end.success(), "{part}: {end}");
    Some(std::fs::read_to_string(trace).unwrap().replace(root, "ROOT"))
}

#[test]
fn every_promise_of_durability_is_a_call_that_returned() {
    let words = ["-e", "trace=fsync,fdatasync,sync_file_range,fallocate,mkdirat,flock"];
    let Some(trace) = traced("child_makes_everything_durable", &words) else { return };
    let calls: Vec<&str> = trace.lines().filter(|line| line.contains("ROOT")).collect();
    let expected = [
        ("mkdirat(", "\"ROOT/db\", 0700)"),
        ("fsync(", "<ROOT>"),
        ("flock(", "<ROOT/db>, LOCK_EX|LOCK_NB)"),
        ("flock(", "<ROOT/db/LOCK>, LOCK_EX|LOCK_NB)"),
        ("fdatasync(", "<ROOT/db/wal>"),
        ("fsync(", "<ROOT/db/wal>"),
        ("fsync(", "<ROOT/db>"),
        ("mkdirat(", "<ROOT/db>, \"seg\", 0700)"),
        ("fsync(", "<ROOT/db/seg>"),
        ("flock(", "<ROOT/db/LOCK>, LOCK_UN)"),
        ("flock(", "<ROOT/db>, LOCK_UN)"),
    ];
    assert_eq!(calls.len(), expected.len(), "{calls:#?}");
    for (call, (name, on)) in calls.iter().zip(expected) {
        assert!(call.contains(&format!(" {name}")) && call.contains(on) && call.ends_with("= 0"), "{call} is not {on}");
    }
    assert!(!trace.contains("fallocate("), "preallocation writes; it does not reserve");
}

/// Makes a folder, files and names in it, and all of them durable.
#[test]
fn child_makes_everything_durable() {
    let Some((path, _)) = child::asked() else { return };
    let directory = Backend::file(path.join("db"), RootMode::CreateIfMissing).unwrap().directory;
    let _held = directory.lock("LOCK", entidb_storage::LockKind::Exclusive).unwrap();
    let wal = directory.open("wal", OpenMode::CreateNew).unwrap();
    wal.preallocate(0, 100_000).unwrap();
    wal.write_all_at(0, b"commit").unwrap();
    wal.start_writeback(0, 6).unwrap();
    wal.flush_data().unwrap();
    wal.flush_all().unwrap();
    directory.flush_names("").unwrap();
    directory.create_folder("seg").unwrap();
    directory.flush_names("seg").unwrap();
    // A handle for reading has nothing to flush.
    let reader = directory.open("wal", OpenMode::Read).unwrap();
    reader.flush_data().unwrap();
}

#[test]
fn no_file_of_ours_is_opened_through_a_link_or_left_to_a_started_program() {
    let Some(trace) = traced("child_makes_everything_durable", &["-e", "trace=openat"]) else { return };
    let under_root = |line: &&str| line.contains("<ROOT/db>, \"");
    let opened: Vec<&str> = trace.lines().filter(under_root).collect();
    assert!(opened.len() >= 4, "{trace}");
    for line in opened {
        assert!(line.contains("O_NOFOLLOW") && line.contains("O_CLOEXEC"), "{line}");
        assert!(line.contains("O_NONBLOCK") || line.contains("O_DIRECTORY"), "{line}");
    }
}

#[test]
fn a_failed_flush_is_told_and_no_later_one_is_believed() {
    let _trace = traced("child_meets_a_failed_flush", &["-e", "inject=fdatasync:error=EIO:when=1"]);
}

/// Its first `fdatasync` fails, and the system says yes to every later one.
#[test]
fn child_meets_a_failed_flush() {
    let Some((path, _)) = child::asked() else { return };
    let directory = Backend::file(path, RootMode::Existing).unwrap().directory;
    let wal = directory.open("wal", OpenMode::CreateNew).unwrap();
    wal.write_all_at(0, b"lost").unwrap();
    let failed = ErrorKind::Device { os_code: Some(5) };
    assert_eq!(wal.flush_data().unwrap_err().kind, failed);
    assert_eq!(wal.flush_data().unwrap_err().kind, failed, "the pages are gone; yes would be a lie");
    assert_eq!(wal.flush_all().unwrap_err().kind, failed);
    let mut found = [0; 4];
    wal.read_exact_at(0, &mut found).unwrap();
    // Another handle has lost nothing.
    directory.open("other", OpenMode::CreateNew).unwrap().flush_data().unwrap();
}

#[test]
fn a_device_that_is_full_at_the_flush_says_no_space() {
    let _trace = traced("child_is_full_at_the_flush", &["-e", "inject=fdatasync:error=ENOSPC:when=1"]);
    let _trace = traced("child_is_full_at_the_flush", &["-e", "inject=fdatasync:error=EDQUOT:when=1"]);
}

/// Its first `fdatasync` finds no room, as on a file system that allocates late.
#[test]
fn child_is_full_at_the_flush() {
    let Some((path, _)) = child::asked() else { return };
    let directory = Backend::file(path, RootMode::Existing).unwrap().directory;
    let wal = directory.open("wal", OpenMode::CreateNew).unwrap();
    wal.write_all_at(0, b"lost").unwrap();
    for _ in 0..2 {
        assert_eq!(wal.flush_data().unwrap_err().kind, ErrorKind::NoSpace);
    }
}

#[test]
fn a_failed_flush_of_names_is_told_and_no_later_one_is_believed() {
    let _trace = traced("child_meets_a_failed_flush_of_names", &["-e", "inject=fsync:error=EIO:when=1"]);
}

/// Its first `fsync` of a folder fails, and the system says yes to every later one.
#[test]
fn child_meets_a_failed_flush_of_names() {
    let Some((path, _)) = child::asked() else { return };
    let directory = Backend::file(path, RootMode::Existing).unwrap().directory;
    drop(directory.open("wal", OpenMode::CreateNew).unwrap());
    for _ in 0..2 {
        assert_eq!(directory.flush_names("").unwrap_err().kind, ErrorKind::Device { os_code: Some(5) });
    }
}

#[test]
fn a_root_whose_name_cannot_be_made_durable_is_not_left_behind() {
    let _trace = traced("child_cannot_flush_its_parent", &["-e", "inject=fsync:error=EIO:when=1"]);
}

/// The flush of the folder above its root fails.
#[test]
fn child_cannot_flush_its_parent() {
    let Some((path, _)) = child::asked() else { return };
    let error = Backend::file(path.join("db"), RootMode::CreateIfMissing).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Device { os_code: Some(5) });
    let above = Backend::file(&path, RootMode::ReadOnly).unwrap().directory;
    assert_eq!(above.list("").unwrap(), []);
    Backend::file(path.join("db"), RootMode::CreateIfMissing).unwrap();
}

#[test]
fn folders_above_a_root_that_cannot_be_made_durable_are_not_left_behind() {
    for flush in 1..=3 {
        let inject = format!("inject=fsync:error=EIO:when={flush}");
        let _trace = traced("child_cannot_flush_the_folders_above", &["-e", &inject]);
    }
}

/// One of the flushes of the folders above its root fails.
#[test]
fn child_cannot_flush_the_folders_above() {
    let Some((path, _)) = child::asked() else { return };
    let place = path.join("x/y/db");
    let error = Backend::file(&place, RootMode::CreateIfMissing).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let error = Backend::file(&place, RootMode::CreateWithParents).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Device { os_code: Some(5) });
    let above = Backend::file(&path, RootMode::ReadOnly).unwrap().directory;
    assert_eq!(above.list("").unwrap(), []);
    Backend::file(&place, RootMode::CreateWithParents).unwrap();
    Backend::file(&place, RootMode::CreateWithParents).unwrap();
}

#[test]
fn signals_in_every_second_call_lose_nothing() {
    let calls = "pread64,pwrite64,pwritev,pwritev2";
    let inject = format!("inject={calls}:error=EINTR:when=1+2");
    let words = ["-P", "ROOT/a", "-e", &format!("trace={calls}"), "-e", &inject];
    let Some(trace) = traced("child_reads_and_writes", &words) else { return };
    assert!(trace.matches("EINTR").count() >= 4, "{trace}");
}

/// Reads and writes as if nothing had happened.
#[test]
fn child_reads_and_writes() {
    let Some((path, _)) = child::asked() else { return };
    let directory = Backend::file(path, RootMode::Existing).unwrap().directory;
    let file = directory.open("a", OpenMode::CreateNew).unwrap();
    for turn in 0..4 {
        file.write_all_at(turn * 5, b"hello").unwrap();
    }
    assert_eq!(file.append(&[b"wor", b"", b"ld"]).unwrap(), 20);
    assert_eq!(file.append(&[b"!", b"?"]).unwrap(), 25);
    file.preallocate(27, 70_000).unwrap();
    for turn in 0..4 {
        let mut found = [0; 5];
        file.read_exact_at(turn * 5, &mut found).unwrap();
        assert_eq!(&found, b"hello");
    }
    let mut found = [0; 9];
    file.read_exact_at(20, &mut found).unwrap();
    assert_eq!(&found, b"world!?\0\0");
}
