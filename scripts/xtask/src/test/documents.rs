//! Runs what the documents show: the snippets of README and guides, the programs of `examples/` and of the crate `entidb`.
//!
//! Always: every program runs in an empty folder of its own; a language whose package is not there yet is
//! counted as skipped, with its reason.
//! Does not know: what a program should print; it must end with status 0.

use std::fs;
use std::path::{Path, PathBuf};

use super::native::{self, Language};
use super::rust::PROFILE;
use super::suite::{Context, Presence, Report};
use super::{count, node, python};
use crate::failure::{During, Failure, Result};
use crate::repository::{Repository, cargo};
use crate::setup::{Need, provide, venv_python};
use crate::snippet::{Snippet, programs};

/// The crates a snippet in Rust may use. The testkit also switches on the simulated file system of the storage.
const CRATES: &[&str] = &["entidb", "entidb_core", "entidb_codec", "entidb_engine", "entidb_storage", "entidb_testkit"];

/// The programs in Rust; those in other languages are in `examples/`.
const RUST_EXAMPLES: &str = "crates/entidb/examples";

/// The documents whose snippets are promises.
fn documents(repository: &Repository) -> Result<Vec<String>> {
    let mut found: Vec<String> = repository.files_in("docs/guides", "md")?;
    found.extend(["README.md", "bindings/python/README.md", "bindings/node/README.md"].map(str::to_owned));
    found.push("docs/reference/conditions.md".to_owned());
    found.retain(|file| repository.has(file));
    Ok(found)
}

/// Runs every snippet of every document.
pub(crate) fn snippets(context: &Context) -> Result<Report> {
    let mut report = Report::default();
    let mut runner = Runner { context, native: None, python_ready: false, node_ready: false, rust_ready: false };
    for document in documents(&context.repository)? {
        let text = context.repository.read(&document)?;
        if programs(&text, &["rust"]).iter().any(|snippet| !snippet.is("ignore")) {
            match runner.rust(&document) {
                Ok(part) => {
                    report.counts.add(part.counts);
                    report.failures.extend(part.failures);
                }
                Err(failure) => report.test(Err(failure)),
            }
        }
        for snippet in programs(&text, &["python", "js", "ts", "c", "cpp"]) {
            if snippet.is("norun") {
                report.counts.skipped += 1;
                report.notes.push(format!("{document}:{} is marked norun", snippet.line));
                continue;
            }
            match runner.absent(&snippet.language) {
                Some(reason) => {
                    report.counts.skipped += 1;
                    report.notes.push(format!("{document}:{}: {reason}", snippet.line));
                }
                None => {
                    let outcome = runner.snippet(&document, &snippet);
                    report.test(outcome.during(format_args!("{document}:{}", snippet.line)));
                }
            }
        }
    }
    if report.counts.total() == 0 {
        report.counts.skipped = 1;
        report.notes.push("no document shows a program yet".to_owned());
    }
    Ok(report)
}

/// The examples have their suite when there is one.
pub(crate) fn examples_present(repository: &Repository) -> Presence {
    Presence::of(repository, "examples")
}

/// Runs every program of the examples.
pub(crate) fn examples(context: &Context) -> Result<Report> {
    let mut report = Report::default();
    let repository = &context.repository;
    let mut runner = Runner { context, native: None, python_ready: false, node_ready: false, rust_ready: false };
    for source in repository.files_in(RUST_EXAMPLES, "rs")? {
        let name = source.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        let outcome = runner.place(&source).and_then(|place| {
            context
                .process(cargo(), &format!("example-{name}"))
                .args(["run", "--quiet", "--profile", PROFILE, "--manifest-path"])
                .args([repository.path("crates/entidb/Cargo.toml")])
                .args(["--example", &name])
                .dir(place)
                .succeed()
                .map(drop)
        });
        report.test(outcome);
    }
    let kinds = [
        ("examples/c", "c"),
        ("examples/cpp", "cpp"),
        ("examples/python", "py"),
        ("examples/node", "mjs"),
        ("examples/node", "ts"),
    ];
    for (folder, extension) in kinds {
        let language = match extension {
            "py" => "python",
            "mjs" => "js",
            other => other,
        };
        for source in repository.files_in(folder, extension)? {
            let text = repository.read(&source)?;
            let snippet = Snippet { language: language.to_owned(), marks: Vec::new(), line: 1, text };
            report.test(runner.snippet(&source, &snippet).during(&source));
        }
    }
    if report.counts.total() == 0 {
        return Err(Failure::new("examples/ holds no program the suite knows how to run"));
    }
    Ok(report)
}

/// Runs programs, preparing each language once.
struct Runner<'a> {
    context: &'a Context,
    native: Option<PathBuf>,
    python_ready: bool,
    node_ready: bool,
    rust_ready: bool,
}

