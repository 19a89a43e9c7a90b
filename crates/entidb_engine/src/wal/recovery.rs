//! Reads the whole chain of log files back and judges where it ends.
//!
//! Always: what it yields is a gapless run of commits. The numbers of the files ascend, so that no chain leads back into
//! itself. A chain may end without an end mark only in its newest file, and only where nothing proves that more was on
//! stable storage: that is a tear, and its bytes are counted. Everything else is damage and refused.
//! Does not know: what a commit means, or how the surviving commits are written again.

use std::collections::VecDeque;

use entidb_storage::Backend;

use crate::crypto::Keys;
use crate::error::{Damage, Error, Result};
use crate::format::{Commits, FileKind, FileNumber, Sequence, WalSuccessor, WalUnitHeader};
use crate::interrupt;
use crate::planted::{Mistake, makes};
use crate::version::{WalRef, list_files, number_of};
use crate::wal::reader::{Step, WalReader};
use crate::wal::writer::WalSeal;

/// What replaying found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replayed {
    /// The last commit of the log, or the floor when the log has none after it.
    pub(crate) last: Sequence,
    /// Commits shown.
    pub(crate) commits: u64,
    /// Bytes of a torn end that were dropped.
    pub(crate) bytes_dropped: u64,
    /// The files of the chain, in order.
    pub(crate) files: Vec<FileNumber>,
    /// True when the log ends with the mark of an orderly close.
    pub(crate) closed: bool,
    /// Where the part of the chain ends that was on stable storage for certain: the file it ends in is the last here.
    pub(crate) proven: Vec<WalRef>,
}

/// Follows how far the log was on stable storage: up to the greatest durable mark some unit bears.
#[derive(Default)]
struct Proof {
    durable: Sequence,
    /// The ends of units beyond that mark, oldest first, each with the place of its file in the chain.
    open: VecDeque<(usize, WalSeal)>,
    end: Option<(usize, WalSeal)>,
    /// The whole length of each file that ended.
    ended: Vec<WalSeal>,
}

impl Proof {
    fn note_unit(&mut self, file: usize, seal: WalSeal, durable: Sequence) {
        self.durable = self.durable.max(if makes(Mistake::FoundIsFlushed) { seal.last } else { durable });
        self.open.push_back((file, seal));
        while self.open.front().is_some_and(|(_, seal)| seal.last <= self.durable) {
            self.end = self.open.pop_front();
        }
    }

    /// The files up to the end that is proven, the last of them cut there.
    fn files(self, numbers: &[FileNumber]) -> Vec<WalRef> {
        let Some((last, seal)) = self.end else { return Vec::new() };
        let ends = self.ended.into_iter().take(last).chain([seal]);
        numbers.iter().zip(ends).map(|(number, seal)| WalRef { number: *number, seal: Some(seal) }).collect()
    }
}

/// Shows every commit after `floor` of the chain that begins with `wals` to `visit`, in order.
pub(crate) fn replay(
    backend: &Backend,
    keys: &Keys,
    wals: &[WalRef],
    floor: Sequence,
    visit: &mut dyn FnMut(Sequence, &[u8]) -> Result<()>,
) -> Result<Replayed> {
    let mut state = Replayed { last: floor, ..Replayed::default() };
    // The last commit read, also of those at or below the floor: a gap is a gap wherever it is.
    let mut read: Option<Sequence> = None;
    let mut next: Option<WalSuccessor> = None;
    let mut proof = Proof::default();
    let mut listed = wals.iter();
    loop {
        let wal = listed.next();
        let number = match (wal, &next) {
            (Some(wal), _) => wal.number,
            (None, Some(successor)) => successor.number,
            (None, None) => break,
        };
        if let (Some(_), Some(last)) = (wal, state.files.last())
            && number <= *last
        {
            let detail = format!("the manifest lists it behind log file {last}; the numbers of log files ascend");
            return Err(Error::tampered(FileKind::Wal.path(number), 0, detail));
        }
        let mut reader = WalReader::open(backend, keys, number)?;
        state.files.push(number);
        if let Some(successor) = &next
            && successor.number == number
            && successor.salt != reader.salt()
        {
            let detail = "it is not the file the log went on in";
            return Err(Error::tampered(reader.path(), 0, detail));
        }
        next = None;
        let seal = wal.and_then(|wal| wal.seal.as_ref());
        let until = seal.map(|seal| seal.len);
        // A manifest gives a file an end only when everything up to there is on stable storage.
        proof.durable = proof.durable.max(seal.map_or(Sequence::ZERO, |seal| seal.last));
        let end = read_file(&mut reader, floor, until, &mut read, &mut state, &mut proof, visit)?;
        state.closed = matches!(end, End::Closed);
        match (seal, end) {
            (Some(seal), End::Continued(_) | End::Closed | End::Cut) => {
                if seal.len != reader.offset() || seal.tag != reader.tag() {
                    let detail = format!("the manifest says it ends at {}, it ends at {}", seal.len, reader.offset());
                    return Err(Error::tampered(reader.path(), reader.offset(), detail));
                }
            }
            (Some(_), End::Broken(error)) => return Err(error),
            (None, End::Continued(successor)) => next = Some(successor),
            (None, End::Closed | End::Cut) => {}
            (None, End::Broken(error)) => {
                let missing = read.unwrap_or(floor).max(floor).next();
                let tampered = matches!(&error, Error::Corrupt { damage: Damage::Tampered, .. });
                if tampered || reader.proves_durable(missing)? || later_proves(backend, keys, &state.files, missing)? {
                    return Err(error);
                }
                state.bytes_dropped = reader.bytes_left_over()?;
                break;
            }
        }
        let last = read.unwrap_or(floor);
        proof.ended.push(WalSeal { len: reader.offset(), tag: reader.tag(), last });
    }
    state.proven = proof.files(&state.files);
    Ok(state)
}

