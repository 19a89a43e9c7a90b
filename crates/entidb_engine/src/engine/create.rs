//! Makes a database in an empty folder.
//!
//! Always: ROOT is written last, so a crash leaves a database or the remains of none, which the next open sweeps away.
//! Does not know: what will be stored.

use std::collections::BTreeSet;
use std::sync::Arc;

use entidb_storage::{Backend, Lock};

use crate::crypto::{self, Opened};
use crate::engine::open::{KEYRING, ROOT, surroundings};
use crate::engine::recover::{Session, begin_session, segment_context};
use crate::engine::shared::Shared;
use crate::error::Result;
use crate::format::{DatabaseId, FileNumber, Sequence};
use crate::open_files::OpenFiles;
use crate::options::Options;
use crate::stats::OpenReport;
use crate::version::{FOLDERS, FileNumbers, Survey, create_folders, number_of};

pub(crate) fn create(
    backend: Backend,
    options: Options,
    lock: Box<dyn Lock>,
    open_files: Arc<OpenFiles>,
) -> Result<Arc<Shared>> {
    let mut id = [0; 16];
    backend.random.fill(&mut id)?;
    create_folders(&backend)?;
    let opened = crypto::create(surroundings(&backend, &options), DatabaseId(id), options.key.as_ref(), options.kdf)?;
    let Opened { keys, keyring } = opened;
    let report = OpenReport { created: true, clean: true, ..OpenReport::default() };
    let session = Session {
        context: segment_context(&backend, &keys, options.memory_bytes, open_files),
        keys,
        keyring,
        numbers: Arc::new(FileNumbers::starting_at(FileNumber(1))),
        found_root: None,
        root_generation: 0,
        record_generation: 0,
        floor: Sequence::ZERO,
        last: Sequence::ZERO,
        wals: Vec::new(),
        rewrite: false,
        proven: Vec::new(),
        listed: BTreeSet::new(),
        version: None,
        memtable: None,
        overflows: false,
        survey: Survey::default(),
        report,
    };
    begin_session(backend, options, lock, session)
}

/// Removes what an unfinished making left, and nothing else, for good: the next one uses the same names, and an old file that came back
/// beside its new ones would look like more than an unfinished making.
pub(crate) fn sweep_unfinished(backend: &Backend) -> Result<()> {
    for entry in backend.directory.list("")? {
        if entry.is_folder && FOLDERS.iter().any(|kind| kind.folder() == entry.name) {
            for file in backend.directory.list(&entry.name)? {
                if number_of(&file.name).is_some() {
                    backend.directory.remove(&format!("{}/{}", entry.name, file.name))?;
                }
            }
            backend.directory.flush_names(&entry.name)?;
        } else if !entry.is_folder && [ROOT, KEYRING].contains(&entry.name.as_str()) {
            backend.directory.remove(&entry.name)?;
        }
    }
    backend.directory.flush_names("")?;
    Ok(())
}