impl Runner<'_> {
    /// Why this language cannot run yet, if it cannot.
    fn absent(&self, language: &str) -> Option<String> {
        let repository = &self.context.repository;
        let presence = match language {
            "python" => python::present(repository),
            "js" | "ts" => node::present(repository),
            _ if cfg!(windows) => Presence::Absent("C is compiled on Linux and macOS".to_owned()),
            _ => native::ffi(repository),
        };
        match presence {
            Presence::Here => None,
            Presence::Absent(reason) => Some(reason),
        }
    }

    /// An empty folder for one program.
    fn place(&self, name: &str) -> Result<PathBuf> {
        let folder = self.context.repository.path(&format!(".build/snippets/{}", name.replace(['/', '.', ':'], "_")));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).during(format_args!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    fn snippet(&mut self, document: &str, snippet: &Snippet) -> Result<()> {
        let name = format!("{document}:{}:{}", snippet.line, snippet.language);
        let place = self.place(&name)?;
        let log = format!("snippet-{}", name.replace(['/', '.', ':'], "_"));
        match snippet.language.as_str() {
            "python" => self.python(snippet, &place, &log),
            "js" | "ts" => self.node(snippet, &place, &log),
            "c" => self.native(Language::C, snippet, &place, &log),
            _ => self.native(Language::Cpp, snippet, &place, &log),
        }
    }

    fn python(&mut self, snippet: &Snippet, place: &Path, log: &str) -> Result<()> {
        if !self.python_ready {
            provide(&self.context.repository, &[Need::PythonTools])?;
            python::install(self.context)?;
            self.python_ready = true;
        }
        write(place, "snippet.py", &snippet.text)?;
        self.context
            .process(venv_python(&self.context.repository), log)
            .args(["-W", "error", "snippet.py"])
            .dir(place)
            .succeed()
            .map(drop)
    }

    fn node(&mut self, snippet: &Snippet, place: &Path, log: &str) -> Result<()> {
        let repository = &self.context.repository;
        let package = repository.path("bindings/node");
        if !self.node_ready {
            provide(repository, &[Need::NodePackages])?;
            if !repository.has("bindings/node/dist") {
                node::build(self.context)?;
            }
            self.node_ready = true;
        }
        let modules = place.join("node_modules");
        fs::create_dir_all(&modules).during("cannot make node_modules")?;
        link(&package, &modules.join("entidb"))?;
        write(place, "package.json", "{ \"type\": \"module\" }\n")?;
        if snippet.language == "ts" {
            write(place, "snippet.mts", &snippet.text)?;
            self.context
                .process("node", &format!("{log}-tsc"))
                .args([package.join("node_modules/typescript/bin/tsc")])
                .args(["--target", "es2022", "--lib", "esnext", "--module", "nodenext", "--strict", "--skipLibCheck"])
                .args(["--typeRoots"])
                .args([package.join("node_modules/@types")])
                .args(["--types", "node", "snippet.mts"])
                .dir(place)
                .succeed()?;
        } else {
            write(place, "snippet.mjs", &snippet.text)?;
        }
        self.context.process("node", log).args(["snippet.mjs"]).dir(place).succeed().map(drop)
    }

    fn native(&mut self, language: Language, snippet: &Snippet, place: &Path, log: &str) -> Result<()> {
        let library = match &self.native {
            Some(library) => library.clone(),
            None => {
                provide(&self.context.repository, &[Need::Compilers])?;
                let library = native::library(self.context)?;
                self.native = Some(library.clone());
                library
            }
        };
        let file = if language == Language::C { "snippet.c" } else { "snippet.cpp" };
        write(place, file, &snippet.text)?;
        let source = place.join(file);
        let program = native::compile(self.context, language, &source.to_string_lossy(), &library, true)?;
        self.context.process(program, log).dir(place).succeed().map(drop)
    }

    /// The Rust snippets of one document, as rustdoc tests them.
    fn rust(&mut self, document: &str) -> Result<Report> {
        let repository = &self.context.repository;
        let crates: Vec<&&str> =
            CRATES.iter().filter(|name| repository.has_content(&format!("crates/{name}/src/lib.rs"))).collect();
        if !self.rust_ready {
            let mut arguments = vec!["build", "--profile", PROFILE];
            for name in &crates {
                arguments.extend(["-p", name]);
            }
            self.context.process(cargo(), "docs-crates").args(arguments).succeed()?;
            self.rust_ready = true;
        }
        let built = repository.target_folder().join(PROFILE);
        let place = self.place(document)?;
        let mut process = self
            .context
            .process("rustdoc", &format!("docs-{}", document.replace(['/', '.'], "_")))
            .args(["--edition", "2024", "--test"])
            .args([repository.path(document)])
            .args(["-L"])
            .args([format!("dependency={}", built.join("deps").display())]);
        for name in crates {
            process = process
                .args(["--extern".to_owned(), format!("{name}={}", built.join(format!("lib{name}.rlib")).display())]);
        }
        let finished = process.dir(place).finish()?;
        let mut report = Report { counts: count::of_cargo(&finished.output).unwrap_or_default(), ..Report::default() };
        if !finished.success {
            report.counts.failed = report.counts.failed.max(1);
            report.failures.push(format!("{document}: {}", finished.failure()));
        }
        Ok(report)
    }
}

fn write(place: &Path, name: &str, text: &str) -> Result<()> {
    fs::write(place.join(name), text).during(format_args!("cannot write {name}"))
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> Result<()> {
    std::os::unix::fs::symlink(to, at).during(format_args!("cannot link {}", at.display()))
}

#[cfg(windows)]
fn link(to: &Path, at: &Path) -> Result<()> {
    std::os::windows::fs::symlink_dir(to, at).during(format_args!("cannot link {}", at.display()))
}
