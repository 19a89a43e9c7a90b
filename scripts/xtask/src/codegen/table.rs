//! Reads the table of status codes and refuses one that contradicts itself.
//!
//! Always: a table that parses has unique numbers and names, and every code lies in the hundred of its family.
//! Does not know: any language's spelling beyond the words it is spelt from.
//! Format: the head of docs/spec/errors.toml.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::failure::{During, Failure, Result};

/// The groups a family may belong to.
pub(crate) const GROUPS: &[&str] = &["VALIDATION", "QUERY", "CONNECTION", "TRANSACTION", "IO", "INTERNAL"];

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// The hundreds.
    #[serde(rename = "family")]
    pub(crate) families: Vec<Family>,
    /// 0 to 99.
    #[serde(rename = "outcome")]
    pub(crate) outcomes: Vec<Outcome>,
    /// From 100.
    #[serde(rename = "code")]
    pub(crate) codes: Vec<Code>,
}

/// A hundred of codes that share a class.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Family {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) group: String,
    pub(crate) meaning: String,
}

/// A status that is no error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outcome {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) meaning: String,
}

/// One error code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) meaning: String,
    pub(crate) action: String,
    pub(crate) retry: Retry,
    #[serde(default)]
    pub(crate) class: bool,
    #[serde(default)]
    pub(crate) class_name: Option<String>,
    #[serde(default)]
    pub(crate) planned: Option<String>,
    #[serde(default)]
    pub(crate) retired: Option<String>,
}

/// Whether the same call can succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Retry {
    Never,
    Now,
    AfterReopen,
    AfterSpace,
}

impl Retry {
    /// The word of the table.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Now => "now",
            Self::AfterReopen => "after_reopen",
            Self::AfterSpace => "after_space",
        }
    }

    /// The name of the Rust variant.
    pub(crate) fn variant(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::Now => "Now",
            Self::AfterReopen => "AfterReopen",
            Self::AfterSpace => "AfterSpace",
        }
    }
}

impl Family {
    /// The name of the Rust variant.
    pub(crate) fn variant(&self) -> String {
        camel_case(&self.name)
    }
}

impl Code {
    /// The name of the Rust variant.
    pub(crate) fn variant(&self) -> String {
        camel_case(&self.name)
    }

    /// The stem of the class raised for it, when it has one of its own.
    pub(crate) fn own_class(&self) -> Option<String> {
        self.class.then(|| self.class_name.clone().unwrap_or_else(|| self.variant()))
    }
}

impl Table {
    /// Reads and judges the text of the table.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text).during("the table of errors does not parse")?;
        table.judge()?;
        Ok(table)
    }

    /// The family of a code.
    pub(crate) fn family(&self, code: &Code) -> Result<&Family> {
        self.families
            .iter()
            .find(|family| family.number == code.number / 100)
            .ok_or_else(|| Failure::new(format!("code {} {} lies in no family", code.number, code.name)))
    }

    fn judge(&self) -> Result<()> {
        let mut numbers = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut classes = BTreeSet::new();
        for family in &self.families {
            if !(1..=9).contains(&family.number) || !numbers.insert(family.number * 100) {
                return refused(format!("family {} is not one of 1 to 9, or is there twice", family.number));
            }
            if !GROUPS.contains(&family.group.as_str()) {
                return refused(format!("family {} has group {}; use one of {GROUPS:?}", family.name, family.group));
            }
            if !classes.insert(family.class.clone()) {
                return refused(format!("two families have the class {}", family.class));
            }
            sentence(&family.meaning)?;
        }
        for outcome in &self.outcomes {
            if outcome.number >= 100 || !numbers.insert(outcome.number) {
                return refused(format!("outcome {} is over 99 or there twice", outcome.number));
            }
            upper_case(&outcome.name)?;
            sentence(&outcome.meaning)?;
        }
        for code in &self.codes {
            self.family(code)?;
            if code.number % 100 == 0 || !numbers.insert(code.number) {
                return refused(format!("code {} ends a hundred or is there twice", code.number));
            }
            upper_case(&code.name)?;
            if !names.insert(code.name.clone()) {
                return refused(format!("two codes are called {}", code.name));
            }
            if let Some(class) = code.own_class()
                && !classes.insert(class.clone())
            {
                return refused(format!("two classes are called {class}"));
            }
            if code.class_name.is_some() && !code.class {
                return refused(format!("{} names a class it does not have", code.name));
            }
            sentence(&code.meaning)?;
            sentence(&code.action)?;
        }
        if self.outcomes.first().is_none_or(|outcome| outcome.number != 0) {
            return refused("the first outcome is 0, success".to_owned());
        }
        if !self.codes.is_sorted_by_key(|code| code.number) {
            return refused("codes stand in the order of their numbers".to_owned());
        }
        Ok(())
    }
}

