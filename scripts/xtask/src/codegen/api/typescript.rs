//! Writes the types of options and reports of the TypeScript packages, and the names and numbers behind them.
//!
//! Always: names are in lower camel case, and `OPTION_NAMES` says how the library spells them.
//! Does not know: how a value crosses to the library.

use std::fmt::Write;

use super::{Api, ApiOption, BANNER, Enum, Field, FieldType, OptionType, camel, lower_camel, spelt};

/// The text of `bindings/node/lib/interface.g.ts`.
pub(in super::super) fn render(api: &Api) -> String {
    let mut out = format!("// {BANNER}\n{HEAD}");
    for found in api.enums.iter().filter(|found| !found.only_c) {
        enumeration(&mut out, found);
    }
    out.push_str(METHODS);
    for condition in &api.conditions {
        let Some(method) = condition.method() else { continue };
        let operands: Vec<String> =
            condition.operands.iter().skip(1).map(|operand| format!("\"{}\"", operand.word())).collect();
        let name = format!("\"{}\"", condition.name);
        let _ = writeln!(out, "  {method}: [{}],", [vec![name], operands].concat().join(", "));
    }
    out.push_str("};\n");
    for layout in &api.layouts {
        let _ = write!(
            out,
            "\n/** @internal {}. */\nexport const {} = {};\n",
            layout.sentence,
            layout.name.to_uppercase(),
            layout.number()
        );
    }
    out.push_str(
        "\n/** How a database is opened. What is not given keeps its default. */\nexport interface Options {\n",
    );
    for option in &api.options {
        option_field(&mut out, option, true);
    }
    out.push_str("}\n\n/** The options in force. */\nexport interface Config {\n");
    for option in api.options.iter().filter(|option| !is_secret(option)) {
        option_field(&mut out, option, false);
    }
    out.push_str("  /** Whether there is a key or a password. */\n  encrypted: boolean;\n}\n");
    out.push_str("\n/** @internal How the library spells the options. */\nexport const OPTION_NAMES: Readonly<Record<keyof Options, string>> = {\n");
    for option in &api.options {
        let _ = writeln!(out, "  {}: \"{}\",", lower_camel(&option.name), option.name);
    }
    out.push_str("};\n");
    for report in &api.reports {
        let _ = write!(out, "\n/** {}. */\nexport interface {} {{\n", report.sentence, camel(&report.name));
        for field in &report.fields {
            report_field(&mut out, field);
        }
        out.push_str("}\n");
    }
    out
}

const HEAD: &str = "\
//
// The options of a database, what it reports, and the words and numbers that calls take.
";

const METHODS: &str = "
/** @internal The methods of a field: the name of the condition in the bytes of a query, and the kinds of its operands. */
export const CONDITION_METHODS: Readonly<Record<string, readonly [string, ...(\"value\" | \"values\" | \"text\")[]]>> = {
";

fn enumeration(out: &mut String, found: &Enum) {
    let name = camel(&found.name);
    let _ = write!(out, "\n/** {}. */\nexport type {name} =\n", found.sentence);
    for word in found.words() {
        let _ = writeln!(out, "  /** {}. */\n  | \"{}\"", word.sentence, word.name);
    }
    out.truncate(out.trim_end().len());
    out.push_str(";\n");
    if found.c.is_none() {
        return;
    }
    let numbers = found.values.iter().filter_map(|value| value.number).max().unwrap_or_default();
    let _ = write!(
        out,
        "\n/** @internal By their numbers in the library. */\nexport const {}_WORDS: readonly ({name} | undefined)[] = [\n",
        found.name.to_uppercase()
    );
    for number in 0..=numbers {
        let word = found.words().find(|value| value.number == Some(number));
        match word {
            Some(word) => {
                let _ = writeln!(out, "  \"{}\",", word.name);
            }
            None => out.push_str("  undefined,\n"),
        }
    }
    out.push_str("];\n");
    for value in &found.values {
        if let Some(number) = value.number {
            let name = format!("{}_{}", found.name, value.name).to_uppercase();
            let _ = writeln!(out, "/** @internal {}. */\nexport const {name} = {number};", value.sentence);
        }
    }
}

fn is_secret(option: &ApiOption) -> bool {
    matches!(option.kind, OptionType::Key | OptionType::Password)
}

fn option_field(out: &mut String, option: &ApiOption, optional: bool) {
    let kind = match option.kind {
        OptionType::Flag => "boolean".to_owned(),
        OptionType::Number => "number".to_owned(),
        OptionType::Key => "Uint8Array".to_owned(),
        OptionType::Password => "string | Uint8Array".to_owned(),
        OptionType::Choice => camel(option.choice.as_deref().unwrap_or_default()),
    };
    let (mark, or_none) = if optional { ("?", " | undefined") } else { ("", "") };
    let name = lower_camel(&option.name);
    let _ = writeln!(out, "  /** {} */\n  {name}{mark}: {kind}{or_none};", spelt(&option.describe()));
}

fn report_field(out: &mut String, given: &Field) {
    let kind = match given.kind {
        FieldType::Flag => "boolean".to_owned(),
        FieldType::Count | FieldType::Bytes | FieldType::Ms | FieldType::Sequence => "number".to_owned(),
        FieldType::Text | FieldType::Id => "string".to_owned(),
        FieldType::Texts => "string[]".to_owned(),
        FieldType::List => format!("{}[]", camel(given.of.as_deref().unwrap_or_default())),
    };
    let kind = if given.null { format!("{kind} | null") } else { kind };
    let mark = if given.optional { "?" } else { "" };
    let _ = writeln!(out, "  /** {}. */\n  {}{mark}: {kind};", spelt(&given.sentence), lower_camel(&given.name));
}

#[cfg(test)]
mod tests {
    use super::super::tests::SAMPLE;
    use super::*;

    #[test]
    fn names_are_spelt_as_typescript_does_and_numbers_are_places() {
        let text = render(&Api::parse(SAMPLE).unwrap());
        assert!(
            text.contains("cacheBytes?: number | undefined;") && text.contains("cacheBytes: \"cache_bytes\","),
            "{text}"
        );
        assert!(text.contains("problems: Problem[];") && text.contains("indexRows: number;"), "{text}");
        assert!(text.contains("PACE_WORDS: readonly (Pace | undefined)[] = [\n  undefined,\n  \"slow\","), "{text}");
        assert_eq!(spelt("an eighth of memory_bytes, at most 32 MiB"), "an eighth of memoryBytes, at most 32 MiB");
    }
}
