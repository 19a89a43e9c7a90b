//! `entidb`: inspect, check, query, change and back up EntiDB databases.
//!
//! Always: results go to standard output, failures to standard error; the exit code says which kind of failure. Does not know:
//! how anything is stored; it uses `entidb_core` like any other program.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod failure;
mod filter;
mod json;
mod output;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

fn main() -> ExitCode {
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let output = output::Output::new(arguments.json);
    match commands::run(arguments, &output) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Help and version go to standard output; a mistake in the words is told as every other failure is, as JSON where that was
/// asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    let is_mistake = !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_mistake && wants_json {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        let failure = failure::Failure::Usage(text.to_owned());
        output::Output::new(true).failure(&failure);
        return ExitCode::from(failure.exit_code());
    }
    // There is nowhere left to report that neither can be written.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
