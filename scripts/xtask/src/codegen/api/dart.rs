//! Writes the options, the reports and the choices of the Dart package.
//!
//! Always: names are in lower camel case; `toMap` gives them as the library spells them.
//! Does not know: how a value crosses to the library. The kinds of vectors, which the package has with their tags.

use std::fmt::Write;

use super::{Api, ApiOption, BANNER, Enum, Field, FieldType, OptionType, camel, lower_camel, spelt};

/// The text of `bindings/dart/lib/src/interface.g.dart`.
pub(in super::super) fn render(api: &Api) -> String {
    let mut out = format!("// {BANNER}\n//\n{HEAD}");
    for found in api.enums.iter().filter(|found| !found.only_c && found.name != "vector_kind") {
        enumeration(&mut out, found);
    }
    for layout in &api.layouts {
        let _ =
            write!(out, "\n/// {}.\nconst int {} = {};\n", layout.sentence, lower_camel(&layout.name), layout.number());
    }
    options(&mut out, api);
    config(&mut out, api);
    for report in &api.reports {
        let name = camel(&report.name);
        let _ = write!(
            out,
            "\n/// {}.\nfinal class {name} {{\n  /// Reads what the library gives.\n  {name}.read(Map<Object?, Object?> map)\n    : ",
            report.sentence
        );
        let read: Vec<String> =
            report.fields.iter().map(|field| format!("{} = {}", lower_camel(&field.name), reader(field))).collect();
        let _ = writeln!(out, "{};", read.join(",\n      "));
        for field in &report.fields {
            let _ = write!(
                out,
                "\n  /// {}.\n  final {} {};\n",
                spelt(&field.sentence),
                kind_of(field),
                lower_camel(&field.name)
            );
        }
        out.push_str("\n  /// The fields by the names that every language knows; those that are null are left out.\n  Map<String, Object?> toMap() => {\n");
        for field in &report.fields {
            let own = lower_camel(&field.name);
            let value = if field.kind == FieldType::List {
                format!("[for (final one in {own}) one.toMap()]")
            } else {
                own.clone()
            };
            let condition = if field.optional || field.null { format!("if ({own} != null) ") } else { String::new() };
            let _ = writeln!(out, "    {condition}'{}': {value},", field.name);
        }
        out.push_str("  };\n\n  @override\n  String toString() => toMap().toString();\n}\n");
    }
    out
}

const HEAD: &str = "\
/// The options of a database, what it reports, and the choices that calls take.
library;

import 'dart:typed_data';

import 'values.dart';
";

fn enumeration(out: &mut String, found: &Enum) {
    let name = camel(&found.name);
    let numbered = found.c.is_some();
    let _ = write!(out, "\n/// {}.\nenum {name} {{\n", found.sentence);
    let values: Vec<String> = found
        .words()
        .map(|word| {
            let number = word.number.map(|number| format!(", {number}")).unwrap_or_default();
            format!("  /// {}.\n  {}('{}'{number})", word.sentence, lower_camel(&word.name), word.name)
        })
        .collect();
    let _ = writeln!(out, "{};", values.join(",\n\n"));
    let number = if numbered { ", this.number" } else { "" };
    let _ = write!(
        out,
        "\n  const {name}(this.word{number});\n\n  /// The word that every language knows.\n  final String word;\n"
    );
    if numbered {
        out.push_str("\n  /// The number in C.\n  final int number;\n");
    }
    out.push_str("}\n");
}

/// The type of an option, and how its value is written.
fn option_type(option: &ApiOption) -> (String, &'static str) {
    match option.kind {
        OptionType::Flag => ("bool".to_owned(), ""),
        OptionType::Number => ("int".to_owned(), ""),
        OptionType::Key => ("Uint8List".to_owned(), ""),
        OptionType::Password => ("Object".to_owned(), ""),
        OptionType::Choice => (camel(option.choice.as_deref().unwrap_or_default()), "?.word"),
    }
}