/// `DATABASE_LOCKED` as `DatabaseLocked`.
fn camel_case(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_uppercase().collect::<String>() + &letters.as_str().to_lowercase()
            })
        })
        .collect()
}

fn upper_case(name: &str) -> Result<()> {
    let good = name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_');
    if good && name.starts_with(|letter: char| letter.is_ascii_uppercase()) {
        return Ok(());
    }
    refused(format!("`{name}` is not a name in upper case"))
}

fn sentence(text: &str) -> Result<()> {
    if text.is_empty() || text.ends_with('.') || text.contains(['\n', '"', '\\', '`', '|']) {
        return refused(format!("`{text}` is not one plain sentence without a full stop"));
    }
    Ok(())
}

fn refused<T>(sentence: String) -> Result<T> {
    Err(Failure::new(format!("the table of errors is refused: {sentence}")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small table every writer's test can use.
    pub(crate) const SAMPLE: &str = r#"
        [[family]]
        number = 2
        name = "state"
        class = "State"
        group = "CONNECTION"
        meaning = "not in this state"
        [[outcome]]
        number = 0
        name = "OK"
        meaning = "done"
        [[outcome]]
        number = 1
        name = "NOT_FOUND"
        meaning = "nothing there"
        [[code]]
        number = 201
        name = "DATABASE_LOCKED"
        retry = "now"
        class = true
        meaning = "another process has it"
        action = "close it there"
        [[code]]
        number = 202
        name = "BUSY"
        retry = "after_space"
        meaning = "in use"
        action = "wait"
    "#;

    fn refusal(from: &str, to: &str) -> String {
        assert!(SAMPLE.contains(from), "the sample holds {from}");
        Table::parse(&SAMPLE.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn the_sample_parses() {
        let table = Table::parse(SAMPLE).unwrap();
        assert_eq!(table.codes[0].variant(), "DatabaseLocked");
        assert_eq!(table.codes[0].own_class().unwrap(), "DatabaseLocked");
        assert_eq!(table.codes[1].own_class(), None);
    }

    #[test]
    fn a_number_used_twice_is_refused() {
        assert!(refusal("number = 202", "number = 201").contains("there twice"));
    }

    #[test]
    fn a_name_used_twice_is_refused() {
        assert!(refusal("\"BUSY\"", "\"DATABASE_LOCKED\"").contains("two codes are called"));
    }

    #[test]
    fn a_code_outside_every_family_is_refused() {
        assert!(refusal("number = 202", "number = 302").contains("no family"));
    }

    #[test]
    fn a_full_stop_is_refused() {
        assert!(refusal("\"wait\"", "\"wait.\"").contains("full stop"));
    }

    #[test]
    fn a_word_of_retry_that_is_unknown_is_refused() {
        assert!(refusal("\"now\"", "\"soon\"").contains("soon"));
    }

    #[test]
    fn a_field_that_is_unknown_is_refused() {
        assert!(refusal("action = \"wait\"", "action = \"wait\"\nhint = \"wait\"").contains("hint"));
    }
}
