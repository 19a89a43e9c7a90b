//! Switches the database from one set of files to the next.
//!
//! Always: the switch is one record in the manifest, or one slot of ROOT when the manifest is new; both are on stable
//! storage before the old files may go. A switch whose write failed leaves it open which manifest the next open reads:
//! the one before, or the new one. Both say what was true before the switch or after it, and every file either of them
//! names stays; neither is appended to again, and the next switch goes to a fresh manifest and to the same slot of ROOT,
//! because the other slot is the one that is certain.
//! A session that was replaced records nothing.
//! Does not know: who made the new files, or who still reads the old ones.

use entidb_storage::{Backend, ErrorKind, Operation};

use crate::crypto::Keys;
use crate::error::{Error, Result};
use crate::format::{FileKind, FileNumber, ManifestRecord, ManifestRecordKind, Root, Sequence};
use crate::planted::{Mistake, makes};
use crate::space::Space;
use crate::space::is_no_space;
use crate::version::{FileNumbers, ManifestWriter, Owner, Version, VersionEdit, WalRef, write_root};

/// The files a session's switches are recorded with.
pub(crate) struct InstallContext<'a> {
    pub(crate) backend: &'a Backend,
    pub(crate) keys: &'a Keys,
    pub(crate) numbers: &'a FileNumbers,
    pub(crate) owner: Owner,
    /// Gives room for writes that need some although their file has it. None for a copy.
    pub(crate) space: Option<&'a Space>,
}

impl InstallContext<'_> {
    /// Refuses a change when the database is not this session's any more.
    fn check_owner(&self) -> Result<()> {
        self.owner.check(self.backend, self.keys)
    }

    fn write_root(&self, root: &Root, flush_name: bool) -> Result<()> {
        write_root(self.backend, self.keys, root, flush_name, self.space)
    }

    fn root(&self, generation: u64, manifest: FileNumber, manifest_len: Option<u64>) -> Root {
        Root { generation, manifest, owner: self.owner.stamp(), manifest_len }
    }
}

/// One switch.
pub(crate) struct Switch<'a> {
    /// The segments after the switch.
    pub(crate) version: &'a Version,
    /// How they differ from those before.
    pub(crate) edit: &'a VersionEdit,
    /// Every commit up to here is in segments.
    pub(crate) floor: Sequence,
    /// The files of the log.
    pub(crate) wals: Vec<WalRef>,
}

/// The manifest and ROOT of a session.
pub(crate) struct Installer {
    writer: ManifestWriter,
    /// The generation of the next slot of ROOT. Beyond every one that was ever begun to be written.
    next_root: u64,
    record_generation: u64,
    floor: Sequence,
    /// True when the manifest may end in a record that failed, or ROOT may name another one.
    broken: bool,
    /// The highest floor of records that failed and may be on stable storage all the same. A log commit up to it would be
    /// taken for one that is in segments.
    doubtful_floor: Sequence,
    /// Manifests that ROOT may name after failed writes of it.
    perhaps_named: Vec<FileNumber>,
    /// Segments of switches that failed and may be on stable storage all the same: a manifest that may come back after a
    /// crash can name them, so they stay until a later switch has put that manifest out of use.
    stranded: Vec<FileNumber>,
    /// Files that no manifest names any more, to be removed by who holds no lock.
    unneeded: Vec<(FileKind, FileNumber)>,
}

/// Why a switch was not recorded, and whether its record may be there all the same.
struct Failed {
    error: Error,
    may_be_there: bool,
}

/// True for a write that found no room. The record it was to write is not there, or only a part of it.
fn wrote_too_little(error: &Error) -> bool {
    matches!(error, Error::Storage(inner) if inner.kind == ErrorKind::NoSpace && inner.operation == Operation::Write)
        && !makes(Mistake::UnwrittenRecordDoubted)
}

