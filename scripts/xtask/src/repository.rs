//! The clone this program works in: its root, its files and its packages.
//!
//! Always: paths given out are relative to the root and use `/`.
//! Does not know: what the files mean; `tidy` and `codegen` do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failure::{During, Failure, Result};

/// Folders that builds make; nothing in them is ours to judge.
const BUILT: &[&str] = &[
    "entidb._entidb.data",
    "target",
    ".build",
    "node_modules",
    ".git",
    "dist",
    ".venv",
    "__pycache__",
    ".pytest_cache",
];

/// The first words of a crate that has no content yet.
const PLACEHOLDER: &str = "//! Placeholder until";

/// A clone of EntiDB.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    root: PathBuf,
}

/// One package of the workspace, as cargo describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its folder, relative to the root.
    pub(crate) folder: String,
    /// Names of the workspace packages it is built with.
    pub(crate) uses: Vec<String>,
    /// Names of the workspace packages only its tests are built with.
    pub(crate) tests_use: Vec<String>,
    /// Root source files of its libraries and programs, relative to the root.
    pub(crate) roots: Vec<String>,
    /// The name of its library as a C library, if it builds one.
    pub(crate) c_library: Option<String>,
}

impl Repository {
    /// Finds the clone this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).filter(|root| root.join("Cargo.toml").is_file()).ok_or_else(|| {
            Failure::new("the clone this program was built from has moved; run it through `cargo xtask`")
        })?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// A repository at another place, for tests of the checks.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// The root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The full path of a file in the clone.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Whether a file or folder is there.
    pub(crate) fn has(&self, relative: &str) -> bool {
        self.path(relative).exists()
    }

    /// Reads a text file of the clone.
    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        fs::read_to_string(self.path(relative)).during(format_args!("cannot read {relative}"))
    }

    /// Writes a text file of the clone, making its folder when needed.
    pub(crate) fn write(&self, relative: &str, text: &str) -> Result<()> {
        let path = self.path(relative);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).during(format_args!("cannot make the folder of {relative}"))?;
        }
        fs::write(&path, text).during(format_args!("cannot write {relative}"))
    }

    /// The folder for what suites build and download, made on demand.
    pub(crate) fn build_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(".build").join(name);
        fs::create_dir_all(&folder).during(format_args!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_folder(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// Every file that belongs to the project, sorted.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let mut found = match self.files_by_git() {
            Some(found) => found,
            None => {
                let mut found = Vec::new();
                self.walk(&self.root, &mut found)?;
                found
            }
        };
        found.retain(|file| !file.split('/').any(|part| BUILT.contains(&part)) && self.path(file).is_file());
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Every file below `folder` whose name ends in `.extension`.
    pub(crate) fn files_in(&self, folder: &str, extension: &str) -> Result<Vec<String>> {
        let prefix = format!("{folder}/");
        let suffix = format!(".{extension}");
        Ok(self.files()?.into_iter().filter(|file| file.starts_with(&prefix) && file.ends_with(&suffix)).collect())
    }

    /// Tracked files and new ones that no ignore rule hides; `None` outside a git clone.
    fn files_by_git(&self) -> Option<Vec<String>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .ok()?;
        if !output.status.success() || !self.root.join(".git").exists() {
            return None;
        }
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    fn walk(&self, folder: &Path, found: &mut Vec<String>) -> Result<()> {
        for entry in fs::read_dir(folder).during(format_args!("cannot list {}", folder.display()))? {
            let entry = entry.during(format_args!("cannot list {}", folder.display()))?;
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                if !BUILT.iter().any(|name| entry.file_name() == *name) {
                    self.walk(&path, found)?;
                }
            } else if let Ok(relative) = path.strip_prefix(&self.root) {
                found.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
        Ok(())
    }

    /// Whether a crate has content: its root file is there and is not the placeholder.
    pub(crate) fn has_content(&self, root_file: &str) -> bool {
        self.read(root_file).is_ok_and(|text| !text.starts_with(PLACEHOLDER))
    }

    /// The packages of the workspace, as `cargo metadata` gives them.
    pub(crate) fn packages(&self) -> Result<Vec<Package>> {
        let output = Command::new(cargo())
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(&self.root)
            .output()
            .during("cannot run cargo metadata")?;
        if !output.status.success() {
            return Err(Failure::new(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr))));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout).during("cargo metadata gave no JSON")?;
        let packages = metadata.get("packages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Ok(packages.iter().map(|package| self.package(package)).collect())
    }

    fn package(&self, package: &Value) -> Package {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |key: &str| package.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let relative = |path: &str| {
            Path::new(path)
                .strip_prefix(&self.root)
                .map_or_else(|_| path.to_owned(), |path| path.to_string_lossy().replace('\\', "/"))
        };
        let mut uses = Vec::new();
        let mut tests_use = Vec::new();
        for dependency in list("dependencies") {
            // Only a dependency with a path is one of ours.
            if dependency.get("path").is_none_or(Value::is_null) {
                continue;
            }
            let into = if text(&dependency, "kind") == "dev" { &mut tests_use } else { &mut uses };
            into.push(text(&dependency, "name"));
        }
        let mut roots = Vec::new();
        let mut c_library = None;
        for target in list("targets") {
            let kinds = target.get("kind").and_then(Value::as_array).cloned().unwrap_or_default();
            let is = |wanted: &str| kinds.iter().any(|kind| kind == wanted);
            if is("lib") || is("rlib") || is("cdylib") || is("staticlib") || is("bin") || is("proc-macro") {
                roots.push(relative(&text(&target, "src_path")));
            }
            if is("staticlib") {
                c_library = Some(text(&target, "name"));
            }
        }
        let manifest = text(package, "manifest_path").replace("/Cargo.toml", "").replace("\\Cargo.toml", "");
        Package {
            name: text(package, "name"),
            version: text(package, "version"),
            folder: relative(&manifest),
            uses,
            tests_use,
            roots,
            c_library,
        }
    }
}

/// The cargo that runs this program, so that one toolchain does everything.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
