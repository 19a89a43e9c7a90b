//! Every error code is provoked by a test, or listed with the reason it is not yet.
//!
//! Always: a code counts as provoked when a file of a test folder names it, in the spelling of any language; codes
//! that wait for a feature (`planned`) or are no longer given (`retired`) are left out.
//! Does not know: whether the test passes, or provokes what it names; the suites and their readers see to that.

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
        let class = code.own_class().unwrap_or_default();
        let spelt = [
            Some(format!("ErrorCode::{}", code.variant())),
            Some(format!("ENTIDB_ERROR_{}", code.name)),
            Some(format!("\"{}\"", code.name)),
            code.class.then(|| format!("{class}Error")),
        ];
        let provoked = spelt.into_iter().flatten().any(|spelt| names(&tests, &spelt));
        match (provoked, listed.get(&code.name)) {
            (false, None) => offences.push(format!("{} {} is provoked by no test", code.number, code.name)),
            (false, Some(reason)) if reason.trim().is_empty() => {
                offences.push(format!("{LIST}: {} has no reason", code.name));
            }
            _ => {}
        }
    }
    for name in listed.keys().filter(|name| !table.codes.iter().any(|code| code.name == **name)) {
        offences.push(format!("{LIST}: {name} is no code"));
    }
    Ok(offences)
}

fn is_test(file: &str) -> bool {
    file.split('/').rev().skip(1).any(|folder| matches!(folder, "tests" | "test" | "conformance"))
        || file.ends_with("tests.rs")
}

/// Whether the text holds the word, not as the beginning of a longer one.
fn names(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        after.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
    })
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
            ("crates/a/tests/open.rs", "//! A.\nfn a() { ErrorCode::DatabaseLocked; }\n"),
            ("crates/a/src/lib.rs", "//! A.\nfn a() { ErrorCode::Busy; ErrorCode::BusyBee; }\n"),
        ]);
        assert_eq!(check(&tree.0).unwrap(), ["202 BUSY is provoked by no test"]);
        tree.0.write("tests/c/busy.c", "int a = ENTIDB_ERROR_BUSY_BEE;\n").unwrap();
        assert_eq!(check(&tree.0).unwrap().len(), 1);
        tree.0.write("tests/c/busy.c", "int a = ENTIDB_ERROR_BUSY;\n").unwrap();
        assert_eq!(check(&tree.0).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_listed_code_needs_a_reason_and_a_row() {
        let tree = tree(&[(ERRORS, SAMPLE), (LIST, "DATABASE_LOCKED = \"\"\nBUSY = \"later\"\nGONE = \"x\"\n")]);
        assert_eq!(check(&tree.0).unwrap().len(), 2);
    }
}
