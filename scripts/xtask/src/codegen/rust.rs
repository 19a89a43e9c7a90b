//! Writes the Rust enum of error codes.
//!
//! Always: variants stand in the order of their numbers, and each number is the variant's discriminant.
//! Does not know: how lower errors become codes; `entidb_core::error::convert` does.

use std::fmt::Write;

use super::BANNER;
use super::table::{GROUPS, Table};

/// The text of `crates/entidb_core/src/error/code.rs`, before formatting.
pub(crate) fn render(table: &Table) -> String {
    let mut out = format!(
        "//! {BANNER}\n//!\n\
         //! The codes of every error EntiDB gives, the same numbers and names in every language.\n//!\n\
         //! Always: a number keeps its meaning for ever; the hundreds are the family.\n\
         //! Does not know: messages and context; `Error` carries those.\n\
         //! Specified in: docs/reference/errors.md.\n\n\
         use std::fmt;\n\n"
    );
    out.push_str(CODE_HEAD);
    for code in &table.codes {
        let planned =
            code.planned.as_ref().map_or_else(String::new, |planned| format!("\n///\n/// Reserved for: {planned}."));
        let retired =
            code.retired.as_ref().map_or_else(String::new, |retired| format!("\n///\n/// No longer given: {retired}."));
        let _ =
            writeln!(out, "/// {}.{planned}{retired}\n{} = {},", capital(&code.meaning), code.variant(), code.number);
    }
    out.push_str(
        "}\n\nimpl ErrorCode {\n/// Every code, in the order of their numbers.\npub const ALL: &'static [Self] = &[",
    );
    for code in &table.codes {
        let _ = write!(out, "Self::{},", code.variant());
    }
    out.push_str("];\n\n/// The number, as the C ABI gives it.\n#[must_use]\npub const fn number(self) -> i32 { self as i32 }\n\n");
    out.push_str(FROM_NUMBER_HEAD);
    for code in &table.codes {
        let _ = write!(out, "{} => Self::{},", code.number, code.variant());
    }
    out.push_str("_ => return None,})\n}\n\n");
    method(
        &mut out,
        "The name in upper case, as Node and the documents spell it.",
        "name",
        "&'static str",
        table,
        |code| format!("\"{}\"", code.name),
    );
    method(&mut out, "What happened, as one sentence without a full stop.", "meaning", "&'static str", table, |code| {
        format!("\"{}\"", code.meaning)
    });
    method(&mut out, "What the caller can do about it.", "hint", "&'static str", table, |code| {
        format!("\"{}\"", code.action)
    });
    method(&mut out, "Whether the same call can succeed later.", "retry", "Retry", table, |code| {
        format!("Retry::{}", code.retry.variant())
    });
    out.push_str("/// The family, which is the hundreds of the number.\n#[must_use]\npub const fn family(self) -> Family { match self.number() / 100 {");
    for family in table.families.iter().filter(|family| family.name != "defect") {
        let _ = write!(out, "{} => Family::{},", family.number, family.variant());
    }
    out.push_str("_ => Family::Defect,}\n}\n}\n\n");
    out.push_str(
        "impl fmt::Display for ErrorCode {\nfn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result { out.write_str(self.name()) }\n}\n\n",
    );
    families(&mut out, table);
    out.push_str(RETRY);
    out
}

const CODE_HEAD: &str = "/// What kind of error a call met.
///
/// ```
/// use entidb_core::error::{ErrorCode, Family, Retry};
///
/// let code = ErrorCode::DatabaseLocked;
/// assert_eq!(code.number(), 201);
/// assert_eq!(code.name(), \"DATABASE_LOCKED\");
/// assert_eq!(code.family(), Family::State);
/// assert_eq!(code.retry(), Retry::Now);
/// assert_eq!(ErrorCode::from_number(201), Some(code));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ErrorCode {
";

const FROM_NUMBER_HEAD: &str = "/// The code with this number, or `None` for an outcome or a number of a newer version.
#[must_use]
pub const fn from_number(number: i32) -> Option<Self> {
Some(match number {";

const RETRY: &str = "/// Whether the call that failed can succeed later with the same arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retry {
/// Not with the same arguments and the same state.
Never,
/// At once, or after a short wait.
Now,
/// After closing and opening the database.
AfterReopen,
/// After space has been freed or a limit raised.
AfterSpace,
}

impl Retry {
/// The word the table and the other languages use.
#[must_use]
pub const fn name(self) -> &'static str { match self {
Self::Never => \"never\", Self::Now => \"now\", Self::AfterReopen => \"after_reopen\", Self::AfterSpace => \"after_space\",
} }
}
";

fn method(
    out: &mut String,
    summary: &str,
    name: &str,
    gives: &str,
    table: &Table,
    row: impl Fn(&super::table::Code) -> String,
) {
    let _ = write!(out, "/// {summary}\n#[must_use]\npub const fn {name}(self) -> {gives} {{ match self {{");
    // Rows that give the same share an arm, as clippy would ask.
    let mut arms: Vec<(String, Vec<String>)> = Vec::new();
    for code in &table.codes {
        let value = row(code);
        match arms.iter_mut().find(|(known, _)| *known == value) {
            Some((_, variants)) => variants.push(code.variant()),
            None => arms.push((value, vec![code.variant()])),
        }
    }
    for (value, variants) in arms {
        let pattern: Vec<String> = variants.iter().map(|variant| format!("Self::{variant}")).collect();
        let _ = writeln!(out, "{} => {value},", pattern.join(" | "));
    }
    out.push_str("}\n}\n\n");
}

fn families(out: &mut String, table: &Table) {
    out.push_str("/// A hundred of codes that mean the same sort of trouble.\n#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n#[non_exhaustive]\n#[repr(i32)]\npub enum Family {\n");
    for family in &table.families {
        let _ = writeln!(out, "/// {}.\n{} = {},", capital(&family.meaning), family.variant(), family.number);
    }
    out.push_str("}\n\nimpl Family {\n/// The hundreds digit.\n#[must_use]\npub const fn number(self) -> i32 { self as i32 }\n\n/// The name in lower case.\n#[must_use]\npub const fn name(self) -> &'static str { match self {");
    for family in &table.families {
        let _ = write!(out, "Self::{} => \"{}\",", family.variant(), family.name);
    }
    out.push_str("}\n}\n\n/// The coarse kind, one of ");
    let named: Vec<String> = GROUPS.iter().map(|group| format!("`{group}`")).collect();
    let _ =
        write!(out, "{}.\n#[must_use]\npub const fn group(self) -> &'static str {{ match self {{", named.join(", "));
    for group in GROUPS {
        let members: Vec<String> = table
            .families
            .iter()
            .filter(|family| family.group == *group)
            .map(|family| format!("Self::{}", family.variant()))
            .collect();
        if !members.is_empty() {
            let _ = write!(out, "{} => \"{group}\",", members.join(" | "));
        }
    }
    out.push_str("}\n}\n}\n\n");
}

/// A sentence with its first letter in upper case, for documentation.
pub(crate) fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::SAMPLE;
    use super::*;

    #[test]
    fn every_code_is_a_variant_with_its_number() {
        let text = render(&Table::parse(SAMPLE).unwrap());
        assert!(text.contains("DatabaseLocked = 201,") && text.contains("Busy = 202,"), "{text}");
        assert!(text.contains("201 => Self::DatabaseLocked"), "{text}");
        assert!(text.contains("Self::Busy => Retry::AfterSpace"), "{text}");
    }
}
