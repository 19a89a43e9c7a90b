//! Every function of the C ABI is bound in each binding, or listed there with the reason it is not.
//!
//! Always: the functions are those of `include/entidb.symbols`; a list is `unbound.toml` in the binding's folder,
//! one `entidb_name = "reason"` a line; a listed function that is bound after all is an offence too.
//! Does not know: Rust's grammar. `entidb_abi` binds a function when its source names it. Python and Node reach
//! the ABI through the methods of `entidb_abi`: they bind a function when their source calls a method whose body
//! names it. Functions that end in `_free` are called by drops there, so they only count for `entidb_abi`.

use std::collections::{BTreeMap, BTreeSet};

use crate::failure::{During, Result};
use crate::header;
use crate::repository::Repository;

/// Where the C ABI is tested from C.
const C_TESTS: &str = "tests/c";

/// The crate below the two packages.
const ABI: &str = "bindings/abi";

/// Folders of the packages on top of it, and of their native sources.
const PACKAGES: &[(&str, &str)] =
    &[("bindings/python", "bindings/python/src"), ("bindings/node", "bindings/node/native/src")];

/// Compares each binding that has content with the symbols.
pub(crate) fn check(repository: &Repository) -> Result<Vec<String>> {
    if !repository.has(header::SYMBOLS) || !repository.has_content("bindings/abi/src/lib.rs") {
        return Ok(Vec::new());
    }
    let text = repository.read(header::SYMBOLS)?;
    let symbols: Vec<&str> = text.lines().filter(|line| line.starts_with("entidb_")).collect();
    let abi = source(repository, &format!("{ABI}/src"))?;
    let mut offences = compare(ABI, &symbols, &unbound(repository, ABI)?, |symbol| has_word(&abi, symbol));
    let methods = methods(&abi);
    let borrowed: Vec<&str> = symbols.iter().filter(|symbol| !symbol.ends_with("_free")).copied().collect();
    for (folder, native) in PACKAGES {
        if !repository.has_content(&format!("{native}/lib.rs")) {
            continue;
        }
        let package = source(repository, native)?;
        // What the ABI crate leaves out on purpose, the packages above it cannot have.
        let below = unbound(repository, ABI)?;
        let reachable: Vec<&str> = borrowed.iter().filter(|symbol| !below.contains_key(**symbol)).copied().collect();
        offences.extend(compare(folder, &reachable, &unbound(repository, folder)?, |symbol| {
            has_word(&package, symbol)
                || methods.iter().any(|(method, named)| named.contains(symbol) && calls(&package, method))
        }));
    }
    Ok(offences)
}

/// The comment above every function of the header says which threads may call it.
pub(crate) fn contracts(repository: &Repository) -> Result<Vec<String>> {
    if !repository.has(header::SYMBOLS) || !repository.has(header::HEADER) {
        return Ok(Vec::new());
    }
    let symbols = repository.read(header::SYMBOLS)?;
    let text = repository.read(header::HEADER)?;
    let mut offences = Vec::new();
    for symbol in symbols.lines().filter(|line| line.starts_with("entidb_")) {
        let call = format!("{symbol}(");
        // The first place outside a comment that names the function is its declaration.
        let declared = text.lines().enumerate().find(|(_, line)| {
            let line = line.trim_start();
            !line.starts_with('*') && !line.starts_with('/') && line.contains(&call)
        });
        let Some((number, _)) = declared else {
            offences.push(format!("{}: {symbol} is not declared", header::HEADER));
            continue;
        };
        let above: Vec<&str> = text.lines().take(number).collect();
        let stated = above
            .iter()
            .rev()
            .take_while(|line| line.trim_start().starts_with(['*', '/']))
            .any(|line| line.contains("Threads:"));
        if !stated {
            offences.push(format!("{}:{}: {symbol} has no line `Threads:`", header::HEADER, number + 1));
        }
    }
    Ok(offences)
}

/// Every function of the C ABI is called by a program of the C tests.
pub(crate) fn called(repository: &Repository) -> Result<Vec<String>> {
    if !repository.has(header::SYMBOLS) {
        return Ok(Vec::new());
    }
    let mut programs = String::new();
    for extension in ["c", "h"] {
        for file in repository.files_in(C_TESTS, extension)? {
            programs.push_str(&repository.read(&file)?);
        }
    }
    let symbols = repository.read(header::SYMBOLS)?;
    let symbols = symbols.lines().filter(|line| line.starts_with("entidb_"));
    let uncalled = symbols.filter(|symbol| !programs.contains(&format!("{symbol}(")));
    Ok(uncalled.map(|symbol| format!("{C_TESTS}: no program calls {symbol}")).collect())
}

