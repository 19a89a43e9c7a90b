//! The mistakes the toy log can be told to make.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    NothingFlushed,
    EverySecondFlushed,
    LogNameNotFlushed,
    NewLogNotFlushed,
    ManifestNotFlushed,
    ManifestNameNotFlushed,
    TrimBeforeManifest,
    OldestManifestWins,
    NewestLogWins,
    ManifestUnchecked,
    ChecksumIgnored,
    SequenceUnchecked,
    HalfBatch,
    AppendAfterTornTail,
    // From here on only a fault shows them.
    FlushRetried,
    WritesGoOnAfterFailure,
    WriteErrorSwallowed,
    ReadErrorIsTheEnd,
    ShortReadIsTheEnd,
    DurableMarkIgnored,
}

impl Bug {
    /// Those a crash alone shows.
    pub(crate) const BY_CRASH: [Self; 14] = [
        Self::NothingFlushed,
        Self::EverySecondFlushed,
        Self::LogNameNotFlushed,
        Self::NewLogNotFlushed,
        Self::ManifestNotFlushed,
        Self::ManifestNameNotFlushed,
        Self::TrimBeforeManifest,
        Self::OldestManifestWins,
        Self::NewestLogWins,
        Self::ManifestUnchecked,
        Self::ChecksumIgnored,
        Self::SequenceUnchecked,
        Self::HalfBatch,
        Self::AppendAfterTornTail,
    ];

    /// Those that need a fault.
    pub(crate) const BY_FAULT: [Self; 6] = [
        Self::FlushRetried,
        Self::WritesGoOnAfterFailure,
        Self::WriteErrorSwallowed,
        Self::ReadErrorIsTheEnd,
        Self::ShortReadIsTheEnd,
        Self::DurableMarkIgnored,
    ];
}
