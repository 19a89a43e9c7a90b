//! Notes of a type of your own: stored, found by an index, changed in a transaction, followed in the feed.
//!
//! Run it with `cargo run -p entidb --example notes`.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use entidb::{Database, IndexDefinition, Since, desc, field, patch};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    title: String,
    tags: Vec<String>,
    stars: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    // `Database::open("notes.entidb")` keeps them on disk; the rest is the same.
    let db = Database::open_memory()?;
    let notes = db.collection("notes")?;
    notes.create_index(IndexDefinition::on(["tags"])?.multi())?;

    let mut feed = db.changes(Since::Now)?;
    let note = |title: &str, tag: &str, stars| Note { title: title.into(), tags: vec![tag.into()], stars };
    let ids = notes.put_many(&[note("Bread", "kitchen", 3), note("Salt", "kitchen", 5), note("Rope", "shed", 1)])?;

    let mut out = std::io::stdout();
    for note in notes.find(field("tags").eq("kitchen")).order_by(desc("stars")).run()? {
        let note: Note = note?.to()?;
        writeln!(out, "{} ({} stars)", note.title, note.stars)?;
    }

    // All of it or nothing: an error from the closure undoes what was done in it.
    db.transaction(|tx| {
        let notes = tx.collection("notes")?;
        for id in &ids {
            notes.update(*id, &patch! { "stars": 0 })?;
        }
        Ok(())
    })?;

    while let Some(batch) = feed.next_batch(Duration::ZERO)? {
        writeln!(out, "commit {}: {} changes", batch.sequence, batch.changes.len())?;
    }
    db.close()?;
    Ok(())
}
