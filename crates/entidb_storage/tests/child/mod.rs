//! Runs a part of a test in a process of its own: the test binary starts itself again.
//!
//! Always: the child runs one test function, named by the parent, with its folder and its number in the environment;
//! the same function does nothing when nobody asked. Does not know: what the part does.
use std::path::{Path, PathBuf};
use std::process::Command;

const PLACE: &str = "ENTIDB_CHILD_PLACE";
const NUMBER: &str = "ENTIDB_CHILD_NUMBER";

/// The command that runs the test function `part` in another process; `program` are words that go before it, such
/// as those of `unshare`.
pub(crate) fn command(program: &[&str], part: &str, place: &Path, number: u32) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match program.split_first() {
        Some((program, words)) => {
            let mut command = Command::new(program);
            command.args(words).arg(this);
            command
        }
        None => Command::new(this),
    };
    command.args(["--exact", part, "--nocapture", "--test-threads=1"]);
    command.env(PLACE, place).env(NUMBER, number.to_string());
    command
}

/// The folder and the number this process was started for, when it is a child.
pub(crate) fn asked() -> Option<(PathBuf, u32)> {
    let place = std::env::var_os(PLACE)?;
    let number = std::env::var(NUMBER).unwrap().parse().unwrap();
    Some((PathBuf::from(place), number))
}
