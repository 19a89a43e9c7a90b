//! The folders a database keeps its files in.
//!
//! Always: a folder that is not there is an empty one, because some storages keep no empty folders. What cannot be a file of
//! ours is left alone and told of: systems, tools and people leave things everywhere, and none of it is a reason to keep
//! a database shut.
//! Does not know: what the files hold.

use entidb_storage::{Backend, Entry, ErrorKind};

use crate::error::Result;
use crate::format::{FileKind, FileNumber, KEYRING_FILE};
use crate::space::RESERVE;

/// The folders of a database.
pub(crate) const FOLDERS: [FileKind; 4] = [FileKind::Wal, FileKind::Manifest, FileKind::Segment, FileKind::Temporary];

/// The name of the empty file that marks a folder as the target of a copy, from before its first file until after ROOT.
pub const UNFINISHED: &str = "UNFINISHED";

/// The files of a database outside its folders: what says which database this is, the lock, the keys, the reserve, the mark of a
/// copy.
const FIXED: [&str; 5] = ["ROOT", "LOCK", KEYRING_FILE, RESERVE, UNFINISHED];

/// A session gives out fewer numbers than this between two records of the manifest, each of which says what the next one
/// is: a file of a greater number is none of ours, and must not use up the numbers.
const NUMBERS_AHEAD_MAX: u64 = 1 << 32;

/// Names of foreign entries that a report lists; of more it says only how many there are.
const FOREIGN_LISTED_MAX: usize = 32;

/// The files of a kind.
pub(crate) fn list_files(backend: &Backend, kind: FileKind) -> Result<Vec<Entry>> {
    match backend.directory.list(kind.folder()) {
        Ok(entries) => Ok(entries),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The number that a file of this name has: decimal, without leading zeros.
pub(crate) fn number_of(name: &str) -> Option<FileNumber> {
    let number = name.parse().ok()?;
    (number > 0 && name.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('0'))
        .then_some(FileNumber(number))
}

/// What is in the folders of a database.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Files that may be ours, listed in the manifest or not.
    pub(crate) files: Vec<(FileKind, FileNumber)>,
    /// The greatest number that is in use, if only by the name of something else.
    pub(crate) greatest: FileNumber,
    /// What cannot be ours.
    pub(crate) foreign: Foreign,
}

/// Names in the folders of a database that cannot be its files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Foreign {
    /// Some of them, with their folder.
    pub(crate) names: Vec<String>,
    /// How many there are.
    pub(crate) count: u64,
}

impl Foreign {
    /// Notes one.
    pub(crate) fn note(&mut self, folder: &str, name: &str) {
        self.count = self.count.saturating_add(1);
        if self.names.len() < FOREIGN_LISTED_MAX {
            self.names.push(if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") });
        }
    }
}

/// Looks through the folders. No file of the database has the number `next` or a much greater one.
pub(crate) fn survey(backend: &Backend, next: FileNumber) -> Result<Survey> {
    let mut survey = Survey::default();
    for entry in backend.directory.list("")? {
        let is_folder = FOLDERS.iter().any(|kind| kind.folder() == entry.name);
        if !(is_folder && entry.is_folder || FIXED.contains(&entry.name.as_str()) && !entry.is_folder) {
            survey.foreign.note("", &entry.name);
        }
    }
    let limit = next.0.saturating_add(NUMBERS_AHEAD_MAX);
    for kind in FOLDERS {
        for entry in list_files(backend, kind)? {
            let number = number_of(&entry.name).filter(|number| number.0 < limit);
            survey.greatest = survey.greatest.max(number.unwrap_or_default());
            match number.filter(|_| !entry.is_folder) {
                Some(number) => survey.files.push((kind, number)),
                None => survey.foreign.note(kind.folder(), &entry.name),
            }
        }
    }
    Ok(survey)
}

/// Makes the folders that are missing and puts their names on stable storage.
pub(crate) fn create_folders(backend: &Backend) -> Result<()> {
    let entries = backend.directory.list("")?;
    let mut made = false;
    for kind in FOLDERS {
        if !entries.iter().any(|entry| entry.name == kind.folder()) {
            backend.directory.create_folder(kind.folder())?;
            made = true;
        }
    }
    if made {
        backend.directory.flush_names("")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_as_we_write_it_is_the_name_of_a_file() {
        assert_eq!(number_of("7"), Some(FileNumber(7)));
        assert_eq!(number_of("18446744073709551615"), Some(FileNumber(u64::MAX)));
        for name in ["", "0", "07", "+7", "-7", " 7", "7 ", "7.tmp", "12:00", "٣", "18446744073709551616", ".DS_Store"]
        {
            assert_eq!(number_of(name), None, "{name:?}");
        }
    }
}
