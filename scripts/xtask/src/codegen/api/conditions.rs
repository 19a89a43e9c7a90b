//! Reads and judges the conditions of the table, and writes their page and the list that `entidb_core` reads them by.
//!
//! Always: a condition shown in a language matches the document of the page, which the suite `docs` runs.
//! Does not know: what a condition means; docs/spec/query.md says it.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Deserialize;

use super::{Api, BANNER, refused, sentence, unique};
use crate::failure::Result;

/// One node of a query's filter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Condition {
    pub(super) name: String,
    pub(super) operands: Vec<Operand>,
    pub(super) sentence: String,
    pub(super) rust: Option<String>,
    pub(super) python: Option<String>,
    pub(super) typescript: Option<String>,
    pub(super) cpp: Option<String>,
    pub(super) command: Option<String>,
}

/// What stands behind the name of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Operand {
    Path,
    Value,
    Values,
    Text,
    Condition,
    Conditions,
}

impl Operand {
    /// As the pages and the error messages name it.
    fn words(self) -> &'static str {
        match self {
            Self::Path => "a path",
            Self::Value => "a value",
            Self::Values => "an array of values",
            Self::Text => "a text",
            Self::Condition => "a condition",
            Self::Conditions => "conditions",
        }
    }

    /// As it stands in the form of a condition.
    fn place(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Value => "value",
            Self::Values => "[value, …]",
            Self::Text => "text",
            Self::Condition => "condition",
            Self::Conditions => "condition, …",
        }
    }

    /// Its name in the table.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Conditions => "conditions",
            other => other.place(),
        }
    }
}

impl Condition {
    /// Whether it compares a field, so that fields have a method or an operator for it.
    pub(super) fn is_of_field(&self) -> bool {
        self.operands.first() == Some(&Operand::Path)
    }

    /// The method of fields in TypeScript.
    pub(super) fn method(&self) -> Option<&str> {
        let shown = self.typescript.as_deref().filter(|_| self.is_of_field())?;
        shown.split_once('(')?.0.rsplit('.').next()
    }

    /// What it takes, in words.
    fn takes(&self) -> String {
        let words: Vec<&str> = self.operands.iter().map(|operand| operand.words()).collect();
        match words.split_last() {
            None => "no operand".to_owned(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        }
    }

    /// Its form as bytes.
    fn form(&self) -> String {
        let mut form = format!("[\"{}\"", self.name);
        for operand in &self.operands {
            let _ = write!(form, ", {}", operand.place());
        }
        form + "]"
    }
}

/// Refuses two of a name, and a field's condition that TypeScript does not show as a method.
pub(super) fn judge(conditions: &[Condition]) -> Result<()> {
    let mut names = BTreeSet::new();
    for condition in conditions {
        unique(&mut names, "conditions", &condition.name)?;
        sentence(&condition.sentence)?;
        if condition.is_of_field() && condition.method().is_none() {
            return refused(format!("condition {}: TypeScript shows it as a method of a field", condition.name));
        }
    }
    Ok(())
}

/// The text of `crates/entidb_core/src/query/language/conditions.rs`, before formatting.
pub(in super::super) fn rust(api: &Api) -> String {
    let mut out = format!(
        "//! {BANNER}\n//!\n\
         //! The names of conditions in the bytes of a query, and what they take.\n//!\n\
         //! Always: in the order of the documents.\n\
         //! Does not know: what a condition means.\n\
         //! Specified in: docs/spec/query.md.\n\n\
         /// Each name with its operands in words.\n\
         pub(super) const CONDITIONS: &[(&str, &str)] = &[\n"
    );
    for condition in &api.conditions {
        let _ = writeln!(out, "(\"{}\", \"{}\"),", condition.name, condition.takes());
    }
    out + "];\n"
}

/// The text of `docs/reference/conditions.md`.
pub(in super::super) fn page(api: &Api) -> String {
    let mut out = format!("<!-- {BANNER} -->\n\n# Conditions\n\n{INTRODUCTION}");
    out.push_str("\n| Condition | Matches when | As bytes |\n|---|---|---|\n");
    for condition in &api.conditions {
        let _ = writeln!(out, "| `{}` | {} | `{}` |", condition.name, condition.sentence, condition.form());
    }
    out.push_str(
        "\n## In the languages\n\n| | Python | TypeScript | Rust | C++ | Command |\n|---|---|---|---|---|---|\n",
    );
    let cell = |shown: &Option<String>| {
        shown.as_ref().map_or_else(|| "–".to_owned(), |text| format!("`{}`", text.replace('|', "\\|")))
    };
    for condition in api.conditions.iter().filter(|condition| condition.rust.is_some()) {
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {} |",
            condition.name,
            cell(&condition.python),
            cell(&condition.typescript),
            cell(&condition.rust),
            cell(&condition.cpp),
            cell(&condition.command),
        );
    }
    out.push_str(PROGRAMS);
    program(&mut out, api, "python", PYTHON, |condition| condition.python.as_ref());
    program(&mut out, api, "ts", TYPESCRIPT, |condition| condition.typescript.as_ref());
    program(&mut out, api, "rust", RUST, |condition| condition.rust.as_ref());
    program(&mut out, api, "cpp", CPP, |condition| condition.cpp.as_ref());
    out
}

