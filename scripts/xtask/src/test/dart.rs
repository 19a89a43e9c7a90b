//! The Dart suite: the package on a Dart VM, against a library for 32 bits.
//!
//! Always: static errors of any file of the package fail it; tests, examples and the snippets of the README run in one process of the VM,
//! which has to say how many; a machine that cannot have the VM says `SKIPPED dart` and why.
//! Does not know: what the tests are. They are written for `package:test`; `bindings/dart/tool/test_stand_in` stands in for it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::count::{self, Counts};
use super::rust::PROFILE;
use super::suite::{Context, Presence, Report};
use crate::failure::{During, Failure, Result};
use crate::process::Process;
use crate::repository::{Repository, cargo};
use crate::setup::{self, DART_TARGET};
use crate::snippet;

const FOLDER: &str = "bindings/dart";

/// The program that runs everything, written by `program`.
const PROGRAM: &str = ".build/dart/all.dart";
const PACKAGES: &str = ".build/dart/package_config.json";

/// The package has its suite when it is a package.
pub(crate) fn present(repository: &Repository) -> Presence {
    Presence::of(repository, "bindings/dart/pubspec.yaml")
}

/// Whether the suite ran on this machine.
pub(crate) fn ran(context: &Context) -> bool {
    context.repository.has(".build/dart/ran")
}

/// Builds the library, and runs what the package has.
pub(crate) fn package(context: &Context) -> Result<Report> {
    let repository = &context.repository;
    repository.build_folder("dart")?;
    fs::remove_file(repository.path(".build/dart/ran")).ok();
    let vm = match setup::dart_vm(repository) {
        Ok(vm) => vm,
        Err(why) => {
            let note = format!("SKIPPED dart: {why}");
            println!("      {note}");
            return Ok(Report {
                counts: Counts { passed: 0, failed: 0, skipped: 1 },
                notes: vec![note],
                failures: Vec::new(),
            });
        }
    };
    library(context)?;
    let places = program(repository)?;
    for place in places {
        fs::remove_dir_all(&place).ok();
        fs::create_dir_all(&place).during(format_args!("cannot make {}", place.display()))?;
    }
    let finished = process(context, &vm, "dart").finish()?;
    let mut report = Report { counts: count::of_words(&finished.output).unwrap_or_default(), ..Report::default() };
    if !finished.success || report.counts.failed > 0 {
        report.counts.failed = report.counts.failed.max(1);
        report.failures.push(finished.failure().to_string());
    } else if report.counts.passed == 0 {
        return Err(Failure::new("the tests of Dart succeeded without a count"));
    }
    repository.write(".build/dart/ran", "")?;
    format(context, &mut report)?;
    Ok(report)
}

/// The exchange of databases alone.
pub(crate) fn exchange(context: &Context) -> Result<Process> {
    let vm = setup::dart_vm(&context.repository)?;
    Ok(process(context, &vm, "exchange-dart").args(["--name", "exchange: "]))
}

/// The library for the VM.
fn library(context: &Context) -> Result<()> {
    let build = context.process(cargo(), "libentidb-dart").args(["build", "-p", "entidb_ffi", "--profile", PROFILE]);
    build.args(["--target", DART_TARGET]).succeed().map(drop)
}

fn process(context: &Context, vm: &Path, log: &str) -> Process {
    let repository = &context.repository;
    let library = repository.target_folder().join(DART_TARGET).join(PROFILE).join("libentidb_ffi.so");
    context
        .process(vm, log)
        .args(["--enable-asserts"])
        .args([format!("--packages={}", repository.path(PACKAGES).display())])
        .args([repository.path(PROGRAM)])
        .dir(repository.path(FOLDER))
        .env("ENTIDB_ROOT", repository.root())
        .env("ENTIDB_LIBRARY", library)
}

/// Writes the program and the map of packages; gives the folders in which examples and snippets run.
fn program(repository: &Repository) -> Result<Vec<PathBuf>> {
    let url = |path: &str| format!("file://{}/", repository.path(path).display());
    let package = |name: &str, path: &str| {
        format!(r#"{{"name":"{name}","rootUri":"{}","packageUri":"lib/","languageVersion":"3.7"}}"#, url(path))
    };
    let test = package("test", &format!("{FOLDER}/tool/test_stand_in"));
    let packages = format!(r#"{{"configVersion":2,"packages":[{},{test}]}}"#, package("entidb", FOLDER));
    repository.write(PACKAGES, &packages)?;
    let mut imports = String::from("import 'dart:io';\nimport 'package:test/test.dart';\n");
    let mut files = String::new();
    let mut places = Vec::new();
    let mut import = |path: &Path, name: &str| {
        let _ = writeln!(imports, "import 'file://{}' as {name};", path.display());
    };
    for file in repository.files_in(&format!("{FOLDER}/test"), "dart")? {
        let Some(name) = stem(&file).strip_suffix("_test") else { continue };
        import(&repository.path(&file), name);
        let _ = writeln!(files, "  '{name}': {name}.main,");
    }
    let mut programs: Vec<(String, PathBuf)> = Vec::new();
    for file in repository.files_in(&format!("{FOLDER}/example"), "dart")? {
        programs.push((format!("example_{}", stem(&file)), repository.path(&file)));
    }
    for found in snippet::programs(&repository.read(&format!("{FOLDER}/README.md"))?, &["dart"]) {
        if found.is("norun") {
            continue;
        }
        let name = format!("readme_{}", found.line);
        let path = format!(".build/dart/{name}.dart");
        repository.write(&path, &found.text)?;
        programs.push((name, repository.path(&path)));
    }
    for (name, path) in &programs {
        let place = repository.path(&format!(".build/dart/places/{name}"));
        import(path, name);
        let _ = writeln!(
            files,
            "  '{name}': () => test('runs', () async {{\n    Directory.current = '{}';\n    await Function.apply({name}.main, []);\n  }}),",
            place.display()
        );
        places.push(place);
    }
    repository.write(
        PROGRAM,
        &format!("{imports}\nvoid main(List<String> arguments) => runTests({{\n{files}}}, arguments);\n"),
    )?;
    Ok(places)
}

/// The name of a file without folder and extension.
fn stem(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or_default().trim_end_matches(".dart")
}

/// Compares the files of the package with what the formatter makes of them, where it can run.
fn format(context: &Context, report: &mut Report) -> Result<()> {
    let repository = &context.repository;
    let node = match setup::node_of_formatter(repository) {
        Ok(node) => node,
        Err(why) => {
            report.notes.push(format!("SKIPPED format of Dart: {why}"));
            return Ok(());
        }
    };
    let mut files = Vec::new();
    for file in repository.files_in(FOLDER, "dart")? {
        if !file.ends_with(".g.dart") && !file.contains("/node_modules/") {
            files.push(repository.path(&file));
        }
    }
    let checker = repository.path("bindings/dart/tool/vm/format.mjs");
    report.test(context.process(node, "dart-format").args([checker]).args(files).succeed().map(drop));
    Ok(())
}
