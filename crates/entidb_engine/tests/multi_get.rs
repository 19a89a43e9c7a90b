//! Reading many keys at once gives, in order, what reading each alone gives.

use entidb_engine::{Durability, Engine, Options};
use entidb_storage::{Backend, SeededRandom};

fn key(number: u64) -> Vec<u8> {
    let zone = if number.is_multiple_of(3) { 1 } else { 9 };
    [&[zone][..], &number.to_be_bytes()].concat()
}

#[test]
fn many_keys_read_at_once_are_what_each_of_them_reads_alone() {
    let options = Options { durability: Durability::None, memtable_bytes: 64 * 1024, ..Options::default() };
    let engine = Engine::open(Backend::memory(), options).expect("a new database in memory");
    let random = SeededRandom::new(11);
    for round in 0..40 {
        let mut transaction = engine.begin_write().unwrap();
        for _ in 0..100 {
            let number = random.below(3000);
            if number.is_multiple_of(7) {
                transaction.delete(&key(number)).unwrap();
            } else {
                transaction.put(&key(number), &vec![round; number as usize % 900]).unwrap();
            }
        }
        transaction.delete_range(&key(300), &key(330)).unwrap();
        transaction.commit().unwrap();
        if round % 8 == 0 {
            engine.checkpoint().unwrap();
        }
    }
    let snapshot = engine.snapshot().unwrap();
    for count in [0, 1, 31, 32, 33, 200] {
        // With keys that are not there, keys that come twice, and no order.
        let keys: Vec<Vec<u8>> = (0..count).map(|_| key(random.below(4000))).collect();
        let wanted: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let together = snapshot.multi_get(&wanted).unwrap();
        let alone: Vec<_> = wanted.iter().map(|key| snapshot.get(key).unwrap()).collect();
        assert_eq!(together, alone);
        assert!(count < 100 || alone.iter().flatten().count() > 20);
    }
}
