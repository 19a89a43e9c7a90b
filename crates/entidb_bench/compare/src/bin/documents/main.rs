//! Documents in EntiDB beside rows in SQLite, from Rust: the same data, the same indexes, one run, one machine.
//!
//! Always: SQLite has real columns and the settings it is best with; both read into the same struct; durability is the same
//! and printed. Engines take turns within each phase, so that a slow minute of the machine hits all. Does not know: keys and
//! values without documents (the other program of this folder).

mod ours;
mod person;
mod sqlite;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;

use person::Person;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What to measure.
#[derive(Debug, Parser)]
struct Arguments {
    /// Documents.
    #[arg(long, default_value_t = 100_000)]
    documents: u64,
    /// Runs, of which the table shows the least of each figure.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Engines to run.
    #[arg(long, value_delimiter = ',', default_value = "entidb,sqlite,sqlite-rowid")]
    engines: Vec<String>,
    /// Measure only phases whose name holds this.
    #[arg(long)]
    only: Option<String>,
    /// A folder on the disk to measure; a fresh one below it is used and removed.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// One engine with one table of persons: an index on `city`, and one on `created`.
trait Engine {
    /// Stores persons in one durable transaction.
    fn put(&mut self, numbers: std::ops::Range<u64>) -> Result<(), Failure>;
    /// Changes one field of some persons in one durable transaction.
    fn update(&mut self, numbers: &[u64]) -> Result<(), Failure>;
    fn get(&mut self, number: u64) -> Result<Option<Person>, Failure>;
    /// All persons of a city.
    fn of_city(&mut self, city: &str) -> Result<Vec<Person>, Failure>;
    /// The newest twenty before a time.
    fn newest(&mut self, before: i64) -> Result<Vec<Person>, Failure>;
    /// How many persons of a city there are, without reading them.
    fn count_city(&mut self, city: &str) -> Result<u64, Failure>;
    /// Adds up the ages of all persons.
    fn scan(&mut self) -> Result<u64, Failure>;
    /// Brings the newest writes to where they stay.
    fn settle(&mut self) -> Result<(), Failure>;
}

fn open(name: &str, folder: &std::path::Path) -> Result<Box<dyn Engine>, Failure> {
    Ok(match name {
        "entidb" => Box::new(ours::open(&folder.join("ours.entidb"))?),
        "sqlite" => Box::new(sqlite::open(&folder.join("blob.sqlite"), sqlite::Key::Blob)?),
        "sqlite-rowid" => Box::new(sqlite::open(&folder.join("rowid.sqlite"), sqlite::Key::Integer)?),
        other => return Err(format!("there is no engine {other}; choose from entidb, sqlite, sqlite-rowid").into()),
    })
}

/// Wall time and processor time, in nanoseconds for one unit of work.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    processor: f64,
}

#[expect(unsafe_code, reason = "the clock of processor time, all threads of this process together")]
fn processor_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct is ours and lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A phase: its name, and the work of one engine, which says how many units it did.
struct Phase {
    name: &'static str,
    run: fn(&mut dyn Engine, u64, u64) -> Result<u64, Failure>,
}

/// Of 100,000 persons, a hundred live in each city.
fn city_of(random: u64) -> String {
    person::city(random % person::CITIES)
}

