//! Prints what was measured.
//!
//! Always: medians; the durability level beside each write; each peer's figure over the first engine's, so that more
//! than 1 means the first is better. Does not know: how it was measured.

use crate::engines::setup;
use crate::phase::{Measure, Phase, Scale};

/// Prints both tables. `results` is runs, then engines, then phases.
pub(crate) fn print(
    engines: &[String],
    phases: &[Phase],
    results: &[Vec<Vec<Measure>>],
    scale: Scale,
    encrypted: bool,
) {
    println!("\n{} pairs of 24 + 150 random bytes; medians of {} runs", scale.keys, results.len());
    for engine in engines {
        let encryption = if encrypted && engine == "entidb" { "; AES-256-GCM" } else { "" };
        println!("  {engine}: {}{encryption}", setup(engine));
    }
    one("\nwall time", engines, phases, results, |measure| measure.wall_nanos);
    one("\nprocessor time, all threads", engines, phases, results, |measure| measure.processor_nanos);
}

fn one(
    title: &str,
    engines: &[String],
    phases: &[Phase],
    results: &[Vec<Vec<Measure>>],
    nanos: impl Fn(&Measure) -> u64,
) {
    println!("{title}");
    print!("{:<28}{:<11}", "phase", "level");
    for (number, engine) in engines.iter().enumerate() {
        print!("{engine:>12}{}", if number == 0 { "" } else { "  ratio" });
    }
    println!();
    for (row, phase) in phases.iter().enumerate() {
        print!("{:<28}{:<11}", phase.title(), phase.level());
        let mut first = None;
        for engine in 0..engines.len() {
            let figures: Vec<(f64, String)> = results
                .iter()
                .filter_map(|run| run.get(engine)?.get(row))
                .map(|measure| match measure.bytes {
                    Some(bytes) => (bytes as f64, format!("{:.1} MiB", bytes as f64 / 1_048_576.0)),
                    None => {
                        let each = nanos(measure) as f64 / measure.count.max(1) as f64;
                        (each, time(each))
                    }
                })
                .collect();
            match (median(figures), first) {
                (None, _) => print!("{:>12}{}", "-", if engine == 0 { "" } else { "      -" }),
                (Some((figure, text)), None) => {
                    print!("{text:>12}{}", if engine == 0 { "" } else { "      -" });
                    first = (engine == 0).then_some(figure);
                }
                (Some((figure, text)), Some(first)) => print!("{text:>12}{:>7.2}", figure / first),
            }
        }
        println!();
    }
}

fn median(mut figures: Vec<(f64, String)>) -> Option<(f64, String)> {
    figures.sort_by(|a, b| a.0.total_cmp(&b.0));
    let middle = figures.len() / 2;
    figures.into_iter().nth(middle)
}

fn time(nanos: f64) -> String {
    if nanos < 1000.0 {
        format!("{nanos:.0} ns")
    } else if nanos < 1_000_000.0 {
        format!("{:.2} µs", nanos / 1000.0)
    } else {
        format!("{:.2} ms", nanos / 1_000_000.0)
    }
}
