//! Writes the list of parts that ship with EntiDB, in the form of CycloneDX 1.6.
//!
//! Always: the same tree gives the same bytes, so no time and no random number is in it.
//! Does not know: vulnerabilities; a reader of the list looks those up.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::dependencies::{Dependency, resolve, shipped};
use crate::failure::{During, Result};
use crate::repository::Repository;

/// What is given to users: the C library, the command, the two extension modules.
const ROOTS: &[&str] = &["entidb_ffi", "entidb_cli", "entidb_python", "entidb_node"];

/// The text of the list.
pub(crate) fn render(repository: &Repository) -> Result<String> {
    let all = resolve(repository)?;
    let version = all.values().find(|package| package.name == "entidb_core").map_or("", |package| &package.version);
    let checksums = checksums(&repository.read("Cargo.lock")?)?;
    let parts: Vec<Value> = shipped(&all, ROOTS).into_iter().map(|part| component(part, &checksums)).collect();
    let list = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": {
            "type": "library",
            "name": "entidb",
            "version": version,
            "licenses": [{ "expression": "MIT OR Apache-2.0" }]
        } },
        "components": parts
    });
    let mut text = serde_json::to_string_pretty(&list).during("cannot write the list of parts")?;
    text.push('\n');
    Ok(text)
}

fn component(part: &Dependency, checksums: &BTreeMap<(String, String), String>) -> Value {
    let mut component = json!({
        "type": "library",
        "name": part.name,
        "version": part.version,
        "purl": format!("pkg:cargo/{}@{}", part.name, part.version),
        // `/` is how licences were joined before `OR`.
        "licenses": [{ "expression": part.licence.replace('/', " OR ") }]
    });
    if let (Some(object), Some(checksum)) =
        (component.as_object_mut(), checksums.get(&(part.name.clone(), part.version.clone())))
    {
        object.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": checksum }]));
    }
    component
}

/// The checksum of every package, from the lock file.
fn checksums(lock: &str) -> Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table = toml::from_str(lock).during("Cargo.lock does not parse")?;
    let packages = lock.get("package").and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    Ok(packages
        .iter()
        .filter_map(|package| Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_carries_its_licence_and_checksum() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n";
        let part = Dependency {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            licence: "MIT/Apache-2.0".to_owned(),
            foreign: true,
            ships_with: Vec::new(),
        };
        let text = component(&part, &checksums(lock).unwrap()).to_string();
        assert!(text.contains("pkg:cargo/a@1.0.0") && text.contains("\"abc\""), "{text}");
        assert!(text.contains("MIT OR Apache-2.0"), "{text}");
    }
}
