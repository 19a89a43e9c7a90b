//! The licence of every dependency, against the list in `deny.toml`.
//!
//! Always: judges what cargo resolved for this platform, without a network and without another tool. Advisories
//! need a network; `cargo deny` looks at them in continuous integration.
//! Does not know: licence texts.

use std::collections::BTreeSet;

use crate::dependencies::{Dependency, resolve};
use crate::failure::{During, Result};
use crate::repository::Repository;

/// The list.
const LIST: &str = "deny.toml";

/// What may be used, and by whom besides.
struct Accepted {
    licences: BTreeSet<String>,
    exceptions: Vec<(String, String)>,
}

/// Judges every dependency.
pub(crate) fn check(repository: &Repository) -> Result<Vec<String>> {
    let accepted = read(&repository.read(LIST)?)?;
    let mut offences = Vec::new();
    for Dependency { name, licence, .. } in resolve(repository)?.into_values() {
        if !accepts(&accepted, &name, &licence) {
            offences.push(format!("{name}: licence `{licence}` is not accepted by {LIST}"));
        }
    }
    Ok(offences)
}

fn read(text: &str) -> Result<Accepted> {
    let table: toml::Table = toml::from_str(text).during(format_args!("{LIST} does not parse"))?;
    let licenses = table.get("licenses");
    let list = |value: Option<&toml::Value>| -> Vec<String> {
        let found = value.and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
        found.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
    };
    let mut exceptions = Vec::new();
    let rows = licenses.and_then(|licenses| licenses.get("exceptions")).and_then(toml::Value::as_array);
    for row in rows.map_or(&[][..], Vec::as_slice) {
        let name = row.get("crate").and_then(toml::Value::as_str).unwrap_or_default();
        exceptions.extend(list(row.get("allow")).into_iter().map(|licence| (name.to_owned(), licence)));
    }
    let licences = list(licenses.and_then(|licenses| licenses.get("allow"))).into_iter().collect();
    Ok(Accepted { licences, exceptions })
}

/// Whether an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0` can be met.
fn accepts(accepted: &Accepted, name: &str, expression: &str) -> bool {
    let good = |licence: &str| {
        accepted.licences.contains(licence)
            || accepted.exceptions.iter().any(|(by, allowed)| by == name && allowed == licence)
    };
    // `/` is how licences were joined before `OR`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, &good);
    met && at == words.len()
}

/// One or more parts joined by OR; AND binds tighter.
fn any(words: &[&str], at: &mut usize, good: &impl Fn(&str) -> bool) -> bool {
    let mut met = all(words, at, good);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        let next = all(words, at, good);
        met = met || next;
    }
    met
}

fn all(words: &[&str], at: &mut usize, good: &impl Fn(&str) -> bool) -> bool {
    let mut met = one(words, at, good);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        let next = one(words, at, good);
        met = met && next;
    }
    met
}

fn one(words: &[&str], at: &mut usize, good: &impl Fn(&str) -> bool) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = any(words, at, good);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    match (words.get(*at), words.get(*at + 1)) {
        (Some(&"WITH"), Some(exception)) => {
            *at += 2;
            good(&format!("{word} WITH {exception}"))
        }
        _ => good(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, expression: &str) -> bool {
        let list = "[licenses]\nallow = [\"MIT\", \"Unicode-3.0\", \"Apache-2.0 WITH LLVM-exception\"]\nexceptions = [{ allow = [\"MPL-2.0\"], crate = \"tool\" }]\n";
        accepts(&read(list).unwrap(), name, expression)
    }

    #[test]
    fn a_licence_outside_the_list_is_caught() {
        assert!(!judged("a", "GPL-3.0"));
        assert!(!judged("a", ""));
        assert!(!judged("a", "MPL-2.0"));
        assert!(!judged("a", "MIT AND GPL-3.0"));
        assert!(!judged("a", "(MIT"));
    }

    #[test]
    fn an_expression_that_can_be_met_is_accepted() {
        assert!(judged("a", "MIT"));
        assert!(judged("a", "GPL-3.0 OR MIT"));
        assert!(judged("a", "MIT/Apache-2.0"));
        assert!(judged("a", "(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(judged("a", "Apache-2.0 WITH LLVM-exception OR Apache-2.0"));
        assert!(judged("tool", "MPL-2.0"));
    }
}
