//! Writes the reference pages of options and reports.
//!
//! Always: everything of the table is on a page, in its order.
//! Does not know: guides; docs/guides explain, these pages list.

use std::fmt::Write;

use super::{Api, ApiOption, BANNER, FieldType, OptionType, lower_camel};

/// The text of `docs/reference/options.md`.
pub(in super::super) fn options(api: &Api) -> String {
    let mut out = format!("<!-- {BANNER} -->\n\n# Options\n\n{INTRODUCTION}");
    out.push_str("\n| Option | Takes | Default | Bounds |\n|---|---|---|---|\n");
    for option in &api.options {
        let _ = writeln!(
            out,
            "| [`{name}`](#{name}) | {} | {} | {} |",
            takes(api, option),
            option.default_text().unwrap_or_else(|| "none".to_owned()),
            option.bounds_text().unwrap_or_default(),
            name = option.name,
        );
    }
    for option in &api.options {
        let _ = write!(out, "\n## {}\n\n{}", option.name, option.describe());
        if let Some(bounds) = option.bounds_text() {
            let _ = write!(out, " Bounds: {bounds}.");
        }
        if option.on_disk {
            out.push_str(" Without meaning for a database in memory.");
        }
        out.push('\n');
        if let Some(words) = option.words(api) {
            out.push_str("\n| Value | Meaning |\n|---|---|\n");
            for word in words.words() {
                let _ = writeln!(out, "| `{}` | {} |", word.name, word.sentence);
            }
        }
        let _ = write!(
            out,
            "\nPython `{name}` · TypeScript `{}` · C `ENTIDB_OPTION_{}` · C++ `Options::{name}` · Rust `Options::{}`\n",
            lower_camel(&option.name),
            option.name.to_uppercase(),
            if option.kind == OptionType::Password { "key" } else { &option.name },
            name = option.name,
        );
    }
    out
}

const INTRODUCTION: &str = "\
How a database is opened. Options have the same names in every language, in the spelling of the language. One that is not
given keeps its default; a name that does not exist is refused with the nearest that does, and a value outside its bounds
with the bounds.

- Rust: fields of `Options`, `Database::open_with(path, options)`.
- Python: keywords of `entidb.open(path, ...)` and `entidb.open_memory(...)`.
- TypeScript: one object, `open(path, { readOnly: true })`.
- C: `entidb_options_new`, a setter for each type with the name as `ENTIDB_OPTION_...`, and `entidb_options_encode`, which
  gives what `entidb_database_open` takes: a CBOR map of names and values.
- C++: `Database::open(path, Options().read_only())`.

The options in force are read back with `config`, by the same names; of keys it says only `encrypted`.
";

fn takes(api: &Api, option: &ApiOption) -> String {
    match option.kind {
        OptionType::Flag => "true or false".to_owned(),
        OptionType::Number => "number".to_owned(),
        OptionType::Key => "32 bytes".to_owned(),
        OptionType::Password => "text or bytes".to_owned(),
        OptionType::Choice => {
            let words = option.words(api).map(|words| words.words().map(|word| format!("`{}`", word.name)).collect());
            words.map_or_else(String::new, |words: Vec<String>| words.join(", "))
        }
    }
}

/// The text of `docs/reference/reports.md`.
pub(in super::super) fn reports(api: &Api) -> String {
    let mut out = format!("<!-- {BANNER} -->\n\n# Reports\n\n{REPORTS}");
    for report in &api.reports {
        let _ = write!(out, "\n## {}\n\n{}.", report.name, report.sentence);
        if let Some(c) = &report.c {
            let _ = write!(out, " In C `{c}`.");
        }
        out.push_str("\n\n| Field | Type | Meaning |\n|---|---|---|\n");
        for field in &report.fields {
            let kind = match field.kind {
                FieldType::Flag => "true or false".to_owned(),
                FieldType::Count => "count".to_owned(),
                FieldType::Bytes => "bytes".to_owned(),
                FieldType::Ms => "milliseconds".to_owned(),
                FieldType::Sequence => "sequence".to_owned(),
                FieldType::Text => "text".to_owned(),
                FieldType::Id => "entity id".to_owned(),
                FieldType::Texts => "array of text".to_owned(),
                FieldType::List => {
                    let of = field.of.as_deref().unwrap_or_default();
                    format!("array of [{of}](#{of})")
                }
            };
            let kind = if field.optional { format!("{kind}, where known") } else { kind };
            let kind = if field.null { format!("{kind} or null") } else { kind };
            let _ = writeln!(out, "| `{}` | {kind} | {} |", field.name, field.sentence);
        }
    }
    out
}

const REPORTS: &str = "\
What a database says of itself: a map of names in every language, in the spelling of the language (`wal_bytes` is
`walBytes` in TypeScript), and a CBOR map in C.
";

#[cfg(test)]
mod tests {
    use super::super::tests::SAMPLE;
    use super::*;

    #[test]
    fn every_option_and_report_has_a_heading() {
        let api = Api::parse(SAMPLE).unwrap();
        let text = options(&api);
        assert!(text.contains("## cache_bytes") && text.contains("Bounds: 0, or 1 KiB to 1 MiB."), "{text}");
        assert!(text.contains("| `very_fast` | Without |"), "{text}");
        let text = reports(&api);
        assert!(text.contains("| `problems` | array of [problem](#problem) | What is not |"), "{text}");
        assert!(text.contains("In C `entidb_database_check`."), "{text}");
    }
}
