//! A consistent copy of a database while it is in use.
//!
//! Always: the copy is the state after one commit, complete and closed in order, under the keys it was copied with. The folder is
//! marked before its first file and ROOT is written last, so a copy that was cut short is refused by that mark; what is reported as
//! made was read back and checked; what failed leaves nothing in the target. Segments are copied as they are, encrypted ones stay
//! encrypted; of a database that is open for reading only every file is, except those that hold two copies of one content, ROOT and
//! KEYRING, which are written whole.
//! Does not know: where the copy goes; the caller gives a backend.

use std::path::Path;
use std::sync::Arc;

use entidb_storage::{Backend, Error as StorageError, ErrorKind, LockKind, OpenMode, Operation};

use crate::crypto::{Keyring, Keys, newest_copy};
use crate::engine::recover::{segment_context, version_of};
use crate::engine::{LOCK, Shared};
use crate::error::{Damage, Error, Result};
use crate::format::{FileKind, FileNumber, KEYRING_FILE, ManifestRecordKind, ROOT_SLOT_BYTES, Root, Sequence};
use crate::interrupt;
use crate::open_files::SparingDirectory;
use crate::planted::{Mistake, makes};
use crate::segment::Segment;
use crate::verify::VerifyLevel;
use crate::version::{
    FOLDERS, FileNumbers, InstallContext, Owner, UNFINISHED, Version, create_folders, list_files, number_of,
    read_manifest, read_root_file, write_closed, write_root,
};

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// What a backup copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// The last commit in the copy.
    pub sequence: Sequence,
    /// Files copied.
    pub files: u64,
    /// Bytes copied.
    pub bytes: u64,
}

pub(crate) fn backup(shared: &Shared, target: &Backend) -> Result<BackupReport> {
    let target = &SparingDirectory::over(target, &shared.current.load().version.context().open_files);
    let had_lock = check_empty(target, &[LOCK])?;
    // Before the lock, whose file alone would be that of a new database.
    mark(target, OpenMode::CreateNew)?;
    let lock = match target.directory.lock(LOCK, LockKind::Exclusive) {
        Ok(lock) => lock,
        Err(error) => {
            let _ = target.directory.remove(UNFINISHED);
            return Err(error.into());
        }
    };
    // Once more, because somebody else may have come first: what is there then is theirs.
    let checked = check_empty(target, &[LOCK, UNFINISHED]);
    let is_ours = checked.is_ok();
    let mut is_marked = true;
    let made = checked.and_then(|_| copy(shared, target)).and_then(|report| {
        remove_mark(target)?;
        is_marked = false;
        target.directory.flush_names("")?;
        Ok(report)
    });
    if made.is_ok() || makes(Mistake::BackupLeavesRest) {
        return made;
    }
    if !is_marked && mark(target, OpenMode::CreateOrOpen).is_err() {
        // What is there is complete, and a part of it must not be left without the mark.
        return made;
    }
    if is_ours {
        leave_nothing(target);
    }
    if !had_lock && target.directory.remove(LOCK).is_err() {
        // Where a file that is locked cannot be removed.
        drop(lock);
        let _ = target.directory.remove(LOCK);
    }
    // What could not be removed is still the rest of a copy.
    if !is_ours || check_empty(target, &[LOCK, UNFINISHED]).is_ok() {
        let _ = remove_mark(target);
    }
    let _ = target.directory.flush_names("");
    made
}

/// Marks the folder as that of a copy that is not finished, which nobody takes for a database or for an empty folder.
fn mark(target: &Backend, mode: OpenMode) -> Result<()> {
    if makes(Mistake::BackupUnmarked) {
        return Ok(());
    }
    let file = match target.directory.open(UNFINISHED, mode) {
        // Another copy began here at the same moment.
        Err(error) if error.kind == ErrorKind::AlreadyExists => return Err(not_empty(target)),
        opened => opened?,
    };
    if makes(Mistake::BackupMarkNotFlushed) {
        return Ok(());
    }
    // Some systems keep a name only with its file.
    let settled = file.flush_all().and_then(|()| target.directory.flush_names(""));
    settled.map_err(|error| {
        let _ = target.directory.remove(UNFINISHED);
        error.into()
    })
}

fn remove_mark(target: &Backend) -> Result<()> {
    match target.directory.remove(UNFINISHED) {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        removed => Ok(removed?),
    }
}

