//! Options by name: how other languages give them and read them back.
//!
//! Always: a name that is not known is refused with the nearest one that is, a value out of bounds with the bounds. Keys and
//! passwords are never read back. Does not know: which options there are (`table`), or what they do.

use std::fmt::Write;

use entidb_codec::Value;
use entidb_engine::Durability;

use super::table::SETTINGS;
use super::{Key, Options};
use crate::error::{Error, ErrorCode, Result, did_you_mean, quoted};

/// One option: its name, what it takes, and where it is kept.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What an option takes.
#[derive(Debug)]
pub(super) enum Kind {
    Flag {
        get: fn(&Options) -> bool,
        set: fn(&mut Options, bool),
    },
    Number {
        least: u64,
        most: u64,
        /// Whether 0 is fine below the least.
        zero: bool,
        get: fn(&Options) -> u64,
        set: fn(&mut Options, u64),
    },
    Choice {
        words: &'static [&'static str],
        get: fn(&Options) -> &'static str,
        set: fn(&mut Options, &str),
    },
    Key,
    Password,
}

impl Setting {
    /// Refuses a number out of its bounds.
    pub(super) fn judge(&self, options: &Options) -> Result<()> {
        match self.kind {
            Kind::Number { get, .. } => self.judge_number(get(options)),
            _ => Ok(()),
        }
    }

    fn judge_number(&self, value: u64) -> Result<()> {
        let Kind::Number { least, most, zero, .. } = self.kind else { return Ok(()) };
        if (least..=most).contains(&value) || (zero && value == 0) {
            return Ok(());
        }
        let bounds = if most == u64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
        let or = if zero { ", or 0" } else { "" };
        let problem = format!("{} is {value}; give a value {bounds}{or}", self.name);
        Err(Error::new(ErrorCode::InvalidArgument, problem))
    }

    fn apply(&self, options: &mut Options, value: &Value) -> Result<()> {
        let name = self.name;
        match &self.kind {
            Kind::Flag { set, .. } => set(options, value.as_bool().ok_or_else(|| wrong(name, "true or false", value))?),
            Kind::Number { set, .. } => {
                let number = number(name, value)?;
                self.judge_number(number)?;
                set(options, number);
            }
            Kind::Choice { words, set, .. } => match value.as_text() {
                Some(word) if words.contains(&word) => set(options, word),
                _ => return Err(no_choice(name, words, value)),
            },
            Kind::Key => options.key = Some(raw_key(value)?),
            Kind::Password => options.key = Some(password(value)?),
        }
        Ok(())
    }

    /// The value, unless it is secret.
    fn show(&self, options: &Options) -> Option<Value> {
        match self.kind {
            Kind::Flag { get, .. } => Some(Value::Bool(get(options))),
            Kind::Number { get, .. } => Some(Value::from(get(options))),
            Kind::Choice { get, .. } => Some(Value::from(get(options))),
            Kind::Key | Kind::Password => None,
        }
    }
}

impl Options {
    /// The options in a map of names and values; what is not named keeps its default.
    ///
    /// ```
    /// use entidb_core::{doc, ErrorCode, Options};
    /// let options = Options::from_value(&doc! { "durability": "none", "read_only": false })?;
    /// assert_eq!(options.durability, entidb_core::Durability::None);
    /// let error = Options::from_value(&doc! { "readonly": true }).unwrap_err();
    /// assert_eq!(error.code(), ErrorCode::UnknownOption);
    /// assert!(error.message().contains("read_only"));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `UnknownOption` with the nearest name, `InvalidArgument` for a value of the wrong type or out of bounds.
    pub fn from_value(value: &Value) -> Result<Self> {
        let Value::Map(map) = value else {
            return Err(Error::new(ErrorCode::InvalidArgument, "options are a map of names and values"));
        };
        for (name, _) in map.iter() {
            let name = name.as_text().ok_or_else(|| unknown("a number"))?;
            if !SETTINGS.iter().any(|setting| setting.name == name) {
                return Err(unknown(name));
            }
        }
        if map.get("key").is_some() && map.get("password").is_some() {
            let problem = "key and password are both given; a database opens with one of them";
            return Err(Error::new(ErrorCode::InvalidArgument, problem));
        }
        let mut options = Self::default();
        for setting in SETTINGS {
            if let Some(value) = map.get(setting.name) {
                setting.apply(&mut options, value)?;
            }
        }
        options.check()?;
        Ok(options)
    }

