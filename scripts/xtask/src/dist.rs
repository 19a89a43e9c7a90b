//! Builds what is published: crates, the C library, the Python wheel, the npm package, the Dart package.
//!
//! Always: packages land in `dist/`, built under the release profile; nothing is uploaded.
//! Does not know: registries and their secrets; the release workflow has those.

mod c;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{During, Failure, Result};
use crate::process::Process;
use crate::repository::{Repository, cargo};
use crate::setup::{Need, npm_name, provide, venv_python};
use crate::wheel;

/// What can be packed.
const KINDS: &[&str] = &["crates", "c", "python", "node", "dart", "sbom"];

/// The crates that are published, each after those it uses.
const CRATES: &[(&str, &str)] = &[
    ("entidb_storage", "crates/entidb_storage/src/lib.rs"),
    ("entidb_codec", "crates/entidb_codec/src/lib.rs"),
    ("entidb_engine", "crates/entidb_engine/src/lib.rs"),
    ("entidb_core", "crates/entidb_core/src/lib.rs"),
    ("entidb", "crates/entidb/src/lib.rs"),
    ("entidb_ffi", "crates/entidb_ffi/src/lib.rs"),
    ("entidb_cli", "crates/entidb_cli/src/main.rs"),
    ("entidb_abi", "bindings/abi/src/lib.rs"),
];

/// Packs the kinds asked for, all when none is named.
pub(crate) fn run(repository: &Repository, kinds: &[String]) -> Result<()> {
    for kind in kinds {
        if !KINDS.contains(&kind.as_str()) {
            return Err(Failure::new(format!(
                "there is nothing called `{kind}` to pack; choose from {}",
                KINDS.join(", ")
            )));
        }
    }
    let dist = repository.path("dist");
    fs::create_dir_all(&dist).during("cannot make dist")?;
    for kind in KINDS.iter().filter(|kind| kinds.is_empty() || kinds.iter().any(|asked| asked == *kind)) {
        match *kind {
            "crates" => crates(repository)?,
            "c" => c::pack(repository, &dist)?,
            "python" => python(repository, &dist)?,
            "node" => node(repository, &dist)?,
            "dart" => dart(repository)?,
            _ => parts(repository)?,
        }
    }
    Ok(())
}

/// Packs every crate that has content, and builds each from its package.
fn crates(repository: &Repository) -> Result<()> {
    let ready: Vec<&str> =
        CRATES.iter().filter(|(_, root)| repository.has_content(root)).map(|(name, _)| *name).collect();
    println!("dist: packing {}", ready.join(", "));
    let mut arguments = vec!["package", "--no-verify", "--allow-dirty"];
    for name in &ready {
        arguments.extend(["-p", name]);
    }
    shown(Command::new(cargo()).args(arguments).current_dir(repository.root()))
}

/// The wheel, and the source distribution beside it.
fn python(repository: &Repository, dist: &Path) -> Result<()> {
    if !repository.has("bindings/python/pyproject.toml") {
        println!("dist: no wheel, because bindings/python is no package yet");
        return Ok(());
    }
    provide(repository, &[Need::PythonTools])?;
    wheel::provide_tool(repository, "release")?;
    shown(
        Command::new(venv_python(repository))
            .args(["-m", "maturin", "build", "--release", "--out"])
            .arg(dist)
            .current_dir(repository.path("bindings/python")),
    )
}

/// The npm package, built for this platform.
fn node(repository: &Repository, dist: &Path) -> Result<()> {
    if !repository.has("bindings/node/package.json") {
        println!("dist: no npm package, because bindings/node is no package yet");
        return Ok(());
    }
    provide(repository, &[Need::NodePackages])?;
    let folder: PathBuf = repository.path("bindings/node");
    Process::new(npm_name()).args(["run", "build"]).dir(&folder).env("ENTIDB_CARGO_PROFILE", "release").succeed()?;
    shown(Command::new(npm_name()).args(["pack", "--pack-destination"]).arg(dist).current_dir(folder))
}

/// The folder of the Dart package as `dart pub publish` takes it: sources without tools, with the changelog and the licence.
fn dart(repository: &Repository) -> Result<()> {
    let folder = "bindings/dart";
    if !repository.has("bindings/dart/pubspec.yaml") {
        println!("dist: no Dart package, because {folder} is no package yet");
        return Ok(());
    }
    let target = "dist/dart";
    fs::remove_dir_all(repository.path(target)).ok();
    let mut files: Vec<String> = Vec::new();
    for part in ["lib", "example", "test"] {
        files.extend(repository.files_in(&format!("{folder}/{part}"), "dart")?);
    }
    files.extend(["pubspec.yaml", "analysis_options.yaml", "README.md"].map(|name| format!("{folder}/{name}")));
    for file in files {
        let name = file.strip_prefix(folder).unwrap_or(&file);
        repository.write(&format!("{target}{name}"), &repository.read(&file)?)?;
    }
    repository.write(&format!("{target}/CHANGELOG.md"), &repository.read("CHANGELOG.md")?)?;
    let licence = format!("{}\n\n{}", repository.read("LICENSE-MIT")?, repository.read("LICENSE-APACHE")?);
    repository.write(&format!("{target}/LICENSE"), &licence)?;
    println!("dist: {target} is the folder of the Dart package");
    Ok(())
}

/// The list of parts.
fn parts(repository: &Repository) -> Result<()> {
    repository.write("dist/entidb.cdx.json", &crate::sbom::render(repository)?)?;
    println!("dist: dist/entidb.cdx.json lists what ships with EntiDB");
    Ok(())
}

/// Runs a program that talks to the person who started it.
fn shown(command: &mut Command) -> Result<()> {
    let status = command.status().during("cannot start a program")?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{:?} failed ({status})", command.get_program()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_published_after_those_they_use() {
        let packages = Repository::find().unwrap().packages().unwrap();
        for (place, (name, _)) in CRATES.iter().enumerate() {
            let package = packages.iter().find(|package| package.name == *name).unwrap();
            for used in &package.uses {
                let before = CRATES.iter().position(|(other, _)| other == used);
                assert!(
                    before.is_some_and(|before| before < place),
                    "{name} uses {used}, which must be published before it"
                );
            }
        }
    }
}
