//! From the files of a database to its state, and from there to a session that may write.
//!
//! Always: reading comes first and writes nothing; a session writes to new files only. Surviving commits of the log that
//! no durable mark vouches for are copied into a fresh file when the last writer did not close in order, so that a torn
//! end is never appended to and pages that a failed flush left in the cache are never relied on. The old files go last.
//! Does not know: how a commit is encoded, or what segments hold.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::sync::{FairMutex, Mutex};
use arc_swap::ArcSwap;
use entidb_storage::{Backend, ErrorKind, Lock, Process};

use crate::cache::BlockCache;
use crate::compaction::{LiveSnapshots, OutputTarget, Piece, Rewrite, RewriteSource};
use crate::crypto::{self, Keyring, Keys, Opened};
use crate::engine::compact::{CompactionCounts, Merging};
use crate::engine::maintain::LEVEL_0_SEGMENT_BYTES;
use crate::engine::obsolete::RetiredMemtables;
use crate::engine::open::surroundings;
use crate::engine::pace::Pace;
use crate::engine::readers::Readers;
use crate::engine::replayed::{REPLAYED_MEMTABLES_MAX, ReplayedLog, read_only_bytes_max, replayed_bytes_max};
use crate::engine::shared::{CommitState, Shared};
use crate::engine::super_version::{Frozen, SuperVersion};
use crate::error::{Damage, Error, Result};
use crate::format::{
    FileKind, FileNumber, ManifestRecordKind, Reader, Root, Sequence, WAL_END_BYTES, WAL_UNIT_HEADER_BYTES, put_bytes,
    wal_unit_bytes,
};
use crate::memtable::{Memtable, MemtableConfig};
use crate::open_files::OpenFiles;
use crate::options::Options;
use crate::planted::{Mistake, makes};
use crate::segment::SegmentContext;
use crate::space::{LOG_BYTES_LEAST, Purpose, Space, is_no_space};
use crate::stats::OpenReport;
use crate::version::{
    FOLDERS, FileNumbers, InstallContext, Installer, ManifestRead, Owner, RootFile, Survey, Switch, TAIL_BYTES,
    Version, VersionBuilder, VersionEdit, WalRef, create_folders, list_files, number_of, read_manifest, read_root_file,
    survey,
};
use crate::wal::{Log, LogContext, Replayed, WAL_FILE_BYTES_MAX, WAL_FILE_BYTES_MIN, WalFile, replay};

/// What the log holds beyond this goes to segments soon: each further open would read it again.
const REPLAYED_BYTES_MAX: u64 = 8 << 20;
/// Segments nobody lists that are removed while the database is opened; more of them go after it.
const ORPHANS_AT_ONCE_MAX: usize = 2;
/// No number of a file is greater: counting further would end at the last number there is.
const NUMBER_MAX: FileNumber = FileNumber(u64::MAX / 2);
/// The smallest and the largest piece in which a memtable takes memory.
const MEMTABLE_CHUNK_BYTES: (usize, usize) = (64 * 1024, 2 << 20);
/// A memtable has room for this multiple of what it is meant to hold.
const MEMTABLE_CHUNKS_SPARE: usize = 8;
/// What a segment takes in a manifest, about.
const MANIFEST_SEGMENT_BYTES: u64 = 256;
/// The surviving commits are copied in units of about this size.
const COPY_UNIT_BYTES: usize = 1 << 20;

/// What is known when a session begins.
pub(crate) struct Session {
    pub(crate) context: Arc<SegmentContext>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) keyring: Option<Keyring>,
    pub(crate) numbers: Arc<FileNumbers>,
    /// ROOT as it was found, and its newest slot.
    pub(crate) found_root: Option<(RootFile, Root)>,
    pub(crate) root_generation: u64,
    pub(crate) record_generation: u64,
    /// Every commit up to here is in segments.
    pub(crate) floor: Sequence,
    pub(crate) last: Sequence,
    /// The files of the log that hold commits after the floor.
    pub(crate) wals: Vec<WalRef>,
    /// True when those commits must be copied into a fresh file.
    pub(crate) rewrite: bool,
    /// Of those files the part that was on stable storage for certain and need not be copied.
    pub(crate) proven: Vec<WalRef>,
    /// The files the last session left listed; they may go without being orphans.
    pub(crate) listed: BTreeSet<(FileKind, FileNumber)>,
    /// The segments.
    pub(crate) version: Option<Version>,
    pub(crate) memtable: Option<Memtable>,
    /// True when the log holds more than may be in memory: then there is no memtable, and the log is read once more.
    pub(crate) overflows: bool,
    /// What was in the folders.
    pub(crate) survey: Survey,
    pub(crate) report: OpenReport,
}

