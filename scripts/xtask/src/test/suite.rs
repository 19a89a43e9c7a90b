//! What a suite is, and the table of all of them.
//!
//! Always: a suite is present or says why it is not; one that is present never skips itself for a missing tool.
//! Does not know: how results are printed (`test`).
//!
//! A new suite is one line of `SUITES`; it switches itself on when its `present` finds its folder.

use std::path::PathBuf;

use super::count::Counts;
use super::{calls, conformance, dart, deep, documents, native, node, python, rust, shape};
use crate::failure::Result;
use crate::process::Process;
use crate::repository::Repository;
use crate::setup::Need;

/// How much of each test layer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// What continuous integration runs on every change.
    Quick,
    /// About an hour.
    Full,
    /// Many hours, before a release.
    Release,
}

impl Tier {
    /// The word tests find in `ENTIDB_TIER`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
            Self::Release => "release",
        }
    }
}

/// Whether what a suite tests is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is, and the suite must run.
    Here,
    /// It is not, for this reason.
    Absent(String),
}

impl Presence {
    /// Here when a file or folder exists.
    pub(crate) fn of(repository: &Repository, path: &str) -> Self {
        if repository.has(path) { Self::Here } else { Self::Absent(format!("{path} does not exist yet")) }
    }
}

/// What a suite gives back when it ran to its end.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How many tests passed, failed and were skipped.
    pub(crate) counts: Counts,
    /// What was left out and why, in sentences.
    pub(crate) notes: Vec<String>,
    /// What failed, in full; empty when nothing did.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// A suite that is one check, which passed.
    pub(crate) fn passed() -> Self {
        Self { counts: Counts::ONE, ..Self::default() }
    }

    /// Adds one test.
    pub(crate) fn test(&mut self, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.counts.passed += 1,
            Err(failure) => {
                self.counts.failed += 1;
                self.failures.push(failure.to_string());
            }
        }
    }
}

/// Where and how the suites of one run work.
#[derive(Debug)]
pub(crate) struct Context {
    /// The clone.
    pub(crate) repository: Repository,
    /// How much to run.
    pub(crate) tier: Tier,
    /// Where logs go.
    pub(crate) logs: PathBuf,
}

impl Context {
    /// A program of this run, in the root, with its log and the tier in its environment.
    pub(crate) fn process(&self, program: impl AsRef<std::path::Path>, log: &str) -> Process {
        let minutes = match self.tier {
            Tier::Quick => 40,
            Tier::Full => 150,
            Tier::Release => 13 * 60,
        };
        Process::new(program)
            .dir(self.repository.root())
            .env("ENTIDB_TIER", self.tier.word())
            .env("ENTIDB_TRANSCRIPTS", self.transcripts())
            .env("CARGO_TERM_COLOR", "never")
            .log(self.logs.join(format!("{log}.log")))
            .deadline(std::time::Duration::from_secs(minutes * 60))
    }

    /// Where each language's conformance runner writes its transcript.
    pub(crate) fn transcripts(&self) -> PathBuf {
        self.repository.path(".build/transcripts")
    }
}

/// One suite.
#[derive(Debug)]
pub(crate) struct Suite {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it shows, in a few words.
    pub(crate) what: &'static str,
    /// The least tier it is part of; `--only` runs it in any.
    pub(crate) tier: Tier,
    /// What it needs besides Rust.
    pub(crate) needs: &'static [Need],
    /// Whether what it tests is there.
    pub(crate) present: fn(&Repository) -> Presence,
    /// Runs it.
    pub(crate) run: fn(&Context) -> Result<Report>,
}

fn always(_: &Repository) -> Presence {
    Presence::Here
}

