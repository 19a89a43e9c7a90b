//! Unsafe code stands only where the project says it does.
//!
//! Always: a crate root forbids unsafe code, unless the crate is of those whose work it is; a crate with leaf
//! modules that a measurement justified denies it at its root and has those files listed with their reasons.
//! Does not know: whether the code is sound; `// SAFETY:` comments and clippy see to that.

use std::collections::BTreeMap;

use crate::failure::{During, Result};
use crate::repository::Repository;

/// Crates at the border to C or to a host language, whose macros and functions are unsafe by nature.
const BORDER: &[&str] = &["entidb_ffi", "entidb_abi", "entidb_python", "entidb_node"];

/// The list of leaf files and their reasons.
pub(crate) const LIST: &str = "scripts/xtask/unsafe_files.toml";

/// Looks at every crate root and every source file.
pub(crate) fn check(repository: &Repository) -> Result<Vec<String>> {
    let listed: BTreeMap<String, String> =
        if repository.has(LIST) { toml::from_str(&repository.read(LIST)?).during(LIST)? } else { BTreeMap::new() };
    let mut offences = Vec::new();
    for (file, reason) in &listed {
        if reason.trim().is_empty() || !repository.has(file) {
            offences.push(format!("{LIST}: {file} is gone or has no reason"));
        }
    }
    for package in repository.packages()? {
        if BORDER.contains(&package.name.as_str()) {
            continue;
        }
        // A test program is a crate of its own, so what it needs does not soften the library's root.
        let inside = format!("{}/src/", package.folder);
        let has_leaves = listed.keys().any(|file| file.starts_with(&inside));
        for root in &package.roots {
            if repository.has_content(root) {
                offences.extend(judge_root(root, &repository.read(root)?, has_leaves));
            }
        }
        for file in repository.files_in(&package.folder, "rs")? {
            if !listed.contains_key(&file) {
                offences.extend(judge_file(&file, &repository.read(&file)?));
            }
        }
    }
    Ok(offences)
}

fn judge_root(root: &str, text: &str, has_leaves: bool) -> Option<String> {
    let wanted = if has_leaves { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" };
    (!text.contains(wanted)).then(|| format!("{root}: lacks {wanted}"))
}

fn judge_file(file: &str, text: &str) -> Option<String> {
    let number = text.lines().position(|line| {
        let code = line.split("//").next().unwrap_or_default();
        ["{", "fn", "impl", "extern", "trait"].iter().any(|word| code.contains(&format!("{} {word}", "unsafe")))
    })?;
    Some(format!("{file}:{}: unsafe code in a file that {LIST} does not list", number + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_does_not_forbid_is_caught() {
        assert!(judge_root("a.rs", "//! A.\n#![forbid(unsafe_code)]\n", false).is_none());
        assert!(judge_root("a.rs", "//! A.\n", false).is_some());
        assert!(judge_root("a.rs", "//! A.\n#![deny(unsafe_code)]\n", false).is_some());
        assert!(judge_root("a.rs", "//! A.\n#![deny(unsafe_code)]\n", true).is_none());
    }

    #[test]
    fn unsafe_code_outside_the_list_is_caught() {
        assert!(judge_file("a.rs", "// an unsafe { in a comment\nfn a() {}\n").is_none());
        let offence = judge_file("a.rs", concat!("fn a() {\n    un", "safe { b() }\n}\n")).unwrap();
        assert!(offence.starts_with("a.rs:2:"), "{offence}");
    }
}
