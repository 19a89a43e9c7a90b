//! Every function of the C ABI is bound in each binding, or listed there with the reason it is not.
//!
//! Always: the functions are those of `include/entidb.symbols`; a list is `unbound.toml` in the binding's folder,
//! one `entidb_name = "reason"` a line; a listed function that is bound after all is an offence too.
//! Does not know: Rust's grammar. `entidb_abi` binds a function when its source names it. Python and Node reach
//! the ABI through what `entidb_abi` makes public: they bind a function when a file of theirs calls a public function
//! whose body, or that of a private function it calls, names it. A method only counts in a file that names its type or
//! is given it by what it calls, so that `.take(` of an `Option` is no use of ours. Functions that end in `_free` are
//! called by drops there, so they only count for `entidb_abi`. Dart and C++ call the functions themselves: a file that is written by hand
//! names them.

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

/// Bindings that call the functions themselves: the folder of the list, and the folder and the extension of the files that call.
const CALLERS: &[(&str, &str, &str)] =
    &[("bindings/dart", "bindings/dart/lib/src/ffi", "dart"), ("include", "include", "hpp")];

/// Compares each binding that has content with the symbols.
pub(crate) fn check(repository: &Repository) -> Result<Vec<String>> {
    if !repository.has(header::SYMBOLS) || !repository.has_content("bindings/abi/src/lib.rs") {
        return Ok(Vec::new());
    }
    let text = repository.read(header::SYMBOLS)?;
    let symbols: Vec<&str> = text.lines().filter(|line| line.starts_with("entidb_")).collect();
    let abi = files(repository, &format!("{ABI}/src"), "rs")?;
    let named = |symbol: &str| abi.iter().any(|text| has_word(text, symbol));
    let mut offences = compare(ABI, &symbols, &unbound(repository, ABI)?, named);
    let functions = functions(&abi);
    let borrowed: Vec<&str> = symbols.iter().filter(|symbol| !symbol.ends_with("_free")).copied().collect();
    for (folder, native) in PACKAGES {
        if !repository.has_content(&format!("{native}/lib.rs")) {
            continue;
        }
        let package = files(repository, native, "rs")?;
        let types: Vec<_> = package.iter().map(|file| types_in(file, &functions)).collect();
        // What the ABI crate leaves out on purpose, the packages above it cannot have.
        let below = unbound(repository, ABI)?;
        let reachable: Vec<&str> = borrowed.iter().filter(|symbol| !below.contains_key(**symbol)).copied().collect();
        offences.extend(compare(folder, &reachable, &unbound(repository, folder)?, |symbol| {
            let ours = functions.iter().filter(|function| function.is_public && function.symbols.contains(symbol));
            let mut files = package.iter().zip(&types);
            files.any(|(file, types)| has_word(file, symbol) || ours.clone().any(|one| one.is_called_in(file, types)))
        }));
    }
    for (folder, sources, extension) in CALLERS {
        let texts = files(repository, sources, extension)?;
        if texts.is_empty() {
            continue;
        }
        let named = |symbol: &str| texts.iter().any(|text| has_word(text, symbol));
        offences.extend(compare(folder, &symbols, &unbound(repository, folder)?, named));
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

/// The text of every file of a folder that is written by hand, without comments. The generated file of Dart names every function.
fn files(repository: &Repository, folder: &str, extension: &str) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in repository.files_in(folder, extension)?.iter().filter(|file| !file.ends_with(".g.dart")) {
        let lines = repository.read(file)?;
        all.push(lines.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n"));
    }
    Ok(all)
}

/// A function of `entidb_abi`.
#[derive(Debug, Default, Clone)]
struct Function {
    name: String,
    /// The type whose method it is.
    of: Option<String>,
    is_public: bool,
    body: String,
    /// The C functions that it, or a private function it calls, names.
    symbols: BTreeSet<String>,
}

impl Function {
    fn is_called_in(&self, file: &str, types: &BTreeSet<String>) -> bool {
        let is_called = |by: &str| file.contains(&format!("{by}{}(", self.name));
        match &self.of {
            Some(of) => types.contains(of) && (is_called(".") || is_called(&format!("{of}::"))),
            None => calls_by_name(file, &self.name),
        }
    }

    /// The types in what it gives.
    fn gives(&self) -> impl Iterator<Item = &str> {
        let signature = self.body.split('{').next().unwrap_or_default();
        let given = signature.rsplit_once("->").map_or("", |(_, given)| given);
        words(given).filter(|word| word.starts_with(char::is_uppercase))
    }
}

/// The types that a file has to do with: those it names, and those that what it calls gives it.
fn types_in(file: &str, functions: &[Function]) -> BTreeSet<String> {
    let mut types: BTreeSet<String> = functions.iter().filter_map(|function| function.of.clone()).collect();
    types.retain(|name| has_word(file, name));
    loop {
        let called = functions.iter().filter(|function| function.is_public && function.is_called_in(file, &types));
        let given: BTreeSet<String> = called.flat_map(Function::gives).map(str::to_owned).collect();
        if given.is_subset(&types) {
            return types;
        }
        types.extend(given);
    }
}

/// The functions of a crate's files. A private function gives its C functions to its callers.
fn functions(files: &[String]) -> Vec<Function> {
    let mut found: Vec<Function> = Vec::new();
    for file in files {
        let mut of = None;
        for line in file.lines() {
            if line.starts_with("impl") {
                let subject = line.rsplit(" for ").next().unwrap_or_default().trim_start_matches("impl");
                of = words(subject).find(|word| word.starts_with(char::is_uppercase)).map(str::to_owned);
            } else if line.starts_with('}') {
                of = None;
            }
            if let Some((before, rest)) = line.split_once("fn ")
                && before.trim().is_empty() | before.trim().starts_with("pub") | before.trim().starts_with("const")
            {
                let name = words(rest).next().unwrap_or_default().to_owned();
                let is_public = before.trim_start().starts_with("pub ");
                found.push(Function { name, of: of.clone(), is_public, ..Function::default() });
            }
            if let Some(function) = found.last_mut() {
                function.body.push_str(line);
                function.body.push('\n');
                let symbols = words(line).filter(|word| word.starts_with("entidb_")).map(str::to_owned);
                function.symbols.extend(symbols);
            }
        }
    }
    // Private functions call each other, so this goes on until nothing new is found.
    loop {
        let before: usize = found.iter().map(|function| function.symbols.len()).sum();
        let private: Vec<Function> = found.iter().filter(|function| !function.is_public).cloned().collect();
        for function in &mut found {
            for called in private.iter().filter(|called| calls_by_name(&function.body, &called.name)) {
                function.symbols.extend(called.symbols.iter().cloned());
            }
        }
        if found.iter().map(|function| function.symbols.len()).sum::<usize>() == before {
            return found;
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

fn has_word(source: &str, word: &str) -> bool {
    words(source).any(|found| found == word)
}

/// Whether a function is called by its name or path, and not as a method of something.
fn calls_by_name(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let stands_alone = before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != '.');
        stands_alone && text.get(at + name.len()..).is_some_and(|after| after.starts_with('('))
    })
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
    fn a_function_that_dart_does_not_call_is_caught() {
        let tree = tree(&[
            (header::SYMBOLS, "entidb_a\nentidb_b\n"),
            ("bindings/abi/src/lib.rs", "//! A.\nfn a() { entidb_a(); entidb_b() }\n"),
            ("bindings/dart/lib/src/ffi/bindings.g.dart", "entidb_a entidb_b\n"),
            ("bindings/dart/lib/src/ffi/half.dart", "void a() => _f.entidb_a(); // entidb_b\n"),
        ]);
        assert_eq!(check(&tree.0).unwrap(), ["bindings/dart: entidb_b is neither bound nor listed in unbound.toml"]);
    }

    #[test]
    fn a_function_that_cpp_does_not_call_is_caught() {
        let tree = tree(&[
            (header::SYMBOLS, "entidb_a\nentidb_b\nentidb_c\n"),
            ("bindings/abi/src/lib.rs", "//! A.\nfn a() { entidb_a(); entidb_b(); entidb_c() }\n"),
            ("include/entidb/database.hpp", "inline void a() { entidb_a(); }  // entidb_b\n"),
            ("include/unbound.toml", "entidb_c = \"why\"\n"),
        ]);
        assert_eq!(check(&tree.0).unwrap(), ["include: entidb_b is neither bound nor listed in unbound.toml"]);
    }

    #[test]
    fn a_method_of_another_type_is_no_use_and_private_functions_are_reached_through_public_ones() {
        let abi = "//! A.\nimpl Error {\n    pub(crate) fn take(object: E) -> Self { entidb_error_path(object) }\n}\nfn done(run: R) { Error::take(run()) }\nimpl Database {\n    pub fn open() { done(entidb_database_open) }\n    pub fn close(&self) { entidb_database_close(self.0) }\n}\n";
        let judged = |python: &str| {
            let tree = tree(&[
                (header::SYMBOLS, "entidb_database_close\nentidb_database_open\nentidb_error_path\n"),
                ("bindings/abi/src/lib.rs", abi),
                ("bindings/python/src/lib.rs", python),
            ]);
            check(&tree.0).unwrap().len()
        };
        assert_eq!(judged("//! P.\nfn a(db: Database) { Database::open(); db.close() }\n"), 0);
        assert_eq!(judged("//! P.\nfn a() { some.take(); file.close() }\n"), 3);
        assert_eq!(judged("//! P.\nfn a(db: Database) { some.take(); db.close() }\n"), 2);
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