/// Every suite, cheap ones first.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "format",
        what: "cargo fmt",
        tier: Tier::Quick,
        needs: &[Need::Lints],
        present: always,
        run: shape::format,
    },
    Suite {
        name: "codegen",
        what: "generated files are up to date",
        tier: Tier::Quick,
        needs: &[Need::Lints],
        present: always,
        run: shape::codegen,
    },
    Suite {
        name: "tidy",
        what: "the rules about code and documents",
        tier: Tier::Quick,
        needs: &[Need::Lints],
        present: always,
        run: shape::tidy,
    },
    Suite {
        name: "xtask",
        what: "the checks catch their offences",
        tier: Tier::Quick,
        needs: &[],
        present: always,
        run: rust::xtask,
    },
    Suite {
        name: "clippy",
        what: "lints of every target, warnings are errors",
        tier: Tier::Quick,
        needs: &[Need::Lints],
        present: always,
        run: rust::clippy,
    },
    Suite {
        name: "reference",
        what: "the API reference builds without a warning",
        tier: Tier::Quick,
        needs: &[],
        present: always,
        run: rust::reference,
    },
    Suite {
        name: "header",
        what: "entidb.h is up to date and compiles as C11, C++17 and C++20",
        tier: Tier::Quick,
        needs: &[Need::Compilers],
        present: native::ffi,
        run: native::header,
    },
    Suite {
        name: "rust",
        what: "tests and doc examples of the crates",
        tier: Tier::Quick,
        needs: &[],
        present: always,
        run: rust::crates,
    },
    Suite {
        name: "simulation",
        what: "crashes, faults and histories",
        tier: Tier::Quick,
        needs: &[],
        present: rust::testkit,
        run: rust::simulation,
    },
    Suite {
        name: "schedules",
        what: "the engine's threads under a deterministic scheduler",
        tier: Tier::Quick,
        needs: &[],
        present: deep::schedules_present,
        run: deep::schedules,
    },
    Suite {
        name: "vectors",
        what: "golden bytes, checked by independent Python",
        tier: Tier::Quick,
        needs: &[Need::PythonTools],
        present: python::vectors_present,
        run: python::vectors,
    },
    Suite {
        name: "c",
        what: "tests/c under ASan, LSan and UBSan",
        tier: Tier::Quick,
        needs: &[Need::Compilers],
        present: native::c_present,
        run: native::c,
    },
    Suite {
        name: "calls",
        what: "random calls of every C function: a sanitized program; in full, a sanitized library too",
        tier: Tier::Quick,
        needs: &[Need::Compilers],
        present: calls::present,
        run: calls::calls,
    },
    Suite {
        name: "cpp",
        what: "tests/cpp under ASan, LSan and UBSan",
        tier: Tier::Quick,
        needs: &[Need::Compilers],
        present: native::cpp_present,
        run: native::cpp,
    },
    Suite {
        name: "python",
        what: "the built wheel under pytest",
        tier: Tier::Quick,
        needs: &[Need::PythonTools],
        present: python::present,
        run: python::package,
    },
    Suite {
        name: "node",
        what: "the built package under node --test",
        tier: Tier::Quick,
        needs: &[Need::NodePackages],
        present: node::present,
        run: node::package,
    },
    Suite {
        name: "dart",
        what: "the package on a 32-bit Dart VM, where one can be had",
        tier: Tier::Quick,
        needs: &[],
        present: dart::present,
        run: dart::package,
    },
    Suite {
        name: "conformance",
        what: "equal transcripts, and databases read by every language",
        tier: Tier::Quick,
        needs: &[],
        present: conformance::present,
        run: conformance::compare,
    },
    Suite {
        name: "docs",
        what: "the snippets of README and guides",
        tier: Tier::Quick,
        needs: &[],
        present: always,
        run: documents::snippets,
    },
    Suite {
        name: "examples",
        what: "the programs of examples/",
        tier: Tier::Quick,
        needs: &[],
        present: documents::examples_present,
        run: documents::examples,
    },
    Suite {
        name: "loom",
        what: "every interleaving of the models",
        tier: Tier::Full,
        needs: &[],
        present: deep::loom_present,
        run: deep::loom,
    },
    Suite {
        name: "miri",
        what: "undefined behaviour in the leaf files with unsafe code",
        tier: Tier::Full,
        needs: &[],
        present: deep::miri_present,
        run: deep::miri,
    },
    Suite {
        name: "fuzz",
        what: "hostile input, guided by coverage",
        tier: Tier::Full,
        needs: &[],
        present: deep::fuzz_present,
        run: deep::fuzz,
    },
];
