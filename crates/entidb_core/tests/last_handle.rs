//! A database whose last handle is dropped keeps what was committed, whatever the durability.
//!
//! It lived in the memory of the process alone, and went with it.

use entidb_core::{Database, Durability, Options, doc};
use entidb_storage::simulated::{Personality, Simulation, Variant};

#[test]
fn the_last_handle_leaves_its_commits_on_the_disk() {
    for durability in [Durability::None, Durability::Grouped { interval_ms: 60_000 }, Durability::Durable] {
        let world = Simulation::new(Personality::Ext4Ordered, 7);
        let options = || Options { durability, ..Options::default() };
        let db = Database::open_on(world.backend(), options()).unwrap();
        let notes = db.collection("notes").unwrap();
        for n in 0..100 {
            notes.put(&doc! { "n": n }).unwrap();
        }
        let open = db.begin_write().unwrap();
        open.collection("notes").unwrap().put(&doc! { "n": 100 }).unwrap();
        drop(db);
        drop(open);
        // The collection is the last one.
        drop(notes);
        for variant in 0..Variant::DIRECTED {
            let after = world.crash(Variant(variant));
            let db = Database::open_on(after.backend(), options()).unwrap();
            assert_eq!(db.collection("notes").unwrap().count().unwrap(), 100, "{durability:?}, {variant}");
            db.close().unwrap();
        }
    }
}
