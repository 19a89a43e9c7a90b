//! How fast is the codec against ciborium, minicbor and serde_json on the same documents?
//!
//! Always: all peers run in one process, turn by turn, so that a slow moment hits each of them; the
//! figure is the best of the turns, which other work on the machine disturbs least. Before anything
//! is timed, every peer's result is checked.
//! Does not know: targets; `cargo xtask bench codec` prints what was measured.
//!
//! minicbor's derived types use integer keys and no sorting, which is less work than the others do.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints the times it measures, and stops at the first surprise"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use entidb_codec::{Direction, Path, ValueRef, encode_ordered};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, minicbor::Encode, minicbor::Decode, PartialEq, Debug, Clone)]
#[cbor(map)]
struct Flat {
    #[n(0)]
    id: u64,
    #[n(1)]
    name: String,
    #[n(2)]
    email: String,
    #[n(3)]
    age: u8,
    #[n(4)]
    active: bool,
    #[n(5)]
    score: f64,
    #[n(6)]
    city: String,
    #[n(7)]
    created_at: i64,
    #[n(8)]
    note: Option<String>,
}

#[derive(Serialize, Deserialize, minicbor::Encode, minicbor::Decode, PartialEq, Debug, Clone)]
#[cbor(map)]
struct Address {
    #[n(0)]
    street: String,
    #[n(1)]
    city: String,
    #[n(2)]
    postcode: String,
    #[n(3)]
    country: String,
}

#[derive(Serialize, Deserialize, minicbor::Encode, minicbor::Decode, PartialEq, Debug, Clone)]
#[cbor(map)]
struct Line {
    #[n(0)]
    sku: String,
    #[n(1)]
    title: String,
    #[n(2)]
    quantity: u32,
    #[n(3)]
    price: f64,
    #[n(4)]
    discount: Option<f64>,
    #[n(5)]
    tags: Vec<String>,
}

#[derive(Serialize, Deserialize, minicbor::Encode, minicbor::Decode, PartialEq, Debug, Clone)]
#[cbor(map)]
struct Nested {
    #[n(0)]
    id: u64,
    #[n(1)]
    status: String,
    #[n(2)]
    customer: Flat,
    #[n(3)]
    billing: Address,
    #[n(4)]
    shipping: Address,
    #[n(5)]
    lines: Vec<Line>,
    #[n(6)]
    paid: bool,
    #[n(7)]
    total: f64,
}

#[derive(Serialize, Deserialize, minicbor::Encode, minicbor::Decode, PartialEq, Debug, Clone)]
#[cbor(map)]
struct Arrays {
    #[n(0)]
    device: String,
    #[n(1)]
    times: Vec<u64>,
    #[n(2)]
    values: Vec<f64>,
    #[n(3)]
    flags: Vec<bool>,
    #[n(4)]
    labels: Vec<String>,
    #[n(5)]
    events: Vec<Line>,
    #[n(6)]
    version: u32,
}

fn flat(seed: u64) -> Flat {
    Flat {
        id: 9_000_000_000 + seed,
        name: format!("Ada Lovelace {seed}"),
        email: format!("ada.{seed}@example.org"),
        age: 36,
        active: true,
        score: 71.25 + seed as f64 / 10.0,
        city: "London".into(),
        created_at: 1_700_000_000_000 + seed as i64,
        note: Some("first to publish an algorithm, and a table of its steps in 1843".into()),
    }
}

fn address(seed: u64) -> Address {
    Address {
        street: format!("{} St James's Square", seed + 12),
        city: "London".into(),
        postcode: format!("SW1Y {seed}JH"),
        country: "United Kingdom".into(),
    }
}

fn line(seed: u64) -> Line {
    Line {
        sku: format!("SKU-{:06}", seed * 7919 % 1_000_000),
        title: format!("Difference engine part {seed}"),
        quantity: (seed % 9) as u32 + 1,
        price: seed as f64 * 1.1 + 0.99,
        discount: seed.is_multiple_of(3).then_some(0.15),
        tags: vec!["brass".into(), format!("batch-{}", seed % 17)],
    }
}

