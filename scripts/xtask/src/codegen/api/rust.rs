//! Writes the options of `entidb_core`: the struct, its defaults, and the table that reads and shows them by name.
//!
//! Always: fields stand in the order of the table; an option by hand names two functions of `named`.
//! Does not know: how a map of options is read; `entidb_core::options::named` does.

use std::fmt::Write;

use super::{Api, ApiOption, BANNER, OptionType, Preset, camel, wrapped};

/// The text of `crates/entidb_core/src/options/table.rs`, before formatting.
pub(in super::super) fn render(api: &Api) -> String {
    let mut out = format!(
        "//! {BANNER}\n//!\n\
         //! The options of a database: names, types, defaults and bounds.\n//!\n\
         //! Always: in the order of the documents; a default is within its bounds.\n\
         //! Does not know: what the options do.\n\
         //! Specified in: docs/reference/options.md.\n\n\
         use entidb_engine::{{Compression, Durability}};\n\n\
         use super::named::{{self, Kind, Setting}};\nuse super::{{Key, ScanPolicy}};\n\n{HEAD}"
    );
    for option in fields(api) {
        let text = match option.kind {
            OptionType::Key => {
                "What opens an encrypted database, or makes a new one encrypted. Default none.".to_owned()
            }
            _ => option.describe(),
        };
        let _ = writeln!(out, "{}pub {}: {},", wrapped(&text, "    /// ", 120), option.name, rust_type(api, option));
    }
    out.push_str("}\n\nimpl Default for Options {\nfn default() -> Self {\nSelf {\n");
    for option in fields(api) {
        let _ = writeln!(out, "{}: {},", option.name, preset(api, option));
    }
    out.push_str(
        "}\n}\n}\n\n/// Every option, in the order of the documents.\npub(super) const SETTINGS: &[Setting] = &[\n",
    );
    for option in &api.options {
        let _ = writeln!(out, "Setting {{ name: \"{}\", kind: {} }},", option.name, kind(api, option));
    }
    out.push_str("];\n");
    out
}

const HEAD: &str = "\
/// How a database is opened.
///
/// ```
/// use entidb_core::{Database, Options};
/// let db = Database::open_memory_with(Options { entity_bytes_max: 1 << 20, ..Options::default() })?;
/// assert_eq!(db.options().entity_bytes_max, 1 << 20);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
";

/// The options that are a field: a password is a [`Key`] too.
fn fields(api: &Api) -> impl Iterator<Item = &ApiOption> {
    api.options.iter().filter(|option| option.kind != OptionType::Password)
}

fn rust_type(api: &Api, option: &ApiOption) -> String {
    match option.kind {
        OptionType::Flag => "bool".to_owned(),
        OptionType::Number => "u64".to_owned(),
        OptionType::Choice => option.words(api).and_then(|words| words.rust.clone()).unwrap_or_default(),
        OptionType::Key | OptionType::Password => "Option<Key>".to_owned(),
    }
}

fn preset(api: &Api, option: &ApiOption) -> String {
    match &option.default {
        Some(Preset::Flag(flag)) => flag.to_string(),
        Some(Preset::Number(number)) => separated(*number),
        Some(Preset::Word(word)) => format!("{}::{}", rust_type(api, option), camel(word)),
        None => "None".to_owned(),
    }
}

/// A number as clippy wants it.
fn separated(number: u64) -> String {
    super::grouped(number).replace(',', "_")
}

fn kind(api: &Api, option: &ApiOption) -> String {
    let name = &option.name;
    let bounds = format!(
        "least: {}, most: {}, zero: {}",
        separated(option.least.unwrap_or_default()),
        option.most.map_or_else(|| "u64::MAX".to_owned(), separated),
        option.zero.is_some()
    );
    let (get, set) = if option.by_hand {
        (format!("named::{name}"), format!("named::set_{name}"))
    } else {
        (format!("|options| options.{name}"), format!("|options, value| options.{name} = value"))
    };
    match option.kind {
        OptionType::Flag => format!("Kind::Flag {{ get: {get}, set: {set} }}"),
        OptionType::Number => format!("Kind::Number {{ {bounds}, get: {get}, set: {set} }}"),
        OptionType::Key => "Kind::Key".to_owned(),
        OptionType::Password => "Kind::Password".to_owned(),
        OptionType::Choice => choice(api, option, &get, &set),
    }
}

fn choice(api: &Api, option: &ApiOption, get: &str, set: &str) -> String {
    let Some(words) = option.words(api) else { return String::new() };
    let listed: Vec<String> = words.words().map(|word| format!("\"{}\"", word.name)).collect();
    let listed = listed.join(", ");
    if option.by_hand {
        return format!("Kind::Choice {{ words: &[{listed}], get: {get}, set: {set} }}");
    }
    let (kind, name) = (rust_type(api, option), &option.name);
    let mut shown = String::new();
    let mut read = String::new();
    for word in words.words() {
        let variant = camel(&word.name);
        let _ = write!(shown, "{kind}::{variant} => \"{}\",", word.name);
        let _ = write!(read, "\"{}\" => options.{name} = {kind}::{variant},", word.name);
    }
    format!(
        "Kind::Choice {{ words: &[{listed}], get: |options| match options.{name} {{ {shown} }}, \
         set: |options, word| match word {{ {read} _ => {{}} }} }}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::SAMPLE;
    use super::*;

    #[test]
    fn an_option_has_a_field_a_default_and_a_row() {
        let text = render(&Api::parse(SAMPLE).unwrap());
        assert!(text.contains("pub cache_bytes: u64,"), "{text}");
        assert!(text.contains("cache_bytes: 0,"), "{text}");
        assert!(text.contains("least: 1_024, most: 1_048_576, zero: true"), "{text}");
        assert!(text.contains("pub pace: Pace,") && text.contains("pace: Pace::Slow,"), "{text}");
        assert!(text.contains("Pace::VeryFast => \"very_fast\","), "{text}");
        assert!(text.contains("pub key: Option<Key>,") && !text.contains("pub password"), "{text}");
    }
}
