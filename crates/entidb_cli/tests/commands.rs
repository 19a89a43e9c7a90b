//! The command `entidb` through its binary: what each command prints, in text and JSON, and its exit code.
//!
//! Always: every test has a folder of its own and removes it. Does not know: the modules of the command.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test asserts by panicking and makes folders")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// A folder of one test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("entidb-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(Path::new(env!("CARGO_BIN_EXE_entidb"))).args(arguments).output().unwrap()
}

/// What the command printed, when it ended with this code.
#[track_caller]
fn text(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[track_caller]
fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&text(&[arguments, &["--json"]].concat(), 0)).unwrap()
}

const ID: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

#[test]
fn entities_are_put_found_and_removed() {
    let place = Place::new("data");
    let db = place.file("db");
    assert_eq!(text(&["put", &db, "notes", r#"{"n":1,"tags":["a","b"]}"#, "--id", ID, "--create"], 0), ID);
    json_of(&["put", &db, "notes", r#"{"n":2}"#]);
    let got = json_of(&["get", &db, "notes", ID]);
    assert_eq!(got["document"], json!({ "n": 1, "tags": ["a", "b"] }));
    let missing = run(&["get", &db, "notes", "00000000000000000000000000000000", "--json"]);
    let error: Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert_eq!((missing.status.code(), &error["error"]), (Some(1), &json!("ENTITY_NOT_FOUND")));
    // A misspelt collection is told apart from an empty answer.
    for arguments in [
        &["find", &db, "nots"][..],
        &["find", &db, "nots", "--count"],
        &["get", &db, "nots", ID],
        &["dump", &db, "--collection", "nots"],
        &["index", "list", &db, "nots"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("there are: notes"), "{output:?}");
    }
    assert_eq!(text(&["find", &db, "notes", "--where", "n", "ge", "1", "--count"], 0), "2");
    assert_eq!(text(&["find", &db, "notes", "--where", "tags", "eq", "b", "--count"], 0), "1");
    assert_eq!(
        text(&["find", &db, "notes", "--order-by", "-n", "--limit", "1"], 0).split_once(' ').unwrap().1,
        "{\"n\":2}"
    );
    // An empty answer is an answer, however it is asked for.
    assert_eq!(text(&["find", &db, "notes", "--where", "n", "eq", "9"], 0), "");
    assert_eq!(text(&["find", &db, "notes", "--where", "n", "eq", "9", "--count"], 0), "0");
    text(&["find", &db, "notes", "--where", "n", "eq", "9", "--delete", "--yes"], 0);
    text(&["find", &db, "notes", "--where", "n", "like", "9"], 2);
    text(&["find", &db, "notes", "--where", "a..b", "eq", "9"], 2);
    text(&["find", &db, "notes", "--order-by", "a..b"], 2);
    text(&["find", &db, "notes", "--where", "n", "eq", "18446744073709551616"], 2);
    // Nobody can be asked here: without --yes nothing goes.
    let unasked = run(&["find", &db, "notes", "--where", "n", "eq", "2", "--delete"]);
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    assert!(
        String::from_utf8_lossy(&unasked.stderr).contains("delete 1 entities of notes cannot be undone; pass --yes")
    );
    assert_eq!(
        json_of(&["find", &db, "notes", "--where", "n", "eq", "2", "--delete", "--yes"]),
        json!({ "deleted": 1 })
    );
    assert_eq!(json_of(&["collections", &db]), json!([{ "name": "notes", "id": 1, "entities": 1 }]));
}

#[test]
fn indexes_are_declared_used_and_dropped() {
    let place = Place::new("index");
    let db = place.file("db");
    text(&["put", &db, "notes", r#"{"n":1}"#, "--create"], 0);
    let created = json!({ "index": "n", "created": true });
    assert_eq!(json_of(&["index", "create", &db, "notes", "--on", "n", "--unique"]), created);
    assert_eq!(text(&["index", "create", &db, "notes", "--on", "n", "--on", "-at"], 0), "created index n,-at");
    text(&["put", &db, "notes", r#"{"n":1}"#], 6);
    assert_eq!(json_of(&["index", "list", &db, "notes"])[0]["unique"], true);
    let how = json_of(&["find", &db, "notes", "--where", "n", "eq", "1", "--explain"]);
    assert_eq!((&how["index"], &how["scan"]), (&json!("n"), &json!(false)));
    text(&["index", "drop", &db, "notes", "n"], 2);
    text(&["index", "drop", &db, "notes", "n", "--yes"], 0);
    text(&["index", "drop", &db, "notes", "n", "--yes"], 1);
}

#[test]
fn earlier_versions_and_changes_are_printed() {
    let place = Place::new("past");
    let db = place.file("db");
    text(&["put", &db, "notes", r#"{"n":1}"#, "--id", ID, "--create"], 0);
    text(&["put", &db, "notes", r#"{"n":2}"#, "--id", ID], 0);
    let versions = text(&["history", &db, "notes", ID, "--json"], 0);
    let versions: Vec<Value> = versions.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&versions[0]["document"], &versions[1]["document"]), (&json!({ "n": 1 }), &json!({ "n": 2 })));
    assert_eq!((&versions[0]["until"], &versions[1]["until"]), (&versions[1]["version"], &Value::Null));
    let first = versions[0]["version"].to_string();
    assert_eq!(text(&["get", &db, "notes", ID, "--at", &first], 0), format!("{ID} {{\"n\":1}}"));
    text(&["history", &db, "notes", &ID.replace('0', "1")], 1);
    let lines = text(&["changes", &db, "--before"], 0);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], format!("{first} collection_created notes"));
    assert_eq!(lines[1], format!("{first} insert notes {ID} {{\"n\":1}}"));
    assert_eq!(lines[2], format!("{} update notes {ID} {{\"n\":2}} before {{\"n\":1}}", versions[1]["version"]));
    let printed = text(&["changes", &db, "--json"], 0);
    let position = serde_json::from_str::<Value>(printed.lines().next().unwrap()).unwrap()["position"].clone();
    let later = text(&["changes", &db, "--since", position.as_str().unwrap(), "--collection", "notes", "--json"], 0);
    let later: Value = serde_json::from_str(&later).unwrap();
    assert_eq!((&later["kind"], &later["document"]), (&json!("update"), &json!({ "n": 2 })));
    assert_eq!(text(&["changes", &db, "--collection", "others"], 0), "");
    text(&["changes", &db, "--since", "nonsense"], 2);
}

#[test]
fn manual_indexes_are_created_filled_and_read() {
    let place = Place::new("manual");
    let db = place.file("db");
    text(&["put", &db, "people", "{}", "--id", ID, "--create"], 0);
    text(&["index", "create", &db, "people", "--manual"], 2);
    text(&["index", "create", &db, "people", "--manual", "--name", "phone", "--on", "n"], 2);
    assert_eq!(text(&["index", "create", &db, "people", "--manual", "--name", "phone"], 0), "created index phone");
    for (key, answer) in [("7", "inserted"), ("seven", "inserted"), ("7", "the entity has the key already")] {
        assert_eq!(text(&["index", "insert-key", &db, "people", "phone", key, ID], 0), answer);
    }
    assert_eq!(text(&["index", "keys", &db, "people", "phone"], 0), format!("7 {ID}\n\"seven\" {ID}"));
    assert_eq!(
        text(&["index", "keys", &db, "people", "phone", "--reverse", "--limit", "1"], 0),
        format!("\"seven\" {ID}")
    );
    assert_eq!(text(&["index", "keys", &db, "people", "phone", "--from", "1", "--to", "9"], 0), format!("7 {ID}"));
    assert_eq!(
        json_of(&["index", "keys", &db, "people", "phone", "--key", "seven"]),
        json!({ "key": "seven", "id": ID })
    );
    let listed = json_of(&["index", "list", &db, "people"]);
    assert_eq!((&listed[0]["kind"], &listed[0]["rows"]), (&json!("manual"), &json!(2)));
    assert!(text(&["inspect", &db], 0).contains("index phone manual (2 rows)"), "{}", text(&["inspect", &db], 0));
    assert_eq!(text(&["index", "remove-key", &db, "people", "phone", "7", ID], 0), "removed");
    text(&["index", "remove-key", &db, "people", "phone", "7", ID], 1);
    text(&["index", "keys", &db, "people", "none"], 1);
}

#[test]
fn a_dump_loads_into_the_same_database() {
    let place = Place::new("dump");
    let (first, second, file, again) = (place.file("a"), place.file("b"), place.file("dump"), place.file("again"));
    text(
        &["put", &first, "odd", r#"{"f":{"$float":"NaN"},"b":{"$bytes":"00ff"},"t":{"$timestamp":5}}"#, "--create"],
        0,
    );
    text(&["put", &first, "even", r#"{"deep":[[1,2.5,null,"é"]]}"#, "--create"], 0);
    text(&["dump", &first, "--output", &file], 0);
    assert_eq!(json_of(&["load", &second, &file, "--create"]), json!({ "entities": 2, "indexes": 0 }));
    text(&["load", &second, &file], 0);
    text(&["dump", &second, "--output", &again], 0);
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(&again).unwrap());
    std::fs::write(&file, "not json\n").unwrap();
    text(&["load", &second, &file], 2);
    std::fs::write(&file, "{\"n\":1}\n").unwrap();
    text(&["load", &second, &file, "--into", "plain"], 1);
    text(&["load", &second, &file, "--into", "plain", "--create"], 0);
    std::fs::write(&file, format!("{}not json\n", "{\"n\":1}\n".repeat(1001))).unwrap();
    let output = run(&["load", &second, &file, "--into", "plain"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("line 1002") && said.contains("1000 entities were imported"), "{said}");
}

/// A dump left out indexes, and said nothing of it: what was loaded answered by scans, and unique fields were unique no more.
#[test]
fn a_dump_brings_back_indexes_keys_and_empty_collections() {
    let place = Place::new("dump-indexes");
    let (first, second, file, again) = (place.file("a"), place.file("b"), place.file("dump"), place.file("again"));
    for n in 0..3 {
        text(&["put", &first, "notes", &format!(r#"{{"n":{n},"tags":["a","b"]}}"#), "--create"], 0);
    }
    text(&["put", &first, "notes", "{}", "--id", ID], 0);
    text(&["index", "create", &first, "notes", "--on", "n", "--on", "-at", "--unique"], 0);
    text(&["index", "create", &first, "notes", "--on", "tags", "--multi"], 0);
    text(&["index", "create", &first, "notes", "--manual", "--name", "by_phone"], 0);
    text(&["index", "insert-key", &first, "notes", "by_phone", "+49", ID], 0);
    text(&["index", "insert-key", &first, "notes", "by_phone", "[1, \"x\"]", ID], 0);
    text(&["index", "create", &first, "declared", "--on", "x", "--create"], 0);
    text(&["put", &first, "emptied", "{}", "--create"], 0);
    text(&["find", &first, "emptied", "--delete", "--yes"], 0);
    assert_eq!(json_of(&["dump", &first, "--output", &file]), json!({ "entities": 4, "indexes": 4 }));
    for _ in 0..2 {
        assert_eq!(json_of(&["load", &second, &file, "--create"]), json!({ "entities": 4, "indexes": 4 }));
        text(&["dump", &second, "--output", &again], 0);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), std::fs::read_to_string(&again).unwrap());
        for arguments in [&["index", "list"][..], &["index", "keys"]] {
            let rest: &[&str] = if arguments[1] == "keys" { &["notes", "by_phone"] } else { &["notes"] };
            let of = |db: &str| text(&[arguments, &[db], rest].concat(), 0);
            assert_eq!(of(&first), of(&second));
        }
        text(&["verify", &second, "--full"], 0);
    }
    assert_eq!(json_of(&["collections", &second]).as_array().unwrap().len(), 3);
    let entities = text(&["dump", &first, "--entities-only"], 0);
    assert!(entities.lines().count() == 4 && !entities.contains("\"index\""), "{entities}");
    // One collection, with what belongs to it.
    assert_eq!(text(&["dump", &first, "--collection", "declared"], 0).lines().count(), 1);
    // An index of the same name with another definition is not replaced.
    let other = place.file("c");
    text(&["index", "create", &other, "notes", "--on", "z", "--name", "tags", "--create"], 2);
    text(&["put", &other, "notes", "{}", "--create"], 0);
    text(&["index", "create", &other, "notes", "--on", "z", "--name", "tags"], 0);
    text(&["load", &other, &file, "--create"], 6);
    for line in [
        r#"{"collection":"c","index":{"columns":["a..b"]}}"#,
        r#"{"collection":"c","index":"i","key":1}"#,
        r#"{"collection":"c","id":"0190163d-8694-739b-aea5-966c26f8ad91","document":{},"more":1}"#,
        r#"{"collection":1}"#,
    ] {
        std::fs::write(&file, format!("{line}\n")).unwrap();
        text(&["load", &place.file("d"), &file, "--create"], 2);
    }
}

#[test]
fn a_database_is_looked_at_kept_and_copied() {
    let place = Place::new("upkeep");
    let (db, copy) = (place.file("db"), place.file("copy"));
    text(&["put", &db, "notes", r#"{"n":1}"#, "--create"], 0);
    for command in ["checkpoint", "compact"] {
        text(&[command, &db], 0);
    }
    text(&["backup", &db, &copy], 0);
    text(&["backup", &db, &copy], 2);
    let restored = place.file("restored");
    assert_eq!(
        json_of(&["restore", &copy, &restored])["report"]["sequence"],
        json_of(&["inspect", &db])["last_sequence"]
    );
    text(&["restore", &copy, &restored], 2);
    text(&["restore", &place.file("none"), &place.file("nowhere")], 2);
    assert_eq!(json_of(&["inspect", &restored])["collections"][0]["entities"], 1);
    assert_eq!(json_of(&["inspect", &copy])["collections"][0]["entities"], 1);
    assert!(json_of(&["stats", &copy]).is_object());
    assert!(text(&["verify", &copy, "--full"], 0).contains(" 1 entities"));
    assert!(text(&["verify", &copy], 0).contains("--full"), "what was not looked at is said");
    text(&["put", &db, "notes", "[1]"], 2);
    std::fs::write(Path::new(&copy).join("seg").join(".DS_Store"), b"Bud1").unwrap();
    for command in ["inspect", "verify"] {
        assert!(text(&[command, &copy], 0).contains("\"seg/.DS_Store\""), "{command} says what it ignored");
    }
    assert_eq!(json_of(&["verify", &copy])["ignored"], json!(["seg/.DS_Store"]));
    assert_eq!(json_of(&["inspect", &copy])["open"]["ignored_count"], 1);
}

#[test]
fn what_is_wrong_has_its_exit_code() {
    let place = Place::new("wrong");
    text(&["inspect", &place.file("none")], 2);
    text(&["no-such-command"], 2);
    let foreign = place.file("foreign");
    std::fs::create_dir_all(&foreign).unwrap();
    std::fs::write(Path::new(&foreign).join("holiday.jpg"), b"not ours").unwrap();
    text(&["inspect", &foreign], 5);
    let output = run(&["--json", "inspect", &foreign]);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"], "NOT_A_DATABASE");
}

fn db_lines(place: &Place) -> String {
    let path = place.file("good-lines");
    std::fs::write(&path, "{\"n\":1}\n").unwrap();
    path
}

/// A typo made databases, collections, and indexes on collections that were not there.
#[test]
fn nothing_is_made_that_was_not_asked_for() {
    let place = Place::new("create");
    let (db, other, lines) = (place.file("db"), place.file("dbb"), place.file("lines"));
    text(&["put", &db, "notes", r#"{"n":1}"#, "--create"], 0);
    std::fs::write(&lines, "{\"n\":1}\n").unwrap();
    for arguments in [&["put", &other, "notes", "{}"][..], &["load", &other, &lines, "--into", "notes"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--create"), "{output:?}");
    }
    // Neither does a file whose first line is wrong.
    std::fs::write(&lines, "no JSON\n").unwrap();
    text(&["load", &other, &lines, "--into", "notes", "--create"], 2);
    text(&["load", &db, &lines, "--into", "nots", "--create"], 2);
    assert!(!Path::new(&other).exists());
    text(&["put", &db, "nots", "{}"], 1);
    text(&["index", "create", &db, "nots", "--on", "n"], 1);
    text(&["index", "drop", &db, "nots", "n", "--yes"], 1);
    assert_eq!(json_of(&["collections", &db]), json!([{ "name": "notes", "id": 1, "entities": 1 }]));
    let missing = run(&["put", &place.file("above/db"), "notes", "{}", "--create"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("above\" to make"), "{missing:?}");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("--parents"), "{missing:?}");
    text(&["put", &place.file("above/db"), "notes", "{}", "--parents"], 2);
    assert!(!Path::new(&place.file("above")).exists());
    text(&["put", &place.file("above/it/db"), "notes", "{}", "--create", "--parents"], 0);
    text(&["load", &place.file("more/db"), &db_lines(&place), "--into", "notes", "--create", "--parents"], 0);
    let plain = place.file("lines");
    text(&["inspect", &plain], 2);
}

#[test]
fn words_and_documents_are_read_exactly_or_refused() {
    let place = Place::new("exact");
    let (db, lines) = (place.file("db"), place.file("lines"));
    text(&["put", &db, "notes", r#"{"n":18446744073709551616}"#, "--create"], 2);
    assert!(!Path::new(&db).exists(), "a refused document makes no database");
    std::fs::write(&lines, "\u{feff}{\"n\":18446744073709551615}\n").unwrap();
    text(&["load", &db, &lines, "--into", "notes", "--create"], 0);
    assert!(text(&["find", &db, "notes"], 0).ends_with("{\"n\":18446744073709551615}"));
    text(&["put", &db, "notes", r#"{"at":{"$timestamp":"2026-11-30T02:30:00Z"}}"#], 0);
    assert!(text(&["find", &db, "notes"], 0).contains(r#"{"$timestamp":"2026-11-30T02:30:00Z"}"#));
    // A mistake in the words is JSON too where that was asked for.
    for arguments in [&["--json", "no-such-command"][..], &["find", &db, "--json"], &["get", "--json", "--nope", &db]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"], "INVALID_ARGUMENT", "{error}");
    }
}

/// Many single flips ended with an error and no report at all.
#[test]
fn a_check_gives_a_report_whatever_is_damaged() {
    let place = Place::new("damage");
    let db = place.file("db");
    text(&["put", &db, "notes", r#"{"n":1}"#, "--create"], 0);
    text(&["index", "create", &db, "notes", "--on", "n"], 0);
    text(&["compact", &db], 0);
    let mut files = Vec::new();
    for folder in ["", "seg", "wal"] {
        for entry in std::fs::read_dir(Path::new(&db).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && !path.ends_with("LOCK") && path.metadata().unwrap().len() > 0 {
                files.push(path);
            }
        }
    }
    let mut found = 0;
    for path in files {
        let whole = std::fs::read(&path).unwrap();
        for part in 0..8 {
            let at = (whole.len() - 1) * part / 7;
            let mut harmed = whole.clone();
            harmed[at] ^= 0x10;
            std::fs::write(&path, &harmed).unwrap();
            let output = run(&["verify", &db, "--full", "--json"]);
            let said: Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|_| panic!("{} at {at}: {output:?}", path.display()));
            let problems = said["problems"].as_array().unwrap().len();
            assert_eq!(output.status.code(), Some(i32::from(problems > 0)), "{said}");
            found += usize::from(problems > 0);
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(found > 8, "{found}");
    text(&["verify", &db, "--full"], 0);
}

#[test]
fn the_tour_runs_to_its_end() {
    let shown = text(&["tour", "--entities", "1000"], 0);
    assert!(shown.lines().count() > 5, "{shown}");
}

#[test]
fn keys_are_changed_added_and_taken_away() {
    let place = Place::new("keys");
    let db = place.file("db");
    let file = |name: &str, digit: &str| {
        let path = place.file(name);
        std::fs::write(&path, digit.repeat(64)).unwrap();
        path
    };
    let (a, b, c) = (file("a", "a"), file("b", "b"), file("c", "c"));
    text(&["put", &db, "notes", r#"{"n":1}"#, "--create", "--key-file", &a], 0);
    text(&["key", "change", &db, "--key-file", &b, "--new-key-file", &c], 5);
    assert_eq!(json_of(&["key", "change", &db, "--key-file", &a, "--new-key-file", &b]), json!({ "done": "changed" }));
    text(&["get", &db, "notes", ID, "--key-file", &a], 5);
    text(&["key", "add", &db, "--key-file", &b, "--new-key-file", &c], 0);
    assert_eq!(
        json_of(&["key", "list", &db, "--key-file", &b]),
        json!([{ "slot": 0, "kind": "key" }, { "slot": 1, "kind": "key" }])
    );
    text(&["key", "rotate", &db, "--key-file", &b], 0);
    text(&["key", "rekey", &db, "--key-file", &c], 0);
    // What cannot be undone asks, and the last key stays.
    text(&["key", "remove", &db, "--key-file", &b], 2);
    text(&["key", "remove", &db, "--key-file", &b, "--yes"], 0);
    text(&["key", "remove", &db, "--key-file", &c, "--yes"], 2);
    text(&["collections", &db, "--key-file", &b], 5);
    assert_eq!(text(&["find", &db, "notes", "--count", "--key-file", &c], 0), "1");
    text(&["key", "rotate", &db], 2);
    text(&["key", "change", &db, "--key-file", &c], 2);
    text(&["key", "change", &db, "--key-file", &c, "--new-password-env", "ENTIDB_NO_SUCH_VARIABLE"], 2);
}
