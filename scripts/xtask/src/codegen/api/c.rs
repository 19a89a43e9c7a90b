//! Writes what C sees of the interface: a define for each option with its type and bounds, and the numbers of enums; and the
//! same numbers for the packages above the C functions.
//!
//! Always: constants of numbers are written out, because cbindgen turns those into `#define`; it has none of text, so those of
//! options are put into the header as they are.
//! Does not know: the rest of the header; `header` puts it together.

use std::fmt::Write;

use super::{Api, BANNER, Enum, OptionType, wrapped};

/// The lines that stand after the includes of `include/entidb.h`.
pub(crate) fn defines(api: &Api) -> String {
    let mut out = String::new();
    for option in &api.options {
        let mut text = format!("{} `entidb_options_set_{}`", option.describe(), setter(option.kind));
        if let Some(bounds) = option.bounds_text() {
            let _ = write!(text, ", {bounds}");
        }
        if let Some(words) = option.words(api) {
            let words: Vec<String> = words.words().map(|word| format!("`{}`", word.name)).collect();
            let _ = write!(text, ": {}", words.join(", "));
        }
        text.push('.');
        let _ = write!(
            out,
            "\n/**\n{} */\n#define ENTIDB_OPTION_{} \"{}\"\n",
            wrapped(&text, " * ", 120),
            option.name.to_uppercase(),
            option.name
        );
    }
    out
}

/// The function that sets it, without its prefix.
fn setter(kind: OptionType) -> &'static str {
    match kind {
        OptionType::Flag => "flag",
        OptionType::Number => "number",
        OptionType::Choice => "text",
        OptionType::Key | OptionType::Password => "bytes",
    }
}

/// The text of `crates/entidb_ffi/src/modes.rs`, before formatting.
pub(in super::super) fn modes(api: &Api) -> String {
    let mut out = format!(
        "//! {BANNER}\n//!\n\
         //! The numbers that functions of the C ABI take and give for a choice.\n//!\n\
         //! Always: a number keeps its meaning.\n\
         //! Does not know: what a function does with it.\n\n"
    );
    for found in &api.enums {
        let (Some(c), Some(used)) = (&found.c, &found.used) else { continue };
        for value in &found.values {
            let Some(number) = value.number else { continue };
            let text = format!("{}. {}.", value.sentence, super::super::rust::capital(used));
            let _ = writeln!(
                out,
                "{}pub const {c}{}: u32 = {number};",
                wrapped(&text, "/// ", 120),
                value.name.to_uppercase()
            );
        }
    }
    out
}

/// The text of `bindings/abi/src/modes.rs`, before formatting.
pub(in super::super) fn words(api: &Api) -> String {
    let mut out = format!(
        "//! {BANNER}\n//!\n\
         //! The numbers of choices, their words, and sizes of what crosses as bytes, for the packages above.\n//!\n\
         //! Always: each number is that of the C ABI.\n\
         //! Does not know: what a function does with it.\n\n\
         use entidb_ffi as ffi;\n\n"
    );
    for layout in &api.layouts {
        let text = wrapped(&format!("{}.", layout.sentence), "/// ", 120);
        let kind = if layout.bit.is_some() { "u8" } else { "usize" };
        let _ = write!(out, "{text}pub const {}: {kind} = {};\n\n", layout.name.to_uppercase(), layout.number());
    }
    for found in api.enums.iter().filter(|found| !found.only_c) {
        let Some(c) = &found.c else { continue };
        enumeration(&mut out, found, c);
    }
    out
}

fn enumeration(out: &mut String, found: &Enum, c: &str) {
    let name = &found.name;
    for value in &found.values {
        let upper = value.name.to_uppercase();
        let _ = writeln!(
            out,
            "/// {}.\npub const {}_{upper}: u32 = ffi::{c}{upper};\n",
            value.sentence,
            name.to_uppercase()
        );
    }
    let (mut to_word, mut to_number) = (String::new(), String::new());
    for word in found.words() {
        let upper = word.name.to_uppercase();
        let _ = writeln!(to_word, "ffi::{c}{upper} => \"{}\",", word.name);
        let _ = writeln!(to_number, "\"{}\" => ffi::{c}{upper},", word.name);
    }
    let _ = write!(
        out,
        "/// The word of a number: {meaning}.\n#[must_use]\npub const fn {name}_word(number: u32) -> Option<&'static str> {{\n\
         Some(match number {{ {to_word} _ => return None }})\n}}\n\n\
         /// The number of a word: {meaning}.\n#[must_use]\npub fn {name}_number(word: &str) -> Option<u32> {{\n\
         Some(match word {{ {to_number} _ => return None }})\n}}\n\n",
        meaning = lower(&found.sentence)
    );
}

/// A sentence to go on with after a colon.
fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::tests::SAMPLE;
    use super::*;

    #[test]
    fn an_option_has_a_define_that_says_what_it_takes() {
        let text = defines(&Api::parse(SAMPLE).unwrap());
        assert!(text.contains("#define ENTIDB_OPTION_CACHE_BYTES \"cache_bytes\""), "{text}");
        assert!(text.contains("`entidb_options_set_number`, 0, or 1 KiB to 1 MiB."), "{text}");
        assert!(text.contains("`slow`, `very_fast`."), "{text}");
    }

    #[test]
    fn a_value_has_a_number_in_c_and_a_word_above() {
        let api = Api::parse(SAMPLE).unwrap();
        let text = modes(&api);
        assert!(text.contains("/// Without. For `entidb_run`.\npub const ENTIDB_PACE_VERY_FAST: u32 = 2;"), "{text}");
        let text = words(&api);
        assert!(text.contains("pub const PACE_VERY_FAST: u32 = ffi::ENTIDB_PACE_VERY_FAST;"), "{text}");
        assert!(
            text.contains("\"very_fast\" => ffi::ENTIDB_PACE_VERY_FAST,") && !text.contains("\"default\""),
            "{text}"
        );
        assert!(text.contains("pub const HEAD_BYTES: usize = 12;"), "{text}");
    }
}