const INTRODUCTION: &str = "\
What the filter of a query is made of. The [guide](../guides/queries.md) shows how to use it, the
[specification](../spec/query.md) defines each condition exactly: what happens to arrays, missing fields and values of other
types.
";

const PROGRAMS: &str = "
In C a query is bytes: `entidb_encoder` writes the form above. `--where` of the command takes a value as JSON, or as plain text
where it is no JSON, and conditions given together must all match.

Each condition of the table matches one document:
";

/// A program, before and behind its conditions.
type Frame = (&'static str, &'static str, &'static str);

const PYTHON: Frame = (
    "\
import entidb
from entidb import all_of, f

with entidb.open_memory() as db:
    notes = db.collection(\"notes\")
    notes.put({\"n\": 5, \"tags\": [\"a\"], \"title\": \"Hello\", \"note\": None})
    for condition in [
",
    "        ",
    "    ]:
        assert notes.find(condition).count() == 1
",
);

const TYPESCRIPT: Frame = (
    "\
import { all, f, not, openMemory } from \"entidb\";

using db = openMemory();
const notes = db.collection(\"notes\");
notes.put({ n: 5, tags: [\"a\"], title: \"Hello\", note: null });
for (const condition of [
",
    "  ",
    "\
]) {
  if (notes.find(condition).count() !== 1) throw new Error(`no match: ${JSON.stringify(condition)}`);
}
",
);

const RUST: Frame = (
    "\
use entidb::{Database, Expression, doc, field};

let db = Database::open_memory()?;
let notes = db.collection(\"notes\")?;
notes.put(&doc! { \"n\": 5, \"tags\": [\"a\"], \"title\": \"Hello\", \"note\": null })?;
for condition in [
",
    "    ",
    "\
] {
    assert_eq!(notes.find(condition.clone()).count()?, 1, \"{condition:?}\");
}
# Ok::<(), entidb::Error>(())
",
);

const CPP: Frame = (
    "\
#include <entidb.hpp>
#include <cassert>

using entidb::Condition, entidb::array, entidb::field, entidb::map;

int main() {
    auto db = entidb::Database::open_memory();
    auto notes = db.collection(\"notes\");
    notes.put(map({{\"n\", 5}, {\"tags\", array({\"a\"})}, {\"title\", \"Hello\"}, {\"note\", nullptr}}));
    for (const Condition& condition : {
",
    "             ",
    "         }) {
        if (notes.find_count(condition) != 1) return 1;
    }
    return 0;
}
",
);

fn program(
    out: &mut String,
    api: &Api,
    language: &str,
    (head, indent, tail): Frame,
    shown: impl Fn(&Condition) -> Option<&String>,
) {
    let _ = write!(out, "\n```{language}\n{head}");
    for text in api.conditions.iter().filter_map(shown) {
        let _ = writeln!(out, "{indent}{text},");
    }
    let _ = writeln!(out, "{tail}```");
}

#[cfg(test)]
mod tests {
    use super::super::tests::SAMPLE;
    use super::*;

    #[test]
    fn a_condition_is_on_the_page_in_each_language_that_has_it() {
        let text = page(&Api::parse(SAMPLE).unwrap());
        assert!(text.contains("| `le` | The value is less or equal | `[\"le\", path, value]` |"), "{text}");
        assert!(text.contains("| `le` | `f.n <= 5` | `f.n.lte(5)` | `field(\"n\").le(5)` | – | – |"), "{text}");
        assert!(text.contains("    for condition in [\n        f.n <= 5,\n    ]:"), "{text}");
    }

    #[test]
    fn the_library_knows_the_operands_in_words() {
        assert!(rust(&Api::parse(SAMPLE).unwrap()).contains("(\"le\", \"a path and a value\"),"));
    }

    #[test]
    fn a_condition_of_a_field_is_a_method_in_typescript() {
        let without = SAMPLE.replace("typescript = 'f.n.lte(5)'", "");
        assert!(Api::parse(&without).unwrap_err().to_string().contains("TypeScript"));
        assert_eq!(Api::parse(SAMPLE).unwrap().conditions[0].method(), Some("lte"));
    }
}