fn nested() -> Nested {
    Nested {
        id: 77,
        status: "shipped".into(),
        customer: flat(3),
        billing: address(1),
        shipping: address(2),
        lines: (0..15).map(line).collect(),
        paid: true,
        total: 1234.56,
    }
}

fn arrays() -> Arrays {
    Arrays {
        device: "sensor-17".into(),
        times: (0..1500).map(|i| 1_700_000_000 + i * 60 + i % 7).collect(),
        values: (0..1500).map(|i| f64::from(i) * 0.37 - 40.0).collect(),
        flags: (0..1000).map(|i| i % 3 == 0).collect(),
        labels: (0..400).map(|i| format!("label {}", i * 31 % 997)).collect(),
        events: (0..320).map(line).collect(),
        version: 4,
    }
}

type Work<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// Runs the peers turn by turn and prints the best time of each, with ratios to the first.
fn measure(what: &str, bytes: usize, mut peers: Vec<Work<'_>>) {
    const TURNS: usize = 41;
    let mut rounds = Vec::new();
    for (_, work) in &mut peers {
        // Long enough for the clock, and warm.
        let mut count = 1_u32;
        loop {
            let start = Instant::now();
            (0..count).for_each(|_| work());
            if start.elapsed() > Duration::from_micros(1_500) {
                break;
            }
            count *= 2;
        }
        rounds.push(count);
    }
    let mut times = vec![Vec::new(); peers.len()];
    for _ in 0..TURNS {
        for (((_, work), count), times) in peers.iter_mut().zip(&rounds).zip(&mut times) {
            let start = Instant::now();
            (0..*count).for_each(|_| work());
            times.push(start.elapsed().as_secs_f64() / f64::from(*count));
        }
    }
    let best: Vec<f64> = times.into_iter().map(|times| times.into_iter().fold(f64::INFINITY, f64::min)).collect();
    let ours = best.first().copied().unwrap();
    for ((name, _), time) in peers.iter().zip(&best) {
        println!(
            "{what:<24} {name:<22} {:>10.0} ns {:>8.0} MB/s {:>7.2}x",
            time * 1e9,
            bytes as f64 / time / 1e6,
            time / ours
        );
    }
}

fn walk(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Array(array) => array.iter().map(walk).sum(),
        ValueRef::Map(map) => map.iter().map(|(_, value)| walk(value)).sum(),
        ValueRef::Text(text) => text.len(),
        _ => 1,
    }
}

fn ciborium_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    ciborium::into_writer(value, &mut out).unwrap();
    out
}