pub(crate) fn recover(
    backend: Backend,
    options: Options,
    lock: Box<dyn Lock>,
    open_files: Arc<OpenFiles>,
) -> Result<Arc<Shared>> {
    let root_file = read_root_file(&backend)?;
    let header = &root_file.header;
    if header.forbids_writing() && !options.read_only {
        return Err(Error::Unsupported { what: "writing a database with features of a newer version" });
    }
    let opened =
        crypto::open(surroundings(&backend, &options), header.cipher, header.database_id, options.key.as_ref())?;
    let Opened { keys, keyring } = opened;
    let (root, other_slot) = root_file.newest(&keys)?;
    let manifest = read_manifest(&backend, &keys, root.manifest, root.manifest_len)
        .map_err(|error| blame(error, other_slot.as_ref()))?;
    let Some((kind, record)) = manifest.records.last() else {
        return Err(Error::Internal { detail: "a manifest was read that has no records".to_owned() });
    };
    let context = segment_context(&backend, &keys, options.memory_bytes, open_files);
    let version = version_of(Arc::clone(&context), &manifest, root.manifest)?;
    if record.next_file > NUMBER_MAX {
        let (path, next) = (FileKind::Manifest.path(root.manifest), record.next_file);
        return Err(Error::tampered(path, 0, format!("the next file is to be {next}, which no database comes to")));
    }
    let survey = survey(&backend, record.next_file)?;
    find_segments(&survey, &version).map_err(|error| blame(error, manifest.torn.as_ref()))?;
    let bytes_max = if options.read_only { read_only_bytes_max(&options) } else { replayed_bytes_max(&options) };
    let mut log = ReplayedLog::new(&replay_config(&backend, &options, &context)?, bytes_max)?;
    let mut apply = |sequence, commit: &[u8]| {
        if log.is_full() {
            if options.read_only {
                return Err(log.too_large());
            }
            log.overflow()?;
        }
        log.apply(sequence, commit)
    };
    let replayed = replay(&backend, &keys, &record.wals, record.floor, &mut apply)
        .map_err(|error| blame(error, manifest.torn.as_ref()))?;
    let memtable = log.finish(replayed.last);
    let overflows = memtable.is_none();
    let clean = *kind == ManifestRecordKind::Closed;
    let report = OpenReport {
        created: false,
        clean,
        commits_replayed: replayed.commits,
        bytes_dropped: replayed.bytes_dropped,
        wal_files: replayed.files.len() as u64,
        last_sequence: replayed.last,
        ..OpenReport::default()
    };
    let first_free = record.next_file.max(FileNumber(survey.greatest.0.saturating_add(1)));
    let wals = wals_to_keep(&record.wals, record.floor, &replayed);
    let session = Session {
        context,
        keys,
        keyring,
        numbers: Arc::new(FileNumbers::starting_at(first_free)),
        found_root: Some((root_file, root)),
        root_generation: root.generation,
        record_generation: record.generation,
        floor: record.floor,
        last: Sequence(replayed.last.0.saturating_sub(u64::from(makes(Mistake::SequenceGivenTwice)))),
        listed: replayed
            .files
            .iter()
            .map(|number| (FileKind::Wal, *number))
            .chain([(FileKind::Manifest, root.manifest)])
            .collect(),
        proven: replayed.proven.into_iter().filter(|wal| ends_after(wal, record.floor)).collect(),
        rewrite: !clean && replayed.commits > 0 && !makes(Mistake::TornEndKept),
        wals,
        version: Some(version),
        memtable,
        overflows,
        survey,
        report,
    };
    begin_session(backend, options, lock, session)
}

/// A file that is missing was removed in order when the list that names it is an old one, because the newer list was
/// set aside as torn: then that is where the damage is.
fn blame(error: Error, set_aside: Option<&Error>) -> Error {
    match (&error, set_aside) {
        (Error::Corrupt { damage: Damage::Missing, .. }, Some(damaged)) => damaged.clone(),
        _ => error,
    }
}

