//! Layer 5: a child process writes to a real folder, is killed without warning, and nothing it acknowledged is lost.

#![expect(clippy::disallowed_methods, reason = "a test of real files has to make and remove their folder")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use entidb_engine::{Durability, Engine, Options};
use entidb_storage::simulated::{Dice, mix};
use entidb_storage::{Backend, RootMode};
use entidb_testkit::engine_subject::{apply, contents};
use entidb_testkit::model::{Bytes, Change, Contents, Key};
use entidb_testkit::workload::{Profile, Step, steps};
use entidb_testkit::{Row, Tier, seed_from_environment};

/// Tells the child which folder and seed.
const CHILD: &str = "ENTIDB_KILL_CHILD";

/// The number of the last commit, kept in the database itself.
const COUNT: &[u8] = b"z-count";

fn options() -> Options {
    Options { memtable_bytes: 64 * 1024, wal_bytes: 64 * 1024, segment_bytes: 64 * 1024, ..Options::default() }
}

/// What commit `number` does.
fn changes(seed: u64, number: u64) -> Vec<Change> {
    let profile = Profile { steps: 1, upkeep_one_in: 0, ..Profile::LONG };
    let mut changes = match steps(mix(seed, number), profile).into_iter().next() {
        Some(Step::Commit(changes, _)) => changes,
        _ => Vec::new(),
    };
    changes.push(Change::Put(Key(COUNT.to_vec()), Bytes(number.to_le_bytes().to_vec())));
    changes
}

fn count(contents: &Contents) -> u64 {
    contents.get(COUNT).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Not a test of its own: the part of the child. Without the variable it does nothing.
#[test]
fn child() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let (seed, path) = task.split_once(' ').unwrap();
    let seed: u64 = seed.parse().unwrap();
    let engine = Engine::open(Backend::file(path, RootMode::CreateIfMissing).unwrap(), options()).unwrap();
    let first = count(&contents(&engine).unwrap()) + 1;
    let mut out = std::io::stdout();
    for number in first.. {
        let mut transaction = engine.begin_write().unwrap();
        apply(&mut transaction, &changes(seed, number)).unwrap();
        writeln!(out, "begun {number}").unwrap();
        let durability = if number % 3 == 0 { Durability::Grouped { interval_ms: 5 } } else { Durability::Durable };
        transaction.commit_with(durability).unwrap();
        // Handed to the system is enough to survive the end of a process.
        writeln!(out, "done {number}").unwrap();
        if number % 40 == 0 {
            engine.checkpoint().unwrap();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let seed = seed_from_environment();
    let cycles = Tier::from_environment().pick(30, 2_000, 20_000);
    let mut row = Row { layer: "5 kill -9".to_owned(), ..Row::default() };
    let mut dice = Dice::new(seed);
    let mut folder = PathBuf::new();
    let (mut expected, mut made) = (Contents::default(), 0);
    for cycle in 0..cycles {
        if cycle % 10 == 0 {
            let _ = std::fs::remove_dir_all(&folder);
            folder = std::env::temp_dir().join(format!("entidb-kill-{}-{cycle}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            (expected, made) = (Contents::default(), 0);
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD, format!("{seed} {}", folder.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut begun, mut done) = (made, made);
        let stop_after = 1 + dice.below(60);
        let mut seen = 0;
        let mut note = |line: &str| {
            if let Some((word, number)) = line.split_once(' ')
                && let Ok(number) = number.parse::<u64>()
            {
                match word {
                    "begun" => begun = begun.max(number),
                    "done" => done = done.max(number),
                    _ => {}
                }
                seen += 1;
            }
            seen < stop_after
        };
        for line in lines.by_ref().map_while(Result::ok) {
            if !note(&line) {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was still in the pipe was said before the end.
        lines.map_while(Result::ok).for_each(|line| {
            note(&line);
        });
        let engine = Engine::open(Backend::file(&folder, RootMode::Existing).unwrap(), options()).unwrap();
        let found = contents(&engine).unwrap();
        let reached = count(&found);
        let place = format!("cycle {cycle} of ENTIDB_SEED={seed}");
        assert!(reached >= done, "{place}: {done} were acknowledged, {reached} are there");
        // The child may have begun one more than it could say.
        assert!(reached <= begun + 1, "{place}: {begun} were begun, {reached} are there");
        for number in made + 1..=reached {
            expected.apply(&changes(seed, number));
        }
        assert!(found == expected, "{place}: the contents are not those after {reached} commits");
        made = reached;
        engine.close().unwrap();
        row.cases += 1;
        row.states += 1;
    }
    let _ = std::fs::remove_dir_all(&folder);
    row.print();
    if row.cases == 0 {
        panic!("nothing was killed");
    }
}