fn copy(shared: &Shared, target: &Backend) -> Result<BackupReport> {
    if shared.log.is_none() {
        return copy_as_it_is(shared, target);
    }
    shared.checkpoint()?;
    // Held until the copy is done: as long as this view lives its files stay, and the data keys they are under.
    let (view, floor) = {
        let installer = shared.installer.lock();
        let floor = installer.as_ref().ok_or(Error::Closed)?.floor();
        (shared.current.load_full(), floor)
    };
    create_folders(target)?;
    let mut report = BackupReport { sequence: floor, files: 0, bytes: 0 };
    if makes(Mistake::BackupKeyringFirst) && shared.keys.is_encrypted() {
        report.note(copy_keyring(&shared.backend, target)?);
    }
    let open_files = Arc::clone(&view.version.context().open_files);
    let context = segment_context(target, &shared.keys, 0, open_files);
    for segment in view.version.segments() {
        shared.check_open()?;
        report.note(copy_file(&shared.backend, target, &segment.path(), Some(segment.meta().bytes))?);
        if !makes(Mistake::BackupNotVerified) {
            // At once, while the system still has the bytes in memory.
            let copied = Segment::new(segment.meta().clone(), Arc::clone(&context));
            copied.check_units().map_err(|error| blame(target, segment, error))?;
        }
    }
    target.directory.flush_names(FileKind::Segment.folder())?;
    // From here on the keys stay as they are: what says which segments there are is sealed under the newest data key,
    // which must be one that the copied keyring has.
    let keyring = shared.keyring.lock();
    if keyring.is_some() && !makes(Mistake::BackupKeyringFirst) {
        report.note(copy_keyring(&shared.backend, target)?);
        target.directory.flush_names("")?;
    }
    if makes(Mistake::BackupMarkRemovedFirst) {
        remove_mark(target)?;
        target.directory.flush_names("")?;
    }
    let greatest = view.version.segments().map(|segment| segment.meta().number).max().unwrap_or_default();
    let numbers = FileNumbers::starting_at(FileNumber(greatest.0.saturating_add(1)));
    let (backend, keys, owner) = (target, shared.keys.as_ref(), Owner::NOBODY);
    let context = InstallContext { backend, keys, numbers: &numbers, owner, space: None };
    write_closed(&context, 1, &view.version, floor)?;
    if !makes(Mistake::BackupNotVerified) {
        check(target, keyring.as_ref(), &shared.keys, &view.version, floor).map_err(|error| bad_copy(target, error))?;
    }
    Ok(report)
}

/// Copies a database that is open for reading only, file by file: the lock of this handle keeps writers away, so the files stay
/// as they are, the log among them. ROOT is written anew, as of a copy that nobody has opened: a crash while both of its slots are
/// copied could leave the older one alone, which may name another manifest.
fn copy_as_it_is(shared: &Shared, target: &Backend) -> Result<BackupReport> {
    create_folders(target)?;
    let mut report = BackupReport { sequence: shared.last_found, files: 0, bytes: 0 };
    for kind in FOLDERS.into_iter().filter(|kind| *kind != FileKind::Temporary) {
        for entry in list_files(&shared.backend, kind)? {
            let Some(number) = number_of(&entry.name).filter(|_| !entry.is_folder) else { continue };
            shared.check_open()?;
            report.note(copy_and_compare(&shared.backend, target, &kind.path(number))?);
        }
        target.directory.flush_names(kind.folder())?;
    }
    if shared.keys.is_encrypted() {
        report.note(copy_keyring(&shared.backend, target)?);
        target.directory.flush_names("")?;
    }
    let (found, _) = read_root_file(&shared.backend)?.newest(&shared.keys)?;
    let root = Root { generation: 1, owner: Owner::NOBODY.stamp(), ..found };
    write_root(target, &shared.keys, &root, true, None)?;
    report.note(ROOT_SLOT_BYTES.saturating_mul(2));
    let (copied, _) = read_root_file(target)?.newest(&shared.keys).map_err(|error| bad_copy(target, error))?;
    if copied != root {
        let path = FileKind::Root.path(FileNumber(0));
        return Err(bad_copy(target, Error::damaged(path, 0, "it does not say what was written")));
    }
    Ok(report)
}

/// Copies the copy of KEYRING that counts to both places, and reads it back. Returns the bytes.
fn copy_keyring(from: &Backend, to: &Backend) -> Result<u64> {
    let bytes = newest_copy(from.directory.as_ref())?;
    let target = to.directory.open(KEYRING_FILE, OpenMode::CreateNew)?;
    for place in 0..2_u64 {
        target.write_all_at(place.saturating_mul(bytes.len() as u64), &bytes)?;
    }
    target.flush_all()?;
    if !makes(Mistake::BackupNotVerified)
        && newest_copy(to.directory.as_ref()).map_err(|error| bad_copy(to, error))? != bytes
    {
        return Err(bad_copy(to, Error::damaged(KEYRING_FILE, 0, "it differs from what was written")));
    }
    Ok(2 * bytes.len() as u64)
}