fn compare(
    folder: &str,
    symbols: &[&str],
    unbound: &BTreeMap<String, String>,
    bound: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut offences = Vec::new();
    for symbol in symbols {
        match (bound(symbol), unbound.get(*symbol)) {
            (false, None) => offences.push(format!("{folder}: {symbol} is neither bound nor listed in unbound.toml")),
            (true, Some(_)) => offences.push(format!("{folder}/unbound.toml: {symbol} is bound after all")),
            (false, Some(reason)) if reason.trim().is_empty() => {
                offences.push(format!("{folder}/unbound.toml: {symbol} has no reason"));
            }
            _ => {}
        }
    }
    for listed in unbound.keys().filter(|listed| !symbols.contains(&listed.as_str())) {
        offences.push(format!("{folder}/unbound.toml: {listed} is no function of the ABI"));
    }
    offences
}

fn unbound(repository: &Repository, folder: &str) -> Result<BTreeMap<String, String>> {
    let file = format!("{folder}/unbound.toml");
    if repository.has(&file) { toml::from_str(&repository.read(&file)?).during(file) } else { Ok(BTreeMap::new()) }
}

/// The text of every Rust file of a folder, without comments.
fn source(repository: &Repository, folder: &str) -> Result<String> {
    let mut all = String::new();
    for file in repository.files_in(folder, "rs")? {
        for line in repository.read(&file)?.lines() {
            all.push_str(line.split("//").next().unwrap_or_default());
            all.push('\n');
        }
    }
    Ok(all)
}

/// Each function of a source, with the C functions its body names.
fn methods(source: &str) -> BTreeMap<String, BTreeSet<&str>> {
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in source.lines() {
        if let Some((_, rest)) = line.split_once("fn ") {
            let name: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            if !name.is_empty() {
                current = Some(name);
            }
        }
        if let Some(method) = &current {
            for word in line.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
                if word.starts_with("entidb_") {
                    found.entry(method.clone()).or_default().insert(word);
                }
            }
        }
    }
    found
}

fn has_word(source: &str, word: &str) -> bool {
    source.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|found| found == word)
}

fn calls(source: &str, method: &str) -> bool {
    source.contains(&format!(".{method}(")) || source.contains(&format!("::{method}("))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tree, tree};
    use super::*;

    const ABI_SOURCE: &str = "//! A.\nimpl Database {\n    pub fn open() { call(entidb_database_open) }\n    pub fn close(&self) { call(entidb_database_close) }\n}\nimpl Drop for Database {\n    fn drop(&mut self) { entidb_database_free(self.0) }\n}\n";

    fn bound(python: &str, listed: &str) -> Tree {
        tree(&[
            (header::SYMBOLS, "# made\nentidb_database_close\nentidb_database_free\nentidb_database_open\n"),
            ("bindings/abi/src/lib.rs", ABI_SOURCE),
            ("bindings/python/src/lib.rs", python),
            ("bindings/python/unbound.toml", listed),
        ])
    }

    #[test]
    fn a_function_that_is_not_bound_is_caught() {
        let all = "//! P.\nfn a() { Database::open(); db.close() }\n";
        assert_eq!(check(&bound(all, "").0).unwrap(), Vec::<String>::new());
        let found = check(&bound("//! P.\nfn a() { Database::open() }\n", "").0).unwrap();
        assert_eq!(found, ["bindings/python: entidb_database_close is neither bound nor listed in unbound.toml"]);
    }

    #[test]
    fn a_function_without_its_contract_is_caught() {
        let text = "/**\n * Opens; see entidb_b(x).\n *\n * Threads: any.\n */\nint entidb_a(void);\n\n/**\n * Closes.\n */\nint entidb_b(void);\n";
        let tree = tree(&[(header::SYMBOLS, "entidb_a\nentidb_b\n"), (header::HEADER, text)]);
        assert_eq!(contracts(&tree.0).unwrap(), ["include/entidb.h:11: entidb_b has no line `Threads:`"]);
    }

    #[test]
    fn a_function_that_no_c_test_calls_is_caught() {
        let program = "/* entidb_b is not called */ int main(void) { entidb_a(); entidb_bc(); }\n";
        let tree = tree(&[(header::SYMBOLS, "entidb_a\nentidb_b\n"), ("tests/c/all.c", program)]);
        assert_eq!(called(&tree.0).unwrap(), ["tests/c: no program calls entidb_b"]);
    }

    #[test]
    fn a_list_that_is_not_true_is_caught() {
        let one = "//! P.\nfn a() { Database::open() }\n";
        assert_eq!(check(&bound(one, "entidb_database_close = \"closes itself\"\n").0).unwrap(), Vec::<String>::new());
        assert_eq!(check(&bound(one, "entidb_database_close = \"\"\n").0).unwrap().len(), 1);
        let wrong = "entidb_database_close = \"x\"\nentidb_database_open = \"x\"\nentidb_gone = \"x\"\n";
        assert_eq!(check(&bound(one, wrong).0).unwrap().len(), 2);
    }
}