/// Segments are opened when they are first read, but one that is gone is told at once.
fn find_segments(survey: &Survey, version: &Version) -> Result<()> {
    let there: BTreeSet<&(FileKind, FileNumber)> = survey.files.iter().collect();
    for segment in version.segments() {
        let number = segment.meta().number;
        if !there.contains(&(FileKind::Segment, number)) {
            let (damage, file) = (Damage::Missing, FileKind::Segment.path(number));
            let detail = "the manifest lists it and it is not there".to_owned();
            return Err(Error::Corrupt { damage, file, offset: 0, detail });
        }
    }
    Ok(())
}

/// What the segments of a database are read and written with.
pub(crate) fn segment_context(
    backend: &Backend,
    keys: &Arc<Keys>,
    cache_bytes: u64,
    open_files: Arc<OpenFiles>,
) -> Arc<SegmentContext> {
    Arc::new(SegmentContext {
        directory: Arc::clone(&backend.directory),
        keys: Arc::clone(keys),
        random: Arc::clone(&backend.random),
        open_files,
        cache: BlockCache::new(cache_bytes),
        removals: Arc::default(),
    })
}

/// The segments the records of a manifest come to.
pub(crate) fn version_of(context: Arc<SegmentContext>, manifest: &ManifestRead, number: FileNumber) -> Result<Version> {
    let wrong = |detail: String| Error::tampered(FileKind::Manifest.path(number), 0, detail);
    let mut builder = VersionBuilder::default();
    for (_, record) in &manifest.records {
        let mut reader = Reader::new(&record.edit);
        let edit = VersionEdit::decode(&mut reader).filter(|_| reader.is_done());
        let edit = edit.ok_or_else(|| wrong("a change of segments does not decode".to_owned()))?;
        builder.apply(edit).map_err(|bad| wrong(bad.to_string()))?;
    }
    builder.finish(context).map_err(|bad| wrong(bad.to_string()))
}

/// Of a log that ended in order, the files that hold commits after the floor.
fn wals_to_keep(listed: &[WalRef], floor: Sequence, replayed: &Replayed) -> Vec<WalRef> {
    if replayed.commits == 0 {
        return Vec::new();
    }
    listed.iter().filter(|wal| ends_after(wal, floor)).cloned().collect()
}

fn ends_after(wal: &WalRef, floor: Sequence) -> bool {
    wal.seal.as_ref().is_none_or(|seal| seal.last > floor)
}

/// The configuration of a memtable that takes what the log holds.
fn replay_config(backend: &Backend, options: &Options, context: &SegmentContext) -> Result<MemtableConfig> {
    let config = memtable_config(backend, options, context)?;
    let wanted = usize::try_from(replayed_bytes_max(options) / 64).unwrap_or(usize::MAX);
    let (least, most) = MEMTABLE_CHUNK_BYTES;
    Ok(MemtableConfig { chunk_bytes: wanted.clamp(least, most).next_power_of_two(), ..config }.unbounded())
}

fn memtable_config(backend: &Backend, options: &Options, context: &SegmentContext) -> Result<MemtableConfig> {
    let mut seed = [0; 8];
    backend.random.fill(&mut seed)?;
    let wanted = usize::try_from(options.memtable_bytes / 16).unwrap_or(usize::MAX);
    let (least, most) = MEMTABLE_CHUNK_BYTES;
    let chunk_bytes = wanted.clamp(least, most).next_power_of_two();
    let chunks = usize::try_from(options.memtable_bytes).unwrap_or(usize::MAX) / chunk_bytes;
    Ok(MemtableConfig {
        chunk_count: chunks.saturating_mul(MEMTABLE_CHUNKS_SPARE),
        point_zones: options.zones.point_zones(),
        chunk_bytes,
        hash_seed: u64::from_le_bytes(seed),
        memory: Arc::clone(context.cache.memory()),
    })
}

