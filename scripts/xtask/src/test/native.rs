//! The suites of the C ABI: its header, and programs in C and C++ linked against the library.
//!
//! Always: programs run under the address, leak and undefined-behaviour sanitizers where the platform has them;
//! every file of `tests/c` and `tests/cpp` is one program, and shared code stands in headers beside them.
//! Does not know: what the programs check. One that prints lines of the Test Anything Protocol is counted by
//! them, any other is one test.

use std::path::{Path, PathBuf};

use super::count;
use super::rust::PROFILE;
use super::suite::{Context, Presence, Report};
use crate::failure::{Failure, Result};
use crate::header;
use crate::process::Process;
use crate::repository::{Repository, cargo};

/// C or C++.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Cpp,
}

impl Language {
    fn compiler(self) -> &'static str {
        match self {
            Self::C => "cc",
            Self::Cpp => "c++",
        }
    }

    fn standard(self) -> &'static str {
        match self {
            Self::C => "-std=c11",
            Self::Cpp => "-std=c++17",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::C => "tests/c",
            Self::Cpp => "tests/cpp",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Cpp => "cpp",
        }
    }
}

/// The ABI has its suites when its crate has content.
pub(crate) fn ffi(repository: &Repository) -> Presence {
    if repository.has_content(header::ROOT) {
        Presence::Here
    } else {
        Presence::Absent("entidb_ffi has no content yet".to_owned())
    }
}

/// The header against the crate, and the header before the compilers.
pub(crate) fn header(context: &Context) -> Result<Report> {
    let mut report = Report::default();
    let stale = header::stale(&context.repository)?;
    report.test(if stale.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("not up to date: {}; run `cargo xtask header`", stale.join(", "))))
    });
    if !cfg!(windows) {
        report.test(header::compiles(&context.repository, "cc", "c", "-std=c11"));
        report.test(header::compiles(&context.repository, "c++", "c++", "-std=c++17"));
        report.test(header::compiles(&context.repository, "c++", "c++", "-std=c++20"));
    }
    Ok(report)
}

/// The C programs have their suite when there is one.
pub(crate) fn c_present(repository: &Repository) -> Presence {
    present(repository, Language::C)
}

/// The C++ programs have their suite when there is one.
pub(crate) fn cpp_present(repository: &Repository) -> Presence {
    present(repository, Language::Cpp)
}

fn present(repository: &Repository, language: Language) -> Presence {
    if cfg!(windows) {
        return Presence::Absent("the sanitizer suites run on Linux and macOS".to_owned());
    }
    match repository.files_in(language.folder(), language.extension()) {
        Ok(files) if !files.is_empty() => Presence::Here,
        _ => Presence::Absent(format!("{} holds no program yet", language.folder())),
    }
}

/// The programs of `tests/c`, and the symbols the library exports.
pub(crate) fn c(context: &Context) -> Result<Report> {
    let mut report = programs(context, Language::C)?;
    report.test(exported(context));
    Ok(report)
}

/// The programs of `tests/cpp`.
pub(crate) fn cpp(context: &Context) -> Result<Report> {
    programs(context, Language::Cpp)
}

fn programs(context: &Context, language: Language) -> Result<Report> {
    let library = library(context)?;
    let mut report = Report::default();
    for source in context.repository.files_in(language.folder(), language.extension())? {
        match compile(context, language, &source, &library, true).and_then(|program| run(context, &source, &program)) {
            Ok(part) => {
                report.counts.add(part.counts);
                report.failures.extend(part.failures);
            }
            Err(failure) => report.test(Err(failure)),
        }
    }
    Ok(report)
}

/// Builds the static library and says where it is.
pub(crate) fn library(context: &Context) -> Result<PathBuf> {
    context.process(cargo(), "libentidb").args(["build", "-p", "entidb_ffi", "--profile", PROFILE]).succeed()?;
    let name = library_name(&context.repository)?;
    Ok(context.repository.target_folder().join(PROFILE).join(format!("lib{name}.a")))
}

