//! Who may use whom: `cargo metadata` against the table of ARCHITECTURE.md.
//!
//! Always: the table is the only list; a crate it does not name is an offence.
//! Does not know: dependencies from registries.

use std::collections::BTreeMap;

use crate::failure::{Failure, Result};
use crate::repository::{Package, Repository};

/// The page with the table.
const PAGE: &str = "ARCHITECTURE.md";

/// The heading above the table.
const HEADING: &str = "## Who may use whom";

/// What every crate's tests may use besides.
const FOR_TESTS: &str = "entidb_testkit";

/// What a row allows.
#[derive(Debug, PartialEq, Eq)]
enum Allowed {
    Anything,
    Only(Vec<String>),
}

/// Compares the packages with the table.
pub(crate) fn check(repository: &Repository) -> Result<Vec<String>> {
    let table = parse(&repository.read(PAGE)?)?;
    Ok(compare(&table, &repository.packages()?))
}

fn parse(page: &str) -> Result<BTreeMap<String, Allowed>> {
    let mut table = BTreeMap::new();
    let rows = page
        .lines()
        .skip_while(|line| line.trim() != HEADING)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with('|'));
    for row in rows {
        let mut cells = row.trim_matches('|').split('|');
        let (Some(users), Some(used)) = (cells.next(), cells.next()) else { continue };
        for user in names(users) {
            let allowed = if used.trim() == "anything" { Allowed::Anything } else { Allowed::Only(names(used)) };
            if table.insert(user.clone(), allowed).is_some() {
                return Err(Failure::new(format!("{PAGE} has two rows for {user}")));
            }
        }
    }
    if table.is_empty() {
        return Err(Failure::new(format!("{PAGE} has no table under `{HEADING}`")));
    }
    Ok(table)
}

/// The names between backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn compare(table: &BTreeMap<String, Allowed>, packages: &[Package]) -> Vec<String> {
    let mut offences = Vec::new();
    for package in packages {
        let Some(allowed) = table.get(&package.name) else {
            offences.push(format!("{}: the table of {PAGE} has no row for {}", package.folder, package.name));
            continue;
        };
        let Allowed::Only(allowed) = allowed else { continue };
        for used in &package.uses {
            if !allowed.contains(used) {
                offences.push(format!("{}: {} may not use {used}", package.folder, package.name));
            }
        }
        for used in &package.tests_use {
            // A crate that names itself asks for one of its own features in its tests.
            if !allowed.contains(used) && used != FOR_TESTS && *used != package.name {
                offences.push(format!("{}: the tests of {} may not use {used}", package.folder, package.name));
            }
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# A\n## Who may use whom\n\n| Crate | May use |\n|---|---|\n| `low` | nothing of ours |\n| `high` | `low` |\n| `kit`, `bench` | anything |\n\n## Next\n| `other` | `low` |\n";

    fn package(name: &str, uses: &[&str], tests_use: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            folder: name.to_owned(),
            uses: uses.iter().map(|name| (*name).to_owned()).collect(),
            tests_use: tests_use.iter().map(|name| (*name).to_owned()).collect(),
            roots: Vec::new(),
            c_library: None,
        }
    }

    #[test]
    fn an_edge_that_the_table_does_not_allow_is_caught() {
        let table = parse(TABLE).unwrap();
        let good = [
            package("low", &[], &[FOR_TESTS, "low"]),
            package("high", &["low"], &[]),
            package("bench", &["high", "low"], &[]),
        ];
        assert_eq!(compare(&table, &good), Vec::<String>::new());
        assert_eq!(compare(&table, &[package("low", &["high"], &[])]).len(), 1);
        assert_eq!(compare(&table, &[package("low", &[], &["high"])]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_is_caught() {
        assert_eq!(compare(&parse(TABLE).unwrap(), &[package("other", &[], &[])]).len(), 1);
    }

    #[test]
    fn a_page_without_the_table_is_refused() {
        assert!(parse("# A\n").is_err());
    }
}