/// Opens the database for use from what is known of it: writes the new files of the session unless reading only.
pub(crate) fn begin_session(
    backend: Backend,
    options: Options,
    lock: Box<dyn Lock>,
    mut session: Session,
) -> Result<Arc<Shared>> {
    let memtable_config = memtable_config(&backend, &options, &session.context)?;
    let (keys, numbers, last) = (Arc::clone(&session.keys), Arc::clone(&session.numbers), session.last);
    let (mut keyring, version, memtable) = (session.keyring.take(), session.version.take(), session.memtable.take());
    let mut report = std::mem::take(&mut session.report);
    let version = version.unwrap_or_else(|| Version::empty(Arc::clone(&session.context)));
    let memtable = match memtable {
        Some(memtable) => Arc::new(memtable),
        None => Arc::new(Memtable::new(memtable_config.clone())?),
    };
    let space = Arc::new(Space::new(Arc::clone(&backend.directory)));
    let (mut log, mut installer, mut later) = (None, None, Vec::new());
    let (mut version, mut memtable) = (version, memtable);
    if !options.read_only {
        // Before the first new file: beside those a ROOT that is lost looks like that of a database, not like that of one
        // that was still being made.
        if let Some((file, newest)) = &session.found_root {
            file.settle(&backend, newest, &space)?;
        }
        create_folders(&backend)?;
        if let Some(keyring) = keyring.as_mut() {
            keyring.use_reserve(&space);
            keyring.repair()?;
        }
        // A log that is cut before it is as long as a first file usually is needs no such file.
        let first_bytes = WAL_FILE_BYTES_MIN.min(options.wal_bytes);
        let found = found_files(&session, &version);
        let owner = Owner::new(backend.random.as_ref())?;
        let mut begin = Begin {
            owner,
            backend: &backend,
            options: &options,
            keys: &keys,
            numbers: &numbers,
            space: &space,
            first_bytes: first_bytes.min(space.log_bytes(Purpose::Anew, 0, first_bytes, 0).unwrap_or(LOG_BYTES_LEAST)),
        };
        if space.room(Purpose::Free).is_some_and(|room| room < 4 * first_bytes) {
            // On a disk this full what nobody lists goes first; it would go later anyway.
            while !remove_others(&backend, &mut session.survey, &found, &session.listed)?.1.is_empty() {}
        }
        // What others would take once it is free stays as it is, where a file of the log and a manifest need less.
        let manifest_bytes =
            (version.len() as u64).saturating_mul(MANIFEST_SEGMENT_BYTES).saturating_add(2 * TAIL_BYTES);
        space.release(begin.first_bytes.saturating_add(manifest_bytes));
        let mine = numbers.peek();
        let state = (version, memtable, session.floor);
        let mut begun = begin.files(&session, state.clone(), last, &memtable_config);
        if begun.as_ref().is_err_and(may_try_again) {
            remove_made(&backend, mine..numbers.peek())?;
            while !remove_others(&backend, &mut session.survey, &found, &session.listed)?.1.is_empty() {}
            if session.found_root.is_none() {
                // While a database is being made, names that came back after a crash beside those of the next attempt would
                // look like more than an unfinished making.
                for kind in [FileKind::Wal, FileKind::Manifest] {
                    backend.directory.flush_names(kind.folder())?;
                }
            }
            space.give_up_reserve();
            begin.first_bytes = LOG_BYTES_LEAST.min(first_bytes);
            begun = begin.files(&session, state, last, &memtable_config);
            if begun.as_ref().is_err_and(may_try_again) {
                // Nothing is left of the attempt, and reading goes on.
                remove_made(&backend, mine..numbers.peek())?;
            }
        }
        if begun.as_ref().is_err_and(Error::is_interruption) {
            // Nothing asks once ROOT is being written, so nothing names what the attempt left.
            remove_made(&backend, mine..numbers.peek())?;
        }
        let Begun { made, wals, ended, current, state } = begun?;
        (version, memtable, _) = state;
        let live: BTreeSet<(FileKind, FileNumber)> = wals
            .iter()
            .map(|wal| (FileKind::Wal, wal.number))
            .chain(version.segments().map(|segment| (FileKind::Segment, segment.meta().number)))
            .chain([(FileKind::Manifest, made.manifest_number())])
            .collect();
        (report.orphans_removed, later) = remove_others(&backend, &mut session.survey, &live, &session.listed)?;
        installer = Some(made);
        let context = LogContext {
            backend: backend.clone(),
            keys: Arc::clone(&keys),
            numbers: Arc::clone(&numbers),
            space: Arc::clone(&space),
            owner,
            first_bytes,
        };
        log = Some(Log::new(context, current.with_reserve(&space), ended, last));
    }
    let (mut active, mut frozen) = (memtable, Vec::new());
    if log.is_some() && active.logged_bytes() > options.memtable_bytes.min(REPLAYED_BYTES_MAX) {
        let memtable = std::mem::replace(&mut active, Arc::new(Memtable::new(memtable_config.clone())?));
        frozen.push(Frozen { memtable, last });
    }
    report.ignored_count = session.survey.foreign.count;
    report.ignored = session.survey.foreign.names;
    let removals = Arc::clone(&version.context().removals);
    removals.add_orphans(later.into_iter().map(|number| (number, 0)));
    let shared = Shared {
        merging: FairMutex::new(Merging::default()),
        ingesting: FairMutex::new(()),
        flushing: FairMutex::new(None),
        process: Process::current(),
        backend,
        options,
        report,
        keys,
        keyring: Mutex::new(keyring),
        numbers,
        space,
        closed: AtomicBool::new(false),
        folder_lock: Mutex::new(Some(lock)),
        log,
        installer: Mutex::new(installer),
        current: ArcSwap::from_pointee(SuperVersion { active, frozen, version: Arc::new(version) }),
        commit: Mutex::new(CommitState::after(last)),
        readers: Readers::default(),
        writer: crate::engine::token::Writer::default(),
        view_changes: Arc::clone(memtable_config.memory.alarms()),
        memtable_config,
        last_found: last,
        commits: AtomicU64::new(0),
        signals: Arc::default(),
        idle: AtomicBool::new(false),
        removals,
        unneeded: Mutex::default(),
        retired_memtables: RetiredMemtables::default(),
        compactions: CompactionCounts::default(),
        stalls: AtomicU64::new(0),
        pace: Pace::default(),
        memtable_flushes: AtomicU64::new(0),
    };
    Ok(Arc::new(shared))
}

