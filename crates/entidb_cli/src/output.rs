//! What the user sees: text for people, JSON for programs.
//!
//! Always: one place prints. A reader that went away (a closed pipe) ends the output quietly.
//! Does not know: what is printed.

use std::io::{IsTerminal, Write};

use serde_json::Value as Json;

use crate::failure::{Failure, Result};

/// Where output goes, and in which form.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result: the text for people, or the JSON for programs.
    pub(crate) fn result(&self, text: impl FnOnce() -> String, json: impl FnOnce() -> Json) -> Result<()> {
        if self.json { self.line(&json().to_string()) } else { self.line(&text()) }
    }

    /// Prints one line.
    pub(crate) fn line(&self, text: &str) -> Result<()> {
        match writeln!(std::io::stdout(), "{text}") {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::system("write to standard output", &error)),
        }
    }

    /// Says why a command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        let text = if self.json {
            serde_json::json!({ "error": failure.code_name(), "message": failure.message() }).to_string()
        } else {
            format!("error: {} [{}]", failure.message(), failure.code_name())
        };
        // There is nowhere left to report that standard error cannot be written.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Asks before something that cannot be undone.
    pub(crate) fn confirm(&self, question: &str, yes: bool) -> Result<bool> {
        if yes {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Usage(format!("{question} cannot be undone; pass --yes to do it without asking")));
        }
        let mut stderr = std::io::stderr();
        write!(stderr, "{question}? This cannot be undone. [y/N] ").map_err(|error| Failure::system("ask", &error))?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map_err(|error| Failure::system("read the answer", &error))?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

/// Rows as a table with aligned columns.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}
