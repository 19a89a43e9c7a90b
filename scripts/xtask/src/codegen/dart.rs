//! Writes the exception classes of the Dart package.
//!
//! Always: one class per family, one below it per code that has its own, all below `EntidbException`; a number of
//! a newer library gets the class of its family.
//! Does not know: how the pointers to the library are read; the package calls `exceptionFrom`. Layout: as `dart format` gives it
//! for short lines, no more; the suite `dart` leaves generated files out of that check.

use std::fmt::Write;

use super::BANNER;
use super::api::{lower_camel, spelt};
use super::rust::capital;
use super::table::Table;

/// The text of `bindings/dart/lib/src/errors.g.dart`.
pub(crate) fn render(table: &Table) -> String {
    let mut out = format!("// {BANNER}\n//\n{HEAD}");
    for family in &table.families {
        let _ = write!(
            out,
            "\n/// {}.\nclass {class}Exception extends EntidbException {{\n  /// An exception of this family.\n  const {class}Exception(super.message, super.facts, [super.context]);\n}}\n",
            capital(&family.meaning),
            class = family.class
        );
        for code in table.codes.iter().filter(|code| code.number / 100 == family.number) {
            let Some(class) = code.own_class() else { continue };
            let _ = write!(
                out,
                "\n/// {}; {}.\nclass {class}Exception extends {}Exception {{\n  /// An exception of this code.\n  const {class}Exception(super.message, super.facts, [super.context]);\n}}\n",
                spelt(&capital(&code.meaning)),
                spelt(&code.action),
                family.class
            );
        }
    }
    out.push_str("\n/// The results of calls that are no errors.\nabstract final class EntidbOutcome {\n");
    for outcome in &table.outcomes {
        let name = lower_camel(&outcome.name.to_lowercase());
        let _ =
            writeln!(out, "  /// {}.\n  static const int {name} = {};\n", capital(&outcome.meaning), outcome.number);
    }
    out.truncate(out.trim_end().len());
    out.push_str("\n}\n\n/// The numbers of the codes.\nabstract final class EntidbCode {\n");
    for code in &table.codes {
        let name = lower_camel(&code.name.to_lowercase());
        let _ =
            writeln!(out, "  /// {}.\n  static const int {name} = {};\n", spelt(&capital(&code.meaning)), code.number);
    }
    out.truncate(out.trim_end().len());
    out.push_str("\n}\n");
    out.push_str(MAKER_HEAD);
    for code in &table.codes {
        let Some(family) = table.families.iter().find(|family| family.number == code.number / 100) else { continue };
        let class = code.own_class().unwrap_or_else(|| family.class.clone());
        let _ = writeln!(
            out,
            "    {} => {class}Exception(message, const EntidbFacts({}, '{}', '{}', '{}', '{}', '{}'), context),",
            code.number,
            code.number,
            code.name,
            family.name,
            family.group,
            spelt(&code.action).replace('\'', "\\'").replace('$', "\\$"),
            code.retry.word()
        );
    }
    for family in &table.families {
        let _ = writeln!(
            out,
            "    >= {} && < {} => {}Exception(message, _unknown(number, '{}', '{}'), context),",
            family.number * 100,
            (family.number + 1) * 100,
            family.class,
            family.name,
            family.group
        );
    }
    out.push_str(MAKER_TAIL);
    out
}

const HEAD: &str = "\
// The errors of EntiDB: one class per family, and one per code that programs tell apart.
library;

/// What the table of errors says of a code.
final class EntidbFacts {
  /// The facts of a code.
  const EntidbFacts(this.number, this.code, this.family, this.group, this.hint, this.retry);

  /// The number of the code.
  final int number;

  /// The name of the code, the same in every language.
  final String code;

  /// The name of its family.
  final String family;

  /// The group of its family.
  final String group;

  /// What the caller can do.
  final String hint;

  /// Whether the same call can succeed later: never, now, after_reopen or after_space.
  final String retry;
}

/// Base of every exception EntiDB throws.
///
/// Catch the class of a family, such as `StateException`, or of a code, such as `DatabaseLockedException`; `code` is the name of
/// the code, the same in every language.
class EntidbException implements Exception {
  /// An exception with the facts of its code, and where it happened.
  const EntidbException(this.message, this.facts, [this.context = const {}]);

  /// Says which call failed, why, and what to do.
  final String message;

  /// What the table says of the code.
  final EntidbFacts facts;

  /// Where it happened: `path`, `collection`, `index`, `id`, `offset`, `osCode`, as far as they are known.
  final Map<String, Object?> context;

  /// The number of the code, one of `EntidbCode`.
  int get number => facts.number;

  /// The name of the code, such as `UNIQUE_VIOLATION`.
  String get code => facts.code;

  /// What the caller can do.
  String get hint => facts.hint;

  /// Whether the same call can succeed later: never, now, after_reopen or after_space.
  String get retry => facts.retry;

  /// The path of the database, the file or the part of a document concerned, if known.
  String? get path => context['path'] as String?;

  /// The collection concerned, if known.
  String? get collection => context['collection'] as String?;

  /// The index concerned, if known.
  String? get index => context['index'] as String?;

  /// The place in the bytes concerned, if known.
  int? get offset => context['offset'] as int?;

  @override
  String toString() => '$runtimeType($code): $message';
}
";

const MAKER_HEAD: &str = "
EntidbFacts _unknown(int number, String family, String group) =>
    EntidbFacts(number, 'UNKNOWN_$number', family, group, '', 'never');

/// Makes the exception for a status of the library.
///
/// A number of a newer library than this package gets the class of its family.
EntidbException exceptionFrom(int number, String message, [Map<String, Object?> context = const {}]) {
  return switch (number) {
";

const MAKER_TAIL: &str = "    _ => EntidbException(message, _unknown(number, 'unknown', 'INTERNAL'), context),
  };
}
";

#[cfg(test)]
mod tests {
    use super::super::table::tests::SAMPLE;
    use super::*;

    #[test]
    fn a_code_with_its_own_class_stands_below_its_family() {
        let text = render(&Table::parse(SAMPLE).unwrap());
        assert!(text.contains("class StateException extends EntidbException"), "{text}");
        assert!(text.contains("class DatabaseLockedException extends StateException"), "{text}");
        assert!(text.contains("202 => StateException(message, const EntidbFacts(202, 'BUSY'"), "{text}");
        assert!(text.contains(">= 200 && < 300 => StateException("), "{text}");
    }

    #[test]
    fn a_hint_names_options_as_dart_spells_them() {
        let table = Table::parse(&SAMPLE.replace("close it there", "raise lock_timeout_ms")).unwrap();
        let text = render(&table);
        assert!(text.contains("Another process has it; raise lockTimeoutMs."), "{text}");
        assert!(text.contains("'raise lockTimeoutMs', 'now'), context)"), "{text}");
    }
}