/// Segments, what the log holds beyond them, and the last commit in segments.
type State = (Version, Arc<Memtable>, Sequence);

/// What the files of a session are begun with.
struct Begin<'a> {
    owner: Owner,
    backend: &'a Backend,
    options: &'a Options,
    keys: &'a Arc<Keys>,
    numbers: &'a Arc<FileNumbers>,
    space: &'a Space,
    first_bytes: u64,
}

/// The files of a session, which ROOT names.
struct Begun {
    made: Installer,
    wals: Vec<WalRef>,
    ended: Vec<WalRef>,
    current: WalFile,
    state: State,
}

impl Begin<'_> {
    /// Makes the files of the session and lets ROOT name them.
    fn files(&self, session: &Session, state: State, last: Sequence, config: &MemtableConfig) -> Result<Begun> {
        let Self { backend, options, keys, numbers, space, first_bytes, .. } = *self;
        let (mut version, mut memtable, mut floor) = state;
        let large = memtable.bytes() as u64 > options.memtable_bytes.saturating_mul(REPLAYED_MEMTABLES_MAX);
        let (current, ended) = if session.overflows {
            // Written once, and to where it would have to go next anyway.
            version = self.log_to_segments(session, &version, last)?;
            memtable = Arc::new(Memtable::new(config.clone())?);
            floor = last;
            (self.first_log()?, Vec::new())
        } else if session.rewrite && large {
            version = write_segments(options, numbers, &version, memtable, last)?;
            memtable = Arc::new(Memtable::new(config.clone())?);
            floor = last;
            (self.first_log()?, Vec::new())
        } else if session.rewrite {
            let mut wals = session.proven.clone();
            let kept = wals.last().and_then(|wal| wal.seal.as_ref()).map_or(floor, |seal| seal.last.max(floor));
            let tail = tail_of(&session.wals, wals.last());
            let (current, copies) = copy_commits(backend, keys, numbers, first_bytes, &tail, kept, last)?;
            wals.extend(copies);
            (current, wals)
        } else {
            (self.first_log()?, session.wals.clone())
        };
        let mut wals = ended.clone();
        wals.push(WalRef { number: current.number(), seal: None });
        let context = InstallContext { backend, keys, numbers, owner: self.owner, space: Some(space) };
        let edit = VersionEdit::default();
        let switch = || Switch { version: &version, edit: &edit, floor, wals: wals.clone() };
        if makes(Mistake::TrimBeforeManifest) {
            for (kind, number) in &session.survey.files {
                if *kind == FileKind::Wal && !wals.iter().any(|wal| wal.number == *number) {
                    backend.directory.remove(&kind.path(*number))?;
                }
            }
        }
        let made = Installer::begin(&context, session.root_generation, session.record_generation, switch())?;
        Ok(Begun { made, wals, ended, current, state: (version, memtable, floor) })
    }

    /// Writes what the log holds to segments, as much at a time as may be in memory. Returns the version with them.
    fn log_to_segments(&self, session: &Session, version: &Version, last: Sequence) -> Result<Version> {
        let Self { backend, options, keys, numbers, .. } = *self;
        let config = replay_config(backend, options, &session.context)?;
        let mut log = ReplayedLog::new(&config, replayed_bytes_max(options))?;
        let mut version = version.clone();
        let mut flush = |log: &mut ReplayedLog, last| -> Result<()> {
            if let Some(memtable) = log.take(last)?.filter(|memtable| !memtable.is_empty()) {
                version = write_segments(options, numbers, &version, Arc::new(memtable), last)?;
            }
            Ok(())
        };
        let again = replay(backend, keys, &session.wals, session.floor, &mut |sequence, commit| {
            if log.is_full() {
                flush(&mut log, Sequence(sequence.0.saturating_sub(1)))?;
            }
            log.apply(sequence, commit)
        })?;
        check_again(again.last, last)?;
        flush(&mut log, last)?;
        Ok(version)
    }

    fn first_log(&self) -> Result<WalFile> {
        let Self { backend, keys, numbers, space, first_bytes, .. } = *self;
        match WalFile::create(backend, keys, numbers.next(), first_bytes) {
            Err(error) if is_no_space(&error) && space.give_up_reserve() => {
                WalFile::create(backend, keys, numbers.next(), first_bytes)
            }
            made => made,
        }
    }
}

