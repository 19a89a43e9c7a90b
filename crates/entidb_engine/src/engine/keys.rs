//! Changing the keys of an open database.
//!
//! Always: the data stays as it is; only who can unlock it changes, or which data key new files get.
//! Does not know: how the keyring is written (`crypto`).

use std::collections::BTreeSet;

use entidb_storage::OpenMode;

use crate::crypto::KeySlot;
use crate::engine::{Engine, Shared};
use crate::error::{Error, Result};
use crate::format::{FILE_HEADER_BYTES, FileHeader, FileKind, FileNumber};
use crate::options::KeySource;
use crate::space::no_space;

impl Engine {
    /// The keys and passwords that open the database, in the order of their slots.
    ///
    /// # Errors
    /// `NotEncrypted`, `Closed`.
    pub fn keys(&self) -> Result<Vec<KeySlot>> {
        self.shared.check_open()?;
        let keyring = self.shared.keyring.lock();
        Ok(keyring.as_ref().ok_or(Error::NotEncrypted)?.describe())
    }

    /// Replaces one key or password by another. No data is rewritten; a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// `WrongKey` when `old` opens nothing; `InvalidArgument` when `new` is another one that opens it; `NotEncrypted`, `ReadOnly`,
    /// `Closed`; a failure of the storage. The keys are as before then, but for `KeyringHalfWritten`.
    pub fn change_key(&self, old: &KeySource, new: &KeySource) -> Result<()> {
        self.with_keyring(|keyring| keyring.change_key(old, new, self.shared.options.kdf))
    }

    /// Adds a key or password beside those there are, at most eight in all.
    ///
    /// # Errors
    /// As [`change_key`](Engine::change_key); `InvalidArgument` when `new` opens it, `TooMany` when all places are taken.
    pub fn add_key(&self, existing: &KeySource, new: &KeySource) -> Result<()> {
        self.with_keyring(|keyring| keyring.add_slot(existing, new, self.shared.options.kdf))
    }

    /// Takes a key or password away; the last one stays.
    ///
    /// # Errors
    /// As [`change_key`](Engine::change_key); `InvalidArgument` for the last one.
    pub fn remove_key(&self, key: &KeySource) -> Result<()> {
        self.with_keyring(|keyring| keyring.remove_slot(key))
    }

    /// Makes a new data key for every file made from here on. Files that are there keep theirs until compaction
    /// rewrites them. A call after one that found no room for the log to go on under the new key goes on where that ended.
    ///
    /// # Errors
    /// As [`change_key`](Engine::change_key); `NoRoom` when nothing was done; `Storage` with `NoSpace` when the key is made, and
    /// the newest commits go on under the old one.
    pub fn rotate_key(&self) -> Result<()> {
        let shared = &self.shared;
        let log = shared.log()?;
        self.with_keyring(|keyring| {
            if !log.has_room_anew(&|| shared.unflushed_bytes()) {
                return Err(shared.refused(false, no_space(FileKind::Wal.folder())));
            }
            if log.is_under_newest_key() {
                let rotated = keyring.rotate();
                shared.keys.replace(keyring.data_keys());
                rotated.map(drop)
            } else {
                keyring.repair().map(drop)
            }
        })?;
        // The newest commits go on under the new key at once.
        log.rotate(&|| shared.unflushed_bytes())
    }

    /// Makes a new data key, rewrites the whole database under it and erases the older ones, as after a key was seen by
    /// someone who should not have. False when an iterator or a backup still reads old files: then they and their keys
    /// stay, and calling this again after it is gone finishes the work. A crash at any point leaves all keys in use.
    ///
    /// # Errors
    /// As [`rotate_key`](Engine::rotate_key) and [`compact`](Engine::compact).
    pub fn rekey(&self) -> Result<bool> {
        self.rotate_key()?;
        self.compact()?;
        self.shared.forget_unused_keys()
    }

    fn with_keyring(&self, act: impl FnOnce(&mut crate::crypto::Keyring) -> Result<()>) -> Result<()> {
        self.shared.check_open()?;
        let log = self.shared.log()?;
        log.check()?;
        log.check_owner()?;
        let mut keyring = self.shared.keyring.lock();
        // Closed meanwhile, the folder may be somebody else's.
        self.shared.check_open()?;
        act(keyring.as_mut().ok_or(Error::NotEncrypted)?)
    }
}

impl Shared {
    /// Erases the data keys that no file is under; false when an old file may still be read.
    fn forget_unused_keys(&self) -> Result<bool> {
        let done = self.forget_under_locks();
        self.remove_unneeded();
        done
    }

    fn forget_under_locks(&self) -> Result<bool> {
        // What is being made may be under an old key: it is given up and begins anew under the new one, and a large
        // transaction is waited for.
        let mut merging = self.merging.lock();
        merging.restart();
        let _ingesting = self.ingesting.lock();
        let mut flushing = self.flushing.lock();
        drop(flushing.take());
        self.check_open()?;
        self.remove_obsolete();
        if self.files_waiting().files > 0 {
            return Ok(false);
        }
        let log = self.log()?;
        let mut installer = self.installer.lock();
        let installer = installer.as_mut().ok_or(Error::Closed)?;
        // From here on the newest key stays the newest: the manifest and ROOT are put under it, and are not looked at below.
        let mut keyring = self.keyring.lock();
        let keyring = keyring.as_mut().ok_or(Error::NotEncrypted)?;
        let wals = log.files_after(installer.floor());
        let context = self.install_context(log);
        let version = std::sync::Arc::clone(&self.current.load().version);
        // Twice, because each of the two slots of ROOT has a key of its own.
        for _ in 0..2 {
            let rewritten = installer.rewrite_now(&context, &version, wals.clone());
            rewritten.map_err(|error| self.judge_failure(error))?;
        }
        // Log files that are not listed any more may be under a key that goes now: no later list must name them.
        let mut unneeded = self.unneeded.lock();
        unneeded.extend(installer.take_unneeded());
        unneeded.extend(log.forget(installer.floor(), &wals).into_iter().map(|number| (FileKind::Wal, number)));
        drop(unneeded);
        // All of them: behind a file whose end is not flushed yet the list names none; and one that is listed may have ended
        // meanwhile with no commit behind the floor.
        let listed = wals.iter().map(|wal| wal.number);
        let logs: BTreeSet<FileNumber> = log.numbers_after(installer.floor()).into_iter().chain(listed).collect();
        let logs = logs.into_iter().map(|number| (FileKind::Wal, number));
        let mut used = Vec::new();
        let segments = version.segments().map(|segment| (FileKind::Segment, segment.meta().number));
        for (kind, number) in segments.chain(logs) {
            used.push(self.generation_of(kind, number)?);
        }
        keyring.forget_unused(&used)?;
        self.keys.replace(keyring.data_keys());
        Ok(used.iter().all(|generation| *generation == self.keys.generation()))
    }

    /// The generation of the data key a file is under.
    fn generation_of(&self, kind: FileKind, number: FileNumber) -> Result<u32> {
        let path = kind.path(number);
        let mut bytes = [0; FILE_HEADER_BYTES];
        self.backend.directory.open(&path, OpenMode::Read)?.read_exact_at(0, &mut bytes)?;
        let header = FileHeader::decode(&path, &bytes)?;
        header.expect(kind, number, self.keys.database_id())?;
        Ok(header.key_generation)
    }
}
