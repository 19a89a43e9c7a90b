//! The databases that every language writes and every other one reads.
//!
//! Format: tests/conformance/README.md, "Databases of other languages".

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::runner::Run;

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Takes the steps of one part in a folder and gives their transcript.
fn take(part: &str, steps: &Json, folder: &Path, variant: &Json) -> String {
    let mut transcript = String::new();
    let mut run = match Run::open(Some(folder.to_owned()), variant.get("options")) {
        Ok(run) => run,
        Err(error) => return format!("{part} cannot open {}: {error}", folder.display()),
    };
    for (position, step) in steps[part].as_array().unwrap().iter().enumerate() {
        writeln!(transcript, "{part} {} {}", position + 1, run.result(step)).unwrap();
    }
    run.close().unwrap();
    transcript
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn assert_lines(found: &str, expected: &str, what: &str) {
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert!(found == expected, "{what}:\nfound    {found}\nexpected {expected}");
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{what}: the transcript ends early or late");
}

#[test]
fn the_exchange_of_databases_is_read_as_every_language_reads_it() {
    let folder = crate::folder().join("exchange");
    let steps: Json = serde_json::from_str(&fs::read_to_string(folder.join("steps.json")).unwrap()).unwrap();
    let scratch = Scratch(std::env::temp_dir().join(format!("entidb-exchange-{}", std::process::id())));
    let _ = fs::remove_dir_all(&scratch.0);
    let exchange = std::env::var_os("ENTIDB_TRANSCRIPTS")
        .map_or_else(|| scratch.0.join("exchange"), |to| Path::new(&to).join("exchange"));
    let databases = exchange.join("databases");
    let own = databases.join("rust");
    let _ = fs::remove_dir_all(&own);
    fs::create_dir_all(&own).unwrap();

    let variants = steps["variants"].as_array().unwrap();
    let written: Vec<String> =
        variants.iter().map(|variant| take("write", &steps, &own.join(name(variant)), variant)).collect();
    let read = |writer: &str, variant: &Json| {
        let place = scratch.0.join(format!("{writer}-{}", name(variant)));
        let _ = fs::remove_dir_all(&place);
        copy(&databases.join(writer).join(name(variant)), &place);
        take("read", &steps, &place, variant)
    };
    if std::env::var_os("ENTIDB_WRITE_CONFORMANCE").is_some() {
        let both = format!("{}{}", written[0], read("rust", &variants[0]));
        fs::write(folder.join("expected.txt"), both).unwrap();
    }
    let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
    let (write_part, read_part) = expected.split_at(expected.find("read ").unwrap());
    for (variant, written) in variants.iter().zip(&written) {
        assert_lines(written, write_part, &format!("rust writing its {} database", name(variant)));
    }
    let mut writers: Vec<String> =
        fs::read_dir(&databases).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    writers.sort();
    for writer in &writers {
        for variant in variants {
            let what = format!("rust reading the {} database of {writer}", name(variant));
            assert_lines(&read(writer, variant), read_part, &what);
        }
    }
    let lines: String = writers.iter().map(|writer| format!("{writer}\n")).collect();
    fs::write(exchange.join("rust.read"), lines).unwrap();
}

fn name(variant: &Json) -> &str {
    variant["name"].as_str().unwrap()
}