fn library_name(repository: &Repository) -> Result<String> {
    repository
        .packages()?
        .into_iter()
        .find(|package| package.name == "entidb_ffi")
        .and_then(|package| package.c_library)
        .ok_or_else(|| Failure::new("entidb_ffi builds no static library; its crate-type must hold `staticlib`"))
}

/// Where a program is built.
pub(crate) fn program(context: &Context, source: &str) -> Result<PathBuf> {
    Ok(context.repository.build_folder("native")?.join(source.replace(['/', '.'], "_")))
}

/// Compiles one program against the header and the library.
pub(crate) fn compile(
    context: &Context,
    language: Language,
    source: &str,
    library: &Path,
    sanitized: bool,
) -> Result<PathBuf> {
    let program = program(context, source)?;
    let mut process = Process::new(language.compiler()).dir(context.repository.root()).args([
        language.standard(),
        "-Wall",
        "-Wextra",
        "-Werror",
        "-g",
        "-O1",
        "-Iinclude",
    ]);
    if sanitized {
        process =
            process.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]);
    }
    process = process.args(["-o"]).args([&program]).args([source]).args([library]);
    let platform: &[&str] = if cfg!(target_os = "macos") {
        &["-framework", "Security", "-framework", "CoreFoundation"]
    } else {
        &["-lpthread", "-ldl", "-lm", "-lrt"]
    };
    process.args(platform).succeed()?;
    Ok(program)
}

fn run(context: &Context, source: &str, program: &Path) -> Result<Report> {
    let place = context.repository.build_folder("native/work")?;
    let leaks = if cfg!(target_os = "macos") { "detect_leaks=0" } else { "detect_leaks=1" };
    let finished = context
        .process(program, &source.replace(['/', '.'], "_"))
        .dir(place)
        .env("ENTIDB_ROOT", context.repository.root())
        .env("ASAN_OPTIONS", leaks)
        .env("UBSAN_OPTIONS", "print_stacktrace=1")
        .finish()?;
    let mut report = Report::default();
    match count::of_tap(&finished.output) {
        Some(counts) => report.counts = counts,
        None => report.counts.passed = u64::from(finished.success),
    }
    if !finished.success || report.counts.failed > 0 {
        // A sanitizer ends the program after its last `ok`, so the status counts as well.
        report.counts.failed = report.counts.failed.max(1);
        report.failures.push(format!("{source}: {}", finished.failure()));
    }
    Ok(report)
}

/// A module of a host language shows the host its own door and none of our functions, so that two copies of
/// EntiDB in one process never mix.
pub(crate) fn hides_ours(module: &Path) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let printed = Process::new("nm").args(["-D", "--defined-only"]).args([module]).succeed()?;
    let shown: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|name| name.starts_with("entidb_"))
        .take(5)
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} exports {}; its build.rs must pass `cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL` on Linux",
        module.display(),
        shown.join(", ")
    )))
}

/// The shared library exports what `entidb.symbols` lists, and of our prefix nothing else.
fn exported(context: &Context) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let name = library_name(&context.repository)?;
    let library = context.repository.target_folder().join(PROFILE).join(format!("lib{name}.so"));
    let printed = Process::new("nm").args(["-D", "--defined-only"]).args([&library]).succeed()?;
    let mut found: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|name| name.starts_with("entidb_"))
        .collect();
    found.sort_unstable();
    let listed = context.repository.read(header::SYMBOLS)?;
    let listed: Vec<&str> = listed.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let missing: Vec<&&str> = listed.iter().filter(|name| !found.contains(name)).collect();
    let extra: Vec<&&str> = found.iter().filter(|name| !listed.contains(name)).collect();
    if missing.is_empty() && extra.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("the shared library lacks {missing:?} and has {extra:?} beyond {}", header::SYMBOLS)))
}
