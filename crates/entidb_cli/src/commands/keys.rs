//! The keys of an encrypted database.
//!
//! Always: keys come from the environment or a file, never from the command line, which others can see. Does not know: how
//! keys are kept.

use entidb_core::{Database, Key};
use serde_json::json;

use super::{Use, key_of, open};
use crate::args::{KeyAction, NewKey, Target};
use crate::failure::{Failure, NO, Result};
use crate::json::from_value;
use crate::output::Output;

pub(super) fn run(action: &KeyAction, output: &Output) -> Result<u8> {
    match action {
        KeyAction::List { target } => {
            let db = open(target, Use::Read)?;
            let slots = db.keys()?;
            db.close()?;
            output.result(
                || {
                    let lines: Vec<String> = slots
                        .iter()
                        .map(|slot| match slot.password_memory_kib {
                            Some(kib) => format!("slot {}: password, {kib} KiB for a guess", slot.slot),
                            None => format!("slot {}: key of 32 bytes", slot.slot),
                        })
                        .collect();
                    lines.join("\n")
                },
                || json!(slots.iter().map(|slot| from_value(&slot.to_value())).collect::<Vec<_>>()),
            )?;
            Ok(0)
        }
        KeyAction::Change { target, new } => {
            let (db, old) = opened(target)?;
            db.change_key(&old, &coming(new)?)?;
            done(&db, "changed", output)
        }
        KeyAction::Add { target, new } => {
            let (db, existing) = opened(target)?;
            db.add_key(&existing, &coming(new)?)?;
            done(&db, "added", output)
        }
        KeyAction::Remove { target, yes } => {
            let (db, key) = opened(target)?;
            if !output.confirm("remove this key", *yes)? {
                return Ok(NO);
            }
            db.remove_key(&key)?;
            done(&db, "removed", output)
        }
        KeyAction::Rotate { target } => {
            let (db, _) = opened(target)?;
            db.rotate_key()?;
            done(&db, "rotated", output)
        }
        KeyAction::Rekey { target } => {
            let (db, _) = opened(target)?;
            // Nobody else reads the database, so nothing of it stays under an old key.
            if !db.rekey()? {
                return Err(Failure::Usage("a program still reads old files; try again".to_owned()));
            }
            done(&db, "rekeyed", output)
        }
    }
}

/// The database, and the key it was opened with.
fn opened(target: &Target) -> Result<(Database, Key)> {
    let key = key_of(target.password_env.as_deref(), target.key_file.as_deref())?.ok_or_else(|| {
        Failure::Usage("the database is opened with its key or password; pass --key-file or --password-env".to_owned())
    })?;
    Ok((open(target, Use::Change)?, key))
}

fn coming(new: &NewKey) -> Result<Key> {
    key_of(new.new_password_env.as_deref(), new.new_key_file.as_deref())?
        .ok_or_else(|| Failure::Usage("pass --new-password-env or --new-key-file".to_owned()))
}

fn done(db: &Database, what: &str, output: &Output) -> Result<u8> {
    db.close()?;
    output.result(|| what.to_owned(), || json!({ "done": what }))?;
    Ok(0)
}