fn copy_and_compare(from: &Backend, to: &Backend, path: &str) -> Result<u64> {
    let copied = copy_file(from, to, path, None)?;
    let (source, target) = (from.directory.open(path, OpenMode::Read)?, to.directory.open(path, OpenMode::Read)?);
    let (mut wanted, mut found) = (vec![0; COPY_BYTES], vec![0; COPY_BYTES]);
    let mut offset = 0_u64;
    while offset < copied {
        interrupt::check()?;
        let left = usize::try_from(copied.saturating_sub(offset)).unwrap_or(usize::MAX).min(COPY_BYTES);
        let (Some(wanted), Some(found)) = (wanted.get_mut(..left), found.get_mut(..left)) else { break };
        source.read_exact_at(offset, wanted)?;
        target.read_exact_at(offset, found)?;
        if wanted != found {
            let path = Path::new(to.directory.location()).join(path).to_string_lossy().into_owned();
            return Err(Error::BadCopy { path, detail: format!("it differs after byte {offset}") });
        }
        offset = offset.saturating_add(left as u64);
    }
    Ok(copied)
}

impl BackupReport {
    fn note(&mut self, bytes: u64) {
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Refuses a folder that holds anything but these files; true when it has one of them.
fn check_empty(target: &Backend, but: &[&str]) -> Result<bool> {
    let entries = target.directory.list("")?;
    if entries.iter().any(|entry| !but.contains(&entry.name.as_str())) {
        return Err(not_empty(target));
    }
    Ok(!entries.is_empty())
}

fn not_empty(target: &Backend) -> Error {
    StorageError::new(Operation::OpenRoot, target.directory.location(), ErrorKind::FolderNotEmpty).into()
}

/// Copies a file and flushes it. Its length is checked where it is known.
fn copy_file(from: &Backend, to: &Backend, path: &str, len: Option<u64>) -> Result<u64> {
    let source = from.directory.open(path, OpenMode::Read).map_err(|error| match error.kind {
        ErrorKind::NotFound => Error::Corrupt {
            damage: Damage::Missing,
            file: path.to_owned(),
            offset: 0,
            detail: "the database lists it".to_owned(),
        },
        _ => error.into(),
    })?;
    let found = source.len()?;
    if let Some(len) = len
        && len != found
    {
        return Err(Error::damaged(path, found, format!("it has {found} bytes, the manifest says {len}")));
    }
    let target = to.directory.open(path, OpenMode::CreateNew)?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0_u64;
    while offset < found {
        interrupt::check()?;
        let left = usize::try_from(found.saturating_sub(offset)).unwrap_or(usize::MAX).min(COPY_BYTES);
        let Some(part) = buffer.get_mut(..left) else { break };
        source.read_exact_at(offset, part)?;
        target.write_all_at(offset, part)?;
        offset = offset.saturating_add(left as u64);
    }
    target.flush_all()?;
    Ok(found)
}

/// Opens the copy as its first user will, with the keys its own keyring gives, and compares what it says with what was
/// copied. The blocks of the segments were checked when they were copied.
fn check(
    target: &Backend,
    keyring: Option<&Keyring>,
    keys: &Arc<Keys>,
    version: &Version,
    floor: Sequence,
) -> Result<()> {
    let keys = match keyring {
        Some(keyring) => Arc::new(keyring.keys_of_copy(target.directory.as_ref())?),
        None => Arc::clone(keys),
    };
    let (root, _) = read_root_file(target)?.newest(&keys)?;
    let manifest = read_manifest(target, &keys, root.manifest, root.manifest_len)?;
    let context = segment_context(target, &keys, 0, Arc::clone(&version.context().open_files));
    let copied = version_of(context, &manifest, root.manifest)?;
    let closed = manifest.records.last().is_some_and(|(kind, record)| {
        *kind == ManifestRecordKind::Closed && record.floor == floor && record.wals.is_empty()
    });
    if !closed || copied.snapshot() != version.snapshot() {
        let path = FileKind::Manifest.path(root.manifest);
        return Err(Error::damaged(path, 0, "it does not list what was copied"));
    }
    copied.segments().try_for_each(|segment| match segment.verify(VerifyLevel::Quick)?.problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(()),
    })
}

/// What is wrong with the copy of a segment is wrong with the segment, or else the target gives back other bytes than it
/// was given.
fn blame(target: &Backend, segment: &Segment, error: Error) -> Error {
    match segment.check_units() {
        Ok(()) => bad_copy(target, error),
        Err(source) => source,
    }
}

fn bad_copy(target: &Backend, error: Error) -> Error {
    match error {
        Error::Corrupt { file, offset, detail, .. } => {
            let path = Path::new(target.directory.location()).join(file).to_string_lossy().into_owned();
            Error::BadCopy { path, detail: format!("at byte {offset}: {detail}") }
        }
        other => other,
    }
}

/// Removes what a backup that failed has made, ROOT first: what is left of it, should this fail too, is no database.
fn leave_nothing(target: &Backend) {
    let directory = &target.directory;
    let _ = directory.remove("ROOT");
    for kind in FOLDERS {
        for entry in list_files(target, kind).unwrap_or_default() {
            if number_of(&entry.name).is_none() {
                continue;
            }
            let _ = directory.remove(&format!("{}/{}", kind.folder(), entry.name));
        }
        let _ = directory.remove_folder(kind.folder());
    }
    let _ = directory.remove(KEYRING_FILE);
}
