//! Options by name: how other languages give them and read them back.
//!
//! Always: a name that is not known is refused with the nearest one that is. Keys and passwords are never read back.
//! Does not know: what the options do.

use entidb_codec::Value;
use entidb_engine::Durability;

use super::{Key, Options, ScanPolicy};
use crate::error::{Error, ErrorCode, Result, quoted};

/// Every name, in the order of the documentation.
const NAMES: [&str; 23] = [
    "create",
    "create_new",
    "create_parents",
    "read_only",
    "key",
    "password",
    "durability",
    "grouped_interval_ms",
    "memory_bytes",
    "memtable_bytes",
    "open_files_max",
    "entity_bytes_max",
    "transaction_bytes_max",
    "lock_timeout_ms",
    "feed_commits_max",
    "feed_age_ms_max",
    "feed_bytes_max",
    "scan_policy",
    "sort_bytes_max",
    "index_build_bytes",
    "show_unique_keys",
    "password_memory_kib",
    "encrypted",
];

const GROUPED_INTERVAL_MS: u32 = 20;

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
        let mut options = Self::default();
        let mut interval = GROUPED_INTERVAL_MS;
        for (name, value) in map.iter() {
            let name = name.as_text().ok_or_else(|| unknown("a number"))?;
            match name {
                "create" => options.create = flag(name, value)?,
                "create_new" => options.create_new = flag(name, value)?,
                "create_parents" => options.create_parents = flag(name, value)?,
                "read_only" => options.read_only = flag(name, value)?,
                "key" => options.key = Some(raw_key(value)?),
                "password" => options.key = Some(password(value)?),
                "durability" => options.durability = durability(value)?,
                "grouped_interval_ms" => interval = narrow(name, number(name, value)?)?,
                "memory_bytes" => options.memory_bytes = number(name, value)?,
                "memtable_bytes" => options.memtable_bytes = number(name, value)?,
                "open_files_max" => options.open_files_max = number(name, value)?,
                "entity_bytes_max" => options.entity_bytes_max = number(name, value)?,
                "transaction_bytes_max" => options.transaction_bytes_max = number(name, value)?,
                "lock_timeout_ms" => options.lock_timeout_ms = number(name, value)?,
                "feed_commits_max" => options.feed_commits_max = number(name, value)?,
                "feed_age_ms_max" => options.feed_age_ms_max = number(name, value)?,
                "feed_bytes_max" => options.feed_bytes_max = number(name, value)?,
                "scan_policy" => options.scan_policy = scan_policy(value)?,
                "sort_bytes_max" => options.sort_bytes_max = number(name, value)?,
                "index_build_bytes" => options.index_build_bytes = number(name, value)?,
                "show_unique_keys" => options.show_unique_keys = flag(name, value)?,
                "password_memory_kib" => options.password_memory_kib = narrow(name, number(name, value)?)?,
                other => return Err(unknown(other)),
            }
        }
        if map.get("key").is_some() && map.get("password").is_some() {
            let problem = "key and password are both given; a database opens with one of them";
            return Err(Error::new(ErrorCode::InvalidArgument, problem));
        }
        if let Durability::Grouped { interval_ms } = &mut options.durability {
            *interval_ms = interval;
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
        let (durability, interval) = match self.durability {
            Durability::Durable => ("durable", GROUPED_INTERVAL_MS),
            Durability::Grouped { interval_ms } => ("grouped", interval_ms),
            Durability::None => ("none", GROUPED_INTERVAL_MS),
        };
        let scan_policy = match self.scan_policy {
            ScanPolicy::Allow => "allow",
            ScanPolicy::Forbid => "forbid",
            ScanPolicy::ForbidUnbounded => "forbid_unbounded",
        };
        let fields = [
            ("create", Value::Bool(self.create)),
            ("create_new", Value::Bool(self.create_new)),
            ("create_parents", Value::Bool(self.create_parents)),
            ("read_only", Value::Bool(self.read_only)),
            ("encrypted", Value::Bool(self.key.is_some())),
            ("durability", Value::from(durability)),
            ("grouped_interval_ms", Value::from(u64::from(interval))),
            ("memory_bytes", Value::from(self.memory_bytes)),
            ("memtable_bytes", Value::from(self.memtable_bytes)),
            ("open_files_max", Value::from(self.open_files_max)),
            ("entity_bytes_max", Value::from(self.entity_bytes_max)),
            ("transaction_bytes_max", Value::from(self.transaction_bytes_max)),
            ("lock_timeout_ms", Value::from(self.lock_timeout_ms)),
            ("feed_commits_max", Value::from(self.feed_commits_max)),
            ("feed_age_ms_max", Value::from(self.feed_age_ms_max)),
            ("feed_bytes_max", Value::from(self.feed_bytes_max)),
            ("scan_policy", Value::from(scan_policy)),
            ("sort_bytes_max", Value::from(self.sort_bytes_max)),
            ("index_build_bytes", Value::from(self.index_build_bytes)),
            ("show_unique_keys", Value::Bool(self.show_unique_keys)),
            ("password_memory_kib", Value::from(u64::from(self.password_memory_kib))),
        ];
        Value::Map(fields.into_iter().collect())
    }
}

fn wrong(name: &str, wanted: &str, value: &Value) -> Error {
    let problem = format!("the option {name} takes {wanted}, not {}", value.type_name());
    Error::new(ErrorCode::InvalidArgument, problem)
}

/// As `wrong`, for an option that takes one of a few words: what was given may be another word.
fn no_choice(name: &str, wanted: &str, value: &Value) -> Error {
    match value.as_text() {
        Some(given) => {
            let given: String = given.chars().take(40).collect();
            Error::new(ErrorCode::InvalidArgument, format!("the option {name} takes {wanted}, not {given:?}"))
        }
        None => wrong(name, wanted, value),
    }
}

fn flag(name: &str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong(name, "true or false", value))
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

fn narrow(name: &str, number: u64) -> Result<u32> {
    u32::try_from(number).map_err(|_| {
        Error::new(ErrorCode::InvalidArgument, format!("the option {name} is {number}; {} is the most", u32::MAX))
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

fn durability(value: &Value) -> Result<Durability> {
    match value.as_text() {
        Some("durable") => Ok(Durability::Durable),
        Some("grouped") => Ok(Durability::Grouped { interval_ms: GROUPED_INTERVAL_MS }),
        Some("none") => Ok(Durability::None),
        _ => Err(no_choice("durability", "\"durable\", \"grouped\" or \"none\"", value)),
    }
}

fn scan_policy(value: &Value) -> Result<ScanPolicy> {
    match value.as_text() {
        Some("allow") => Ok(ScanPolicy::Allow),
        Some("forbid") => Ok(ScanPolicy::Forbid),
        Some("forbid_unbounded") => Ok(ScanPolicy::ForbidUnbounded),
        _ => Err(no_choice("scan_policy", "\"allow\", \"forbid\" or \"forbid_unbounded\"", value)),
    }
}

fn unknown(name: &str) -> Error {
    let nearest = NAMES.iter().filter(|known| **known != "encrypted").min_by_key(|known| distance(name, known));
    let hint = nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
    Error::new(ErrorCode::UnknownOption, format!("there is no option {}{hint}", quoted(name)))
}

/// How many letters must be changed, added or removed to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().take(64).enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (other, above) in b.iter().zip(row.iter().skip(1)) {
            let changed = corner + usize::from(letter != *other);
            left = changed.min(left + 1).min(above + 1);
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use entidb_codec::doc;

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
