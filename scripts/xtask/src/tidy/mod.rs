//! The rules about code and documents that a compiler does not know.
//!
//! Always: each rule is one function from the clone to the offences it finds, and has a test that shows it
//! catching one.
//! Does not know: style that rustfmt and clippy already judge.

mod documents;
mod edges;
mod interface;
mod licences;
mod provoked;
mod shape;
mod sources;
mod unsafety;

pub(crate) use unsafety::LIST as UNSAFE_FILES;

use crate::failure::{Failure, Result};
use crate::repository::Repository;

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its name.
    pub(crate) name: &'static str,
    /// Finds the offences against it, each a sentence that begins with the place.
    pub(crate) check: fn(&Repository) -> Result<Vec<String>>,
}

/// Every rule.
pub(crate) const RULES: &[Rule] = &[
    Rule { name: "crates use only what ARCHITECTURE.md allows", check: edges::check },
    Rule { name: "every Rust file opens with //!", check: sources::first_lines },
    Rule { name: "generated files are up to date", check: shape::generated },
    Rule { name: "generated files are marked alike", check: shape::marked },
    Rule { name: "a lint exception gives its reason", check: sources::reasons },
    Rule { name: "nothing is left to be written", check: sources::unwritten },
    Rule { name: "no path of one machine", check: sources::machine_paths },
    Rule { name: "files are read in one sitting", check: shape::lengths },
    Rule { name: "unsafe code only where it is listed", check: unsafety::check },
    Rule { name: "links lead somewhere", check: documents::links },
    Rule { name: "a fence names its language", check: documents::fences },
    Rule { name: "the glossary has the words of the code", check: documents::glossary },
    Rule { name: "every C function is bound or listed", check: interface::check },
    Rule { name: "every C function states its contract", check: interface::contracts },
    Rule { name: "every C function is called by a C test", check: interface::called },
    Rule { name: "every error code is provoked by a test or listed", check: provoked::check },
    Rule { name: "every dependency has a licence we accept", check: licences::check },
    Rule { name: "every crate that ships obeys the workspace's lints", check: shape::lints },
    Rule { name: "versions are in step", check: shape::versions },
    Rule { name: "a crate has a README", check: shape::companions },
    Rule { name: "there is one changelog", check: shape::changelogs },
];

/// Fails with every offence against one rule.
pub(crate) fn judge(repository: &Repository, rule: &Rule) -> Result<()> {
    let offences = (rule.check)(repository)?;
    if offences.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{}:\n  {}", rule.name, offences.join("\n  "))))
}

/// Judges by every rule and prints the outcome of each.
pub(crate) fn run(repository: &Repository) -> Result<()> {
    let mut broken = 0_u32;
    for rule in RULES {
        match judge(repository, rule) {
            Ok(()) => println!("ok      {}", rule.name),
            Err(failure) => {
                broken += 1;
                println!("BROKEN  {failure}");
            }
        }
    }
    if broken == 0 { Ok(()) } else { Err(Failure::new(format!("{broken} rules of tidy are broken"))) }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::repository::Repository;

    static MADE: AtomicU32 = AtomicU32::new(0);

    /// A folder with these files, gone when dropped.
    pub(crate) struct Tree(pub(crate) Repository);

    impl Drop for Tree {
        fn drop(&mut self) {
            std::fs::remove_dir_all(self.0.root()).ok();
        }
    }

    /// Makes a clone of just these files.
    pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("entidb-xtask-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let repository = Repository::at(&root);
        for (path, text) in files {
            repository.write(path, text).unwrap();
        }
        Tree(repository)
    }
}
