//! The lock of a folder, held by the operating system.
//!
//! Always: it dies with its holder, however the holder dies; it excludes a second handle in this process as it does
//! another process. It is held on the folder itself as well as on the file, so nobody gets in who removes or replaces the
//! file, or takes a lock of another name. The file's existence means nothing. An exclusive holder leaves its process
//! number in the file; a shared one writes nothing and creates nothing.
//! Does not know: what is protected.
//!
//! `flock` on Unix and the sharing mode of an open file on Windows, through the standard library. The record locks of
//! POSIX are avoided: they let go when *any* handle of the process on the file is closed, and do not exclude inside a
//! process. Some network file systems make the former of the latter, which is what the list of `held` is for. Linux keeps
//! locks on folders of network file systems to the machine; between machines the file is what is locked.
//!
//! `fork` without `exec` gives a child the same open file. The child cannot let go for its parent, and the parent's
//! letting go is not held up by the child; but when the parent is *killed*, the lock lasts until the child has ended
//! too, and nobody's number is told. Programs started in the ordinary way inherit nothing.

use std::fs::File;

use super::held::Listed;
use super::platform::{self, Root};
use crate::directory::{Lock, LockKind, OpenMode};
use crate::error::ErrorKind;
use crate::fork::Process;
use crate::name::Name;

/// A held lock.
#[derive(Debug)]
pub(super) struct SystemLock {
    file: File,
    /// The folder it is in, where folders are locked.
    folder: Option<File>,
    kind: LockKind,
    /// The process that took it. A child made by `fork` inherits the value, not the right to let go.
    taken_in: Process,
    /// Last, because fields are dropped in order: listed until both files are closed.
    _listed: Listed,
}

impl Lock for SystemLock {
    fn kind(&self) -> LockKind {
        self.kind
    }
}

/// What came of asking the platform for a lock.
#[derive(Debug)]
pub(super) enum Taken {
    /// The file that holds it.
    Held(File),
    /// Somebody else has it; with the file, if the holder's number may be read from it.
    Busy(Option<File>),
}

/// How often a lock file that was replaced under us is opened anew.
const TRIES: u32 = 16;

/// Takes the lock without waiting.
pub(super) fn take(root: &Root, name: Name<'_>, kind: LockKind) -> Result<SystemLock, ErrorKind> {
    let mut listed = Listed::new(kind);
    let folder = root.open_folder(name)?;
    if let Some(folder) = &folder {
        listed.add(Root::id_of(folder)?).map_err(held_here)?;
        if !Root::lock_folder(folder, kind)? {
            let file = root.open_file(name, OpenMode::Read).ok();
            return Err(ErrorKind::Locked { holder_pid: file.as_ref().and_then(holder) });
        }
    }
    for _ in 0..TRIES {
        // Before it is opened: closing it again could let go for another handle of this process.
        listed.add(root.id_of_name(name)?).map_err(held_here)?;
        let file = match root.lock_file(name, kind)? {
            Taken::Held(file) => file,
            Taken::Busy(file) => {
                let holder_pid = file.as_ref().and_then(holder);
                return Err(ErrorKind::Locked { holder_pid });
            }
        };
        // Somebody may have removed or replaced the file between our opening and our locking it. Then we hold a
        // lock nobody else will ever meet.
        if root.is_same_file(name, &file)? {
            listed.add(Root::id_of(&file)?).map_err(held_here)?;
            let lock = SystemLock { file, folder, kind, taken_in: Process::current(), _listed: listed };
            if kind == LockKind::Exclusive {
                lock.leave_number();
            }
            return Ok(lock);
        }
    }
    Err(ErrorKind::Locked { holder_pid: None })
}

/// Another handle of this process has it; a shared one tells no number.
fn held_here(exclusively: bool) -> ErrorKind {
    ErrorKind::Locked { holder_pid: exclusively.then(std::process::id) }
}

