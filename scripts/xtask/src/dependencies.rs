//! What the workspace is built from, as cargo resolves it for this platform.
//!
//! Always: taken from the lock file, without a network beyond cargo's own downloads.
//! Does not know: which licence is acceptable (`tidy::licences`), or how a list of parts is written (`sbom`).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::failure::{During, Failure, Result};
use crate::repository::{Repository, cargo};

/// One resolved package, ours or another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: String,
    /// Whether it comes from a registry and not from this workspace.
    pub(crate) foreign: bool,
    /// The ids of the packages it ships with; what only its tests or its build need is left out.
    pub(crate) ships_with: Vec<String>,
}

/// Every resolved package by its id.
pub(crate) fn resolve(repository: &Repository) -> Result<BTreeMap<String, Dependency>> {
    let host = Command::new("rustc").args(["-vV"]).output().during("cannot run rustc")?;
    let host = String::from_utf8_lossy(&host.stdout).into_owned();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let output = Command::new(cargo())
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host])
        .current_dir(repository.root())
        .output()
        .during("cannot run cargo metadata")?;
    if !output.status.success() {
        return Err(Failure::new(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).during("cargo metadata gave no JSON")?;
    Ok(read(&metadata))
}

fn read(metadata: &Value) -> BTreeMap<String, Dependency> {
    // Packages of other platforms are listed too when they happen to be downloaded; only nodes are resolved.
    let mut edges: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for node in rows(metadata.pointer("/resolve/nodes")) {
        let shipped = rows(node.get("deps")).iter().filter(|dependency| {
            // A kind of null is a dependency of the library itself.
            rows(dependency.get("dep_kinds")).iter().any(|kind| kind.get("kind").is_some_and(Value::is_null))
        });
        let ids = shipped.filter_map(|dependency| Some(dependency.get("pkg")?.as_str()?.to_owned()));
        edges.insert(node.get("id").and_then(Value::as_str).unwrap_or_default(), ids.collect());
    }
    let mut found = BTreeMap::new();
    for package in rows(metadata.get("packages")) {
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(ships_with) = edges.get(text("id").as_str()) else { continue };
        found.insert(
            text("id"),
            Dependency {
                name: text("name"),
                version: text("version"),
                licence: text("license"),
                foreign: package.get("source").is_some_and(Value::is_string),
                ships_with: ships_with.clone(),
            },
        );
    }
    found
}

/// Everything that ships with the packages of these names, themselves left out.
pub(crate) fn shipped<'a>(all: &'a BTreeMap<String, Dependency>, roots: &[&str]) -> Vec<&'a Dependency> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> =
        all.iter().filter(|(_, found)| roots.contains(&found.name.as_str())).map(|(id, _)| id.as_str()).collect();
    while let Some(id) = open.pop() {
        if seen.insert(id)
            && let Some(found) = all.get(id)
        {
            open.extend(found.ships_with.iter().map(String::as_str));
        }
    }
    let mut parts: Vec<&Dependency> =
        seen.into_iter().filter_map(|id| all.get(id)).filter(|part| part.foreign).collect();
    parts.sort_by(|one, two| (&one.name, &one.version).cmp(&(&two.name, &two.version)));
    parts
}

fn rows(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ships_is_a_part() {
        let metadata = serde_json::json!({
            "packages": [
                { "id": "ours", "name": "entidb", "version": "1.0.0", "license": "MIT", "source": null },
                { "id": "in", "name": "in", "version": "2.0.0", "license": "MIT", "source": "registry" },
                { "id": "deep", "name": "deep", "version": "3.0.0", "license": "ISC", "source": "registry" },
                { "id": "dev", "name": "dev", "version": "4.0.0", "license": "MIT", "source": "registry" },
                { "id": "other", "name": "windows", "version": "5.0.0", "license": "MIT", "source": "registry" }
            ],
            "resolve": { "nodes": [
                { "id": "ours", "deps": [
                    { "pkg": "in", "dep_kinds": [{ "kind": null }] },
                    { "pkg": "dev", "dep_kinds": [{ "kind": "dev" }] }
                ] },
                { "id": "in", "deps": [{ "pkg": "deep", "dep_kinds": [{ "kind": null }, { "kind": "build" }] }] },
                { "id": "deep", "deps": [] },
                { "id": "dev", "deps": [] }
            ] }
        });
        let all = read(&metadata);
        assert_eq!(all.len(), 4);
        let names: Vec<&str> = shipped(&all, &["entidb"]).iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["deep", "in"]);
    }
}
