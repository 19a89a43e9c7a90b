//! Compares what every language's conformance runner wrote down.
//!
//! Always: each language whose package exists must have left a transcript in `.build/transcripts`, and all must
//! be equal byte for byte.
//! Does not know: the cases. A runner reads `tests/conformance/*.json` inside its own suite and writes
//! `<language>.txt` into the folder that `ENTIDB_TRANSCRIPTS` names.

use std::fs;

use super::suite::{Context, Presence, Report};
use super::{native, node, python};
use crate::failure::{During, Failure, Result};
use crate::repository::Repository;

/// There is something to compare when there are cases.
pub(crate) fn present(repository: &Repository) -> Presence {
    match repository.files_in("tests/conformance", "json") {
        Ok(files) if !files.is_empty() => Presence::Here,
        _ => Presence::Absent("tests/conformance holds no case yet".to_owned()),
    }
}

/// Compares the transcripts of the suites that ran before.
pub(crate) fn compare(context: &Context) -> Result<Report> {
    let repository = &context.repository;
    let mut languages = vec!["rust"];
    if native::cpp_present(repository) == Presence::Here {
        languages.push("cpp");
    }
    if python::present(repository) == Presence::Here {
        languages.push("python");
    }
    if node::present(repository) == Presence::Here {
        languages.push("node");
    }
    let mut report = Report::default();
    let mut first: Option<(&str, Vec<u8>)> = None;
    for language in languages {
        let outcome = transcript(context, language).and_then(|text| match &first {
            None => {
                first = Some((language, text));
                Ok(())
            }
            Some((other, expected)) => same(other, expected, language, &text),
        });
        report.test(outcome);
    }
    Ok(report)
}

fn transcript(context: &Context, language: &str) -> Result<Vec<u8>> {
    let path = context.transcripts().join(format!("{language}.txt"));
    let text = fs::read(&path).during(format_args!(
        "the {language} runner left no transcript at {}; run its suite in the same `cargo xtask test`",
        path.display()
    ))?;
    if text.is_empty() {
        return Err(Failure::new(format!("the transcript of {language} is empty")));
    }
    Ok(text)
}

fn same(other: &str, expected: &[u8], language: &str, found: &[u8]) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let expected = String::from_utf8_lossy(expected);
    let found = String::from_utf8_lossy(found);
    let line = expected.lines().zip(found.lines()).position(|(one, two)| one != two);
    let at = line.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
    Err(Failure::new(format!(
        "{language} and {other} differ from line {}:\n{other}: {}\n{language}: {}",
        at + 1,
        expected.lines().nth(at).unwrap_or("(ends)"),
        found.lines().nth(at).unwrap_or("(ends)")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_with_its_line() {
        assert!(same("rust", b"a\nb\n", "node", b"a\nb\n").is_ok());
        let failure = same("rust", b"a\nb\n", "node", b"a\nc\n").unwrap_err().to_string();
        assert!(failure.contains("line 2") && failure.contains("node: c"), "{failure}");
        assert!(same("rust", b"a\n", "node", b"a\nb\n").unwrap_err().to_string().contains("line 2"));
    }
}
