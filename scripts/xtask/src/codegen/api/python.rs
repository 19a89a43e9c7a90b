//! Writes the types of options and reports of the Python package.
//!
//! Always: `Options` is what `open` takes and `Config` what `config()` gives; a report has exactly the fields of the table.
//! Does not know: the functions; `_entidb.pyi` has them.

use std::fmt::Write;

use super::{Api, ApiOption, BANNER, Field, FieldType, OptionType, camel};

/// The text of `bindings/python/python/entidb/interface.py`.
pub(in super::super) fn render(api: &Api) -> String {
    let mut names: Vec<String> = api.reports.iter().map(|report| camel(&report.name)).collect();
    names.extend(["Config", "MemoryOptions", "Options"].map(str::to_owned));
    names.sort();
    let listed: String = names.iter().map(|name| format!("    \"{name}\",\n")).collect();
    let mut out = format!("# {BANNER}\n{HEAD}\n__all__ = [\n{listed}]\n");
    for found in api.enums.iter().filter(|found| !found.only_c) {
        let words: Vec<String> = found.words().map(|word| format!("\"{}\"", word.name)).collect();
        let _ = write!(
            out,
            "\n{}: TypeAlias = Literal[{}]\n\"\"\"{}.\"\"\"\n",
            camel(&found.name),
            words.join(", "),
            found.sentence
        );
    }
    class(&mut out, "MemoryOptions(TypedDict, total=False)", "How a database in memory is opened");
    for option in api.options.iter().filter(|option| !option.on_disk) {
        option_field(&mut out, option);
    }
    class(&mut out, "Options(MemoryOptions, total=False)", "How a database is opened");
    for option in api.options.iter().filter(|option| option.on_disk) {
        option_field(&mut out, option);
    }
    class(&mut out, "Config(TypedDict)", "The options in force");
    for option in api.options.iter().filter(|option| !is_secret(option)) {
        option_field(&mut out, option);
    }
    field(&mut out, "encrypted", "bool", "Whether there is a key or a password.");
    for report in &api.reports {
        class(&mut out, &format!("{}(TypedDict)", camel(&report.name)), &report.sentence);
        for field in &report.fields {
            report_field(&mut out, field);
        }
    }
    out
}

const HEAD: &str = "\
\"\"\"Types of the options of a database and of what it reports.

Always: a report has these fields and no others. Does not know: how it is asked for.
\"\"\"

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypeAlias, TypedDict

if TYPE_CHECKING:
    from ._entidb import EntityId
";

fn class(out: &mut String, head: &str, sentence: &str) {
    let _ = write!(out, "\n\nclass {head}:\n    \"\"\"{sentence}.\"\"\"\n\n");
}

fn field(out: &mut String, name: &str, kind: &str, text: &str) {
    let _ = write!(out, "    {name}: {kind}\n    \"\"\"{text}\"\"\"\n");
}

fn is_secret(option: &ApiOption) -> bool {
    matches!(option.kind, OptionType::Key | OptionType::Password)
}

fn option_field(out: &mut String, option: &ApiOption) {
    let kind = match option.kind {
        OptionType::Flag => "bool".to_owned(),
        OptionType::Number => "int".to_owned(),
        OptionType::Key => "bytes".to_owned(),
        OptionType::Password => "str | bytes".to_owned(),
        OptionType::Choice => camel(option.choice.as_deref().unwrap_or_default()),
    };
    field(out, &option.name, &kind, &option.describe());
}

fn report_field(out: &mut String, given: &Field) {
    let kind = match given.kind {
        FieldType::Flag => "bool".to_owned(),
        FieldType::Count | FieldType::Bytes | FieldType::Ms | FieldType::Sequence => "int".to_owned(),
        FieldType::Text => "str".to_owned(),
        FieldType::Id => "EntityId".to_owned(),
        FieldType::Texts => "list[str]".to_owned(),
        FieldType::List => format!("list[{}]", camel(given.of.as_deref().unwrap_or_default())),
    };
    let kind = if given.null { format!("{kind} | None") } else { kind };
    let kind = if given.optional { format!("NotRequired[{kind}]") } else { kind };
    field(out, &given.name, &kind, &format!("{}.", given.sentence));
}

#[cfg(test)]
mod tests {
    use super::super::tests::SAMPLE;
    use super::*;

    #[test]
    fn options_and_reports_are_typed_dicts() {
        let text = render(&Api::parse(SAMPLE).unwrap());
        assert!(text.contains("class CheckReport(TypedDict):"), "{text}");
        assert!(text.contains("problems: list[Problem]"), "{text}");
        assert!(text.contains("file: NotRequired[str]"), "{text}");
        assert!(text.contains("class Options(MemoryOptions, total=False):"), "{text}");
        assert!(text.contains("Pace: TypeAlias = Literal[\"slow\", \"very_fast\"]"), "{text}");
    }
}