const PHASES: [Phase; 8] = [
    Phase {
        name: "put, 1,000 a transaction, durable",
        // Each run puts the same persons again, after the first over what is there.
        run: |engine, documents, _| {
            for start in (0..documents).step_by(1000) {
                engine.put(start..(start + 1000).min(documents))?;
            }
            engine.settle()?;
            Ok(documents)
        },
    },
    Phase {
        name: "put, one durable transaction each",
        run: |engine, documents, run| {
            for number in 0..200 {
                let number = documents + run * 200 + number;
                engine.put(number..number + 1)?;
            }
            Ok(200)
        },
    },
    Phase {
        name: "update of a field, 1,000 a transaction",
        run: |engine, documents, run| {
            for batch in 0..10 {
                let numbers: Vec<u64> =
                    (0..1000).map(|place| person::mix(run * 10_000 + batch * 1000 + place) % documents).collect();
                engine.update(&numbers)?;
            }
            engine.settle()?;
            Ok(10_000)
        },
    },
    Phase {
        name: "get by id",
        run: |engine, documents, run| {
            for place in 0..30_000 {
                let number = person::mix(run * 100_000 + place) % documents;
                engine.get(number)?.ok_or("a person is missing")?;
            }
            Ok(30_000)
        },
    },
    Phase {
        name: "indexed find of 100",
        run: |engine, _, run| {
            for place in 0..400 {
                let found = engine.of_city(&city_of(person::mix(run * 1000 + place)))?;
                if found.len() < 100 {
                    return Err(format!("a city has {} persons", found.len()).into());
                }
            }
            Ok(400)
        },
    },
    Phase {
        name: "newest 20 by index",
        run: |engine, documents, run| {
            for place in 0..1000 {
                let before = person::created(person::mix(run * 1000 + place) % documents / 2 + documents / 2);
                if engine.newest(before)?.len() != 20 {
                    return Err("fewer than twenty".into());
                }
            }
            Ok(1000)
        },
    },
    Phase {
        name: "indexed count of 100",
        run: |engine, _, run| {
            for place in 0..400 {
                if engine.count_city(&city_of(person::mix(run * 1000 + place)))? < 100 {
                    return Err("a city has fewer".into());
                }
            }
            Ok(400)
        },
    },
    Phase {
        name: "scan, a document",
        run: |engine, documents, _| {
            engine.scan()?;
            Ok(documents)
        },
    },
];

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    let root = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let root = root.join(format!("entidb-documents-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    let result = measure(&arguments, &root);
    std::fs::remove_dir_all(&root)?;
    result
}

fn measure(arguments: &Arguments, root: &std::path::Path) -> Result<(), Failure> {
    let mut engines = Vec::new();
    for name in &arguments.engines {
        engines.push(open(name, root)?);
    }
    println!(
        "{} documents of {} bytes, least of {} runs, all writes flushed to disk",
        arguments.documents,
        ours::document_bytes()?,
        arguments.runs
    );
    println!(
        "entidb: durability durable, 256 MiB. sqlite: journal_mode=WAL, synchronous=FULL, cache_size 256 MB, mmap 1 GB,"
    );
    println!("statements prepared once, a 16-byte blob as key without rowid; sqlite-rowid: an integer as key.");
    println!("wall us, processor us; then processor time of each peer over ours\n");
    print!("{:<40}", "");
    for name in &arguments.engines {
        print!("{name:>24}");
    }
    println!();
    for (place, phase) in PHASES.iter().enumerate() {
        // The first phase fills the tables.
        let runs = match &arguments.only {
            Some(only) if !phase.name.contains(only.as_str()) => {
                if place > 0 {
                    continue;
                }
                1
            }
            _ => arguments.runs,
        };
        let mut best: Vec<Option<Cost>> = vec![None; engines.len()];
        for run in 0..runs as u64 {
            for (engine, best) in engines.iter_mut().zip(&mut best) {
                let (start, spent) = (Instant::now(), processor_nanos());
                let units = (phase.run)(engine.as_mut(), arguments.documents, run)? as f64;
                let wall = start.elapsed().as_nanos() as f64 / units;
                let processor = (processor_nanos() - spent) as f64 / units;
                *best = Some(best.map_or(Cost { wall, processor }, |known| Cost {
                    wall: known.wall.min(wall),
                    processor: known.processor.min(processor),
                }));
            }
        }
        print!("{:<40}", phase.name);
        let ours = best.first().copied().flatten();
        for (place, cost) in best.iter().enumerate() {
            let Some(cost) = cost else { continue };
            let text = format!("{:.2} {:.2}", cost.wall / 1000.0, cost.processor / 1000.0);
            match ours {
                Some(ours) if place > 0 => print!("{:>24}", format!("{text} ({:.2})", cost.processor / ours.processor)),
                _ => print!("{text:>24}"),
            }
        }
        println!();
    }
    Ok(())
}
