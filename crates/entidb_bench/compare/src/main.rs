//! EntiDB's engine beside other embedded engines: the same phases, the same data, one run, one machine.
//!
//! Always: each engine gets its best sensible configuration, which the table names; engines take turns within a run,
//! so that a slow minute of the machine hits all. Does not know: entities, which the peers do not have.

mod engines;
mod phase;
mod table;

use std::path::PathBuf;

use clap::Parser;

use engines::{Engine, Failure};
use phase::{Measure, Phase, Scale};

/// What to measure.
#[derive(Debug, Parser)]
struct Arguments {
    /// Pairs in the bulk load.
    #[arg(long, default_value_t = 200_000)]
    keys: u64,
    /// Runs, of which the table shows the median.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Engines to run.
    #[arg(long, value_delimiter = ',', default_value = "entidb,lmdb,redb,fjall,sqlite")]
    engines: Vec<String>,
    /// A folder on the disk to measure; a fresh one below it is used and removed.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Stop after this phase (its first words).
    #[arg(long)]
    until: Option<String>,
    /// Run our engine with encryption.
    #[arg(long)]
    encrypted: bool,
}

fn main() -> Result<(), Failure> {
    // `cargo bench`-like runners pass `--bench`; there is nothing it could change here.
    let arguments = Arguments::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    let root = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let root = root.join(format!("entidb-compare-{}", std::process::id()));
    let scale = Scale { keys: arguments.keys };
    let mut results: Vec<Vec<Vec<Measure>>> = Vec::new();
    for run in 0..arguments.runs {
        let mut of_run = Vec::new();
        for name in &arguments.engines {
            let folder = root.join(format!("{name}-{run}"));
            std::fs::create_dir_all(&folder)?;
            eprintln!("run {} of {}: {name}", run + 1, arguments.runs);
            let measured = phase::run_all(
                &|| engines::open(name, &folder, arguments.encrypted),
                &folder,
                scale,
                arguments.until.as_deref(),
            );
            std::fs::remove_dir_all(&folder)?;
            of_run.push(measured?);
        }
        results.push(of_run);
    }
    std::fs::remove_dir_all(&root)?;
    table::print(&arguments.engines, &Phase::ALL, &results, scale, arguments.encrypted);
    Ok(())
}

/// Opens an engine; called again for the reopening phase.
type Opener<'a> = &'a dyn Fn() -> Result<Box<dyn Engine>, Failure>;
