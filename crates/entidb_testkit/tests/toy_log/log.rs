//! A small append log with a manifest: the least thing that has all the ways to lose data, and a switch for each.
//!
//! Always, without a bug: an acknowledged batch survives, a batch is whole, a failed flush ends all writing, every open
//! writes to new files. Does not know: the harness.
//! Format: `log-N` holds records, `manifest-N` names the log and the length of it that was durable when the manifest was
//! written; the highest readable manifest counts. A log that ends before that length is damaged, not torn.

use std::sync::Arc;

use entidb_storage::{Backend, Directory, ErrorKind, File, OpenMode};

use super::bug::Bug;

/// A record: 4 bytes checksum, 4 length, 8 sequence, 1 "last of its batch", then the bytes.
const HEADER_BYTES: usize = 17;

#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error(transparent)]
    Storage(#[from] entidb_storage::Error),
    #[error("{0} is damaged")]
    Damaged(String),
    #[error("writing stopped after a failure")]
    Stopped,
    #[error("it is not known whether the batch is durable")]
    Unknown,
}

type Result<T> = std::result::Result<T, LogError>;

pub(crate) struct Log {
    directory: Arc<dyn Directory>,
    bug: Option<Bug>,
    /// Holds the folder for as long as the log is open.
    _lock: Box<dyn entidb_storage::Lock>,
    file: Option<Arc<dyn File>>,
    number: u64,
    end: u64,
    sequence: u64,
    stopped: bool,
    records: Vec<Vec<u8>>,
}

