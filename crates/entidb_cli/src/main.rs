//! `entidb`: look into, check, change, back up and try out EntiDB databases.
//!
//! Always: what was asked goes to standard output, what went wrong to standard error; the exit code says which kind of
//! wrong. Does not know: how anything is stored; it is a user of `entidb_core` like any other.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod failure;
mod filter;
mod json;
mod output;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let output = output::Output::new(arguments.json);
    match commands::run(arguments, &output) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