    /// The options by name, to be shown. Says whether there is a key, never which.
    ///
    /// ```
    /// use entidb_core::Options;
    /// let options = Options::default().to_value();
    /// assert_eq!(options.as_map().and_then(|map| map.get("durability")), Some(&"durable".into()));
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        let shown = SETTINGS.iter().filter_map(|setting| Some((setting.name, setting.show(self)?)));
        let encrypted = ("encrypted", Value::Bool(self.key.is_some()));
        Value::Map(shown.chain(std::iter::once(encrypted)).collect())
    }
}

/// How often a grouped commit is flushed; of a database that groups, what it groups by.
pub(super) fn grouped_interval_ms(options: &Options) -> u64 {
    match options.durability {
        Durability::Grouped { interval_ms } => u64::from(interval_ms),
        Durability::Durable | Durability::None => options.grouped_interval_ms,
    }
}

pub(super) fn set_grouped_interval_ms(options: &mut Options, value: u64) {
    options.grouped_interval_ms = value;
    if let Durability::Grouped { interval_ms } = &mut options.durability {
        *interval_ms = u32::try_from(value).unwrap_or(u32::MAX);
    }
}

pub(super) fn durability(options: &Options) -> &'static str {
    match options.durability {
        Durability::Durable => "durable",
        Durability::Grouped { .. } => "grouped",
        Durability::None => "none",
    }
}

pub(super) fn set_durability(options: &mut Options, word: &str) {
    options.durability = match word {
        "grouped" => options.grouped(),
        "none" => Durability::None,
        _ => Durability::Durable,
    };
}

fn wrong(name: &str, wanted: &str, value: &Value) -> Error {
    let problem = format!("the option {name} takes {wanted}, not {}", value.type_name());
    Error::new(ErrorCode::InvalidArgument, problem)
}

/// As `wrong`, for an option that takes one of a few words: what was given may be another word.
fn no_choice(name: &str, words: &[&str], value: &Value) -> Error {
    let mut wanted = String::new();
    for (at, word) in words.iter().enumerate() {
        let joint = match at {
            0 => "",
            _ if at + 1 == words.len() => " or ",
            _ => ", ",
        };
        let _ = write!(wanted, "{joint}{word:?}");
    }
    match value.as_text() {
        Some(given) => {
            let given: String = given.chars().take(40).collect();
            Error::new(ErrorCode::InvalidArgument, format!("the option {name} takes {wanted}, not {given:?}"))
        }
        None => wrong(name, &wanted, value),
    }
}

fn number(name: &str, value: &Value) -> Result<u64> {
    value.as_u64().ok_or_else(|| match value {
        // The type would be right, so the number is what to tell.
        Value::Integer(number) => {
            let problem = format!("the option {name} is {number}; it is a whole number from 0 to {}", u64::MAX);
            Error::new(ErrorCode::InvalidArgument, problem)
        }
        other => wrong(name, "a whole number of at least 0", other),
    })
}

fn raw_key(value: &Value) -> Result<Key> {
    let bytes = value.as_bytes().ok_or_else(|| wrong("key", "32 bytes", value))?;
    <[u8; 32]>::try_from(bytes).map(Key::Raw).map_err(|_| {
        Error::new(ErrorCode::InvalidArgument, format!("the option key has {} bytes; give 32", bytes.len()))
    })
}

fn password(value: &Value) -> Result<Key> {
    match value {
        Value::Text(text) => Ok(Key::Password(text.as_bytes().to_vec())),
        Value::Bytes(bytes) => Ok(Key::Password(bytes.clone())),
        other => Err(wrong("password", "text or bytes", other)),
    }
}