/// True for a full disk that was in the way before ROOT was touched: then nothing can name the files of the attempt.
fn may_try_again(error: &Error) -> bool {
    let names_root = matches!(error, Error::Storage(inner) if inner.path == "ROOT" || inner.path.is_empty());
    is_no_space(error) && !names_root
}

/// The files that what was found consists of.
fn found_files(session: &Session, version: &Version) -> BTreeSet<(FileKind, FileNumber)> {
    let wals = session.wals.iter().chain(&session.proven).map(|wal| (FileKind::Wal, wal.number));
    let segments = version.segments().map(|segment| (FileKind::Segment, segment.meta().number));
    wals.chain(segments).chain(session.listed.iter().copied()).collect()
}

/// Removes the files that have numbers of these.
fn remove_made(backend: &Backend, numbers: Range<FileNumber>) -> Result<()> {
    for kind in FOLDERS {
        for entry in list_files(backend, kind)? {
            if let Some(number) = number_of(&entry.name).filter(|number| numbers.contains(number)) {
                backend.directory.remove(&kind.path(number))?;
            }
        }
    }
    Ok(())
}

/// Writes what the log held to segments of level 0; the version with them.
fn write_segments(
    options: &Options,
    numbers: &FileNumbers,
    version: &Version,
    memtable: Arc<Memtable>,
    last: Sequence,
) -> Result<Version> {
    let source = RewriteSource::new(Box::new(memtable.cursor()), memtable.range_tombstones());
    let target = OutputTarget {
        level: 0,
        run: last.0,
        segment_bytes: options.segment_bytes.min(LEVEL_0_SEGMENT_BYTES),
        bytes_max: u64::MAX,
        zones: options.zones.clone(),
    };
    let mut rewrite = Rewrite::flush(version, vec![source], LiveSnapshots::new([], last), target);
    while !rewrite.step(&|| numbers.next(), &mut Piece::whole())? {}
    let Some((edit, _)) = rewrite.finish() else {
        return Err(Error::Internal { detail: "a log that is written to segments has no result".to_owned() });
    };
    version.apply(&edit).map_err(|bad| Error::Internal { detail: bad.to_string() })
}

/// The files of a chain from the one on in which the part ends that is kept. Where the list does not name it, the log
/// went on in it and nothing behind it is listed.
fn tail_of(wals: &[WalRef], kept: Option<&WalRef>) -> Vec<WalRef> {
    let Some(kept) = kept else { return wals.to_vec() };
    match wals.iter().position(|wal| wal.number == kept.number) {
        Some(at) => wals.iter().skip(at).cloned().collect(),
        None => vec![WalRef { number: kept.number, seal: None }],
    }
}