impl Installer {
    /// Begins a session: a fresh manifest, and ROOT pointing at it. The caller removes what is no longer named.
    pub(crate) fn begin(
        context: &InstallContext<'_>,
        root_generation: u64,
        record_generation: u64,
        switch: Switch<'_>,
    ) -> Result<Self> {
        let floor = switch.floor;
        let record_generation = record_generation.saturating_add(1);
        let writer = create_manifest(context, record_generation, switch)?;
        let root_generation = root_generation.saturating_add(1);
        let root = context.root(root_generation, writer.number(), None);
        // Where there was a ROOT before, its name is settled.
        context.write_root(&root, root_generation == 1)?;
        Ok(Self {
            writer,
            next_root: root_generation.saturating_add(1),
            record_generation,
            floor,
            broken: false,
            doubtful_floor: Sequence::ZERO,
            perhaps_named: Vec::new(),
            stranded: Vec::new(),
            unneeded: Vec::new(),
        })
    }

    pub(crate) fn manifest_number(&self) -> FileNumber {
        self.writer.number()
    }

    /// Where the last record of the manifest ends.
    pub(crate) fn manifest_len(&self) -> u64 {
        self.writer.len()
    }

    /// True when the next record may need room of the disk.
    pub(crate) fn wants_tail(&self) -> bool {
        self.broken || self.writer.wants_tail()
    }

    /// True when the manifest may end in a record that failed, or ROOT may name another one.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Every commit up to here is in segments.
    pub(crate) fn floor(&self) -> Sequence {
        self.floor
    }

    /// Files to remove that nothing names any more. Giving back the space of a large one may take long, so the caller does
    /// it without the lock of the installer; left behind they are orphans, which the next open removes.
    pub(crate) fn take_unneeded(&mut self) -> Vec<(FileKind, FileNumber)> {
        std::mem::take(&mut self.unneeded)
    }

    /// Records a switch; when this returns it has happened.
    pub(crate) fn install(&mut self, context: &InstallContext<'_>, switch: Switch<'_>) -> Result<()> {
        context.check_owner()?;
        let floor = switch.floor;
        self.record_generation = self.record_generation.saturating_add(1);
        // A segment that only moves is listed before and after, and is never stranded.
        let added: Vec<FileNumber> = switch.edit.fresh().collect();
        // One that is tried again lists what it stranded before.
        let stranded_before = self.may_name(&added);
        self.stranded.retain(|number| !added.contains(number));
        if let Err(failed) = self.record(context, switch) {
            if stranded_before || failed.may_be_there {
                self.stranded.extend(added);
                self.doubtful_floor = self.doubtful_floor.max(floor);
            }
            return Err(failed.error);
        }
        self.floor = floor;
        Ok(())
    }

    /// True when a manifest that may come back after a crash can name one of these segments, of a switch that failed.
    pub(crate) fn may_name(&self, segments: &[FileNumber]) -> bool {
        segments.iter().any(|number| self.stranded.contains(number))
    }

    /// True when a manifest that may come back after a crash can say that this commit is in segments, by a switch that failed.
    /// Such a switch may add no segment at all: the result of its commit can be nothing.
    pub(crate) fn may_have_floor(&self, sequence: Sequence) -> bool {
        self.doubtful_floor >= sequence
    }

    fn record(&mut self, context: &InstallContext<'_>, switch: Switch<'_>) -> std::result::Result<(), Failed> {
        if self.broken {
            return self.rewrite(context, switch);
        }
        if self.writer.wants_rewrite() {
            let Switch { version, edit, floor, .. } = switch;
            match self.create(context, Switch { version, edit, floor, wals: switch.wals.clone() }) {
                Ok(fresh) => return self.go_on_in(context, fresh),
                // The manifest stays as long as it is, and has room for the record.
                Err(failed) if is_no_space(&failed.error) => {}
                Err(failed) => return Err(failed),
            }
        }
        let record = record_of(context, self.record_generation, switch.edit, switch.floor, switch.wals);
        self.broken = true;
        if let Err(error) = self.writer.append(ManifestRecordKind::Edit, &record, context.space) {
            return Err(Failed { may_be_there: !wrote_too_little(&error), error });
        }
        self.broken = false;
        Ok(())
    }

    /// Goes on in a fresh manifest that says the same.
    pub(crate) fn rewrite_now(
        &mut self,
        context: &InstallContext<'_>,
        version: &Version,
        wals: Vec<WalRef>,
    ) -> Result<()> {
        context.check_owner()?;
        self.record_generation = self.record_generation.saturating_add(1);
        let none = VersionEdit::default();
        let switch = Switch { version, edit: &none, floor: self.floor, wals };
        self.rewrite(context, switch).map_err(|failed| failed.error)
    }