fn compare<T>(name: &str, document: &T, path: &[(&str, Path)])
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let ours = entidb_codec::to_vec(document).unwrap();
    let theirs = ciborium_bytes(document);
    let mini = minicbor::to_vec(document).unwrap();
    let json = serde_json::to_vec(document).unwrap();
    assert_eq!(entidb_codec::canonicalise(&theirs).unwrap(), ours, "ciborium holds the same document");
    assert_eq!(&entidb_codec::from_slice::<T>(&ours).unwrap(), document);
    assert_eq!(&minicbor::decode::<T>(&mini).unwrap(), document);
    let our_tree = entidb_codec::decode(&ours).unwrap();
    let their_tree: ciborium::Value = ciborium::from_reader(theirs.as_slice()).unwrap();
    let json_tree: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let size = ours.len();
    println!("\n{name}: {size} bytes, ciborium {}, minicbor {}, json {}", theirs.len(), mini.len(), json.len());

    measure(
        "encode typed",
        size,
        vec![
            ("entidb", Box::new(|| drop(black_box(entidb_codec::to_vec(black_box(document)))))),
            ("ciborium", Box::new(|| drop(black_box(ciborium_bytes(black_box(document)))))),
            ("serde_json", Box::new(|| drop(black_box(serde_json::to_vec(black_box(document)))))),
            ("minicbor (int keys)", Box::new(|| drop(black_box(minicbor::to_vec(black_box(document)))))),
        ],
    );
    measure(
        "encode tree",
        size,
        vec![
            ("entidb", Box::new(|| drop(black_box(entidb_codec::encode(black_box(&our_tree)))))),
            ("ciborium", Box::new(|| drop(black_box(ciborium_bytes(black_box(&their_tree)))))),
            ("serde_json", Box::new(|| drop(black_box(serde_json::to_vec(black_box(&json_tree)))))),
        ],
    );
    measure(
        "decode typed",
        size,
        vec![
            ("entidb", Box::new(|| drop(black_box(entidb_codec::from_slice::<T>(black_box(&ours)))))),
            ("ciborium", Box::new(|| drop(black_box(ciborium::from_reader::<T, _>(black_box(theirs.as_slice())))))),
            ("serde_json", Box::new(|| drop(black_box(serde_json::from_slice::<T>(black_box(&json)))))),
            ("minicbor (int keys)", Box::new(|| drop(black_box(minicbor::decode::<T>(black_box(&mini)))))),
        ],
    );
    measure(
        "decode tree",
        size,
        vec![
            ("entidb", Box::new(|| drop(black_box(entidb_codec::decode(black_box(&ours)))))),
            (
                "ciborium",
                Box::new(|| drop(black_box(ciborium::from_reader::<ciborium::Value, _>(black_box(theirs.as_slice()))))),
            ),
            ("serde_json", Box::new(|| drop(black_box(serde_json::from_slice::<serde_json::Value>(black_box(&json)))))),
        ],
    );
    measure(
        "without a tree",
        size,
        vec![
            ("validate", Box::new(|| drop(black_box(entidb_codec::validate(black_box(&ours)))))),
            (
                "view, walk all",
                Box::new(|| {
                    black_box(walk(entidb_codec::view(black_box(&ours)).unwrap()));
                }),
            ),
            ("canonicalise", Box::new(|| drop(black_box(entidb_codec::canonicalise(black_box(&theirs)))))),
        ],
    );
    let mut reads: Vec<Work<'_>> =
        vec![("full decode", Box::new(|| drop(black_box(entidb_codec::decode(black_box(&ours))))))];
    for (name, path) in path {
        assert!(entidb_codec::lookup(&ours, path).unwrap().is_some());
        reads.push((
            name,
            Box::new(|| {
                let _ = black_box(entidb_codec::lookup(black_box(&ours), black_box(path)));
            }),
        ));
    }
    measure("one path", size, reads);
}

fn main() {
    // `cargo test` builds and runs benches too; there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("times are the best of 41 turns; the ratio is to the first of each group (above 1: slower than it)");
    let field = |name: &'static str, path: Path| (name, path);
    compare("flat 200 B", &flat(1), &[field("email", Path::field("email"))]);
    compare(
        "nested 2 KB",
        &nested(),
        &[
            field("customer.city", Path::field("customer").child("city")),
            field("lines.9.price", Path::field("lines").at(9).child("price")),
        ],
    );
    compare(
        "arrays 60 KB",
        &arrays(),
        &[
            field("device", Path::field("device")),
            field("version (last key)", Path::field("version")),
            field("values.750", Path::field("values").at(750)),
            field("events.200.title", Path::field("events").at(200).child("title")),
        ],
    );

    println!();
    let keys: Vec<entidb_codec::Value> = vec![
        entidb_codec::Value::from(1_700_000_000_000_i64),
        entidb_codec::Value::from(3.25),
        entidb_codec::Value::from("ada.lovelace@example.org"),
    ];
    let mut out = Vec::with_capacity(256);
    let mut encoded = Vec::new();
    keys.iter().for_each(|key| encode_ordered(key, Direction::Ascending, &mut encoded));
    let directions = [Direction::Ascending; 3];
    measure(
        "ordered keys, 3 fields",
        encoded.len(),
        vec![
            (
                "encode",
                Box::new(|| {
                    out.clear();
                    keys.iter().for_each(|key| encode_ordered(black_box(key), Direction::Ascending, &mut out));
                    black_box(&out);
                }),
            ),
            (
                "decode",
                Box::new(|| {
                    let _ = black_box(entidb_codec::ordered::decode_tuple(black_box(&encoded), &directions));
                }),
            ),
        ],
    );
}
