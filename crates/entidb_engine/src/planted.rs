//! Mistakes the engine can be told to make, so that the tests can prove that they would see them.
//!
//! Always: without the feature `planted` the answer is a constant no, and the compiler leaves nothing of it. With it, a
//! mistake is made by the thread that planted it and by no other.
//! Does not know: who looks for the mistakes.

#[cfg(feature = "planted")]
use std::cell::Cell;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "planted"), expect(unreachable_pub, reason = "public with the feature only"))]
pub enum Mistake {
    /// A durable commit does not flush the log.
    LogNotFlushed,
    /// A failed flush of the log is tried again.
    LogFlushRetried,
    /// A commit nobody can be sure of is reported as made.
    UnknownIsSuccess,
    /// A commit that is being written when writing stops is reported as refused.
    WrittenGroupForgotten,
    /// A flush that was held back for others counts as held back when it is made.
    HeldFlushForgotten,
    /// Readers see a commit before it is durable.
    VisibleBeforeDurable,
    /// The name of a log file is not flushed.
    LogNameNotFlushed,
    /// The header of a recycled log file is not flushed.
    RecycledHeaderNotFlushed,
    /// The new name of a recycled log file is not flushed.
    RecycledNameNotFlushed,
    /// A recycled log file keeps the header of its former life, salt and number.
    RecycledHeaderKept,
    /// A log file is recycled before the manifest says that its commits are in segments.
    RecycledBeforeInstall,
    /// The end of a log file is not flushed.
    LogEndNotFlushed,
    /// The manifest says where a log file ends before that end is flushed.
    UnflushedEndListed,
    /// A log unit claims that it is durable itself.
    DurableMarkTooHigh,
    /// Checksums of plain files are not looked at.
    ChecksumIgnored,
    /// Recovery goes on after a torn end without copying what survived.
    TornEndKept,
    /// Recovery takes every commit it finds for one that was flushed.
    FoundIsFlushed,
    /// A new manifest is not flushed.
    ManifestNotFlushed,
    /// The name of a manifest is not flushed.
    ManifestNameNotFlushed,
    /// A record of the manifest is not flushed.
    ManifestRecordNotFlushed,
    /// A slot of ROOT is not flushed.
    RootNotFlushed,
    /// After a failed write of ROOT the manifest before is appended to.
    RootFailureForgotten,
    /// The slot of ROOT that is found is taken for one that is on stable storage.
    RootFoundIsFlushed,
    /// The copy of the keyring that is found is taken for one that is on stable storage.
    KeyringFoundIsFlushed,
    /// A backup copies the keyring first and lets keys change while it copies the rest.
    BackupKeyringFirst,
    /// A backup is not read back before it is reported as made.
    BackupNotVerified,
    /// The folder of a backup is not marked while it is being made.
    BackupUnmarked,
    /// The name of the mark is not flushed before the first file of a backup.
    BackupMarkNotFlushed,
    /// The mark of a backup is removed before its ROOT is written.
    BackupMarkRemovedFirst,
    /// A backup that fails leaves what it has copied.
    BackupLeavesRest,
    /// Nobody looks whether the database is still this session's.
    OwnerNotChecked,
    /// The name of ROOT is not flushed.
    RootNameNotFlushed,
    /// The older slot of ROOT wins.
    OlderRootWins,
    /// Recovery removes the old log before the new manifest names the new one.
    TrimBeforeManifest,
    /// Log files go before the manifest says that their commits are in segments.
    LogGoneBeforeInstall,
    /// A log file that ended while the manifest was written goes although the manifest lists it.
    ListedFileForgotten,
    /// Merged segments go before the manifest says so.
    SegmentsGoneBeforeInstall,
    /// A segment is not flushed.
    SegmentNotFlushed,
    /// The names of segments are not flushed.
    SegmentNamesNotFlushed,
    /// The manifest says one commit more is in segments than is.
    FloorTooHigh,
    /// A transaction becomes segments while older changes are still in memtables.
    IngestOverMemtables,
    /// The log goes on in the same file after a commit that is not in it.
    IngestLogGoesOn,
    /// The manifest lists the segments of a transaction and not its sequence.
    IngestFloorTooLow,
    /// Replay forgets range deletions.
    RangeDeleteNotReplayed,
    /// Writing a memtable forgets range deletions.
    RangeDeleteNotWritten,
    /// A memtable keeps only the last state of the deleted ranges, although readers before it exist.
    RangeStatesDroppedEarly,
    /// The reserve of a full disk is never given up.
    ReserveKept,
    /// A reserve that was given up is not made again.
    ReserveNotMadeAgain,
    /// The manifest has no room for its next records.
    ManifestTailNotKept,
    /// Work that found no room is tried again at once.
    NoRest,
    /// The reserve is made again of the room that a merge under way was promised, and given up for it each time.
    ReserveTakesPromised,
    /// Memtables that do not fit are written again for each commit that is refused.
    FlushedForEachRefusal,
    /// A write that needs room where its file has some is not made again with the reserve.
    OverwriteGivenUp,
    /// A segment that cannot be read ends the commit that merges for its room.
    UnreadableEndsCommit,
    /// A change of the keys that came to one copy of the keyring is told as refused.
    KeyringHalfForgotten,
    /// The keyring is written without the reserve.
    KeyringWithoutReserve,
    /// Files that nobody reads go only when there is nothing left to merge.
    RemovedAfterMerging,
    /// The manifest has no room for its next records, and a transaction whose record found none stops writing where there is
    /// none for a fresh manifest either.
    UnwrittenRecordDoubted,
    /// Segments that are read stay open, however many they are.
    OpenFilesUnbounded,
    /// Blocks keep their memory when something else needs it.
    BlocksKept,
    /// Merging forgets the snapshots.
    SnapshotsForgotten,
    /// The file of a segment is removed when no version lists it, although readers still use it.
    RemovedWhileRead,
    /// Merging forgets deletions that older segments need.
    DeletesDroppedEarly,
    /// Merging removes what has expired by the newest watermark, although readers at an older one exist.
    WatermarkOfNewest,
    /// Merging removes what has expired by a watermark that a crash may take back.
    WatermarkNotDurable,
    /// Merging removes what has expired by a watermark that is in the log alone, which a backup does not copy.
    WatermarkOfLog,
    /// An insert goes on in the leaf of the one before, although its key belongs in a later one.
    InsertedPastItsLeaf,
    /// An insert goes on where the one before went, although the tree is another since.
    InsertedByOldWay,
    /// A counter forgets what it was before the last additions.
    CounterBaseLost,
    /// Going back to a savepoint leaves the last of the changed keys as it is.
    SavepointKeepsOne,
    /// Bytes that cannot be read are taken for zeros.
    ReadErrorIsZeros,
    /// After recovery the last sequence is given out again.
    SequenceGivenTwice,
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// Lets this thread make a mistake from now on, or none.
#[cfg(feature = "planted")]
pub fn plant(mistake: Option<Mistake>) {
    PLANTED.with(|planted| planted.set(mistake));
}

/// True when this thread is to make the mistake.
#[cfg(feature = "planted")]
pub(crate) fn makes(mistake: Mistake) -> bool {
    PLANTED.with(|planted| planted.get() == Some(mistake))
}

/// True when this thread is to make the mistake: never, in this build.
#[cfg(not(feature = "planted"))]
pub(crate) const fn makes(_: Mistake) -> bool {
    false
}
