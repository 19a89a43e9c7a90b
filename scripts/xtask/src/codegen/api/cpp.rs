//! Writes the class of options of C++, a method for each option, the words of numbers and the sizes of what is read in place.
//!
//! Always: what a method is given is put into the map under its name; bounds are judged by the library.
//! Does not know: how the map is encoded; `document.hpp` does.

use std::fmt::Write;

use super::{Api, ApiOption, BANNER, Enum, OptionType, camel, wrapped};

/// The text of `include/entidb/interface.hpp`.
pub(in super::super) fn render(api: &Api) -> String {
    let mut out = format!("// {BANNER}\n{HEAD}");
    let used: Vec<&str> = api.options.iter().filter_map(|option| option.choice.as_deref()).collect();
    for found in api.enums.iter().filter(|found| used.contains(&found.name.as_str())) {
        enumeration(&mut out, found);
    }
    for found in api.enums.iter().filter(|found| !used.contains(&found.name.as_str()) && !found.only_c) {
        words(&mut out, found);
    }
    out.push_str("\nnamespace detail {\n");
    for layout in &api.layouts {
        out.push_str(&wrapped(&format!("{}.", layout.sentence), "/// ", 120));
        let _ = writeln!(out, "inline constexpr std::size_t {} = {};", layout.name, layout.number());
    }
    out.push_str("}  // namespace detail\n");
    out.push_str(CLASS_HEAD);
    for option in &api.options {
        method(&mut out, api, option);
    }
    out.push_str(CLASS_TAIL);
    out
}

const HEAD: &str = "\
//
// Options in C++, by name: Database::open(\"notes.entidb\", Options().create(false).memory_bytes(64 << 20)).
//
// Always: options that are not given keep their defaults. Does not know: what they do.
#ifndef ENTIDB_INTERFACE_HPP
#define ENTIDB_INTERFACE_HPP

#include \"document.hpp\"

namespace entidb {
";

const CLASS_HEAD: &str = "
/// How a database is opened. What is not given keeps its default.
class Options {
  public:
    Options() = default;
    /// Options by their names, such as `map({{\"read_only\", true}})`.
    Options(Value named) : named_(std::move(named)) {}

    /// Sets an option by its name; the library refuses a name it does not know when a database is opened.
    Options& set(std::string_view name, Value value) {
        if (named_) {
            named_->set(std::string(name), std::move(value));
            return *this;
        }
        for (auto& entry : entries_) {
            if (entry.first != name) continue;
            entry.second = std::move(value);
            return *this;
        }
        entries_.emplace_back(std::string(name), std::move(value));
        return *this;
    }
    /// The options as the library takes them: a map of names.
    Buffer encode() const { return named_ ? named_->encode() : Value(entries_).encode(); }

";

const CLASS_TAIL: &str = "
  private:
    Value::Map entries_;
    std::optional<Value> named_;
};

}  // namespace entidb

#endif
";

fn enumeration(out: &mut String, found: &Enum) {
    let number = if found.c.is_some() { " : std::uint32_t" } else { "" };
    let _ = write!(out, "\n/// {}.\nenum class {}{number} {{\n", found.sentence, camel(&found.name));
    for value in found.values.iter().filter(|value| value.word || found.c.is_some()) {
        let define = found.c.as_ref().map_or_else(String::new, |c| format!(" = {c}{}", value.name.to_uppercase()));
        let _ = writeln!(out, "    /// {}.\n    {}{define},", value.sentence, camel(&value.name));
    }
    out.push_str("};\n");
}

/// The words of an enum by their numbers.
fn words(out: &mut String, found: &Enum) {
    if found.c.is_none() {
        return;
    }
    let most = found.values.iter().filter_map(|value| value.number).max().unwrap_or_default();
    let listed: Vec<String> = (0..=most)
        .map(|number| {
            let word = found.words().find(|value| value.number == Some(number));
            format!("\"{}\"", word.map_or("unknown", |word| &word.name))
        })
        .collect();
    let _ = write!(
        out,
        "\nnamespace detail {{\n/// By their numbers.\ninline constexpr std::string_view {}_words[] = {{\n    {},\n}};\n}}  // namespace detail\n",
        found.name,
        listed.join(",\n    ")
    );
}

fn method(out: &mut String, api: &Api, option: &ApiOption) {
    out.push_str(&wrapped(&option.describe(), "    /// ", 120));
    let name = &option.name;
    let given = match option.kind {
        OptionType::Flag => "bool value = true",
        OptionType::Number => "std::uint64_t value",
        OptionType::Key => "Bytes value",
        OptionType::Password => "std::string_view value",
        OptionType::Choice => "",
    };
    if option.kind != OptionType::Choice {
        let _ = writeln!(out, "    Options& {name}({given}) {{ return set(\"{name}\", Value(value)); }}");
        return;
    }
    let Some(words) = option.words(api) else { return };
    let _ = writeln!(out, "    Options& {name}({} value) {{\n        switch (value) {{", camel(&words.name));
    for word in words.words() {
        let _ = writeln!(
            out,
            "            case {}::{}: return set(\"{name}\", Value(\"{}\"));",
            camel(&words.name),
            camel(&word.name),
            word.name
        );
    }
    out.push_str("            default: return *this;\n        }\n    }\n");
}

#[cfg(test)]
mod tests {
    use super::super::tests::SAMPLE;
    use super::*;

    #[test]
    fn an_option_is_a_method_and_a_choice_a_class() {
        let text = render(&Api::parse(SAMPLE).unwrap());
        assert!(text.contains("Options& cache_bytes(std::uint64_t value) { return set("), "{text}");
        assert!(text.contains("VeryFast = ENTIDB_PACE_VERY_FAST,"), "{text}");
        assert!(text.contains("case Pace::VeryFast: return set(\"pace\", Value(\"very_fast\"));"), "{text}");
    }
}
