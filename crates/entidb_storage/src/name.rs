//! Which names a directory accepts.
//!
//! Always: an accepted name means the same file on every platform, and never a file outside the root.
//! Does not know: which files exist.

use crate::error::{Error, ErrorKind, Operation, Result};

/// The longest name of one file or folder, in bytes. Every file system we know takes 255; some count UTF-16 units.
pub const NAME_BYTES_MAX: usize = 200;

/// A name taken apart: the folder (`""` is the root) and the file in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// The folder under the root, or `""` for the root itself.
    pub folder: &'a str,
    /// The file inside that folder.
    pub file: &'a str,
}

impl<'a> Name<'a> {
    /// Takes `name` apart, for a file that is meant by `operation`.
    ///
    /// ```
    /// use entidb_storage::{Name, Operation};
    /// let name = Name::parse(Operation::Open, "seg/000007.seg")?;
    /// assert_eq!((name.folder, name.file), ("seg", "000007.seg"));
    /// assert!(Name::parse(Operation::Open, "../passwd").is_err());
    /// # Ok::<(), entidb_storage::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidName` with the rule it breaks.
    pub fn parse(operation: Operation, name: &'a str) -> Result<Self> {
        let (folder, file) = match name.split_once('/') {
            Some((folder, file)) => (Some(folder), file),
            None => (None, name),
        };
        let judged = match folder {
            _ if name.is_empty() => Err("it is empty"),
            _ if file.contains('/') => Err("it is more than one folder deep"),
            Some(folder) => judge(folder).and_then(|()| judge(file)),
            None => judge(file),
        };
        match judged {
            Ok(()) => Ok(Self { folder: folder.unwrap_or(""), file }),
            Err(reason) => Err(invalid(operation, name, reason)),
        }
    }

    /// Judges the name of a folder that is about to be made; the root has none.
    ///
    /// # Errors
    /// `InvalidName` with the rule it breaks.
    pub fn parse_folder(operation: Operation, name: &'a str) -> Result<&'a str> {
        let judged = if name.contains('/') { Err("a folder lies directly under the root") } else { judge(name) };
        judged.map(|()| name).map_err(|reason| invalid(operation, name, reason))
    }

    /// Judges the name of a folder that is there already; `""` is the root.
    ///
    /// # Errors
    /// `InvalidName` with the rule it breaks.
    pub fn parse_folder_or_root(operation: Operation, name: &'a str) -> Result<&'a str> {
        if name.is_empty() { Ok(name) } else { Self::parse_folder(operation, name) }
    }
}

fn invalid(operation: Operation, name: &str, reason: &'static str) -> Error {
    Error::new(operation, name, ErrorKind::InvalidName { reason })
}

/// What one part of a name may be. The rules of all platforms hold on each of them, so that a database can move.
fn judge(part: &str) -> std::result::Result<(), &'static str> {
    if part.is_empty() {
        return Err("a part of it is empty");
    }
    if part == "." || part == ".." {
        return Err("`.` and `..` would leave the folder");
    }
    if part.len() > NAME_BYTES_MAX {
        return Err("a part of it is longer than 200 bytes");
    }
    if part.chars().any(|c| c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')) {
        return Err("it holds a control character or one of \\ : * ? \" < > |");
    }
    if part.ends_with(['.', ' ']) {
        return Err("it ends in a dot or a space, which Windows drops");
    }
    let stem = part.split('.').next().unwrap_or(part).trim_end();
    if DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device)) {
        return Err("it is the name of a device on Windows");
    }
    Ok(())
}

/// Windows opens a device for these, in any folder and with any ending.
const DEVICES: [&str; 24] = [
    "con", "prn", "aux", "nul", "conin$", "conout$", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];
