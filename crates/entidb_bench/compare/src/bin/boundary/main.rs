//! What the C ABI adds to a call: the same calls from Rust and, in turns, from the C program `c/boundary.c`.
//!
//! Always: the same documents and ids in both; processor time of the calling thread, the least of the rounds.
//! Does not know: other engines. Started by `cargo xtask bench boundary`, which builds the C program.

use std::collections::BTreeMap;
use std::process::Command;

use entidb_core::{BatchItem, Collection, Database, Durability, EntityId, IndexDefinition, Query, WriteMode, doc, encode};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const DOCUMENTS: u64 = 50_000;
const GROUPS: u64 = DOCUMENTS / 100;
const CALLS: u64 = 200_000;
const ROUNDS: u64 = 5;
/// How often Rust and C take turns.
const TURNS: usize = 3;

#[expect(unsafe_code, reason = "the clock of this thread's processor time")]
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct is ours and lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn id(number: u64) -> EntityId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    EntityId::from_bytes(bytes)
}

fn document(number: u64) -> Vec<u8> {
    let text = "a text of some length, as documents have them, a hundred bytes or so, more or less, in one field";
    encode(&doc! { "g": number % GROUPS, "n": number, "t": text })
}

fn get(_: &Database, notes: &Collection, round: u64) -> Result<u64, Failure> {
    let mut bytes = 0;
    for call in 0..CALLS {
        let found = notes.get(id(mix(round * CALLS + call) % DOCUMENTS))?.ok_or("missing")?;
        bytes += found.bytes().len();
    }
    Ok(if bytes > 0 { CALLS } else { 0 })
}

fn absent(_: &Database, notes: &Collection, round: u64) -> Result<u64, Failure> {
    for call in 0..CALLS {
        if notes.get(id(DOCUMENTS + mix(round * CALLS + call) % DOCUMENTS))?.is_some() {
            return Err("there".into());
        }
    }
    Ok(CALLS)
}

fn exists(_: &Database, notes: &Collection, round: u64) -> Result<u64, Failure> {
    for call in 0..CALLS {
        if !notes.exists(id(mix(round * CALLS + call) % DOCUMENTS))? {
            return Err("missing".into());
        }
    }
    Ok(CALLS)
}

fn count(_: &Database, notes: &Collection, _: u64) -> Result<u64, Failure> {
    for _ in 0..CALLS {
        if notes.count()? != DOCUMENTS {
            return Err("a wrong count".into());
        }
    }
    Ok(CALLS)
}

fn put(db: &Database, _: &Collection, round: u64) -> Result<u64, Failure> {
    const PUTS: u64 = 20_000;
    let bytes = document(7);
    let tx = db.begin_write()?;
    let within = tx.collection("notes")?;
    for call in 0..PUTS {
        within.write(Some(id(mix(round * PUTS + call) % DOCUMENTS)), &bytes, WriteMode::Put)?;
    }
    tx.abort();
    Ok(PUTS)
}

fn find(_: &Database, notes: &Collection, round: u64) -> Result<u64, Failure> {
    const FINDS: u64 = 1000;
    for call in 0..FINDS {
        // The query comes as bytes in C; reading them belongs to what the boundary adds.
        let filter = entidb_core::field("g").eq(mix(round * FINDS + call) % GROUPS);
        let found = notes.query(Query { filter, ..Query::default() }).run()?;
        let mut frames = Vec::new();
        for entity in found {
            let entity = entity?;
            frames.extend_from_slice(&(entity.bytes().len() as u32).to_le_bytes());
            frames.extend_from_slice(entity.id_bytes());
            frames.extend_from_slice(&entity.version().to_le_bytes());
            frames.extend_from_slice(entity.bytes());
        }
        std::hint::black_box(frames);
    }
    Ok(FINDS)
}

fn scan(_: &Database, notes: &Collection, _: u64) -> Result<u64, Failure> {
    let mut found = 0;
    for entity in notes.iter()? {
        std::hint::black_box(entity?);
        found += 1;
    }
    Ok(found)
}

type Run = fn(&Database, &Collection, u64) -> Result<u64, Failure>;

const CASES: [(&str, Run); 7] = [
    ("get", get),
    ("get_absent", absent),
    ("exists", exists),
    ("count", count),
    ("put", put),
    ("find_100", find),
    ("scan", scan),
];

fn from_rust() -> Result<BTreeMap<String, f64>, Failure> {
    let db = Database::open_memory()?;
    let notes = db.collection("notes")?;
    notes.create_index(IndexDefinition::on(["g"])?)?;
    for start in (0..DOCUMENTS).step_by(1000) {
        let encoded: Vec<_> = (start..start + 1000).map(|number| (id(number), document(number))).collect();
        let items: Vec<_> = encoded.iter().map(|(id, document)| BatchItem { id: Some(*id), document }).collect();
        let tx = db.begin_write()?;
        tx.collection("notes")?.put_batch(&items)?;
        tx.commit_with(Durability::None)?;
    }
    let mut costs = BTreeMap::new();
    for (name, run) in CASES {
        let mut least = f64::MAX;
        for round in 0..ROUNDS {
            let start = now();
            let calls = run(&db, &notes, round)?;
            least = least.min((now() - start) as f64 / calls as f64);
        }
        costs.insert(name.to_owned(), least);
    }
    Ok(costs)
}

fn from_c(program: &str) -> Result<BTreeMap<String, f64>, Failure> {
    let output = Command::new(program).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let mut costs = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let (name, cost) = line.split_once(' ').ok_or("a line without a cost")?;
        costs.insert(name.to_owned(), cost.parse()?);
    }
    Ok(costs)
}

fn least(into: &mut BTreeMap<String, f64>, costs: BTreeMap<String, f64>) {
    for (name, cost) in costs {
        let known = into.entry(name).or_insert(cost);
        *known = known.min(cost);
    }
}

fn main() -> Result<(), Failure> {
    let program = std::env::args().nth(1).ok_or("give the C program; `cargo xtask bench boundary` does")?;
    let (mut rust, mut c) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..TURNS {
        least(&mut rust, from_rust()?);
        least(&mut c, from_c(&program)?);
    }
    println!("processor time of a call in nanoseconds, least of {TURNS} turns of {ROUNDS} rounds, in memory");
    println!("{:<12}{:>12}{:>12}{:>12}", "", "Rust", "C", "added");
    for (name, _) in CASES {
        if let (Some(rust), Some(c)) = (rust.get(name), c.get(name)) {
            println!("{name:<12}{rust:>12.1}{c:>12.1}{:>12.1}", c - rust);
        }
    }
    Ok(())
}