enum End {
    Continued(WalSuccessor),
    Closed,
    /// The manifest says that the file ends here.
    Cut,
    Broken(Error),
}

fn read_file(
    reader: &mut WalReader,
    floor: Sequence,
    until: Option<u64>,
    read: &mut Option<Sequence>,
    state: &mut Replayed,
    proof: &mut Proof,
    visit: &mut dyn FnMut(Sequence, &[u8]) -> Result<()>,
) -> Result<End> {
    loop {
        interrupt::check()?;
        let offset = reader.offset();
        if until == Some(offset) {
            return Ok(End::Cut);
        }
        match reader.step()? {
            Step::Commits { header, body } => {
                let path = reader.path();
                check_follows(path, offset, &header, *read, floor)?;
                let mut sequence = header.first;
                for commit in Commits::new(&body) {
                    let commit = commit.map_err(|error| placed(error, path, offset))?;
                    if sequence > header.last {
                        return Err(Error::tampered(path, offset, "the unit has more commits than its header says"));
                    }
                    if sequence > floor {
                        visit(sequence, commit).map_err(|error| placed(error, path, offset))?;
                        state.commits = state.commits.saturating_add(1);
                        state.last = sequence;
                    }
                    sequence = sequence.next();
                }
                if sequence != header.last.next() {
                    return Err(Error::tampered(path, offset, "the unit has fewer commits than its header says"));
                }
                *read = Some(header.last);
                let seal = WalSeal { len: reader.offset(), tag: reader.tag(), last: header.last };
                proof.note_unit(state.files.len().saturating_sub(1), seal, header.durable);
            }
            Step::Continued(successor) if successor.number <= reader.number() => {
                let detail = format!(
                    "the log goes on in file {} behind file {}; the numbers of log files ascend",
                    successor.number,
                    reader.number()
                );
                return Err(Error::tampered(reader.path(), offset, detail));
            }
            Step::Continued(successor) => return Ok(End::Continued(successor)),
            Step::Closed => return Ok(End::Closed),
            Step::Broken(error) => return Ok(End::Broken(error)),
        }
    }
}

/// A unit must begin with the commit after the last one; the first unit of all must leave no gap above the floor.
fn check_follows(
    path: &str,
    offset: u64,
    header: &WalUnitHeader,
    read: Option<Sequence>,
    floor: Sequence,
) -> Result<()> {
    let follows = match read {
        Some(read) => header.first == read.next(),
        None => header.first <= floor.next() && header.first > Sequence::ZERO,
    };
    if follows && header.first <= header.last {
        return Ok(());
    }
    let expected = read.unwrap_or(floor).next();
    let detail = format!("the unit has commits {} to {}, {expected} was expected", header.first, header.last);
    Err(Error::tampered(path, offset, detail))
}

/// True when a log file outside the chain proves that commit `missing` was on stable storage once.
fn later_proves(backend: &Backend, keys: &Keys, chain: &[FileNumber], missing: Sequence) -> Result<bool> {
    for entry in list_files(backend, FileKind::Wal)? {
        let Some(number) = number_of(&entry.name) else { continue };
        if chain.last().is_some_and(|last| number <= *last) {
            continue;
        }
        // A file that was being made when the crash came has no header yet and proves nothing.
        if let Ok(mut reader) = WalReader::open(backend, keys, number)
            && reader.proves_durable(missing)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What passed its checksum and still makes no sense was not written by us: says where.
fn placed(error: Error, path: &str, offset: u64) -> Error {
    match error {
        Error::Internal { detail } => Error::tampered(path, offset, detail),
        other => other,
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
