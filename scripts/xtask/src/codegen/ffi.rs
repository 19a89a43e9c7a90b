//! Writes the status codes of the C ABI as plain constants.
//!
//! Always: a constant per row, written out, because cbindgen turns those into `#define` and does not see
//! what a macro would make.
//! Does not know: the rest of the header; `header` asks cbindgen for it.

use std::fmt::Write;

use super::BANNER;
use super::rust::capital;
use super::table::Table;

/// The text of `crates/entidb_ffi/src/status.rs`, before formatting.
pub(crate) fn render(table: &Table) -> String {
    let mut out = format!(
        "//! {BANNER}\n//!\n\
         //! The result of every function of the C ABI, and the numbers it can be.\n//!\n\
         //! Always: 0 is success, 1 to 99 are outcomes without an error object, the rest are errors.\n\
         //! Does not know: messages; the error object carries them.\n\
         //! Specified in: docs/reference/errors.md.\n\n\
         /// The result of a call: `ENTIDB_OK`, another outcome, or `ENTIDB_ERROR_...`.\n\
         #[expect(non_camel_case_types, reason = \"the name is the name in C\")]\n\
         pub type entidb_status = i32;\n\n"
    );
    for outcome in &table.outcomes {
        let _ = writeln!(
            out,
            "/// {}.\npub const ENTIDB_{}: entidb_status = {};\n",
            capital(&outcome.meaning),
            outcome.name,
            outcome.number
        );
    }
    for code in &table.codes {
        let _ = writeln!(
            out,
            "/// {}; {}.\npub const ENTIDB_ERROR_{}: entidb_status = {};\n",
            capital(&code.meaning),
            code.action,
            code.name,
            code.number
        );
    }
    out
}

/// The text of `bindings/abi/src/code.rs`, before formatting: the numbers of errors under their names.
pub(crate) fn render_codes(table: &Table) -> String {
    let mut out = format!(
        "//! {BANNER}\n//!\n\
         //! The numbers of errors, for the packages that refuse a call before it reaches the library.\n//!\n\
         //! Always: each is that of the C ABI.\n\
         //! Does not know: what an error says.\n\n"
    );
    for code in &table.codes {
        let _ = writeln!(
            out,
            "/// {}.\npub const {}: i32 = entidb_ffi::ENTIDB_ERROR_{};",
            capital(&code.meaning),
            code.name,
            code.name
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::SAMPLE;
    use super::*;

    #[test]
    fn outcomes_and_errors_have_their_own_prefix() {
        let text = render(&Table::parse(SAMPLE).unwrap());
        assert!(text.contains("pub const ENTIDB_NOT_FOUND: entidb_status = 1;"), "{text}");
        assert!(text.contains("pub const ENTIDB_ERROR_DATABASE_LOCKED: entidb_status = 201;"), "{text}");
        let text = render_codes(&Table::parse(SAMPLE).unwrap());
        assert!(text.contains("pub const BUSY: i32 = entidb_ffi::ENTIDB_ERROR_BUSY;"), "{text}");
    }
}