/// Copies the commits after `floor` into fresh files, flushed. Returns the file to go on in and those before it.
fn copy_commits(
    backend: &Backend,
    keys: &Keys,
    numbers: &FileNumbers,
    first_bytes: u64,
    wals: &[WalRef],
    floor: Sequence,
    last: Sequence,
) -> Result<(WalFile, Vec<WalRef>)> {
    let mut copy = Copy {
        backend,
        keys,
        numbers,
        file: WalFile::create(backend, keys, numbers.next(), first_bytes)?,
        ended: Vec::new(),
        body: vec![0; WAL_UNIT_HEADER_BYTES],
        first: floor.next(),
    };
    let again = replay(backend, keys, wals, floor, &mut |sequence, commit| copy.take(sequence, commit))?;
    check_again(again.last, last)?;
    copy.write(last)?;
    copy.file.file().flush_data()?;
    Ok((copy.file, copy.ended))
}

/// A log that is read twice is the same both times.
fn check_again(found: Sequence, last: Sequence) -> Result<()> {
    if found == last {
        return Ok(());
    }
    Err(Error::Internal { detail: format!("the log ended at commit {last} and on second reading at {found}") })
}

struct Copy<'a> {
    backend: &'a Backend,
    keys: &'a Keys,
    numbers: &'a FileNumbers,
    file: WalFile,
    ended: Vec<WalRef>,
    body: Vec<u8>,
    first: Sequence,
}

impl Copy<'_> {
    fn take(&mut self, sequence: Sequence, commit: &[u8]) -> Result<()> {
        if self.body.len().saturating_add(commit.len()) > COPY_UNIT_BYTES {
            self.write(Sequence(sequence.0.saturating_sub(1)))?;
        }
        put_bytes(&mut self.body, commit);
        Ok(())
    }

    fn write(&mut self, last: Sequence) -> Result<()> {
        let len = self.body.len().saturating_sub(WAL_UNIT_HEADER_BYTES) as u64;
        if len == 0 {
            return Ok(());
        }
        let needed = wal_unit_bytes(len, self.file.overhead()).saturating_add(WAL_END_BYTES);
        if needed > self.file.room() {
            let capacity = self.file.capacity().saturating_mul(2).min(WAL_FILE_BYTES_MAX);
            let capacity = capacity.max(needed.saturating_add(8192)).next_multiple_of(4096);
            let next = WalFile::create(self.backend, self.keys, self.numbers.next(), capacity)?;
            let before = Sequence(self.first.0.saturating_sub(1));
            // The mark of durability stays at zero: what these bytes prove, their old files prove better.
            let seal = self.file.finish(Some(&next.successor_mark()), before, Sequence::ZERO)?;
            self.ended.push(WalRef { number: self.file.number(), seal: Some(seal) });
            self.file = next;
        }
        let body = std::mem::replace(&mut self.body, vec![0; WAL_UNIT_HEADER_BYTES]);
        self.file.write_commits(body, self.first, last, Sequence::ZERO)?;
        self.first = last.next();
        Ok(())
    }
}

/// Removes every file of the database's folders that is not live. Returns how many of them nobody had listed, and
/// segments that are left for later, because giving back the space of many large files takes seconds.
fn remove_others(
    backend: &Backend,
    survey: &mut Survey,
    live: &BTreeSet<(FileKind, FileNumber)>,
    listed: &BTreeSet<(FileKind, FileNumber)>,
) -> Result<(u64, Vec<FileNumber>)> {
    let mut orphans = 0_u64;
    let (mut segments, mut later) = (0_usize, Vec::new());
    for kind in FOLDERS {
        let mut changed = false;
        let others = survey.files.extract_if(.., |file| file.0 == kind && !live.contains(file));
        for file in others.collect::<Vec<_>>() {
            let (_, number) = file;
            let orphan = u64::from(!listed.contains(&file));
            orphans = orphans.saturating_add(orphan);
            if kind == FileKind::Segment {
                segments = segments.saturating_add(1);
                if segments > ORPHANS_AT_ONCE_MAX {
                    survey.files.push(file);
                    later.push(number);
                    continue;
                }
            }
            match backend.directory.remove(&kind.path(number)) {
                // A link, pipe or device: we make none, so it is none of ours.
                Err(error) if error.kind == ErrorKind::NotARegularFile => {
                    survey.foreign.note(kind.folder(), &number.to_string());
                    orphans = orphans.saturating_sub(orphan);
                    continue;
                }
                removed => removed?,
            }
            changed = true;
        }
        if changed {
            backend.directory.flush_names(kind.folder())?;
        }
    }
    Ok((orphans, later))
}
