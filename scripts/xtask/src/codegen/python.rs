//! Writes the exception classes of the Python package.
//!
//! Always: one class per family, one below it per code that has its own, all below `EntidbError`; an error
//! survives pickling; a number of a newer library gets the class of its family.
//! Does not know: how the extension module raises; it calls `error_from`.

use std::fmt::Write;

use super::BANNER;
use super::rust::capital;
use super::table::Table;

/// The text of `bindings/python/python/entidb/errors.py`.
pub(crate) fn render(table: &Table) -> String {
    let mut out = format!("# {BANNER}\n{HEAD}");
    let mut names = vec!["EntidbError".to_owned()];
    for family in &table.families {
        let _ = write!(
            out,
            "\n\nclass {}Error(EntidbError):\n    \"\"\"{}.\"\"\"\n\n    family = \"{}\"\n    group = \"{}\"\n",
            family.class,
            capital(&family.meaning),
            family.name,
            family.group
        );
        names.push(format!("{}Error", family.class));
        for code in table.codes.iter().filter(|code| code.number / 100 == family.number) {
            let Some(class) = code.own_class() else {
                continue;
            };
            let _ = write!(
                out,
                "\n\nclass {class}Error({}Error{}):\n    \"\"\"{}; {}.\"\"\"\n\n    code = {}\n    name = \"{}\"\n    hint = \"{}\"\n    retry = \"{}\"\n",
                family.class,
                builtin(&code.name),
                capital(&code.meaning),
                code.action,
                code.number,
                code.name,
                code.action,
                code.retry.word()
            );
            names.push(format!("{class}Error"));
        }
    }
    out.push_str("\n\n_ROWS: Final[dict[int, tuple[type[EntidbError], str, str, str]]] = {\n");
    for code in &table.codes {
        let family = table.families.iter().find(|family| family.number == code.number / 100);
        let class = code.own_class().or_else(|| family.map(|family| family.class.clone())).unwrap_or_default();
        let _ = writeln!(
            out,
            "    {}: ({class}Error, \"{}\", \"{}\", \"{}\"),",
            code.number,
            code.name,
            code.action,
            code.retry.word()
        );
    }
    out.push_str("}\n\n_FAMILIES: Final[dict[int, type[EntidbError]]] = {\n");
    for family in &table.families {
        let _ = writeln!(out, "    {}: {}Error,", family.number, family.class);
    }
    out.push_str("}\n");
    out.push_str(TAIL);
    out.push_str("\n\n__all__ = [\n");
    names.sort();
    for name in &names {
        let _ = writeln!(out, "    \"{name}\",");
    }
    out.push_str("    \"Error\",\n]\n");
    out
}

/// The class of Python that means the same, which a caller may be catching already.
fn builtin(code: &str) -> &'static str {
    match code {
        "ENTITY_NOT_FOUND" => ", KeyError",
        _ => "",
    }
}

const HEAD: &str = r#""""The errors of EntiDB: one class per family, and one per code that programs tell apart.

``except entidb.EntidbError`` catches all of them. ``error.name`` is the name of the code, the same in every
language, and ``error.code`` its number; docs/reference/errors.md explains each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final


class EntidbError(Exception):
    """Base of every error EntiDB raises."""

    code: int = 0
    name: str = "UNKNOWN"
    family: str = "unknown"
    group: str = "INTERNAL"
    hint: str = ""
    retry: str = "never"
    message: str
    context: Mapping[str, Any]

    def __init__(self, message: str, context: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.context = dict(context or {})

    def __str__(self) -> str:
        return self.message

    @property
    def path(self) -> str | None:
        """The path of the database or file."""
        return self.context.get("path")

    @property
    def field(self) -> str | None:
        """The field of the document that cannot be stored, as a dotted path."""
        return self.context.get("field")

    @property
    def collection(self) -> str | None:
        """The collection."""
        return self.context.get("collection")

    @property
    def index(self) -> str | None:
        """The index."""
        return self.context.get("index")

    @property
    def id(self) -> Any:
        """The ``EntityId`` of the entity."""
        return self.context.get("id")

    @property
    def offset(self) -> int | None:
        """The place in the file or in the bytes."""
        return self.context.get("offset")

    @property
    def os_code(self) -> int | None:
        """The number the operating system gave."""
        return self.context.get("os_code")

    def __reduce__(self) -> tuple[Any, ...]:
        return error_from, (self.code, self.message, dict(self.context))


Error = EntidbError
"#;

const TAIL: &str = r#"

def error_from(
    number: int, message: str, context: Mapping[str, Any] | None = None
) -> EntidbError:
    """Make the error for a status of the library.

    A number of a newer library than this package gets the class of its family.
    """
    row = _ROWS.get(number)
    if row is None:
        error = _FAMILIES.get(number // 100, EntidbError)(message, context)
        error.code = number
        error.name = f"UNKNOWN_{number}"
        return error
    kind, name, hint, retry = row
    error = kind(message, context)
    error.code, error.name, error.hint, error.retry = number, name, hint, retry
    return error
"#;

#[cfg(test)]
mod tests {
    use super::super::table::tests::SAMPLE;
    use super::*;

    #[test]
    fn a_code_with_its_own_class_stands_below_its_family() {
        let text = render(&Table::parse(SAMPLE).unwrap());
        assert!(text.contains("class StateError(EntidbError):"), "{text}");
        assert!(text.contains("class DatabaseLockedError(StateError):"), "{text}");
        assert!(text.contains("202: (StateError, \"BUSY\""), "{text}");
    }
}
