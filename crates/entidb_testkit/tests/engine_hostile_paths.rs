//! Layer 21 on the real file system: pipes, devices, folders and links where files should be. None is waited for,
//! none is followed, and the error says what was found.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the traps are set with the operating system's own means"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use entidb_engine::{AesGcmProvider, Engine, Error, Options};
use entidb_storage::{Backend, ErrorKind, RootMode};
use entidb_testkit::sample::{self, Content, Flavour, read_all};

/// A folder of its own that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("entidb-hostile-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn options(read_only: bool) -> Options {
    Options { read_only, ..sample::options(Flavour::Encrypted, Arc::new(AesGcmProvider)) }
}

/// Opens and reads, in a thread of its own so that one that waits is noticed.
fn open(path: &Path, read_only: bool, what: &str) -> Result<Content, Error> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    std::thread::spawn(move || {
        let mode = if read_only { RootMode::ReadOnly } else { RootMode::CreateIfMissing };
        let opened = Backend::file(&path, mode).map_err(Error::from).and_then(|backend| {
            let engine = Engine::open(backend, options(read_only))?;
            read_all(&engine, &Content::new())
        });
        let _ = sender.send(opened);
    });
    receiver.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("{what}: it waits"))
}

fn make_database(path: &Path) -> Content {
    let engine = Engine::open(Backend::file(path, RootMode::CreateIfMissing).unwrap(), options(false)).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"ekey", b"value").unwrap();
    transaction.commit().unwrap();
    engine.checkpoint().unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"skey", b"value").unwrap();
    transaction.commit().unwrap();
    let content = read_all(&engine, &Content::new()).unwrap();
    engine.close().unwrap();
    content
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The files of a database, relative to it.
fn files(path: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            for inner in std::fs::read_dir(entry.path()).unwrap() {
                files.push(format!("{name}/{}", inner.unwrap().file_name().into_string().unwrap()));
            }
        } else {
            files.push(name);
        }
    }
    files.sort();
    files
}

#[test]
fn no_pipe_folder_link_or_device_passes_for_a_file_of_a_database() {
    let outside = Folder::new("outside");
    for trap in ["pipe", "folder", "link", "device"] {
        let model = Folder::new(&format!("model-{trap}"));
        let content = make_database(&model.0);
        assert_eq!(open(&model.0, true, "unharmed").unwrap(), content);
        let names: Vec<String> = files(&model.0).into_iter().filter(|name| name != "LOCK").collect();
        assert!(names.len() >= 5, "{names:?}");
        for name in names {
            let path = model.0.join(&name);
            let aside = outside.0.join("aside");
            std::fs::rename(&path, &aside).unwrap();
            match trap {
                "pipe" => make_pipe(&path),
                "folder" => std::fs::create_dir(&path).unwrap(),
                "link" => std::os::unix::fs::symlink(&aside, &path).unwrap(),
                _ => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            }
            let what = format!("{name} is a {trap}");
            let error = open(&model.0, true, &what).expect_err(&what);
            match error {
                Error::Storage(error) => {
                    let right = matches!(error.kind, ErrorKind::NotARegularFile | ErrorKind::IsAFolder);
                    assert!(right, "{what}: {error}");
                }
                // A folder is no file of that name, so the file is missing.
                Error::Corrupt { file, .. } => assert_eq!(file, name, "{what}"),
                other => panic!("{what}: {other:?}"),
            }
            if trap == "folder" { std::fs::remove_dir(&path) } else { std::fs::remove_file(&path) }.unwrap();
            std::fs::rename(&aside, &path).unwrap();
        }
        assert_eq!(open(&model.0, false, "put back").unwrap(), content);
    }
}

#[test]
fn a_path_that_is_no_folder_is_refused() {
    let folder = Folder::new("paths");
    let (file, pipe) = (folder.0.join("file"), folder.0.join("pipe"));
    std::fs::write(&file, b"text").unwrap();
    make_pipe(&pipe);
    for path in [file.as_path(), pipe.as_path(), Path::new("/dev/null"), Path::new("/dev/zero")] {
        for read_only in [false, true] {
            let what = format!("{} read only {read_only}", path.display());
            match open(path, read_only, &what) {
                Err(Error::Storage(error)) => assert_eq!(error.kind, ErrorKind::NotAFolder, "{what}"),
                other => panic!("{what}: {other:?}"),
            }
        }
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"text");
}