    /// Ends the session in order: `wals` have all ended.
    pub(crate) fn close(&mut self, context: &InstallContext<'_>, version: &Version, wals: Vec<WalRef>) -> Result<()> {
        self.record_generation = self.record_generation.saturating_add(1);
        let none = VersionEdit::default();
        if self.broken {
            let switch = Switch { version, edit: &none, floor: self.floor, wals: wals.clone() };
            self.rewrite(context, switch).map_err(|failed| failed.error)?;
            self.record_generation = self.record_generation.saturating_add(1);
        }
        let record = record_of(context, self.record_generation, &none, self.floor, wals);
        self.writer.append(ManifestRecordKind::Closed, &record, context.space)?;
        let (manifest, manifest_len) = (self.writer.number(), Some(self.writer.len()));
        let root = context.root(self.next_root, manifest, manifest_len);
        context.write_root(&root, false)
    }

    fn rewrite(&mut self, context: &InstallContext<'_>, switch: Switch<'_>) -> std::result::Result<(), Failed> {
        let fresh = self.create(context, switch)?;
        self.go_on_in(context, fresh)
    }

    /// Makes a fresh manifest, which ROOT does not name yet.
    fn create(&self, context: &InstallContext<'_>, switch: Switch<'_>) -> std::result::Result<ManifestWriter, Failed> {
        create_manifest(context, self.record_generation, switch)
            .map_err(|error| Failed { error, may_be_there: makes(Mistake::UnwrittenRecordDoubted) })
    }

    /// Lets ROOT name a fresh manifest.
    fn go_on_in(&mut self, context: &InstallContext<'_>, fresh: ManifestWriter) -> std::result::Result<(), Failed> {
        let root = context.root(self.next_root, fresh.number(), None);
        // From here on the slot may be there, whatever the write of it says.
        self.broken |= !makes(Mistake::RootFailureForgotten);
        if let Err(error) = context.write_root(&root, false) {
            // By two, so that the next try goes to the same slot and is newer than what this one may have left in it.
            self.next_root = self.next_root.saturating_add(2);
            self.perhaps_named.push(fresh.number());
            return Err(Failed { error, may_be_there: true });
        }
        self.next_root = self.next_root.saturating_add(1);
        let old = std::mem::replace(&mut self.writer, fresh);
        self.broken = false;
        self.doubtful_floor = Sequence::ZERO;
        self.perhaps_named.push(old.number());
        drop(old);
        self.unneeded.extend(self.perhaps_named.drain(..).map(|number| (FileKind::Manifest, number)));
        self.unneeded.extend(self.stranded.drain(..).map(|number| (FileKind::Segment, number)));
        Ok(())
    }
}

/// Writes the manifest of a database that has no log and is closed: a copy. ROOT comes last.
pub(crate) fn write_closed(
    context: &InstallContext<'_>,
    generation: u64,
    version: &Version,
    floor: Sequence,
) -> Result<()> {
    let none = VersionEdit::default();
    let mut writer = create_manifest(context, generation, Switch { version, edit: &none, floor, wals: Vec::new() })?;
    let record = record_of(context, generation.saturating_add(1), &none, floor, Vec::new());
    writer.append(ManifestRecordKind::Closed, &record, context.space)?;
    let root = context.root(1, writer.number(), Some(writer.len()));
    context.write_root(&root, true)
}

fn create_manifest(context: &InstallContext<'_>, generation: u64, switch: Switch<'_>) -> Result<ManifestWriter> {
    let number = context.numbers.next();
    let record = record_of(context, generation, &switch.version.snapshot(), switch.floor, switch.wals);
    ManifestWriter::create(context.backend, context.keys, number, &record)
}

fn record_of(
    context: &InstallContext<'_>,
    generation: u64,
    edit: &VersionEdit,
    floor: Sequence,
    wals: Vec<WalRef>,
) -> ManifestRecord {
    let mut bytes = Vec::new();
    edit.encode(&mut bytes);
    ManifestRecord { generation, next_file: context.numbers.peek(), floor, wals, edit: bytes }
}
