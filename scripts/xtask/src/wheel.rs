//! The command line tool, where maturin takes it into the Python wheel.
//!
//! Always: it is of this tree, and of the profile of the wheel. Does not know: wheels; maturin takes what lies in the folder
//! named after the module, and pip installs it beside Python.

use std::fs;

use crate::failure::{During, Result};
use crate::process::Process;
use crate::repository::{Repository, cargo};

/// Git does not know the folder.
const SCRIPTS: &str = "bindings/python/entidb._entidb.data/scripts";

/// Builds the tool and puts it into the folder. What is published has no symbols, as the module beside it.
pub(crate) fn provide_tool(repository: &Repository, profile: &str) -> Result<()> {
    let is_published = profile == "release";
    Process::new(cargo())
        .args(["rustc", "--quiet", "-p", "entidb_cli", "--bin", "entidb", "--profile", profile])
        .args(if is_published { &["--", "-C", "strip=symbols"][..] } else { &[] })
        .dir(repository.root())
        .succeed()?;
    let name = format!("entidb{}", std::env::consts::EXE_SUFFIX);
    let folder = repository.path(SCRIPTS);
    fs::create_dir_all(&folder).during(format!("cannot make {SCRIPTS}"))?;
    fs::copy(repository.target_folder().join(profile).join(&name), folder.join(&name))
        .during(format!("cannot copy the command line tool to {SCRIPTS}"))?;
    Ok(())
}
