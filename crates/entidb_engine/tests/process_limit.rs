//! The limit of the operating system on the files of a process. Alone in its process, because it lowers that limit.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "a test uses a real folder")]

use entidb_engine::{Compression, Durability, Engine, KeyRange, Options, VerifyLevel, ZonePolicies, ZonePolicy};
use entidb_storage::{Backend, RootMode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn options() -> Options {
    let policy = ZonePolicy { compression: Compression::None, ..ZonePolicy::default() };
    Options {
        segment_bytes: 16 * 1024,
        durability: Durability::None,
        zones: ZonePolicies::uniform(policy),
        ..Options::default()
    }
}

fn key(number: u32) -> [u8; 5] {
    let [a, b, c, d] = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
    [1, a, b, c, d]
}

#[test]
fn four_hundred_segments_work_in_a_process_that_may_have_128_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum: limit.maximum }).unwrap();
    let folder = std::env::temp_dir().join(format!("entidb-process-limit-{}", std::process::id()));
    let open = || Engine::open(Backend::file(&folder, RootMode::CreateIfMissing).unwrap(), options()).unwrap();
    let engine = open();
    for batch in 0..25 {
        let mut transaction = engine.begin_write().unwrap();
        for number in batch * 160..batch * 160 + 160 {
            transaction.put(&key(number), &[7; 2000]).unwrap();
        }
        transaction.commit().unwrap();
    }
    engine.compact().unwrap();
    engine.close().unwrap();
    let engine = open();
    let snapshot = engine.snapshot().unwrap();
    let read_all = || (0..4000).all(|number| snapshot.get(&key(number)).unwrap().is_some());
    assert!(read_all());
    assert_eq!(snapshot.approximate_count(KeyRange::all()).unwrap(), 4000);
    let files = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let stats = engine.stats();
    assert!(stats.segments >= 400 && stats.open_files <= 32 && files < 64, "{} {files}", stats.open_files);
    // The program around us takes all there are: what is read next takes the place of what was read before.
    let taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    assert!(read_all() && taken.len() > 32);
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(&key(9999), b"value").unwrap();
    transaction.commit_with(Durability::Durable).unwrap();
    drop((taken, snapshot));
    assert!(engine.verify(VerifyLevel::Full).unwrap().is_clean());
    engine.close().unwrap();
    drop(engine);
    std::fs::remove_dir_all(&folder).unwrap();
}