fn checksum(number: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

fn numbered(names: &[String], prefix: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        names.iter().filter_map(|name| name.strip_prefix(prefix)?.strip_prefix('-')?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

impl Log {
    pub(crate) fn open(backend: &Backend, bug: Option<Bug>) -> Result<Self> {
        let directory = Arc::clone(&backend.directory);
        let lock = directory.lock("LOCK", entidb_storage::LockKind::Exclusive)?;
        let mut log = Self {
            directory,
            bug,
            _lock: lock,
            file: None,
            number: 0,
            end: 0,
            sequence: 0,
            stopped: false,
            records: Vec::new(),
        };
        let names: Vec<String> = log.directory.list("")?.into_iter().map(|entry| entry.name).collect();
        let (manifests, logs) = (numbered(&names, "manifest"), numbered(&names, "log"));
        let newest = manifests.last().max(logs.last()).copied().unwrap_or(0);
        let mut named = log.current(&manifests)?;
        if log.has(Bug::NewestLogWins) {
            named = logs.last().map(|number| (*number, 0)).or(named);
        }
        let Some((current, durable)) = named else {
            log.create(newest, &names)?;
            return Ok(log);
        };
        let torn = log.replay(current)?;
        if log.end < durable && !log.has(Bug::DurableMarkIgnored) {
            return Err(LogError::Damaged(format!("log-{current}")));
        }
        if log.has(Bug::AppendAfterTornTail) && torn {
            log.number = current;
            log.file = Some(log.directory.open(&format!("log-{current}"), OpenMode::Write)?);
            return Ok(log);
        }
        log.switch(newest + 1, &names)?;
        Ok(log)
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Makes an empty store. `draft` is there until its first manifest is durable, so a store whose manifests are lost
    /// is told from one that was never finished.
    fn create(&mut self, newest: u64, names: &[String]) -> Result<()> {
        if newest > 0 && !names.iter().any(|name| name == "draft") {
            return Err(LogError::Damaged(format!("manifest-{newest}")));
        }
        self.directory.open("draft", OpenMode::CreateOrOpen)?.flush_all()?;
        self.directory.flush_names("")?;
        self.switch(newest + 1, names)?;
        if !names.iter().any(|name| name == "draft") {
            self.directory.remove("draft")?;
        }
        Ok(self.directory.flush_names("")?)
    }

    /// The log, and its durable length, that the newest readable manifest names. A torn manifest was never acted on, so the one before counts.
    fn current(&self, manifests: &[u64]) -> Result<Option<(u64, u64)>> {
        let mut order: Vec<u64> = manifests.iter().rev().copied().collect();
        if self.has(Bug::OldestManifestWins) {
            order.reverse();
        }
        for number in order {
            let name = format!("manifest-{number}");
            let bytes = self.read_all(&name)?;
            if self.has(Bug::ManifestUnchecked) && !bytes.is_empty() {
                let log = bytes.get(..8).and_then(|log| log.try_into().ok()).map_or(0, u64::from_le_bytes);
                return Ok(Some((log, 0)));
            }
            let Some((body, sum)) = bytes.split_first_chunk::<16>() else { continue };
            if *sum == checksum(number, body).to_le_bytes() {
                let number = |at: usize| body[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
                return Ok(Some((number(0), number(8))));
            }
        }
        Ok(None)
    }

    fn read_all(&self, name: &str) -> Result<Vec<u8>> {
        let read = || {
            let file = self.directory.open(name, OpenMode::Read)?;
            let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
            if self.has(Bug::ShortReadIsTheEnd) {
                let count = file.read_at(0, &mut bytes)?;
                bytes.truncate(count);
            } else {
                file.read_exact_at(0, &mut bytes)?;
            }
            Ok(bytes)
        };
        match read() {
            Err(_) if self.has(Bug::ReadErrorIsTheEnd) => Ok(Vec::new()),
            Err(LogError::Storage(error)) if error.kind == ErrorKind::NotFound => {
                Err(LogError::Damaged(name.to_owned()))
            }
            result => result,
        }
    }

    /// Reads the records up to the torn tail; true when there was one.
    fn replay(&mut self, number: u64) -> Result<bool> {
        let bytes = self.read_all(&format!("log-{number}"))?;
        let mut batch = Vec::new();
        let mut at = 0;
        while let Some((sum, rest)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk::<4>()) {
            let Some(header) = rest.get(..HEADER_BYTES - 4) else { break };
            let len = header[..4].try_into().map_or(0, u32::from_le_bytes) as usize;
            let sequence = header[4..12].try_into().map_or(0, u64::from_le_bytes);
            let Some(record) = rest.get(..HEADER_BYTES - 4 + len) else { break };
            if *sum != checksum(number, record).to_le_bytes() && !self.has(Bug::ChecksumIgnored) {
                break;
            }
            if sequence != self.sequence + 1 && !self.has(Bug::SequenceUnchecked) {
                break;
            }
            batch.push(record[HEADER_BYTES - 4..].to_vec());
            self.sequence = sequence;
            at += HEADER_BYTES + len;
            if header[12] == 1 || self.has(Bug::HalfBatch) {
                self.records.append(&mut batch);
                self.end = at as u64;
            }
        }
        self.sequence -= batch.len() as u64;
        Ok(self.end < bytes.len() as u64)
    }

    fn encode(&mut self, number: u64, records: &[Vec<u8>], out: &mut Vec<u8>) {
        for (index, record) in records.iter().enumerate() {
            self.sequence += 1;
            let mut body = Vec::with_capacity(HEADER_BYTES + record.len());
            body.extend_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
            body.extend_from_slice(&self.sequence.to_le_bytes());
            body.push(u8::from(index + 1 == records.len()));
            body.extend_from_slice(record);
            out.extend_from_slice(&checksum(number, &body).to_le_bytes());
            out.append(&mut body);
        }
    }

    /// Writes all records to a new log, makes a new manifest name it, and only then removes what is old.
    fn switch(&mut self, number: u64, old: &[String]) -> Result<()> {
        let directory = Arc::clone(&self.directory);
        let name = format!("log-{number}");
        let file = directory.open(&name, OpenMode::CreateNew)?;
        self.sequence = 0;
        let records = std::mem::take(&mut self.records);
        let mut bytes = Vec::new();
        self.encode(number, &records, &mut bytes);
        self.records = records;
        file.write_all_at(0, &bytes)?;
        if !self.has(Bug::NewLogNotFlushed) {
            file.flush_all()?;
        }
        if !self.has(Bug::LogNameNotFlushed) {
            directory.flush_names("")?;
        }
        if self.has(Bug::TrimBeforeManifest) {
            self.trim(old)?;
        }
        let manifest = directory.open(&format!("manifest-{number}"), OpenMode::CreateNew)?;
        let mut body = number.to_le_bytes().to_vec();
        body.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        body.extend_from_slice(&checksum(number, &body).to_le_bytes());
        manifest.write_all_at(0, &body)?;
        if !self.has(Bug::ManifestNotFlushed) {
            manifest.flush_all()?;
        }
        if !self.has(Bug::ManifestNameNotFlushed) && !self.has(Bug::LogNameNotFlushed) {
            directory.flush_names("")?;
        }
        if !self.has(Bug::TrimBeforeManifest) {
            self.trim(old)?;
        }
        self.end = bytes.len() as u64;
        self.file = Some(file);
        self.number = number;
        Ok(())
    }

    fn trim(&self, old: &[String]) -> Result<()> {
        for name in old.iter().filter(|name| *name != "LOCK") {
            self.directory.remove(name)?;
        }
        Ok(())
    }

    /// Appends a batch, whole or not at all, and returns once it is durable.
    pub(crate) fn append(&mut self, batch: &[Vec<u8>]) -> Result<()> {
        if self.stopped {
            return Err(LogError::Stopped);
        }
        let Some(file) = self.file.clone() else { return Err(LogError::Stopped) };
        let mut bytes = Vec::new();
        let number = self.number;
        self.encode(number, batch, &mut bytes);
        if self.has(Bug::AppendAfterTornTail) {
            self.end = file.len()?;
        }
        let result = self.write(file.as_ref(), &bytes);
        if result.is_ok() {
            self.end += bytes.len() as u64;
            self.records.extend_from_slice(batch);
        } else if self.has(Bug::WritesGoOnAfterFailure) {
            self.end += bytes.len() as u64;
        } else {
            self.stopped = true;
        }
        result
    }

    fn write(&self, file: &dyn File, bytes: &[u8]) -> Result<()> {
        // A failed write may have left a part that the next open would find whole, so it is in doubt too.
        match file.write_all_at(self.end, bytes) {
            Ok(()) => {}
            Err(_) if self.has(Bug::WriteErrorSwallowed) => {}
            Err(_) => return Err(LogError::Unknown),
        }
        if self.has(Bug::NothingFlushed) || (self.has(Bug::EverySecondFlushed) && self.sequence.is_multiple_of(2)) {
            return Ok(());
        }
        match file.flush_data() {
            Err(_) if self.has(Bug::FlushRetried) => file.flush_data().map_err(|_| LogError::Unknown),
            result => result.map_err(|_| LogError::Unknown),
        }
    }

    /// Rewrites the log into a new file.
    pub(crate) fn compact(&mut self) -> Result<()> {
        if self.stopped {
            return Err(LogError::Stopped);
        }
        let names: Vec<String> = self.directory.list("")?.into_iter().map(|entry| entry.name).collect();
        let number = self.number + 1;
        let result = self.switch(number, &names);
        // Half a switch leaves two logs; only an open sorts that out.
        self.stopped = result.is_err();
        result
    }

    pub(crate) fn records(&self) -> &[Vec<u8>] {
        &self.records
    }
}
