//! Writes the reference page of errors.
//!
//! Always: every row of the table is on the page, under its family.
//! Does not know: guides; docs/guides explain errors, this page lists them.

use std::fmt::Write;

use super::BANNER;
use super::rust::capital;
use super::table::{Code, Family, Table};

/// The text of `docs/reference/errors.md`.
pub(crate) fn render(table: &Table) -> String {
    let mut out = format!("<!-- {BANNER} -->\n\n# Errors\n\n{INTRODUCTION}");
    out.push_str("\n## Outcomes\n\nThese carry no error.\n\n| Number | C | Meaning |\n|---|---|---|\n");
    for outcome in &table.outcomes {
        let _ = writeln!(out, "| {} | `ENTIDB_{}` | {} |", outcome.number, outcome.name, outcome.meaning);
    }
    out.push_str(
        "\n## Families\n\n| Hundreds | Family | Group | Python | TypeScript | Meaning |\n|---|---|---|---|---|---|\n",
    );
    for family in &table.families {
        let _ = writeln!(
            out,
            "| {} | [{}](#{}) | `{}` | `{class}Error` | `{class}Error` | {} |",
            family.number,
            family.name,
            family.name,
            family.group,
            family.meaning,
            class = family.class
        );
    }
    for family in &table.families {
        let _ = write!(out, "\n## {}\n\n{}.\n", capital(&family.name), capital(&family.meaning));
        for code in table.codes.iter().filter(|code| code.number / 100 == family.number) {
            row(&mut out, family, code);
        }
    }
    out
}

const INTRODUCTION: &str = "\
Every error of EntiDB has a number and a name that mean the same in every language and never change. The
hundreds of the number are the family; a binding that meets a number it does not know falls back to the family.

- In C a call returns the number: `ENTIDB_ERROR_<NAME>`.
- In Rust `Error::code()` gives `ErrorCode::<Name>`.
- In Python the class below is raised; `error.name` is the name and `error.code` the number.
- In TypeScript the class below is thrown; `error.code` is the name and `error.number` the number.

*Retry* says whether the same call can succeed later: `never`, `now` (at once or after a short wait),
`after_reopen`, or `after_space`. Codes marked *reserved* belong to features that are not there yet; this
version never gives them.
";

fn row(out: &mut String, family: &Family, code: &Code) {
    let class = code.own_class();
    let raised = class.as_ref().map_or_else(
        || format!("`{}Error`", family.class),
        |class| format!("`{class}Error` (a `{}Error`)", family.class),
    );
    let _ = write!(
        out,
        "\n### {} {}\n\n{}. To do: {}.\n\nC `ENTIDB_ERROR_{}` · Rust `ErrorCode::{}` · Python and TypeScript {raised} · retry `{}`",
        code.number,
        code.name,
        capital(&code.meaning),
        code.action,
        code.name,
        code.variant(),
        code.retry.word()
    );
    if let Some(planned) = &code.planned {
        let _ = write!(out, " · *reserved* for {planned}");
    }
    if let Some(retired) = &code.retired {
        let _ = write!(out, " · *retired*: {retired}");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::SAMPLE;
    use super::*;

    #[test]
    fn every_code_has_a_heading() {
        let text = render(&Table::parse(SAMPLE).unwrap());
        assert!(text.contains("### 201 DATABASE_LOCKED") && text.contains("### 202 BUSY"), "{text}");
        assert!(text.contains("`DatabaseLockedError` (a `StateError`)"), "{text}");
    }
}
