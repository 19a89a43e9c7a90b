//! Checks every file of an open database against what was written.
//!
//! Always: what the storage has now is looked at, not what is in memory; nothing is changed; a problem is listed and the
//! check goes on. Reads and commits go on meanwhile, a commit waits while the newest log file is looked at.
//! Does not know: what keys and values mean.

use std::sync::Arc;

use crate::engine::shared::Shared;
use crate::error::{Error, Result};
use crate::format::{FileKind, FileNumber};
use crate::interrupt;
use crate::verify::{VerifyLevel, VerifyReport};
use crate::version::{Installer, read_manifest, read_root_file, survey};

pub(crate) fn verify(shared: &Shared, level: VerifyLevel) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    // The files stay as long as this version is held; the memtables may go.
    let version = Arc::clone(&shared.current.load().version);
    for segment in version.segments() {
        shared.check_open()?;
        interrupt::check()?;
        report.absorb(segment.verify(level)?);
    }
    verify_manifest(shared, &mut report)?;
    if let Some(keyring) = shared.keyring.lock().as_ref() {
        keyring.verify(&mut report);
    }
    // A failure to list is one of the storage, which each file that is read has met or not.
    if let Some(survey) = report.note(0, survey(&shared.backend, shared.numbers.peek())) {
        report.ignored = survey.foreign.names;
        report.ignored_count = survey.foreign.count;
    }
    if let Some(log) = &shared.log {
        log.verify(&mut report);
    }
    shared.check_open()?;
    Ok(report)
}

fn verify_manifest(shared: &Shared, report: &mut VerifyReport) -> Result<()> {
    // Held so that no switch is under way while its record is read.
    let installer = shared.installer.lock();
    let read = read_root_file(&shared.backend).and_then(|file| Ok((file.newest(&shared.keys)?, file)));
    let Some(((root, other_slot), file)) = report.note(0, read) else { return Ok(()) };
    for lost in file.lost(&root, other_slot) {
        report.note_spare(lost);
    }
    let number = match installer.as_ref() {
        // After a failed switch ROOT may name the manifest of that one, and it is as good as the one before.
        Some(installer) if installer.manifest_number() != root.manifest && !installer.is_broken() => {
            let expected = FileKind::Manifest.path(installer.manifest_number());
            let found = FileKind::Manifest.path(FileNumber(root.manifest.0));
            report.problems.push(Error::damaged("ROOT", 0, format!("it names {found}, the manifest is {expected}")));
            installer.manifest_number()
        }
        _ => root.manifest,
    };
    let read = read_manifest(&shared.backend, &shared.keys, number, root.manifest_len);
    if let Some(read) = report.note(0, read) {
        report.units = report.units.saturating_add(read.records.len() as u64);
        let len_known = installer.as_ref().is_some_and(|installer| !installer.is_broken());
        let path = || FileKind::Manifest.path(number);
        if len_known && read.bytes_dropped > 0 {
            let detail = format!("the last {} bytes are no record", read.bytes_dropped);
            report.problems.push(Error::damaged(path(), 0, detail));
        } else if let Some(len) = installer.as_ref().filter(|_| len_known).map(Installer::manifest_len)
            && len != read.len
        {
            let detail = format!("its records end here, and {len} bytes of them were written");
            report.problems.push(Error::damaged(path(), read.len, detail));
        }
    }
    drop(installer);
    Ok(())
}
