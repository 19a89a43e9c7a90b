//! `cargo xtask`: the commands of EntiDB's contributors.
//!
//! Always: everything a command builds or downloads stays in the clone (`target/`, `.build/`) or in the usual
//! caches of cargo, pip and npm.
//! Does not know: how the database works; it only runs, checks and packs it.

mod codegen;
mod failure;
mod process;
mod repository;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::{Failure, Result};
use repository::Repository;

/// The commands of EntiDB's contributors.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", version, propagate_version = false)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the generated files from their sources
    Codegen {
        /// Only say which files are not up to date, and fail if any is
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let repository = Repository::find()?;
    match &arguments.command {
        Command::Codegen { check } => codegen_command(&repository, *check),
    }
}

fn codegen_command(repository: &Repository, check: bool) -> Result<()> {
    if !check {
        for path in codegen::write(repository)? {
            println!("wrote {path}");
        }
        return Ok(());
    }
    let stale = codegen::stale(repository)?;
    if stale.is_empty() {
        println!("generated files are up to date");
        return Ok(());
    }
    Err(Failure::new(format!(
        "not up to date: {}; run `cargo xtask codegen`",
        stale.join(", ")
    )))
}
