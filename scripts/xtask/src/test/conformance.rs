//! Compares what every language's conformance runner wrote down, and has every language read every other's database.
//!
//! Always: each language whose package exists must have left a transcript in `.build/transcripts`, and all must
//! be equal byte for byte; each must have written its databases and read those of all.
//! Does not know: the cases. A runner reads `tests/conformance/*.json` inside its own suite and writes
//! `<language>.txt` into the folder that `ENTIDB_TRANSCRIPTS` names; the exchange is in `tests/conformance/README.md`.

use std::fs;

use super::suite::{Context, Presence, Report};
use super::{dart, native, node, python, rust};
use crate::failure::{During, Failure, Result};
use crate::process::Process;
use crate::repository::Repository;
use crate::setup::venv_python;

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
    if dart::present(repository) == Presence::Here {
        if dart::ran(context) {
            languages.push("dart");
        } else {
            report.notes.push("SKIPPED dart: its suite did not run on this machine".to_owned());
        }
    }
    let mut first: Option<(&str, Vec<u8>)> = None;
    for &language in &languages {
        let outcome = transcript(context, language).and_then(|text| match &first {
            None => {
                first = Some((language, text));
                Ok(())
            }
            Some((other, expected)) => same(other, expected, language, &text),
        });
        report.test(outcome);
    }
    exchange(context, &languages, &mut report);
    Ok(report)
}

/// Runs the exchange of every language once more: in its own suite the first could not read what the last had not
/// written yet. Where databases are missing, as after a run of some suites alone, they are written first.
fn exchange(context: &Context, languages: &[&str], report: &mut Report) {
    let folder = context.transcripts().join("exchange");
    for language in languages {
        fs::remove_file(folder.join(format!("{language}.read"))).ok();
    }
    let run = |language: &&str| reader(context, language).and_then(|reader| reader.succeed()).map(drop);
    if languages.iter().any(|writer| !folder.join("databases").join(writer).is_dir()) {
        // What fails here fails again below, and is told there.
        languages.iter().map(run).for_each(drop);
    }
    languages.iter().for_each(|language| report.test(run(language)));
    for reader in languages {
        let read = fs::read_to_string(folder.join(format!("{reader}.read"))).unwrap_or_default();
        for writer in languages {
            report.test(has_read(reader, writer, &read, folder.join("databases").join(writer).is_dir()));
        }
    }
}

/// The program that writes and reads the databases of one language, as its suite built it.
fn reader(context: &Context, language: &str) -> Result<Process> {
    let repository = &context.repository;
    let log = format!("exchange-{language}");
    let process = match language {
        "rust" => rust::exchange(context),
        "cpp" => {
            let program = native::program(context, "tests/cpp/exchange.cpp")?;
            if !program.is_file() {
                let missing = program.display();
                return Err(Failure::new(format!("{missing} is not built; run the suite `cpp` first")));
            }
            context.process(program, &log)
        }
        "python" => context
            .process(venv_python(repository), &log)
            .args(["-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "tests/test_exchange.py"])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .dir(repository.path("bindings/python")),
        "dart" => dart::exchange(context)?,
        _ => context
            .process("node", &log)
            .args(["--test", "test/exchange.test.mjs"])
            .dir(repository.path("bindings/node")),
    };
    Ok(process.env("ENTIDB_ROOT", repository.root()))
}

fn has_read(reader: &str, writer: &str, read: &str, written: bool) -> Result<()> {
    if !written {
        return Err(Failure::new(format!(
            "{reader} could not read a database of {writer}: {writer} left none in .build/transcripts/exchange/databases"
        )));
    }
    if read.lines().any(|line| line == writer) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{reader} has not read the database of {writer}; .build/logs/exchange-{reader}.log says why"
    )))
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
    fn a_pair_that_was_not_read_is_named() {
        assert!(has_read("cpp", "node", "node\nrust\n", true).is_ok());
        let failure = has_read("cpp", "node", "rust\n", true).unwrap_err().to_string();
        assert!(failure.contains("cpp has not read the database of node"), "{failure}");
        assert!(has_read("cpp", "node", "node\n", false).unwrap_err().to_string().contains("node left none"));
    }

    #[test]
    fn a_difference_is_named_with_its_line() {
        assert!(same("rust", b"a\nb\n", "node", b"a\nb\n").is_ok());
        let failure = same("rust", b"a\nb\n", "node", b"a\nc\n").unwrap_err().to_string();
        assert!(failure.contains("line 2") && failure.contains("node: c"), "{failure}");
        assert!(same("rust", b"a\n", "node", b"a\nb\n").unwrap_err().to_string().contains("line 2"));
    }
}