fn options(out: &mut String, api: &Api) {
    out.push_str("\n/// How a database is opened. What is not given keeps its default.\nfinal class EntiDbOptions {\n  /// The options that are given.\n  const EntiDbOptions({\n");
    for option in &api.options {
        let _ = writeln!(out, "    this.{},", lower_camel(&option.name));
    }
    out.push_str("  }) : _given = null;\n\n  /// Options by the names that every language knows, such as those of a file of settings. The library judges names and values when a\n  /// database is opened: an unknown name is refused with the nearest right one.\n  const EntiDbOptions.fromMap(Map<String, Object?> options)\n    : _given = options");
    for option in &api.options {
        let _ = write!(out, ",\n      {} = null", lower_camel(&option.name));
    }
    out.push_str(";\n\n  final Map<String, Object?>? _given;\n");
    for option in &api.options {
        let more = if option.kind == OptionType::Password { " A `String` or a `Uint8List`." } else { "" };
        let _ = write!(
            out,
            "\n  /// {}{more}\n  final {}? {};\n",
            spelt(&option.describe()),
            option_type(option).0,
            lower_camel(&option.name)
        );
    }
    out.push_str("\n  /// The options that are given, as the library spells them. It holds the key or the password.\n  Map<String, Object?> toMap() {\n    final map = <String, Object?>{\n");
    for option in &api.options {
        let _ = writeln!(out, "      '{}': {}{},", option.name, lower_camel(&option.name), option_type(option).1);
    }
    out.push_str("    };\n    map.removeWhere((_, value) => value == null);\n    return map..addAll(_given ?? const {});\n  }\n}\n");
}

fn config(out: &mut String, api: &Api) {
    out.push_str("\n/// The options in force.\nfinal class Config {\n  /// Reads what the library gives.\n  Config.read(Map<Object?, Object?> map)\n    : ");
    let shown: Vec<&ApiOption> =
        api.options.iter().filter(|option| !matches!(option.kind, OptionType::Key | OptionType::Password)).collect();
    let read: Vec<String> = shown
        .iter()
        .map(|option| {
            let own = lower_camel(&option.name);
            let name = &option.name;
            match option.kind {
                OptionType::Choice => {
                    let kind = option_type(option).0;
                    format!("{own} = {kind}.values.firstWhere((value) => value.word == map['{name}'])")
                }
                _ => format!("{own} = map['{name}']! as {}", option_type(option).0),
            }
        })
        .collect();
    let _ = writeln!(out, "{},\n      encrypted = map['encrypted']! as bool;", read.join(",\n      "));
    for option in &shown {
        let _ = write!(
            out,
            "\n  /// {}\n  final {} {};\n",
            spelt(&option.describe()),
            option_type(option).0,
            lower_camel(&option.name)
        );
    }
    out.push_str("\n  /// Whether there is a key or a password.\n  final bool encrypted;\n\n  /// The options by the names that every language knows.\n  Map<String, Object?> toMap() => {\n");
    for option in &shown {
        let word = if option.kind == OptionType::Choice { ".word" } else { "" };
        let _ = writeln!(out, "    '{}': {}{word},", option.name, lower_camel(&option.name));
    }
    out.push_str("    'encrypted': encrypted,\n  };\n\n  @override\n  String toString() => toMap().toString();\n}\n");
}

fn kind_of(field: &Field) -> String {
    let kind = match field.kind {
        FieldType::Flag => "bool".to_owned(),
        FieldType::Count | FieldType::Bytes | FieldType::Ms | FieldType::Sequence => "int".to_owned(),
        FieldType::Text => "String".to_owned(),
        FieldType::Id => "EntityId".to_owned(),
        FieldType::Texts => "List<String>".to_owned(),
        FieldType::List => format!("List<{}>", camel(field.of.as_deref().unwrap_or_default())),
    };
    if field.optional || field.null { format!("{kind}?") } else { kind }
}

fn reader(field: &Field) -> String {
    let name = &field.name;
    match field.kind {
        FieldType::Texts => format!("(map['{name}']! as List<Object?>).cast()"),
        FieldType::List => {
            let of = camel(field.of.as_deref().unwrap_or_default());
            format!(
                "[\n        for (final one in map['{name}']! as List<Object?>)\n          {of}.read(one! as Map<Object?, Object?>),\n      ]"
            )
        }
        _ => {
            let kind = kind_of(field);
            let mark = if kind.ends_with('?') { "" } else { "!" };
            format!("map['{name}']{mark} as {kind}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::SAMPLE;
    use super::*;

    #[test]
    fn names_are_spelt_as_dart_does_and_the_library_gets_its_own() {
        let text = render(&Api::parse(SAMPLE).unwrap());
        assert!(text.contains("final int? cacheBytes;") && text.contains("'cache_bytes': cacheBytes,"), "{text}");
        assert!(text.contains("veryFast('very_fast', 2);") && text.contains("enum Pace {"), "{text}");
        assert!(
            text.contains("final List<Problem> problems;") && text.contains("indexRows = map['index_rows']! as int"),
            "{text}"
        );
        assert!(text.contains("final String? file;") && text.contains("if (file != null) 'file': file,"), "{text}");
    }
}