impl SystemLock {
    /// Writes our number into the file. The number only helps a message, and a full disk must not keep anyone from
    /// opening a database to make room in it, so a failure costs the number and not the lock.
    fn leave_number(&self) {
        let text = format!("{:<11}\n", std::process::id());
        if write_start(&self.file, text.as_bytes()).is_err() {
            let _number_lost = self.file.set_len(0);
        }
    }
}

impl Drop for SystemLock {
    fn drop(&mut self) {
        // A forked child shares the lock with its parent: letting go in the child would let go for the parent too.
        // Closing without letting go leaves the parent's lock alone.
        if !self.taken_in.is_current() {
            return;
        }
        if self.kind == LockKind::Exclusive {
            let _number_stays = self.file.set_len(0);
        }
        // Said outright, because a child made by `fork` may keep the files open beyond our own closing of them. The
        // folder last: its holder finds the file free.
        let _closing_lets_go_too = self.file.unlock();
        if let Some(folder) = &self.folder {
            let _closing_lets_go_too = folder.unlock();
        }
    }
}

/// The process the last exclusive holder named, while it runs. A killed holder leaves its number behind.
fn holder(file: &File) -> Option<u32> {
    let mut bytes = [0_u8; 16];
    let count = read_start(file, &mut bytes).ok()?;
    let text = std::str::from_utf8(bytes.get(..count)?).ok()?;
    let number = text.trim_end().parse().ok()?;
    platform::is_running(number).then_some(number)
}

#[cfg(unix)]
fn write_start(file: &File, bytes: &[u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(unix)]
fn read_start(file: &File, bytes: &mut [u8]) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, 0)
}

#[cfg(windows)]
fn write_start(file: &File, bytes: &[u8]) -> std::io::Result<()> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, 0).map(|_| ())
}

#[cfg(windows)]
fn read_start(file: &File, bytes: &mut [u8]) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, 0)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::error::Operation;

    const EXCLUSIVE: LockKind = LockKind::Exclusive;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> (Self, Root) {
            let path = std::env::temp_dir().join(format!("entidb-lock-{name}-{}", std::process::id()));
            Root::make(&path).unwrap();
            let root = Root::open(&path).unwrap();
            (Self(path), root)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let root = Root::open(Path::new(&self.0)).unwrap();
            root.remove(name()).unwrap();
            Root::unmake(&self.0).unwrap();
        }
    }

    fn name() -> Name<'static> {
        Name::parse(Operation::Lock, "LOCK").unwrap()
    }

    #[test]
    fn a_child_that_inherited_the_open_files_does_not_hold_up_its_parent() {
        let (_place, root) = Place::new("inherits");
        let parent = take(&root, name(), EXCLUSIVE).unwrap();
        // As its standard input and output: the handles a started program gets on purpose.
        let inherited = |file: &File| Stdio::from(file.try_clone().unwrap());
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(inherited(&parent.file))
            .stdout(inherited(parent.folder.as_ref().unwrap()))
            .spawn()
            .unwrap();
        drop(parent);
        let after = take(&root, name(), EXCLUSIVE).map(|_| ());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(after, Ok(()));
    }

    #[test]
    fn who_removes_or_replaces_the_lock_file_does_not_get_in() {
        let (_place, root) = Place::new("replaced");
        let first = take(&root, name(), EXCLUSIVE).unwrap();
        root.remove(name()).unwrap();
        assert!(!root.is_same_file(name(), &first.file).unwrap(), "a removed file has no name");
        let here = ErrorKind::Locked { holder_pid: Some(std::process::id()) };
        assert_eq!(take(&root, name(), EXCLUSIVE).unwrap_err(), here);
        assert!(root.id_of_name(name()).unwrap().is_none(), "a refused lock makes no file");
        drop(root.open_file(name(), OpenMode::CreateNew).unwrap());
        assert!(!root.is_same_file(name(), &first.file).unwrap(), "the name is another file's");
        assert_eq!(take(&root, name(), EXCLUSIVE).unwrap_err(), here);
        drop(first);
        let second = take(&root, name(), EXCLUSIVE).unwrap();
        assert!(root.is_same_file(name(), &second.file).unwrap());
    }
}
