//! Rules about the text of source files.
//!
//! Always: an offence names file and line.
//! Does not know: Rust's grammar. The rules look at lines, and are written so that a false alarm is rare and
//! easy to word around.

use crate::failure::Result;
use crate::repository::Repository;

/// The extensions of files that are text.
const TEXT: &[&str] = &[
    "rs", "toml", "md", "py", "pyi", "ts", "mts", "js", "mjs", "cjs", "json", "c", "h", "cpp", "hpp", "yml", "yaml",
    "sh", "dart", "cddl", "txt",
];

/// Every Rust file opens with `//!`, which also is where a generated file says so.
pub(crate) fn first_lines(repository: &Repository) -> Result<Vec<String>> {
    each(repository, &["rs"], |file, text| {
        if text.starts_with("//!") { Vec::new() } else { vec![format!("{file}:1: does not open with //!")] }
    })
}

/// `#[expect]` says why; `#[allow]` is not used.
pub(crate) fn reasons(repository: &Repository) -> Result<Vec<String>> {
    each(repository, &["rs"], |file, text| {
        let mut offences = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let bare = line.trim_start();
            let Some(kind) = ["allow", "expect"].into_iter().find(|kind| {
                bare.starts_with(&format!("#[{kind}(")) || bare.starts_with(&format!("#![{kind}(")) || {
                    bare.starts_with("#[cfg_attr(") && bare.contains(&format!(" {kind}("))
                }
            }) else {
                continue;
            };
            // The attribute may run over several lines; it ends with the line that closes its bracket.
            let mut attribute = bare.to_owned();
            while !attribute.trim_end().ends_with(']') && !attribute.contains(")]") {
                let Some((_, next)) = lines.next() else { break };
                attribute.push_str(next);
            }
            if !attribute.contains("reason") {
                offences.push(format!("{file}:{}: `{kind}` without a reason", number + 1));
            }
        }
        offences
    })
}

/// No macro that stands for missing code.
pub(crate) fn unwritten(repository: &Repository) -> Result<Vec<String>> {
    let words = [concat!("todo", "!("), concat!("unimplemented", "!(")];
    each(repository, &["rs"], |file, text| {
        lines_with(text, |line| {
            words.into_iter().find(|word| line.contains(word) && !line.trim_start().starts_with("//"))
        })
        .map(|(number, word)| format!("{file}:{number}: {word}...) stands for missing code"))
        .collect()
    })
}

/// No path that exists on one machine only.
pub(crate) fn machine_paths(repository: &Repository) -> Result<Vec<String>> {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("../sha", "red"),
    ];
    each(repository, TEXT, |file, text| {
        lines_with(text, |line| paths.into_iter().find(|path| begins(line, path)))
            .map(|(number, path)| format!("{file}:{number}: names {path}, a path of one machine"))
            .collect()
    })
}

/// Whether `path` begins somewhere in the line, and is not the middle of a longer path.
fn begins(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|letter| !letter.is_alphanumeric() && !matches!(letter, '_' | '-' | '.' | '}' | '*' | ')'))
    })
}

fn lines_with<'a, T>(text: &'a str, find: impl Fn(&'a str) -> Option<T>) -> impl Iterator<Item = (usize, T)> {
    text.lines().enumerate().filter_map(move |(number, line)| Some((number + 1, find(line)?)))
}

fn each(
    repository: &Repository,
    extensions: &[&str],
    offences: impl Fn(&str, &str) -> Vec<String>,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in repository.files()? {
        let Some((_, extension)) = file.rsplit_once('.') else { continue };
        if extensions.contains(&extension) {
            found.extend(offences(&file, &repository.read(&file)?));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    #[test]
    fn a_file_without_its_heading_is_caught() {
        let tree = tree(&[("a.rs", "//! A.\n"), ("b.rs", "fn main() {}\n")]);
        assert_eq!(first_lines(&tree.0).unwrap(), ["b.rs:1: does not open with //!"]);
    }

    #[test]
    fn a_lint_exception_without_a_reason_is_caught() {
        let good = "//! A.\n#[expect(dead_code, reason = \"why\")]\n#![expect(\n  dead_code,\n  reason = \"why\"\n)]\n";
        let tree = tree(&[
            ("a.rs", good),
            ("b.rs", "//! B.\n#[expect(dead_code)]\nfn a() {}\n"),
            ("c.rs", "//! C.\n  #![allow(\n  dead_code\n)]\n"),
        ]);
        let found = reasons(&tree.0).unwrap();
        assert_eq!(found, ["b.rs:2: `expect` without a reason", "c.rs:2: `allow` without a reason"]);
    }

    #[test]
    fn missing_code_is_caught() {
        let tree = tree(&[("a.rs", concat!("//! A.\nfn a() { ", "to", "do!() }\n"))]);
        assert_eq!(unwritten(&tree.0).unwrap().len(), 1);
    }

    #[test]
    fn a_machine_path_is_caught() {
        let bad = concat!("see /ro", "ot/x and\n`../sha", "red/y`\n");
        let tree = tree(&[("a.md", bad), ("b.md", concat!("at build/wo", "rk/x and https://x.org/ho", "me/y\n"))]);
        let found = machine_paths(&tree.0).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|offence| offence.starts_with("a.md:")));
    }
}
