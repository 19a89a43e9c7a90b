//! `cargo xtask`: the commands of EntiDB's contributors.
//!
//! Always: everything a command builds or downloads stays in the clone (`target/`, `.build/`) or in the usual
//! caches of cargo, pip and npm.
//! Does not know: how the database works; it only runs, checks and packs it.
#![forbid(unsafe_code)]

mod bench;
mod codegen;
mod dependencies;
mod dist;
mod failure;
mod header;
mod process;
mod repository;
mod sbom;
mod setup;
mod snippet;
mod test;
mod tidy;
mod wheel;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::{Failure, Result};
use repository::Repository;
use test::Tier;

/// The commands of EntiDB's contributors.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install or build what the suites need, into the clone or the usual caches
    Setup,
    /// Run the suites and print one table of what they did
    Test {
        /// Run every layer at full size (about an hour)
        #[arg(long, conflicts_with = "release")]
        full: bool,
        /// Run every layer at the size of a release (many hours)
        #[arg(long)]
        release: bool,
        /// Run only these suites; may be given more than once
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        only: Vec<String>,
        /// Print the names of the suites and run nothing
        #[arg(long)]
        list: bool,
    },
    /// Write the generated files from their sources
    Codegen {
        /// Only say which files are not up to date, and fail if any is
        #[arg(long)]
        check: bool,
    },
    /// Write include/entidb.h and the symbol list from entidb_ffi
    Header {
        /// Only say which files are not up to date, and compile the header as C11 and C++17
        #[arg(long)]
        check: bool,
    },
    /// Judge code and documents by the rules a compiler does not know
    Tidy,
    /// Run the benchmark NAME, or all; `compare` runs the one against other engines
    Bench {
        /// The benchmark
        name: Option<String>,
        /// What to hand on to it
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Build what is published into dist/: crates, c, python, node, sbom
    Dist {
        /// What to pack; everything when none is named
        kinds: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        // The table of `test` has said what failed, and its last line stays the last.
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<bool> {
    let repository = Repository::find()?;
    let outcome = match command {
        Command::Setup => setup::provide(&repository, &setup::everything(&repository)),
        Command::Test { list: true, .. } => {
            test::list(&repository);
            Ok(())
        }
        Command::Test { full, release, only, .. } => {
            let tier = match (full, release) {
                (_, true) => Tier::Release,
                (true, _) => Tier::Full,
                _ => Tier::Quick,
            };
            return test::run(repository, tier, &only);
        }
        Command::Codegen { check: false } => wrote(&codegen::write(&repository)?),
        Command::Codegen { check: true } => up_to_date(&codegen::stale(&repository)?, "codegen"),
        Command::Header { check } => header_command(&repository, check),
        Command::Tidy => tidy::run(&repository),
        Command::Bench { name, rest } => bench::run(&repository, name.as_deref(), &rest),
        Command::Dist { kinds } => dist::run(&repository, &kinds),
    };
    outcome.map(|()| true)
}

fn header_command(repository: &Repository, check: bool) -> Result<()> {
    if !repository.has_content(header::ROOT) {
        println!("SKIPPED: entidb_ffi has no content yet");
        return Ok(());
    }
    if !check {
        return wrote(&header::write(repository)?);
    }
    up_to_date(&header::stale(repository)?, "header")?;
    header::compiles(repository, "cc", "c", "-std=c11")?;
    header::compiles(repository, "c++", "c++", "-std=c++17")
}

fn wrote(paths: &[&str]) -> Result<()> {
    for path in paths {
        println!("wrote {path}");
    }
    Ok(())
}

fn up_to_date(stale: &[&str], command: &str) -> Result<()> {
    if stale.is_empty() {
        println!("generated files are up to date");
        return Ok(());
    }
    Err(Failure::new(format!("not up to date: {}; run `cargo xtask {command}`", stale.join(", "))))
}
