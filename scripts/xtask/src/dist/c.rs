//! Packs the library for C and C++: headers, the static and the shared library, and what build tools look for.
//!
//! Always: the shared library stands under the name programs load it by, and a link of the name they are linked by.
//! Does not know: where it will be installed; pkg-config and CMake find the rest from where their file lies.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::shown;
use crate::failure::{During, Failure, Result};
use crate::repository::{Repository, cargo};

/// Builds and lays out `dist/c`.
pub(super) fn pack(repository: &Repository, dist: &Path) -> Result<()> {
    if !repository.has_content(crate::header::ROOT) {
        println!("dist: no C library, because entidb_ffi has no content yet");
        return Ok(());
    }
    shown(Command::new(cargo()).args(["build", "--release", "-p", "entidb_ffi"]).current_dir(repository.root()))?;
    let place = dist.join("c");
    let mut headers = repository.files_in("include", "h")?;
    headers.extend(repository.files_in("include", "hpp")?);
    for header in headers {
        copy(&repository.path(&header), &place.join(&header))?;
    }
    let package = repository
        .packages()?
        .into_iter()
        .find(|package| package.name == "entidb_ffi")
        .ok_or_else(|| Failure::new("there is no package entidb_ffi"))?;
    let name = package.c_library.ok_or_else(|| Failure::new("entidb_ffi builds no static library"))?;
    let built = repository.target_folder().join("release");
    let mut copied = Vec::new();
    for (from, to) in [
        (format!("lib{name}.a"), "libentidb.a"),
        (format!("lib{name}.so"), "libentidb.so.0"),
        (format!("lib{name}.dylib"), "libentidb.0.dylib"),
        (format!("{name}.dll"), "entidb.dll"),
        (format!("{name}.dll.lib"), "entidb.dll.lib"),
        (format!("{name}.lib"), "entidb.lib"),
    ] {
        if built.join(&from).is_file() {
            copy(&built.join(&from), &place.join("lib").join(to))?;
            copied.push(to);
        }
    }
    #[cfg(unix)]
    for (versioned, plain) in [("libentidb.so.0", "libentidb.so"), ("libentidb.0.dylib", "libentidb.dylib")] {
        if copied.contains(&versioned) {
            let link = place.join("lib").join(plain);
            fs::remove_file(&link).ok();
            std::os::unix::fs::symlink(versioned, &link).during(format_args!("cannot link {plain}"))?;
        }
    }
    write(&place.join("lib/pkgconfig/entidb.pc"), &pkg_config(&package.version))?;
    write(&place.join("lib/cmake/entidb/entidb-config.cmake"), CMAKE)?;
    println!("dist: {} with {}", place.display(), copied.join(", "));
    Ok(())
}

fn pkg_config(version: &str) -> String {
    let private = if cfg!(target_os = "macos") {
        "-framework Security -framework CoreFoundation"
    } else {
        "-lpthread -ldl -lm -lrt"
    };
    format!(
        "prefix=${{pcfiledir}}/../..\n\nName: entidb\nDescription: An embedded entity database\n\
         Version: {version}\nCflags: -I${{prefix}}/include\nLibs: -L${{prefix}}/lib -lentidb\nLibs.private: {private}\n"
    )
}

const CMAKE: &str = "# find_package(entidb) gives the target entidb::entidb.
get_filename_component(_entidb_root \"${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)
find_library(entidb_LIBRARY NAMES entidb PATHS \"${_entidb_root}/lib\" NO_DEFAULT_PATH REQUIRED)
if(NOT TARGET entidb::entidb)
  add_library(entidb::entidb UNKNOWN IMPORTED)
  set_target_properties(entidb::entidb PROPERTIES
    IMPORTED_LOCATION \"${entidb_LIBRARY}\"
    INTERFACE_INCLUDE_DIRECTORIES \"${_entidb_root}/include\")
endif()
";

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).during(format_args!("cannot make {}", folder.display()))?;
    }
    fs::copy(from, to).during(format_args!("cannot copy {}", from.display())).map(drop)
}

fn write(to: &Path, text: &str) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).during(format_args!("cannot make {}", folder.display()))?;
    }
    fs::write(to, text).during(format_args!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_file_says_its_version_and_finds_its_folder() {
        let text = pkg_config("1.2.3");
        assert!(text.contains("Version: 1.2.3\n") && text.starts_with("prefix=${pcfiledir}/../..\n"), "{text}");
    }
}
