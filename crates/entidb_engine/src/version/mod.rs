//! Which files are live, and how one set of them takes the place of another.
//!
//! Always: a set of files is switched by one flushed record, so a crash finds the old one or the new one, whole.
//! Does not know: what the files hold.

mod folder;
mod install;
mod manifest;
mod root;

pub(crate) use folder::{FOLDERS, create_folders, list_files};
pub(crate) use install::Installer;
pub(crate) use manifest::{FileNumbers, ManifestWriter, WalRef, read_manifest};
pub(crate) use root::{read_root_file, write_root};
