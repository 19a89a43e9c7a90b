//! One subcommand each, and how a database is opened for them.
//!
//! Always: a command that only reads opens for reading only, so that it changes nothing, not even by recovery.
//! Does not know: how words are parsed (`args`) or printed (`output`).

mod data;
mod index;
mod inspect;
mod keys;
mod past;
mod tour;
mod transfer;
mod upkeep;

use std::path::Path;

use entidb_core::{Collection, Database, ErrorCode, Key, Options};

use crate::args::{Arguments, Command, Making, Target};
use crate::failure::{Failure, Result};
use crate::json;
use crate::output::Output;

/// Runs a command; its exit code.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<u8> {
    match arguments.command {
        Command::Tour { child: Some(folder), .. } => tour::write_until_killed(&folder),
        Command::Tour { entities, keep, child: None } => tour::run(entities, keep, output),
        Command::Inspect { target } => inspect::inspect(&target, output),
        Command::Stats { target } => inspect::stats(&target, output),
        Command::Collections { target } => inspect::collections(&target, output),
        Command::Verify { target, full } => inspect::verify(&target, full, output),
        Command::Dump { target, collection, output: file, entities_only } => {
            transfer::dump(&target, &collection, file.as_deref(), entities_only, output)
        }
        Command::Load { target, input, into, making } => {
            transfer::load(&target, &input, into.as_deref(), making, output)
        }
        Command::Get { target, collection, id, at } => data::get(&target, &collection, &id, at, output),
        Command::History { target, collection, id } => past::history(&target, &collection, &id, output),
        Command::Changes { target, since, collection, before } => {
            past::changes(&target, since, collection.as_deref(), before, output)
        }
        Command::Put { target, collection, document, id, making } => {
            data::put(&target, &collection, &document, id.as_deref(), making, output)
        }
        Command::Find { target, collection, selection, count, explain, delete, yes } => {
            let what = match (count, explain, delete) {
                (true, _, _) => data::Want::Count,
                (_, true, _) => data::Want::Explain,
                (_, _, true) => data::Want::Delete { yes },
                _ => data::Want::Entities,
            };
            data::find(&target, &collection, &selection, what, output)
        }
        Command::Index { action } => index::run(action, output),
        Command::Key { action } => keys::run(&action, output),
        Command::Checkpoint { target } => upkeep::checkpoint(&target, output),
        Command::Compact { target } => upkeep::compact(&target, output),
        Command::Backup { target, destination } => upkeep::backup(&target, &destination, output),
        Command::Restore { target, destination } => upkeep::restore(&target, &destination, output),
    }
}

/// How a command uses a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Reads an existing one.
    Read,
    /// Changes an existing one.
    Change,
    /// Changes one, making it when there is none, with the folders above it or without.
    Create { parents: bool },
}

/// The password in a variable, or the key in a file; none when neither is named.
fn key_of(variable: Option<&str>, file: Option<&Path>) -> Result<Option<Key>> {
    match (variable, file) {
        (Some(variable), _) => match std::env::var(variable) {
            Ok(password) if !password.is_empty() => Ok(Some(Key::Password(password.into_bytes()))),
            _ => {
                Err(Failure::Usage(format!("the environment variable {variable} is not set, is empty, or is not text")))
            }
        },
        (None, Some(file)) => Ok(Some(Key::Raw(read_key(file)?))),
        (None, None) => Ok(None),
    }
}

fn open(target: &Target, usage: Use) -> Result<Database> {
    let key = key_of(target.password_env.as_deref(), target.key_file.as_deref())?;
    let create = matches!(usage, Use::Create { .. });
    let create_parents = usage == Use::Create { parents: true };
    let options = Options { create, create_parents, read_only: usage == Use::Read, key, ..Options::default() };
    match Database::open_with(&target.path, options) {
        Err(error) if error.code() == ErrorCode::DatabaseNotFound && !create => {
            let problem = format!("there is no database at {:?}; check the path", target.path.display().to_string());
            Err(Failure::Missing(ErrorCode::DatabaseNotFound, problem))
        }
        opened => Ok(opened?),
    }
}

/// Opens for a command that makes the database only when that was asked for, because a misspelt path would make one.
fn open_to_write(target: &Target, making: Making) -> Result<Database> {
    if making.create {
        return open(target, Use::Create { parents: making.parents });
    }
    open(target, Use::Change).map_err(|failure| match failure {
        Failure::Missing(code, problem) => Failure::Missing(code, format!("{problem}, or pass --create to create it")),
        failure => failure,
    })
}

/// The collection to write to: one that is not there is made only when that was asked for, because a misspelt name would
/// make one.
fn writable(db: &Database, name: &str, create: bool) -> Result<Collection> {
    if create {
        return Ok(db.collection(name)?);
    }
    existing(db, name).map_err(|failure| match failure {
        Failure::Missing(code, problem) => Failure::Missing(code, format!("{problem}; pass --create to create it")),
        failure => failure,
    })
}

/// The text of a file or a command line, without the mark that some programs put at its beginning.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The collection, which must be there: a misspelt name is told apart from an empty answer.
fn existing(db: &Database, name: &str) -> Result<Collection> {
    let names = db.collections()?;
    if names.iter().any(|known| known == name) {
        return Ok(db.collection(name)?);
    }
    let known = if names.is_empty() {
        "the database has no collections".to_owned()
    } else {
        format!("there are: {}", names.join(", "))
    };
    Err(Failure::Missing(ErrorCode::CollectionNotFound, format!("there is no collection {name}; {known}")))
}

#[expect(clippy::disallowed_methods, reason = "a key file is the user's, not the database's")]
fn read_key(file: &Path) -> Result<[u8; 32]> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::system(&format!("read the key file {}", file.display()), &error))?;
    let bytes = json::unhex(text.trim()).map_err(Failure::Usage)?;
    let found = bytes.len();
    <[u8; 32]>::try_from(bytes).map_err(|_| Failure::Usage(format!("the key file has {found} bytes; a key has 32")))
}
