//! Runs the conformance cases and compares the transcript with the one every language must write.
//!
//! Format: tests/conformance/README.md. `ENTIDB_WRITE_CONFORMANCE=1` writes `expected.txt` anew; read the diff after it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking, and reads its cases from files"
)]

#[path = "../../../entidb_codec/tests/vectors/diagnostic.rs"]
mod diagnostic;
mod exchange;
mod query;
mod runner;
mod upkeep;

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance")
}

#[test]
fn every_case_gives_the_transcript_all_languages_give() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut transcript, mut failures, mut number) = (String::new(), Vec::new(), 0);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let parsed: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for case in parsed["cases"].as_array().unwrap() {
            number += 1;
            runner::run(case, number, &mut transcript, &mut failures);
        }
    }
    if let Some(to) = std::env::var_os("ENTIDB_TRANSCRIPTS") {
        std::fs::create_dir_all(&to).unwrap();
        std::fs::write(Path::new(&to).join("rust.txt"), &transcript).unwrap();
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let expected = folder().join("expected.txt");
    if std::env::var_os("ENTIDB_WRITE_CONFORMANCE").is_some() {
        std::fs::write(&expected, &transcript).unwrap();
    }
    let expected = std::fs::read_to_string(&expected).unwrap();
    for (found, wanted) in transcript.lines().zip(expected.lines()) {
        assert_eq!(found, wanted);
    }
    assert_eq!(transcript.len(), expected.len(), "the transcripts differ in length");
    assert!(number >= 150, "only {number} cases were run");
}
