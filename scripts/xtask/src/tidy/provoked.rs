//! Every error code is provoked by a test, or listed with the reason it is not yet.
//!
//! Always: a code counts as provoked when a line of a test names it, in the spelling of any language, beside what provokes
//! or judges it. A comment, an arm of a match, a list of codes with reasons and a table of names are mere mentions. Codes
//! that wait for a feature (`planned`) or are no longer given (`retired`) are left out.
//! Does not know: whether the test passes; the suites see to that.

use std::collections::BTreeMap;

use crate::codegen::{ERRORS, Table};
use crate::failure::{During, Result};
use crate::repository::Repository;

/// The codes that no test provokes yet, and why.
const LIST: &str = "scripts/xtask/unprovoked.toml";

/// The test that walks over the whole table, and so names codes without provoking any.
const TABLE_TEST: &str = "crates/entidb_core/tests/error_code.rs";

/// Looks for every code in every test folder.
pub(crate) fn check(repository: &Repository) -> Result<Vec<String>> {
    let table = Table::parse(&repository.read(ERRORS)?)?;
    let listed: BTreeMap<String, String> =
        if repository.has(LIST) { toml::from_str(&repository.read(LIST)?).during(LIST)? } else { BTreeMap::new() };
    let mut tests = String::new();
    for file in repository.files()? {
        if file != TABLE_TEST && is_test(&file) {
            tests.push_str(&repository.read(&file).unwrap_or_default());
            tests.push('\n');
        }
    }
    let mut offences = Vec::new();
    for code in table.codes.iter().filter(|code| code.planned.is_none() && code.retired.is_none()) {
        let spelt = [
            format!("ErrorCode::{}", code.variant()),
            format!("ENTIDB_ERROR_{}", code.name),
            format!("\"{}\"", code.name),
        ];
        let provoked = tests.lines().any(|line| spelt.iter().any(|spelt| is_provoked(line, spelt)));
        match (provoked, listed.get(&code.name)) {
            (false, None) => offences.push(format!("{} {} is provoked by no test", code.number, code.name)),
            (false, Some(reason)) if reason.trim().is_empty() => {
                offences.push(format!("{LIST}: {} has no reason", code.name));
            }
            (true, Some(_)) => offences.push(format!("{LIST}: {} is provoked after all", code.name)),
            _ => {}
        }
    }
    for name in listed.keys().filter(|name| !table.codes.iter().any(|code| code.name == **name)) {
        offences.push(format!("{LIST}: {name} is no code"));
    }
    Ok(offences)
}

/// The program of random calls names codes to judge by, and cannot be sure to provoke any.
fn is_test(file: &str) -> bool {
    let in_tests = file.split('/').rev().skip(1).any(|folder| matches!(folder, "tests" | "test" | "conformance"));
    !file.starts_with("tests/calls/") && (in_tests || file.ends_with("tests.rs"))
}

/// Whether the line names the code with something beside it that provokes or judges it.
fn is_provoked(line: &str, spelt: &str) -> bool {
    line.match_indices(spelt).any(|(at, _)| {
        let (before, after) = (line.get(..at).unwrap_or_default(), line.get(at + spelt.len()..).unwrap_or_default());
        let ends = after.chars().next().is_none_or(|letter| !letter.is_alphanumeric() && letter != '_');
        ends && !is_comment(before) && is_judged(before.trim(), after.trim())
    })
}

fn is_comment(before: &str) -> bool {
    before.contains("//") || before.trim_start().starts_with(['#', '*']) || before.contains("/*")
}

fn is_judged(before: &str, after: &str) -> bool {
    // An arm of a match says what is made of the code.
    if after.starts_with("=>") {
        return false;
    }
    // The first of a row: beside it must stand what provokes it, and not a reason why nothing does.
    if before.chars().all(|letter| matches!(letter, '{' | '[' | '(')) {
        let beside = after.trim_start_matches([',', ':', ' ']);
        return !beside.is_empty() && !beside.starts_with(['"', '\'', ')', '}', ']']);
    }
    // A table that gives codes other names; `code: "NAME"` is how JavaScript asks for one.
    match before.strip_suffix(':') {
        Some(name) => {
            let name = name.trim_matches(['"', '\'']);
            name == "code" || !name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;
    use crate::codegen::SAMPLE;

    #[test]
    fn a_code_that_no_test_provokes_is_caught() {
        let tree = tree(&[
            (ERRORS, SAMPLE),
            ("crates/a/tests/open.rs", "//! A.\nfn a() { refused(open(), ErrorCode::DatabaseLocked); }\n"),
            ("crates/a/src/lib.rs", "//! A.\nfn a() { ErrorCode::Busy; ErrorCode::BusyBee; }\n"),
        ]);
        assert_eq!(check(&tree.0).unwrap(), ["202 BUSY is provoked by no test"]);
        tree.0.write("tests/c/busy.c", "int a = ENTIDB_ERROR_BUSY_BEE;\n").unwrap();
        assert_eq!(check(&tree.0).unwrap().len(), 1);
        tree.0.write("tests/c/busy.c", "int a = status == ENTIDB_ERROR_BUSY;\n").unwrap();
        assert_eq!(check(&tree.0).unwrap(), Vec::<String>::new());
        tree.0.write(LIST, "BUSY = \"it takes two\"\n").unwrap();
        assert_eq!(check(&tree.0).unwrap(), [format!("{LIST}: BUSY is provoked after all")]);
    }

    #[test]
    fn a_mention_is_no_provocation() {
        for (line, spelt) in [
            ("    // ErrorCode::Busy is not given here", "ErrorCode::Busy"),
            ("# \"BUSY\" comes later", "\"BUSY\""),
            ("    ErrorCode::Busy => Refusal::Busy,", "ErrorCode::Busy"),
            ("    \"BUSY\": \"it takes two\",", "\"BUSY\""),
            ("    {ENTIDB_ERROR_BUSY, \"it takes two\"},", "ENTIDB_ERROR_BUSY"),
            ("  busy: \"BUSY\",", "\"BUSY\""),
            ("  \"BUSY\",", "\"BUSY\""),
            ("status == ENTIDB_ERROR_BUSY_BEE", "ENTIDB_ERROR_BUSY"),
        ] {
            assert!(!is_provoked(line, spelt), "{line}");
        }
        for (line, spelt) in [
            ("    assert_eq!(error.code(), ErrorCode::Busy);", "ErrorCode::Busy"),
            ("    \"BUSY\": busy,", "\"BUSY\""),
            ("    {ENTIDB_ERROR_BUSY, [](auto& db) { begin(db); }},", "ENTIDB_ERROR_BUSY"),
            ("  assert.throws(() => begin(), { code: \"BUSY\" });", "\"BUSY\""),
            ("  [\"two writers\", begin, \"BUSY\", /wait/],", "\"BUSY\""),
            ("    (&[0x18, 1], ErrorCode::Busy),", "ErrorCode::Busy"),
        ] {
            assert!(is_provoked(line, spelt), "{line}");
        }
    }

    #[test]
    fn a_listed_code_needs_a_reason_and_a_row() {
        let tree = tree(&[(ERRORS, SAMPLE), (LIST, "DATABASE_LOCKED = \"\"\nBUSY = \"later\"\nGONE = \"x\"\n")]);
        assert_eq!(check(&tree.0).unwrap().len(), 2);
    }
}