fn unknown(name: &str) -> Error {
    let hint = did_you_mean(name, SETTINGS.iter().map(|setting| setting.name));
    Error::new(ErrorCode::UnknownOption, format!("there is no option {}{hint}", quoted(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use entidb_codec::doc;

    use crate::options::ScanPolicy;

    #[test]
    fn options_survive_their_names() {
        let options = Options {
            durability: Durability::Grouped { interval_ms: 7 },
            scan_policy: ScanPolicy::Forbid,
            feed_commits_max: 9,
            ..Options::default()
        };
        let mut value = options.to_value();
        value.as_map_mut().unwrap().remove("encrypted");
        assert_eq!(Options::from_value(&value).unwrap().to_value(), options.to_value());
    }

    #[test]
    fn a_value_out_of_bounds_is_told_the_bounds() {
        for (value, bounds) in [
            (doc! { "memory_bytes": 1 }, "memory_bytes is 1; give a value from 1048576 to 17592186044416"),
            (doc! { "open_files_max": 3 }, "open_files_max is 3; give a value from 4 to 1048576, or 0"),
            (doc! { "grouped_interval_ms": 60_001 }, "grouped_interval_ms is 60001; give a value from 1 to 60000"),
            (doc! { "index_build_bytes": 0 }, "index_build_bytes is 0; give a value at least 1"),
        ] {
            assert_eq!(Options::from_value(&value).unwrap_err().message(), bounds);
        }
    }

    #[test]
    fn grouped_commits_of_any_database_have_the_interval_it_was_given() {
        for word in ["durable", "grouped", "none"] {
            let options = Options::from_value(&doc! { "durability": word, "grouped_interval_ms": 7 }).unwrap();
            assert_eq!(options.grouped(), Durability::Grouped { interval_ms: 7 });
            assert_eq!(options.to_value().as_map().unwrap().get("grouped_interval_ms"), Some(&7.into()));
        }
        let options = Options { durability: Durability::Grouped { interval_ms: 9 }, ..Options::default() };
        assert_eq!(options.grouped(), Durability::Grouped { interval_ms: 9 });
    }

    #[test]
    fn a_misspelt_option_is_told_the_right_name() {
        for (wrong, right) in [("readonly", "read_only"), ("passwort", "password"), ("durabilty", "durability")] {
            let error =
                Options::from_value(&Value::Map([(wrong, Value::Bool(true))].into_iter().collect())).unwrap_err();
            assert_eq!(error.code(), ErrorCode::UnknownOption);
            assert!(error.message().contains(right), "{}", error.message());
        }
    }

    #[test]
    fn a_number_that_cannot_be_is_told_as_it_was_given() {
        for (number, shown) in [(-1_i64, "-1"), (i64::MIN, "-9223372036854775808")] {
            let error = Options::from_value(&doc! { "memory_bytes": number }).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            let expected = format!("the option memory_bytes is {shown}; it is a whole number from 0 to");
            assert!(error.message().starts_with(&expected), "{}", error.message());
        }
    }

    #[test]
    fn a_word_that_is_no_choice_is_told_as_it_was_given() {
        let error = Options::from_value(&doc! { "durability": "fast" }).unwrap_err();
        let expected = "the option durability takes \"durable\", \"grouped\" or \"none\", not \"fast\"";
        assert_eq!(error.message(), expected);
    }

    #[test]
    fn values_out_of_bounds_or_of_the_wrong_type_are_named() {
        for value in [
            doc! { "memory_bytes": 1 },
            doc! { "open_files_max": 3 },
            doc! { "memtable_bytes": 1 },
            doc! { "checkpoint_bytes": 1 },
            doc! { "compression": "zip" },
            doc! { "grouped_interval_ms": 0 },
            doc! { "create": 1 },
            doc! { "key": "short" },
            doc! { "durability": "maybe" },
            doc! { "scan_policy": 3 },
            doc! { "lock_timeout_ms": (-1) },
            doc! { "read_only": true, "create_new": true },
            doc! { "create": false, "create_parents": true },
            doc! { "read_only": true, "create_parents": true },
        ] {
            assert_eq!(Options::from_value(&value).unwrap_err().code(), ErrorCode::InvalidArgument, "{value:?}");
        }
    }
}
